package localize

import (
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// The maps of these tests cover pictures of 160 x 160 pixels: a region of 256 pixels has 16 cells.
const (
	side   = 40
	stride = 4
)

func probability(logit float64) float32 { return float32(numeric.Sigmoid(logit)) }

// mapOf is a square map.
func mapOf(prob []float32, side int) *picture.Map {
	return &picture.Map{Prob: prob, Width: side, Height: side, Stride: stride}
}

// square draws a square of the logit into a map.
func square(prob []float32, x, y, size int, logit float64) {
	for j := y; j < y+size; j++ {
		for i := x; i < x+size; i++ {
			prob[j*side+i] = probability(logit)
		}
	}
}

// evenMap is a map of one logit everywhere.
func evenMap(logit float64) []float32 {
	prob := make([]float32, side*side)
	square(prob, 0, 0, side, logit)
	return prob
}

// A region with a large enough core is kept; others are lowered below 0.5.
func TestKeepSureRegions(t *testing.T) {
	for name, c := range map[string]struct {
		rim, core float64
		coreSize  int // side, within a region of 10 x 10
		want      bool
	}{
		"sure":               {0.2, 3, 8, true},
		"a third is sure":    {0.2, 1.1, 6, true},
		"a quarter is sure":  {0.2, 6, 5, false},
		"nothing is sure":    {0.9, 0.9, 8, false},
		"barely above 0.5":   {0.01, 0.01, 8, false},
		"all of it is sure":  {1.1, 1.1, 8, true},
		"the rim lies below": {-0.2, 3, 8, true},
		"the rim is far off": {-1.1, 3, 8, true},
	} {
		prob := evenMap(-3)
		square(prob, 4, 5, 10, c.rim)
		square(prob, 5, 6, c.coreSize, c.core)
		before := slices.Clone(prob)
		keepSureRegions(mapOf(prob, side))
		for i, p := range prob {
			was := before[i]
			// Logits of what is kept rise by 1.
			kept := c.want && was > probability(rim)
			if (p > 0.5) != kept || kept && math.Abs(float64(p-probability(numeric.Logit(float64(was), 1e-6)-rim))) > 1e-5 {
				t.Fatalf("%s: place %d,%d went from %g to %g, above 0.5 expected: %v", name, i%side, i/side, was, p, kept)
			}
			if was < 0.3 && math.Abs(float64(p-was)) > 1e-7 {
				t.Fatalf("%s: place %d,%d, which has no evidence, went from %g to %g", name, i%side, i/side, was, p)
			}
		}
	}
}

// Small specks are dropped, however strong. The limit depends on the size of the picture, within
// bounds.
func TestSpecks(t *testing.T) {
	for _, c := range []struct {
		side, size, stride int // of the map and of a square in it, in cells; pixels of a cell
		want               bool
	}{
		{40, 3, 4, false},   // 144 pixels
		{40, 4, 4, true},    // 256
		{250, 11, 4, false}, // 1936 of a million
		{250, 12, 4, true},  // 2304
		{900, 15, 4, false}, // 3600 of 13 million
		{900, 16, 4, true},  // 4096
	} {
		prob := make([]float32, c.side*c.side)
		for i := range prob {
			prob[i] = probability(-7)
		}
		for y := range c.size {
			for x := range c.size {
				prob[(y+9)*c.side+x+7] = probability(5)
			}
		}
		keepSureRegions(&picture.Map{Prob: prob, Width: c.side, Height: c.side, Stride: c.stride})
		if got := slices.Max(prob) > 0.5; got != c.want {
			t.Errorf("a square of %d places in a map of %d stays: %v, expected %v", c.size, c.side, got, c.want)
		}
	}
}

// Regions that touch only at a corner are judged separately.
func TestCorners(t *testing.T) {
	prob := evenMap(-6)
	square(prob, 2, 2, 6, 2)
	square(prob, 8, 8, 6, 0.5)
	keepSureRegions(mapOf(prob, side))
	if prob[3*side+3] <= 0.5 || prob[9*side+9] >= 0.5 {
		t.Errorf("the strong part has %g, the weak one at its corner %g", prob[3*side+3], prob[9*side+9])
	}
}

// Ranks are preserved within the kept cells and within the rest.
func TestOrder(t *testing.T) {
	for _, stays := range []bool{true, false} {
		prob := evenMap(-8)
		logits := []float64{-2.4, -1, -0.6, -0.4, -0.1, 0.1, 0.5, 3, 6, 12}
		for i, l := range logits {
			prob[5*side+3+i] = probability(l)
		}
		if stays {
			square(prob, 3+len(logits), 3, 5, 2)
		}
		keepSureRegions(mapOf(prob, side))
		line := prob[5*side+3:][:len(logits)]
		if !slices.IsSorted(line) || line[0] == line[4] || (line[9] > 0.5) != stays {
			t.Errorf("%v: is not in order, or above 0.5 where it should not be", line)
		}
	}
}

func TestNothing(t *testing.T) {
	keepSureRegions(mapOf(nil, 0))
	one := []float32{1}
	keepSureRegions(mapOf(one, 1))
	if one[0] >= 0.5 || one[0] <= 0 {
		t.Errorf("a single place has %g, expected less than 0.5: it is too small for a region", one[0])
	}
}
