package copymove

import (
	"math"

	"github.com/declip/declip/internal/picture"
)

// plane is a grey picture, [h, w] levels in [0, 255].
type plane struct {
	pix  []float32
	w, h int
}

func newPlane(w, h int) plane { return plane{make([]float32, w*h), w, h} }

// luma is the picture's luma.
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

// blurred is the plane after the binomial filter 1 4 6 4 1 in both directions: a standard deviation
// of one pixel.
func (p plane) blurred() plane {
	out := newPlane(p.w, p.h)
	var rows [5][]float32 // through the filter along the row, by row modulo 5
	for i := range rows {
		rows[i] = make([]float32, p.w)
	}
	row := func(y int) []float32 { return rows[min(max(y, 0), p.h-1)%len(rows)] }
	for y := -2; y < p.h; y++ {
		if y+2 < p.h {
			p.blurRow(row(y+2), y+2)
		}
		if y < 0 {
			continue
		}
		a, b, c, d, e := row(y-2), row(y-1), row(y), row(y+1), row(y+2)
		dst := out.pix[y*p.w : (y+1)*p.w]
		for x := range dst {
			dst[x] = (a[x] + e[x] + 4*(b[x]+d[x]) + 6*c[x]) / 16
		}
	}
	return out
}

// blurRow takes one row through the filter of blurred.
func (p plane) blurRow(dst []float32, y int) {
	src := p.pix[y*p.w : (y+1)*p.w]
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

// box is the mean over the (2r+1)^2 square around each pixel, without what is outside the plane.
func (p plane) box(r int) plane {
	out := newPlane(p.w, p.h)
	m := newMeans(p.w, r)
	for y := -r; y < p.h; y++ {
		if y+r < p.h {
			m.add(p.pix[(y+r)*p.w : (y+r+1)*p.w])
		}
		if y >= 0 {
			m.next(out.pix[y*p.w : (y+1)*p.w])
		}
	}
	return out
}

// means is box for a plane that comes row by row. It keeps a few rows only.
type means struct {
	r    int
	rows [][]float32 // means along the latest rows, by row modulo their number
	sums []float32   // of the rows in the window of the last result, and of those added since
	last int         // the next row to be added
	at   int         // the next row of results
}

func newMeans(w, r int) *means {
	m := &means{r: r, rows: make([][]float32, 2*r+2), sums: make([]float32, w)}
	for i := range m.rows {
		m.rows[i] = make([]float32, w)
	}
	return m
}

// add takes the next row.
func (m *means) add(src []float32) {
	w := len(src)
	dst := m.rows[m.last%len(m.rows)]
	sum, count := float32(0), float32(0)
	for x := range min(m.r, w) {
		sum, count = sum+src[x], count+1
	}
	for x := range w {
		if x+m.r < w {
			sum, count = sum+src[x+m.r], count+1
		}
		if x-m.r-1 >= 0 {
			sum, count = sum-src[x-m.r-1], count-1
		}
		dst[x] = sum / count
	}
	for x, v := range dst {
		m.sums[x] += v
	}
	m.last++
}

// next computes the next row of means. The r rows below it, up to the last row, must have been
// added.
func (m *means) next(dst []float32) {
	if gone := m.at - m.r - 1; gone >= 0 {
		for x, v := range m.rows[gone%len(m.rows)] {
			m.sums[x] -= v
		}
	}
	count := float32(m.last - max(m.at-m.r, 0))
	for x, s := range m.sums {
		dst[x] = s / count
	}
	m.at++
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

// median is the median of the values, which it reorders.
func median(v []float32) float32 { return fromBottom(v, len(v)/2) }

// fromBottom is the k-th lowest of the values, counted from 0. It reorders them: only the side that
// contains it is partitioned further (quickselect, Hoare, 1961).
func fromBottom(v []float32, k int) float32 {
	from, to := 0, len(v)-1
	for from < to {
		pivot := v[from+(to-from)/2]
		i, j := from, to
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			to = j
		case k >= i:
			from = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// less is p minus q.
func (p plane) less(q plane) plane {
	out := newPlane(p.w, p.h)
	for i, v := range p.pix {
		out.pix[i] = v - q.pix[i]
	}
	return out
}

// likeness is the correlation, in [-1, 1], over the area, of the plane, whose mean is 0, with its
// transform by t.
func (p plane) likeness(t transform, over area) float64 {
	back := t.inverse()
	var aa, bb, ab float64
	for i, in := range over.in {
		if !in {
			continue
		}
		x, y := over.x+i%over.w, over.y+i/over.w
		fx, fy := back.apply(float64(x), float64(y))
		if v, ok := p.sample(fx, fy); ok {
			a, b := float64(p.pix[y*p.w+x]), float64(v)
			aa, bb, ab = aa+a*a, bb+b*b, ab+a*b
		}
	}
	return ab / math.Sqrt(aa*bb+1e-9)
}

// finest is the logarithm of the strength of the finest detail: the mean square, over 5 x 5 pixels,
// of the mixed second difference.
func (p plane) finest() plane {
	squares := newPlane(p.w, p.h)
	for y := 1; y < p.h-1; y++ {
		for x := 1; x < p.w-1; x++ {
			row := p.pix[(y-1)*p.w+x-1:]
			a, b, c := row[:3], row[p.w:p.w+3], row[2*p.w:2*p.w+3]
			d := b[1] - (a[1]+b[0]+b[2]+c[1])/2 + (a[0]+a[2]+c[0]+c[2])/4
			squares.pix[y*p.w+x] = d * d
		}
	}
	out := squares.box(2)
	for i, v := range out.pix {
		out.pix[i] = float32(math.Log(max(float64(v), 0) + 0.02))
	}
	return out
}

// variance is the variance in the square of (2r+1)^2 pixels around each pixel.
func (p plane) variance(r int) plane {
	const centre = 128 // keeps the squares small
	squares := newPlane(p.w, p.h)
	for i, v := range p.pix {
		squares.pix[i] = (v - centre) * (v - centre)
	}
	mean, out := p.box(r), squares.box(r)
	for i, v := range mean.pix {
		out.pix[i] = max(0, out.pix[i]-(v-centre)*(v-centre))
	}
	return out
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
