package heif

import (
	"context"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture/raster"
)

// planes is the layout of libheif's result in memory.
type planes struct {
	header
	colour, dx, dy  int
	stride, cStride int
	chroma          int // offset of Cb
	size            int
}

// newPlanes returns nil for kinds of colours that are not read.
func newPlanes(h header, colour, chroma int) *planes {
	p := &planes{header: h, colour: colour, dx: 1, dy: 1}
	switch {
	case colour == colourGrey:
		p.stride = align(h.width)
		p.size = p.stride * h.height
		return p
	case colour == colourRGB:
		p.stride = align(4 * h.width)
		p.size = p.stride * h.height
		return p
	case colour != colourYCbCr:
		return nil
	}
	switch chroma {
	case chroma420:
		p.dx, p.dy = 2, 2
	case chroma422:
		p.dx = 2
	case chroma444:
	default:
		return nil
	}
	p.stride, p.cStride = align(h.width), align((h.width+p.dx-1)/p.dx)
	p.chroma = p.stride * h.height
	p.size = p.chroma + 2*p.cStride*((h.height+p.dy-1)/p.dy)
	return p
}

// convert makes pixels of the decoder's memory.
func (p *planes) convert(ctx context.Context, b []byte) (*raster.Image, error) {
	if p.colour == colourGrey {
		m := raster.New(p.width, p.height, 1)
		for y := range p.height {
			copy(m.Row(y), b[y*p.stride:])
		}
		return m, nil
	}
	m := raster.New(p.width, p.height, 3)
	c := p.coefficients()
	err := parallel.For(ctx, (p.height+bandRows-1)/bandRows, 0, func(ctx context.Context, band int) error {
		for y := band * bandRows; y < min((band+1)*bandRows, p.height); y++ {
			p.row(m.Row(y), b, y, &c)
		}
		return nil
	})
	return m, err
}

// bandRows is how many rows are converted between two looks at the context.
const bandRows = 64

// row converts a row.
func (p *planes) row(out, b []byte, y int, c *coefficients) {
	luma := b[y*p.stride:]
	if p.colour == colourRGB {
		for x := range p.width {
			copy(out[3*x:3*x+3], luma[4*x:])
		}
		return
	}
	rows := (p.height + p.dy - 1) / p.dy
	cb := b[p.chroma+y/p.dy*p.cStride:]
	cr := b[p.chroma+(rows+y/p.dy)*p.cStride:]
	for x := range p.width {
		c.convert(out[3*x:3*x+3], luma[x], cb[x/p.dx], cr[x/p.dx])
	}
}

// coefficients are those of a conversion of YCbCr to RGB.
type coefficients struct {
	red, greenOfRed, greenOfBlue, blue float32
	full                               bool
	identity                           bool
}

// coefficients chooses by the matrix (ITU-T H.273, table 4): BT.601 where the file does not say.
func (p *planes) coefficients() coefficients {
	if p.ranged && p.matrix == 0 {
		return coefficients{identity: true, full: p.fullRange}
	}
	kr, kb := 0.299, 0.114
	switch p.matrix {
	case 1:
		kr, kb = 0.2126, 0.0722
	case 4:
		kr, kb = 0.30, 0.11
	case 7:
		kr, kb = 0.212, 0.087
	case 9, 10:
		kr, kb = 0.2627, 0.0593
	}
	kg := 1 - kr - kb
	return coefficients{
		red: float32(2 - 2*kr), blue: float32(2 - 2*kb),
		greenOfRed: float32(-2 * kr * (1 - kr) / kg), greenOfBlue: float32(-2 * kb * (1 - kb) / kg),
		full: !p.ranged || p.fullRange,
	}
}

// convert rounds as libheif does, so that pixels are those of programs built on it.
func (c *coefficients) convert(out []uint8, y, cb, cr uint8) {
	clamp := func(v float32) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
	if c.identity {
		out[0], out[1], out[2] = cr, y, cb
		return
	}
	l, u, v := float32(y), float32(int(cb)-128), float32(int(cr)-128)
	if !c.full { // from 16 to 235, and 16 to 240
		l, u, v = (l-16)*1.1689, u*1.1429, v*1.1429
	}
	red, green := float32(c.red*v), float32(c.greenOfBlue*u)+float32(c.greenOfRed*v)
	out[0] = clamp(l + red)
	out[1] = clamp(l + green)
	out[2] = clamp(l + float32(c.blue*u))
}
