package dataset

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/forensics/evidence"
	"github.com/declip/declip/internal/forensics/jpeggrid"
)

// The evidence of a crop is that of its place in the whole picture, turned with it.
func TestCropEvidence(t *testing.T) {
	s := codedSample(t, 200, 176, 70)
	grid, _ := jpeggrid.Detect(s.Picture.RGB)
	whole, err := evidence.Find(context.Background(), s.Picture.RGB, grid)
	if err != nil {
		t.Fatal(err)
	}
	m := Crop{Size: 64, Stride: 4, Grid: true, Turn: true, Evidence: true, Normalization: levels255}
	for seed := range uint64(20) {
		d := drawFor(m, seed)
		d.Evidence = make([]float32, m.Shape().evidence())
		if err := m.Make(s, []Draw{d}); err != nil {
			t.Fatal(err)
		}
		found := false
		cut := make([]float32, len(d.Evidence))
		for y := 0; y+8 <= whole.Height && !found; y++ {
			for x := 0; x+8 <= whole.Width && !found; x++ {
				whole.Cut(cut, 8*x, 8*y, 64, 64)
				for turn := range evidence.Turns {
					found = found || slices.Equal(evidence.Turn(cut, 8, turn), d.Evidence)
				}
			}
		}
		if !found {
			t.Fatalf("seed %d: the evidence is that of no place in the picture", seed)
		}
	}
	m.Augment = []Augment{Tone(1, 0.1)}
	if err := m.Make(s, []Draw{drawFor(m, 1)}); err == nil || !strings.Contains(err.Error(), "augmented") {
		t.Errorf("got %v", err)
	}
}
