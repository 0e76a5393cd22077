package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// jpegHeader is what the markers before the first scan say.
type jpegHeader struct {
	width, height int
	components    int
	sampling      [4]byte // horizontal factor in the high, vertical in the low four bits
	exif          []byte  // the TIFF structure of the first EXIF segment, nil if none
	adobe         int     // offset of the transform byte of the Adobe segment, 0 if none
	start         int     // offset behind the SOI marker
}

// scanJPEG walks the markers up to the first scan.
func scanJPEG(data []byte) (jpegHeader, error) {
	h := jpegHeader{start: 2}
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
		if err := h.segment(marker, data, at+4, at+2+size); err != nil {
			return h, err
		}
		at += 2 + size
	}
}

// segment takes in one marker segment, data[from:to].
func (h *jpegHeader) segment(marker byte, data []byte, from, to int) error {
	body := data[from:to]
	switch {
	case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
		h.exif = body[6:]
	case marker == 0xee && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
		h.adobe = from + 11
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
		for i := range h.components {
			h.sampling[i] = body[7+3*i]
		}
	}
	return nil
}

func jpegConfig(data []byte) (image.Config, error) {
	h, err := scanJPEG(data)
	return image.Config{Width: h.width, Height: h.height}, err
}

// decodeJPEG gives *image.Gray, *image.YCbCr (to be upsampled), *image.RGBA
// (a JPEG that stores RGB) or *RGB (out of CMYK or YCCK).
func decodeJPEG(data []byte) (image.Image, error) {
	h, err := scanJPEG(data)
	if err != nil {
		return nil, err
	}
	if h.components == 4 {
		return decodeCMYK(data, h)
	}
	return jpeg.Decode(bytes.NewReader(data))
}

// decodeCMYK decodes four components. image/jpeg would convert YCCK without
// libjpeg's upsampling, and refuses files without an Adobe segment; told that
// the transform is "unknown" it hands out the stored samples, inverted and with
// subsampled ones repeated, from which the planes are had back.
func decodeCMYK(data []byte, h jpegHeader) (image.Image, error) {
	ycck := false
	if h.adobe != 0 {
		ycck = data[h.adobe] != 0
		if ycck {
			data = bytes.Clone(data)
			data[h.adobe] = 0
		}
	} else {
		adobe := []byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")
		data = append(adobe, data[h.start:]...)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	c, ok := m.(*image.CMYK)
	if !ok {
		return nil, fmt.Errorf("four components decoded as %T", m)
	}
	return inkToRGB(c, ycck, h.sampling[0] != h.sampling[1]), nil
}

// inkToRGB converts the inverted samples of four components to RGB as Pillow
// does: samples are taken as Adobe stores them (255 is no ink), and each colour
// is reduced by black: (255-k) - c*(255-k)/255.
func inkToRGB(c *image.CMYK, ycck, halved bool) *RGB {
	b := c.Bounds()
	w, h := b.Dx(), b.Dy()
	ratio := image.YCbCrSubsampleRatio444
	step := 1
	if halved {
		ratio, step = image.YCbCrSubsampleRatio420, 2
	}
	m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
	for y := range h {
		row := c.Pix[y*c.Stride:]
		for x := range w {
			m.Y[y*m.YStride+x] = 255 - row[4*x]
			if x%step == 0 && y%step == 0 {
				at := y/step*m.CStride + x/step
				m.Cb[at], m.Cr[at] = 255-row[4*x+1], 255-row[4*x+2]
			}
		}
	}
	p := planarToRGB(m, ycck)
	for y := range h {
		row := c.Pix[y*c.Stride:]
		for x := range w {
			white := 255 - int(row[4*x+3])
			px := p.Pix[3*(y*w+x):][:3]
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
