package dataset

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// The published augmentations against Pillow and PyTorch: tools/golden/augment.py.
func TestPublishedAugmentations(t *testing.T) {
	text, err := os.ReadFile("testdata/augment.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Width, Height int
		Pixels        []byte
		Cases         []struct {
			What   string
			Value  float64
			Pixels []byte
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	p := &picture.RGB{Pix: golden.Pixels, Width: golden.Width, Height: golden.Height}
	do := map[string]func(*picture.RGB, float64) *picture.RGB{
		"brightness": brighten, "contrast": contrast, "saturation": saturate, "hue": turnHue, "blur": blur5,
	}
	for _, c := range golden.Cases {
		got := do[c.What](p, c.Value).Pix
		for i, want := range c.Pixels {
			most := 0
			if c.What == "blur" {
				most = 1 // the sum is between two levels, up to rounding in float32
			}
			if d := int(got[i]) - int(want); d > most || d < -most {
				t.Errorf("%s %g: value %d is %d, want %d", c.What, c.Value, i, got[i], want)
				break
			}
		}
	}
	if len(golden.Cases) == 0 {
		t.Error("nothing was compared")
	}
}

// What is drawn changes the picture, differently each time, and leaves the one that was given as it
// is.
func TestAugmentationsDraw(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := picture.New(picture.NewRGB(20, 12))
	for i := range p.Pix {
		p.Pix[i] = uint8(r.IntN(256))
	}
	before := slices.Clone(p.Pix)
	for name, augment := range map[string]Augment{"blur": GaussianBlur(0.4, 2), "jitter": ColorJitter(0.3)} {
		one, err := augment(rand.New(rand.NewPCG(5, 1)), p)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := augment(rand.New(rand.NewPCG(5, 1)), p)
		two, _ := augment(rand.New(rand.NewPCG(6, 1)), p)
		if !slices.Equal(p.Pix, before) {
			t.Fatalf("%s changed what it was given", name)
		}
		if !slices.Equal(one.Pix, again.Pix) || slices.Equal(one.Pix, two.Pix) || slices.Equal(one.Pix, p.Pix) {
			t.Errorf("%s does not follow the draw", name)
		}
	}
}
