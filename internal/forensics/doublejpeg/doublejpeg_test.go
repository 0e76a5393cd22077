package doublejpeg

import (
	"context"
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// scene is a picture with detail of all sizes, from about 50 to 200.
func scene(w, h int, seed uint64) *picture.RGB {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := picture.NewRGB(w, h)
	grey := make([]float64, w*h)
	for range 60 {
		length := math.Exp(rng.Float64()*3.2 + 1.2)
		angle, phase := rng.Float64()*2*math.Pi, rng.Float64()*2*math.Pi
		sin, cos := math.Sincos(angle)
		for i := range grey {
			x, y := float64(i%w), float64(i/w)
			grey[i] += math.Sqrt(length) * math.Sin((x*cos+y*sin)*2*math.Pi/length+phase)
		}
	}
	for i, v := range grey {
		v = 125 + 60*math.Tanh(v/40) + 2*rng.NormFloat64()
		for k := range 3 {
			p.Pix[3*i+k] = uint8(v)
		}
	}
	return p
}

// saved is what a JPEG file of the picture holds.
func saved(t *testing.T, p *picture.RGB, quality int) *picture.RGB {
	t.Helper()
	out, _, err := picture.ThroughJPEG(p, quality)
	if err != nil {
		t.Fatal(err)
	}
	return out.RGB
}

// cropped removes pixels at the left and at the top.
func cropped(p *picture.RGB, x, y int) *picture.RGB {
	out := picture.NewRGB(p.Width-x, p.Height-y)
	for row := range out.Height {
		copy(out.Pix[3*row*out.Width:][:3*out.Width], p.Pix[3*((row+y)*p.Width+x):])
	}
	return out
}

var put = image.Rect(168, 120, 264, 216)

// paste puts a part of q, which was never a file, into p.
func paste(p, q *picture.RGB) *picture.RGB {
	out := p.Clone()
	for y := put.Min.Y; y < put.Max.Y; y++ {
		copy(out.Pix[3*(y*p.Width+put.Min.X):][:3*put.Dx()], q.Pix[3*(y*q.Width+put.Min.X):])
	}
	return out
}

// shares are the shares of the inserted area and of the rest above the limit at which blocks are
// marked.
func shares(m Grid) (in, out float64) {
	var n [2]float64
	for i, v := range m.Logit {
		at := image.Rect(0, 0, 8, 8).Add(image.Pt(m.X+i%m.Width*8, m.Y+i/m.Width*8))
		switch above := v > least; {
		case at.In(put):
			n[0]++
			if above {
				in++
			}
		case !at.Overlaps(put.Inset(-8)):
			n[1]++
			if above {
				out++
			}
		}
	}
	return in / n[0], out / n[1]
}

func find(t *testing.T, p *picture.RGB) Evidence {
	t.Helper()
	maps, err := Find(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return maps
}

func quantised(t *testing.T, p *picture.RGB, x, y, stride int, steps *[64]uint16) blocks {
	t.Helper()
	b, err := quantise(t.Context(), p, x, y, stride, steps)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFindStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := saved(t, scene(400, 320, 1), 90)
	for name, q := range map[string]*picture.RGB{"from a file": p, "from no file": p.Clone()} {
		if maps, err := Find(ctx, q); !errors.Is(err, context.Canceled) || maps != nil {
			t.Errorf("%s: got %d maps and error %v, expected none and %v", name, len(maps), err, context.Canceled)
		}
	}
}

func TestFind(t *testing.T) {
	host, guest := scene(400, 320, 1), scene(400, 320, 2)
	for name, c := range map[string]struct {
		picture *picture.RGB
		grid    image.Point // of the map that shows it
	}{
		"the file's own grid":      {saved(t, paste(saved(t, host, 70), guest), 90), image.Pt(0, 0)},
		"large steps after small":  {saved(t, paste(saved(t, host, 80), guest), 95), image.Pt(0, 0)},
		"cropped, then saved":      {saved(t, paste(cropped(saved(t, host, 70), 3, 6), guest), 95), image.Pt(5, 2)},
		"not saved as JPEG again":  {paste(saved(t, host, 85), guest).Clone(), image.Pt(0, 0)},
		"cropped, not saved again": {paste(cropped(saved(t, host, 85), 1, 7), guest), image.Pt(7, 1)},
	} {
		found := false
		for _, m := range find(t, c.picture) {
			in, out := shares(m)
			t.Logf("%s: grid %d,%d: %.2f of what was put in, %.3f of the rest", name, m.X, m.Y, in, out)
			if out > 0.01 {
				t.Errorf("%s: %.3f of what is original is found on the grid at %d,%d", name, out, m.X, m.Y)
			}
			found = found || in > 0.8 && image.Pt(m.X, m.Y) == c.grid
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestFindNothing(t *testing.T) {
	host, guest := scene(400, 320, 1), scene(400, 320, 2)
	bright := host.Clone()
	for i := range bright.Pix[:3*400*100] { // what is clipped keeps to no steps
		bright.Pix[i] = uint8(min(int(bright.Pix[i])+120, 255))
	}
	for name, p := range map[string]*picture.RGB{
		"never a file":               host,
		"saved once":                 saved(t, host, 85),
		"put in before the only one": saved(t, paste(host, guest), 85),
		"saved twice":                saved(t, saved(t, host, 70), 90),
		"saved twice, clipped":       saved(t, saved(t, bright, 70), 90),
		"cropped between":            saved(t, cropped(saved(t, host, 70), 4, 4), 92),
		"one colour":                 saved(t, picture.NewRGB(400, 320), 80),
		"tiny":                       saved(t, picture.NewRGB(30, 3000), 80),
		"empty":                      picture.NewRGB(0, 0),
	} {
		for _, m := range find(t, p) {
			n := 0
			for _, v := range m.Logit {
				if v > least {
					n++
				}
			}
			if share := float64(n) / float64(len(m.Logit)); share > 0.003 {
				t.Errorf("%s: %.3f of the blocks on the grid at %d,%d are found", name, share, m.X, m.Y)
			}
		}
	}
}

func TestQuantise(t *testing.T) {
	p := picture.NewRGB(40, 24)
	// A cosine of frequency 2 across in the block at (11, 5), amplitude 40.
	for y := range p.Height {
		for x := range p.Width {
			v := 128.0
			if x >= 11 && x < 19 && y >= 5 && y < 13 {
				v += 40 * math.Cos(float64(2*(x-11)+1)*2*math.Pi/16)
			}
			for k := range 3 {
				p.Pix[3*(y*p.Width+x)+k] = uint8(v + 0.5)
			}
		}
	}
	steps := new([64]uint16)
	steps[2] = 10
	b := quantised(t, p, 3, 5, 1, steps)
	if len(b.clipped) != 4*2 {
		t.Fatalf("%d blocks, expected 8", len(b.clipped))
	}
	for f, at := range order {
		want := uint8(widest)
		if at == [2]int{0, 2} {
			want += 23 // 40 * 4 * sqrt(2/8) along, * 8 * sqrt(1/8) across: 226, in steps of 10
		}
		// Whole levels add up to two steps of 1.
		if got := b.levels[f][1]; math.Abs(float64(got)-float64(want)) > 2 {
			t.Errorf("frequency %v: %d, expected %d", at, int(got)-widest, int(want)-widest)
		}
	}
	all, third := quantised(t, p, 0, 0, 1, steps), quantised(t, p, 0, 0, 3, steps)
	for f := range order {
		for i, v := range third.levels[f] {
			if v != all.levels[f][3*i] {
				t.Fatalf("every third block: block %d differs", i)
			}
		}
	}
}
