package picture

import "image"

// planarToRGB is planesToRGB for a picture of the standard library.
func planarToRGB(look *watch, m *image.YCbCr, colour bool) *RGB {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	across, down := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	}
	luma := newPlane(m.Y[m.YOffset(b.Min.X, b.Min.Y):], m.YStride, 1, 1, w, h)
	cb, cr := newPlane(m.Cb, m.CStride, across, down, w, h), newPlane(m.Cr, m.CStride, across, down, w, h)
	return planesToRGB(look, [3]plane{luma, cb, cr}, colour)
}

// planesToRGB turns planes, some of them subsampled, into packed RGB the way libjpeg-turbo does:
// "fancy" (triangle filter) upsampling where it has one (halved width, halved height, or both),
// replication elsewhere, and its 16-bit fixed-point conversion of YCbCr (colour false: the planes
// are red, green and blue already).
//
// Only real samples take part, ceil(width/ratio) by ceil(height/ratio) of them, never the padding
// that fills up the last blocks. Rows are left out once the context has ended.
func planesToRGB(look *watch, planes [3]plane, colour bool) *RGB {
	p := NewRGB(planes[0].fullWidth, planes[0].fullHeight)
	inBands(p.Height, 64, func(y0, y1 int) {
		var buffers [3]rows
		for i := range planes {
			buffers[i] = planes[i].buffers()
		}
		for y := y0; y < y1 && !look.ended(); y++ {
			first, second, third := planes[0].row(y, buffers[0]), planes[1].row(y, buffers[1]), planes[2].row(y, buffers[2])
			out := p.Pix[3*y*p.Width:][:3*p.Width]
			if colour {
				rgbRow(out, first, second, third)
			} else {
				interleave(out, first, second, third)
			}
		}
	})
	return p
}

// plane is a component with its subsampling.
type plane struct {
	pix                   []uint8
	stride                int
	horizontal, vertical  int // subsampling ratios
	width, height         int // real samples
	fullWidth, fullHeight int // the picture's
	fancyH, fancyV        bool
}

func newPlane(pix []uint8, stride, horizontal, vertical, fullWidth, fullHeight int) plane {
	p := plane{pix: pix, stride: stride, horizontal: horizontal, vertical: vertical, fullWidth: fullWidth, fullHeight: fullHeight}
	p.width, p.height = (fullWidth+horizontal-1)/horizontal, (fullHeight+vertical-1)/vertical
	// libjpeg filters a halved width only if there are more than two samples,
	// and then filters a halved height with it.
	p.fancyH = horizontal == 2 && vertical <= 2 && p.width > 2
	p.fancyV = vertical == 2 && (p.fancyH || horizontal == 1)
	return p
}

// rows are a goroutine's buffers for upsampling rows of a plane.
type rows struct {
	out []uint8
	sum []int32
}

func (p *plane) buffers() rows {
	if p.horizontal == 1 && p.vertical == 1 {
		return rows{}
	}
	return rows{out: make([]uint8, p.width*p.horizontal), sum: make([]int32, p.width)}
}

// row gives row y of the plane at full width; it may be the plane's own memory or the buffers'.
func (p *plane) row(y int, b rows) []uint8 {
	near := p.pix[y/p.vertical*p.stride:][:p.width]
	if !p.fancyH && !p.fancyV {
		if p.horizontal == 1 {
			return near
		}
		for i, v := range near {
			for j := range p.horizontal {
				b.out[p.horizontal*i+j] = v
			}
		}
		return b.out[:p.fullWidth]
	}
	if !p.fancyV {
		halvedWidth(b.out, near)
		return b.out[:p.fullWidth]
	}
	other := y/2 - 1
	if y%2 == 1 {
		other = y/2 + 1
	}
	other = min(max(other, 0), p.height-1)
	far := p.pix[other*p.stride:][:p.width]
	if p.fancyH {
		halvedBoth(b.out, near, far, b.sum)
	} else {
		halvedHeight(b.out, near, far, int32(1+y%2))
	}
	return b.out[:p.fullWidth]
}

// halvedWidth is libjpeg's h2v1: each output is a quarter sample away from its source, and is 3/4
// of the nearer and 1/4 of the farther neighbour.
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
	here := sum[0]
	out[0] = uint8((4*here + 8) >> 4)
	for i := 1; i < n; i++ {
		right := sum[i]
		out[2*i-1] = uint8((3*here + right + 7) >> 4)
		out[2*i] = uint8((3*right + here + 8) >> 4)
		here = right
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
