package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// Names of what a standalone program takes and gives.
const (
	StandaloneInput         = "image"
	StandaloneLogits        = "logits"
	StandaloneProbabilities = "probabilities"
)

// Standalone is the model in one program for use outside this one: input "image" [N, 3, height, width], RGB in [0, 1],
// the normalisation by Mean and Std being a part of the program; outputs "logits" and "probabilities"
// [N, 1, h, w]. Height and width are as for Whole.
func (m *Model) Standalone(height, width int) (Program, error) {
	if err := m.fits(height, width); err != nil {
		return Program{}, err
	}
	g := graph.New()
	image := g.Input(StandaloneInput, graph.Open, 3, height, width)
	shape := []int{1, 3, 1, 1}
	x := graph.Div(graph.Sub(image, g.Const(shape, Mean[:])), g.Const(shape, Std[:]))
	b, logits := m.build(g, x)
	if err := g.Err(); err != nil {
		return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
	}
	return b.program([]graph.Output{
		{Name: StandaloneLogits, Node: logits},
		{Name: StandaloneProbabilities, Node: graph.Sigmoid(logits)},
	})
}
