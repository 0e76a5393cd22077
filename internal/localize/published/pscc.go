package published

import (
	"context"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// pscc takes the picture's levels divided by 255: at the picture's size, or scaled to side x side
// pixels if side is not 0. Transparent pictures are laid over white.
type pscc struct{ side int }

// psccMost limits pictures at their own size: the backbone's maps need about 2 GB for each
// megapixel.
const psccMost = 4_000_000

func (n pscc) Input(ctx context.Context, p *picture.Picture) (*Input, error) {
	rgb, err := p.OverWhite(ctx)
	if err == nil && n.side > 0 {
		rgb, err = picture.ResizeCubic(ctx, rgb, n.side, n.side)
	}
	if err != nil {
		return nil, err
	}
	if rgb.Width*rgb.Height > psccMost {
		return nil, tooLarge("PSCC-Net", p, psccMost, "use --input 256, or a part of the picture")
	}
	image, err := engine.NewTensor([]int{1, 3, rgb.Height, rgb.Width}, planes(rgb, 255))
	if err != nil {
		return nil, err
	}
	return &Input{Height: rgb.Height, Width: rgb.Width, Tensors: map[string]*engine.Tensor{network.PortImage: image}}, nil
}

// Answer resizes the finest mask to the picture.
func (pscc) Answer(ctx context.Context, outputs map[string]*engine.Tensor, p *picture.Picture) (*Answer, error) {
	mask, err := mapOf(outputs, network.PortProbabilities)
	if err != nil {
		return nil, err
	}
	score, err := scoreOf(outputs)
	if err != nil {
		return nil, err
	}
	prob, err := picture.ResizeCorners(ctx, mask.Prob, mask.Width, mask.Height, p.Width, p.Height)
	return &Answer{Raw: mask, Prob: prob, Score: score}, err
}
