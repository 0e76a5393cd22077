package localize

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/forensics"
	"github.com/declip/declip/internal/localize/published"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Network is a network in one piece: backbone and decoder.
type Network interface {
	Spec() network.Spec
	// Inference gives the program for pictures of the given size; see network.Network.Inference.
	Inference(height, width int) (network.Program, error)
}

// Runner runs a network in one piece. It is safe for concurrent use until it is closed.
type Runner struct {
	spec      network.Spec
	detectors []forensics.Detector
	published published.Network // of a network of ModeWhole
	judge     *judge            // of whole pictures; nil for none
	sessions  *sessions
	thorough  bool // the network sees each tile in several turns
}

// New makes a runner, whose owner closes it. Sessions are loaded when the first picture of a shape
// comes. A Spec with an unknown detector is an error.
func New(e *engine.Engine, n Network) (*Runner, error) {
	load := func(h, w int) (*engine.Session, error) {
		program, err := n.Inference(h, w)
		if err != nil {
			return nil, err
		}
		return e.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder})
	}
	return newRunner(n.Spec(), load)
}

func newRunner(spec network.Spec, load func(h, w int) (*engine.Session, error)) (*Runner, error) {
	detectors, err := forensics.Select(spec.Detectors)
	if err != nil {
		return nil, err
	}
	r := &Runner{spec: spec, detectors: detectors, sessions: newSessions(load)}
	if spec.Mode == network.ModeWhole {
		r.published, err = published.For(spec)
	}
	if err == nil && spec.Judge != nil {
		r.judge, err = newJudge(spec.Judge)
	}
	return r, err
}

// Close frees the sessions. No call of Run may be in progress.
func (r *Runner) Close() error { return r.sessions.close() }

// Run runs the network on a picture. The result does not depend on what else runs. A panic is an
// error of this picture.
func (r *Runner) Run(ctx context.Context, p *picture.Picture) (Output, error) {
	switch r.spec.Mode {
	case network.ModeWhole:
		return r.runWhole(ctx, p)
	case network.ModeResize:
		return r.runResized(ctx, p.RGB)
	}
	return r.runTiled(ctx, p.RGB)
}

// Predict is Run for callers that need the probabilities at the picture's size only.
func (r *Runner) Predict(ctx context.Context, p *picture.Picture) ([]float32, error) {
	out, err := r.Run(ctx, p)
	return out.Prob, err
}

// logits runs the network on image [3, h, w] and, if the network takes it, evidence. The answer
// [oh, ow] belongs to the caller.
func (r *Runner) logits(ctx context.Context, image []float32, h, w int, traces *engine.Tensor) (logits []float32, oh, ow int, err error) {
	session, release, err := r.sessions.get(ctx, h, w)
	if err != nil {
		return nil, 0, 0, err
	}
	defer release()
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
	inputs := map[string]*engine.Tensor{network.PortImage: input}
	if traces != nil {
		inputs[network.PortEvidence] = traces
	}
	parallel.Point("network")
	outputs, err := session.Run(ctx, inputs, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	out, ok := outputs[network.PortLogits]
	if !ok {
		return nil, 0, 0, fmt.Errorf("network has no output %q", network.PortLogits)
	}
	shape := out.Shape()
	if len(shape) != 4 || shape[0] != 1 || shape[1] != 1 {
		return nil, 0, 0, fmt.Errorf("network's answer has shape %v, expected [1 1 h w]", shape)
	}
	logits = out.Float32s()
	return logits, shape[2], shape[3], network.CheckNaN(r.spec.String(), logits)
}
