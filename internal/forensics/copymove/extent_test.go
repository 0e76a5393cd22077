package copymove

import (
	"math"
	"testing"
)

// The area of a copy includes its flat parts, on which no detail agrees.
func TestFlatPartsOfCopies(t *testing.T) {
	p, details := texture(520, 400, 19), texture(520, 400, 20)
	for y := range p.Height {
		for x := range p.Width {
			for c := range 3 {
				i := 3*(y*p.Width+x) + c
				level := 90 + 0.1*float64(x) + 0.15*float64(y)
				// Details in the middle of what is copied, and behind where it is pasted.
				if math.Hypot(float64(x-130), float64(y-140)) < 30 || x > 280 {
					level = float64(details.Pix[i])
				}
				p.Pix[i] = uint8(level + 0.5)
			}
		}
	}
	p, mask := withCopy(p, 1, 0, 1)
	best := 0.0
	for _, pair := range find(t, saved(t, p, 95)) {
		best = max(best, overlap(pair.One, mask), overlap(pair.Other, mask))
	}
	if best < 0.85 {
		t.Errorf("the best pair covers the copy to %.2f, expected 0.85", best)
	}
}
