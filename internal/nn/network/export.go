package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// Export is the model in one program for use outside declip: input PortImage [N, 3, height, width],
// RGB in [0, 1], normalised by the program; outputs PortLogits and PortProbabilities [N, 1, h, w].
// Height and width are as for Program. A network of ModeWhole has the ports of Program.
func (m *Pretrained) Export(height, width int) (Program, error) {
	if m.whole != nil {
		return m.Program(height, width)
	}
	if err := m.fits(height, width); err != nil {
		return Program{}, err
	}
	g := graph.New()
	image := g.Input(PortImage, graph.Open, 3, height, width)
	shape := []int{1, 3, 1, 1}
	x := graph.Div(graph.Sub(image, g.Const(shape, Mean[:])), g.Const(shape, Std[:]))
	b, logits := m.build(g, x)
	if err := g.Err(); err != nil {
		return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
	}
	return b.program([]graph.Output{
		{Name: PortLogits, Node: logits},
		{Name: PortProbabilities, Node: graph.Sigmoid(logits)},
	})
}
