package copymove

import (
	"context"
	"math"
	"slices"
)

// transform is an affine map: x' = a[0] x + a[1] y + a[2], y' = a[3] x + a[4] y + a[5].
type transform [6]float64

func (t transform) apply(x, y float64) (float64, float64) {
	return t[0]*x + t[1]*y + t[2], t[3]*x + t[4]*y + t[5]
}

// inverse is the inverse map; t must not be degenerate.
func (t transform) inverse() transform {
	d := t[0]*t[4] - t[1]*t[3]
	a, b, c, e := t[4]/d, -t[1]/d, -t[3]/d, t[0]/d
	return transform{a, b, -(a*t[2] + b*t[5]), c, e, -(c*t[2] + e*t[5])}
}

// scale is the factor by which the transform enlarges.
func (t transform) scale() float64 { return math.Sqrt(math.Abs(t[0]*t[4] - t[1]*t[3])) }

// Copies are between half and twice as large as what they were copied from.
const mostScale = 2.0

// plausible reports whether the transform roughly keeps shapes and sizes.
func (t transform) plausible() bool {
	d := math.Abs(t[0]*t[4] - t[1]*t[3])
	if !(d > 1/(mostScale*mostScale) && d < mostScale*mostScale) {
		return false
	}
	stretch, shear := t.distortion()
	return stretch < 0.15 && shear < 0.2
}

// distortion says how far the transform is from a similarity, whose columns are orthogonal and have
// the same length: stretch is how much longer or shorter the first is, as a fraction, and shear the
// cosine between both, about.
func (t transform) distortion() (stretch, shear float64) {
	d := math.Abs(t[0]*t[4] - t[1]*t[3])
	return math.Abs(math.Hypot(t[0], t[3])/math.Sqrt(d) - 1), math.Abs(t[0]*t[1]+t[3]*t[4]) / d
}

// skew is both distortions together, 0 for a similarity.
func (t transform) skew() float64 {
	stretch, shear := t.distortion()
	return stretch + shear
}

// similarity is the rotation, scaling and translation, with a reflection if mirrored, that maps two
// points to two others.
func similarity(a, b match, mirrored bool) (transform, bool) {
	side := 1.0
	if mirrored {
		side = -1
	}
	px, py := b.from.x-a.from.x, side*(b.from.y-a.from.y)
	qx, qy := b.to.x-a.to.x, b.to.y-a.to.y
	d := px*px + py*py
	if d < 64 {
		return transform{}, false
	}
	c, s := (qx*px+qy*py)/d, (qy*px-qx*py)/d
	if turn := math.Atan2(s, c); !a.turned(turn) || !b.turned(turn) {
		return transform{}, false
	}
	t := transform{c, -s * side, 0, s, c * side, 0}
	x, y := t.apply(a.from.x, a.from.y)
	t[2], t[5] = a.to.x-x, a.to.y-y
	return t, t.plausible()
}

// mostTurn is the largest difference, in radians, between the rotation of a match and that of a
// transform.
const mostTurn = 0.4

// turned reports whether the match agrees with a rotation by the given angle.
func (m match) turned(by float64) bool {
	return math.Cos(m.turn-by) > math.Cos(mostTurn)
}

// tolerance is the largest distance of a match from a transform, in pixels.
const tolerance = 3.0

// fits reports whether the transform maps one end of the match to the other.
func (t transform) fits(m *match) bool {
	x, y := t.apply(m.from.x, m.from.y)
	limit := tolerance * max(1, m.to.scale)
	return math.Abs(x-m.to.x) < limit && math.Abs(y-m.to.y) < limit
}

// support is the number of matches that fit.
func (t transform) support(list []match) int {
	n := 0
	for i := range list {
		if t.fits(&list[i]) {
			n++
		}
	}
	return n
}

func (t transform) fitting(list []match) []match {
	var in []match
	for _, m := range list {
		if t.fits(&m) {
			in = append(in, m)
		}
	}
	return in
}

// fit is the affine map with the least squared error over matches.
func fit(list []match) (transform, bool) {
	// Normal equations of x' and of y' over (x, y, 1), relative to the centre for precision.
	var mx, my float64
	for _, m := range list {
		mx, my = mx+m.from.x, my+m.from.y
	}
	n := float64(len(list))
	mx, my = mx/n, my/n
	var xx, xy, yy, xu, yu, xv, yv, u, v float64
	for _, m := range list {
		x, y := m.from.x-mx, m.from.y-my
		xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
		xu, yu, u = xu+x*m.to.x, yu+y*m.to.x, u+m.to.x
		xv, yv, v = xv+x*m.to.y, yv+y*m.to.y, v+m.to.y
	}
	d := xx*yy - xy*xy
	if !(d > 1e-6*(xx+yy)*(xx+yy)) {
		return transform{}, false
	}
	t := transform{(xu*yy - yu*xy) / d, (yu*xx - xu*xy) / d, 0, (xv*yy - yv*xy) / d, (yv*xx - xv*xy) / d, 0}
	x, y := t.apply(mx, my)
	t[2], t[5] = u/n-x, v/n-y
	return t, t.plausible()
}

const (
	leastMatches  = 5   // that agree
	mostCopies    = 6   // in a picture
	neighbourhood = 150 // pixels within which two matches may belong to one object
	mostMatches   = 3000
)

// transforms finds transforms on which several matches agree, those with the most first. Each match
// counts once.
func transforms(ctx context.Context, list []match, mirrored bool) ([]transform, error) {
	if len(list) > mostMatches {
		list = list[:mostMatches]
	}
	list = slices.Clone(list)
	var found []transform
	for len(found) < mostCopies {
		best, in, err := bestTransform(ctx, list, mirrored)
		if err != nil {
			return nil, err
		}
		if len(in) < leastMatches {
			break
		}
		found = append(found, best)
		back := best.inverse()
		list = slices.DeleteFunc(list, func(m match) bool { return best.fits(&m) || back.fits(&m) })
	}
	return found, nil
}

// bestTransform tries the transforms that pairs of neighbouring matches define.
func bestTransform(ctx context.Context, list []match, mirrored bool) (best transform, in []match, err error) {
	for i, a := range list {
		if err := ctx.Err(); err != nil {
			return best, nil, err
		}
		tried := 0
		for k := 1; k < len(list) && tried < 6; k++ {
			b := list[(i+k)%len(list)]
			if math.Abs(a.from.x-b.from.x) > neighbourhood || math.Abs(a.from.y-b.from.y) > neighbourhood {
				continue
			}
			tried++
			t, ok := similarity(a, b, mirrored)
			if !ok {
				continue
			}
			if t.support(list) > len(in) { // only counted at first: most find less
				best, in = t, t.fitting(list)
			}
		}
	}
	for range 2 {
		if len(in) < leastMatches {
			return best, in, nil
		}
		if t, ok := fit(in); ok {
			if got := t.fitting(list); len(got) >= len(in) {
				best, in = t, got
			}
		}
	}
	return best, in, nil
}
