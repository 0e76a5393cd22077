package declip

import (
	"image"
	"image/color"
	"image/draw"

	"github.com/declip/declip/internal/picture"
)

// toRGB gives img's colours; alpha is dropped, not composited. A picture that
// is already in this form is not copied.
func toRGB(img image.Image) *picture.RGB {
	switch img := img.(type) {
	case *picture.RGB:
		return img
	case *picture.Decoded:
		return img.RGB
	case *image.NRGBA:
		b := img.Bounds()
		return pack(img.Pix[img.PixOffset(b.Min.X, b.Min.Y):], img.Stride, b.Dx(), b.Dy())
	}
	b := img.Bounds()
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Src)
		return pack(rgba.Pix, rgba.Stride, b.Dx(), b.Dy())
	}
	p := picture.NewRGB(b.Dx(), b.Dy())
	for y := range p.Height {
		for x := range p.Width {
			c := color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			i := 3 * (y*p.Width + x)
			p.Pix[i], p.Pix[i+1], p.Pix[i+2] = c.R, c.G, c.B
		}
	}
	return p
}

// pack drops the fourth byte of every pixel.
func pack(pix []uint8, stride, w, h int) *picture.RGB {
	p := picture.NewRGB(w, h)
	for y := range h {
		src, dst := pix[y*stride:][:4*w], p.Pix[3*y*w:][:3*w]
		for x := range w {
			dst[3*x], dst[3*x+1], dst[3*x+2] = src[4*x], src[4*x+1], src[4*x+2]
		}
	}
	return p
}
