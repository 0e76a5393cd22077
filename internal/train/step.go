package train

import (
	"context"
	"fmt"
	"math"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/graph"
	"github.com/declip/declip/internal/network"
)

// Model is what can be trained: initial parameters, and a formula over them. It is a Whole or a Head.
type Model interface {
	Spec() network.Spec
	SpecJSON() string
	Params() []network.Param
}

// Whole is a network that takes pictures. *network.Network is one.
type Whole interface {
	Model
	// Build adds the network to g; see network.Network.Build.
	Build(g *graph.Graph, x *graph.Node, train bool) (logits *graph.Node, updates map[string]*graph.Node)
}

// Head is a decoder that takes what frozen backbones see. *network.Trainee is one.
type Head interface {
	Model
	Uses() []network.Use
	Shapes() []network.Features
	// BuildDecoder adds the decoder to g; see network.Trainee.BuildDecoder.
	BuildDecoder(g *graph.Graph, features []*graph.Node, train bool) (logits *graph.Node, updates map[string]*graph.Node)
	// Decoder is the decoder with the given values, ready to be run; see network.Trainee.Decoder.
	Decoder(params []network.Param) (network.Program, error)
}

// Names of the step graph's inputs and outputs that are no parameters.
const (
	inImage    = "step.image"    // [N,3,H,W]; a Head has network.FeatureInput(i) in its place
	inTarget   = "step.target"   // [N,1,h,w]
	inRate     = "step.rate"     // [1], learning rate
	inCorrect1 = "step.correct1" // [1], see graph.AdamWStep
	inCorrect2 = "step.correct2" // [1]
	outLoss    = "step.loss"     // [1]
	outNorm    = "step.norm"     // [1], global norm of the gradient
	newValue   = "new."          // prefix of what replaces an input of that name
)

// Step is one training step as a session, with two sets of buffers for everything that it changes:
// it reads one and writes the other, then they change places.
type Step struct {
	session *engine.Session
	config  Config
	sets    [2]set
	current int      // the set that holds the latest values
	given   []string // names of what a step is given of the pictures

	rate, correct1, correct2, loss, norm *engine.Tensor
	inputs, outputs                      [2]map[string]*engine.Tensor
}

// set is one copy of parameters and optimizer state.
type set struct {
	params []network.Param
	states []network.Param // m.NAME and v.NAME with AdamW
}

// NewStep builds and loads the step graph for batches of config.BatchSize examples of the given shape. The parameters
// start as the model's. Its owner closes it.
func NewStep(e *engine.Engine, model Model, config Config, shape dataset.Shape) (*Step, error) {
	f := &formula{g: graph.New(), config: config, model: model}
	if err := f.build(shape); err != nil {
		return nil, fmt.Errorf("training step of %v: %w", model.Spec(), err)
	}
	bytes, err := f.g.Encode(f.outputs, f.fixed)
	if err != nil {
		return nil, fmt.Errorf("training step of %v: %w", model.Spec(), err)
	}
	s := &Step{config: config, given: f.given}
	if s.session, err = e.Load(bytes, engine.SessionOptions{}); err != nil {
		return nil, fmt.Errorf("training step of %v: %w", model.Spec(), err)
	}
	if err := s.allocate(model, f.states); err != nil {
		s.session.Close()
		return nil, err
	}
	return s, nil
}

// allocate makes the buffers and the maps that Run takes, once for all steps.
func (s *Step) allocate(model Model, states []network.Param) error {
	for i := range s.sets {
		for _, p := range model.Params() {
			s.sets[i].params = append(s.sets[i].params, clone(p))
		}
		for _, p := range states {
			s.sets[i].states = append(s.sets[i].states, clone(p))
		}
		s.inputs[i], s.outputs[i] = map[string]*engine.Tensor{}, map[string]*engine.Tensor{}
	}
	for _, scalar := range []**engine.Tensor{&s.rate, &s.correct1, &s.correct2, &s.loss, &s.norm} {
		t, err := engine.NewEmpty([]int{1})
		if err != nil {
			return err
		}
		*scalar = t
	}
	wanted, given := ports(s.session.Inputs()), ports(s.session.Outputs())
	for i := range s.sets {
		all := append(append([]network.Param{}, s.sets[i].params...), s.sets[i].states...)
		for _, p := range all {
			t, err := engine.NewTensor(p.Shape, p.Data)
			if err != nil {
				return fmt.Errorf("parameter %q: %w", p.Name, err)
			}
			if wanted[p.Name] {
				s.inputs[i][p.Name] = t
			}
			if given[newValue+p.Name] {
				s.outputs[1-i][newValue+p.Name] = t
			}
		}
		for name, t := range map[string]*engine.Tensor{inRate: s.rate, inCorrect1: s.correct1, inCorrect2: s.correct2} {
			if wanted[name] {
				s.inputs[i][name] = t
			}
		}
		s.outputs[i][outLoss], s.outputs[i][outNorm] = s.loss, s.norm
	}
	return nil
}

func ports(list []engine.Port) map[string]bool {
	names := map[string]bool{}
	for _, p := range list {
		names[p.Name] = true
	}
	return names
}

func clone(p network.Param) network.Param {
	p.Data = append(make([]float32, 0, len(p.Data)), p.Data...)
	return p
}

// Run takes the step of the given number, from 0, on a batch: pictures [N, 3, H, W], or a head's features, and a
// target. After an error or a loss that is no number the values are those from before.
func (s *Step) Run(ctx context.Context, given []*engine.Tensor, target *engine.Tensor, number int64, rate float64) (loss, norm float64, err error) {
	s.rate.Float32s()[0] = float32(rate)
	s.correct1.Float32s()[0], s.correct2.Float32s()[0] = s.config.adamW().Corrections(int(number + 1))
	inputs := s.inputs[s.current]
	inputs[inTarget] = target
	for i, t := range given {
		inputs[s.given[i]] = t
	}
	if _, err := s.session.Run(ctx, inputs, s.outputs[s.current]); err != nil {
		return 0, 0, err
	}
	loss, norm = float64(s.loss.Float32s()[0]), float64(s.norm.Float32s()[0])
	if bad(loss) || bad(norm) {
		return loss, norm, nil
	}
	s.current = 1 - s.current
	return loss, norm, nil
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// Params are the latest parameters, in the model's order; they change with every step.
func (s *Step) Params() []network.Param { return s.sets[s.current].params }

// states are the optimizer's tensors.
func (s *Step) states() []network.Param { return s.sets[s.current].states }

// Close frees the session; no call of Run must be under way.
func (s *Step) Close() error { return s.session.Close() }
