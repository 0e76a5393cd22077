package picture

import (
	"math"
	"testing"
)

func TestUpsample(t *testing.T) {
	// A ramp stays a ramp between the outer cell centres and is flat beyond.
	m := &Map{Prob: []float32{0, .4, .8, 0, .4, .8}, Width: 3, Height: 2, Stride: 4}
	got := m.Upsample(11, 6)
	for x := range 11 {
		want := min(.8, max(0, .4*((float64(x)+.5)/4-.5)))
		for y := range 6 {
			if d := math.Abs(float64(got[y*11+x]) - want); d > 1e-6 { // float32 rounding
				t.Errorf("(%d,%d) is %g, expected %g", x, y, got[y*11+x], want)
			}
		}
	}
}
