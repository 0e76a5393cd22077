package autoencoder

import (
	"context"
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
)

// Names of the step graph's inputs and outputs.
const (
	inPictures = "pictures" // [N, 3, Crop, Crop]
	inRate     = "rate"     // [1], learning rate
	inCorrect1 = "correct1" // [1], see graph.AdamWStep
	inCorrect2 = "correct2" // [1]
	inTheta    = "theta"    // all weights in a row
	inFirst    = "first"    // AdamW's moments
	inSecond   = "second"
	outLoss    = "loss"
	newValue   = "new."
)

// The loss is the mean squared error plus the errors of the differences between neighbouring pixels, so that edges stay.
const (
	edgeWeight = 0.5
	clip       = 1.0 // largest norm of the gradient
)

// trainer holds the step's session and two sets of weights and moments that change places.
type trainer struct {
	session *engine.Session
	config  Config
	pixels  *engine.Tensor
	scalars map[string]*engine.Tensor
	sets    [2]map[string]*engine.Tensor
	current int
}

func newTrainer(e *engine.Engine, c Config) (*trainer, error) {
	outputs, err := stepFormula(c)
	if err != nil {
		return nil, err
	}
	model, err := outputs[0].Node.Graph().Encode(outputs, nil)
	if err != nil {
		return nil, err
	}
	t := &trainer{config: c, scalars: map[string]*engine.Tensor{}}
	if t.pixels, err = engine.NewEmpty([]int{c.Batch, 3, c.Crop, c.Crop}); err != nil {
		return nil, err
	}
	for _, name := range []string{inRate, inCorrect1, inCorrect2, outLoss} {
		if t.scalars[name], err = engine.NewEmpty([]int{1}); err != nil {
			return nil, err
		}
	}
	size := c.Shape.size()
	for i := range t.sets {
		t.sets[i] = map[string]*engine.Tensor{}
		for _, name := range []string{inTheta, inFirst, inSecond} {
			if t.sets[i][name], err = engine.NewEmpty([]int{size}); err != nil {
				return nil, err
			}
		}
	}
	copy(t.weights(), c.Shape.initial(c.Seed))
	t.session, err = e.Load(model, engine.SessionOptions{})
	return t, err
}

// stepFormula is a training step: the loss, and weights and moments after it. The weights are one vector, of which the
// layers take slices: one update serves them all.
func stepFormula(c Config) ([]graph.Output, error) {
	g := graph.New()
	size := c.Shape.size()
	x := g.Input(inPictures, c.Batch, 3, c.Crop, c.Crop)
	theta, first, second := g.Input(inTheta, size), g.Input(inFirst, size), g.Input(inSecond, size)
	step := graph.AdamWStep{Rate: g.Input(inRate, 1), Correction1: g.Input(inCorrect1, 1), Correction2: g.Input(inCorrect2, 1)}

	var nodes []*graph.Node
	slices := map[string]*graph.Node{}
	at := 0
	for _, p := range c.Shape.parts() {
		node := graph.Reshape(graph.Slice(theta, 0, at, at+p.size()), p.shape...)
		nodes, slices[p.name] = append(nodes, node), node
		at += p.size()
	}
	weights := func(p part) *graph.Node { return slices[p.name] }
	loss := loss(decoder(weights, encoder(weights, x, c.Shape), c.Shape), x)

	grads := graph.Gradients(loss, nodes)
	for i := range grads {
		grads[i] = graph.Reshape(grads[i], c.Shape.parts()[i].size())
	}
	grad := graph.Concat(0, grads...)
	norm := graph.Reshape(graph.Sqrt(graph.ReduceSum(graph.Mul(grad, grad), nil, false)), 1)
	grad = graph.Mul(grad, graph.Div(g.Scalar(clip), graph.Max(norm, g.Scalar(clip))))
	newTheta, newFirst, newSecond := graph.AdamW(theta, grad, first, second, step, adamW)
	return []graph.Output{{Name: outLoss, Node: loss}, {Name: newValue + inTheta, Node: newTheta},
		{Name: newValue + inFirst, Node: newFirst}, {Name: newValue + inSecond, Node: newSecond}}, g.Err()
}

// adamW has a shorter memory for squares than the default, as short trainings want it.
var adamW = graph.AdamWOptions{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}

// loss compares pictures y with x, both [N, 3, H, W] in [-1,1].
func loss(y, x *graph.Node) *graph.Node {
	d := graph.Sub(y, x)
	square := func(v *graph.Node) *graph.Node {
		return graph.Reshape(graph.ReduceMean(graph.Mul(v, v), nil, false), 1)
	}
	edges := func(axis int) *graph.Node {
		n := d.Dim(axis)
		return square(graph.Sub(graph.Slice(d, axis, 1, n), graph.Slice(d, axis, 0, n-1)))
	}
	return graph.Add(square(d), graph.Scale(graph.Add(edges(2), edges(3)), edgeWeight))
}

// batch is what the next step's pictures are written to.
func (t *trainer) batch() []float32 { return t.pixels.Float32s() }

// weights are the latest.
func (t *trainer) weights() []float32 { return t.sets[t.current][inTheta].Float32s() }

// run takes the step of the given number, from 0, and returns its loss.
func (t *trainer) run(ctx context.Context, number int) (float64, error) {
	t.scalars[inRate].Float32s()[0] = float32(t.config.rate(number))
	t.scalars[inCorrect1].Float32s()[0], t.scalars[inCorrect2].Float32s()[0] = adamW.Corrections(number + 1)
	inputs := map[string]*engine.Tensor{inPictures: t.pixels}
	outputs := map[string]*engine.Tensor{outLoss: t.scalars[outLoss]}
	for _, name := range []string{inRate, inCorrect1, inCorrect2} {
		inputs[name] = t.scalars[name]
	}
	for name, tensor := range t.sets[t.current] {
		inputs[name] = tensor
		outputs[newValue+name] = t.sets[1-t.current][name]
	}
	if _, err := t.session.Run(ctx, inputs, outputs); err != nil {
		return 0, err
	}
	t.current = 1 - t.current
	return float64(t.scalars[outLoss].Float32s()[0]), nil
}

// rate rises over the first twentieth of the steps and falls as half a cosine to a fiftieth.
func (c Config) rate(step int) float64 {
	warm := max(1, c.Steps/20)
	if step < warm {
		return c.LR * float64(step+1) / float64(warm)
	}
	done := float64(step-warm) / float64(max(1, c.Steps-warm))
	return c.LR * (0.02 + 0.98*(1+math.Cos(math.Pi*done))/2)
}

func (t *trainer) close() {
	if t.session != nil {
		t.session.Close()
	}
}
