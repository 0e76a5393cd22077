package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// A convolution with tanh as one of our operators agrees with ONNX Runtime's two operations, up to
// 2e-6: for odd sizes, several pictures and several threads. The pool after it sees its shape.
func TestConvTanh(t *testing.T) {
	e := openWithOperators(t)
	for _, c := range []struct{ n, in, out, height, width, threads int }{
		{1, 3, 8, 1, 1, 1},
		{2, 3, 8, 33, 67, 2},
		{3, 1, 16, 8, 64, 3},
		{1, 4, 5, 130, 17, 2},
		{1, 5, 8, 9, 9, 2}, // too many channels for the operator
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			random := rand.New(rand.NewPCG(4, 5))
			x, err := NewEmpty([]int{c.n, c.in, c.height, c.width})
			if err != nil {
				t.Fatal(err)
			}
			for i := range x.Float32s() {
				x.Float32s()[i] = float32(random.NormFloat64())
			}
			kernel := make([]float32, c.out*c.in*9)
			for i := range kernel {
				kernel[i] = float32(random.NormFloat64()) * float32(i%2) / 2
			}
			run := func(own bool) map[string]*Tensor {
				g := graph.New()
				if own {
					g.Winograd()
				}
				w := g.Const([]int{c.out, c.in, 3, 3}, kernel)
				y := graph.ConvTanh(g.Input("x", graph.Open, c.in, c.height, c.width), w, graph.ConvOptions{Pad: 1})
				model, err := g.Encode([]graph.Output{{Name: "y", Node: y}, {Name: "pool", Node: graph.MaxPool(y, 3, 2, 1)}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				return runOnce(t, e, model, c.threads, map[string]*Tensor{"x": x})
			}
			got, want := run(true), run(false)
			for name := range want {
				for i, v := range want[name].Float32s() {
					if d := math.Abs(float64(got[name].Float32s()[i] - v)); !(d <= 2e-6) {
						t.Fatalf("%s[%d] is %g, expected %g", name, i, got[name].Float32s()[i], v)
					}
				}
			}
		})
	}
}
