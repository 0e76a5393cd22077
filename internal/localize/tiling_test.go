package localize

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// dinoModel is the path of a tiny DINOv3-IML checkpoint.
func dinoModel(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iml.safetensors")
	tensors := append(networktest.DINOv3("backbone.", 64, 1), networktest.Tensors(networktest.Conv3(64))...)
	if err := weights.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func openTiled(t *testing.T, tiling Tiling, names ...string) *Model {
	t.Helper()
	enginetest.Open(t) // skips without the library
	m, err := OpenSeveral(names, Options{Input: 64, Tiling: tiling, Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func localized(t *testing.T, m *Model, p *picture.RGB) *Result {
	t.Helper()
	r, err := m.Localize(context.Background(), picture.New(p))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Tiles that have the size of the picture give the whole picture's map.
func TestOneTileIsTheWholePicture(t *testing.T) {
	file := dinoModel(t)
	p := waves(64, 64)
	whole := localized(t, openTiled(t, Tiling{}, file), p)
	for _, join := range Contexts() {
		m := openTiled(t, Tiling{Size: 64, Context: join}, file)
		r := localized(t, m, p)
		near(t, join, picture.Map{Prob: r.Prob, Width: 64, Height: 64}, picture.Map{Prob: whole.Prob, Width: 64, Height: 64})
		if r.ScoreKind != ScorePercentile || m.Info().SizeMode != SizeTiles {
			t.Errorf("score by %s, size mode %s", r.ScoreKind, m.Info().SizeMode)
		}
	}
}

// A tile's map is the network's for those pixels alone where tiles do not overlap, and the context
// adds the whole picture's map.
func TestTilesSeeOwnPixels(t *testing.T) {
	file := dinoModel(t)
	p := waves(150, 100)
	tiled := localized(t, openTiled(t, Tiling{Size: 64, Overlap: 16}, file), p)
	corner := picture.NewRGB(64, 64)
	for y := range 64 {
		copy(corner.Pix[3*64*y:][:3*64], p.Pix[3*150*y:])
	}
	plain := openTiled(t, Tiling{}, file)
	alone := localized(t, plain, corner)
	for y := range 40 {
		for x := range 40 {
			if got, want := tiled.Prob[y*150+x], alone.Prob[y*64+x]; math.Abs(float64(got-want)) > 1e-5 {
				t.Fatalf("%g at %d, %d, expected the tile's %g", got, x, y, want)
			}
		}
	}
	whole := localized(t, plain, p)
	for join, of := range map[string]func(a, b float32) float32{
		ContextMean: func(a, b float32) float32 { return (a + b) / 2 },
		ContextMax:  func(a, b float32) float32 { return max(a, b) },
	} {
		r := localized(t, openTiled(t, Tiling{Size: 64, Overlap: 16, Context: join}, file), p)
		for i, v := range r.Prob {
			if want := of(tiled.Prob[i], whole.Prob[i]); math.Abs(float64(v-want)) > 1e-5 {
				t.Fatalf("%s: %g at %d, expected %g", join, v, i, want)
			}
		}
	}
}

// Tiles may have another size than the input, models answer together, and a model of the paper runs
// over tiles of its own input.
func TestTilesOfSeveralModels(t *testing.T) {
	file := dinoModel(t)
	p := waves(150, 100)
	larger := localized(t, openTiled(t, Tiling{Size: 96, Context: ContextMean}, file), p)
	smaller := localized(t, openTiled(t, Tiling{Size: 64, Context: ContextMean}, file), p)
	if slices.Equal(larger.Prob, smaller.Prob) {
		t.Error("tiles of 96 and 64 pixels give the same map")
	}
	rules := slices.Concat(networktest.ViT("visual.", 64, 8, 1, 8), networktest.Linear("", 64))
	published := networktest.Store(t, networktest.Tensors(rules), networktest.Published("layer0", "")).Path()
	m, err := OpenSeveral([]string{published, published}, Options{Tiling: Tiling{Size: 64}, Each: true, Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := localized(t, m, p)
	if m.tiles.Passes() != 1 || len(r.Each) != 2 || !slices.Equal(r.Each[0].Prob, r.Each[1].Prob) {
		t.Errorf("%d passes and %d results of two equal models", m.tiles.Passes(), len(r.Each))
	}
}

// A tiling that makes no sense, or not for a model, is refused.
func TestTilingRefused(t *testing.T) {
	file := dinoModel(t)
	for want, o := range map[string]Options{
		"need tiles":           {Tiling: Tiling{Context: ContextMax}},
		"expected none, mean":  {Tiling: Tiling{Size: 64, Context: "median"}},
		"overlap of at most":   {Tiling: Tiling{Size: 64, Overlap: 40}},
		"multiples of 16":      {Tiling: Tiling{Size: 72}},
		"expected at least 32": {Tiling: Tiling{Size: 16}},
	} {
		if _, err := Open(file, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := Open("lite", Options{Tiling: Tiling{Size: 64}}); !errors.Is(err, ErrTiling) {
		t.Errorf("lite with tiles: %v", err)
	}
	if _, err := Open(file, Options{Input: 72}); !errors.Is(err, network.ErrSpec) {
		t.Errorf("an input of 72 pixels: %v", err)
	}
}
