package localize

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// A map that is turned and turned back is the same, and the turns differ.
func TestTurnsGoBack(t *testing.T) {
	const h, w = 3, 5
	m := make([]float32, h*w)
	for i := range m {
		m[i] = float32(i + 1)
	}
	seen := map[[h * w]float32]bool{}
	for _, turn := range turns {
		turned, back := make([]float32, h*w), make([]float32, h*w)
		turn.apply(turned, m, h, w)
		turn.addBack(back, turned, h, w)
		for i := range m {
			if back[i] != m[i] {
				t.Fatalf("%+v: place %d holds %g after both ways, expected %g", turn, i, back[i], m[i])
			}
		}
		seen[[h * w]float32(turned)] = true
	}
	if len(seen) != len(turns) {
		t.Errorf("%d turns give %d different maps", len(turns), len(seen))
	}
}

// thoroughModel opens a small network with random weights that runs over tiles.
func thoroughModel(t *testing.T, evidence int, thorough bool) (*Model, error) {
	t.Helper()
	enginetest.Open(t) // skips without the library
	n, err := network.New(network.Spec{
		Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32},
		LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}, Evidence: evidence},
	}, 5)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(stored(t, n).Path(), Options{Device: "cpu", Thorough: thorough})
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// The thorough map of a picture of one tile is the mean, in logits, of the plain model's maps of
// the turned pictures, each turned back.
func TestThoroughIsTheMeanOfTurns(t *testing.T) {
	plain, err := thoroughModel(t, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	thorough, err := thoroughModel(t, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	const w, h = 64, 96 // not square; multiples of all strides, so that nothing is mirrored
	p := waves(w, h)
	got := localized(t, thorough, p)
	ow, oh := got.Raw.Width, got.Raw.Height
	sum := make([]float32, ow*oh)
	for _, turn := range turns {
		raw := localized(t, plain, turnedPicture(p, turn)).Raw
		for i, v := range raw.Prob {
			raw.Prob[i] = float32(numeric.Logit(float64(v), 1e-9))
		}
		turn.addBack(sum, raw.Prob, oh, ow)
	}
	for i, v := range sum {
		want := numeric.Sigmoid(float64(v) / float64(len(turns)))
		if math.Abs(float64(got.Raw.Prob[i])-want) > 1e-4 {
			t.Fatalf("place %d: %g, expected the mean %g", i, got.Raw.Prob[i], want)
		}
	}
	if same := localized(t, plain, p); same.Raw.Prob[ow+1] == got.Raw.Prob[ow+1] {
		t.Error("the thorough map is that of the picture as it is")
	}
	if !got.Provenance.Thorough || localized(t, plain, p).Provenance.Thorough {
		t.Error("the results do not say which one is thorough")
	}
}

func turnedPicture(p *picture.RGB, t turn) *picture.RGB {
	out := picture.NewRGB(p.Width, p.Height)
	if t.transpose {
		out = picture.NewRGB(p.Height, p.Width)
	}
	from, to := make([]float32, p.Width*p.Height), make([]float32, p.Width*p.Height)
	for c := range 3 {
		for i := range from {
			from[i] = float32(p.Pix[3*i+c])
		}
		t.apply(to, from, p.Height, p.Width)
		for i, v := range to {
			out.Pix[3*i+c] = uint8(v)
		}
	}
	return out
}

// Networks that do not run over tiles, or take evidence, have no thorough mode, and say so.
func TestThoroughIsRefused(t *testing.T) {
	enginetest.Open(t)
	if _, err := Open(dinoModel(t), Options{Input: 64, Device: "cpu", Thorough: true}); !errors.Is(err, ErrThorough) {
		t.Errorf("a network that scales pictures: %v, expected ErrThorough", err)
	}
	if _, err := thoroughModel(t, 4, true); !errors.Is(err, ErrThorough) {
		t.Errorf("a network that takes evidence: %v, expected ErrThorough", err)
	}
}

// Thorough results are others, so jobs must not mix them.
func TestThoroughHasItsOwnDigest(t *testing.T) {
	plain, err := Digest(context.Background(), []string{"lite"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	thorough, err := Digest(context.Background(), []string{"lite"}, Options{Thorough: true})
	if err != nil {
		t.Fatal(err)
	}
	if plain == thorough {
		t.Error("a thorough model has the digest of the plain one")
	}
}
