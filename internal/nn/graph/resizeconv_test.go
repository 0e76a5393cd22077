package graph

import (
	"math/rand/v2"
	"testing"
)

// Weighting channels before enlarging gives the same result as convolving after it.
func TestUpsampleConv(t *testing.T) {
	for _, size := range [][4]int{{16, 16, 32, 32}, {7, 5, 14, 15}, {9, 9, 9, 9}, {20, 12, 15, 16}, {2, 1, 4, 2}} {
		g := New()
		x, w, b := g.Input("x", 2, 6, size[0], size[1]), g.Input("w", 1, 6, 5, 5), g.Input("b", 1)
		outputs := []Output{
			{"direct", Conv(UpsampleBilinear(x, size[2], size[3]), w, b, ConvOptions{Pad: 2})},
			{"fast", UpsampleConv(x, w, b, size[2], size[3])},
		}
		out := load(t, outputs).run(t, map[string]array{"x": random(2, 6, size[0], size[1]), "w": random(1, 6, 5, 5), "b": random(1)})
		want := make([]float64, len(out["direct"].data))
		for i, v := range out["direct"].data {
			want[i] = float64(v)
		}
		compare(t, "fast", out["fast"], want, 1e-5) // sums of 150 products in float32, in another order
	}
}

func random(shape ...int) array {
	n, _ := product(shape)
	r := rand.New(rand.NewPCG(3, uint64(n)))
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return array{shape, data}
}
