package blobs

import (
	"math"
	"slices"
	"testing"
)

const side = 20

func probability(logit float64) float32 { return float32(1 / (1 + math.Exp(-logit))) }

// square draws a square of the logit into a map.
func square(prob []float32, x, y, size int, logit float64) {
	for j := y; j < y+size; j++ {
		for i := x; i < x+size; i++ {
			prob[j*side+i] = probability(logit)
		}
	}
}

// picture is a map of one logit everywhere.
func picture(logit float64) []float32 {
	prob := make([]float32, side*side)
	square(prob, 0, 0, side, logit)
	return prob
}

// A part is taken with its rim where its core is large enough for how quiet the rest is.
func TestWeigh(t *testing.T) {
	for name, c := range map[string]struct {
		around, rim, core float64
		coreSize          int // side, within a part of 8 x 8
		want              bool
	}{
		"clear":                             {-6, -2, 2, 6, true},
		"below 0.5, clear":                  {-6, -2, -0.5, 6, true},
		"small core, quiet around":          {-6, -2, -0.5, 2, true},
		"small core, less quiet":            {-5, -2, -0.5, 2, false},
		"large core, loud around":           {-3, -2, 3, 6, false},
		"no core":                           {-9, -2, -2, 6, false},
		"nothing low, all core, all around": {-2.4, -2.4, 2, 6, false},
	} {
		prob := picture(c.around)
		square(prob, 4, 5, 8, c.rim)
		square(prob, 5, 6, c.coreSize, c.core)
		before := slices.Clone(prob)
		Weigh(prob, side, side)
		for i, p := range prob {
			x, y := i%side, i/side
			in := x >= 4 && x < 12 && y >= 5 && y < 13
			if want := in && c.want; (p > 0.5) != want {
				t.Fatalf("%s: place %d,%d went from %g to %g, above 0.5 expected: %v", name, x, y, before[i], p, want)
			}
		}
	}
}

// Small specks stay out, however strong.
func TestSpecks(t *testing.T) {
	prob := picture(-7)
	square(prob, 3, 3, 2, 5)
	Weigh(prob, side, side)
	if v := slices.Max(prob); v >= 0.5 {
		t.Errorf("four places alone have %g", v)
	}
}

// Parts that touch at a corner only are two; each is judged for itself.
func TestCorners(t *testing.T) {
	prob := picture(-6)
	square(prob, 2, 2, 4, 1)
	square(prob, 6, 6, 4, -2)
	Weigh(prob, side, side)
	if prob[3*side+3] <= 0.5 || prob[7*side+7] >= 0.5 {
		t.Errorf("the strong part has %g, the weak one at its corner %g", prob[3*side+3], prob[7*side+7])
	}
}

// The order of the places stays within what is taken and within what is not, up to certainty.
func TestOrder(t *testing.T) {
	for _, around := range []float64{-2.6, -8} {
		prob := picture(around)
		logits := []float64{-2.4, -2, -1.2, -1.0, -0.9, 0, 0.5, 3, 6, 12}
		for i, l := range logits {
			prob[5*side+3+i] = probability(l)
		}
		Weigh(prob, side, side)
		line := prob[5*side+3:][:len(logits)]
		if !slices.IsSorted(line) || line[0] == line[4] {
			t.Errorf("surroundings of %g: %v is not in order", around, line)
		}
		if line[0] <= prob[0] || line[len(line)-1] > 1 {
			t.Errorf("surroundings of %g: from %g, and %g around", around, line[0], prob[0])
		}
	}
}

func TestNothing(t *testing.T) {
	Weigh(nil, 0, 0)
	one := []float32{1}
	Weigh(one, 1, 1)
	if one[0] >= 0.5 || one[0] <= 0 {
		t.Errorf("a single place has %g, expected less than 0.5: it is no part", one[0])
	}
}
