package localize

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Pass is a backbone that computes its features at some layers in one run. It is safe for
// concurrent use until it is closed.
type Pass struct {
	backbone *network.Backbone
	chain    []*engine.Session // each takes the output of the one before
	atOnce   int               // pictures that are run together
}

// NewPass loads a backbone up to the last of the layers. The caller closes the pass.
func NewPass(e *engine.Engine, b *network.Backbone, layers []string, o LoadOptions) (*Pass, error) {
	p := &Pass{backbone: b}
	l := newLoader(e)
	err := p.load(l, layers, o)
	if err = errors.Join(err, l.wait()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// load starts loading the backbone.
func (p *Pass) load(l *loader, layers []string, o LoadOptions) error {
	form, parts := o.form(l.engine)
	programs, err := p.backbone.Chain(form, parts, layers...)
	if err != nil {
		return err
	}
	p.atOnce = together(l.engine)
	p.chain = make([]*engine.Session, len(programs))
	for i, program := range programs {
		l.load(program, o, &p.chain[i], func(err error) error {
			return fmt.Errorf("%s of %s: %w", p.backbone.Arch(), p.backbone.Path(), err)
		})
	}
	return nil
}

// Close frees the sessions; no call of Run may be in progress.
func (p *Pass) Close() error {
	var errs []error
	for _, s := range p.chain {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// Run returns the features of pictures by layer: [N, T, C] or [N, C, h, w], see network.Features.
// Errors about NaN among them wrap network.ErrNaN.
func (p *Pass) Run(ctx context.Context, pictures []*picture.RGB) (map[string]*engine.Tensor, error) {
	image, err := Scaled(ctx, pictures, p.backbone.Side())
	if err != nil {
		return nil, err
	}
	return p.checkFinite(p.run(ctx, image))
}

// Features is Run for pictures [N, 3, side, side] that are scaled and normalised already. On a CPU
// they go through in batches of as many as there are threads: more are no faster there and take
// memory.
func (p *Pass) Features(ctx context.Context, images *engine.Tensor) (map[string]*engine.Tensor, error) {
	return p.checkFinite(p.parts(ctx, images))
}

// parts is Features without checkFinite.
func (p *Pass) parts(ctx context.Context, images *engine.Tensor) (map[string]*engine.Tensor, error) {
	shape := images.Shape()
	if len(shape) != 4 || shape[0] <= p.atOnce {
		return p.run(ctx, images)
	}
	all, done, size := map[string]*engine.Tensor{}, 0, shape[1]*shape[2]*shape[3]
	for part := range slices.Chunk(images.Float32s(), p.atOnce*size) {
		image, err := engine.NewTensor([]int{len(part) / size, shape[1], shape[2], shape[3]}, part)
		if err != nil {
			return nil, err
		}
		out, err := p.run(ctx, image)
		if err != nil {
			return nil, err
		}
		for layer, t := range out {
			if all[layer] == nil {
				whole := append([]int{shape[0]}, t.Shape()[1:]...)
				if all[layer], err = engine.NewEmpty(whole); err != nil {
					return nil, err
				}
			}
			each := t.Len() / t.Shape()[0]
			copy(all[layer].Float32s()[done*each:], t.Float32s())
		}
		done += len(part) / size
	}
	return all, nil
}

// checkFinite returns an error if a feature is NaN.
func (p *Pass) checkFinite(features map[string]*engine.Tensor, err error) (map[string]*engine.Tensor, error) {
	for _, t := range features {
		if err := network.CheckNaN(p.backbone.Path(), t.Float32s()); err != nil {
			return nil, err
		}
	}
	return features, err
}

func (p *Pass) run(ctx context.Context, image *engine.Tensor) (map[string]*engine.Tensor, error) {
	features, inputs := map[string]*engine.Tensor{}, map[string]*engine.Tensor{network.PortImage: image}
	for _, session := range p.chain {
		parallel.Point("network")
		out, err := session.Run(ctx, inputs, nil)
		if err != nil {
			return nil, err
		}
		inputs = map[string]*engine.Tensor{network.Carried: out[network.Carry]}
		delete(out, network.Carry)
		maps.Copy(features, out)
	}
	return features, nil
}
