package published

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// catNet takes a picture's pixels, if pixels is set, and the coefficients of its JPEG file. Other
// pictures are first stored as JPEG of quality 100, as the authors' code does.
type catNet struct{ pixels bool }

func (n catNet) Input(ctx context.Context, p *picture.Picture) (*Input, error) {
	rgb := p.RGB
	c, err := p.Coefficients(ctx)
	if err != nil {
		return nil, fmt.Errorf("coefficients: %w", err)
	}
	if c == nil {
		if rgb, c, err = p.ThroughJPEG(ctx); err != nil {
			return nil, err
		}
	}
	in := &Input{Height: c.Height, Width: c.Width, Tensors: map[string]*engine.Tensor{}}
	values := make([]float32, len(c.Values))
	for i, v := range c.Values {
		values[i] = float32(v)
	}
	steps := make([]float32, len(c.Steps))
	for i, v := range c.Steps {
		steps[i] = float32(v)
	}
	if in.Tensors[network.PortCoefficients], err = engine.NewTensor([]int{1, 1, c.Height, c.Width}, values); err != nil {
		return nil, err
	}
	if in.Tensors[network.PortSteps], err = engine.NewTensor([]int{1, 1, 8, 8}, steps); err != nil {
		return nil, err
	}
	if n.pixels {
		image, err := centred(ctx, rgb, c.Height, c.Width)
		if err != nil {
			return nil, err
		}
		in.Tensors[network.PortImage], err = engine.NewTensor([]int{1, 3, c.Height, c.Width}, image)
		return in, err
	}
	return in, nil
}

// centred are a picture's levels in -1 to 1, channel by channel, with zeros on the right and below:
// [3, height, width]. It looks at ctx before every row.
func centred(ctx context.Context, p *picture.RGB, height, width int) ([]float32, error) {
	const middle = 127.5
	out := make([]float32, 3*height*width)
	for y := range p.Height {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for c := range 3 {
			row := out[(c*height+y)*width:][:p.Width]
			for x := range row {
				row[x] = (float32(p.Pix[3*(y*p.Width+x)+c]) - middle) / middle
			}
		}
	}
	return out, nil
}

// Answer enlarges the logits, not the probabilities, as the authors do when they measure.
func (n catNet) Answer(ctx context.Context, outputs map[string]*engine.Tensor, p *picture.Picture) (*Answer, error) {
	logits, err := mapOf(outputs, network.PortLogits)
	if err != nil {
		return nil, err
	}
	logits.Stride = 8
	if n.pixels {
		logits.Stride = 4
	}
	large, err := logits.UpsampleContext(ctx, p.Width, p.Height)
	if err != nil {
		return nil, err
	}
	a := &Answer{Raw: logits}
	if a.Prob, err = probabilities(ctx, large); err != nil {
		return nil, err
	}
	a.Raw.Prob, err = probabilities(ctx, logits.Prob)
	return a, err
}
