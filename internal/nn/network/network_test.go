package network

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// small is a lite network that runs quickly.
func small() Spec {
	return Spec{Arch: ArchLite, Widths: []int{8, 8, 16, 16}, LiteOptions: LiteOptions{Context: 8, Dilations: []int{1, 2}, Residual: true, DCT: 8}}
}

// pyramid is small with the other decoder and a backbone that is not trained.
func pyramid() Spec {
	s := small()
	s.Decoder, s.Pyramid, s.Frozen = DecoderPyramid, 6, true
	return s
}

func TestNewIsDeterministic(t *testing.T) {
	a, b, c := mustNew(t, small(), 1), mustNew(t, small(), 1), mustNew(t, small(), 2)
	differ := false
	for i, p := range a.Params() {
		if !slices.Equal(p.Data, b.Params()[i].Data) {
			t.Errorf("%s: the same seed gave other values", p.Name)
		}
		differ = differ || !slices.Equal(p.Data, c.Params()[i].Data)
	}
	if !differ {
		t.Error("another seed gave the same values")
	}
}

// Each layer draws its own initial weights: another decoder does not change the backbone's.
func TestInitialWeightsDoNotDependOnOtherLayers(t *testing.T) {
	linear := mustNew(t, Spec{Arch: ArchXception, Decoder: "linear"}, 5)
	conv := mustNew(t, Spec{Arch: ArchXception, Decoder: "conv-4"}, 5)
	if p := linear.Params()[0]; p.Name != "conv1.weight" || !slices.Equal(p.Data, conv.Params()[0].Data) {
		t.Errorf("%s differs between decoders", p.Name)
	}
}

// The published initialisation: N(0, 0.02) for the decoder's convolutions and batch norm scales.
func TestPublishedInitialisation(t *testing.T) {
	n := mustNew(t, Spec{Arch: ArchXception, Decoder: "conv-4"}, 1)
	for _, name := range []string{"fc.0.weight", "fc.1.weight"} {
		p := param(t, n, name)
		sum, squares := 0.0, 0.0
		for _, v := range p.Data {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		count := float64(len(p.Data))
		deviation := math.Sqrt(squares / count)
		// Five standard errors of the estimates.
		if math.Abs(sum/count) > 5*0.02/math.Sqrt(count) || math.Abs(deviation-0.02) > 5*0.02/math.Sqrt(2*count) {
			t.Errorf("%s: mean %g, deviation %g: expected 0 and 0.02", name, sum/count, deviation)
		}
	}
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		spec          Spec
		height, width int
		want          []int
	}{
		{Spec{Arch: ArchXception, Decoder: "linear"}, 224, 224, []int{graph.Open, 1, 256, 256}},
		{Spec{Arch: ArchXception, Decoder: "conv-4"}, 224, 224, []int{graph.Open, 1, 256, 256}},
		{Spec{Arch: ArchXception, Decoder: "conv-12"}, 224, 224, []int{graph.Open, 1, 256, 256}},
		{small(), 64, 96, []int{graph.Open, 1, 16, 24}},
		{pyramid(), 64, 96, []int{graph.Open, 1, 16, 24}},
	} {
		n := mustNew(t, c.spec, 1)
		g := graph.New()
		logits := n.Build(g, []*graph.Node{g.Input("image", graph.Open, 3, c.height, c.width)}, false).Logits
		if err := g.Err(); err != nil || !slices.Equal(logits.Shape(), c.want) {
			t.Errorf("%v: logits %v, %v: expected %v", n.Spec(), logits.Shape(), err, c.want)
		}
	}
}

// Xception up to block 2 has 28 x 28 positions of 256 channels for 224 pixels, since its stem has
// no padding.
func TestXceptionFeatures(t *testing.T) {
	g := graph.New()
	b := newBuilder(g, false)
	got := build(publishedXception, b, g.Input("image", graph.Open, 3, 224, 224), []string{"block2"})["block2"].Shape()
	if want := publishedXception.features("block2").Shape(); !slices.Equal(got, want) || want[1] != 256 || want[2] != 28 {
		t.Errorf("got %v, announced %v", got, want)
	}
}

func TestFileGivesTheSameLogits(t *testing.T) {
	e := enginetest.Open(t)
	for _, spec := range []Spec{small(), pyramid(), {Arch: ArchXception, Decoder: "linear", ResizeOptions: ResizeOptions{Input: 64, Output: 32}}} {
		n := mustNew(t, spec, 7)
		file := encode(t, n, nil)
		again, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := logits(t, e, n), logits(t, e, again); !slices.Equal(a, b) || slices.Max(a) == slices.Min(a) {
			t.Errorf("%v: the file's network gives other logits, or all the same", spec)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	n := mustNew(t, small(), 7)
	missing := encode(t, n, func(p *Param) bool { return p.Name != "conv2.weight" })
	reshaped := encode(t, n, func(p *Param) bool {
		if p.Name == "bn1.bias" {
			p.Shape, p.Data = []int{4}, p.Data[:4]
		}
		return true
	})
	plain, err := weights.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, file := range map[string]*weights.File{
		`"conv2.weight" is missing`:                                missing,
		`"bn1.bias" has shape [4], expected [8]`:                   reshaped,
		"only checkpoints that declip wrote":                       open(t, plain),
		`arch "vgg": expected`:                                     withSpec(t, Spec{Arch: "vgg"}),
		"width 100000: expected":                                   withSpec(t, Spec{Arch: ArchLite, Widths: []int{8, 8, 8, 100000}}),
		"K must be a multiple of 4":                                withSpec(t, Spec{Arch: ArchXception, Decoder: "conv-6"}),
		"needs a backbone with tokens":                             withSpec(t, Spec{Arch: ArchXception, Decoder: "attention"}),
		"dilation -1":                                              withSpec(t, Spec{Arch: ArchLite, LiteOptions: LiteOptions{Dilations: []int{-1}}}),
		"overlap 512":                                              withSpec(t, Spec{Arch: ArchLite, TileOptions: TileOptions{Overlap: 512}}),
		"-1 channels for JPEG's blocks":                            withSpec(t, Spec{Arch: ArchLite, LiteOptions: LiteOptions{DCT: -1}}),
		"input 100000":                                             withSpec(t, Spec{Arch: ArchXception, ResizeOptions: ResizeOptions{Input: 100000}}),
		`pool "median"`:                                            withSpec(t, Spec{Arch: ArchLite, LiteOptions: LiteOptions{Pool: "median"}}),
		`runs in mode "resize", got "tiles"`:                       withSpec(t, Spec{Arch: ArchXception, Mode: ModeTiles}),
		`has decoder "context" or "pyramid" and mode "tiles", got`: withSpec(t, Spec{Arch: ArchLite, Mode: ModeResize}),
	} {
		if _, err := Open(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	if _, err := New(Spec{Arch: "vgg"}, 0); !errors.Is(err, ErrSpec) {
		t.Errorf("got %v, expected ErrSpec", err)
	}
}

// The high-pass channels of a flat picture of any colour are zero; its own channels are not.
func TestHighPassIgnoresFlatColour(t *testing.T) {
	g := graph.New()
	b := &builder{g: g}
	y := b.highPass(g.Input("image", 1, 3, 8, 8))
	model, err := g.Encode([]graph.Output{{Name: "y", Node: y}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 3*64)
	for i := range x {
		x[i] = []float32{0.5, -1, 2}[i/64]
	}
	got := run(t, enginetest.Open(t), model, []int{1, 3, 8, 8}, x, "y")
	for c := range 8 {
		v := float64(got[c*64+3*8+3]) // away from the border
		want := 0.0
		if c < 3 {
			want = math.Tanh(float64(x[c*64]) / 2)
		}
		// float32 sums of terms up to 255/6 that cancel
		if math.Abs(v-want) > 1e-4 {
			t.Errorf("channel %d: got %g, expected %g", c, v, want)
		}
	}
}

// The kernel is the cosine transform: orthonormal, so that a block's energy is that of its
// coefficients, and a flat block has only the first coefficient.
func TestDCTKernel(t *testing.T) {
	k := dctKernel()
	row := func(i, c int) []float32 { return k[(i*3+c)*64 : (i*3+c+1)*64] }
	for i := range 64 {
		for j := range 64 {
			dot := 0.0
			for p, v := range row(i, 1) {
				dot += float64(v) * float64(row(j, 1)[p])
			}
			want := 0.0
			if i == j {
				want = math.Pow(.587*255*float64(Std[1]), 2)
			}
			if math.Abs(dot-want) > 1e-2 { // of some 1500, in float32
				t.Fatalf("functions %d and %d: product %g, expected %g", i, j, dot, want)
			}
		}
	}
}

func mustNew(t *testing.T, spec Spec, seed uint64) *Network {
	t.Helper()
	n, err := New(spec, seed)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func param(t *testing.T, n *Network, name string) Param {
	t.Helper()
	for _, p := range n.Params() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no parameter %q", name)
	return Param{}
}

// encode makes a file of the parameters for which keep is true; keep may change them.
func encode(t *testing.T, n *Network, keep func(*Param) bool) *weights.File {
	t.Helper()
	var tensors []weights.Tensor
	for _, p := range n.Params() {
		if keep == nil || keep(&p) {
			tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
		}
	}
	data, err := weights.Marshal(tensors, map[string]string{SpecKey: n.SpecJSON()})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, data)
}

func withSpec(t *testing.T, spec Spec) *weights.File {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	data, err := weights.Marshal(nil, map[string]string{SpecKey: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, data)
}

func open(t *testing.T, data []byte) *weights.File {
	t.Helper()
	f, err := weights.OpenBytes("test", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// logits runs n on a fixed picture of noise.
func logits(t *testing.T, e *engine.Engine, n *Network) []float32 {
	t.Helper()
	side := max(n.Spec().Input, 32)
	program, err := n.Inference(side, side)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 3*side*side)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	return run(t, e, program.ONNX, []int{1, 3, side, side}, x, "logits")
}

func run(t *testing.T, e *engine.Engine, model []byte, shape []int, x []float32, output string) []float32 {
	t.Helper()
	session, err := e.Load(model, engine.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	image, err := engine.NewTensor(shape, x)
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.Run(context.Background(), map[string]*engine.Tensor{"image": image}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out[output].Float32s())
}
