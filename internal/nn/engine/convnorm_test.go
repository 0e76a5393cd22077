package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// A 3 x 3 convolution with a norm, a sum and a ReLU as one of our operators, or with the norm in
// its kernel, agrees with ONNX Runtime's operations.
func TestConvNorm(t *testing.T) {
	e := openWithOperators(t)
	for _, c := range []struct {
		in, out, side, stride int
		bias, sum, relu       bool
	}{
		{16, 32, 40, 1, false, true, true},
		{48, 48, 31, 1, true, false, true},
		{32, 16, 36, 1, false, false, false},
		{16, 16, 12, 1, false, true, true}, // too few tiles
		{16, 32, 33, 2, true, true, true},
		{6, 5, 40, 1, false, true, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			random := rand.New(rand.NewPCG(8, 9))
			inputs := map[string]*Tensor{}
			outSide := (c.side + c.stride - 1) / c.stride
			run := func(own bool) []float32 {
				g := graph.New()
				if own {
					g.Winograd3x3()
				}
				input := func(name string, shape ...int) *graph.Node {
					if inputs[name] == nil {
						x, err := NewEmpty(shape)
						if err != nil {
							t.Fatal(err)
						}
						for i := range x.Float32s() {
							x.Float32s()[i] = 0.2 + random.Float32()
						}
						inputs[name] = x
					}
					return g.Input(name, shape...)
				}
				x, w := input("x", 2, c.in, c.side, c.side), input("w", c.out, c.in, 3, 3)
				norm := graph.NormOf{Scale: input("scale", c.out), Shift: input("shift", c.out), Mean: input("mean", c.out),
					Variance: input("variance", c.out), Eps: 1e-5}
				var b, sum *graph.Node
				if c.bias {
					b = input("b", c.out)
				}
				if c.sum {
					sum = input("sum", 2, c.out, outSide, outSide)
				}
				y := graph.ConvNorm(x, w, b, graph.ConvOptions{Pad: 1, Stride: c.stride}, norm, sum, c.relu)
				model, err := g.Encode([]graph.Output{{Name: "y", Node: y}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				return runOnce(t, e, model, 2, inputs)["y"].Float32s()
			}
			want, largest := run(false), 0.0
			for _, v := range want {
				largest = max(largest, math.Abs(float64(v)))
			}
			for i, v := range run(true) {
				if d := math.Abs(float64(v - want[i])); !(d <= 3e-5*largest) {
					t.Fatalf("value %d is %g, expected %g", i, v, want[i])
				}
			}
		})
	}
}
