package localize

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// With Spec.Blobs the probabilities are those of the judged map; the network's own map is
// unchanged.
func TestSureRegionsAreKept(t *testing.T) {
	rgb := picture.NewRGB(200, 120)
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(rng.IntN(256))
	}
	n := small(t)
	plain := alone(t, n, rgb)
	if err := n.WeighBlobs(true); err != nil {
		t.Fatal(err)
	}
	weighed := alone(t, n, rgb)
	if !slices.Equal(plain.Raw.Prob, weighed.Raw.Prob) {
		t.Error("the network's own map changed")
	}
	want := plain.Raw.Clone()
	keepSureRegions(&want)
	if !slices.Equal(weighed.Prob, want.Upsample(rgb.Width, rgb.Height)) {
		t.Error("the probabilities are not those of the judged map")
	}
	if slices.Equal(weighed.Prob, plain.Prob) {
		t.Error("judging changed nothing")
	}
}
