package localize

import (
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// A network that got a branch over evidence gives the maps that it gave before, up to rounding, and
// reads the branch once it has weight.
func TestGrownNetworkKeepsItsMaps(t *testing.T) {
	rgb := picture.NewRGB(160, 128)
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(120 + 60*math.Sin(float64(i%481)/30))
	}
	for _, decoder := range []string{network.DecoderContext, network.DecoderPyramid} {
		n, err := network.New(network.Spec{Arch: network.ArchLite, Decoder: decoder, Widths: []int{4, 4, 4, 6},
			LiteOptions: network.LiteOptions{Context: 4, Pyramid: 8, Dilations: []int{1}, DCT: 3}}, 2)
		if err != nil {
			t.Fatal(err)
		}
		grown, err := n.WithEvidence(5, 3)
		if err != nil {
			t.Fatal(err)
		}
		before, after := alone(t, n, rgb).Raw.Prob, alone(t, grown, rgb).Raw.Prob
		for i, v := range before {
			if d := math.Abs(float64(v - after[i])); d > 1e-5 {
				t.Fatalf("%s: cell %d is %g, was %g", decoder, i, after[i], v)
			}
		}
		for _, p := range grown.Params() {
			if p.Name == "context.in.weight" {
				for k := range 5 { // the first row's inputs from the branch
					p.Data[6+3+k] = 3
				}
			}
		}
		if slices.Equal(after, alone(t, grown, rgb).Raw.Prob) {
			t.Errorf("%s: weights for the branch change nothing", decoder)
		}
		if _, err := grown.WithEvidence(5, 3); err == nil {
			t.Errorf("%s: a second branch is added", decoder)
		}
	}
}
