package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/graph"
)

// A convolution and its gradients give the same in blocks of channels.
func TestBlockedConvolution(t *testing.T) {
	e := open(t)
	if !e.Blocks() {
		t.Skip("this processor's blocks are not of 16 channels")
	}
	for _, c := range []struct{ n, in, out, height, width int }{
		{2, 16, 32, 64, 64},
		{2, 64, 64, 16, 32}, // the gradient by the kernel, too
		{3, 65, 64, 16, 16}, // only that
	} {
		t.Run(fmt.Sprintf("%d to %d at %d x %d", c.in, c.out, c.height, c.width), func(t *testing.T) {
			compareBlocked(t, e, c.n, c.in, c.out, c.height, c.width)
		})
	}
}

// compareBlocked compares a 5x5 convolution in blocks and its gradients with those that are not.
func compareBlocked(t *testing.T, e *Engine, n, in, out, height, width int) {
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
	inputs := map[string]*Tensor{"x": tensor(n, in, height, width), "w": tensor(out, in, 5, 5), "b": tensor(out), "t": tensor(n, out, height, width)}
	run := func(block int) map[string]*Tensor {
		g := graph.New()
		g.Blocked(block)
		x, w, b := g.Input("x", n, in, height, width), g.Param("w", out, in, 5, 5), g.Param("b", out)
		y := graph.Conv(x, w, b, graph.ConvOptions{Pad: 2})
		grads := graph.Gradients(graph.ReduceSum(graph.Mul(y, g.Input("t", n, out, height, width)), nil, false), []*graph.Node{x, w})
		model, err := g.Encode([]graph.Output{{Name: "y", Node: y}, {Name: "dx", Node: grads[0]}, {Name: "dw", Node: grads[1]}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		session, err := e.Load(model, SessionOptions{})
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
	want := run(0)
	for name, got := range run(16) {
		for i, v := range want[name].Float32s() {
			// Sums of some hundreds of products of order 1, in another order.
			if d := math.Abs(float64(v - got.Float32s()[i])); d > 1e-4*max(1, math.Abs(float64(v))) {
				t.Fatalf("%s[%d] is %g in blocks, %g without", name, i, got.Float32s()[i], v)
			}
		}
	}
}
