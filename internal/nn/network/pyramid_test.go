package network

import (
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
)

// A cell's four values become channels in reading order, and return to their positions.
func TestCells(t *testing.T) {
	g := graph.New()
	c := cells(g.Input("image", 2, 1, 4, 6))
	model, err := g.Encode([]graph.Output{{Name: "cells", Node: c}, {Name: "back", Node: interleaved(c)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 2*4*6)
	for i := range x {
		x[i] = float32(i)
	}
	e := enginetest.Open(t)
	// The top left values of the first picture's 2 x 3 cells, then their top right values.
	if got, want := run(t, e, model, []int{2, 1, 4, 6}, x, "cells")[:12], []float32{0, 2, 4, 12, 14, 16, 1, 3, 5, 13, 15, 17}; !slices.Equal(got, want) {
		t.Errorf("cells begin with %v, expected %v", got, want)
	}
	if got := run(t, e, model, []int{2, 1, 4, 6}, x, "back"); !slices.Equal(got, x) {
		t.Errorf("there and back is %v", got)
	}
}

// The pyramid adds to the context decoder's logits: nothing if its last layer is zero, otherwise
// the layer's bias.
func TestPyramidCorrects(t *testing.T) {
	e := enginetest.Open(t)
	context, n := mustNew(t, small(), 3), mustNew(t, pyramid(), 4)
	if err := n.TakeBackbone(context); err != nil {
		t.Fatal(err)
	}
	clear(param(t, n, "pyramid.out.weight").Data)
	bias := param(t, n, "pyramid.out.bias").Data
	copy(bias, []float32{1, 2, 3, 4})
	const side = 8 // 32 pixels at stride 4
	got, plain := logits(t, e, n), logits(t, e, context)
	for i, v := range got {
		want := float64(plain[i] + bias[i/side%2*2+i%2])
		if math.Abs(float64(v)-want) > 1e-5 {
			t.Fatalf("place %d has %g, expected %g", i, v, want)
		}
	}
}

// Sides that are multiples of 8 only give odd maps on the way down, and the right size on the way
// up.
func TestPyramidSides(t *testing.T) {
	n := mustNew(t, pyramid(), 1)
	for _, side := range [][2]int{{8, 8}, {32, 96}, {72, 200}} {
		g := graph.New()
		y := n.Build(g, []*graph.Node{g.Input("image", 1, 3, side[0], side[1])}, false).Logits
		if err := g.Err(); err != nil || !slices.Equal(y.Shape(), []int{1, 1, side[0] / 4, side[1] / 4}) {
			t.Errorf("%d x %d pixels: logits %v, %v", side[1], side[0], y.Shape(), err)
		}
	}
}
