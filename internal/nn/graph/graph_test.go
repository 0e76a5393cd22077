package graph

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ort "github.com/yalue/onnxruntime_go"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// TestMistakes checks that errors name the mistake, and that building on spoiled nodes does not
// panic.
func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		name, want string
		build      func(g *Graph, x *Node) *Node // x is [2,3,8,8]
	}{
		{"broadcast", "do not broadcast", func(g *Graph, x *Node) *Node { return Add(x, g.Param("p", 3, 7)) }},
		{"matmul", "8 columns against 4 rows", func(g *Graph, x *Node) *Node { return MatMul(x, g.Param("p", 4, 5)) }},
		{"matmul vector", "at least 2 dimensions", func(g *Graph, x *Node) *Node { return MatMul(x, g.Param("p", 8)) }},
		{"linear", "columns against", func(g *Graph, x *Node) *Node { return Linear(x, g.Param("p", 5, 9), nil) }},
		{"linear bias", "bias has shape [4], expected [5]", func(g *Graph, x *Node) *Node {
			return Linear(x, g.Param("p", 5, 8), g.Param("b", 4))
		}},
		{"conv channels", "has 3 channels, expected 4", func(g *Graph, x *Node) *Node {
			return Conv(x, g.Param("p", 5, 4, 3, 3), nil, ConvOptions{})
		}},
		{"conv groups", "in 2 groups", func(g *Graph, x *Node) *Node {
			return Conv(x, g.Param("p", 5, 3, 3, 3), nil, ConvOptions{Groups: 2})
		}},
		{"conv size", "does not fit", func(g *Graph, x *Node) *Node { return Conv(x, g.Param("p", 5, 3, 9, 9), nil, ConvOptions{}) }},
		{"conv rank", "expected 4 dimensions", func(g *Graph, x *Node) *Node { return Conv(x, g.Param("p", 5, 3), nil, ConvOptions{}) }},
		{"batch norm", "scale has shape [4], expected [3]", func(g *Graph, x *Node) *Node {
			p := g.Param("p", 4)
			return BatchNorm(x, p, p, p, p, 1e-5)
		}},
		{"batch norm train", "bias has shape [4], expected [3]", func(g *Graph, x *Node) *Node {
			c := g.Param("c", 3)
			y, _, _ := BatchNormTrain(x, c, g.Param("p", 4), c, c, 1e-5, 0.1)
			return y
		}},
		{"layer norm", "expected [8]", func(g *Graph, x *Node) *Node { p := g.Param("p", 4); return LayerNorm(x, p, p, 1e-5) }},
		{"pool", "do not fit", func(_ *Graph, x *Node) *Node { return MaxPool(x, 9, 2, 0) }},
		{"pool padding", "at most half", func(_ *Graph, x *Node) *Node { return MaxPool(x, 3, 2, 2) }},
		{"reshape", "has 384 elements", func(_ *Graph, x *Node) *Node { return Reshape(x, 2, 3, 63) }},
		{"reshape twice open", "more than one", func(_ *Graph, x *Node) *Node { return Reshape(x, -1, -1) }},
		{"transpose", "is not a permutation", func(_ *Graph, x *Node) *Node { return Transpose(x, 0, 1, 1, 2) }},
		{"slice", "range 2:9", func(_ *Graph, x *Node) *Node { return Slice(x, -1, 2, 9) }},
		{"concat", "do not join", func(g *Graph, x *Node) *Node { return Concat(1, x, g.Param("p", 2, 3, 8, 7)) }},
		{"axis", "outside a shape", func(_ *Graph, x *Node) *Node { return ReduceSum(x, []int{4}, false) }},
		{"upsample", "positive size", func(_ *Graph, x *Node) *Node { return UpsampleBilinear(x, 0, 8) }},
		{"resize", "positive numbers", func(_ *Graph, x *Node) *Node { return Resize(x, 8, 0, true) }},
		{"upsample rank", "expected [N, C, H, W]", func(g *Graph, _ *Node) *Node { return UpsampleBilinear(g.Param("p", 3, 4), 6, 8) }},
		{"nil", "missing", func(_ *Graph, x *Node) *Node { return Add(x, nil) }},
		{"other graph", "different graphs", func(_ *Graph, x *Node) *Node { return Add(x, New().Param("p", 8)) }},
		{"taken name", `"x": the name is already taken`, func(g *Graph, _ *Node) *Node { return g.Param("x", 2) }},
		{"dimension", "must be positive", func(g *Graph, _ *Node) *Node { return g.Param("p", 2, 0) }},
		{"constant", "has 6 elements, got 5", func(g *Graph, _ *Node) *Node { return g.Const([]int{2, 3}, make([]float32, 5)) }},
		{"where", "expected bool", func(_ *Graph, x *Node) *Node { return Where(x, x, x) }},
		{"types", "expected one type", func(_ *Graph, x *Node) *Node { return Add(x, Cast(x, Int64)) }},
		{"loss", "expected one element", func(_ *Graph, x *Node) *Node { return Gradients(x, []*Node{x})[0] }},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := New()
			y := test.build(g, g.Input("x", 2, 3, 8, 8))
			// Every function accepts a spoiled node.
			p := g.Param("later", 3)
			after, _, _ := BatchNormTrain(ReLU(MaxPool(Conv(y, y, y, ConvOptions{Stride: 2}), 2, 2, 0)), p, p, p, p, 1e-5, 0.1)
			after = UpsampleBicubic(Linear(Reshape(Concat(0, after, y), -1, 2), y, y), 3, 3)
			loss := BCEWithLogits(Pad(Softmax(LayerNorm(after, p, p, 1e-5), -1), nil, nil), y)
			AdamW(p, Gradients(loss, []*Node{p})[0], p, p, AdamWStep{p, p, p}, AdamWOptions{})
			_, err := g.Encode([]Output{{"y", loss}}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, expected one with %q", err, test.want)
			}
			if g.Err() == nil {
				t.Error("Err is nil")
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	g := New()
	x, w := g.Input("x", 2, 3), g.Param("w", 4, 3)
	y := Linear(x, w, nil)
	for _, test := range []struct {
		name, want string
		outputs    []Output
		init       Initializer
	}{
		{"none", "no outputs", nil, Initializer{}},
		{"taken", "taken", []Output{{"x", y}}, Initializer{}},
		{"foreign", "not a node of this graph", []Output{{"y", New().Scalar(1)}}, Initializer{}},
		{"shape", "expected [4 3]", []Output{{"y", y}}, Initializer{Shape: []int{3, 4}, Data: make([]byte, 48)}},
		{"length", "take 47 bytes, expected 48", []Output{{"y", y}}, Initializer{Shape: []int{4, 3}, Data: make([]byte, 47)}},
		{"file length", "take 24 bytes, expected 48", []Output{{"y", y}}, Initializer{Shape: []int{4, 3}, Location: "w.bin", Length: 24}},
	} {
		if _, err := g.Encode(test.outputs, map[string]Initializer{"w": test.init}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, expected one with %q", test.name, err, test.want)
		}
	}
}

// TestEncodeRepeats checks that encoding is deterministic and contains only what is used.
func TestEncodeRepeats(t *testing.T) {
	build := func() ([]byte, []string) {
		g := New()
		x, w := g.Input("x", Open, 3), g.Param("w", 4, 3)
		g.Input("unused", 2)
		Linear(x, g.Param("idle", 5, 3), nil)
		outputs := []Output{{"y", Linear(x, w, nil)}}
		model, err := g.Encode(outputs, nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		inputs, params := g.Used(outputs)
		for _, n := range append(inputs, params...) {
			names = append(names, fmt.Sprint(n.Name(), n.Shape()))
		}
		return model, names
	}
	a, names := build()
	b, _ := build()
	if !bytes.Equal(a, b) {
		t.Error("two encodings of one formula differ")
	}
	if bytes.Contains(a, []byte("idle")) || bytes.Contains(a, []byte("unused")) {
		t.Error("the model holds what no output needs")
	}
	if diff := cmp.Diff([]string{"x[-1 3]", "w[4 3]"}, names); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
}

// TestInitializers binds weights as float32, as float16 and as a section of a file, and runs the
// model with two batch sizes.
func TestInitializers(t *testing.T) {
	enginetest.Open(t)
	folder := t.TempDir()
	external := append([]byte{9, 9, 9}, floatBytes(0.25, -2, 8)...)
	if err := os.WriteFile(filepath.Join(folder, "w.bin"), external, 0o600); err != nil {
		t.Fatal(err)
	}
	g := New()
	x := g.Input("x", Open, 3)
	y := Add(Mul(Add(x, g.Param("a", 3)), g.Param("b", 3)), g.Param("c", 3))
	model, err := g.Encode([]Output{{"y", y}}, map[string]Initializer{
		"a": {Shape: []int{3}, Data: floatBytes(1, 2, 3)},
		// 1, -2, 0.5
		"b": {DType: Float16, Shape: []int{3}, Data: []byte{0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38}},
		"c": {Shape: []int{3}, Location: "w.bin", Offset: 3, Length: 12},
	})
	if err != nil {
		t.Fatal(err)
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if err := options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", folder); err != nil {
		t.Fatal(err)
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(model, []string{"x"}, []string{"y"}, options)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	p := &program{session, []string{"x"}, []Output{{"y", y}}}
	got := p.run(t, map[string]array{"x": {[]int{2, 3}, []float32{0, 0, 0, 1, 1, 1}}})["y"]
	if diff := cmp.Diff([]float32{1.25, -6, 9.5, 2.25, -8, 10}, got.data); diff != "" {
		t.Errorf("batch of 2 (-want +got):\n%s", diff)
	}
	got = p.run(t, map[string]array{"x": {[]int{1, 3}, []float32{2, 2, 2}}})["y"]
	if diff := cmp.Diff([]float32{3.25, -10, 10.5}, got.data); diff != "" {
		t.Errorf("batch of 1 (-want +got):\n%s", diff)
	}
}

func floatBytes(vs ...float32) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, vs) // a Buffer takes everything
	return b.Bytes()
}

// TestMaxPoolTies checks that the gradient goes to the first maximum of each window.
func TestMaxPoolTies(t *testing.T) {
	g := New()
	x, weights := g.Param("x", 1, 1, 4, 4), g.Input("weights", 1, 1, 2, 2)
	loss := ReduceSum(Mul(MaxPool(x, 3, 2, 1), weights), nil, false)
	outputs := []Output{{"dx", Gradients(loss, []*Node{x})[0]}}
	got := load(t, outputs).run(t, map[string]array{
		"x":       {[]int{1, 1, 4, 4}, []float32{0, 0, 0, 0, 0, 5, 5, 0, 0, 5, 0, 0, 0, 0, 0, 0}},
		"weights": {[]int{1, 1, 2, 2}, []float32{1, 10, 100, 1000}},
	})
	// Windows cover rows and columns -1..1 and 1..3. All four see a 5; the
	// first is at (1,1) for each of them.
	want := []float32{0, 0, 0, 0, 0, 1111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if diff := cmp.Diff(want, got["dx"].data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBlocks compares gradients that are computed in blocks of the batch with the same formulas
// over an open batch, which is not divided.
func TestBlocks(t *testing.T) {
	const n, c, side = 3, 32, 80 // 2.5 MB: a block of two and one of one
	random := rand.New(rand.NewPCG(1, 2))
	fill := func(shape ...int) array {
		size, _ := product(shape)
		a := array{shape, make([]float32, size)}
		for i := range a.data {
			a.data[i] = float32(random.NormFloat64())
		}
		return a
	}
	feeds := map[string]array{"x": fill(n, c, side, side), "w": fill(c, 1, 3, 3), "scale": fill(c), "bias": fill(c)}
	gradients := func(batch int) map[string]array {
		g := New()
		x, w, scale, bias := g.Input("x", batch, c, side, side), g.Param("w", c, 1, 3, 3), g.Param("scale", c), g.Param("bias", c)
		y := Conv(x, w, nil, ConvOptions{Pad: 1, Groups: c})
		y, _, _ = BatchNormTrain(y, scale, bias, scale, bias, 1e-5, 0.1)
		y = MaxPool(y, 3, 2, 1)
		loss := ReduceMean(Mul(y, y), nil, false)
		var outputs []Output
		for i, d := range Gradients(loss, []*Node{x, w, scale, bias}) {
			outputs = append(outputs, Output{fmt.Sprint("d", i), d})
		}
		return load(t, outputs).run(t, feeds)
	}
	whole := gradients(Open)
	for name, got := range gradients(n) {
		want := make([]float64, len(whole[name].data))
		for i, v := range whole[name].data {
			want[i] = float64(v)
		}
		// 1e-4: sums of 20000 float32 terms in another order, with cancellation.
		compare(t, name, got, want, 1e-4)
	}
}

// ONNX Runtime runs a conversion of stored weights right before it is needed if it is written
// before the computation of the other operand. Otherwise it runs the conversion before everything
// that the operand depends on, so that all weights are converted at once.
func TestConversionsComeFirst(t *testing.T) {
	g := New()
	y := ReLU(g.Input("x", 2, 3))
	y = MatMul(Tanh(y), g.Param("w", 3, 2))
	model, err := g.Encode([]Output{{"y", y}}, map[string]Initializer{"w": {DType: Float16, Shape: []int{3, 2}, Data: make([]byte, 12)}})
	if err != nil {
		t.Fatal(err)
	}
	cast, relu := bytes.Index(model, []byte("Cast")), bytes.Index(model, []byte("Relu"))
	if cast < 0 || relu < 0 || cast > relu {
		t.Errorf("Cast stands at %d, Relu at %d", cast, relu)
	}
}
