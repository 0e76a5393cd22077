package localize

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/picture"
)

// A network whose map's parts are judged gives the judged map, and its own as it was.
func TestBlobsAreWeighed(t *testing.T) {
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
	want := tile.Map{Prob: slices.Clone(plain.Raw.Prob), Width: plain.Raw.Width, Height: plain.Raw.Height, Stride: 4}
	Weigh(want.Prob, want.Width, want.Height, want.Stride)
	if !slices.Equal(weighed.Prob, want.Upsample(rgb.Width, rgb.Height)) {
		t.Error("the probabilities are not those of the judged map")
	}
	if slices.Equal(weighed.Prob, plain.Prob) {
		t.Error("judging changed nothing")
	}
}
