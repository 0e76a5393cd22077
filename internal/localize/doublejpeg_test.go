package localize

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// The detector "double-jpeg" raises areas without the picture's earlier compression above 0.5 and
// changes nothing else. The network's own map never changes.
func TestDoubleJPEGIsMarked(t *testing.T) {
	const w, h = 400, 320
	put := image.Rect(160, 120, 264, 216)
	rng := rand.New(rand.NewPCG(1, 1))
	detail := func() *picture.RGB {
		p := picture.NewRGB(w, h)
		a, b := 5+rng.Float64()*4, 9+rng.Float64()*6
		for i := range w * h {
			v := 125 + 30*math.Sin(float64(i%w)/a) + 30*math.Sin(float64(i/w)/b) + 6*rng.NormFloat64()
			for k := range 3 {
				p.Pix[3*i+k] = uint8(min(max(v, 1), 254))
			}
		}
		return p
	}
	saved := func(p *picture.RGB, quality int) *picture.RGB {
		out, _, err := picture.ThroughJPEG(p, quality)
		if err != nil {
			t.Fatal(err)
		}
		return out.RGB
	}
	rgb, other := saved(detail(), 70).Clone(), detail()
	for y := put.Min.Y; y < put.Max.Y; y++ {
		copy(rgb.Pix[3*(y*w+put.Min.X):][:3*put.Dx()], other.Pix[3*(y*w+put.Min.X):])
	}
	rgb = saved(rgb, 92)
	n := small(t)
	if _, err := n.ShiftLogits(-4); err != nil { // as of a network that finds nothing
		t.Fatal(err)
	}
	plain := alone(t, n, rgb)
	if err := n.AddDetectors("double-jpeg"); err != nil {
		t.Fatal(err)
	}
	marked := alone(t, n, rgb)
	if !slices.Equal(plain.Raw.Prob, marked.Raw.Prob) {
		t.Error("the network's own map changed")
	}
	in, out := 0, 0
	for i, v := range marked.Prob {
		at := image.Pt(i%w, i/w)
		switch {
		case at.In(put.Inset(8)) && v > 0.5:
			in++
		case !at.In(put.Inset(-16)) && v > 0.5:
			out++
		}
	}
	if all := put.Inset(8).Dx() * put.Inset(8).Dy(); in < all*9/10 || out > 0 {
		t.Errorf("%d of %d pixels of what was put in are marked, and %d elsewhere", in, all, out)
	}
}
