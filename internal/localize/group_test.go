package localize

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

var plan = networktest.AllStages(4, [4]int{8, 8, 4, 4})

// vision is a transformer's tensors, with other values for another name.
func vision(prefix string) []networktest.Rule { return networktest.ViT(prefix, 64, 8, 3, 3) }

func openModel(t *testing.T, f *weights.File, beside ...*weights.File) *network.Pretrained {
	t.Helper()
	m, err := network.OpenPretrained(f, network.Override{}, beside...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// model writes a checkpoint with a backbone of its own.
func model(t *testing.T, layer string, rules ...[]networktest.Rule) *network.Pretrained {
	t.Helper()
	return openModel(t, networktest.Store(t, networktest.Tensors(slices.Concat(rules...)), networktest.Published(layer, "")))
}

func newGroup(t *testing.T, o LoadOptions, models ...*network.Pretrained) *Group {
	t.Helper()
	g, err := NewGroup(enginetest.Open(t), models, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func waves(w, h int) *picture.RGB {
	p := picture.NewRGB(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(128 + 100*math.Sin(float64(i*w)/7) + float64(i%27))
	}
	return p
}

func asPictures(rgb ...*picture.RGB) (list []*picture.Picture) {
	for _, p := range rgb {
		list = append(list, picture.New(p))
	}
	return list
}

func run(t *testing.T, g *Group, pictures ...*picture.RGB) [][]Output {
	t.Helper()
	out, err := g.Run(context.Background(), asPictures(pictures...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// near compares maps of probabilities; weights that are packed otherwise and other batches change
// the last bits.
func near(t *testing.T, what string, got, want picture.Map) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%s: %d x %d, expected %d x %d", what, got.Width, got.Height, want.Width, want.Height)
	}
	for i, v := range want.Prob {
		if math.Abs(float64(v-got.Prob[i])) > 1e-5 {
			t.Fatalf("%s: %g at %d, expected %g", what, got.Prob[i], i, v)
		}
	}
	if slices.Max(want.Prob)-slices.Min(want.Prob) < 0.01 {
		t.Fatalf("%s: the map is flat, which proves nothing", what)
	}
}

// Models share a backbone if it is the same, also in files of their own; their answers are those
// they give alone.
func TestGroupSharesBackbones(t *testing.T) {
	first := model(t, "layer2", vision("visual."), networktest.Conv("", 64, plan))
	copied := model(t, "layer0", vision("visual."), networktest.Linear("", 64))
	attention := model(t, "layer2", vision("visual."), networktest.Attention("", 64))
	other := model(t, "layer2", vision("model.visual."), networktest.Linear("", 64))
	models := []*network.Pretrained{first, copied, attention, other, first}
	g := newGroup(t, LoadOptions{}, models...)
	if g.Passes() != 2 {
		t.Errorf("%d passes of backbones, expected 2", g.Passes())
	}
	p := waves(50, 40)
	together := run(t, g, p)[0]
	for i, m := range models {
		for _, low := range []bool{false, true} {
			near(t, m.Spec().String(), together[i].Raw, run(t, newGroup(t, LoadOptions{LowMemory: low}, m), p)[0][0].Raw)
		}
	}
	if slices.Equal(together[1].Raw.Prob, together[3].Raw.Prob) {
		t.Error("another backbone gave the same answer")
	}
}

func TestGroupRunsBatches(t *testing.T) {
	residual := networktest.Store(t, networktest.Tensors(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 3)), nil)
	transformer := networktest.Store(t, networktest.Tensors(vision("visual.")), nil)
	both := plan
	both.Resize = true
	fusion := networktest.Store(t, networktest.Tensors(networktest.Conv("", 64+256, both)), networktest.Published("layer0", "conv-4"))
	alone := networktest.Store(t, networktest.Tensors(networktest.Conv("", 64, plan)), networktest.Published("layer2", "conv-4"))
	g := newGroup(t, LoadOptions{}, openModel(t, fusion, transformer, residual), openModel(t, alone, transformer), tiles(t))
	if g.Passes() != 2 {
		t.Errorf("%d passes of backbones, expected 2", g.Passes())
	}
	pictures := []*picture.RGB{waves(70, 60), waves(33, 90), waves(64, 64)}
	batch := run(t, g, pictures...)
	for i, p := range pictures {
		single := run(t, g, p)[0]
		for k, o := range single {
			near(t, g.Specs()[k].String(), batch[i][k].Raw, o.Raw)
		}
	}
}

// tiles is a network in one piece.
func tiles(t *testing.T) *network.Pretrained {
	t.Helper()
	return tilesWith(t, func(*network.Param) {})
}

// tensorsOf are the weights of a network.
func tensorsOf(n *network.Network) (list []weights.Tensor) {
	for _, p := range n.Params() {
		list = append(list, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	return list
}

// stored writes a network to a file.
func stored(t *testing.T, n *network.Network) *weights.File {
	t.Helper()
	return networktest.Store(t, tensorsOf(n), map[string]string{network.SpecKey: n.SpecJSON()})
}

// tilesWith is tiles with weights changed.
func tilesWith(t *testing.T, change func(*network.Param)) *network.Pretrained {
	t.Helper()
	n, err := network.New(network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 64, Overlap: 8}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}}}, 7)
	if err != nil {
		t.Fatal(err)
	}
	var list []weights.Tensor
	for _, p := range n.Params() {
		change(&p)
		list = append(list, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	return openModel(t, networktest.Store(t, list, map[string]string{network.SpecKey: n.SpecJSON()}))
}

func TestMean(t *testing.T) {
	small := func(v ...float32) picture.Map { return picture.Map{Prob: v, Width: 2, Height: 1} }
	m, err := Mean(t.Context(), []Output{{Raw: small(0, 1)}, {Raw: small(1, 0.5)}}, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "own size", m.Raw, small(0.5, 0.75))
	near(t, "picture's size", picture.Map{Prob: m.Prob, Width: 4, Height: 1},
		picture.Map{Prob: []float32{0.5, 0.5625, 0.6875, 0.75}, Width: 4, Height: 1})
	// Maps of different sizes meet at the picture's.
	fine := picture.Map{Prob: []float32{0, 0, 1, 1}, Width: 4, Height: 1}
	if m, err = Mean(t.Context(), []Output{{Raw: small(0, 1)}, {Raw: fine, Prob: fine.Prob}}, 4, 1); err != nil {
		t.Fatal(err)
	}
	near(t, "mixed", m.Raw, picture.Map{Prob: []float32{0, 0.125, 0.875, 1}, Width: 4, Height: 1})
}

func TestPass(t *testing.T) {
	m := model(t, "layer2", vision("visual."), networktest.Linear("", 64))
	pass, err := NewPass(enginetest.Open(t), m.Uses()[0].Backbone, []string{"layer2", "layer0"}, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	out, err := pass.Run(context.Background(), []*picture.RGB{waves(9, 9), waves(30, 20)})
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range []string{"layer0", "layer2"} {
		if got := out[layer]; got == nil || !slices.Equal(got.Shape(), []int{2, 10, 64}) {
			t.Errorf("%s: got %v", layer, got)
		}
	}
	if slices.Equal(out["layer0"].Float32s(), out["layer2"].Float32s()) {
		t.Error("both layers are the same")
	}
}

// damaged is a model's tensors with one value that is not a number.
func damaged(rules []networktest.Rule, name string) []weights.Tensor {
	list := networktest.Tensors(rules)
	for i, t := range list {
		if t.Name == name {
			values := make([]float32, t.Count())
			values[0] = float32(math.NaN())
			list[i] = weights.FromFloat32s(name, t.Shape, values)
		}
	}
	return list
}

// An answer that is not a number is an error: a map of zeros would look like one.
func TestNaN(t *testing.T) {
	p := []*picture.RGB{waves(20, 10)}
	rules := slices.Concat(vision("visual."), networktest.Linear("", 64))
	for _, name := range []string{"fc.0.bias", "visual.ln_pre.weight"} {
		f := networktest.Store(t, damaged(rules, name), networktest.Published("layer1", ""))
		m := openModel(t, f)
		_, err := newGroup(t, LoadOptions{}, m).Run(context.Background(), asPictures(p...))
		if !errors.Is(err, network.ErrNaN) || !strings.Contains(err.Error(), f.Path()) {
			t.Errorf("%s: got %v", name, err)
		}
		pass, err := NewPass(enginetest.Open(t), m.Uses()[0].Backbone, []string{"layer0"}, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer pass.Close()
		_, err = pass.Run(context.Background(), p)
		if errors.Is(err, network.ErrNaN) != strings.HasPrefix(name, "visual.") {
			t.Errorf("features with %s: got %v", name, err)
		}
	}
	whole := tilesWith(t, func(p *network.Param) {
		if p.Name == "conv1.weight" {
			p.Data[0] = float32(math.NaN())
		}
	})
	if _, err := newGroup(t, LoadOptions{}, whole).Run(context.Background(), asPictures(p...)); !errors.Is(err, network.ErrNaN) {
		t.Errorf("tiles: got %v", err)
	}
}
