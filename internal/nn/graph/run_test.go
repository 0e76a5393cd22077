package graph

import (
	"maps"
	"slices"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// array is a tensor in the tests.
type array struct {
	shape []int
	data  []float32
}

// program is an encoded graph that ONNX Runtime has loaded.
type program struct {
	session *ort.DynamicAdvancedSession
	in      []string
	outputs []Output
}

// load encodes the outputs' graph for ONNX Runtime, with unbound parameters.
func load(t testing.TB, outputs []Output) *program {
	t.Helper()
	enginetest.Open(t) // these graphs are run without the engine: it only finds and starts the library
	g := outputs[0].Node.Graph()
	model, err := g.Encode(outputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{outputs: outputs}
	inputs, params := g.Used(outputs)
	for _, n := range append(inputs, params...) {
		p.in = append(p.in, n.Name())
	}
	var out []string
	for _, o := range outputs {
		out = append(out, o.Name)
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if err := options.SetIntraOpNumThreads(2); err != nil {
		t.Fatal(err)
	}
	p.session, err = ort.NewDynamicAdvancedSessionWithONNXData(model, p.in, out, options)
	if err != nil {
		t.Fatalf("loading the model: %v", err)
	}
	t.Cleanup(func() { p.session.Destroy() })
	return p
}

// run computes the outputs from values by name.
func (p *program) run(t testing.TB, feeds map[string]array) map[string]array {
	t.Helper()
	in := make([]ort.Value, len(p.in))
	for i, name := range p.in {
		a, ok := feeds[name]
		if !ok {
			t.Fatalf("no value for %q among %v", name, slices.Sorted(maps.Keys(feeds)))
		}
		tensor, err := ort.NewTensor(longs(a.shape), a.data)
		if err != nil {
			t.Fatalf("input %q: %v", name, err)
		}
		defer tensor.Destroy()
		in[i] = tensor
	}
	out := make([]ort.Value, len(p.outputs))
	if err := p.session.Run(in, out); err != nil {
		t.Fatalf("run: %v", err)
	}
	result := map[string]array{}
	for i, v := range out {
		tensor := v.(*ort.Tensor[float32])
		result[p.outputs[i].Name] = array{ints(tensor.GetShape()), slices.Clone(tensor.GetData())}
		tensor.Destroy()
	}
	return result
}

func longs(shape []int) ort.Shape {
	out := make(ort.Shape, len(shape))
	for i, d := range shape {
		out[i] = int64(d)
	}
	return out
}

func ints(shape ort.Shape) []int {
	out := make([]int, len(shape))
	for i, d := range shape {
		out[i] = int(d)
	}
	return out
}
