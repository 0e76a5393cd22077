package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"github.com/declip/declip/internal/picture/jpeg"
)

// jpegHeader is what the markers before the first scan say.
type jpegHeader struct {
	width, height int
	components    int
	exif          []byte // the TIFF structure of the first EXIF segment, nil if none
}

// scanJPEG walks the markers up to the first scan.
func scanJPEG(data []byte) (jpegHeader, error) {
	var h jpegHeader
	for at := 2; ; {
		// Anything before a marker is skipped, as libjpeg does, and so are the
		// fill bytes 0xff.
		for at+1 < len(data) && (data[at] != 0xff || data[at+1] == 0 || data[at+1] == 0xff) {
			at++
		}
		if at+4 > len(data) {
			return h, ErrTruncated
		}
		marker := data[at+1]
		switch {
		case marker == 0xda: // start of scan
			if h.components == 0 {
				return h, fmt.Errorf("a scan comes before the frame header")
			}
			return h, nil
		case marker == 0xd9:
			return h, fmt.Errorf("the file holds no picture data")
		case marker >= 0xd0 && marker <= 0xd8 || marker == 0x01:
			at += 2
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if size < 2 {
			return h, fmt.Errorf("marker 0x%02x has an impossible length of %d", marker, size)
		}
		if at+2+size > len(data) {
			return h, ErrTruncated
		}
		if err := h.segment(marker, data[at+4:at+2+size]); err != nil {
			return h, err
		}
		at += 2 + size
	}
}

// segment takes in one marker segment.
func (h *jpegHeader) segment(marker byte, body []byte) error {
	switch {
	case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
		h.exif = body[6:]
	case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
		if h.components != 0 {
			return fmt.Errorf("more than one frame header")
		}
		if len(body) < 6 || len(body) < 6+3*int(body[5]) {
			return fmt.Errorf("frame header of %d bytes is too short", len(body))
		}
		h.height, h.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
		h.components = int(body[5])
		if h.components < 1 || h.components > 4 || h.components == 2 {
			return fmt.Errorf("%d colour components, want 1, 3 or 4", h.components)
		}
	}
	return nil
}

func jpegConfig(data []byte) (image.Config, error) {
	h, err := scanJPEG(data)
	return image.Config{Width: h.width, Height: h.height}, err
}

// decodeJPEG gives *image.Gray or *RGB, and the steps of the luma if it is stored at full size.
func decodeJPEG(data []byte) (image.Image, *[64]uint16, error) {
	m, err := jpeg.Decode(data)
	if err != nil {
		return nil, nil, err
	}
	first := &m.Planes[0]
	switch len(m.Planes) {
	case 1:
		return &image.Gray{Pix: first.Pix, Stride: first.Stride, Rect: image.Rect(0, 0, m.Width, m.Height)}, &first.Steps, nil
	case 3:
		rgb := planesToRGB([3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, !storesRGB(m))
		if storesRGB(m) || first.Horizontal*first.Vertical > 1 {
			return rgb, nil, nil
		}
		return rgb, &first.Steps, nil
	}
	return inkToRGB(m), nil, nil
}

// planeOf is the i-th plane for upsampling to the picture's width.
func planeOf(m *jpeg.Picture, i int) plane {
	p := m.Planes[i]
	return newPlane(p.Pix, p.Stride, p.Horizontal, p.Vertical, m.Width, m.Height)
}

// storesRGB tells, as libjpeg does, the files that hold red, green and blue instead of luma and chroma.
func storesRGB(m *jpeg.Picture) bool {
	switch {
	case m.JFIF:
		return false
	case m.Adobe >= 0:
		return m.Adobe == 0
	}
	return m.Planes[0].ID == 'R' && m.Planes[1].ID == 'G' && m.Planes[2].ID == 'B'
}

// inkToRGB converts four components to RGB as Pillow does: samples are taken as Adobe stores them (255 is no ink), and
// each colour is reduced by black: (255-k) - c*(255-k)/255.
func inkToRGB(m *jpeg.Picture) *RGB {
	ycck := m.Adobe > 0
	p := planesToRGB([3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, ycck)
	black := planeOf(m, 3)
	buffers := black.buffers()
	for y := range m.Height {
		for x, k := range black.row(y, buffers) {
			white := int(k)
			px := p.Pix[3*(y*m.Width+x):][:3]
			for i, v := range px {
				// Stored as such, inks are inverted; behind YCbCr libjpeg
				// inverts them once more.
				ink := 255 - int(v)
				if ycck {
					ink = int(v)
				}
				px[i] = uint8(max(white-mulDiv255(ink, white), 0))
			}
		}
	}
	return p
}

// mulDiv255 is a*b/255, rounded, by Pillow's integer approximation.
func mulDiv255(a, b int) int {
	t := a*b + 128
	return (t>>8 + t) >> 8
}
