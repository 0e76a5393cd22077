package localize

import (
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/forensics/evidence"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// Packages that may not import each other agree on the number of channels.
func TestEvidenceChannels(t *testing.T) {
	if network.EvidenceChannels != evidence.Channels {
		t.Errorf("the network takes %d channels of evidence, there are %d", network.EvidenceChannels, evidence.Channels)
	}
}

// A network with a branch over evidence sees the quantisation steps of the file, and gives the same
// map in one tile and in several.
func TestEvidenceReachesTheNetwork(t *testing.T) {
	spec := network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 4, 4}, TileOptions: network.TileOptions{Tile: 256, Overlap: 64},
		LiteOptions: network.LiteOptions{Context: 4, Dilations: []int{1}, Evidence: 4}}
	n, err := network.New(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	rgb := picture.NewRGB(400, 300)
	for i := range rgb.Pix {
		x, y := i/3%rgb.Width, i/3/rgb.Width
		rgb.Pix[i] = uint8(128 + 50*math.Sin(float64(x*y)/900) + 20*math.Sin(float64(x+i%3)/3))
	}
	saved, _, err := picture.ThroughJPEG(rgb, 60)
	if err != nil {
		t.Fatal(err)
	}
	with := alone(t, n, saved.RGB)
	if without := alone(t, n, saved.RGB.Clone()); slices.Equal(with.Raw.Prob, without.Raw.Prob) {
		t.Error("the map of a JPEG file is that of its pixels alone")
	}
	if again := alone(t, n, saved.RGB); !slices.Equal(with.Raw.Prob, again.Raw.Prob) {
		t.Error("a second run gives another map")
	}
}
