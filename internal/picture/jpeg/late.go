package jpeg

import (
	"bytes"
	"encoding/binary"
)

// lateHeight looks for the height that a file gives after its first scan (DNL segment) because its
// frame header gives 0; it is 0 if there is none. data begins anywhere before that scan.
func lateHeight(data []byte) int {
	at := bytes.Index(data, []byte{0xff, markDNL, 0, 4})
	if at < 0 || at+6 > len(data) {
		return 0
	}
	return int(binary.BigEndian.Uint16(data[at+4:]))
}

// refined tells whether the scans of a progressive file have brought all bits of all coefficients.
func (d *decoder) refined() bool {
	for _, c := range d.components {
		for _, bits := range c.missing {
			if bits != 0 {
				return false
			}
		}
	}
	return d.progressive && len(d.components) > 0
}
