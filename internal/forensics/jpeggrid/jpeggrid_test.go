package jpeggrid

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// scene renders soft shapes with a texture and noise, as a photograph has them.
func scene(w, h int, seed uint64) *picture.RGB {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := picture.NewRGB(w, h)
	for y := range h {
		for x := range w {
			base := 90 + 60*float64(x)/float64(w) + 40*float64((x/37+y/29)%2)
			for c := range 3 {
				p.Pix[3*(y*w+x)+c] = uint8(min(255, max(0, base+float64(10*c)+4*rng.NormFloat64())))
			}
		}
	}
	return p
}

func compressed(t *testing.T, p *picture.RGB, quality int) *picture.RGB {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	d, err := picture.Decode(b.Bytes(), picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d.RGB
}

func cropped(p *picture.RGB, x, y int) *picture.RGB {
	out := picture.NewRGB(p.Width-x, p.Height-y)
	for j := range out.Height {
		copy(out.Pix[3*j*out.Width:3*(j+1)*out.Width], p.Pix[3*((y+j)*p.Width+x):])
	}
	return out
}

func TestDetectsCroppedJPEG(t *testing.T) {
	for _, quality := range []int{50, 75, 90} {
		p := compressed(t, scene(320, 240, 3), quality)
		for _, at := range []image.Point{{}, {X: 3}, {Y: 5}, {X: 7, Y: 1}, {X: 4, Y: 4}} {
			want := Grid{X: (8 - at.X) % 8, Y: (8 - at.Y) % 8}
			if got, ok := Detect(cropped(p, at.X, at.Y)); !ok || got != want {
				t.Errorf("quality %d, cropped at %v: got %v, %v, expected %v", quality, at, got, ok, want)
			}
		}
	}
}

func TestFindsNothingWhereThereIsNone(t *testing.T) {
	for seed := range uint64(20) {
		if got, ok := Detect(scene(256, 192, seed)); ok {
			t.Errorf("seed %d: found %v in a picture that was never compressed", seed, got)
		}
	}
	flat := picture.NewRGB(200, 100)
	if got, ok := Detect(flat); ok {
		t.Errorf("found %v in a flat picture", got)
	}
}

func TestSmallPictures(t *testing.T) {
	p := compressed(t, scene(64, 64, 1), 75)
	for w := 1; w < 40; w += 3 {
		for h := 1; h < 40; h += 5 {
			small := picture.NewRGB(w, h)
			for y := range h {
				copy(small.Pix[3*y*w:3*(y+1)*w], p.Pix[3*y*p.Width:])
			}
			if _, ok := Detect(small); ok && min(w, h) < 16 {
				t.Errorf("%dx%d: found a grid", w, h)
			}
		}
	}
}

// The transform keeps a block's energy.
func TestTransform(t *testing.T) {
	in, out := []float32{3, -1, 4, 1, -5, 9, 2, -6}, [side]float32{}
	transform(in, &out)
	a, b := 0.0, 0.0
	for i := range out {
		a += float64(in[i]) * float64(in[i])
		b += float64(out[i]) * float64(out[i])
	}
	if d := a - b; d > 1e-3 || d < -1e-3 {
		t.Errorf("energy went from %g to %g", a, b)
	}
}

func BenchmarkDetect(b *testing.B) {
	p := scene(1024, 1024, 1)
	for b.Loop() {
		Detect(p)
	}
}
