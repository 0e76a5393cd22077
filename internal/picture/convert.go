package picture

import (
	"context"
	"image"
	"image/color"

	"github.com/declip/declip/internal/picture/raster"
)

// FromImage converts any picture to packed RGB as Pillow's convert("RGB") does:
// alpha is dropped, not composited. The pixels of an RGB and of a Picture are shared,
// not copied.
func FromImage(m image.Image) *RGB {
	p, _ := FromImageContext(context.Background(), m) // this context does not end
	return p
}

// FromImageContext is FromImage, but stops with the error of ctx soon after ctx has ended: where
// pixels are converted, it looks at ctx before every row.
func FromImageContext(ctx context.Context, m image.Image) (*RGB, error) {
	switch m := m.(type) {
	case *RGB:
		return m, nil
	case *Picture:
		return m.RGB, nil
	}
	look := watching(ctx)
	return unlessEnded(look, converted(look, m))
}

// converted leaves rows out once the context has ended.
func converted(look *watch, m image.Image) *RGB {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	switch m := m.(type) {
	case *image.YCbCr:
		return planarToRGB(look, m, true)
	case *image.Gray:
		return packGray(m).ToRGB()
	case *image.Paletted:
		return palettedToRGB(look, m)
	case *image.NRGBA:
		return pack4(look, m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, w, h)
	case *image.RGBA:
		if m.Opaque() { // else its colours are multiplied by alpha
			return pack4(look, m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, w, h)
		}
	case *image.NRGBA64:
		return pack8(look, m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, w, h)
	case *image.RGBA64:
		if m.Opaque() {
			return pack8(look, m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, w, h)
		}
	case *image.Gray16:
		return gray16(m).ToRGB()
	}
	p := NewRGB(w, h)
	for y := 0; y < h && !look.ended(); y++ {
		for x := range w {
			c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			copy(p.Pix[3*(y*w+x):], []uint8{c.R, c.G, c.B})
		}
	}
	return p
}

// pack4 drops the fourth byte of each pixel.
func pack4(look *watch, pix []uint8, stride, w, h int) *RGB {
	p := NewRGB(w, h)
	for y := 0; y < h && !look.ended(); y++ {
		src, dst := pix[y*stride:][:4*w], p.Pix[3*y*w:][:3*w]
		for i, j := 0, 0; j+2 < len(dst) && i+3 < len(src); i, j = i+4, j+3 {
			dst[j], dst[j+1], dst[j+2] = src[i], src[i+1], src[i+2]
		}
	}
	return p
}

// pack8 keeps the high bytes of 16-bit red, green, blue and drops the rest.
func pack8(look *watch, pix []uint8, stride, w, h int) *RGB {
	p := NewRGB(w, h)
	for y := 0; y < h && !look.ended(); y++ {
		src, dst := pix[y*stride:][:8*w], p.Pix[3*y*w:][:3*w]
		for i, j := 0, 0; j+2 < len(dst); i, j = i+8, j+3 {
			dst[j], dst[j+1], dst[j+2] = src[i], src[i+2], src[i+4]
		}
	}
	return p
}

func packGray(m *image.Gray) *Gray {
	b := m.Bounds()
	g := NewGray(b.Dx(), b.Dy())
	for y := range g.Height {
		copy(g.Pix[y*g.Width:][:g.Width], m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):])
	}
	return g
}

// gray16 scales 16-bit grey to 8 bits: v/257, rounded, as viewers show it. Pillow's convert clips
// at 255.
func gray16(m *image.Gray16) *Gray {
	b := m.Bounds()
	g := NewGray(b.Dx(), b.Dy())
	for y := range g.Height {
		src, dst := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):], g.Pix[y*g.Width:][:g.Width]
		for x := range dst {
			dst[x] = raster.From16(uint16(src[2*x])<<8 | uint16(src[2*x+1]))
		}
	}
	return g
}

func palettedToRGB(look *watch, m *image.Paletted) *RGB {
	var table [256][3]uint8
	for i, c := range m.Palette {
		if i < len(table) {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			table[i] = [3]uint8{n.R, n.G, n.B}
		}
	}
	b := m.Bounds()
	p := NewRGB(b.Dx(), b.Dy())
	for y := 0; y < p.Height && !look.ended(); y++ {
		src := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):][:p.Width]
		dst := p.Pix[3*y*p.Width:]
		for x, v := range src {
			copy(dst[3*x:3*x+3], table[v][:])
		}
	}
	return p
}
