package forge

import (
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

// cutout is a piece that was cut out of a picture: three colours per pixel in 0..255, and the share
// of each pixel that belongs to the piece, [0,1]. Around the piece is a margin of pixels that do
// not.
type cutout struct {
	w, h  int
	rgb   []float32 // [h*w*3]
	alpha []float32 // [h*w]
}

// cutMargin is the margin in pixels: enough for feathering and interpolation.
const cutMargin = 8

// cut copies the masked piece of a picture and returns it with the rectangle it came from.
func cut(p *picture.RGB, m *picture.Gray) (*cutout, image.Rectangle) {
	r := around(bounds(m), cutMargin, p.Width, p.Height)
	c := &cutout{w: r.Dx(), h: r.Dy()}
	c.rgb, c.alpha = make([]float32, c.w*c.h*3), make([]float32, c.w*c.h)
	for y := range c.h {
		from := (r.Min.Y+y)*p.Width + r.Min.X
		for x := range c.w * 3 {
			c.rgb[y*c.w*3+x] = float32(p.Pix[from*3+x])
		}
		for x := range c.w {
			c.alpha[y*c.w+x] = float32(m.Pix[from+x]) / 255
		}
	}
	return c, r
}

// warp says how a piece is rotated and scaled. Scale 1 and angle 0 keep the samples.
type warp struct {
	scale  float64
	angle  float64 // degrees
	flip   bool    // left to right, before the rotation
	kernel string  // "nearest", "bilinear" or "bicubic"
}

func (t warp) identity() bool { return t.scale == 1 && t.angle == 0 }

// describe records the warp for the manifest.
func (t warp) describe(p Params) {
	p["scale"], p["angle"], p["flip"] = round3(t.scale), round3(t.angle), t.flip
	if !t.identity() {
		p["kernel"] = t.kernel
	}
}

// drawWarp draws a transformation; resampled is the probability that it is not a plain paste.
func (d dice) drawWarp(resampled, least, most float64) warp {
	t := warp{scale: 1, flip: d.chance(0.2)}
	t.kernel = []string{"bilinear", "bicubic", "nearest"}[d.weighted(0.48, 0.44, 0.08)]
	if !d.chance(resampled) {
		return t
	}
	which := d.weighted(0.55, 0.2, 0.25)
	if which != 1 {
		t.scale = d.logUniform(least, most)
	}
	if which != 0 {
		switch d.weighted(0.6, 0.2, 0.2) {
		case 0:
			t.angle = d.sign() * d.uniform(1, 30)
		case 1:
			t.angle = d.uniform(-180, 180)
		default:
			t.angle = 90 * float64(d.between(1, 3))
		}
	}
	return t
}

// apply transforms a piece about its centre. For shrinking the kernel is widened to avoid aliasing,
// as in image editors.
func (t warp) apply(c *cutout) *cutout {
	if t.flip {
		c = c.mirrored()
	}
	if t.identity() {
		return c
	}
	sin, cos := math.Sincos(t.angle * math.Pi / 180)
	w, h := float64(c.w)*t.scale, float64(c.h)*t.scale
	out := &cutout{
		w: max(1, int(math.Round(math.Abs(w*cos)+math.Abs(h*sin)))),
		h: max(1, int(math.Round(math.Abs(w*sin)+math.Abs(h*cos)))),
	}
	out.rgb, out.alpha = make([]float32, out.w*out.h*3), make([]float32, out.w*out.h)
	s := newSampler(c, t)
	for y := range out.h {
		dy := (float64(y) + 0.5 - float64(out.h)/2) / t.scale
		for x := range out.w {
			dx := (float64(x) + 0.5 - float64(out.w)/2) / t.scale
			sx := cos*dx + sin*dy + float64(c.w)/2
			sy := -sin*dx + cos*dy + float64(c.h)/2
			if sx < -1 || sy < -1 || sx > float64(c.w)+1 || sy > float64(c.h)+1 {
				continue
			}
			i := y*out.w + x
			out.alpha[i] = s.at(sx-0.5, sy-0.5, out.rgb[i*3:i*3+3])
		}
	}
	return out
}

func (c *cutout) mirrored() *cutout {
	out := &cutout{w: c.w, h: c.h, rgb: make([]float32, len(c.rgb)), alpha: make([]float32, len(c.alpha))}
	for y := range c.h {
		for x := range c.w {
			from, to := y*c.w+c.w-1-x, y*c.w+x
			out.alpha[to] = c.alpha[from]
			copy(out.rgb[to*3:to*3+3], c.rgb[from*3:])
		}
	}
	return out
}

// sampler interpolates a piece between its pixels.
type sampler struct {
	c       *cutout
	nearest bool
	weight  func(float64) float64
	radius  float64 // of the kernel in source pixels
	squeeze float64 // kernel units per source pixel, at most 1
	wx, wy  []float32
}

func newSampler(c *cutout, t warp) *sampler {
	s := &sampler{c: c, nearest: t.kernel == "nearest", squeeze: math.Min(1, t.scale)}
	s.weight, s.radius = triangleKernel, 1
	if t.kernel == "bicubic" {
		s.weight, s.radius = cubicKernel, 2
	}
	s.radius /= s.squeeze
	n := int(2*s.radius) + 3
	s.wx, s.wy = make([]float32, n), make([]float32, n)
	return s
}

func triangleKernel(x float64) float64 { return math.Max(0, 1-math.Abs(x)) }

// cubicKernel is Keys' kernel with a = -0.5.
func cubicKernel(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return (1.5*x-2.5)*x*x + 1
	case x < 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
	return 0
}

// taps fills w with the normalised weights around position v and returns the first index, which may
// be outside the picture, and their number.
func (s *sampler) taps(v float64, w []float32) (first, n int) {
	first = int(math.Ceil(v - s.radius))
	n = int(math.Floor(v+s.radius)) - first + 1
	var sum float64
	for i := range n {
		k := s.weight((float64(first+i) - v) * s.squeeze)
		w[i] = float32(k)
		sum += k
	}
	for i := range n {
		w[i] /= float32(sum)
	}
	return first, n
}

// at writes the colour at (x,y) to rgb and returns the alpha there. Beyond the border the colours
// repeat the edge, and alpha is 0.
func (s *sampler) at(x, y float64, rgb []float32) float32 {
	c := s.c
	if s.nearest {
		xi, yi := int(math.Round(x)), int(math.Round(y))
		inside := xi >= 0 && yi >= 0 && xi < c.w && yi < c.h
		xi, yi = min(max(xi, 0), c.w-1), min(max(yi, 0), c.h-1)
		i := yi*c.w + xi
		copy(rgb, c.rgb[i*3:i*3+3])
		if !inside {
			return 0
		}
		return c.alpha[i]
	}
	x0, nx := s.taps(x, s.wx)
	y0, ny := s.taps(y, s.wy)
	var r, g, b, a float32
	for j := range ny {
		yj := min(max(y0+j, 0), c.h-1)
		for i := range nx {
			k := s.wy[j] * s.wx[i]
			xi := min(max(x0+i, 0), c.w-1)
			at := yj*c.w + xi
			r += k * c.rgb[at*3]
			g += k * c.rgb[at*3+1]
			b += k * c.rgb[at*3+2]
			if xi == x0+i && yj == y0+j {
				a += k * c.alpha[at]
			}
		}
	}
	rgb[0], rgb[1], rgb[2] = r, g, b
	return a
}
