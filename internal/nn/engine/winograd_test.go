package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// A convolution of package operators, its gradients, and one with norm and ReLU agree with ONNX
// Runtime's operations.
func TestWinograd(t *testing.T) {
	e := openWithOperators(t)
	for _, c := range []struct{ n, in, out, height, width, threads int }{
		{2, 16, 32, 16, 16, 1},
		{1, 80, 144, 7, 9, 2},
		{3, 64, 64, 30, 33, 2},
		{1, 16, 16, 1, 1, 1},
		{2, 144, 16, 3, 70, 3},
	} {
		t.Run(fmt.Sprintf("%d to %d at %d x %d", c.in, c.out, c.height, c.width), func(t *testing.T) {
			compareWinograd(t, e, c.threads, c.n, c.in, c.out, c.height, c.width)
		})
	}
}

// openWithOperators opens an engine that has our own operators. They are written for some
// processors only: on others the test is left out.
func openWithOperators(t *testing.T) *Engine {
	t.Helper()
	e := open(t)
	if !e.Winograd() {
		t.Skip("no operations for this processor")
	}
	return e
}

// runOnce loads a model, runs it once and closes it.
func runOnce(t *testing.T, e *Engine, model []byte, threads int, inputs map[string]*Tensor) map[string]*Tensor {
	t.Helper()
	session, err := e.Load(model, SessionOptions{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	got, err := session.Run(context.Background(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantClose compares outputs up to 3e-5 of the largest value of each: sums of a thousand terms in
// another order round differently by that.
func wantClose(t *testing.T, got, want map[string]*Tensor) {
	t.Helper()
	for name := range want {
		expected, actual := want[name].Float32s(), got[name].Float32s()
		var largest float64
		for _, v := range expected {
			largest = max(largest, math.Abs(float64(v)))
		}
		for i, v := range expected {
			if d := math.Abs(float64(v - actual[i])); !(d <= 3e-5*largest) {
				t.Fatalf("%s[%d] is %g, expected %g", name, i, actual[i], v)
			}
		}
	}
}

func compareWinograd(t *testing.T, e *Engine, threads, n, in, out, height, width int) {
	random := rand.New(rand.NewPCG(1, 2))
	tensor := func(shape ...int) *Tensor {
		x, err := NewEmpty(shape)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(random.NormFloat64())
		}
		return x
	}
	inputs := map[string]*Tensor{"x": tensor(n, in, height, width), "w": tensor(out, in, 5, 5), "t": tensor(n, out, height, width)}
	for _, name := range []string{"b", "scale", "shift", "mean", "variance"} {
		inputs[name] = tensor(out)
	}
	for i, v := range inputs["variance"].Float32s() {
		inputs["variance"].Float32s()[i] = 1 + v*v
	}
	run := func(own bool) map[string]*Tensor {
		g := graph.New()
		if own {
			g.Winograd()
		}
		x, w := g.Input("x", graph.Open, in, height, width), g.Param("w", out, in, 5, 5)
		v := map[string]*graph.Node{}
		for _, name := range []string{"b", "scale", "shift", "mean", "variance"} {
			v[name] = g.Param(name, out)
		}
		o := graph.ConvOptions{Pad: 2}
		y := graph.Conv(x, w, v["b"], o)
		z := graph.ConvNormReLU(x, w, v["b"], o, v["scale"], v["shift"], v["mean"], v["variance"], 1e-5)
		sum := graph.ReduceSum(graph.Mul(y, g.Input("t", graph.Open, out, height, width)), nil, false)
		grads := graph.Gradients(sum, []*graph.Node{x, w, v["b"]})
		// The gradients' own gradients.
		square := graph.ReduceSum(graph.Add(graph.ReduceSum(graph.Mul(grads[0], grads[0]), nil, false),
			graph.ReduceSum(graph.Mul(grads[1], grads[1]), nil, false)), nil, false)
		second := graph.Gradients(square, []*graph.Node{x, w})
		model, err := g.Encode([]graph.Output{{Name: "y", Node: y}, {Name: "z", Node: z}, {Name: "dx", Node: grads[0]}, {Name: "dw", Node: grads[1]},
			{Name: "db", Node: grads[2]}, {Name: "ddx", Node: second[0]}, {Name: "ddw", Node: second[1]}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return runOnce(t, e, model, threads, inputs)
	}
	wantClose(t, run(true), run(false))
}
