package train

import (
	"fmt"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/graph"
	"github.com/declip/declip/internal/network"
)

// formula is a training step: forward, loss, gradients, optimizer.
type formula struct {
	g       *graph.Graph
	config  Config
	model   Model
	fixed   map[string]graph.Initializer // parameters that no step changes
	outputs []graph.Output
	states  []network.Param // zeros: what the optimizer starts from
	given   []string        // inputs with what is known of the pictures

	correct1, correct2 *graph.Node // of AdamW's moments, once made
}

func (f *formula) build(shape dataset.Shape) error {
	n := f.config.BatchSize
	target := f.g.Input(inTarget, n, 1, shape.TargetHeight, shape.TargetWidth)
	logits, updates := f.forward(shape)
	if err := f.g.Err(); err != nil {
		return err
	}
	if got := logits.Shape(); len(got) != 4 || got[2] != shape.TargetHeight || got[3] != shape.TargetWidth {
		return fmt.Errorf("the network's map has shape %v, expected %v", got, []int{n, 1, shape.TargetHeight, shape.TargetWidth})
	}
	loss := f.loss(logits, target)
	f.output(outLoss, graph.Reshape(loss, 1))
	f.update(loss)
	f.fixed = map[string]graph.Initializer{}
	for _, p := range f.model.Params() { // in a fixed order, so that the bytes are the same each time
		if node := updates[p.Name]; node != nil {
			f.output(newValue+p.Name, node)
		} else if !p.Trainable {
			// As a constant it can be folded into its neighbours and laid out for the processor.
			f.fixed[p.Name] = network.Initializer(p)
		}
	}
	return f.g.Err()
}

// forward adds the network, and the inputs that it takes.
func (f *formula) forward(shape dataset.Shape) (logits *graph.Node, updates map[string]*graph.Node) {
	input := func(name string, dims ...int) *graph.Node {
		f.given = append(f.given, name)
		return f.g.Input(name, append([]int{f.config.BatchSize}, dims...)...)
	}
	head, ok := f.model.(Head)
	if !ok {
		return f.model.(Whole).Build(f.g, input(inImage, 3, shape.Height, shape.Width), true)
	}
	var features []*graph.Node
	for i, s := range head.Shapes() {
		features = append(features, input(network.FeatureInput(i), s.Shape()[1:]...))
	}
	return head.BuildDecoder(f.g, features, true)
}

func (f *formula) output(name string, node *graph.Node) {
	f.outputs = append(f.outputs, graph.Output{Name: name, Node: node})
}

// loss is the binary cross-entropy with logits z and soft targets t, mean of
// w t softplus(-z) + (1-t) softplus(z), with w = 1 as published; plus the Dice term.
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

// update adds the gradients, limited to a global norm where asked for, and the optimizer.
func (f *formula) update(loss *graph.Node) {
	var trained []network.Param
	var nodes []*graph.Node
	params := map[string]*graph.Node{}
	_, used := f.g.Used([]graph.Output{{Name: outLoss, Node: loss}})
	for _, p := range used {
		params[p.Name()] = p
	}
	for _, p := range f.model.Params() {
		if node := params[p.Name]; p.Trainable && node != nil {
			trained, nodes = append(trained, p), append(nodes, node)
		}
	}
	grads := graph.Gradients(loss, nodes)
	norm := f.norm(grads)
	f.output(outNorm, norm)
	if f.config.Clip > 0 {
		// clip / max(norm, clip): 1 up to the limit
		scale := graph.Div(f.g.Scalar(float32(f.config.Clip)), graph.Max(norm, f.g.Scalar(float32(f.config.Clip))))
		for i := range grads {
			grads[i] = graph.Mul(grads[i], scale)
		}
	}
	rate := f.g.Input(inRate, 1)
	for i, p := range trained {
		if f.config.Optimizer == SGD {
			f.output(newValue+p.Name, graph.SGD(nodes[i], grads[i], rate, f.config.WeightDecay))
			continue
		}
		f.adamW(p, nodes[i], grads[i], rate)
	}
}

// adamW adds the update of one parameter and its two moments.
func (f *formula) adamW(p network.Param, value, grad, rate *graph.Node) {
	if f.correct1 == nil {
		f.correct1, f.correct2 = f.g.Input(inCorrect1, 1), f.g.Input(inCorrect2, 1)
	}
	moments := [2]network.Param{{Name: "m." + p.Name, Shape: p.Shape}, {Name: "v." + p.Name, Shape: p.Shape}}
	var old [2]*graph.Node
	for i := range moments {
		moments[i].Data = make([]float32, len(p.Data))
		old[i] = f.g.Input(moments[i].Name, p.Shape...)
	}
	step := graph.AdamWStep{Rate: rate, Correction1: f.correct1, Correction2: f.correct2}
	next, m, v := graph.AdamW(value, grad, old[0], old[1], step, f.config.adamW())
	f.output(newValue+p.Name, next)
	f.output(newValue+moments[0].Name, m)
	f.output(newValue+moments[1].Name, v)
	f.states = append(f.states, moments[0], moments[1])
}

// adamW are the published constants with the decay asked for.
func (c Config) adamW() graph.AdamWOptions {
	o := graph.DefaultAdamW()
	o.WeightDecay = c.WeightDecay
	return o
}

// norm is the square root of the sum of all squared gradients: [1].
func (f *formula) norm(grads []*graph.Node) *graph.Node {
	var total *graph.Node
	for _, d := range grads {
		sum := graph.Reshape(graph.ReduceSum(graph.Mul(d, d), nil, false), 1)
		if total == nil {
			total = sum
		} else {
			total = graph.Add(total, sum)
		}
	}
	return graph.Sqrt(total)
}
