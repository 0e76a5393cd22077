// Package components finds the connected parts of a map.
package components

import "iter"

// Of goes through the parts of a map [height, width] of which in is true at every place, connected through sides, that hold a place
// where from is true; from must not be true where in is not. A part is given by the indices of its places, in the order they were
// reached, the parts in the order of their first place with from. The slice is used again for the next part.
func Of(width, height int, from, in func(i int) bool) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		seen := make([]bool, width*height)
		var part []int
		reach := func(i int) {
			if !seen[i] && in(i) {
				seen[i] = true
				part = append(part, i)
			}
		}
		for start := range seen {
			if seen[start] || !from(start) {
				continue
			}
			part = part[:0]
			reach(start)
			for k := 0; k < len(part); k++ {
				i := part[k]
				x := i % width
				if x > 0 {
					reach(i - 1)
				}
				if x+1 < width {
					reach(i + 1)
				}
				if i >= width {
					reach(i - width)
				}
				if i+width < len(seen) {
					reach(i + width)
				}
			}
			if !yield(part) {
				return
			}
		}
	}
}
