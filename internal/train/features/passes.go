package features

import (
	"context"
	"errors"
	"slices"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
)

// Passes is a Source that runs the backbones on every call.
type Passes struct {
	list  []*localize.Pass
	reads []read
}

// read says where a decoder's input comes from.
type read struct {
	pass  *localize.Pass
	layer string
}

// NewPasses loads backbones to give their features at the uses, in that order. Several layers of
// one backbone come from one pass. The files of the backbones must be open meanwhile. The caller
// closes the result.
func NewPasses(e *engine.Engine, uses []network.Use) (*Passes, error) {
	p := &Passes{reads: make([]read, len(uses))}
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

// Features implements Source.
func (p *Passes) Features(ctx context.Context, images *engine.Tensor) ([]*engine.Tensor, error) {
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
func (p *Passes) Close() error {
	var errs []error
	for _, pass := range p.list {
		errs = append(errs, pass.Close())
	}
	return errors.Join(errs...)
}
