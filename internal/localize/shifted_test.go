package localize

import (
	"context"
	"math"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// One run for several shifts gives the maps of the networks whose logits are shifted, with findings
// and the selection of regions.
func TestShiftedIsTheShiftedNetwork(t *testing.T) {
	enginetest.Open(t) // skips without the library
	n, err := network.New(network.Spec{
		Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32},
		Detectors: []string{"copies"}, Blobs: true, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}},
	}, 5)
	if err != nil {
		t.Fatal(err)
	}
	p := waves(300, 200)
	var got [][]float32
	shifts := []float64{-0.5, 0, 1.25}
	err = openFile(t, stored(t, n).Path()).LocalizeShifted(context.Background(), p, shifts, func(_ int, prob []float32) error {
		got = append(got, prob)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := 0.0
	for i, shift := range shifts {
		if _, err := n.ShiftLogits(shift - before); err != nil {
			t.Fatal(err)
		}
		before = shift
		want := localized(t, openFile(t, stored(t, n).Path()), p)
		near(t, "shifted", picture.Map{Prob: got[i], Width: 300, Height: 200}, picture.Map{Prob: want.Prob, Width: 300, Height: 200})
	}
	if math.Abs(float64(got[0][0]-got[2][0])) < 1e-3 {
		t.Error("the shifts make no difference")
	}
}

// Networks that scale pictures can be run with no shift only.
func TestShiftedNeedsTiles(t *testing.T) {
	m := openTiled(t, Tiling{}, dinoModel(t))
	do := func(int, []float32) error { return nil }
	if err := m.LocalizeShifted(context.Background(), waves(64, 64), []float64{0}, do); err != nil {
		t.Errorf("a shift of 0: %v", err)
	}
	if err := m.LocalizeShifted(context.Background(), waves(64, 64), []float64{0, 1}, do); err == nil {
		t.Error("a shift of 1 is taken")
	}
}
