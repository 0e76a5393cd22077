package network

import (
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// A frozen backbone has nothing to train and no statistics to update; the decoder has both.
func TestFrozenBackbone(t *testing.T) {
	n := mustNew(t, pyramid(), 1)
	g := graph.New()
	updates := n.Build(g, []*graph.Node{g.Input("image", 2, 3, 64, 64)}, true).Updates
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	parts := map[bool]int{}
	for _, p := range n.Params() {
		parts[p.Backbone]++
		statistic := strings.Contains(p.Name, ".running_")
		if want := !p.Backbone && !statistic; p.Trainable != want {
			t.Errorf("%s: trained %v, expected %v", p.Name, p.Trainable, want)
		}
		if got, want := updates[p.Name] != nil, !p.Backbone && statistic; got != want {
			t.Errorf("%s: statistics updated %v, expected %v", p.Name, got, want)
		}
	}
	if parts[true] == 0 || parts[false] == 0 {
		t.Errorf("%d tensors of the backbone and %d of the decoder", parts[true], parts[false])
	}
	thawed, err := n.Thawed()
	if err != nil {
		t.Fatal(err)
	}
	if n.Count() >= thawed.Count() || thawed.Spec().Frozen {
		t.Errorf("thawed it trains %d values instead of %d, frozen: %v", thawed.Count(), n.Count(), thawed.Spec().Frozen)
	}
	for i, p := range thawed.Params() {
		if !slices.Equal(p.Data, n.Params()[i].Data) {
			t.Errorf("%s changed by thawing", p.Name)
		}
	}
}

// Between frozen and thawed: the context decoder is trained, the layers below it are not.
func TestFrozenTrunk(t *testing.T) {
	frozen := mustNew(t, pyramid(), 1)
	n, err := frozen.ThawedContext()
	if err != nil {
		t.Fatal(err)
	}
	g := graph.New()
	updates := n.Build(g, []*graph.Node{g.Input("image", 2, 3, 64, 64)}, true).Updates
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	for i, p := range n.Params() {
		trunk := p.Backbone && !strings.HasPrefix(p.Name, "context.")
		statistic := strings.Contains(p.Name, ".running_")
		if want := !trunk && !statistic; p.Trainable != want {
			t.Errorf("%s: trained %v, expected %v", p.Name, p.Trainable, want)
		}
		if got, want := updates[p.Name] != nil, !trunk && statistic; got != want {
			t.Errorf("%s: statistics updated %v, expected %v", p.Name, got, want)
		}
		if !slices.Equal(p.Data, frozen.Params()[i].Data) {
			t.Errorf("%s changed by thawing", p.Name)
		}
	}
	if all, err := n.Thawed(); err != nil || all.Spec().FrozenTrunk || all.Count() <= n.Count() {
		t.Errorf("thawed: %v, trunk frozen %v, %d values after %d", err, all.Spec().FrozenTrunk, all.Count(), n.Count())
	}
	xception := mustNew(t, Spec{Arch: ArchXception, Decoder: DecoderLinear}, 1)
	if _, err := xception.ThawedContext(); err == nil || !strings.Contains(err.Error(), "no context decoder") {
		t.Errorf("xceptionnet: got %v", err)
	}
}

func TestTakeBackbone(t *testing.T) {
	n, from := mustNew(t, pyramid(), 1), mustNew(t, small(), 2)
	before := slices.Clone(param(t, n, "pyramid.out.weight").Data)
	if err := n.TakeBackbone(from); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conv1.weight", "block2.rep.1.conv1.weight", "dct.in.weight"} {
		if !slices.Equal(param(t, n, name).Data, param(t, from, name).Data) {
			t.Errorf("%s was not taken", name)
		}
	}
	if !slices.Equal(before, param(t, n, "pyramid.out.weight").Data) {
		t.Error("the decoder changed too")
	}
	wide, without := small(), small()
	wide.Widths = []int{8, 8, 16, 24}
	without.DCT = 0
	for want, spec := range map[string]Spec{
		`"block2.skip.weight" has shape [24 16 1 1], expected [16 16 1 1]`: wide,
		`"dct.in.weight" is missing`:                                       without,
	} {
		if err := n.TakeBackbone(mustNew(t, spec, 3)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
}

// Parts are judged in maps of the picture's own pixels, and a network's file says whether they are.
func TestWeighBlobs(t *testing.T) {
	n := mustNew(t, small(), 1)
	for _, on := range []bool{true, false} {
		if err := n.WeighBlobs(on); err != nil {
			t.Fatal(err)
		}
		again, err := Open(encode(t, n, nil))
		if err != nil || again.Spec().Blobs != on {
			t.Errorf("the file's network: blobs %v, %v, expected %v", again.Spec().Blobs, err, on)
		}
	}
	if err := mustNew(t, Spec{Arch: ArchXception}, 1).WeighBlobs(true); err == nil {
		t.Error("a network that sees scaled pictures took to judging parts")
	}
}

// Detectors use the picture's own pixels. A network's file names them.
func TestAddDetectors(t *testing.T) {
	n := mustNew(t, small(), 1)
	if err := n.AddDetectors("noise", "copies", "noise"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(encode(t, n, nil))
	if err != nil || !slices.Equal(again.Spec().Detectors, []string{"copies", "noise"}) {
		t.Errorf("the file's network has detectors %v, %v", again.Spec().Detectors, err)
	}
	resized := mustNew(t, Spec{Arch: ArchXception}, 1)
	if err := resized.AddDetectors("copies"); err == nil {
		t.Error("a network that sees scaled pictures got a detector")
	}
	if err := resized.AddDetectors(); err != nil {
		t.Errorf("no detectors: %v", err)
	}
}
