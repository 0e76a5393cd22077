package pnm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/declip/declip/internal/picture/raster"
)

// header is what precedes the pixels.
type header struct {
	kind          byte // '1' to '7', the digit of the magic number
	width, height int
	depth         int // samples a pixel
	most          int // value of white, 1 to 65535
}

// reader reads words of a header and of text formats.
type reader struct {
	data []byte
	at   int
}

var errNumber = errors.New("a number was expected")

// Is tells whether a file begins as one of these formats does.
func Is(data []byte) bool {
	return len(data) > 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' && (space(data[2]) || data[2] == '#')
}

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// word returns the next word; a comment goes from # to the end of its line.
func (r *reader) word() (string, error) {
	for r.at < len(r.data) {
		switch c := r.data[r.at]; {
		case c == '#':
			r.line()
		case space(c):
			r.at++
		default:
			begin := r.at
			for r.at < len(r.data) && !space(r.data[r.at]) && r.data[r.at] != '#' && r.at-begin < 100 {
				r.at++
			}
			return string(r.data[begin:r.at]), nil
		}
	}
	return "", io.ErrUnexpectedEOF
}

// line passes the rest of a line.
func (r *reader) line() {
	for r.at < len(r.data) && r.data[r.at] != '\n' && r.data[r.at] != '\r' {
		r.at++
	}
}

func (r *reader) number(most int) (int, error) {
	w, err := r.word()
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(w)
	if err != nil {
		return 0, fmt.Errorf("%w, got %q at byte %d", errNumber, w, r.at-len(w))
	}
	if n < 0 || n > most {
		return 0, fmt.Errorf("%d at byte %d is not in the range 0 to %d", n, r.at-len(w), most)
	}
	return n, nil
}

const maxSide = 1<<31 - 1

// ReadSize reads the size in pixels.
func ReadSize(data []byte) (width, height int, err error) {
	h, _, err := readHeader(data)
	return h.width, h.height, err
}

func readHeader(data []byte) (header, *reader, error) {
	if !Is(data) {
		return header{}, nil, errors.New("not a portable picture")
	}
	h, r := header{kind: data[1], depth: 1, most: 1}, &reader{data: data, at: 2}
	if h.kind == '7' {
		if err := h.readPAM(r); err != nil {
			return h, nil, err
		}
	} else if err := h.readNumbers(r); err != nil {
		return h, nil, err
	}
	switch {
	case h.width < 1 || h.height < 1:
		return h, nil, fmt.Errorf("a size of %d x %d pixels", h.width, h.height)
	case h.most < 1:
		return h, nil, errors.New("white has the value 0")
	case h.depth < 1 || h.depth > 4:
		return h, nil, fmt.Errorf("%d samples a pixel, 1 to 4 are read", h.depth)
	}
	return h, r, nil
}

// readNumbers reads the header of the formats P1 to P6.
func (h *header) readNumbers(r *reader) (err error) {
	if h.width, err = r.number(maxSide); err != nil {
		return err
	}
	if h.height, err = r.number(maxSide); err != nil {
		return err
	}
	if h.kind == '3' || h.kind == '6' {
		h.depth = 3
	}
	if h.kind != '1' && h.kind != '4' {
		if h.most, err = r.number(65535); err != nil {
			return err
		}
	}
	r.at++ // one space before the pixels
	return nil
}

// readPAM reads the header of P7: a name and a value on each line.
func (h *header) readPAM(r *reader) error {
	for range 100 {
		name, err := r.word()
		if err != nil {
			return err
		}
		switch name {
		case "WIDTH":
			h.width, err = r.number(maxSide)
		case "HEIGHT":
			h.height, err = r.number(maxSide)
		case "DEPTH":
			h.depth, err = r.number(65535)
		case "MAXVAL":
			h.most, err = r.number(65535)
		case "TUPLTYPE":
			r.line()
		case "ENDHDR":
			r.line()
			r.at++
			return nil
		default:
			err = fmt.Errorf("%q in the header is not known", name)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the header does not end")
}

// Decode decodes a picture. It stops with the error of ctx within milliseconds after ctx has ended.
// A file that ends too early is io.ErrUnexpectedEOF (wrapped).
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	h, r, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	rest := data[min(r.at, len(data)):]
	if h.least() > int64(len(rest)) { // before memory is taken
		return nil, io.ErrUnexpectedEOF
	}
	channels := 1
	if h.depth >= 3 {
		channels = 3
	}
	m := raster.New(h.width, h.height, channels)
	watch := raster.NewWatch(ctx)
	switch h.kind {
	case '1':
		return m, h.readBitsText(watch, m, r)
	case '2', '3':
		return m, h.readText(watch, m, r)
	case '4':
		err = h.readBits(watch, m, rest)
	default:
		err = h.readBytes(watch, m, rest)
	}
	if err != nil {
		return nil, err
	}
	if size := h.least(); h.kind > '3' && int64(len(rest)) > size && Is(bytes.TrimLeft(rest[size:], " \t\r\n")) {
		m.Warn("the file has more than one picture, of which the first is used")
	}
	return m, nil
}

// least is the smallest number of bytes that the pixels take.
func (h *header) least() int64 {
	pixels := int64(h.width) * int64(h.height)
	switch {
	case h.kind == '1':
		return pixels
	case h.kind == '4':
		return (int64(h.width) + 7) / 8 * int64(h.height)
	case h.kind < '4': // a digit and a space
		return 2*pixels*int64(h.depth) - 1
	case h.most > 255:
		return 2 * pixels * int64(h.depth)
	}
	return pixels * int64(h.depth)
}

// scale gives for each sample its value from 0 to 255; halves are rounded to even numbers, as
// Pillow does.
func (h *header) scale() []uint8 {
	table := make([]uint8, 65536)
	for v := range table {
		table[v] = uint8(math.RoundToEven(float64(min(v, h.most)) / float64(h.most) * 255))
	}
	return table
}

// readBitsText reads digits, with or without spaces between them; 1 is black.
func (h *header) readBitsText(watch *raster.Watch, m *raster.Image, r *reader) error {
	for i := 0; i < len(m.Pix); r.at++ {
		if r.at >= len(r.data) {
			return io.ErrUnexpectedEOF
		}
		if err := watch.Spend(1); err != nil {
			return err
		}
		switch c := r.data[r.at]; {
		case c == '0' || c == '1':
			m.Pix[i] = 255 * ('1' - c)
			i++
		case c == '#':
			r.line()
		case !space(c):
			return fmt.Errorf("%q at byte %d, expected 0 or 1", c, r.at)
		}
	}
	return nil
}

func (h *header) readText(watch *raster.Watch, m *raster.Image, r *reader) error {
	scale := h.scale()
	for i := range m.Pix {
		v, err := r.number(65535)
		if err == nil {
			err = watch.Spend(10) // a number costs as much as ten samples of bytes
		}
		if err != nil {
			return err
		}
		m.Pix[i] = scale[v]
	}
	return nil
}

func (h *header) readBits(watch *raster.Watch, m *raster.Image, b []byte) error {
	stride := (h.width + 7) / 8
	for y := range h.height {
		if err := watch.Spend(h.width); err != nil {
			return err
		}
		row, out := b[y*stride:], m.Row(y)
		for x := range out {
			out[x] = 255 * (1 - row[x/8]>>(7-x&7)&1)
		}
	}
	return nil
}

func (h *header) readBytes(watch *raster.Watch, m *raster.Image, b []byte) error {
	if h.most == 255 && h.depth == m.Channels {
		copy(m.Pix, b)
		return nil
	}
	scale := h.scale()
	for i := range h.width * h.height {
		if err := watch.Spend(1); err != nil {
			return err
		}
		for c := range m.Channels {
			k := i*h.depth + c
			var v int
			if h.most > 255 {
				v = int(b[2*k])<<8 | int(b[2*k+1])
			} else {
				v = int(b[k])
			}
			m.Pix[i*m.Channels+c] = scale[v]
		}
	}
	return nil
}
