package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// A step with the operators of package operators gives the gradients of ONNX Runtime's operations:
// depthwise convolutions, some of them dilated, batch norms, ReLUs and max pools.
func TestTrainingOperators(t *testing.T) {
	e := openWithOperators(t)
	random := rand.New(rand.NewPCG(7, 8))
	inputs := map[string]*Tensor{}
	input := func(name string, shape ...int) {
		x, err := NewEmpty(shape)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(random.NormFloat64())
		}
		inputs[name] = x
	}
	const channels = 5
	input("x", 3, channels, 21, 18)
	weights := []string{"w1", "w2", "scale1", "shift1", "scale2", "shift2"}
	for i, name := range weights {
		if i < 2 {
			input(name, channels, 1, 3, 3)
		} else {
			input(name, channels)
		}
	}
	run := func(own bool) map[string]*Tensor {
		g := graph.New()
		if own {
			g.TrainingOperators()
		}
		x := g.Input("x", 3, channels, 21, 18)
		p := map[string]*graph.Node{}
		var wrt []*graph.Node
		for _, name := range weights {
			p[name] = g.Param(name, inputs[name].Shape()...)
			wrt = append(wrt, p[name])
		}
		norm := func(x *graph.Node, i string) (y, mean, variance *graph.Node) {
			return graph.BatchNormTrain(x, p["scale"+i], p["shift"+i], p["scale"+i], p["shift"+i], 1e-5, 0.1)
		}
		depthwise := func(x *graph.Node, i string, dilation int) *graph.Node {
			return graph.Conv(x, p["w"+i], nil, graph.ConvOptions{Pad: dilation, Dilation: dilation, Groups: channels})
		}
		y, mean, variance := norm(depthwise(x, "1", 1), "1")
		y = graph.MaxPool(graph.ReLU(y), 3, 2, 1)
		y, _, _ = norm(depthwise(y, "2", 2), "2")
		y = graph.ReLU(y)
		loss := graph.ReduceSum(graph.Mul(y, y), nil, false)
		outputs := []graph.Output{{Name: "y", Node: y}, {Name: "mean", Node: mean}, {Name: "variance", Node: variance}}
		for i, d := range graph.Gradients(loss, append(wrt, x)) {
			outputs = append(outputs, graph.Output{Name: "d" + append(weights, "x")[i], Node: d})
		}
		model, err := g.Encode(outputs, nil)
		if err != nil {
			t.Fatal(err)
		}
		return runOnce(t, e, model, 2, inputs)
	}
	wantClose(t, run(true), run(false))
}
