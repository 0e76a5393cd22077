package network

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// ErrOneSize is in errors about networks whose formula depends on the size of pictures, so that a
// program is for one size.
var ErrOneSize = errors.New("a program of the network is for pictures of one size")

// ErrExportSize is in errors about sizes that a network does not take.
var ErrExportSize = errors.New("the network does not take pictures of that size")

// maxExportSide is the largest side in pixels that a program is exported for.
const maxExportSide = 1 << 15

// Export is the model in one program for use outside declip. Its input PortImage is RGB in [0, 1],
// which the program normalises itself.
//
// For declip's networks PortImage is [N, 3, height, width], and the outputs are PortLogits and
// PortProbabilities, [N, 1, h, w].
//
// A network of ModeWhole takes one picture, [1, 3, height, width]. CAT-Net has the inputs
// PortCoefficients [1, 1, height, width] and PortSteps [1, 1, 8, 8], too, and cat-net-dct only
// these. The output PortMap [1, 1, height, width] are the probabilities that pixels were
// manipulated. TruFor gives PortConfidence, probabilities of that shape, and both TruFor and
// PSCC-Net give PortScore [1], the picture's probability. The map of a PSCC-Net whose Spec has an
// Input keeps its own size, [1, 1, 256, 256].
//
// Height and width are in pixels. Of 0 and 0 it makes a program for pictures of any size that the
// network takes; ErrOneSize is wrapped if the network has no such program.
//
// A network that reads evidence measured in the whole picture has no such program.
func (m *Pretrained) Export(height, width int) (Program, error) {
	if m.spec.Evidence > 0 {
		return Program{}, fmt.Errorf("%v reads evidence that declip measures in the whole picture: it can't be exported", m.spec)
	}
	if height == 0 && width == 0 {
		return m.exportOpen()
	}
	if err := m.exports(height, width); err != nil {
		return Program{}, err
	}
	b, outputs := m.exported(graph.New(), height, width)
	if err := b.g.Err(); err != nil {
		return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
	}
	return b.program(outputs)
}

// SizeStep is what the sides of pictures must be multiples of in an exported program, in pixels.
func (m *Pretrained) SizeStep() int {
	if m.spec.Mode == ModeTiles || m.spec.Arch == ArchCATNet || m.spec.Arch == ArchCATNetDCT {
		return dctSide
	}
	return 1
}

// exports returns an error if there is no program for pictures of that size.
func (m *Pretrained) exports(height, width int) error {
	if err := m.fits(height, width); err != nil {
		return err
	}
	least, step := m.SizeStep(), m.SizeStep()
	if m.spec.Arch == ArchTruFor {
		least = TruForLeast
	}
	if height < least || width < least || height > maxExportSide || width > maxExportSide || height%step != 0 || width%step != 0 {
		return fmt.Errorf("%w: %v, %d x %d pixels: expected sides of %d to %d pixels, multiples of %d", ErrExportSize, m.spec,
			width, height, least, maxExportSide, step)
	}
	if side := m.spec.Input; side > 0 && (height != side || width != side) {
		return fmt.Errorf("%w: %v sees pictures scaled to %d x %d pixels, got %d x %d", ErrExportSize, m.spec, side, side, width, height)
	}
	return nil
}

// openSizes are two sizes that have no common factor but those that every network needs.
var openSizes = [2][2]int{{72, 88}, {104, 152}}

// exportOpen builds the program for two sizes: it fits every size if both are the same.
func (m *Pretrained) exportOpen() (Program, error) {
	if m.spec.Input > 0 {
		return Program{}, fmt.Errorf("%v: %w", m.spec, ErrOneSize)
	}
	var programs [2]Program
	for i, size := range openSizes {
		g := graph.New()
		pixels := [2]string{"height", "width"}
		g.OpenSize(map[string][2]string{
			PortImage: pixels, PortCoefficients: pixels, PortMap: pixels, PortConfidence: pixels,
			PortLogits: {"map_height", "map_width"}, PortProbabilities: {"map_height", "map_width"},
		})
		b, outputs := m.exported(g, size[0], size[1])
		if err := b.g.Err(); err != nil {
			return Program{}, fmt.Errorf("%v for pictures of any size: %w", m.spec, err)
		}
		var err error
		if programs[i], err = b.program(outputs); err != nil {
			return Program{}, err
		}
	}
	if !bytes.Equal(programs[0].ONNX, programs[1].ONNX) {
		return Program{}, fmt.Errorf("%v: %w", m.spec, ErrOneSize)
	}
	return programs[0], nil
}

// exported builds the program of Export in g.
func (m *Pretrained) exported(g *graph.Graph, height, width int) (*builder, []graph.Output) {
	if m.whole != nil {
		b := newBuilder(g, false)
		return b, m.whole.exported(b, height, width, m.spec.Input > 0)
	}
	image := g.Input(PortImage, graph.Open, 3, height, width)
	shape := []int{1, 3, 1, 1}
	b, logits := m.build(g, []*graph.Node{graph.Div(graph.Sub(image, g.Const(shape, Mean[:])), g.Const(shape, Std[:]))})
	return b, []graph.Output{{Name: PortLogits, Node: logits}, {Name: PortProbabilities, Node: graph.Sigmoid(logits)}}
}

// exported implements wholeNetwork. Sides are multiples of 8.
func (n *catNet) exported(b *builder, height, width int, _ bool) []graph.Output {
	var inputs []*graph.Node
	if n.pixels != nil {
		image := b.g.Input(PortImage, 1, 3, height, width)
		inputs = append(inputs, graph.Sub(graph.Scale(image, 2), b.g.Scalar(1)))
	}
	coefficients := b.g.Input(PortCoefficients, 1, 1, height, width)
	inputs = append(inputs, coefficients, b.g.Input(PortSteps, 1, 1, dctSide, dctSide))
	logits := n.batch(b, inputs).Logits
	return []graph.Output{{Name: PortMap, Node: graph.Sigmoid(graph.ResizeLike(logits, coefficients, false))}}
}

// exported implements wholeNetwork.
func (n *pscc) exported(b *builder, height, width int, scaled bool) []graph.Output {
	image := b.g.Input(PortImage, 1, 3, height, width)
	out := n.batch(b, []*graph.Node{image})
	mask := graph.Sigmoid(out.Logits)
	if !scaled {
		mask = graph.ResizeLike(mask, image, true)
	}
	return []graph.Output{
		{Name: PortMap, Node: mask},
		{Name: PortScore, Node: graph.Reshape(graph.Sigmoid(out.Score), 1)},
	}
}

// exported implements wholeNetwork.
func (n *truFor) exported(b *builder, height, width int, _ bool) []graph.Output {
	const most, full = 255, 256 // the network's levels are divided by 256
	out := n.answers(b, graph.Scale(b.g.Input(PortImage, 1, 3, height, width), float64(most)/full))
	return []graph.Output{
		{Name: PortMap, Node: graph.Sigmoid(out.large)},
		{Name: PortConfidence, Node: graph.Sigmoid(out.largeConfidence)},
		{Name: PortScore, Node: out.score},
	}
}
