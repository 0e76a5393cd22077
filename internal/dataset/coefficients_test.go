package dataset

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// codedSample is a noisy picture with a mask, stored as JPEG of quality 70 or, with quality 0, not
// stored at all.
func codedSample(t *testing.T, w, h, quality int) Sample {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	p, m := picture.NewRGB(w, h), picture.NewGray(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(100 + 60*math.Sin(float64(i/3%w)/7) + 20*r.Float64())
	}
	for i := range m.Pix {
		if x, y := i%w, i/w; x > w/3 && x < w/2 && y > h/3 && y < h/2 {
			m.Pix[i] = 255
		}
	}
	file := picture.New(p)
	if quality > 0 {
		data, err := picture.EncodeJPEG(p, quality)
		if err == nil {
			file, err = picture.Decode(data, picture.Limits{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Sample{Picture: file, Mask: m, Name: "coded"}
}

func drawFor(m Maker, seed uint64) Draw {
	s := m.Shape()
	return Draw{Random: random(seed), Image: make([]float32, s.image()), Target: make([]float32, s.target()),
		Coefficients: make([]float32, s.coefficients()), Steps: make([]float32, s.steps())}
}

// luma decodes blocks of coefficients to levels.
func luma(coefficients, steps []float32, side int) []float64 {
	out := make([]float64, side*side)
	for y := range side {
		for x := range side {
			sum := 128.0
			for u := range 8 {
				for v := range 8 {
					value := float64(coefficients[(y/8*8+u)*side+x/8*8+v] * steps[8*u+v])
					sum += value * numeric.DCTScale(u) * numeric.DCTScale(v) * numeric.DCTWave(u, y%8) * numeric.DCTWave(v, x%8)
				}
			}
			out[y*side+x] = sum
		}
	}
	return out
}

var levels255 = picture.Normalization{Std: [3]float32{1. / 255, 1. / 255, 1. / 255}}

// The luma of a crop's pixels must be that of its coefficients, in all eight turns, whether these
// are the file's own or those of an augmentation.
func TestCropCoefficients(t *testing.T) {
	for name, c := range map[string]struct {
		quality int
		augment []Augment
		first   float32 // the table's first step: which file the coefficients are from
	}{
		"own":                      {70, nil, 10},
		"quality 100":              {0, nil, 1},
		"recompressed":             {70, []Augment{Recompress(1, 50, 50)}, 16},
		"recompressed, then toned": {70, []Augment{Recompress(1, 50, 50), Tone(1, 0.01)}, 1},
	} {
		s := codedSample(t, 120, 101, c.quality)
		m := Crop{Size: 64, Stride: 4, Inside: 0.5, Turn: true, Coefficients: true, Normalization: levels255, Augment: c.augment}
		for seed := range uint64(16) {
			d := drawFor(m, seed)
			if err := m.Make(s, []Draw{d}); err != nil {
				t.Fatal(err)
			}
			if d.Steps[0] != c.first {
				t.Fatalf("%s: the first step is %g, expected %g", name, d.Steps[0], c.first)
			}
			far := 0.0
			for i, want := range luma(d.Coefficients, d.Steps, 64) {
				got := 0.299*float64(d.Image[i]) + 0.587*float64(d.Image[64*64+i]) + 0.114*float64(d.Image[2*64*64+i])
				far += math.Abs(min(max(want, 0), 255)-got) / (64 * 64)
			}
			// Colours are rounded to whole levels and cut off at 0 and 255.
			if far > 1 {
				t.Errorf("%s, seed %d: the luma of pixels and coefficients differs by %g on average", name, seed, far)
			}
		}
	}
}

// A crop of unchanged pixels has the very coefficients of its place in the file.
func TestCropKeepsTheFilesCoefficients(t *testing.T) {
	s := codedSample(t, 120, 101, 70)
	all, err := s.Picture.Coefficients(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m := Crop{Size: 64, Stride: 8, Coefficients: true, Normalization: levels255}
	d := drawFor(m, 1)
	if err := m.Make(s, []Draw{d}); err != nil {
		t.Fatal(err)
	}
	found := false
	for y := 0; y+64 <= all.Height; y += 8 {
		for x := 0; x+64 <= all.Width; x += 8 {
			same := true
			for i := range 64 * 64 {
				same = same && d.Coefficients[i] == float32(all.Values[(y+i/64)*all.Width+x+i%64])
			}
			found = found || same
		}
	}
	if !found {
		t.Error("the coefficients are not those of a part of the file")
	}
}

// Beyond a small picture everything is 0, in all turns, as where the picture is localized.
func TestCropOfSmallPicture(t *testing.T) {
	s := codedSample(t, 45, 30, 70)
	for i := range s.Mask.Pix {
		s.Mask.Pix[i] = 255
	}
	m := Crop{Size: 64, Stride: 8, Turn: true, Coefficients: true, Normalization: levels255}
	for seed := range uint64(16) {
		d := drawFor(m, seed)
		if err := m.Make(s, []Draw{d}); err != nil {
			t.Fatal(err)
		}
		count := func(values []float32) (n int) {
			for _, v := range values {
				if v != 0 {
					n++
				}
			}
			return n
		}
		if pixels := count(d.Image[:64*64]); pixels != 45*30 {
			t.Errorf("seed %d: %d pixels, expected those of the picture, %d", seed, pixels, 45*30)
		}
		if cells := count(d.Target); cells != 6*4 {
			t.Errorf("seed %d: %d cells are manipulated, expected those of the picture's blocks, 24", seed, cells)
		}
		if n := count(d.Coefficients); n == 0 || n > 48*32 {
			t.Errorf("seed %d: %d coefficients are not 0, expected some of %d", seed, n, 48*32)
		}
	}
}

// A turn that is its own inverse restores the coefficients when it is done twice.
func TestTurnCoefficients(t *testing.T) {
	from := make([]int16, 32*32)
	for i := range from {
		from[i] = int16(i)
	}
	want := make([]float32, len(from))
	turnCoefficients(want, from, 32, 0)
	for _, turn := range []int{1, 2, 3, 4} {
		once, twice := make([]float32, len(from)), make([]float32, len(from))
		turnCoefficients(once, from, 32, turn)
		back := make([]int16, len(from))
		for i, v := range once {
			back[i] = int16(v)
		}
		turnCoefficients(twice, back, 32, turn)
		if slices.Equal(once, want) || !slices.Equal(twice, want) {
			t.Errorf("turn %d, done twice, does not restore the coefficients", turn)
		}
	}
}

// The map of PSCC-Net has its own size; corners stay corners.
func TestAlignCorners(t *testing.T) {
	m := &picture.Gray{Pix: []uint8{0, 255, 255, 0}, Width: 2, Height: 2}
	got := make([]float32, 9)
	alignCorners(got, m, 3)
	if want := []float32{0, .5, 1, .5, .5, .5, 1, .5, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}
