package picture

import (
	"image"
	"image/color"
)

// RGB is a picture of 8-bit samples, Height rows of Width pixels, three bytes a
// pixel (red, green, blue), no padding: Pix has Height*Width*3 bytes.
// It is an image.Image.
type RGB struct {
	Pix           []uint8
	Width, Height int
	// Steps are the luma's quantisation steps in the JPEG file that these pixels were decoded from:
	// one for each frequency of an 8 x 8 block, row by row. nil for all other pictures.
	Steps *[64]uint16
}

// NewRGB returns a black picture of the given size in pixels.
func NewRGB(width, height int) *RGB {
	return &RGB{Pix: make([]uint8, 3*width*height), Width: width, Height: height}
}

// ColorModel is part of image.Image.
func (p *RGB) ColorModel() color.Model { return color.RGBAModel }

// Bounds is part of image.Image; it starts at (0, 0).
func (p *RGB) Bounds() image.Rectangle { return image.Rect(0, 0, p.Width, p.Height) }

// At is part of image.Image; outside the picture it is transparent black.
func (p *RGB) At(x, y int) color.Color {
	if x < 0 || y < 0 || x >= p.Width || y >= p.Height {
		return color.RGBA{}
	}
	i := 3 * (y*p.Width + x)
	return color.RGBA{p.Pix[i], p.Pix[i+1], p.Pix[i+2], 255}
}

// Opaque reports that there is no transparency; encoders ask for it.
func (p *RGB) Opaque() bool { return true }

// Clone returns a copy that shares no memory with p.
func (p *RGB) Clone() *RGB {
	return &RGB{Pix: append([]uint8(nil), p.Pix...), Width: p.Width, Height: p.Height}
}

// ToGray converts as Pillow's convert("L") does:
// L = (19595 R + 38470 G + 7471 B + 32768) >> 16, the weights of ITU-R 601.
func (p *RGB) ToGray() *Gray {
	g := NewGray(p.Width, p.Height)
	pix := p.Pix
	for i := range g.Pix {
		j := 3 * i
		g.Pix[i] = Luma(pix[j], pix[j+1], pix[j+2])
	}
	return g
}

// Luma is the brightness of a pixel as Pillow computes it.
func Luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 32768) >> 16)
}

// Gray is a picture of one 8-bit sample a pixel, Height rows of Width, no
// padding: Pix has Height*Width bytes. It is an image.Image. Masks are Gray
// pictures: 255 where manipulated, 0 elsewhere.
type Gray struct {
	Pix           []uint8
	Width, Height int
}

// NewGray returns a black picture of the given size in pixels.
func NewGray(width, height int) *Gray {
	return &Gray{Pix: make([]uint8, width*height), Width: width, Height: height}
}

// ColorModel is part of image.Image.
func (g *Gray) ColorModel() color.Model { return color.GrayModel }

// Bounds is part of image.Image; it starts at (0, 0).
func (g *Gray) Bounds() image.Rectangle { return image.Rect(0, 0, g.Width, g.Height) }

// At is part of image.Image; outside the picture it is black.
func (g *Gray) At(x, y int) color.Color {
	if x < 0 || y < 0 || x >= g.Width || y >= g.Height {
		return color.Gray{}
	}
	return color.Gray{Y: g.Pix[y*g.Width+x]}
}

// Opaque reports that there is no transparency; encoders ask for it.
func (g *Gray) Opaque() bool { return true }

// Clone returns a copy that shares no memory with g.
func (g *Gray) Clone() *Gray {
	return &Gray{Pix: append([]uint8(nil), g.Pix...), Width: g.Width, Height: g.Height}
}

// ToRGB returns the picture with the sample in all three channels.
func (g *Gray) ToRGB() *RGB {
	p := NewRGB(g.Width, g.Height)
	for i, v := range g.Pix {
		j := 3 * i
		p.Pix[j], p.Pix[j+1], p.Pix[j+2] = v, v, v
	}
	return p
}
