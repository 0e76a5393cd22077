package copymove

import "math"

const (
	alike    = 0.85 // correlation of two windows above which they count as equal
	flatness = 4.0  // levels squared: a window with less variance is flat
	compared = 4    // radius in pixels of the windows that are correlated
	surround = 6    // radius in pixels over which windows vote
)

// warp is the part in the window of the plane transformed by t, NaN where t maps nothing.
func warp(p plane, t transform, win window) plane {
	out, back := newPlane(win.w, win.h), t.inverse()
	nan := float32(math.NaN())
	for y := range win.h {
		for x := range win.w {
			fx, fy := back.apply(float64(win.x+x), float64(win.y+y))
			v, ok := p.sample(fx, fy)
			if !ok {
				v = nan
			}
			out.pix[y*win.w+x] = v
		}
	}
	return out
}

// correlate compares two planes window by window. votes are 1 where they correlate, 0 where they do
// not, and 0.42 where both are flat and equal; errors are the variance of a, in levels squared,
// that b does not explain.
func correlate(a, b plane) (votes, errors plane) {
	votes, errors = newPlane(a.w, a.h), newPlane(a.w, a.h)
	columns := make([]moments, a.w)
	add := func(y int, sign float32) {
		x, y1 := a.pix[y*a.w:(y+1)*a.w], b.pix[y*a.w:(y+1)*a.w]
		for i, v := range x {
			columns[i].add(v, y1[i], sign)
		}
	}
	for y := range min(compared, a.h) {
		add(y, 1)
	}
	rows := min(compared, a.h)
	for y := range a.h {
		if y+compared < a.h {
			add(y+compared, 1)
			rows++
		}
		if y-compared-1 >= 0 {
			add(y-compared-1, -1)
			rows--
		}
		var sum moments
		for x := range min(compared, a.w) {
			sum.join(&columns[x], 1)
		}
		count := min(compared, a.w)
		row := b.pix[y*a.w : (y+1)*a.w]
		for x, v := range row {
			if x+compared < a.w {
				sum.join(&columns[x+compared], 1)
				count++
			}
			if x-compared-1 >= 0 {
				sum.join(&columns[x-compared-1], -1)
				count--
			}
			if v == v {
				votes.pix[y*a.w+x], errors.pix[y*a.w+x] = sum.compare(float64(rows * count))
			}
		}
	}
	return votes, errors
}

// moments are sums over two planes' pixels in a window.
type moments struct{ a, b, aa, bb, ab float64 }

// add adds a pixel of both planes, or subtracts it. A NaN in the second is replaced by the first.
func (m *moments) add(a, b, sign float32) {
	if b != b {
		b = a
	}
	sa, sb := sign*a, sign*b
	m.a += float64(sa)
	m.b += float64(sb)
	m.aa += float64(sa * a)
	m.bb += float64(sb * b)
	m.ab += float64(sa * b)
}

func (m *moments) join(o *moments, sign float64) {
	m.a += sign * o.a
	m.b += sign * o.b
	m.aa += sign * o.aa
	m.bb += sign * o.bb
	m.ab += sign * o.ab
}

// compare is the vote and the error of a window of n pixels.
func (m *moments) compare(n float64) (vote, left float32) {
	ma, mb := m.a/n, m.b/n
	va, vb, cov := m.aa/n-ma*ma, m.bb/n-mb*mb, m.ab/n-ma*mb
	switch {
	case va < flatness && vb < flatness:
		if math.Abs(ma-mb) < 6 {
			return 0.42, 0
		}
	case cov > 0 && cov*cov > alike*alike*va*vb:
		return 1, float32(va - cov*cov/vb)
	}
	return 0, 0
}
