package train

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
)

// A step is its gradients and an update: the gradients of one step, given to another, lead to the
// same weights.
func TestUpdate(t *testing.T) {
	shape := dataset.Shape{Height: 16, Width: 16, TargetHeight: 4, TargetWidth: 4}
	images, target := make([]float32, 2*3*16*16), make([]float32, 2*4*4)
	for i := range images {
		images[i] = float32(math.Sin(float64(i)))
	}
	target[5], target[20] = 1, 1
	steps := [2]*Step{}
	c := DefaultConfig()
	c.BatchSize = 2
	for i := range steps {
		s, err := NewStep(open(t), newTiny(network.ModeTiles), c, shape)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		steps[i] = s
	}
	inputs, masks := given(t, &dataset.Batch{Images: images, Target: target}, shape)
	_, norm, err := steps[0].Run(context.Background(), inputs, masks, 0, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range steps[1].Gradients() {
		copy(g.Data, steps[0].Gradients()[i].Data)
	}
	if got := steps[1].Update(0, 0.01); got != norm || norm == 0 {
		t.Errorf("the norm is %g, want %g", got, norm)
	}
	for i, p := range steps[1].Params() {
		if p.Trainable && !slices.Equal(p.Data, steps[0].Params()[i].Data) {
			t.Errorf("%s: got %v, want %v", p.Name, p.Data, steps[0].Params()[i].Data)
		}
	}
}
