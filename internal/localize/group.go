package localize

import (
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
)

// Group runs models on the same pictures. Models with the same backbone share one pass of it, even
// if each has a copy of it in its own file. A Group is safe for concurrent use until it is closed.
type Group struct {
	passes  []*pass
	members []*member
	atOnce  int // pictures that are run together
}

// pass is a backbone and the layers that members read.
type pass struct {
	Pass
	layers []string
}

// member is one model.
type member struct {
	name    string // its file
	spec    network.Spec
	whole   *Runner // a network in one piece; the fields below are for the others
	decoder *engine.Session
	reads   []reading
}

// reading is one input of a decoder.
type reading struct {
	pass  *pass
	layer string
}

// NewGroup loads models, whose files must stay open until it returns. The caller closes the group.
func NewGroup(e *engine.Engine, models []*network.Pretrained, o LoadOptions) (*Group, error) {
	g := &Group{atOnce: together(e)}
	for _, m := range models {
		if err := g.add(e, m, o); err != nil {
			return nil, err
		}
	}
	l := newLoader(e)
	if err := errors.Join(g.load(l, models, o), l.wait()); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// load starts loading the models' programs: decoders first, because folding their norms needs
// memory for copies of their weights.
func (g *Group) load(l *loader, models []*network.Pretrained, o LoadOptions) error {
	form, _ := o.form(l.engine)
	for i, m := range models {
		if len(m.Uses()) == 0 {
			continue
		}
		program, err := m.DecoderIn(form)
		if err != nil {
			return err
		}
		l.load(program, o, &g.members[i].decoder, func(err error) error {
			return fmt.Errorf("decoder of %v: %w", m.Spec(), err)
		})
	}
	for _, p := range g.passes {
		if err := p.load(l, p.layers, o); err != nil {
			return err
		}
	}
	return nil
}

// add adds a model and the passes that it reads.
func (g *Group) add(e *engine.Engine, m *network.Pretrained, o LoadOptions) error {
	mb := &member{name: m.Path(), spec: m.Spec()}
	g.members = append(g.members, mb)
	if len(m.Uses()) == 0 {
		whole, err := newRunner(mb.spec, func(h, w int) (*engine.Session, error) {
			program, err := m.ProgramIn(network.Form{Winograd: e.Winograd()}, h, w)
			if err != nil {
				return nil, err
			}
			return e.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder, MapIfPrivate: mapped(mb.spec)})
		})
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path(), err)
		}
		mb.whole, whole.thorough = whole, o.Thorough
		whole.sessions.cost, err = keptBytes(m)
		return err
	}
	for _, use := range m.Uses() {
		p, err := g.passFor(use)
		if err != nil {
			return err
		}
		mb.reads = append(mb.reads, reading{p, use.Layer})
	}
	return nil
}

// passFor finds or makes the pass of a backbone, up to the layer that is used.
func (g *Group) passFor(use network.Use) (*pass, error) {
	for _, p := range g.passes {
		equal, err := p.backbone.Equal(use.Backbone, use.Layer)
		if err != nil {
			return nil, err
		}
		if !equal {
			continue
		}
		if !slices.Contains(p.layers, use.Layer) {
			p.layers = append(p.layers, use.Layer)
		}
		return p, nil
	}
	p := &pass{Pass: Pass{backbone: use.Backbone}, layers: []string{use.Layer}}
	g.passes = append(g.passes, p)
	return p, nil
}

// Passes is the number of backbones that are run for a picture.
func (g *Group) Passes() int { return len(g.passes) }

// Pass is the i-th backbone. It lives as long as the group.
func (g *Group) Pass(i int) *Pass { return &g.passes[i].Pass }

// Specs describes the models in their order.
func (g *Group) Specs() []network.Spec {
	var list []network.Spec
	for _, m := range g.members {
		list = append(list, m.spec)
	}
	return list
}

// Close frees the sessions; no call of Run may be in progress.
func (g *Group) Close() error {
	var errs []error
	for _, p := range g.passes {
		errs = append(errs, p.Close())
	}
	for _, m := range g.members {
		if m.whole != nil {
			errs = append(errs, m.whole.Close())
		}
		if m.decoder != nil {
			errs = append(errs, m.decoder.Close())
		}
	}
	return errors.Join(errs...)
}
