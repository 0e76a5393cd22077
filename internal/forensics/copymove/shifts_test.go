package copymove

import "testing"

// The pieces of a filling by example are found, though each is too small for several keypoints.
func TestFindsFilling(t *testing.T) {
	source := texture(520, 400, 17)
	p, mask := source.Clone(), make([]bool, source.Width*source.Height)
	const x0, y0, side, pieces = 300, 60, 26, 4
	for y := range pieces * side {
		for x := range pieces * side {
			k := y/side*pieces + x/side
			dx, dy := -40-9*k, 150+(k*53)%90 // of this piece
			to, from := (y0+y)*p.Width+x0+x, (y0+y+dy)*p.Width+x0+x+dx
			copy(p.Pix[3*to:3*to+3], source.Pix[3*from:])
			mask[to] = true
		}
	}
	p = saved(t, p, 85)
	found := make([]bool, len(mask))
	for _, pair := range find(t, p) {
		filled := pair.One
		if overlap(pair.Other, mask) > overlap(pair.One, mask) {
			filled = pair.Other
		}
		for i, in := range filled {
			found[i] = found[i] || in
		}
	}
	// The rims of the pieces are lost.
	if got := overlap(found, mask); got < 0.6 {
		t.Errorf("the pieces cover the filling to %.2f, expected 0.6", got)
	}
}
