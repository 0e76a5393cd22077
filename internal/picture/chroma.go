package picture

import "image"

// planarToRGB turns planes with subsampled second and third components into
// packed RGB the way libjpeg-turbo does: "fancy" (triangle filter) upsampling
// where it has one (halved width, halved height, or both), replication
// elsewhere, and its 16-bit fixed-point conversion of YCbCr (colour false: the
// planes are red, green and blue already).
//
// Only real samples take part, ceil(width/ratio) by ceil(height/ratio) of them,
// never the padding that fills up the last blocks.
func planarToRGB(m *image.YCbCr, colour bool) *RGB {
	b := m.Bounds()
	c := newChroma(m)
	p := NewRGB(b.Dx(), b.Dy())
	inBands(p.Height, 64, func(y0, y1 int) {
		rows := c.buffers()
		for y := y0; y < y1; y++ {
			cb, cr := c.row(m.Cb, y, rows.cb, rows.sum), c.row(m.Cr, y, rows.cr, rows.sum)
			luma := m.Y[m.YOffset(b.Min.X, b.Min.Y+y):][:p.Width]
			out := p.Pix[3*y*p.Width:][:3*p.Width]
			if colour {
				rgbRow(out, luma, cb, cr)
			} else {
				interleave(out, luma, cb, cr)
			}
		}
	})
	return p
}

// chroma knows how the second and third plane lie under the first.
type chroma struct {
	horizontal, vertical int // subsampling ratios
	width, height        int // real samples of a plane
	stride               int
	fullWidth            int
	fancyH, fancyV       bool
}

func newChroma(m *image.YCbCr) chroma {
	c := chroma{horizontal: 1, vertical: 1, stride: m.CStride, fullWidth: m.Bounds().Dx()}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		c.horizontal = 2
	case image.YCbCrSubsampleRatio420:
		c.horizontal, c.vertical = 2, 2
	case image.YCbCrSubsampleRatio440:
		c.vertical = 2
	case image.YCbCrSubsampleRatio411:
		c.horizontal = 4
	case image.YCbCrSubsampleRatio410:
		c.horizontal, c.vertical = 4, 2
	}
	c.width = (c.fullWidth + c.horizontal - 1) / c.horizontal
	c.height = (m.Bounds().Dy() + c.vertical - 1) / c.vertical
	// libjpeg filters a halved width only if there are more than two samples,
	// and then filters a halved height with it.
	c.fancyH = c.horizontal == 2 && c.width > 2
	c.fancyV = c.vertical == 2 && (c.fancyH || c.horizontal == 1)
	return c
}

type chromaRows struct {
	cb, cr []uint8
	sum    []int32
}

// buffers gives one goroutine room for its upsampled rows.
func (c *chroma) buffers() chromaRows {
	n := c.width * c.horizontal
	return chromaRows{cb: make([]uint8, n), cr: make([]uint8, n), sum: make([]int32, c.width)}
}

// row gives row y of a plane at full width; it may return the plane's own
// memory or out.
func (c *chroma) row(plane []uint8, y int, out []uint8, sum []int32) []uint8 {
	near := plane[y/c.vertical*c.stride:][:c.width]
	if !c.fancyH && !c.fancyV {
		if c.horizontal == 1 {
			return near
		}
		for i, v := range near {
			for j := range c.horizontal {
				out[c.horizontal*i+j] = v
			}
		}
		return out[:c.fullWidth]
	}
	if !c.fancyV {
		halvedWidth(out, near)
		return out[:c.fullWidth]
	}
	other := y/2 - 1
	if y%2 == 1 {
		other = y/2 + 1
	}
	other = min(max(other, 0), c.height-1)
	far := plane[other*c.stride:][:c.width]
	if c.fancyH {
		halvedBoth(out, near, far, sum)
	} else {
		halvedHeight(out, near, far, int32(1+y%2))
	}
	return out[:c.fullWidth]
}

// halvedWidth is libjpeg's h2v1: each output lies a quarter sample beside its
// source, 3/4 of the nearer and 1/4 of the farther neighbour.
func halvedWidth(out, in []uint8) {
	n := len(in)
	out = out[:2*n]
	out[0] = in[0]
	out[1] = uint8((3*int32(in[0]) + int32(in[1]) + 2) >> 2)
	for i := 1; i < n-1; i++ {
		v := 3 * int32(in[i])
		out[2*i] = uint8((v + int32(in[i-1]) + 1) >> 2)
		out[2*i+1] = uint8((v + int32(in[i+1]) + 2) >> 2)
	}
	out[2*n-2] = uint8((3*int32(in[n-1]) + int32(in[n-2]) + 1) >> 2)
	out[2*n-1] = in[n-1]
}

// halvedHeight is libjpeg-turbo's h1v2; bias alternates so that rounding does
// not drift: 1 in even rows, 2 in odd ones.
func halvedHeight(out, near, far []uint8, bias int32) {
	out, far = out[:len(near)], far[:len(near)]
	for i, v := range near {
		out[i] = uint8((3*int32(v) + int32(far[i]) + bias) >> 2)
	}
}

// halvedBoth is libjpeg's h2v2: the vertical mix first, kept at 4 times its
// value, then the horizontal one.
func halvedBoth(out, near, far []uint8, sum []int32) {
	n := len(near)
	far, sum, out = far[:n], sum[:n], out[:2*n]
	for i, v := range near {
		sum[i] = 3*int32(v) + int32(far[i])
	}
	left, here := sum[0], sum[0]
	out[0] = uint8((4*here + 8) >> 4)
	for i := 1; i < n; i++ {
		right := sum[i]
		out[2*i-1] = uint8((3*here + right + 7) >> 4)
		left, here = here, right
		out[2*i] = uint8((3*here + left + 8) >> 4)
	}
	out[2*n-1] = uint8((4*here + 7) >> 4)
}

// libjpeg's tables (jdcolor.c): contributions of chroma at 16-bit fixed point.
var redOfCr, blueOfCb, greenOfCb, greenOfCr = func() (r, b, gb, gr [256]int32) {
	fix := func(v float64) int32 { return int32(v*65536 + 0.5) }
	for i := range r {
		x := int32(i) - 128
		r[i] = (fix(1.40200)*x + 32768) >> 16
		b[i] = (fix(1.77200)*x + 32768) >> 16
		gb[i] = -fix(0.34414)*x + 32768
		gr[i] = -fix(0.71414) * x
	}
	return
}()

func rgbRow(out, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, v := range luma {
		y, u, w := int32(v), cb[x], cr[x]
		o := out[3*x : 3*x+3 : 3*x+3]
		o[0] = clamp8(y + redOfCr[w])
		o[1] = clamp8(y + (greenOfCb[u]+greenOfCr[w])>>16)
		o[2] = clamp8(y + blueOfCb[u])
	}
}

func interleave(out, a, b, c []uint8) {
	for x, v := range a {
		out[3*x], out[3*x+1], out[3*x+2] = v, b[x], c[x]
	}
}

func clamp8(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}
