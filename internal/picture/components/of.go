package components

import (
	"cmp"
	"iter"
	"slices"
)

// Of goes through the connected components of {i : in(i)} in a map [height, width] that contain
// some i with from(i). from must imply in. A component is the indices of its cells; components come
// in the order of their first cell with from. The slice is used again for the next component.
func Of(width, height int, c Connectivity, from, in func(i int) bool) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		runs, list := collect(width, height, c, from, in)
		var cells []int
		for _, chain := range list {
			cells = cells[:0]
			for k := chain.first; k >= 0; k = runs[k].next {
				for i := runs[k].from; i < runs[k].to; i++ {
					cells = append(cells, i)
				}
			}
			if !yield(cells) {
				return
			}
		}
	}
}

// cellRun is a run of cells [from, to), and the next one of its component, -1 after the last.
type cellRun struct{ from, to, next int }

// chain is the runs of a component as a linked list, so that two are joined at once.
type chain struct {
	first, last int // runs
	strong      int // the first cell with from, -1 without any
}

// collect gives all runs, and the components with a cell from.
func collect(width, height int, c Connectivity, from, in func(i int) bool) (runs []cellRun, list []chain) {
	join := func(into *chain, other chain) {
		runs[into.last].next = other.first
		into.last = other.last
		if into.strong < 0 || other.strong >= 0 && other.strong < into.strong {
			into.strong = other.strong
		}
	}
	done := func(k chain) {
		if k.strong >= 0 {
			list = append(list, k)
		}
	}
	l := NewLabeller(c, join, done)
	for y := range height {
		for i, end := y*width, (y+1)*width; i < end; i++ {
			if !in(i) {
				continue
			}
			run, strong := cellRun{i, i, -1}, -1
			for ; run.to < end && in(run.to); run.to++ {
				if strong < 0 && from(run.to) {
					strong = run.to
				}
			}
			l.Add(run.from-y*width, run.to-y*width, chain{len(runs), len(runs), strong})
			runs = append(runs, run)
			i = run.to
		}
		l.EndRow()
	}
	l.EndRow()
	slices.SortFunc(list, func(a, b chain) int { return cmp.Compare(a.strong, b.strong) })
	return runs, list
}
