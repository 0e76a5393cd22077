package dataset

import (
	"fmt"
	"image"
	"image/color"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// levels are a mask's samples of one channel, row by row.
type levels struct {
	pix  []uint16
	w, h int
	most uint16 // the largest level of the format: 255 or 65535
}

func newLevels(m image.Image, most uint16, at func(x, y int) uint16) levels {
	b := m.Bounds()
	l := levels{pix: make([]uint16, b.Dx()*b.Dy()), w: b.Dx(), h: b.Dy(), most: most}
	for y := range l.h {
		for x := range l.w {
			l.pix[y*l.w+x] = at(b.Min.X+x, b.Min.Y+y)
		}
	}
	return l
}

// greyOf is the luma of a picture; 16-bit grey keeps its levels.
func greyOf(m image.Image) levels {
	switch m := m.(type) {
	case *image.Gray:
		l := levels{pix: make([]uint16, m.Rect.Dx()*m.Rect.Dy()), w: m.Rect.Dx(), h: m.Rect.Dy(), most: 255}
		for y := range l.h {
			row := m.Pix[y*m.Stride:][:l.w]
			for x, v := range row {
				l.pix[y*l.w+x] = uint16(v)
			}
		}
		return l
	case *image.Gray16:
		return newLevels(m, 65535, func(x, y int) uint16 { return m.Gray16At(x, y).Y })
	}
	rgb := picture.FromImage(m)
	return newLevels(rgb, 255, func(x, y int) uint16 {
		i := 3 * (y*rgb.Width + x)
		return uint16(picture.Luma(rgb.Pix[i], rgb.Pix[i+1], rgb.Pix[i+2]))
	})
}

func indexOf(m *image.Paletted) levels {
	return newLevels(m, 255, func(x, y int) uint16 { return uint16(m.ColorIndexAt(x, y)) })
}

// channelOf is one channel of a picture.
func channelOf(m image.Image, c Channel) (levels, error) {
	switch c {
	case ChannelLuma:
		return greyOf(m), nil
	case ChannelIndex:
		if p, ok := m.(*image.Paletted); ok {
			return indexOf(p), nil
		}
		return levels{}, &MaskError{Detail: "it has no palette", Advice: "pass another --mask-channel"}
	case ChannelAlpha:
		if o, ok := m.(interface{ Opaque() bool }); ok && o.Opaque() {
			return levels{}, &MaskError{Detail: "it has no alpha, or a constant one", Advice: "pass another --mask-channel"}
		}
		return newLevels(m, 255, func(x, y int) uint16 { return uint16(pixelAt(m, x, y).A) }), nil
	case ChannelRed:
		return newLevels(m, 255, func(x, y int) uint16 { return uint16(pixelAt(m, x, y).R) }), nil
	case ChannelGreen:
		return newLevels(m, 255, func(x, y int) uint16 { return uint16(pixelAt(m, x, y).G) }), nil
	case ChannelBlue:
		return newLevels(m, 255, func(x, y int) uint16 { return uint16(pixelAt(m, x, y).B) }), nil
	}
	return levels{}, fmt.Errorf("mask channel %q is unknown", c)
}

// pixelAt is a pixel with 8 bits a channel, not multiplied by alpha.
func pixelAt(m image.Image, x, y int) color.NRGBA {
	if n, ok := m.(*image.NRGBA); ok {
		return n.NRGBAAt(x, y)
	}
	return color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
}

// marked is 255 where mark holds, 0 elsewhere.
func (l levels) marked(mark func(uint16) bool) *picture.Gray {
	g := picture.NewGray(l.w, l.h)
	for i, v := range l.pix {
		if mark(v) {
			g.Pix[i] = 255
		}
	}
	return g
}

// low takes levels up to 255 as they are.
func (l levels) low() *picture.Gray {
	g := picture.NewGray(l.w, l.h)
	for i, v := range l.pix {
		g.Pix[i] = uint8(v)
	}
	return g
}

// scaled brings levels to 0 to 255.
func (l levels) scaled() *picture.Gray {
	if l.most == 255 {
		return l.low()
	}
	g := picture.NewGray(l.w, l.h)
	for i, v := range l.pix {
		g.Pix[i] = uint8((uint32(v) + 128) / 257)
	}
	return g
}

// histogram counts levels.
type histogram struct {
	count  [256]int // of levels up to 255
	levels int      // different ones
	max    uint16
}

func (l levels) histogram() *histogram {
	h := &histogram{}
	var high [2]uint16 // the first levels over 255; more do not count
	for i, v := range l.pix {
		if i > 0 && v == l.pix[i-1] {
			if v < 256 {
				h.count[v]++
			}
			continue
		}
		h.max = max(h.max, v)
		switch {
		case v < 256:
			if h.count[v]++; h.count[v] == 1 {
				h.levels++
			}
		case v == high[0] || v == high[1]:
		case high[0] == 0:
			high[0] = v
			h.levels++
		case high[1] == 0:
			high[1] = v
			h.levels++
		}
	}
	return h
}

// maxLabel is the largest level that is read as the number of a label.
const maxLabel = 20

// labels reports whether the levels are label numbers with 255, which many programs use for
// "ignore": nothing is between the numbers and 255, and the numbers cover more.
func (h *histogram) labels() bool {
	low := 0
	for v, n := range h.count {
		switch {
		case v > 0 && v <= maxLabel:
			low += n
		case v > maxLabel && v < 255 && n > 0:
			return false
		}
	}
	return h.max == 255 && low > h.count[255]
}

// maxColours is the number of colours that survey tells apart.
const maxColours = 16

// colours is what a mask's pixels have in common.
type colours struct {
	list  []color.RGBA // different ones, up to maxColours+1
	grey  bool         // all have R = G = B
	alpha bool         // alpha differs between pixels
}

// survey looks at the colours of a picture, alpha apart.
func survey(m image.Image) colours {
	switch m.(type) {
	case *image.Gray, *image.Gray16:
		return colours{grey: true}
	}
	c := colours{grey: true}
	b := m.Bounds()
	var last color.NRGBA
	first := pixelAt(m, b.Min.X, b.Min.Y).A
	rgb, _ := m.(*picture.RGB)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			var p color.NRGBA
			if rgb != nil {
				i := 3 * (y*rgb.Width + x)
				p = color.NRGBA{rgb.Pix[i], rgb.Pix[i+1], rgb.Pix[i+2], 255}
			} else {
				p = pixelAt(m, x, y)
			}
			if c.list != nil && p == last {
				continue
			}
			last = p
			c.add(p, first)
		}
	}
	return c
}

func (c *colours) add(p color.NRGBA, alpha uint8) {
	if p.R != p.G || p.R != p.B {
		c.grey = false
	}
	if p.A != alpha {
		c.alpha = true
	}
	opaque := color.RGBA{p.R, p.G, p.B, 255}
	if len(c.list) <= maxColours && !slices.Contains(c.list, opaque) {
		c.list = append(c.list, opaque)
	}
}

// byColour marks the pixels of the given colours.
func byColour(m image.Image, marks []color.RGBA) *picture.Gray {
	b := m.Bounds()
	g := picture.NewGray(b.Dx(), b.Dy())
	for i := range g.Pix {
		p := pixelAt(m, b.Min.X+i%g.Width, b.Min.Y+i/g.Width)
		if slices.Contains(marks, color.RGBA{p.R, p.G, p.B, 255}) {
			g.Pix[i] = 255
		}
	}
	return g
}
