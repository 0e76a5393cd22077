package runner

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/network"
	"github.com/declip/declip/internal/picture"
)

// Options are the choices for running models whose weights lie in files.
type Options struct {
	// LowMemory leaves weights mapped from their files, shared between processes, instead of packing them for the
	// processor. Some per cent slower.
	LowMemory bool
}

func (o Options) load(e *engine.Engine, p network.Program) (*engine.Session, error) {
	return e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder, LowMemory: o.LowMemory})
}

// Pass is a backbone that gives its features at some layers, all in one run. It is safe for concurrent use until it is
// closed.
type Pass struct {
	backbone *network.Backbone
	session  *engine.Session
}

// NewPass loads a backbone up to the last of the layers. Its owner closes it.
func NewPass(e *engine.Engine, b *network.Backbone, layers []string, o Options) (*Pass, error) {
	p := &Pass{backbone: b}
	return p, p.load(e, layers, o)
}

func (p *Pass) load(e *engine.Engine, layers []string, o Options) error {
	program, err := p.backbone.Program(layers...)
	if err != nil {
		return err
	}
	if p.session, err = o.load(e, program); err != nil {
		return fmt.Errorf("%s of %s: %w", p.backbone.Arch(), p.backbone.Path(), err)
	}
	return nil
}

// Close frees the session; no call of Run must be under way.
func (p *Pass) Close() error {
	if p.session == nil {
		return nil
	}
	return p.session.Close()
}

// Run gives the features of pictures by layer: [N, T, C] or [N, C, h, w], see network.Features. Errors about NaN among
// them wrap network.ErrNotNumbers.
func (p *Pass) Run(ctx context.Context, pictures []*picture.RGB) (map[string]*engine.Tensor, error) {
	image, err := scaled(pictures, p.backbone.Side())
	if err != nil {
		return nil, err
	}
	out, err := p.run(ctx, image)
	for _, t := range out {
		if err := network.CheckNumbers(p.backbone.Path(), t.Float32s()); err != nil {
			return nil, err
		}
	}
	return out, err
}

func (p *Pass) run(ctx context.Context, image *engine.Tensor) (map[string]*engine.Tensor, error) {
	return p.session.Run(ctx, map[string]*engine.Tensor{"image": image}, nil)
}

// scaled brings pictures to the side of a network's input, normalised: [N, 3, side, side].
func scaled(pictures []*picture.RGB, side int) (*engine.Tensor, error) {
	size := 3 * side * side
	image := make([]float32, len(pictures)*size)
	for i, rgb := range pictures {
		picture.Normalization{Mean: network.Mean, Std: network.Std}.Planes(image[i*size:][:size], picture.Resize(rgb, side, side))
	}
	return engine.NewTensor([]int{len(pictures), 3, side, side}, image)
}
