package copymove

import (
	"cmp"
	"context"
	"runtime"
	"slices"

	"github.com/declip/declip/internal/parallel"
)

// piece is neighbouring places of the picture that have the same shift. It points downwards, or to
// the right.
type piece struct {
	shift
	places []match
}

// transform is the piece's shift.
func (p piece) transform() transform { return transform{1, 0, float64(p.dx), 0, 1, float64(p.dy)} }

// collect gathers neighbouring places with the same shift, up to a pixel, the largest pieces first.
func (f *shiftSearch) collect() []piece {
	seen := make([]bool, len(f.to))
	var out []piece
	for start, to := range f.to {
		if to < 0 || seen[start] {
			continue
		}
		if part := f.flood(start, seen); len(part) >= leastPiece {
			out = append(out, f.piece(part))
		}
	}
	slices.SortStableFunc(out, func(a, b piece) int { return cmp.Compare(len(b.places), len(a.places)) })
	return out
}

// flood gathers the places that are connected with the first one by the same shift.
func (f *shiftSearch) flood(start int, seen []bool) []int {
	seen[start] = true
	part := []int{start}
	for k := 0; k < len(part); k++ {
		g := part[k]
		x, y := g%f.gw, g/f.gw
		for _, o := range [4][2]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
			nx, ny := x+o[0], y+o[1]
			if nx < 0 || ny < 0 || nx >= f.gw || ny >= f.gh {
				continue
			}
			if n := ny*f.gw + nx; !seen[n] && f.same(g, n) {
				seen[n] = true
				part = append(part, n)
			}
		}
	}
	return part
}

// same reports whether two places have the same shift, up to a pixel.
func (f *shiftSearch) same(a, b int) bool {
	return f.to[a] >= 0 && f.to[b] >= 0 && f.shift(a).like(f.shift(b))
}

// piece makes a piece of places. Its shift is the median.
func (f *shiftSearch) piece(part []int) piece {
	xs, ys := make([]int, len(part)), make([]int, len(part))
	for i, g := range part {
		by := f.shift(g)
		xs[i], ys[i] = by.dx, by.dy
	}
	slices.Sort(xs)
	slices.Sort(ys)
	p := piece{shift: shift{xs[len(xs)/2], ys[len(ys)/2]}}
	back := p.dy < 0 || p.dy == 0 && p.dx < 0
	for _, g := range part {
		x, y := float64(g%f.gw*gridStep), float64(g/f.gw*gridStep)
		m := match{
			from: &keypoint{x: x, y: y, scale: placeScale},
			to:   &keypoint{x: x + float64(p.dx), y: y + float64(p.dy), scale: placeScale},
		}
		if back {
			m.from, m.to = m.to, m.from
		}
		p.places = append(p.places, m)
	}
	if back {
		p.dx, p.dy = -p.dx, -p.dy
	}
	return p
}

// placeScale makes the surroundings of a place as large as its pattern.
const placeScale = 0.5

// distinct drops pieces most of which larger ones contain: each copy is found from both sides.
func distinct(list []piece) []piece {
	type cell struct{ x, y int }
	taken := map[cell][]shift{}
	at := func(m match) cell { return cell{int(m.from.x) / 8, int(m.from.y) / 8} }
	var out []piece
	for _, p := range list {
		known := 0
		for _, m := range p.places {
			if slices.ContainsFunc(taken[at(m)], p.like) {
				known++
			}
		}
		for _, m := range p.places {
			if c := at(m); !slices.Contains(taken[c], p.shift) {
				taken[c] = append(taken[c], p.shift)
			}
		}
		if 2*known < len(p.places) {
			out = append(out, p)
		}
		if len(out) == mostPieces {
			break
		}
	}
	return out
}

// examinePieces judges the pieces that no twin found before explains, or a larger piece.
func (s *search) examinePieces(ctx context.Context, pieces []piece, before []twin) ([]twin, error) {
	pieces = slices.DeleteFunc(pieces, func(p piece) bool { return explained(p.places, before) })
	found, ok := make([]twin, len(pieces)), make([]bool, len(pieces))
	err := parallel.For(ctx, len(pieces), runtime.GOMAXPROCS(0), func(ctx context.Context, i int) (err error) {
		found[i], ok[i], err = s.examine(ctx, candidate{pieces[i].transform(), pieces[i].places, true})
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []twin
	for i, t := range found {
		if ok[i] && !explained(pieces[i].places, slices.Concat(before, out)) {
			out = append(out, t)
		}
	}
	return out, nil
}

// explained reports whether twins contain most of the places.
func explained(places []match, twins []twin) bool {
	n := 0
	for _, m := range places {
		if slices.ContainsFunc(twins, func(t twin) bool { return t.explains(m.from, m.to) || t.explains(m.to, m.from) }) {
			n++
		}
	}
	return 2*n > len(places)
}

// explains reports whether the twin maps one point to the other, up to two pixels.
func (t twin) explains(from, to *keypoint) bool {
	x, y := t.transform.apply(from.x, from.y)
	return max(x-to.x, to.x-x) <= 2 && max(y-to.y, to.y-y) <= 2 && t.area.has(int(to.x), int(to.y))
}
