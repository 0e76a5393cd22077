package copymove

import (
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// plane is a grey picture, [h, w] levels of 255.
type plane struct {
	pix  []float32
	w, h int
}

func newPlane(w, h int) plane { return plane{make([]float32, w*h), w, h} }

// luma is the picture's brightness.
func luma(p *picture.RGB) plane {
	out := newPlane(p.Width, p.Height)
	for i := range out.pix {
		out.pix[i] = .299*float32(p.Pix[3*i]) + .587*float32(p.Pix[3*i+1]) + .114*float32(p.Pix[3*i+2])
	}
	return out
}

// smaller is the plane at the given size, for factors not far from 1.
func (p plane) smaller(w, h int) plane {
	q := p.blurred()
	return plane{picture.ResizeFloat(q.pix, p.w, p.h, w, h), w, h}
}

// blurred is the plane through a binomial filter 1 4 6 4 1 both ways, a standard deviation of one pixel.
func (p plane) blurred() plane {
	rows, out := newPlane(p.w, p.h), newPlane(p.w, p.h)
	for y := range p.h {
		src, dst := p.pix[y*p.w:(y+1)*p.w], rows.pix[y*p.w:(y+1)*p.w]
		at := func(x int) float32 { return src[min(max(x, 0), p.w-1)] }
		for x := range dst {
			if x < 2 || x >= p.w-2 {
				dst[x] = (at(x-2) + 4*at(x-1) + 6*at(x) + 4*at(x+1) + at(x+2)) / 16
				continue
			}
			v := src[x-2 : x+3]
			dst[x] = (v[0] + v[4] + 4*(v[1]+v[3]) + 6*v[2]) / 16
		}
	}
	row := func(y int) []float32 {
		y = min(max(y, 0), p.h-1)
		return rows.pix[y*p.w : (y+1)*p.w]
	}
	for y := range p.h {
		a, b, c, d, e := row(y-2), row(y-1), row(y), row(y+1), row(y+2)
		dst := out.pix[y*p.w : (y+1)*p.w]
		for x := range dst {
			dst[x] = (a[x] + e[x] + 4*(b[x]+d[x]) + 6*c[x]) / 16
		}
	}
	return out
}

// box is the mean over the (2r+1)^2 square around each pixel, of what lies inside the plane.
func (p plane) box(r int) plane {
	rows, out := newPlane(p.w, p.h), newPlane(p.w, p.h)
	for y := range p.h {
		src, dst := p.pix[y*p.w:(y+1)*p.w], rows.pix[y*p.w:(y+1)*p.w]
		sum, count := float32(0), float32(0)
		for x := 0; x < min(r, p.w); x++ {
			sum, count = sum+src[x], count+1
		}
		for x := range p.w {
			if x+r < p.w {
				sum, count = sum+src[x+r], count+1
			}
			if x-r-1 >= 0 {
				sum, count = sum-src[x-r-1], count-1
			}
			dst[x] = sum / count
		}
	}
	sums, count := make([]float32, p.w), float32(0)
	add := func(y int, sign float32) {
		for x, v := range rows.pix[y*p.w : (y+1)*p.w] {
			sums[x] += sign * v
		}
		count += sign
	}
	for y := 0; y < min(r, p.h); y++ {
		add(y, 1)
	}
	for y := range p.h {
		if y+r < p.h {
			add(y+r, 1)
		}
		if y-r-1 >= 0 {
			add(y-r-1, -1)
		}
		for x, s := range sums {
			out.pix[y*p.w+x] = s / count
		}
	}
	return out
}

// sample is the value between pixels, bilinear; ok is false outside.
func (p plane) sample(x, y float64) (v float32, ok bool) {
	if !(x >= 0 && y >= 0 && x <= float64(p.w-1) && y <= float64(p.h-1)) {
		return 0, false
	}
	x0, y0 := min(int(x), p.w-2), min(int(y), p.h-2)
	fx, fy := float32(x-float64(x0)), float32(y-float64(y0))
	i := y0*p.w + x0
	top := p.pix[i] + fx*(p.pix[i+1]-p.pix[i])
	low := p.pix[i+p.w] + fx*(p.pix[i+p.w+1]-p.pix[i+p.w])
	return top + fy*(low-top), true
}

// median is the middle of the values, which are put in another order.
func median(v []float32) float32 {
	slices.Sort(v)
	return v[len(v)/2]
}

// less is the difference of two planes.
func (p plane) less(q plane) plane {
	out := newPlane(p.w, p.h)
	for i, v := range p.pix {
		out.pix[i] = v - q.pix[i]
	}
	return out
}

// likeness correlates the plane, of mean 0, with what t brings to the places of the mask, [-1, 1].
func (p plane) likeness(t transform, mask []bool) float64 {
	back := t.inverse()
	var aa, bb, ab float64
	for i, in := range mask {
		if !in {
			continue
		}
		fx, fy := back.apply(float64(i%p.w), float64(i/p.w))
		if v, ok := p.sample(fx, fy); ok {
			a, b := float64(p.pix[i]), float64(v)
			aa, bb, ab = aa+a*a, bb+b*b, ab+a*b
		}
	}
	return ab / math.Sqrt(aa*bb+1e-9)
}

// halved is the plane at half its size, means of 2 x 2 pixels.
func (p plane) halved() plane {
	out := newPlane(p.w/2, p.h/2)
	for y := range out.h {
		a, b := p.pix[2*y*p.w:], p.pix[(2*y+1)*p.w:]
		row := out.pix[y*out.w : (y+1)*out.w]
		for x := range row {
			row[x] = (a[2*x] + a[2*x+1] + b[2*x] + b[2*x+1]) / 4
		}
	}
	return out
}
