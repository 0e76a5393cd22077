package picture

import (
	"cmp"
	"slices"

	"github.com/declip/declip/internal/picture/components"
)

// Region is a connected region of a map above a threshold.
type Region struct {
	Box  [4]int  // x, y of the upper left corner, width, height, in pixels
	Area int     // pixels
	Mean float64 // mean probability over the region
	Peak float64 // highest probability in it
}

// Regions finds the regions of a map whose probability is greater than the threshold and that have
// at least minArea pixels. Pixels that touch at a corner are connected. The largest region comes
// first, equal ones in reading order. Memory grows with the width of the map, not with the height.
func Regions(m *Map, threshold float64, minArea int) []Region {
	var found []Region
	l := components.NewLabeller(components.Corners, (*growing).join, func(g growing) {
		if g.area >= minArea {
			found = append(found, g.region())
		}
	})
	least := justAbove(threshold)
	for y := range m.Height {
		addRuns(l, y, m.Prob[y*m.Width:][:m.Width], least)
		l.EndRow()
	}
	l.EndRow()
	slices.SortStableFunc(found, func(a, b Region) int {
		return cmp.Or(cmp.Compare(b.Area, a.Area), cmp.Compare(a.Box[1], b.Box[1]), cmp.Compare(a.Box[0], b.Box[0]))
	})
	return found
}

// addRuns adds the runs of row y whose probability is at least least.
func addRuns(l *components.Labeller[growing], y int, prob []float32, least float32) {
	for x := 0; x < len(prob); {
		if !(prob[x] >= least) {
			x++
			continue
		}
		from, sum, peak := x, 0.0, prob[x]
		for ; x < len(prob) && prob[x] >= least; x++ {
			sum += float64(prob[x])
			peak = max(peak, prob[x])
		}
		l.Add(from, x, growing{x0: from, x1: x, y0: y, y1: y + 1, area: x - from, sum: sum, peak: peak})
	}
}

// growing is what is known of a region that may still grow.
type growing struct {
	x0, y0, x1, y1 int // box; x1 and y1 are beyond the end
	area           int
	sum            float64
	peak           float32
}

func (g *growing) join(o growing) {
	g.x0, g.y0, g.x1, g.y1 = min(g.x0, o.x0), min(g.y0, o.y0), max(g.x1, o.x1), max(g.y1, o.y1)
	g.area += o.area
	g.sum += o.sum
	g.peak = max(g.peak, o.peak)
}

func (g *growing) region() Region {
	return Region{
		Box:  [4]int{g.x0, g.y0, g.x1 - g.x0, g.y1 - g.y0},
		Area: g.area, Mean: g.sum / float64(g.area), Peak: float64(g.peak),
	}
}
