package picture

import (
	"cmp"
	"slices"
)

// Region is one connected part of a map above a threshold.
type Region struct {
	Box  [4]int  // x, y of the upper left corner, width, height, in pixels
	Area int     // pixels
	Mean float64 // mean probability over the region
	Peak float64 // highest probability in it
}

// Regions finds the parts of a map whose probability is greater than the
// threshold, connected through sides or corners, of at least minArea pixels; the
// largest first, ties in reading order. It goes through the rows once and keeps
// only what touches the last one: memory grows with the width, not the height.
func Regions(m *Map, threshold float64, minArea int) []Region {
	l := labeller{width: m.Width, threshold: justAbove(threshold), minArea: minArea}
	for y := range m.Height {
		l.row(y, m.Prob[y*m.Width:][:m.Width])
	}
	l.row(m.Height, nil) // closes what is still open
	slices.SortStableFunc(l.found, func(a, b Region) int {
		return cmp.Or(cmp.Compare(b.Area, a.Area), cmp.Compare(a.Box[1], b.Box[1]), cmp.Compare(a.Box[0], b.Box[0]))
	})
	return l.found
}

// span is a run of pixels [from, to) of one row; part is the index of the part
// that it belongs to.
type span struct{ from, to, part int }

// part is what is known of a region that is still growing.
type part struct {
	parent         int // union-find: itself where it stands for its set
	x0, y0, x1, y1 int // box, x1 and y1 beyond the end
	area           int
	sum            float64
	peak           float32
	renamed        int // its index after this row, -1 if it has ended
}

type labeller struct {
	width     int
	threshold float32
	minArea   int
	above     []span // runs of the row before
	here      []span
	parts     []part
	next      []part
	found     []Region
}

func (l *labeller) row(y int, prob []float32) {
	l.here = l.here[:0]
	for x := 0; x < len(prob); {
		if !(prob[x] >= l.threshold) {
			x++
			continue
		}
		from, sum, peak := x, 0.0, prob[x]
		for ; x < len(prob) && prob[x] >= l.threshold; x++ {
			sum += float64(prob[x])
			peak = max(peak, prob[x])
		}
		l.here = append(l.here, span{from, x, len(l.parts)})
		l.parts = append(l.parts, part{parent: len(l.parts), x0: from, x1: x, y0: y, y1: y + 1, area: x - from, sum: sum, peak: peak})
	}
	l.joinAbove()
	l.settle()
}

// joinAbove unites runs with those of the row before that they touch.
func (l *labeller) joinAbove() {
	i := 0
	for _, h := range l.here {
		for i < len(l.above) && l.above[i].to < h.from {
			i++
		}
		for j := i; j < len(l.above) && l.above[j].from <= h.to; j++ {
			l.unite(l.above[j].part, h.part)
		}
	}
}

func (l *labeller) root(i int) int {
	for l.parts[i].parent != i {
		l.parts[i].parent = l.parts[l.parts[i].parent].parent
		i = l.parts[i].parent
	}
	return i
}

func (l *labeller) unite(i, j int) {
	i, j = l.root(i), l.root(j)
	if i == j {
		return
	}
	a, b := &l.parts[i], &l.parts[j]
	b.parent = i
	a.x0, a.y0, a.x1, a.y1 = min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1)
	a.area += b.area
	a.sum += b.sum
	a.peak = max(a.peak, b.peak)
}

// settle keeps the parts that this row touches, renumbered, and reports the
// others: nothing can join them any more.
func (l *labeller) settle() {
	for i := range l.parts {
		l.parts[i].renamed = -1
	}
	l.next = l.next[:0]
	for i := range l.here {
		r := l.root(l.here[i].part)
		if l.parts[r].renamed < 0 {
			l.parts[r].renamed = len(l.next)
			l.next = append(l.next, l.parts[r])
			l.next[len(l.next)-1].parent = len(l.next) - 1
		}
		l.here[i].part = l.parts[r].renamed
	}
	for i, p := range l.parts {
		if p.parent == i && p.renamed < 0 && p.area >= l.minArea {
			l.found = append(l.found, Region{
				Box:  [4]int{p.x0, p.y0, p.x1 - p.x0, p.y1 - p.y0},
				Area: p.area, Mean: p.sum / float64(p.area), Peak: float64(p.peak),
			})
		}
	}
	l.parts, l.next = l.next, l.parts
	l.above, l.here = l.here, l.above
}
