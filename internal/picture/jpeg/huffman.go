package jpeg

import (
	"errors"
	"io"

	"github.com/declip/declip/internal/picture/raster"
)

// huffman is a decoding table.
type huffman struct {
	// fast gives for the next lookup bits the symbol in the high and the code's length in the low
	// eight bits; 0 for codes that are longer.
	fast    [1 << lookup]uint16
	symbols []byte
	// For codes of each length: the smallest code that is larger than all of them, at 16 bits, and
	// what to add to a code to have its symbol's place.
	above  [17]int32
	offset [17]int32
}

const lookup = 9

var errHuffman = errors.New("damaged Huffman table")

// huffmanTables reads tables.
func (d *decoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return errHuffman
		}
		class, slot := b[0]>>4, b[0]&15
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if class > 1 || slot > 3 || total > 256 || len(b) < 17+total {
			return errHuffman
		}
		t, err := newHuffman(b[1:17], b[17:17+total])
		if err != nil {
			return err
		}
		d.huffman[class][slot] = t
		d.tables = true
		b = b[17+total:]
	}
	return nil
}

// newHuffman makes the table of a code from its number of symbols of each length, 1 to 16 bits.
func newHuffman(counts, symbols []byte) (*huffman, error) {
	t := &huffman{symbols: append([]byte{}, symbols...)}
	code, place := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		t.offset[length] = place - code
		if code+n > 1<<length {
			return nil, errHuffman
		}
		if length <= lookup {
			for i := range n {
				entry := uint16(symbols[place+i])<<8 | uint16(length)
				first := (code + i) << (lookup - length)
				for k := range int32(1) << (lookup - length) {
					t.fast[first+k] = entry
				}
			}
		}
		code, place = code+n, place+n
		t.above[length] = code << (16 - length)
		code <<= 1
	}
	return t, nil
}

// bits reads the entropy-coded bits of a scan.
type bits struct {
	data []byte
	at   int
	acc  uint64 // the next bits, from the highest on
	n    int    // how many of them there are
	// starved is set when a marker came before all blocks: zeros take the place of what is missing.
	starved  bool
	warnings *raster.Warnings
}

// fill reads bytes until there are more than 56 bits, or a marker or the end is reached.
func (b *bits) fill() {
	for b.n <= 56 && b.at < len(b.data) {
		v := b.data[b.at]
		if v == 0xff {
			k := b.at + 1
			for k < len(b.data) && b.data[k] == 0xff {
				k++
			}
			if k >= len(b.data) || b.data[k] != 0 {
				return
			}
			b.at = k
		}
		b.at++
		b.acc |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// need makes sure of n bits, at most 32.
func (b *bits) need(n int) error {
	if b.n < n {
		if b.fill(); b.n < n {
			return b.early()
		}
	}
	return nil
}

// early handles bits that end too soon: at the end of the file that is an error; before a marker
// zeros follow, as in libjpeg.
func (b *bits) early() error {
	if b.at+1 >= len(b.data) {
		return io.ErrUnexpectedEOF
	}
	if !b.starved {
		b.starved = true
		b.warnings.Warn("damaged at byte %d: a marker comes before the last block", b.at)
	}
	b.n = 64
	return nil
}

// take takes n bits that need has made sure of, 1 to 16.
func (b *bits) take(n int) int32 {
	v := int32(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// bit takes one.
func (b *bits) bit() (bool, error) {
	if err := b.need(1); err != nil {
		return false, err
	}
	return b.take(1) != 0, nil
}

// extended takes n bits, 1 to 16, as the standard stores differences: the lower half of the numbers
// represents negative ones.
func (b *bits) extended(n int) (int32, error) {
	if err := b.need(n); err != nil {
		return 0, err
	}
	v := b.take(n)
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v, nil
}

// symbol decodes one. A code that the table does not have is treated as symbol 0, as in libjpeg.
func (b *bits) symbol(t *huffman) (byte, error) {
	if b.n < 32 {
		b.fill()
	}
	if e := t.fast[b.acc>>(64-lookup)]; e != 0 {
		n := int(e & 0xff)
		if n > b.n {
			if err := b.early(); err != nil {
				return 0, err
			}
		}
		b.acc <<= n
		b.n -= n
		return byte(e >> 8), nil
	}
	next := int32(b.acc >> 48)
	for length := lookup + 1; length <= 16; length++ {
		if next >= t.above[length] {
			continue
		}
		if length > b.n {
			if err := b.early(); err != nil {
				return 0, err
			}
		}
		return t.symbols[b.take(length)+t.offset[length]], nil
	}
	if b.n < 17 {
		if err := b.early(); err != nil {
			return 0, err
		}
	}
	b.take(17)
	b.warnings.Warn("damaged before byte %d: a code that its Huffman table does not have", b.at)
	return 0, nil
}

// toMarker goes to the next marker.
func (b *bits) toMarker() error {
	begin := b.at
	for b.at+1 < len(b.data) && (b.data[b.at] != 0xff || b.data[b.at+1] == 0xff || b.data[b.at+1] == 0) {
		if b.data[b.at] != 0xff {
			begin--
		}
		b.at++
	}
	if b.at+1 >= len(b.data) {
		return io.ErrUnexpectedEOF
	}
	if begin < b.at && b.data[b.at-1] != 0xff {
		b.warnings.Warn("damaged at byte %d: data that no block takes", b.at)
	}
	return nil
}

// restart continues after the restart marker with the number i. Where another marker is found, it
// does what libjpeg's jpeg_resync_to_restart does: markers of the past are passed, those of the
// near future are left for later.
func (b *bits) restart(i int) error {
	b.acc, b.n = 0, 0
	for {
		if err := b.toMarker(); err != nil {
			return err
		}
		marker := b.data[b.at+1]
		ahead := (int(marker) - markRST0 - i) & 7
		isRestart := marker >= markRST0 && marker < markRST0+8
		if isRestart && ahead == 0 {
			b.at += 2
			b.starved = false
			return nil
		}
		b.warnings.Warn("damaged at byte %d: restart marker %d expected, found marker 0x%02x", b.at, i, marker)
		switch {
		case marker < markSOF0 || isRestart && ahead >= 6: // of the past
			b.at += 2
		case !isRestart || ahead <= 2:
			return nil // zeros follow
		default: // too far away to tell
			b.at += 2
			b.starved = false
			return nil
		}
	}
}
