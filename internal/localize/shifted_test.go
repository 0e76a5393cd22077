package localize

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
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
	folder, p := t.TempDir(), waves(300, 200)
	open := func(name string) *Model {
		var tensors []weights.Tensor
		for _, q := range n.Params() {
			tensors = append(tensors, weights.FromFloat32s(q.Name, q.Shape, q.Data))
		}
		path := filepath.Join(folder, name)
		if err := weights.Write(path, tensors, map[string]string{network.SpecKey: n.SpecJSON()}); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path, Options{Device: "cpu"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	var got [][]float32
	shifts := []float64{-0.5, 0, 1.25}
	err = open("original").LocalizeShifted(context.Background(), p, shifts, func(_ int, prob []float32) error {
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
		want := localized(t, open(string(rune('a'+i))), p)
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
