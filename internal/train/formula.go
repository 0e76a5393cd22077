package train

import (
	"fmt"

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
	logits, updates := f.forward(shape)
	if err := f.g.Err(); err != nil {
		return err
	}
	if got := logits.Shape(); len(got) != 4 || got[2] != shape.TargetHeight || got[3] != shape.TargetWidth {
		return fmt.Errorf("the network's map has shape %v, expected %v", got, []int{n, 1, shape.TargetHeight, shape.TargetWidth})
	}
	if f.config.Supervision == Detection {
		logits = graph.ReduceMean(logits, []int{2, 3}, true)
	}
	loss := f.loss(logits, target)
	f.output(outLoss, graph.Reshape(loss, 1))
	f.differentiate(loss)
	f.fixed = map[string]graph.Initializer{}
	for _, p := range f.network.Params() { // in a fixed order: the same bytes each time
		if node := updates[p.Name]; node != nil {
			f.output(newValue+p.Name, node)
		} else if !p.Trainable {
			// As a constant it can be merged with its neighbours and packed.
			// As a constant it can be merged with its neighbours and packed.
			f.fixed[p.Name] = network.Initializer(p)
		}
	}
	return f.g.Err()
}

// forward adds the network and its inputs.
func (f *formula) forward(shape dataset.Shape) (logits *graph.Node, updates map[string]*graph.Node) {
	input := func(name string, dims ...int) *graph.Node {
		f.given = append(f.given, name)
		return f.g.Input(name, append([]int{f.config.BatchSize}, dims...)...)
	}
	var inputs []*graph.Node
	for i, u := range f.network.Uses() {
		inputs = append(inputs, input(network.FeatureInput(i), u.Features().Shape()[1:]...))
	}
	if inputs == nil {
		inputs = append(inputs, input(inImage, 3, shape.Height, shape.Width))
	}
	return f.network.Build(f.g, inputs, true)
}

func (f *formula) output(name string, node *graph.Node) {
	f.outputs = append(f.outputs, graph.Output{Name: name, Node: node})
}

// loss is the mean over all cells of the binary cross-entropy with logits z and soft targets t, w t
// softplus(-z) + (1-t) softplus(z), with w = 1 as published, plus the Dice term.
func (f *formula) loss(z, t *graph.Node) *graph.Node {
	g, l := f.g, f.config.Loss
	var loss *graph.Node
	if l.Positive == 1 {
		loss = graph.BCEWithLogits(z, t)
	} else {
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
