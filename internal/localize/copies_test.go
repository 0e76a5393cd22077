package localize

import (
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// The detector "copies" raises both twins above 0.5 and changes nothing else.
func TestCopiesAreMarked(t *testing.T) {
	const w, h, side = 400, 320, 110
	rng := rand.New(rand.NewPCG(1, 1))
	grid := make([]float32, w/5*h/5)
	for i := range grid {
		grid[i] = float32(rng.IntN(256))
	}
	soft := picture.ResizeFloat(grid, w/5, h/5, w, h)
	rgb := picture.NewRGB(w, h)
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(soft[i/3])
	}
	for y := range side {
		copy(rgb.Pix[((180+y)*w+250)*3:][:3*side], rgb.Pix[((30+y)*w+40)*3:][:3*side])
	}
	n := small(t)
	plain := alone(t, n, rgb).Prob
	if err := n.AddDetectors("copies"); err != nil {
		t.Fatal(err)
	}
	marked := alone(t, n, rgb).Prob
	for _, at := range [][2]int{{40 + side/2, 30 + side/2}, {250 + side/2, 180 + side/2}} {
		if v := marked[at[1]*w+at[0]]; v <= 0.5 {
			t.Errorf("the twin at %v has %g, expected more than 0.5", at, v)
		}
	}
	for _, at := range [][2]int{{5, 5}, {380, 20}, {60, 300}} {
		if i := at[1]*w + at[0]; marked[i] != plain[i] {
			t.Errorf("outside of both, at %v, %g became %g", at, plain[i], marked[i])
		}
	}
}
