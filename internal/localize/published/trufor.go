package published

import (
	"context"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// truFor takes the picture's levels divided by 256, at the picture's size.
type truFor struct{}

// truForMost limits pictures: attention's time grows with the square of the pixels, and memory is
// about 1 GB for each megapixel.
const truForMost = 16_000_000

func (truFor) Input(_ context.Context, p *picture.Picture) (*Input, error) {
	if p.Width < network.TruForLeast || p.Height < network.TruForLeast {
		return nil, tooSmall("TruFor", p, network.TruForLeast)
	}
	if p.Width*p.Height > truForMost {
		return nil, tooLarge("TruFor", p, truForMost, "use a part of the picture; a scaled one has lost traces")
	}
	const full = 256 // not 255: as in the authors' code
	image, err := engine.NewTensor([]int{1, 3, p.Height, p.Width}, planes(p.RGB, full))
	if err != nil {
		return nil, err
	}
	return &Input{Height: p.Height, Width: p.Width, Tensors: map[string]*engine.Tensor{network.PortImage: image}}, nil
}

// Answer enlarges the logits, as the authors' code does, and then turns them into probabilities.
func (truFor) Answer(ctx context.Context, outputs map[string]*engine.Tensor, p *picture.Picture) (*Answer, error) {
	logits, err := mapOf(outputs, network.PortLogits)
	if err != nil {
		return nil, err
	}
	confidence, err := mapOf(outputs, network.PortConfidence)
	if err != nil {
		return nil, err
	}
	score, err := scoreOf(outputs)
	if err != nil {
		return nil, err
	}
	a := &Answer{Raw: logits, Score: score}
	if a.Prob, err = enlarged(ctx, logits, p); err != nil {
		return nil, err
	}
	if a.Confidence, err = enlarged(ctx, confidence, p); err != nil {
		return nil, err
	}
	a.Raw.Prob, err = probabilities(ctx, logits.Prob)
	return a, err
}

// enlarged are the probabilities of a map of logits at the picture's size.
func enlarged(ctx context.Context, logits picture.Map, p *picture.Picture) ([]float32, error) {
	large, err := picture.ResizeFloatContext(ctx, logits.Prob, logits.Width, logits.Height, p.Width, p.Height)
	if err != nil {
		return nil, err
	}
	return probabilities(ctx, large)
}
