package train

import (
	"fmt"
	"maps"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
)

// formula is the graph of a training step: forward pass, loss, gradients, new running statistics.
// The optimizer is not part of it.
type formula struct {
	g       *graph.Graph
	config  Config
	network Network
	fixed   map[string]graph.Initializer // frozen parameters
	folder  string                       // of the files with those that stay in files
	outputs []graph.Output
	trained []string // names of the parameters that have a gradient
	given   []string // names of the inputs derived from the pictures
}

func (f *formula) build(shape dataset.Shape) error {
	n := f.config.BatchSize
	target := f.g.Input(inTarget, n, 1, shape.TargetHeight, shape.TargetWidth)
	if f.config.Supervision == Detection {
		target = f.g.Input(inLabel, n, 1, 1, 1)
	}
	built := f.forward(shape)
	if err := f.g.Err(); err != nil {
		return err
	}
	if got := built.Logits.Shape(); len(got) != 4 || got[2] != shape.TargetHeight || got[3] != shape.TargetWidth {
		return fmt.Errorf("the network's map has shape %v, expected %v", got, []int{n, 1, shape.TargetHeight, shape.TargetWidth})
	}
	loss := f.total(built, target)
	f.output(outLoss, graph.Reshape(loss, 1))
	f.differentiate(loss)
	f.fixed = map[string]graph.Initializer{}
	for _, p := range f.network.Params() { // in a fixed order: the same bytes each time
		if node := built.Updates[p.Name]; node != nil {
			f.output(newValue+p.Name, node)
		} else if !p.Trainable {
			// As a constant it can be merged with its neighbours and packed.
			f.fixed[p.Name] = network.Initializer(p)
		}
	}
	if n, ok := f.network.(network.WeightsInFiles); ok {
		frozen, folder, err := n.Frozen()
		if err != nil {
			return err
		}
		maps.Copy(f.fixed, frozen)
		f.folder = folder
	}
	return f.g.Err()
}

// forward adds the network and its inputs.
func (f *formula) forward(shape dataset.Shape) network.Built {
	input := func(name string, dims ...int) *graph.Node {
		f.given = append(f.given, name)
		return f.g.Input(name, append([]int{f.config.BatchSize}, dims...)...)
	}
	var inputs []*graph.Node
	for i, u := range f.network.Uses() {
		inputs = append(inputs, input(network.FeatureInput(i), u.Features().Shape()[1:]...))
	}
	if inputs == nil {
		for _, port := range f.network.Spec().Inputs() {
			name := inputOf[port]
			inputs = append(inputs, input(name, exampleShape(name, shape)...))
		}
	}
	return f.network.Build(f.g, inputs, true)
}

// exampleShape is the shape of one example's input.
func exampleShape(name string, s dataset.Shape) []int {
	switch name {
	case inCoefficients:
		return []int{1, s.Height, s.Width}
	case inSteps:
		return []int{1, 8, 8}
	case inEvidence:
		return []int{network.EvidenceChannels, s.Height / 8, s.Width / 8}
	case inLabel:
		return []int{1, 1, 1}
	}
	return []int{3, s.Height, s.Width}
}

// total is the loss of all that the network gives: its map, its coarser maps against the target
// averaged to their sizes, and its score of the whole picture against the label. Each counts once.
func (f *formula) total(built network.Built, target *graph.Node) *graph.Node {
	if f.config.Supervision == Detection {
		loss := f.loss(graph.ReduceMean(built.Logits, []int{2, 3}, true), target)
		if built.Score != nil {
			loss = graph.Add(loss, graph.BCEWithLogits(built.Score, target))
		}
		return loss
	}
	loss := f.loss(built.Logits, target)
	for _, z := range built.Coarser {
		// Half the size without aligned corners: the mean of 2 x 2 cells.
		target = graph.Resize(target, z.Dim(2), z.Dim(3), false)
		loss = graph.Add(loss, f.loss(z, target))
	}
	if built.Score != nil {
		f.given = append(f.given, inLabel)
		label := f.g.Input(inLabel, f.config.BatchSize, 1, 1, 1)
		loss = graph.Add(loss, graph.BCEWithLogits(built.Score, label))
	}
	return loss
}

func (f *formula) output(name string, node *graph.Node) {
	f.outputs = append(f.outputs, graph.Output{Name: name, Node: node})
}

// loss is the mean over all cells of the binary cross-entropy with logits z and soft targets t, w t
// softplus(-z) + (1-t) softplus(z), with w = 1 as published, plus the Dice term.
func (f *formula) loss(z, t *graph.Node) *graph.Node {
	g, l := f.g, f.config.Loss
	var loss *graph.Node
	switch {
	case l.Balanced:
		loss = f.balanced(z, t)
	case l.Positive == 1:
		loss = graph.BCEWithLogits(z, t)
	default:
		positive := graph.Mul(graph.Scale(t, l.Positive), graph.Softplus(graph.Neg(z)))
		negative := graph.Mul(graph.Sub(g.Scalar(1), t), graph.Softplus(z))
		loss = graph.ReduceMean(graph.Add(positive, negative), nil, false)
	}
	if l.Dice == 0 {
		return loss
	}
	sum := func(x *graph.Node) *graph.Node { return graph.ReduceSum(x, []int{1, 2, 3}, false) }
	p := graph.Sigmoid(z)
	slack := g.Scalar(float32(z.Dim(2)*z.Dim(3)) / 100)
	overlap := graph.Add(graph.Scale(sum(graph.Mul(p, t)), 2), slack)
	total := graph.Add(graph.Add(sum(p), sum(t)), slack)
	dice := graph.Sub(g.Scalar(1), graph.ReduceMean(graph.Div(overlap, total), nil, false))
	return graph.Add(loss, graph.Scale(dice, l.Dice))
}

// balanced is the mean of two means: of the cross-entropy over the batch's manipulated cells,
// weighed by Positive, and over its untouched cells. A part of less than a cell counts less.
func (f *formula) balanced(z, t *graph.Node) *graph.Node {
	part := func(share, logits *graph.Node, weight float64) *graph.Node {
		area := graph.Max(graph.ReduceSum(share, nil, false), f.g.Scalar(1))
		return graph.Scale(graph.Div(graph.ReduceSum(graph.Mul(share, graph.Softplus(logits)), nil, false), area), weight/2)
	}
	return graph.Add(part(t, graph.Neg(z), f.config.Loss.Positive), part(graph.Sub(f.g.Scalar(1), t), z, 1))
}

// differentiate adds the gradients of the loss with respect to all trained parameters that it
// depends on.
func (f *formula) differentiate(loss *graph.Node) {
	var nodes []*graph.Node
	params := map[string]*graph.Node{}
	_, used := f.g.Used([]graph.Output{{Name: outLoss, Node: loss}})
	for _, p := range used {
		params[p.Name()] = p
	}
	for _, p := range f.network.Params() {
		if node := params[p.Name]; p.Trainable && node != nil {
			f.trained, nodes = append(f.trained, p.Name), append(nodes, node)
		}
	}
	for i, grad := range graph.Gradients(loss, nodes) {
		f.output(gradOf+f.trained[i], grad)
	}
}
