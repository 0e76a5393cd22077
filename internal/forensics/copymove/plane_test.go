package copymove

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Means that follow the rows are those over each square, taken one by one.
func TestBox(t *testing.T) {
	for _, size := range [][3]int{{40, 30, 2}, {7, 3, 2}, {5, 9, 6}, {1, 1, 2}, {33, 64, 16}} {
		w, h, r := size[0], size[1], size[2]
		p := luma(texture(w, h, 3))
		got := p.box(r)
		for y := range h {
			for x := range w {
				sum, n := 0.0, 0.0
				for v := max(y-r, 0); v <= min(y+r, h-1); v++ {
					for u := max(x-r, 0); u <= min(x+r, w-1); u++ {
						sum, n = sum+float64(p.pix[v*w+u]), n+1
					}
				}
				if d := math.Abs(float64(got.pix[y*w+x]) - sum/n); d > 1e-3 {
					t.Fatalf("%d x %d, radius %d: %g at %d,%d, expected %g", w, h, r, got.pix[y*w+x], x, y, sum/n)
				}
			}
		}
	}
}

// The smaller eigenvalue of the gradients' covariance, by its definition.
func TestCorners(t *testing.T) {
	const w, h = 23, 19
	p := luma(texture(w, h, 4))
	gradient := func(x, y int) (gx, gy float64) {
		if x <= 0 || y <= 0 || x >= w-1 || y >= h-1 {
			return 0, 0
		}
		at := func(x, y int) float64 { return float64(p.pix[y*w+x]) }
		return (at(x+1, y) - at(x-1, y)) / 2, (at(x, y+1) - at(x, y-1)) / 2
	}
	got := corners(p)
	for y := range h {
		for x := range w {
			var xx, xy, yy, n float64
			for v := max(y-2, 0); v <= min(y+2, h-1); v++ {
				for u := max(x-2, 0); u <= min(x+2, w-1); u++ {
					gx, gy := gradient(u, v)
					xx, xy, yy, n = xx+gx*gx, xy+gx*gy, yy+gy*gy, n+1
				}
			}
			xx, xy, yy = xx/n, xy/n, yy/n
			want := (xx+yy)/2 - math.Hypot((xx-yy)/2, xy)
			if d := math.Abs(float64(got.pix[y*w+x]) - want); d > 1e-3*(1+xx+yy) {
				t.Fatalf("%g at %d,%d, expected %g", got.pix[y*w+x], x, y, want)
			}
		}
	}
}

func TestMedian(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 300; n++ {
		for name, value := range map[string]func(i int) float32{
			"random": func(int) float32 { return rng.Float32() },
			"ties":   func(int) float32 { return float32(rng.IntN(3)) },
			"equal":  func(int) float32 { return 7 },
			"rising": func(i int) float32 { return float32(i) },
			"fall":   func(i int) float32 { return float32(-i) },
		} {
			v := make([]float32, n)
			for i := range v {
				v[i] = value(i)
			}
			if got, want := median(slices.Clone(v)), slices.Sorted(slices.Values(v))[n/2]; got != want {
				t.Fatalf("%s: the median of %v is %g, expected %g", name, v, got, want)
			}
		}
	}
}
