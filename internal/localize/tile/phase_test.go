package tile

import (
	"context"
	"math"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// cut is p without its first x columns and y rows.
func cut(p *picture.RGB, x, y int) *picture.RGB {
	out := &picture.RGB{Width: p.Width - x, Height: p.Height - y}
	for row := y; row < p.Height; row++ {
		out.Pix = append(out.Pix, p.Pix[3*(row*p.Width+x):3*(row+1)*p.Width]...)
	}
	return out
}

// A cropped picture whose tiles get the phase that the crop left behind has the answers of the
// whole one.
func TestPhaseUndoesACrop(t *testing.T) {
	const stride = 4
	whole := noise(300, 200)
	o := Options{Size: 128, Overlap: 32, Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.1, .1, .1}, Workers: 2}
	want, err := Localize(context.Background(), whole, o, cells(stride))
	if err != nil {
		t.Fatal(err)
	}
	full := want.Upsample(whole.Width, whole.Height)
	for _, at := range [][2]int{{0, 0}, {1, 0}, {0, 7}, {3, 5}} {
		x0, y0 := at[0], at[1]
		p := cut(whole, x0, y0)
		o.PhaseX, o.PhaseY = (8-x0)%8, (8-y0)%8
		m, err := Localize(context.Background(), p, o, cells(stride))
		if err != nil {
			t.Fatal(err)
		}
		if m.LeadX != x0 || m.LeadY != y0 || m.Width != ceilDiv(whole.Width, stride) {
			t.Fatalf("cut %v: lead %d,%d, width %d", at, m.LeadX, m.LeadY, m.Width)
		}
		got := m.Upsample(p.Width, p.Height)
		// Two cells at the border read mirrored pixels instead of those that were cut off.
		const rim = 2 * stride
		for y := rim; y < p.Height; y++ {
			for x := rim; x < p.Width; x++ {
				a, b := got[y*p.Width+x], full[(y+y0)*whole.Width+x+x0]
				if math.Abs(float64(a-b)) > 1e-6 { // a few units in the last place
					t.Fatalf("cut %v: pixel %d,%d is %g, expected %g", at, x, y, a, b)
				}
			}
		}
	}
}

func TestPhaseOutsideIsRefused(t *testing.T) {
	for _, o := range []Options{{PhaseX: 8}, {PhaseY: -1}} {
		if _, err := Localize(context.Background(), noise(20, 20), o, cells(4)); err == nil {
			t.Errorf("phase %d,%d: expected an error", o.PhaseX, o.PhaseY)
		}
	}
}

// Pictures of a few pixels are mirrored at both ends.
func TestPhaseOfTinyPictures(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 5}, {3, 1}} {
		m, err := Localize(context.Background(), noise(size[0], size[1]), Options{PhaseX: 1, PhaseY: 3}, cells(4))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range m.Upsample(size[0], size[1]) {
			if !(v > 0 && v < 1) {
				t.Errorf("%v: got %g", size, v)
			}
		}
	}
}
