package copymove

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// keypoint is a point with a description of its surroundings that does not change with rotation.
type keypoint struct {
	x, y     float64 // pixels of the full plane
	scale    float64 // pixels of the full plane per pixel of its level
	angle    float64 // radians, of the surroundings' gradients
	contrast float32 // levels by which it is brighter than its surroundings
	code     code    // of the surroundings
	mirrored code    // of the surroundings' mirror image
}

// code holds the outcomes of comparisons between pairs of pixels around a keypoint.
type code [4]uint64

const (
	levels     = 6
	levelStep  = 0.8 // size of a level relative to the previous one
	reach      = 15  // radius of a description in pixels of its level
	weakest    = 0.8 // levels: weaker gradients are noise
	wantPoints = 8000

	enlargedLevels = 2       // above the picture's own size
	mostEnlarged   = 750_000 // pixels of such a level
	enlargedCell   = 1.3     // size of its cells, to those of the other levels
)

// pattern is the pairs of pixels that are compared, drawn once from a normal distribution as in
// BRIEF (Calonder, Lepetit, Strecha and Fua, 2010). They rotate with the keypoint, as in ORB
// (Rublee, Rabaud, Konolige and Bradski, 2011).
var pattern = func() (pairs [256][4]float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func() float64 {
		for {
			if v := rng.NormFloat64() * reach / 2.5; math.Abs(v) <= reach*0.7 {
				return v
			}
		}
	}
	for i := range pairs {
		pairs[i] = [4]float64{draw(), draw(), draw(), draw()}
	}
	// Along the gradient most surroundings get brighter. Those comparisons are the least informative
	// and come last.
	along := func(p [4]float64) float64 { return math.Abs(p[0]-p[2]) / math.Hypot(p[0]-p[2], p[1]-p[3]) }
	slices.SortFunc(pairs[:], func(a, b [4]float64) int { return cmp.Compare(along(a), along(b)) })
	return pairs
}()

// keypoints finds corners on several levels, spread over the picture, sorted from dark to bright.
func keypoints(ctx context.Context, p plane) ([]keypoint, error) {
	total := 0.0
	for k := range levels {
		total += math.Pow(levelStep, 2*float64(k))
	}
	cell := max(4, int(math.Sqrt(float64(p.w*p.h)*total/wantPoints)))
	planes := pyramid(ctx, p)
	lists := make([][]keypoint, len(planes))
	parent := ctx
	group, ctx := parallel.WithContext(ctx)
	for k, level := range planes {
		group.Go(func() (err error) {
			parallel.Point("keypoints")
			size := cell
			if level.w > p.w {
				size = int(enlargedCell * float64(cell))
			}
			lists[k], err = levelKeypoints(ctx, level, size, float64(p.w)/float64(level.w), float64(p.h)/float64(level.h))
			return err
		})
	}
	if err := cmp.Or(group.Wait(), parent.Err()); err != nil {
		return nil, err
	}
	points := slices.Concat(lists...)
	slices.SortStableFunc(points, func(a, b keypoint) int { return cmp.Compare(a.contrast, b.contrast) })
	return points, nil
}

// pyramid is the plane on several levels: as it is, smaller ones, and larger ones that are not
// larger than mostEnlarged, for small copies. It is not complete if ctx has ended.
func pyramid(ctx context.Context, p plane) (planes []plane) {
	size := func(k int) (w, h int) {
		f := math.Pow(levelStep, float64(k))
		return int(float64(p.w)*f + .5), int(float64(p.h)*f + .5)
	}
	for k := -enlargedLevels; k < 0; k++ {
		if w, h := size(k); w*h <= mostEnlarged && ctx.Err() == nil {
			planes = append(planes, plane{picture.ResizeFloat(p.pix, p.w, p.h, w, h), w, h})
		}
	}
	level := p
	for k := range levels {
		if k > 0 {
			level = level.smaller(size(k))
		}
		if min(level.w, level.h) < 4*reach || ctx.Err() != nil {
			break
		}
		planes = append(planes, level)
	}
	return planes
}

// levelKeypoints takes the strongest corner of each cell.
func levelKeypoints(ctx context.Context, p plane, cell int, scaleX, scaleY float64) ([]keypoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	strength := corners(p)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	smooth := p.blurred().blurred()
	var list []keypoint
	margin := reach + 1
	for y0 := margin; y0 < p.h-margin; y0 += cell {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for x0 := margin; x0 < p.w-margin; x0 += cell {
			best, at := float32(weakest*weakest), -1
			for y := y0; y < min(y0+cell, p.h-margin); y++ {
				for x := x0; x < min(x0+cell, p.w-margin); x++ {
					if v := strength.pix[y*p.w+x]; v > best {
						best, at = v, y*p.w+x
					}
				}
			}
			if at < 0 || !peak(strength, at) {
				continue
			}
			x, y := at%p.w, at/p.w
			k := keypoint{
				x: (float64(x)+.5)*scaleX - .5, y: (float64(y)+.5)*scaleY - .5, scale: math.Sqrt(scaleX * scaleY),
				angle: orientation(smooth, x, y), contrast: contrast(smooth, x, y),
			}
			k.code, k.mirrored = describe(smooth, x, y, k.angle, 1), describe(smooth, x, y, k.angle, -1)
			list = append(list, k)
		}
	}
	return list, nil
}

// corners is the smaller eigenvalue of the gradients' covariance in 5 x 5 windows (Shi and Tomasi,
// 1994), levels squared.
func corners(p plane) plane {
	const r = 2
	out := newPlane(p.w, p.h)
	var products [3][]float32 // of the gradients in a row: xx, xy, yy
	var windows [3]*means
	var near [3][]float32
	for k := range windows {
		products[k], near[k], windows[k] = make([]float32, p.w), make([]float32, p.w), newMeans(p.w, r)
	}
	for y := -r; y < p.h; y++ {
		if y+r < p.h {
			p.gradients(&products, y+r)
			for k, m := range windows {
				m.add(products[k])
			}
		}
		if y < 0 {
			continue
		}
		for k, m := range windows {
			m.next(near[k])
		}
		dst := out.pix[y*p.w : (y+1)*p.w]
		for x, a := range near[0] {
			b, c := near[1][x], near[2][x]
			half := (a - c) / 2
			dst[x] = (a+c)/2 - float32(math.Sqrt(float64(half*half+b*b)))
		}
	}
	return out
}

// gradients computes the products xx, xy, yy of a row's gradients; they are 0 at the border.
func (p plane) gradients(products *[3][]float32, y int) {
	xx, xy, yy := products[0], products[1], products[2]
	if y == 0 || y == p.h-1 {
		clear(xx)
		clear(xy)
		clear(yy)
		return
	}
	for x := 1; x < p.w-1; x++ {
		i := y*p.w + x
		gx, gy := (p.pix[i+1]-p.pix[i-1])/2, (p.pix[i+p.w]-p.pix[i-p.w])/2
		xx[x], xy[x], yy[x] = gx*gx, gx*gy, gy*gy
	}
}

// peak reports whether no neighbour is stronger.
func peak(p plane, at int) bool {
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			if p.pix[at+dy*p.w+dx] > p.pix[at] {
				return false
			}
		}
	}
	return true
}

// orientation is the dominant direction of the gradients around a pixel (Lowe, 2004), in radians.
func orientation(p plane, x, y int) float64 {
	var bins [directions]float64
	for dy := 1 - reach; dy < reach; dy += 2 {
		row := (y+dy)*p.w + x
		for dx := 1 - reach; dx < reach; dx += 2 {
			d := dx*dx + dy*dy
			if d >= reach*reach {
				continue
			}
			i := row + dx
			gx, gy := float64(p.pix[i+1]-p.pix[i-1]), float64(p.pix[i+p.w]-p.pix[i-p.w])
			m := math.Sqrt(gx*gx+gy*gy) * nearness[d]
			at := direction(gx, gy)
			k := int(at)
			f := at - float64(k)
			bins[k%directions] += m * (1 - f)
			bins[(k+1)%directions] += m * f
		}
	}
	around := func(k int) (before, at, after float64) {
		return bins[(k+directions-1)%directions], bins[k], bins[(k+1)%directions]
	}
	for range 2 {
		var soft [directions]float64
		for k := range bins {
			before, at, after := around(k)
			soft[k] = (before + 2*at + after) / 4
		}
		bins = soft
	}
	best := 0
	for k, v := range bins {
		if v > bins[best] {
			best = k
		}
	}
	// The vertex of the parabola through the highest bin and its neighbours.
	before, at, after := around(best)
	off := 0.0
	if d := before - 2*at + after; d < 0 {
		off = (before - after) / 2 / d
	}
	return (float64(best) + off) * 2 * math.Pi / directions
}

// directions is the number of bins for gradient directions.
const directions = 36

// direction is the angle of (x, y) in [0, directions], to a hundredth of a radian.
func direction(x, y float64) float64 {
	ax, ay := math.Abs(x), math.Abs(y)
	high, low := max(ax, ay), min(ax, ay)
	if high == 0 {
		return 0
	}
	q := low / high
	a := q * (1.0584 - q*0.273) // of atan over [0, 1] (Rajan et al., 2006): pi/4 q + 0.273 q (1 - q)
	if ay > ax {
		a = math.Pi/2 - a
	}
	if x < 0 {
		a = math.Pi - a
	}
	if y < 0 {
		a = 2*math.Pi - a
	}
	return a * directions / (2 * math.Pi)
}

// nearness is the Gaussian weight of a gradient by its squared distance.
var nearness = func() (w [reach * reach]float64) {
	for d := range w {
		w[d] = math.Exp(-float64(d) / (2 * 6 * 6))
	}
	return w
}()

// contrast is how much a pixel is brighter than the mean of eight around it.
func contrast(p plane, x, y int) float32 {
	const straight, slanted = 6, 4
	i, sum := y*p.w+x, float32(0)
	for _, at := range [...]int{straight, slanted + slanted*p.w, straight * p.w, slanted*p.w - slanted} {
		sum += p.pix[i+at] + p.pix[i-at]
	}
	return p.pix[i] - sum/8
}

// describe compares the pairs, rotated by the angle; with side -1, in the mirror image along that
// direction.
func describe(p plane, x, y int, angle, side float64) code {
	sin, cos := math.Sincos(angle)
	at := func(u, v float64) float32 {
		v *= side
		dx, dy := math.Floor(u*cos-v*sin+.5), math.Floor(u*sin+v*cos+.5)
		return p.pix[(y+int(dy))*p.w+x+int(dx)]
	}
	var c code
	for i, pair := range pattern {
		if at(pair[0], pair[1]) < at(pair[2], pair[3]) {
			c[i/64] |= 1 << (i % 64)
		}
	}
	return c
}
