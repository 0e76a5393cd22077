package coco

import (
	"fmt"
	"math"
	"slices"
)

// polygons are outlines [x1, y1, x2, y2, ...] in pixels; the area is the union of them.
type polygons [][]float64

// maxSteps bounds the points of one outline, five for each pixel of its length.
const maxSteps = 1 << 27

// check reports what makes the outlines unusable for a picture of w x h pixels.
func (p polygons) check(w, h int) error {
	most := 4 * float64(max(w, h))
	for i, xy := range p {
		if len(xy) < 6 || len(xy)%2 != 0 {
			return fmt.Errorf("its polygon %d has %d numbers: expected x and y of at least 3 points", i+1, len(xy))
		}
		steps := 0.0
		for k, v := range xy {
			if math.Abs(v) > most {
				return fmt.Errorf("its polygon %d has the coordinate %g, far outside a picture of %d x %d pixels", i+1, v, w, h)
			}
			steps += scale * math.Abs(v-xy[(k+2)%len(xy)])
		}
		if steps > maxSteps {
			return fmt.Errorf("the outline of its polygon %d is longer than %d pixels", i+1, maxSteps/scale)
		}
	}
	return nil
}

// scale is the resolution of outlines, in steps for each pixel.
const scale = 5

// spans implements shape. Within each column a pixel is marked from the crossing above it on to the
// next one, as rleFrPoly of pycocotools does (common/maskApi.c of cocodataset/cocoapi).
func (p polygons) spans(w, h int, mark func(from, to int)) {
	var crossings []int
	for _, xy := range p {
		crossings = crossColumns(crossings[:0], xy, w, h)
		slices.Sort(crossings)
		for i := 0; i < len(crossings); i += 2 {
			to := w * h
			if i+1 < len(crossings) {
				to = crossings[i+1]
			}
			mark(crossings[i], to)
		}
	}
}

// crossColumns appends where an outline crosses the centres of pixel columns, as numbers of pixels
// in column-major order. The outline is drawn with scale steps for each pixel.
func crossColumns(out []int, xy []float64, w, h int) []int {
	n := len(xy) / 2
	at := func(i int) (x, y int) {
		i %= n
		return step(scale*xy[2*i] + .5), step(scale*xy[2*i+1] + .5)
	}
	first := true
	var u0, v0 int
	for i := range n {
		xs, ys := at(i)
		xe, ye := at(i + 1)
		walk(xs, ys, xe, ye, func(u, v int) {
			if !first && u != u0 {
				out = cross(out, u0, v0, u, v, w, h)
			}
			first, u0, v0 = false, u, v
		})
	}
	return out
}

// step truncates towards zero, as a conversion to int does in C.
func step(v float64) int { return int(v) }

// walk visits the points of a line from (xs,ys) to (xe,ye), all of its longer direction.
func walk(xs, ys, xe, ye int, visit func(u, v int)) {
	dx, dy := abs(xe-xs), abs(ye-ys)
	flat := dx >= dy
	flip := flat && xs > xe || !flat && ys > ye
	if flip {
		xs, ys, xe, ye = xe, ye, xs, ys
	}
	long := dy
	slope := float64(xe-xs) / float64(dy)
	if flat {
		long, slope = dx, float64(ye-ys)/float64(dx)
	}
	for d := range long + 1 {
		t := d
		if flip {
			t = long - d
		}
		// The conversion of the product forbids a fused multiplication, whose rounding differs. The
		// slope of a single point is NaN.
		off := float64(slope * float64(t))
		switch {
		case long == 0:
			visit(xs, ys)
		case flat:
			visit(xs+t, step(float64(ys)+off+.5))
		default:
			visit(step(float64(xs)+off+.5), ys+t)
		}
	}
}

// cross appends the crossing between two neighbouring points of an outline, if the centre of a
// column is between them.
func cross(out []int, u0, v0, u, v, w, h int) []int {
	x := u - 1
	if u < u0 {
		x = u
	}
	xd := (float64(x)+.5)/scale - .5
	if math.Floor(xd) != xd || xd < 0 || xd > float64(w-1) {
		return out
	}
	yd := (float64(min(v, v0))+.5)/scale - .5
	yd = math.Ceil(min(max(yd, 0), float64(h)))
	return append(out, int(xd)*h+int(yd))
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}
