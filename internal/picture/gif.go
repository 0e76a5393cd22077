package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
)

// gifHeader is what precedes the pixels of the first frame.
type gifHeader struct {
	width, height int
	palette       []byte // red, green, blue of each entry, the frame's own or else the file's
	transparent   int    // palette index, -1 if there is none
}

// scanGIF walks the blocks up to the first frame.
func scanGIF(data []byte) (gifHeader, error) {
	h := gifHeader{transparent: -1}
	if len(data) < 13 {
		return h, ErrTruncated
	}
	h.width, h.height = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))
	at := 13
	table := func(flags byte) error {
		if flags&0x80 == 0 {
			return nil
		}
		size := 3 << (1 + flags&7)
		if at+size > len(data) {
			return ErrTruncated
		}
		h.palette = data[at : at+size]
		at += size
		return nil
	}
	if err := table(data[10]); err != nil {
		return h, err
	}
	for at < len(data) {
		switch data[at] {
		case 0x21: // an extension: a label and blocks up to an empty one
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
			at++
		case 0x2c:
			if at+10 > len(data) {
				return h, ErrTruncated
			}
			flags := data[at+9]
			at += 10
			return h, table(flags)
		case 0x3b:
			return h, fmt.Errorf("the file holds no frame")
		default:
			return h, fmt.Errorf("unknown block 0x%02x", data[at])
		}
	}
	return h, ErrTruncated
}

func gifConfig(data []byte) (image.Config, error) {
	if len(data) < 13 {
		return image.Config{}, ErrTruncated
	}
	return image.Config{
		Width:  int(binary.LittleEndian.Uint16(data[6:])),
		Height: int(binary.LittleEndian.Uint16(data[8:])),
	}, nil
}

// decodeGIF draws the first frame on the logical screen as Pillow does: where
// the frame does not reach, the transparent colour if there is one, else the
// palette's first. The colour of transparent pixels is kept, too; image/gif
// forgets it.
func decodeGIF(data []byte) (image.Image, error) {
	h, err := scanGIF(data)
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("frame decoded as %T", m)
	}
	palette := make(color.Palette, len(h.palette)/3)
	for i := range palette {
		palette[i] = color.NRGBA{h.palette[3*i], h.palette[3*i+1], h.palette[3*i+2], 255}
	}
	screen := image.NewPaletted(image.Rect(0, 0, h.width, h.height), palette)
	if h.transparent > 0 {
		for i := range screen.Pix {
			screen.Pix[i] = uint8(h.transparent)
		}
	}
	b := frame.Bounds().Intersect(screen.Rect)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		copy(screen.Pix[screen.PixOffset(b.Min.X, y):][:b.Dx()], frame.Pix[frame.PixOffset(b.Min.X, y):])
	}
	return screen, nil
}
