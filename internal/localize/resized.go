package localize

import (
	"context"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// resizedRun is a picture on its way through a network that sees it scaled to the network's input,
// by resizedSteps.
type resizedRun struct {
	*Runner
	rgb   *picture.RGB
	image []float32 // [3, Input, Input], normalised
	out   Output
}

func (r *Runner) runResized(ctx context.Context, rgb *picture.RGB) (Output, error) {
	run := &resizedRun{Runner: r, rgb: rgb}
	if err := runSteps(ctx, resizedSteps, run); err != nil {
		return Output{}, err
	}
	return run.out, nil
}

func (r *resizedRun) scale(ctx context.Context) error {
	side := r.spec.Input
	r.image = make([]float32, 3*side*side)
	return normalize(ctx, r.image, r.rgb, side)
}

func (r *resizedRun) runNetwork(ctx context.Context) error {
	var err error
	r.out.Raw, err = r.mapOf(ctx, r.image, r.spec.Input, r.spec.Input)
	return err
}

// mapOf is the network's map of probabilities for image [3, h, w].
func (r *Runner) mapOf(ctx context.Context, image []float32, h, w int) (picture.Map, error) {
	prob, oh, ow, err := r.logits(ctx, image, h, w, nil)
	if err != nil {
		return picture.Map{}, err
	}
	toProbabilities(prob)
	return picture.Map{Prob: prob, Width: ow, Height: oh}, nil
}

func (r *resizedRun) enlarge(ctx context.Context) (err error) {
	r.out, err = r.out.Enlarged(ctx, r.rgb.Width, r.rgb.Height)
	return err
}

// normalize writes the picture, scaled to side x side pixels, as a network's input [3, side, side].
func normalize(ctx context.Context, image []float32, rgb *picture.RGB, side int) error {
	small, err := picture.ResizeContext(ctx, rgb, side, side)
	if err != nil {
		return err
	}
	picture.Normalization{Mean: network.Mean, Std: network.Std}.Planes(image, small)
	return nil
}

// Scaled scales pictures to the side of a network's input and normalises them: [N, 3, side, side].
func Scaled(ctx context.Context, pictures []*picture.RGB, side int) (*engine.Tensor, error) {
	size := 3 * side * side
	image := make([]float32, len(pictures)*size)
	for i, rgb := range pictures {
		if err := normalize(ctx, image[i*size:][:size], rgb, side); err != nil {
			return nil, err
		}
	}
	return engine.NewTensor([]int{len(pictures), 3, side, side}, image)
}

// toProbabilities replaces logits by their probabilities.
func toProbabilities(logits []float32) {
	for i, v := range logits {
		logits[i] = numeric.Sigmoid32(v)
	}
}
