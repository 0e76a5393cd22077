package gif

import (
	"compress/lzw"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/declip/declip/internal/picture/raster"
)

// header is what precedes the pixels of the first frame.
type header struct {
	width, height int // of the screen, grown to hold the frame
	x, y          int // of the frame on the screen
	frameWidth    int
	frameHeight   int
	palette       []byte // red, green, blue of each entry: the frame's, else the file's, else nil
	transparent   int    // palette index, -1 if there is none
	interlaced    bool
	at            int // of the code in the file
	raster.Warnings
}

// ReadSize reads the size in pixels.
func ReadSize(data []byte) (width, height int, err error) {
	h, err := readHeader(data)
	return h.width, h.height, err
}

// readHeader walks the blocks up to the first frame.
func readHeader(data []byte) (header, error) {
	h := header{transparent: -1}
	if len(data) < 13 {
		return h, io.ErrUnexpectedEOF
	}
	h.width, h.height = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))
	h.at = 13
	if err := h.table(data, data[10]); err != nil {
		return h, err
	}
	for h.at < len(data) {
		switch block := data[h.at]; block {
		case 0x21:
			h.extension(data)
		case 0x2c:
			return h, h.frame(data)
		case 0x3b:
			return h, errors.New("the file holds no frame")
		default: // as Pillow and giflib do
			h.Warn("unknown block 0x%02x at byte %d is passed over", block, h.at)
			h.at++
		}
	}
	return h, io.ErrUnexpectedEOF
}

// table reads a palette if the flags announce one.
func (h *header) table(data []byte, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	size := 3 << (1 + flags&7)
	if h.at+size > len(data) {
		return io.ErrUnexpectedEOF
	}
	h.palette = data[h.at : h.at+size]
	h.at += size
	return nil
}

// extension passes an extension: a label and blocks up to an empty one. It looks for the
// transparent colour.
func (h *header) extension(data []byte) {
	at := h.at
	if at+7 < len(data) && data[at+1] == 0xf9 && data[at+2] == 4 {
		h.transparent = -1
		if data[at+3]&1 != 0 {
			h.transparent = int(data[at+6])
		}
	}
	at += 2
	for at < len(data) && data[at] != 0 {
		at += 1 + int(data[at])
	}
	h.at = at + 1
}

// frame reads the description of a frame.
func (h *header) frame(data []byte) error {
	if h.at+10 > len(data) {
		return io.ErrUnexpectedEOF
	}
	b := data[h.at:]
	number := func(i int) int { return int(binary.LittleEndian.Uint16(b[i:])) }
	h.x, h.y, h.frameWidth, h.frameHeight = number(1), number(3), number(5), number(7)
	h.interlaced = b[9]&0x40 != 0
	h.at += 10
	if h.frameWidth == 0 || h.frameHeight == 0 {
		return fmt.Errorf("a frame of %d x %d pixels", h.frameWidth, h.frameHeight)
	}
	if h.width == 0 || h.height == 0 {
		h.Warn("the screen has no size; the first frame's is used")
	} else if h.x+h.frameWidth > h.width || h.y+h.frameHeight > h.height {
		h.Warn("the screen of %d x %d pixels is grown to hold the first frame", h.width, h.height)
	}
	h.width, h.height = max(h.width, h.x+h.frameWidth), max(h.height, h.y+h.frameHeight)
	return h.table(data, b[9])
}

// Decode decodes the first frame. It stops with the error of ctx within milliseconds after ctx has
// ended. A file that ends too early is io.ErrUnexpectedEOF (wrapped).
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	h, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	if h.at >= len(data) {
		return nil, io.ErrUnexpectedEOF
	}
	depth := int(data[h.at])
	if depth < 1 || depth > 8 {
		return nil, fmt.Errorf("codes of %d bits", depth)
	}
	colours := h.colours()
	m := raster.New(h.width, h.height, 3)
	m.Warnings = h.Warnings
	watch := raster.NewWatch(ctx)
	if err := h.background(watch, m, colours); err != nil {
		return nil, err
	}
	r := lzw.NewReader(&blocks{data: data, at: h.at + 1}, lzw.LSB, depth)
	defer r.Close()
	row := make([]uint8, h.frameWidth)
	for i := range h.frameHeight {
		if err := watch.Spend(len(row)); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(r, row); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		out := m.Row(h.y + h.place(i))[3*h.x:]
		for x, v := range row {
			copy(out[3*x:3*x+3], colours[v][:])
		}
	}
	return m, nil
}

// colours are those of all 256 indices: black beyond the palette, a grey ramp without one.
func (h *header) colours() *[256][3]uint8 {
	var table [256][3]uint8
	if h.palette == nil {
		h.Warn("the file has no palette; a grey ramp is used")
		for i := range table {
			table[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
		}
	}
	for i := range len(h.palette) / 3 {
		copy(table[i][:], h.palette[3*i:])
	}
	return &table
}

// background fills the screen where the frame does not cover it.
func (h *header) background(watch *raster.Watch, m *raster.Image, colours *[256][3]uint8) error {
	if h.frameWidth == h.width && h.frameHeight == h.height {
		return nil
	}
	c := colours[max(h.transparent, 0)]
	for y := range m.Height {
		if err := watch.Spend(m.Width); err != nil {
			return err
		}
		row := m.Row(y)
		for i := 0; i+2 < len(row); i += 3 {
			copy(row[i:i+3], c[:])
		}
	}
	return nil
}

// place is the row of the frame that is stored as the i-th: interlaced ones come in four passes.
func (h *header) place(i int) int {
	if !h.interlaced {
		return i
	}
	for _, pass := range [4][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		first, step := pass[0], pass[1]
		n := max((h.frameHeight-first+step-1)/step, 0)
		if i < n {
			return first + i*step
		}
		i -= n
	}
	return 0
}

// blocks reads the data of a row of blocks, each with its length before it, up to an empty one.
type blocks struct {
	data []byte
	at   int
	left int // bytes to come in the current block
}

var errBlocks = errors.New("the frame's code ends before its last pixel")

// ReadByte is part of io.ByteReader.
func (b *blocks) ReadByte() (byte, error) {
	if b.left == 0 {
		if b.at >= len(b.data) {
			return 0, io.ErrUnexpectedEOF
		}
		b.left = int(b.data[b.at])
		b.at++
		if b.left == 0 {
			return 0, errBlocks
		}
	}
	if b.at >= len(b.data) {
		return 0, io.ErrUnexpectedEOF
	}
	b.left--
	b.at++
	return b.data[b.at-1], nil
}

// Read is part of io.Reader, which package lzw asks for; it uses ReadByte.
func (b *blocks) Read(p []byte) (int, error) {
	for i := range p {
		v, err := b.ReadByte()
		if err != nil {
			return i, err
		}
		p[i] = v
	}
	return len(p), nil
}
