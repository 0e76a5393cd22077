package train

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/network"
)

// A network with a branch over evidence trains, its branch too, and continues after an
// interruption with the same bits.
func TestTrainWithEvidence(t *testing.T) {
	spec := network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 4, 4}, TileOptions: network.TileOptions{Tile: 64, Overlap: 16},
		LiteOptions: network.LiteOptions{Context: 4, Dilations: []int{1}, Evidence: 4}}
	n, err := network.New(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, open(t))
	c.Network, c.Spec = nil, spec
	c.Augment = noAugment()
	c.Augment.Turn, c.Average, c.Epochs = true, 0, 2
	mustRun(t, c)
	trained := floats(t, filepath.Join(c.Out, LastFile), "evidence.in.weight")
	for _, p := range n.Params() {
		if p.Name == "evidence.in.weight" && slices.Equal(p.Data, trained) {
			t.Error("the branch was not trained")
		}
	}
	halves := c
	halves.Out, halves.Epochs = t.TempDir(), 1
	mustRun(t, halves)
	halves.Epochs, halves.Resume = 2, true
	mustRun(t, halves)
	if !sameTensors(t, filepath.Join(c.Out, LastFile), filepath.Join(halves.Out, LastFile)) {
		t.Error("a resumed training has other weights")
	}
}
