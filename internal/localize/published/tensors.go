package published

import (
	"context"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// planes are a picture's levels divided by a number, channel by channel: [3, Height, Width].
func planes(rgb *picture.RGB, by float32) []float32 {
	n := rgb.Width * rgb.Height
	out := make([]float32, 3*n)
	red, green, blue := out[:n], out[n:2*n], out[2*n:]
	for i := range red {
		red[i] = float32(rgb.Pix[3*i]) / by
		green[i] = float32(rgb.Pix[3*i+1]) / by
		blue[i] = float32(rgb.Pix[3*i+2]) / by
	}
	return out
}

// mapOf is the output [1, 1, h, w] of a port. It shares the output's values.
func mapOf(outputs map[string]*engine.Tensor, port string) (picture.Map, error) {
	t, ok := outputs[port]
	if !ok {
		return picture.Map{}, fmt.Errorf("network has no output %q", port)
	}
	shape := t.Shape()
	if len(shape) != 4 || shape[0] != 1 || shape[1] != 1 {
		return picture.Map{}, fmt.Errorf("output %q has shape %v, expected [1 1 h w]", port, shape)
	}
	return picture.Map{Prob: t.Float32s(), Width: shape[3], Height: shape[2]}, nil
}

// scoreOf is the output [1] of the port for the picture's score.
func scoreOf(outputs map[string]*engine.Tensor) (*float64, error) {
	t, ok := outputs[network.PortScore]
	if !ok || t.Len() != 1 {
		return nil, fmt.Errorf("network has no output %q of one number", network.PortScore)
	}
	score := float64(t.Float32s()[0])
	return &score, nil
}

// probabilities replaces logits by their probabilities. It looks at ctx before each million of
// them.
func probabilities(ctx context.Context, logits []float32) ([]float32, error) {
	for part := range slices.Chunk(logits, 1<<20) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for i, v := range part {
			part[i] = numeric.Sigmoid32(v)
		}
	}
	return logits, nil
}

// tooSmall is the error for a picture with sides under least pixels.
func tooSmall(network string, p *picture.Picture, least int) error {
	return fmt.Errorf("picture of %d x %d pixels: %s needs at least %d x %d", p.Width, p.Height, network, least, least)
}

// tooLarge is the error for a picture of more than most megapixels; hint says what to do.
func tooLarge(network string, p *picture.Picture, most float64, hint string) error {
	return fmt.Errorf("%w: %d x %d pixels (%.1f MP), and %s takes at most %g MP at the picture's own size: %s", picture.ErrTooLarge,
		p.Width, p.Height, float64(p.Width)*float64(p.Height)/1e6, network, most/1e6, hint)
}
