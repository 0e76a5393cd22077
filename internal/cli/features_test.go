package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network"
)

// The class token is dropped, and each channel becomes a map of the patches row by row.
func TestTokenMap(t *testing.T) {
	tokens := []float32{
		-1, -2, // the class token
		10, 20, 11, 21, 12, 22, // first row
		13, 23, 14, 24, 15, 25,
	}
	got, shape := tokenMap(tokens, network.Features{Channels: 2, Height: 2, Width: 3, Tokens: true})
	if want := []float32{10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25}; !slices.Equal(got, want) || !slices.Equal(shape, []int{2, 2, 3}) {
		t.Errorf("got %v of shape %v, expected %v of shape [2 2 3]", got, shape, want)
	}
}

// Float16 ends where it would become infinite, and that is said.
func TestHalfRange(t *testing.T) {
	s := &featureSource{layers: []string{"layer0", "layer1"}}
	for _, c := range []struct {
		value float32
		half  bool
		bad   bool
	}{{65504, true, false}, {-65536, true, true}, {-65536, false, false}} {
		err := featureFiles{half: c.half}.checkRange(s, &extracted{values: [][]float32{{0}, {1, c.value}}})
		if (err != nil) != c.bad || err != nil && !strings.Contains(err.Error(), "layer1 has the value -65536, the largest float16 is 65504") {
			t.Errorf("%g as half %v: error %v", c.value, c.half, err)
		}
	}
}

func TestModelLabels(t *testing.T) {
	got := modelLabels([]string{"lite", "runs/one/best.safetensors", "runs/two/Best.pth", "declip-vit-ldm", "model-1.2", "best-2"})
	want := []string{"lite", "best", "Best-2", "declip-vit-ldm", "model-1.2", "best-2-2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}
