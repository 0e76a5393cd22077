package picture

import (
	"context"
	"fmt"
	"image"

	"github.com/declip/declip/internal/picture/jpeg"
	"github.com/declip/declip/internal/picture/raster"
)

// readJPEG is readPixels for JPEG.
func (c *content) readJPEG(ctx context.Context, keep bool) (err error) {
	var m *jpeg.Picture
	if keep && !severalPictures(c.jpeg.MPF()) {
		m, c.coefficients, err = c.jpeg.DecodeBoth(ctx)
	} else {
		m, err = c.jpeg.DecodeContext(ctx)
	}
	if err != nil {
		return err
	}
	look := watching(ctx)
	c.image, c.steps = convertJPEG(look, m)
	c.warnings = m.Warnings
	_, err = unlessEnded(look, 0)
	return err
}

// convertJPEG gives *image.Gray or *RGB, and the steps of the luma if it is stored at full size.
func convertJPEG(look *watch, m *jpeg.Picture) (image.Image, *[64]uint16) {
	first := &m.Planes[0]
	switch len(m.Planes) {
	case 1:
		return &image.Gray{Pix: first.Pix, Stride: first.Stride, Rect: image.Rect(0, 0, m.Width, m.Height)}, &first.Steps
	case 3:
		rgb := planesToRGB(look, [3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, !storesRGB(m))
		if storesRGB(m) || first.Horizontal*first.Vertical > 1 {
			return rgb, nil
		}
		return rgb, &first.Steps
	}
	return inkToRGB(look, m), nil
}

// stripDecoder decodes the strips or tiles of one TIFF file.
type stripDecoder struct{ work jpeg.Budget }

// decode is a tiff.JPEG.
func (s *stripDecoder) decode(ctx context.Context, stream []byte, width, height int, ycc bool) (*raster.Image, error) {
	f, err := jpeg.OpenPart(stream, &s.work)
	if err != nil {
		return nil, err
	}
	if w, h := f.Size(); w != width || h > height {
		return nil, fmt.Errorf("a JPEG stream of %d x %d pixels, expected %d x %d", w, h, width, height)
	}
	m, err := f.DecodeContext(ctx)
	if err != nil {
		return nil, err
	}
	look := watching(ctx)
	out := raster.New(m.Width, m.Height, len(m.Planes))
	out.Warnings = m.Warnings
	switch len(m.Planes) {
	case 1:
		for y := range m.Height {
			copy(out.Row(y), m.Planes[0].Pix[y*m.Planes[0].Stride:])
		}
	case 3:
		out.Pix = planesToRGB(look, [3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, ycc).Pix
	default:
		rgb := planesToRGB(look, [3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, false)
		black := planeOf(m, 3)
		buffers := black.buffers()
		for y := range m.Height {
			row, last := out.Row(y), black.row(y, buffers)
			for x := range m.Width {
				copy(row[4*x:], rgb.Pix[3*(y*m.Width+x):][:3])
				row[4*x+3] = last[x]
			}
		}
	}
	return unlessEnded(look, out)
}

// planeOf is the i-th plane for upsampling to the picture's width.
func planeOf(m *jpeg.Picture, i int) plane {
	p := m.Planes[i]
	return newPlane(p.Pix, p.Stride, p.Horizontal, p.Vertical, m.Width, m.Height)
}

// storesRGB reports, as libjpeg decides it, whether a file has red, green and blue instead of luma
// and chroma.
func storesRGB(m *jpeg.Picture) bool {
	switch {
	case m.JFIF:
		return false
	case m.Adobe >= 0:
		return m.Adobe == 0
	}
	return m.Planes[0].ID == 'R' && m.Planes[1].ID == 'G' && m.Planes[2].ID == 'B'
}

// inkToRGB converts four components to RGB as Pillow does: samples are as Adobe stores them (255
// means without ink), and each colour is reduced by black: (255-k) - c*(255-k)/255.
func inkToRGB(look *watch, m *jpeg.Picture) *RGB {
	ycck := m.Adobe > 0
	p := planesToRGB(look, [3]plane{planeOf(m, 0), planeOf(m, 1), planeOf(m, 2)}, ycck)
	black := planeOf(m, 3)
	buffers := black.buffers()
	for y := 0; y < m.Height && !look.ended(); y++ {
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
