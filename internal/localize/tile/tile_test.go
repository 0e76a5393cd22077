package tile

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// noise is a random picture, the same for the same size.
func noise(w, h int) *picture.RGB {
	r := rand.New(rand.NewPCG(1, uint64(w*h)))
	p := &picture.RGB{Pix: make([]uint8, w*h*3), Width: w, Height: h}
	for i := range p.Pix {
		p.Pix[i] = uint8(r.IntN(256))
	}
	return p
}

// cells is a "network" of the given stride whose logit is the mean of the
// cell's normalised red values: it looks at nothing outside the cell, so tiles
// must not change its answer.
func cells(stride int) Run {
	return func(_ context.Context, t Tile) ([]float32, int, int, error) {
		h, w, image := t.Height, t.Width, t.Image
		oh, ow := h/stride, w/stride
		out := make([]float32, oh*ow)
		for y := range h {
			for x := range w {
				out[y/stride*ow+x/stride] += image[y*w+x] / float32(stride*stride)
			}
		}
		return out, oh, ow, nil
	}
}

func TestTilesDoNotShow(t *testing.T) {
	sizes := [][2]int{{1, 1}, {7, 3}, {64, 64}, {65, 64}, {128, 40}, {129, 200}, {1000, 333}, {520, 521}}
	for _, size := range sizes {
		for _, stride := range []int{1, 4, 8} {
			p := noise(size[0], size[1])
			o := Options{Size: 128, Overlap: 32, Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.1, .1, .1}, Workers: 3}
			got, err := Localize(context.Background(), p, o, cells(stride))
			if err != nil {
				t.Fatalf("%v stride %d: %v", size, stride, err)
			}
			whole := Options{Size: 1024, Overlap: 32, Mean: o.Mean, Std: o.Std}
			want, err := Localize(context.Background(), p, whole, cells(stride))
			if err != nil {
				t.Fatal(err)
			}
			if got.Width != want.Width || got.Height != want.Height || got.Width != (size[0]+stride-1)/stride {
				t.Fatalf("%v stride %d: map of %dx%d, expected %dx%d", size, stride, got.Width, got.Height, want.Width, want.Height)
			}
			for i := range want.Prob {
				// A weighted mean of up to four equal float32 values: a few units in the last place.
				if d := math.Abs(float64(got.Prob[i] - want.Prob[i])); !(d < 1e-6) {
					// Cells that reach beyond the picture hold reflected pixels, and
					// both cuts reflect alike: no exception is needed for them.
					t.Fatalf("%v stride %d: cell %d is %g, expected %g", size, stride, i, got.Prob[i], want.Prob[i])
				}
			}
		}
	}
}

func TestSplit(t *testing.T) {
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 6000; n += 13 {
		a := o.split(n)
		if a.length > o.Size || a.length%o.Granule != 0 || a.origins[0] != 0 {
			t.Fatalf("%d: %+v", n, a)
		}
		for i, x := range a.origins {
			if x%8 != 0 {
				t.Fatalf("%d: origin %d leaves the 8x8 grid", n, x)
			}
			if i > 0 {
				// Rounding an origin down to the grid costs less than Align.
				if shared := a.origins[i-1] + a.length - x; shared < o.Overlap-o.Align {
					t.Fatalf("%d: tiles %d and %d share %d pixels, expected %d", n, i-1, i, shared, o.Overlap)
				}
			}
		}
		if end := a.origins[len(a.origins)-1] + a.length; end < n {
			t.Fatalf("%d: tiles end at %d", n, end)
		}
		if work := a.length * len(a.origins); n > 512 && float64(work) > 1.45*float64(n)+64 {
			t.Errorf("%d: %d tiles of %d compute %.2f times the picture", n, len(a.origins), a.length, float64(work)/float64(n))
		}
	}
}

func TestSameForAnyNumberOfWorkers(t *testing.T) {
	p, o := noise(700, 500), Options{Size: 128, Overlap: 48}
	var first *picture.Map
	for _, workers := range []int{1, 2, 7} {
		o.Workers = workers
		m, err := Localize(context.Background(), p, o, cells(4))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m
		}
		for i, v := range m.Prob {
			if v != first.Prob[i] {
				t.Fatalf("%d workers: cell %d is %v, expected %v", workers, i, v, first.Prob[i])
			}
		}
	}
}

func TestBlendIsSmooth(t *testing.T) {
	// Two tiles that disagree completely: the map must go from one to the other
	// without a step.
	p := &picture.RGB{Pix: make([]uint8, 960*64*3), Width: 960, Height: 64}
	var mu sync.Mutex
	call := 0
	run := func(_ context.Context, t Tile) ([]float32, int, int, error) {
		h, w := t.Height, t.Width
		mu.Lock()
		defer mu.Unlock()
		out := make([]float32, h*w/16)
		for i := range out {
			out[i] = 200 * float32(2*call-1) // sigmoid is 0 or 1 in float32
		}
		call++
		return out, h / 4, w / 4, nil
	}
	m, err := Localize(context.Background(), p, Options{Size: 512, Overlap: 64}, run)
	if err != nil {
		t.Fatal(err)
	}
	if m.Prob[0] != 0 || m.Prob[m.Width-1] != 1 {
		t.Fatalf("ends are %g and %g, expected 0 and 1", m.Prob[0], m.Prob[m.Width-1])
	}
	for x := 1; x < m.Width; x++ {
		// sin^2 over 16 cells rises by at most pi/2/16 = 0.098 a cell.
		if step := m.Prob[x] - m.Prob[x-1]; step < 0 || step > .11 {
			t.Errorf("step of %g at cell %d", step, x)
		}
	}
}

func TestErrors(t *testing.T) {
	p := noise(300, 300)
	broken := errors.New("broken")
	tests := []struct {
		name string
		p    *picture.RGB
		o    Options
		run  Run
		want string
	}{
		{"bytes", &picture.RGB{Pix: make([]uint8, 5), Width: 2, Height: 1}, Options{}, cells(4), "has 5 bytes, expected 6"},
		{"no pixels", &picture.RGB{}, Options{}, cells(4), "0x0"},
		{"overlap", p, Options{Size: 64, Overlap: 64}, cells(4), "overlap 64"},
		{"granule", p, Options{Size: 100}, cells(4), "size 100"},
		{"shape", p, Options{}, func(context.Context, Tile) ([]float32, int, int, error) {
			return make([]float32, 9), 3, 3, nil
		}, "unexpected shape"},
		{"run", p, Options{Size: 128, Workers: 2}, func(context.Context, Tile) ([]float32, int, int, error) {
			return nil, 0, 0, broken
		}, "broken"},
	}
	for _, test := range tests {
		if _, err := Localize(context.Background(), test.p, test.o, test.run); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, expected %q", test.name, err, test.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Localize(ctx, p, Options{}, cells(4)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestProgress(t *testing.T) {
	const tiles = 8 * 3 // of 1000 x 333 pixels
	for _, workers := range []int{1, 3} {
		var calls []int
		o := Options{Size: 128, Overlap: 4, Workers: workers, Progress: func(done, total int) {
			if total < tiles {
				t.Errorf("a total of %d tiles, expected at least %d", total, tiles)
			}
			calls = append(calls, total-done)
		}}
		if _, err := Localize(t.Context(), noise(1000, 333), o, cells(4)); err != nil {
			t.Fatal(err)
		}
		if len(calls) < tiles {
			t.Fatalf("%d calls, expected one for each tile", len(calls))
		}
		for i, left := range calls {
			if left != len(calls)-1-i {
				t.Errorf("call %d: %d tiles are left, expected %d", i, left, len(calls)-1-i)
			}
		}
	}
}
