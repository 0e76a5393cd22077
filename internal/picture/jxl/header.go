package jxl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Signatures of a file of boxes (ISO/IEC 18181-2, 9.1) and of a codestream without boxes.
const (
	boxes      = "\x00\x00\x00\x0cJXL \r\n\x87\n"
	codestream = "\xff\x0a"
)

// Is reports whether data begins as a JPEG XL file or codestream.
func Is(data []byte) bool {
	return bytes.HasPrefix(data, []byte(boxes)) || bytes.HasPrefix(data, []byte(codestream))
}

// ReadSize reads the size in pixels, after the orientation in the codestream.
func ReadSize(data []byte) (width, height int, err error) {
	if bytes.HasPrefix(data, []byte(boxes)) {
		if data, err = firstPart(data); err != nil {
			return 0, 0, err
		}
	}
	if !bytes.HasPrefix(data, []byte(codestream)) {
		if len(data) < len(codestream) {
			return 0, 0, io.ErrUnexpectedEOF
		}
		return 0, 0, errHeader
	}
	return readCodestream(data[len(codestream):])
}

var errHeader = errors.New("damaged header")

// firstPart is the beginning of the codestream in a file of boxes.
func firstPart(data []byte) ([]byte, error) {
	for len(data) >= 8 {
		size, from := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		kind := string(data[4:8])
		switch size {
		case 0: // up to the end
			size = uint64(len(data))
		case 1:
			if len(data) < 16 {
				return nil, io.ErrUnexpectedEOF
			}
			size, from = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size < from {
			return nil, errHeader
		}
		body := data[from:min(max(size, from), uint64(len(data)))]
		switch {
		case kind == "jxlc":
			return body, nil
		case kind == "jxlp" && len(body) >= 4: // after the part's number
			return body[4:], nil
		}
		data = data[min(size, uint64(len(data))):]
	}
	return nil, io.ErrUnexpectedEOF
}

// bits reads numbers that begin with their low bit (ISO/IEC 18181-1, B.2).
type bits struct {
	b     []byte
	at    int
	short bool
}

func (r *bits) read(n int) int {
	v := 0
	for i := range n {
		if r.at>>3 >= len(r.b) {
			r.short = true
			return 0
		}
		v |= int(r.b[r.at>>3]>>(r.at&7)&1) << i
		r.at++
	}
	return v
}

// length reads a width or height (SizeHeader, ISO/IEC 18181-1, D.2).
func (r *bits) length(small bool) int {
	if small {
		return 8 * (1 + r.read(5))
	}
	return 1 + r.read([...]int{9, 13, 18, 30}[r.read(2)])
}

// readCodestream reads the size, and the orientation from the beginning of the metadata (D.3).
func readCodestream(b []byte) (width, height int, err error) {
	r := bits{b: b}
	small := r.read(1) == 1
	height = r.length(small)
	ratios := [...][2]int{{}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}
	if ratio := ratios[r.read(3)]; ratio[1] == 0 {
		width = r.length(small)
	} else {
		width = int(int64(height) * int64(ratio[0]) / int64(ratio[1]))
	}
	if byDefault := r.read(1) == 1; !byDefault {
		if more := r.read(1) == 1; more && r.read(3) >= 4 { // orientations 5 to 8 turn by 90 degrees
			width, height = height, width
		}
	}
	if r.short {
		return 0, 0, io.ErrUnexpectedEOF
	}
	if width < 1 || width > math.MaxInt32 {
		return 0, 0, fmt.Errorf("a size of %d x %d pixels", width, height)
	}
	return width, height, nil
}
