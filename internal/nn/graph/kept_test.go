package graph

import (
	"slices"
	"testing"
)

// TestKeptForGradients builds a step of two convolutions, each with a norm and a ReLU, and checks
// that the backward pass keeps little of the forward pass: no map after a ReLU, and nothing of the
// last layer when it reaches the first.
func TestKeptForGradients(t *testing.T) {
	g := New()
	x := g.Input("x", 2, 3, 6, 6)
	var weights, maps []*Node
	for _, layer := range []string{"a", "b"} {
		vector := func(name string) *Node { return g.Param(layer+name, 4) }
		w := g.Param(layer, 4, x.Dim(1), 3, 3)
		x, _, _ = BatchNormTrain(Conv(x, w, nil, ConvOptions{Pad: 1}), vector("scale"), vector("bias"), vector("mean"), vector("var"), 1e-5, 0.1)
		x = ReLU(x)
		weights, maps = append(weights, w), append(maps, x)
	}
	loss := ReduceMean(Mul(x, x), nil, false)
	grads := Gradients(loss, weights)
	outputs := []Output{{"loss", loss}, {"first", grads[0]}, {"last", grads[1]}}
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}

	for id, used := range g.needed(outputs) {
		if used && id > loss.call.id && slices.Contains(g.calls[id].in, maps[0]) {
			t.Errorf("%s of the backward pass takes the first layer's map", g.calls[id].op.name())
		}
	}
	order := g.order(outputs)
	for i, id := range order {
		for _, in := range g.calls[id].in {
			if at := slices.Index(order, in.call.id); at < 0 || at > i {
				t.Errorf("%s is at %d, what it takes at %d", g.calls[id].op.name(), i, at)
			}
		}
	}
	// ONNX Runtime starts at the end.
	want := []int{grads[0].call.id, grads[1].call.id, loss.call.id}
	if got := order[len(order)-3:]; !slices.Equal(got, want) {
		t.Errorf("the last three are %v, expected %v: the gradients by the first and the last weights, and the loss", got, want)
	}
}
