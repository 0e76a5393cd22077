package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/optimizer"
)

// Network is what can be trained: *network.Network, *network.FineTuned and, on the features of
// frozen backbones, *network.Head.
type Network interface {
	network.Builder
	// Params are the initial values. A Step takes them over, since there may be no room for two.
	Params() []network.Param
	// Metadata is the metadata of a file with the network.
	Metadata() (map[string]string, error)
}

// Names of the step graph's inputs and outputs that are not parameters.
const (
	inImage        = "step.image"        // [N,3,H,W]; a head's inputs are network.FeatureInput(i)
	inCoefficients = "step.coefficients" // [N,1,H,W]
	inSteps        = "step.steps"        // [N,1,8,8]
	inEvidence     = "step.evidence"     // [N,network.EvidenceChannels,H/8,W/8]
	inTarget       = "step.target"       // [N,1,h,w]
	// The label is the target in detection, and that of a network's score of whole pictures.
	inLabel  = "step.label" // [N,1,1,1]
	outLoss  = "step.loss"  // [1]
	newValue = "new."       // prefix of the running statistics that replace those of that name
	gradOf   = "gradient."  // prefix of a parameter's gradient
)

// inputOf names the step's input for a port of the network.
var inputOf = map[string]string{
	network.PortImage: inImage, network.PortCoefficients: inCoefficients, network.PortSteps: inSteps,
	network.PortEvidence: inEvidence,
}

// Step runs training steps: a session computes the loss and the gradients, and the optimizer moves
// the parameters. All memory that it needs in Go is allocated at the start.
type Step struct {
	session   *engine.Session
	optimizer optimizer.Optimizer
	workers   int
	params    []network.Param
	states    []network.Param // m.NAME and v.NAME with AdamW
	slots     []optimizer.Slot
	gradients []network.Param
	replaced  [][2][]float32 // running statistics: the latest, and the buffer for the next
	given     []string       // names of the inputs derived from the pictures
	target    string         // name of the target
	loss      *engine.Tensor

	inputs, outputs map[string]*engine.Tensor
}

// NewStep builds and loads the step graph for batches of config.BatchSize examples of the given
// shape. It trains the network's own parameters. The caller closes the Step.
func NewStep(e *engine.Engine, n Network, config Config, shape dataset.Shape) (*Step, error) {
	return newStep(e, n, config, shape, stepForm(e))
}

// trainingOperators is raised when the rounding of network.Form's training operators changes.
const trainingOperators = 1

// stepForm is the fastest form of a training step on e.
func stepForm(e *engine.Engine) network.Form {
	return network.Form{Winograd: e.Winograd(), Training: e.Winograd()}
}

// newStep is NewStep in the given form.
func newStep(e *engine.Engine, n Network, config Config, shape dataset.Shape, form network.Form) (*Step, error) {
	f := &formula{g: form.Graph(), config: config, network: n}
	if err := f.build(shape); err != nil {
		return nil, fmt.Errorf("training step of %v: %w", n.Spec(), err)
	}
	bytes, err := f.g.Encode(f.outputs, f.fixed)
	if err != nil {
		return nil, fmt.Errorf("training step of %v: %w", n.Spec(), err)
	}
	s := &Step{optimizer: newOptimizer(config), workers: e.Info().Threads, given: f.given, target: inTarget}
	if config.Supervision == Detection {
		s.target = inLabel
	}
	if s.session, err = e.Load(bytes, engine.SessionOptions{ExternalFolder: f.folder}); err != nil {
		return nil, fmt.Errorf("training step of %v: %w", n.Spec(), err)
	}
	if err := s.allocate(n, f.trained); err != nil {
		s.session.Close()
		return nil, err
	}
	return s, nil
}

// newOptimizer returns the optimizer of a configuration.
func newOptimizer(c Config) optimizer.Optimizer {
	o := optimizer.New(optimizer.Kind(c.Optimizer))
	o.Decay, o.Clip = c.WeightDecay, c.Clip
	return o
}

// momentsOf returns the running means that the optimizer keeps for a parameter, initially zero.
func momentsOf(o optimizer.Optimizer, p network.Param) []network.Param {
	var list []network.Param
	for _, prefix := range o.Moments() {
		list = append(list, network.Param{Name: prefix + p.Name, Shape: p.Shape, Data: make([]float32, len(p.Data))})
	}
	return list
}

// allocate makes the buffers and the maps of Run, once for all steps.
func (s *Step) allocate(n Network, trained []string) (err error) {
	s.inputs, s.outputs = map[string]*engine.Tensor{}, map[string]*engine.Tensor{}
	wanted, given := ports(s.session.Inputs()), ports(s.session.Outputs())
	for _, p := range n.Params() {
		s.params = append(s.params, p)
		if wanted[p.Name] {
			if s.inputs[p.Name], err = engine.NewTensor(p.Shape, p.Data); err != nil {
				return fmt.Errorf("parameter %q: %w", p.Name, err)
			}
		}
		if given[newValue+p.Name] {
			next, err := s.newOutput(newValue+p.Name, p.Shape)
			if err != nil {
				return err
			}
			s.replaced = append(s.replaced, [2][]float32{p.Data, next})
		}
		if !slices.Contains(trained, p.Name) {
			continue
		}
		grad, err := s.newOutput(gradOf+p.Name, p.Shape)
		if err != nil {
			return err
		}
		s.gradients = append(s.gradients, network.Param{Name: p.Name, Shape: p.Shape, Data: grad})
		slot := optimizer.Slot{Value: p.Data, Grad: grad}
		if states := momentsOf(s.optimizer, p); states != nil {
			slot.M, slot.V = states[0].Data, states[1].Data
			s.states = append(s.states, states...)
		}
		s.slots = append(s.slots, slot)
	}
	s.loss, err = engine.NewEmpty([]int{1})
	s.outputs[outLoss] = s.loss
	return err
}

// newOutput makes a buffer for an output of the session.
func (s *Step) newOutput(name string, shape []int) ([]float32, error) {
	t, err := engine.NewEmpty(shape)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	s.outputs[name] = t
	return t.Float32s(), nil
}

func ports(list []engine.Port) map[string]bool {
	names := map[string]bool{}
	for _, p := range list {
		names[p.Name] = true
	}
	return names
}

// Given names the inputs derived from the pictures, in the order in which Run takes them.
func (s *Step) Given() []string { return s.given }

// Run takes the step of the given number, from 0, on a batch: the inputs of Given and a target.
// After an error, or a loss that is not a number, the parameters are unchanged.
func (s *Step) Run(ctx context.Context, given []*engine.Tensor, target *engine.Tensor, number int64, rate float64) (loss, norm float64, err error) {
	s.inputs[s.target] = target
	for i, t := range given {
		s.inputs[s.given[i]] = t
	}
	if _, err := s.session.Run(ctx, s.inputs, s.outputs); err != nil {
		return 0, 0, err
	}
	loss = float64(s.loss.Float32s()[0])
	if bad(loss) {
		return loss, s.optimizer.Norm(s.slots, s.workers), nil
	}
	if norm = s.Update(number, rate); bad(norm) {
		return loss, norm, nil
	}
	for _, r := range s.replaced {
		copy(r[0], r[1])
	}
	return loss, norm, nil
}

// Update is the second half of the step: it moves the parameters by Gradients, unless their norm is
// not a number.
func (s *Step) Update(number int64, rate float64) (norm float64) {
	if norm = s.optimizer.Norm(s.slots, s.workers); !bad(norm) {
		s.optimizer.Step(s.slots, number+1, rate, norm, s.workers)
	}
	return norm
}

// Gradients are the loss's gradients of the trained parameters at the latest Run, in the
// parameters' order. They belong to the Step.
func (s *Step) Gradients() []network.Param { return s.gradients }

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// Params are the current parameters, in the network's order; every step changes them.
func (s *Step) Params() []network.Param { return s.params }

// Close frees the session; no call of Run may be in progress.
func (s *Step) Close() error { return s.session.Close() }
