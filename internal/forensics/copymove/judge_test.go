package copymove

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// A scene that is symmetric, with noise of its own on either side, covers what it would be a copy
// of.
func TestSymmetryIsNoCopy(t *testing.T) {
	base := texture(480, 360, 3)
	rng := rand.New(rand.NewPCG(5, 6))
	p := picture.NewRGB(base.Width, base.Height)
	for i := range base.Width * base.Height {
		x, y := i%base.Width, i/base.Width
		from := y*base.Width + min(x, base.Width-1-x)
		noise := 7 * rng.NormFloat64()
		for c := range 3 {
			p.Pix[3*i+c] = uint8(min(max(float64(base.Pix[3*from+c])+noise, 0), 255))
		}
	}
	pairs, err := Find(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		t.Errorf("a pair is found with probability %.2f", p.Probability)
	}
}

func TestOverlap(t *testing.T) {
	a := newArea(window{10, 20, 8, 4})
	for i := range a.in {
		a.in[i] = true
	}
	for _, c := range []struct {
		transform
		want float64
	}{
		{transform{1, 0, 0, 0, 1, 0}, 1},
		{transform{1, 0, 2, 0, 1, 0}, 0.75},
		{transform{1, 0, 2, 0, 1, 2}, 0.375},
		{transform{1, 0, 8, 0, 1, 0}, 0},
		{transform{-1, 0, 27, 0, 1, 0}, 1}, // columns 10 to 17 in reverse
	} {
		if got := c.overlap(a); got != c.want {
			t.Errorf("%v: %g, expected %g", c.transform, got, c.want)
		}
	}
}
