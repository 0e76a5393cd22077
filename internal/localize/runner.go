// Package localize brings pictures to a network the way its Spec asks for, whole and scaled or in tiles, and
// the network's maps back to the pictures' size. What a trained network is measured with is thus what its
// users run.
package localize

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/forensics/copymove"
	"github.com/declip/declip/internal/forensics/doublejpeg"
	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Network is what a Runner runs.
type Network interface {
	Spec() network.Spec
	// Inference gives the ONNX bytes for pictures of the given size; see network.Network.Inference.
	Inference(height, width int) ([]byte, error)
}

// Runner runs one network. It is safe for concurrent use until it is closed.
type Runner struct {
	spec     network.Spec
	sessions *sessions
}

// Output is what a network says about a picture.
type Output struct {
	Raw  picture.Map // the network's own map, as probabilities
	Prob []float32   // probabilities at the picture's size: [Height, Width]; see Enlarged
}

// New makes a runner, whose owner closes it. Sessions are loaded when the first picture of a shape comes.
func New(e *engine.Engine, n Network) *Runner {
	load := func(h, w int) (*engine.Session, error) {
		onnx, err := n.Inference(h, w)
		if err != nil {
			return nil, err
		}
		return e.Load(onnx, engine.SessionOptions{})
	}
	return newRunner(n.Spec(), load)
}

func newRunner(spec network.Spec, load func(h, w int) (*engine.Session, error)) *Runner {
	return &Runner{spec: spec, sessions: newSessions(load)}
}

// Close frees the sessions; no call of Run must be under way.
func (r *Runner) Close() error { return r.sessions.close() }

// Run runs the network on a picture. The result does not depend on what else runs.
func (r *Runner) Run(ctx context.Context, rgb *picture.RGB) (out Output, err error) {
	defer parallel.Recover(&err)
	if r.spec.Mode == network.ModeResize {
		return r.runResized(ctx, rgb)
	}
	return r.runTiled(ctx, rgb)
}

// Predict is Run for callers that need the probabilities at the picture's size only.
func (r *Runner) Predict(ctx context.Context, rgb *picture.RGB) ([]float32, error) {
	out, err := r.Run(ctx, rgb)
	return out.Prob, err
}

func (r *Runner) runTiled(ctx context.Context, rgb *picture.RGB) (Output, error) {
	// One tile at a time: the session's threads share it. Two at once with half the
	// threads each take 6 % less processor time but 90 MB more for twelve megapixels.
	options := tile.Options{Size: r.spec.Tile, Overlap: r.spec.Overlap, Mean: network.Mean, Std: network.Std}
	if r.spec.DCT > 0 {
		// The network looks at JPEG's blocks: it gets them where the picture's own lie.
		grid, _ := jpeggrid.Detect(rgb)
		options.PhaseX, options.PhaseY = grid.X, grid.Y
	}
	detecting, stop := context.WithCancel(ctx)
	defer stop()
	wait := r.startDetectors(detecting, rgb)
	m, err := tile.Localize(ctx, rgb, options, r.logits)
	if err != nil {
		stop() // nothing needs the traces any more
	}
	traces, failure := wait()
	if err = cmp.Or(err, failure); err != nil {
		return Output{}, err
	}
	raw := picture.Map{Prob: m.Prob, Width: m.Width, Height: m.Height}
	if r.spec.Blobs || r.spec.DoubleJPEG {
		raw.Prob = slices.Clone(raw.Prob)
	}
	if r.spec.DoubleJPEG {
		cells := doublejpeg.Cells{Width: m.Width, Height: m.Height, Stride: m.Stride, LeadX: m.LeadX, LeadY: m.LeadY}
		doublejpeg.Mark(m.Prob, cells, traces.maps)
	}
	if r.spec.Blobs {
		Weigh(m.Prob, m.Width, m.Height, m.Stride)
	}
	parallel.Point("enlarge")
	prob := m.Upsample(rgb.Width, rgb.Height)
	if r.spec.Copies {
		copymove.Mark(prob, rgb.Width, rgb.Height, traces.pairs)
	}
	return Output{raw, prob}, nil
}

// traces are what is found in a picture without a network.
type traces struct {
	maps  []doublejpeg.Map
	pairs []copymove.Pair
}

// startDetectors starts the detectors in the background; the returned function waits for them. They run one after the
// other, because the network needs the processor as well.
func (r *Runner) startDetectors(ctx context.Context, rgb *picture.RGB) (wait func() (traces, error)) {
	return parallel.Start(func() (t traces, err error) {
		parallel.Point("detector")
		if r.spec.DoubleJPEG {
			if t.maps, err = doublejpeg.Find(ctx, rgb); err != nil {
				return t, err
			}
		}
		if r.spec.Copies {
			t.pairs, err = copymove.Find(ctx, rgb)
		}
		return t, err
	})
}

// runResized gives the network the whole picture scaled to its input.
func (r *Runner) runResized(ctx context.Context, rgb *picture.RGB) (Output, error) {
	side := r.spec.Input
	image := make([]float32, 3*side*side)
	picture.Normalization{Mean: network.Mean, Std: network.Std}.Planes(image, picture.Resize(rgb, side, side))
	prob, h, w, err := r.logits(ctx, image, side, side)
	if err != nil {
		return Output{}, err
	}
	for i, v := range prob {
		prob[i] = tile.Sigmoid(v)
	}
	raw := picture.Map{Prob: prob, Width: w, Height: h}
	return Output{raw, picture.FitFloat(prob, w, h, rgb.Width, rgb.Height)}, nil
}

// logits runs the network on image [3,h,w]; the answer [oh,ow] is the caller's.
func (r *Runner) logits(ctx context.Context, image []float32, h, w int) (logits []float32, oh, ow int, err error) {
	session, release, err := r.sessions.get(ctx, h, w)
	if err != nil {
		return nil, 0, 0, err
	}
	defer release()
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
	parallel.Point("network")
	outputs, err := session.Run(ctx, map[string]*engine.Tensor{"image": input}, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	out, ok := outputs["logits"]
	if !ok {
		return nil, 0, 0, fmt.Errorf("network has no output %q", "logits")
	}
	shape := out.Shape()
	if len(shape) != 4 || shape[0] != 1 || shape[1] != 1 {
		return nil, 0, 0, fmt.Errorf("network's answer has shape %v, expected [1 1 h w]", shape)
	}
	logits = out.Float32s()
	return logits, shape[2], shape[3], network.CheckNaN(r.spec.String(), logits)
}
