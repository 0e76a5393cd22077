package graph

import (
	"fmt"
	"testing"
)

// Sizes that no scale of whole numbers gives are computed from the batch's size when the model
// runs.
func TestResizeOfAnOpenBatch(t *testing.T) {
	for _, corners := range []bool{false, true} {
		t.Run(fmt.Sprintf("corners %v", corners), func(t *testing.T) {
			g := New()
			y := Resize(g.Input("x", Open, 2, 3, 4), 5, 7, corners)
			x := array{[]int{3, 2, 3, 4}, make([]float32, 3*2*3*4)}
			in := wide{x.shape, make([]float64, len(x.data))}
			for i := range x.data {
				x.data[i] = float32(i * i % 17)
				in.data[i] = float64(x.data[i])
			}
			got := load(t, []Output{{"y", y}}).run(t, map[string]array{"x": x})
			compare(t, "y", got["y"], refBilinear(in, 5, 7, corners).data, 1e-6)
		})
	}
}
