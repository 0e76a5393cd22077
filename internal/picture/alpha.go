package picture

import (
	"context"
	"image"
)

// alphaOf is the alpha of a decoded picture, 0 to 255 for each pixel; nil if it is opaque, and for
// formats whose readers drop alpha (TIFF, BMP, PNM, HEIC, AVIF, JPEG 2000 and JPEG XL).
func alphaOf(m image.Image) []uint8 {
	b := m.Bounds()
	alpha := make([]uint8, 0, b.Dx()*b.Dy())
	switch m := m.(type) {
	case *image.NRGBA:
		if m.Opaque() {
			return nil
		}
		for y := range b.Dy() {
			for x := range b.Dx() {
				alpha = append(alpha, m.Pix[y*m.Stride+4*x+3])
			}
		}
	case *image.NRGBA64:
		if m.Opaque() {
			return nil
		}
		for y := range b.Dy() {
			for x := range b.Dx() {
				alpha = append(alpha, m.Pix[y*m.Stride+8*x+6]) // the high byte
			}
		}
	case *image.Paletted:
		if m.Opaque() {
			return nil
		}
		for y := range b.Dy() {
			for _, i := range m.Pix[y*m.Stride:][:b.Dx()] {
				_, _, _, a := m.Palette[i].RGBA()
				alpha = append(alpha, uint8(a>>8))
			}
		}
	default:
		return nil
	}
	return alpha
}

// OverWhite is the picture on a white background, v a + 255 (1 - a), rounded down; the picture's
// own pixels if it is opaque. Elsewhere alpha is dropped. It looks at ctx before every row, and
// stops with its error.
func (p *Picture) OverWhite(ctx context.Context) (*RGB, error) {
	if p.alpha == nil {
		return p.RGB, nil
	}
	look, out := watching(ctx), NewRGB(p.Width, p.Height)
	for y := 0; y < p.Height && !look.ended(); y++ {
		from := 3 * y * p.Width
		for i, v := range p.Pix[from:][:3*p.Width] {
			a := float32(p.alpha[(from+i)/3]) / 255
			out.Pix[from+i] = uint8(float32(float32(v)*a) + float32((1-a)*255))
		}
	}
	return unlessEnded(look, out)
}
