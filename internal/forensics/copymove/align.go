package copymove

import "math"

const (
	alignRounds = 6
	alignPixels = 40_000 // of an area that are used to align it
	alignLeast  = 50     // weighted number of pixels below which a transform is not changed
	outlying    = 6      // times the median difference: pixels that differ more are ignored
)

// align improves a transform by the Gauss-Newton method: it minimises the difference, over the
// area, between the transformed plane and the plane (Lucas and Kanade, 1981). Outliers get little
// weight (Tukey's biweight).
func align(p plane, t transform, over area) transform {
	var places []int32
	for i, in := range over.in {
		if in {
			places = append(places, int32((over.y+i/over.w)*p.w+over.x+i%over.w))
		}
	}
	if len(places) < 2*alignLeast {
		return t
	}
	a := alignment{plane: p, unit: math.Sqrt(float64(len(places)))}
	for _, i := range places {
		a.x, a.y = a.x+float64(int(i)%p.w), a.y+float64(int(i)/p.w)
	}
	a.x, a.y = a.x/float64(len(places)), a.y/float64(len(places))
	for k := 0; k < len(places); k += 1 + len(places)/alignPixels {
		a.places = append(a.places, places[k])
	}
	back, cost := t.inverse(), math.Inf(1)
	for range alignRounds {
		next, now, ok := a.step(back)
		if !ok {
			break
		}
		back = next
		if now > 0.999*cost {
			break
		}
		cost = now
	}
	return back.inverse()
}

// alignment is the area of a plane that a transform is aligned on. Coordinates relative to its
// centre, in units of its size, keep the equations well conditioned.
type alignment struct {
	plane  plane
	places []int32
	x, y   float64 // the centre
	unit   float64
}

// step improves the inverse transform once and returns the mean squared difference before that. ok
// is false if the equations have no usable solution.
func (a alignment) step(back transform) (next transform, cost float64, ok bool) {
	var equations normal
	var sum, weights float64
	scale, w := a.outlying(back), a.plane.w
	for _, i := range a.places {
		x, y := float64(int(i)%w), float64(int(i)/w)
		fx, fy := back.apply(x, y)
		v, gx, gy, inside := a.plane.slope(fx, fy)
		if !inside {
			continue
		}
		r := float64(a.plane.pix[i]) - v
		q := 1 - r*r/(scale*scale)
		if q <= 0 {
			continue
		}
		u, s := (x-a.x)/a.unit, (y-a.y)/a.unit
		equations.add([6]float64{gx * u, gx * s, gx, gy * u, gy * s, gy}, r, q*q)
		sum, weights = sum+q*q*r*r, weights+q*q
	}
	if weights < alignLeast {
		return back, 0, false
	}
	d, ok := equations.solve()
	if !ok {
		return back, 0, false
	}
	next = transform{
		back[0] + d[0]/a.unit, back[1] + d[1]/a.unit, back[2] + d[2] - (d[0]*a.x+d[1]*a.y)/a.unit,
		back[3] + d[3]/a.unit, back[4] + d[4]/a.unit, back[5] + d[5] - (d[3]*a.x+d[4]*a.y)/a.unit,
	}
	return next, sum / weights, next.plausible()
}

// outlying is the difference above which pixels are ignored.
func (a alignment) outlying(back transform) float64 {
	var list []float32
	for k := 0; k < len(a.places); k += 4 {
		i := int(a.places[k])
		fx, fy := back.apply(float64(i%a.plane.w), float64(i/a.plane.w))
		if v, ok := a.plane.sample(fx, fy); ok {
			list = append(list, float32(math.Abs(float64(a.plane.pix[i]-v))))
		}
	}
	if len(list) == 0 {
		return 1
	}
	return math.Max(0.5, outlying*float64(median(list)))
}

// slope is sample with the gradient; ok is false at the border.
func (p plane) slope(x, y float64) (v, gx, gy float64, ok bool) {
	if !(x >= 1 && y >= 1 && x < float64(p.w-2) && y < float64(p.h-2)) {
		return 0, 0, 0, false
	}
	i := int(y)*p.w + int(x)
	fx, fy := x-math.Floor(x), y-math.Floor(y)
	a, b, c, d := float64(p.pix[i]), float64(p.pix[i+1]), float64(p.pix[i+p.w]), float64(p.pix[i+p.w+1])
	gx, gy = (1-fy)*(b-a)+fy*(d-c), (1-fx)*(c-a)+fx*(d-b)
	return (1-fy)*((1-fx)*a+fx*b) + fy*((1-fx)*c+fx*d), gx, gy, true
}

// normal holds the normal equations of a least-squares problem with six unknowns: upper half and
// right-hand side.
type normal [6][7]float64

func (e *normal) add(row [6]float64, value, weight float64) {
	for i, v := range row {
		for j := i; j < 6; j++ {
			e[i][j] += weight * v * row[j]
		}
		e[i][6] += weight * v * value
	}
}

// solve is Gaussian elimination with slight damping (Levenberg, 1944); ok is false if the equations
// are singular.
func (e *normal) solve() (out [6]float64, ok bool) {
	a := *e
	for i := range 6 {
		for j := range i {
			a[i][j] = e[j][i]
		}
		a[i][i] *= 1 + 1e-4
	}
	for i := range 6 {
		if !(a[i][i] > 1e-9) {
			return out, false
		}
		for j := i + 1; j < 6; j++ {
			f := a[j][i] / a[i][i]
			for k := i; k < 7; k++ {
				a[j][k] -= f * a[i][k]
			}
		}
	}
	for i := 5; i >= 0; i-- {
		v := a[i][6]
		for j := i + 1; j < 6; j++ {
			v -= a[i][j] * out[j]
		}
		out[i] = v / a[i][i]
	}
	return out, true
}
