package jp2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Signatures of a file of boxes (ISO/IEC 15444-1, I.5.1) and of a codestream without boxes (A.4).
const (
	boxes      = "\x00\x00\x00\x0cjP  \r\n\x87\n"
	codestream = "\xff\x4f\xff\x51"
)

// Is reports whether data begins as a JPEG 2000 file or codestream.
func Is(data []byte) bool {
	return bytes.HasPrefix(data, []byte(boxes)) || bytes.HasPrefix(data, []byte(codestream))
}

// header is what is known of a picture before its decoder starts.
type header struct {
	width, height int
	raw           bool // a codestream without boxes
	// Enumerated colour space (ISO/IEC 15444-1, I.5.3.3, and 15444-2, M.11.7.3.1); 0 if not given.
	colours int
}

// ReadSize reads the size in pixels. In files of boxes it is that of the image header box, and must
// be that of the codestream.
func ReadSize(data []byte) (width, height int, err error) {
	h, err := readHeader(data)
	return h.width, h.height, err
}

var errHeader = errors.New("damaged header")

func readHeader(data []byte) (header, error) {
	h := header{}
	stream := data
	if bytes.HasPrefix(data, []byte(boxes)) {
		width, height, err := h.readBoxes(data, &stream)
		if err != nil {
			return h, err
		}
		if err := h.readCodestream(stream); err != nil {
			return h, err
		}
		if width != h.width || height != h.height {
			return h, fmt.Errorf("the header says %d x %d pixels, the codestream %d x %d", width, height, h.width, h.height)
		}
		return h, nil
	}
	h.raw = true
	return h, h.readCodestream(data)
}

// readBoxes reads the boxes in front of the codestream, which it puts into stream.
func (h *header) readBoxes(data []byte, stream *[]byte) (width, height int, err error) {
	for len(data) > 0 {
		kind, body, rest, err := nextBox(data)
		if err != nil {
			return 0, 0, err
		}
		switch kind {
		case "jp2h":
			if width, height, err = h.readHeaderBox(body); err != nil {
				return 0, 0, err
			}
		case "jp2c":
			if width == 0 {
				return 0, 0, errors.New("the codestream comes before the header")
			}
			*stream = body
			return width, height, nil
		}
		data = rest
	}
	return 0, 0, io.ErrUnexpectedEOF
}

// readHeaderBox reads the boxes inside jp2h.
func (h *header) readHeaderBox(data []byte) (width, height int, err error) {
	for len(data) > 0 {
		kind, body, rest, err := nextBox(data)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case kind == "ihdr" && len(body) >= 14 && width == 0:
			v, w := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w < 1 || v < 1 || w > math.MaxInt32 || v > math.MaxInt32 {
				return 0, 0, fmt.Errorf("a size of %d x %d pixels", w, v)
			}
			width, height = int(w), int(v)
		case kind == "colr" && len(body) >= 7 && body[0] == 1 && h.colours == 0:
			h.colours = int(binary.BigEndian.Uint32(body[3:]))
		}
		data = rest
	}
	if width == 0 {
		return 0, 0, errHeader
	}
	return width, height, nil
}

// nextBox takes the first box of data apart. A box that is longer than data ends with it, as a
// codestream does in a truncated file.
func nextBox(data []byte) (kind string, body, rest []byte, err error) {
	if len(data) < 8 {
		return "", nil, nil, io.ErrUnexpectedEOF
	}
	size, from := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	kind = string(data[4:8])
	switch size {
	case 0: // up to the end
		size = uint64(len(data))
	case 1:
		if len(data) < 16 {
			return "", nil, nil, io.ErrUnexpectedEOF
		}
		size, from = binary.BigEndian.Uint64(data[8:]), 16
	}
	if size < from {
		return "", nil, nil, errHeader
	}
	size = min(size, uint64(len(data)))
	return kind, data[from:size], data[size:], nil
}

// readCodestream reads the SIZ marker segment (ISO/IEC 15444-1, A.5.1), the first of a codestream.
func (h *header) readCodestream(b []byte) error {
	const short = 40 // up to the number of components
	if len(b) < short+2 {
		return io.ErrUnexpectedEOF
	}
	if !bytes.HasPrefix(b, []byte(codestream)) {
		return errHeader
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(b[at:])) }
	w, v := number(8)-number(16), number(12)-number(20)
	if w < 1 || v < 1 || w > math.MaxInt32 || v > math.MaxInt32 {
		return fmt.Errorf("a size of %d x %d pixels", w, v)
	}
	h.width, h.height = int(w), int(v)
	return nil
}
