package declip

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/network"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/tile"
)

// runner brings pictures to a network the way its Spec asks for.
type runner struct {
	spec     network.Spec
	sessions *sessions
}

func newRunner(net *network.Network, e *engine.Engine) *runner {
	load := func(h, w int) (*engine.Session, error) {
		onnx, err := net.Inference(h, w)
		if err != nil {
			return nil, err
		}
		return e.Load(onnx, engine.SessionOptions{})
	}
	return &runner{spec: net.Spec(), sessions: newSessions(load)}
}

func (r *runner) close() error { return r.sessions.close() }

// scoreIsMean says whether a picture's score is its mean probability.
func (r *runner) scoreIsMean() bool { return r.spec.Mode == network.ModeResize }

// run gives the network's own map, and the map at the picture's size.
func (r *runner) run(ctx context.Context, rgb *picture.RGB) (Map, []float32, error) {
	if r.spec.Mode == network.ModeResize {
		return r.runResized(ctx, rgb)
	}
	return r.runTiled(ctx, rgb)
}

func (r *runner) runTiled(ctx context.Context, rgb *picture.RGB) (Map, []float32, error) {
	// One tile at a time: the session's threads share it. Two at once with half the
	// threads each take 6 % less processor time but 90 MB more for twelve megapixels.
	options := tile.Options{Size: r.spec.Tile, Overlap: r.spec.Overlap, Mean: network.Mean, Std: network.Std}
	m, err := tile.Localize(ctx, tile.Picture{Pix: rgb.Pix, Width: rgb.Width, Height: rgb.Height}, options, r.logits)
	if err != nil {
		return Map{}, nil, err
	}
	return Map{Prob: m.Prob, Width: m.Width, Height: m.Height}, m.Upsample(rgb.Width, rgb.Height), nil
}

// runResized gives the network the whole picture scaled to its input.
func (r *runner) runResized(ctx context.Context, rgb *picture.RGB) (Map, []float32, error) {
	side := r.spec.Input
	small := picture.Resize(rgb, side, side)
	image := make([]float32, 3*side*side)
	tile.Normalize(image, small.Pix, network.Mean, network.Std)
	prob, h, w, err := r.logits(ctx, image, side, side)
	if err != nil {
		return Map{}, nil, err
	}
	for i, v := range prob {
		prob[i] = tile.Sigmoid(v)
	}
	return Map{Prob: prob, Width: w, Height: h}, picture.ResizeFloat(prob, w, h, rgb.Width, rgb.Height), nil
}

// logits runs the network on image [3,h,w]; the answer [oh,ow] is the caller's.
func (r *runner) logits(ctx context.Context, image []float32, h, w int) (logits []float32, oh, ow int, err error) {
	session, release, err := r.sessions.get(h, w)
	if err != nil {
		return nil, 0, 0, err
	}
	defer release()
	input, err := engine.NewTensor([]int{1, 3, h, w}, image)
	if err != nil {
		return nil, 0, 0, err
	}
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
	return out.Float32s(), shape[2], shape[3], nil
}
