package doublejpeg

import (
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// evidence is a map of 20 x 10 blocks that begins at (x, y), with so much in blocks 5 to 9 of rows
// 3 to 6.
func evidence(x, y int, logit float32) Grid {
	m := Grid{Logit: make([]float32, 20*10), Width: 20, Height: 10, X: x, Y: y}
	for i := range m.Logit {
		m.Logit[i] = -2
		if c, r := i%20, i/20; c >= 5 && c < 10 && r >= 3 && r < 7 {
			m.Logit[i] = logit
		}
	}
	return m
}

func TestMark(t *testing.T) {
	cells := picture.Map{Width: 42, Height: 21, Stride: 4, LeadX: 4, LeadY: 0}
	plain := slices.Repeat([]float32{0.01}, cells.Width*cells.Height)
	for name, c := range map[string]struct {
		m     Grid
		known float32 // probability in most of the part, 0.01 in the rest
		want  bool
	}{
		"strong":               {evidence(3, 2, 6), 0.01, true},
		"weak":                 {evidence(3, 2, 0.6), 0.01, false},
		"strong, mostly known": {evidence(3, 2, 6), 0.9, false},
	} {
		// The blocks' pixels are 43 to 83 and 26 to 58, their middles' 47 to 79 and 30 to 54.
		in := func(i, margin int) bool {
			x, y := i%cells.Width*4+2-4, i/cells.Width*4+2
			return x > 43-margin && x < 83+margin && y > 26-margin && y < 58+margin
		}
		prob := slices.Clone(plain)
		for i := range prob {
			if in(i, 0) && i%cells.Width*4 < 74 {
				prob[i] = c.known
			}
		}
		before := slices.Clone(prob)
		m := cells
		m.Prob = prob
		Evidence{c.m}.Mark(&m)
		for i, p := range prob {
			x, y := i%cells.Width, i/cells.Width
			switch {
			case c.want && in(i, -1) && p <= 0.5:
				t.Fatalf("%s: cell %d,%d has %g within the part", name, x, y, p)
			case (!c.want || !in(i, 4)) && p != before[i]:
				t.Fatalf("%s: cell %d,%d went from %g to %g", name, x, y, before[i], p)
			case p < before[i] || p > 1:
				t.Fatalf("%s: cell %d,%d went from %g to %g", name, x, y, before[i], p)
			}
		}
	}
	// Two grids do not add up. Probabilities of 0 and 1 are handled.
	one, two := []float32{0, 0.2, 1}, []float32{0, 0.2, 1}
	line := func(prob []float32) *picture.Map { return &picture.Map{Prob: prob, Width: 3, Height: 1, Stride: 8} }
	m := Grid{Logit: []float32{1.2, 1.2, 1.2}, Width: 3, Height: 1}
	Evidence{m}.Mark(line(one))
	Evidence{m, m}.Mark(line(two))
	if !slices.Equal(one, two) || one[1] <= 0.5 || !slices.IsSorted(one) || one[2] > 1 {
		t.Errorf("one map makes %v, the same twice %v", one, two)
	}
	Evidence(nil).Mark(&picture.Map{})
}
