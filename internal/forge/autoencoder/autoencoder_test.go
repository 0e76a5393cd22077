package autoencoder

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// photos writes smooth pictures with edges and returns their paths.
func photos(t *testing.T, n int) []string {
	t.Helper()
	dir := t.TempDir()
	var list []string
	for i := range n {
		path := filepath.Join(dir, string(rune('a'+i))+".png")
		if err := picture.WritePNG(path, scenery(150, 110, uint64(i))); err != nil {
			t.Fatal(err)
		}
		list = append(list, path)
	}
	return list
}

func scenery(w, h int, seed uint64) *picture.RGB {
	rng := rand.New(rand.NewPCG(seed, 7))
	p := picture.NewRGB(w, h)
	fx, fy := 0.02+0.1*rng.Float64(), 0.02+0.1*rng.Float64()
	edge := 0.3 + 0.4*rng.Float64()
	for i := range w * h {
		x, y := float64(i%w), float64(i/w)
		for c := range 3 {
			v := 128 + 60*math.Sin(fx*x+float64(c))*math.Cos(fy*y+float64(c*c))
			if x > edge*float64(w)+y/3 {
				v += 40
			}
			p.Pix[i*3+c] = level(float32(v))
		}
	}
	return p
}

func tiny(t *testing.T) Config {
	c := DefaultConfig()
	c.Photos = photos(t, 5)
	c.Shape = Shape{Channels: 6, Width: 8}
	c.Steps, c.Batch, c.Crop, c.LR = 60, 4, 32, 1e-2
	return c
}

func TestTrainingLearnsAndIsDeterministic(t *testing.T) {
	e := enginetest.Open(t)
	c := tiny(t)
	var first, last float64
	c.Step = func(done, _ int, loss float64) {
		if done == 1 {
			first = loss
		}
		last = loss
	}
	codec, s, err := Train(t.Context(), e, c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Photos != 4 || s.Held != 1 || s.Weights != c.Shape.size() {
		t.Errorf("summary %+v, want 4 photographs, 1 held out, %d weights", s, c.Shape.size())
	}
	if last > first/10 || s.PSNR < 22 { // 24.6 dB when it was written
		t.Errorf("loss from %.4f to %.4f, PSNR %.2f dB; want a tenth and 22 dB", first, last, s.PSNR)
	}
	again, _, err := Train(t.Context(), e, c)
	if err != nil {
		t.Fatal(err)
	}
	if codec.Digest() != again.Digest() {
		t.Error("the same training gave other weights")
	}
	c.Seed = 2
	other, _, err := Train(t.Context(), e, c)
	if err != nil {
		t.Fatal(err)
	}
	if codec.Digest() == other.Digest() {
		t.Error("another seed gave the same weights")
	}
}

// untrained is a codec with its first weights.
func untrained(t *testing.T, shape Shape) *Codec {
	t.Helper()
	c, err := newCodec(enginetest.Open(t), shape, shape.initial(3))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSizesOfAnyKind(t *testing.T) {
	c := untrained(t, Shape{Channels: 3, Width: 8})
	for _, size := range [][2]int{{64, 48}, {33, 47}, {4, 4}, {1, 9}} {
		p := scenery(size[0], size[1], 1)
		z, w, h, err := c.Encode(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if w != (size[0]+3)/4 || h != (size[1]+3)/4 || len(z) != w*h*3 {
			t.Errorf("%v: grid of %d x %d with %d values", size, w, h, len(z))
		}
		back, err := c.Decode(t.Context(), z, w, h, size[0], size[1])
		if err != nil {
			t.Fatal(err)
		}
		if back.Width != size[0] || back.Height != size[1] {
			t.Errorf("%v: came back as %d x %d", size, back.Width, back.Height)
		}
		if _, err := c.Decode(t.Context(), z, w, h, size[0]+4, size[1]); err == nil {
			t.Errorf("%v: decoded to a size that has other cells", size)
		}
	}
}

// The grid has the layout of the picture: a change at one position of the picture changes the grid
// at the same position, and vice versa.
func TestPlacesAgree(t *testing.T) {
	c := untrained(t, Shape{Channels: 3, Width: 8})
	p := scenery(128, 128, 1)
	z, w, h, err := c.Encode(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := c.Decode(t.Context(), z, w, h, 128, 128)
	z[(20*w+8)*3] += 5 // pixels 32..35, 80..83
	changed, _ := c.Decode(t.Context(), z, w, h, 128, 128)
	sumX, sumY, n := 0.0, 0.0, 0.0
	for i := range 128 * 128 {
		d := math.Abs(float64(plain.Pix[i*3]) - float64(changed.Pix[i*3]))
		sumX, sumY, n = sumX+d*float64(i%128), sumY+d*float64(i/128), n+d
	}
	if n == 0 || math.Abs(sumX/n-33.5) > 4 || math.Abs(sumY/n-81.5) > 4 {
		t.Errorf("a change of the cell at 33.5, 81.5 shows at %.1f, %.1f", sumX/n, sumY/n)
	}
}

func TestSpread(t *testing.T) {
	g := graph.New()
	x := g.Input("x", 1, 4, 1, 2)
	out := spread(x, 2)
	if err := g.Err(); err != nil || !slices.Equal(out.Shape(), []int{1, 1, 2, 4}) {
		t.Fatalf("shape %v, error %v", out.Shape(), err)
	}
	c := &Codec{engine: enginetest.Open(t)}
	got, err := c.run(t.Context(), g, out, "x", x.Shape(), []float32{1, 2, 3, 4, 5, 6, 7, 8})
	if want := []float32{1, 3, 2, 4, 5, 7, 6, 8}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func TestFile(t *testing.T) {
	e := enginetest.Open(t)
	c := untrained(t, Shape{Channels: 3, Width: 8})
	path := filepath.Join(t.TempDir(), "a.safetensors")
	if err := c.Write(path, Summary{PSNR: 28.5, Seed: 9}); err != nil {
		t.Fatal(err)
	}
	back, s, err := Open(e, path)
	if err != nil {
		t.Fatal(err)
	}
	if back.Digest() != c.Digest() || back.Shape() != c.Shape() || s.PSNR != 28.5 || s.Seed != 9 {
		t.Errorf("shape %v, summary %+v came back", back.Shape(), s)
	}

	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(name string, data []byte, want string) {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(e, file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v, want one with the file's name and %q", name, err, want)
		}
	}
	bad("short", all[:len(all)/2], "")
	bad("huge", []byte(strings.Replace(string(all), `\"channels\":3`, `\"channels\":9`, 1)), "expected")
	bad("absurd", []byte(strings.Replace(string(all), `\"width\":8`, `\"width\":0`, 1)), "expected")
	data, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("x", []int{1}, []float32{1})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bad("model", data, "not an autoencoder")
	c.theta[0] = float32(math.NaN())
	if err := c.Write(path, Summary{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(e, path); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("error %v for a weight that is no number", err)
	}
}

func TestTrainRefuses(t *testing.T) {
	e := enginetest.Open(t)
	for want, change := range map[string]func(*Config){
		"1 photographs":       func(c *Config) { c.Photos = c.Photos[:1] },
		"crops of 34 pixels":  func(c *Config) { c.Crop = 34 },
		"0 steps":             func(c *Config) { c.Steps = 0 },
		"learning rate NaN":   func(c *Config) { c.LR = math.NaN() },
		"width 1":             func(c *Config) { c.Shape.Width = 1 },
		"expected at least 2": func(c *Config) { c.Crop = 128 }, // more than the photographs have
	} {
		c := tiny(t)
		change(&c)
		if _, _, err := Train(t.Context(), e, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	c := tiny(t)
	c.Step = func(done, _ int, _ float64) {
		if done == 3 {
			cancel(stop)
		}
	}
	if _, _, err := Train(ctx, e, c); !errors.Is(err, stop) {
		t.Errorf("error %v after stopping, want %v", err, stop)
	}
}
