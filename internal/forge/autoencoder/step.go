package autoencoder

import (
	"context"
	"errors"
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/optimizer"
)

// Names of the step graph's inputs and outputs.
const (
	inPictures = "pictures" // [N, 3, Crop, Crop]
	inTheta    = "theta"    // all weights in one vector
	outLoss    = "loss"     // [1]
	outGrad    = "gradient" // of theta, clipped
)

// The loss is the mean squared error plus the squared errors of the differences between
// neighbouring pixels, which keep edges sharp.
const (
	edgeWeight = 0.5
	clip       = 1.0 // largest norm of the gradient
)

// trainer holds the session that gives the gradient, and the weights that the optimizer moves by
// it.
type trainer struct {
	session         *engine.Session
	config          Config
	workers         int
	inputs, outputs map[string]*engine.Tensor
	slot            optimizer.Slot
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
	t := &trainer{config: c, workers: e.Info().Threads}
	size := c.Shape.size()
	buffer := func(shape ...int) *engine.Tensor {
		tensor, failed := engine.NewEmpty(shape)
		err = errors.Join(err, failed)
		return tensor
	}
	t.inputs = map[string]*engine.Tensor{inPictures: buffer(c.Batch, 3, c.Crop, c.Crop), inTheta: buffer(size)}
	t.outputs = map[string]*engine.Tensor{outLoss: buffer(1), outGrad: buffer(size)}
	if err != nil {
		return nil, err
	}
	t.slot = optimizer.Slot{
		Value: t.inputs[inTheta].Float32s(), Grad: t.outputs[outGrad].Float32s(),
		M: make([]float32, size), V: make([]float32, size),
	}
	copy(t.weights(), c.Shape.initial(c.Seed))
	t.session, err = e.Load(model, engine.SessionOptions{})
	return t, err
}

// stepFormula gives the loss and its gradient. The weights are one vector, of which the layers take
// slices, so that one update serves them all.
func stepFormula(c Config) ([]graph.Output, error) {
	g := graph.New()
	x, theta := g.Input(inPictures, c.Batch, 3, c.Crop, c.Crop), g.Input(inTheta, c.Shape.size())
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
	return []graph.Output{{Name: outLoss, Node: loss}, {Name: outGrad, Node: grad}}, g.Err()
}

// adamW has a shorter memory for squares than the default, because the training is short.
var adamW = optimizer.Optimizer{Kind: optimizer.AdamW, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}

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

// batch is where the next step's pictures go.
func (t *trainer) batch() []float32 { return t.inputs[inPictures].Float32s() }

// weights are the latest.
func (t *trainer) weights() []float32 { return t.slot.Value }

// run takes the step of the given number, from 0, and returns its loss.
func (t *trainer) run(ctx context.Context, number int) (float64, error) {
	if _, err := t.session.Run(ctx, t.inputs, t.outputs); err != nil {
		return 0, err
	}
	rate := float32(t.config.rate(number))
	adamW.StepFloat32([]optimizer.Slot{t.slot}, int64(number)+1, rate, t.workers)
	return float64(t.outputs[outLoss].Float32s()[0]), nil
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
