package bmp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/declip/declip/internal/picture/raster"
)

// Kinds of compression.
const (
	plain, rle8, rle4     = 0, 1, 2
	bitFields, embedJPEG  = 3, 4
	embedPNG, alphaFields = 5, 6
)

// header is what precedes the pixels.
type header struct {
	width, height int
	topDown       bool
	bits          int
	compression   uint32
	palette       [][3]uint8
	masks         [3]uint32 // of red, green and blue in a pixel of 16 or 32 bits
	pixels        int64     // offset of the first row
}

// Sizes of the headers that are distinguished.
const (
	fileHeader = 14
	os2Header  = 12 // OS/2 1.x
	infoHeader = 40 // Windows 3.x; longer ones begin the same
)

// ReadSize reads the size in pixels.
func ReadSize(data []byte) (width, height int, err error) {
	h, err := readHeader(data)
	return h.width, h.height, err
}

func readHeader(data []byte) (header, error) {
	h := header{}
	if len(data) < fileHeader+4 {
		return h, io.ErrUnexpectedEOF
	}
	h.pixels = int64(binary.LittleEndian.Uint32(data[10:]))
	size := int64(binary.LittleEndian.Uint32(data[fileHeader:]))
	if size != os2Header && (size < 16 || size > 256) {
		return h, fmt.Errorf("a header of %d bytes is not known", size)
	}
	if fileHeader+size > int64(len(data)) {
		return h, io.ErrUnexpectedEOF
	}
	b := data[fileHeader:][:size]
	planes := h.readSize(b)
	if h.width < 1 || h.height < 1 {
		return h, fmt.Errorf("a size of %d x %d pixels", h.width, h.height)
	}
	if planes != 1 {
		return h, fmt.Errorf("%d planes, expected 1", planes)
	}
	at := fileHeader + size
	if h.compression == bitFields || h.compression == alphaFields {
		if size == infoHeader { // behind later headers no masks follow: they have them
			n := int64(12)
			if h.compression == alphaFields {
				n = 16
			}
			at += n
		}
	}
	if err := h.readMasks(data); err != nil {
		return h, err
	}
	return h, h.readPalette(data, at, b)
}

// readSize reads the fields up to the kind of compression; it returns the number of planes.
func (h *header) readSize(b []byte) (planes int) {
	le := binary.LittleEndian
	if len(b) == os2Header {
		h.width, h.height = int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
		h.bits = int(le.Uint16(b[10:]))
		return int(le.Uint16(b[8:]))
	}
	h.width, h.height = int(int32(le.Uint32(b[4:]))), int(int32(le.Uint32(b[8:])))
	if h.height < 0 {
		h.height, h.topDown = -h.height, true
	}
	h.bits = int(le.Uint16(b[14:]))
	if len(b) >= 20 {
		h.compression = le.Uint32(b[16:])
	}
	return int(le.Uint16(b[12:]))
}

// readMasks checks the kind of pixels and finds their fields.
func (h *header) readMasks(data []byte) error {
	switch h.compression {
	case plain:
		switch h.bits {
		case 1, 2, 4, 8, 24:
		case 16:
			h.masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
		case 32:
			h.masks = [3]uint32{0xff0000, 0xff00, 0xff}
		default:
			return fmt.Errorf("%d bits a pixel", h.bits)
		}
	case bitFields, alphaFields:
		if h.bits != 16 && h.bits != 32 {
			return fmt.Errorf("bit fields in %d bits a pixel", h.bits)
		}
		if len(data) < fileHeader+infoHeader+12 {
			return io.ErrUnexpectedEOF
		}
		for i := range h.masks {
			m := binary.LittleEndian.Uint32(data[fileHeader+infoHeader+4*i:])
			if m>>bits.TrailingZeros32(m)&(m>>bits.TrailingZeros32(m)+1) != 0 || h.bits == 16 && m > 0xffff {
				return fmt.Errorf("bit field %#x is not a row of bits", m)
			}
			h.masks[i] = m
		}
	case rle8, rle4:
		if h.bits != 8 && h.compression == rle8 || h.bits != 4 && h.compression == rle4 {
			return fmt.Errorf("run-length coding in %d bits a pixel is not supported", h.bits)
		}
		if h.topDown {
			return errors.New("run-length coding with rows from the top down")
		}
	case embedJPEG:
		return errors.New("a JPEG picture inside a bitmap is not supported")
	case embedPNG:
		return errors.New("a PNG picture inside a bitmap is not supported")
	default:
		return fmt.Errorf("compression %d is not known", h.compression)
	}
	return nil
}

// readPalette reads the colours; rows may begin before all colours that the header claims.
func (h *header) readPalette(data []byte, at int64, b []byte) error {
	if h.bits > 8 {
		if h.pixels == 0 {
			h.pixels = at
		}
		return nil
	}
	each := int64(4)
	n := int64(1) << h.bits
	if len(b) == os2Header {
		each = 3
	} else if len(b) >= infoHeader {
		if used := int64(binary.LittleEndian.Uint32(b[32:])); used > 0 {
			n = min(n, used)
		}
	}
	if h.pixels > at { // else it is not set
		n = min(n, (h.pixels-at)/each)
	}
	if at+n*each > int64(len(data)) {
		return io.ErrUnexpectedEOF
	}
	h.palette = make([][3]uint8, 1<<h.bits) // black where the file gives no colour
	for i := range n {
		c := data[at+i*each:]
		h.palette[i] = [3]uint8{c[2], c[1], c[0]}
	}
	if h.pixels == 0 {
		h.pixels = at + n*each
	}
	return nil
}

// grey tells whether all colours are grey.
func (h *header) grey() bool {
	for _, c := range h.palette {
		if c[0] != c[1] || c[1] != c[2] {
			return false
		}
	}
	return len(h.palette) > 0
}

// Decode decodes a bitmap. It stops with the error of ctx within milliseconds after ctx has ended.
// A file that ends too early is io.ErrUnexpectedEOF (wrapped).
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	h, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	if h.pixels > int64(len(data)) {
		return nil, io.ErrUnexpectedEOF
	}
	pixels := data[h.pixels:]
	channels := 3
	if h.grey() {
		channels = 1
	}
	stride := (int64(h.width)*int64(h.bits) + 31) / 32 * 4
	runs := h.compression == rle8 || h.compression == rle4
	last := (int64(h.width)*int64(h.bits) + 7) / 8 // the padding of the last row may be missing
	if !runs && stride*int64(h.height-1)+last > int64(len(pixels)) {
		return nil, io.ErrUnexpectedEOF
	}
	m := raster.New(h.width, h.height, channels)
	watch := raster.NewWatch(ctx)
	if runs {
		return m, h.readRuns(watch, m, pixels)
	}
	for y := range h.height {
		if err := watch.Spend(h.width); err != nil {
			return nil, err
		}
		row := pixels[int64(y)*stride:]
		out := m.Row(h.height - 1 - y)
		if h.topDown {
			out = m.Row(y)
		}
		h.convert(out, row, channels)
	}
	return m, nil
}

// convert converts one row.
func (h *header) convert(out, row []uint8, channels int) {
	switch h.bits {
	case 1, 2, 4, 8:
		each, mask := 8/h.bits, byte(1<<h.bits-1)
		for x := range h.width {
			v := row[x/each] >> (8 - h.bits - x%each*h.bits) & mask
			copy(out[x*channels:][:channels], h.palette[v][:])
		}
	case 24:
		for i := 0; i+2 < len(out); i += 3 {
			out[i], out[i+1], out[i+2] = row[i+2], row[i+1], row[i]
		}
	default:
		h.convertFields(out, row)
	}
}

// convertFields converts a row of pixels with bit fields.
func (h *header) convertFields(out, row []uint8) {
	var shift, size [3]int
	for i, m := range h.masks {
		shift[i], size[i] = bits.TrailingZeros32(m), bits.OnesCount32(m)
	}
	for x := range h.width {
		var v uint32
		if h.bits == 16 {
			v = uint32(binary.LittleEndian.Uint16(row[2*x:]))
		} else {
			v = binary.LittleEndian.Uint32(row[4*x:])
		}
		for i, m := range h.masks {
			if m == 0 {
				continue
			}
			f := uint64(v&m) >> shift[i]
			if size[i] != 8 {
				most := uint64(1)<<size[i] - 1
				f = f * 255 / most
			}
			out[3*x+i] = uint8(f)
		}
	}
}

// readRuns decodes run-length coded pixels. Pixels that the code passes over have the first colour.
func (h *header) readRuns(watch *raster.Watch, m *raster.Image, code []byte) error {
	for y := range m.Height {
		if err := watch.Spend(m.Width); err != nil {
			return err
		}
		row := m.Row(y)
		for i := 0; i < len(row); i += m.Channels {
			copy(row[i:i+m.Channels], h.palette[0][:])
		}
	}
	x, y := 0, 0
	put := func(v byte) {
		if x < h.width && y < h.height {
			copy(m.Row(h.height - 1 - y)[x*m.Channels:][:m.Channels], h.palette[v][:])
		}
		x++
	}
	for len(code) >= 2 && y < h.height {
		n, v := int(code[0]), code[1]
		if err := watch.Spend(1 + n); err != nil {
			return err
		}
		code = code[2:]
		switch {
		case n > 0:
			h.putRun(put, min(n, h.width-x), func(i int) byte { return v })
		case v == 0:
			x, y = 0, y+1
		case v == 1:
			return nil
		case v == 2:
			if len(code) < 2 {
				return io.ErrUnexpectedEOF
			}
			x, y = x+int(code[0]), y+int(code[1])
			code = code[2:]
		default:
			size := (int(v)*h.bits + 7) / 8
			if size > len(code) {
				return io.ErrUnexpectedEOF
			}
			literal := code
			h.putRun(put, min(int(v), h.width-x), func(i int) byte { return literal[i] })
			code = code[min(size+size&1, len(code)):] // runs of literals end at an even byte
		}
	}
	if y < h.height {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// putRun puts n pixels, which at gives byte by byte. Beyond the end of a row n is not positive.
func (h *header) putRun(put func(byte), n int, at func(int) byte) {
	for i := range max(n, 0) {
		if h.bits == 8 {
			put(at(i))
		} else {
			put(at(i/2) >> (4 - 4*(i&1)) & 15)
		}
	}
}
