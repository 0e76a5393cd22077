package train

import (
	"context"
	"errors"
	"slices"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
)

// Features gives what frozen backbones see in pictures. It is the seam between the loader and the training step, and
// between a picture and its map in validation: whatever stands behind it, a pass through the backbones or what an
// earlier pass left, the same pixels give the same features. It is safe for concurrent use until it is closed.
type Features interface {
	// Features gives for pictures [N, 3, side, side], as the backbones take them, a tensor [N, T, C] or [N, C, h, w] for
	// each input of the decoder, in the order of network.Trainee.Uses. The pixels are all that they depend on.
	Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error)
	Close() error
}

// passes runs the backbones each time.
type passes struct {
	list  []*localize.Pass
	reads []read
}

// read is where a decoder's input comes from.
type read struct {
	pass  *localize.Pass
	layer string
}

// NewPasses loads backbones to give their features at the uses, in that order. Several layers of one backbone come out
// of one pass. The files of the backbones must be open meanwhile.
func NewPasses(e *engine.Engine, uses []network.Use) (Features, error) {
	p := &passes{reads: make([]read, len(uses))}
	for i, u := range uses {
		if p.reads[i].pass != nil {
			continue
		}
		var layers []string
		var of []int
		for k, other := range uses[i:] {
			if other.Backbone != u.Backbone {
				continue
			}
			of = append(of, i+k)
			if !slices.Contains(layers, other.Layer) {
				layers = append(layers, other.Layer)
			}
		}
		pass, err := localize.NewPass(e, u.Backbone, layers, localize.LoadOptions{})
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.list = append(p.list, pass)
		for _, k := range of {
			p.reads[k] = read{pass, uses[k].Layer}
		}
	}
	return p, nil
}

// Features implements Features.
func (p *passes) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
	out := make([]*engine.Tensor, len(p.reads))
	for _, pass := range p.list {
		layers, err := pass.Features(ctx, images)
		if err != nil {
			return nil, err
		}
		for i, r := range p.reads {
			if r.pass == pass {
				out[i] = layers[r.layer]
			}
		}
	}
	return out, nil
}

// Close frees the backbones' sessions.
func (p *passes) Close() error {
	var errs []error
	for _, pass := range p.list {
		errs = append(errs, pass.Close())
	}
	return errors.Join(errs...)
}
