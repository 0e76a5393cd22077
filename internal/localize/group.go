package localize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/localize/tile"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Group runs models on the same pictures. Those that read the same backbone share one pass of it, also where each has
// a copy of it in its own file. It is safe for concurrent use until it is closed.
type Group struct {
	passes  []*pass
	members []*member
	atOnce  int // pictures that are run together
}

// pass is a backbone and what the members read of it.
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

// NewGroup loads models, whose files must be open meanwhile. Its owner closes it.
func NewGroup(e *engine.Engine, models []*network.Pretrained, o LoadOptions) (*Group, error) {
	g := &Group{atOnce: together(e)}
	for _, m := range models {
		if err := g.add(e, m); err != nil {
			return nil, err
		}
	}
	l := newLoader(e)
	if err := errors.Join(g.load(l, models, o), l.wait()); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// load starts loading what the models need: decoders first, whose norms are folded into copies of their weights, while
// there is still room for these.
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

// add notes a model, and which passes it reads.
func (g *Group) add(e *engine.Engine, m *network.Pretrained) error {
	mb := &member{name: m.Path(), spec: m.Spec()}
	g.members = append(g.members, mb)
	if len(m.Uses()) == 0 {
		mb.whole = newRunner(mb.spec, func(h, w int) (*engine.Session, error) {
			program, err := m.Program(h, w)
			if err != nil {
				return nil, err
			}
			// Not in low memory: such networks have small weights and large maps.
			return e.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder})
		})
		return nil
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
		same, err := p.backbone.Equal(use.Backbone, use.Layer)
		if err != nil {
			return nil, err
		}
		if !same {
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

// Passes is how many backbones are run for a picture.
func (g *Group) Passes() int { return len(g.passes) }

// Pass is the i-th of them, which lives as long as the group.
func (g *Group) Pass(i int) *Pass { return &g.passes[i].Pass }

// Specs describes the models in their order.
func (g *Group) Specs() []network.Spec {
	var list []network.Spec
	for _, m := range g.members {
		list = append(list, m.spec)
	}
	return list
}

// Close frees the sessions; no call of Run must be under way.
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

// decodedParts is how many parts of pictures that went through a backbone go through a decoder together: a decoder's kernels
// are transformed for each run, and its maps are small.
const decodedParts = 4

// Run runs all models on each picture, and gives for each picture the models' outputs in their order. Pictures go
// through backbones and decoders together; on a CPU in parts, through backbones of as many as there are threads: more are
// no faster there and take memory. A picture's outputs do not depend on the others beyond the last bits of float32 arithmetic.
func (g *Group) Run(ctx context.Context, pictures []*picture.RGB) (outputs [][]Output, err error) {
	defer parallel.Recover(&err)
	for part := range slices.Chunk(pictures, decodedParts*min(g.atOnce, max(1, len(pictures)))) {
		some, err := g.run(ctx, part)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, some...)
	}
	return outputs, nil
}

func (g *Group) run(ctx context.Context, pictures []*picture.RGB) ([][]Output, error) {
	outputs := make([][]Output, len(pictures))
	for i := range outputs {
		outputs[i] = make([]Output, len(g.members))
	}
	features, err := g.features(ctx, pictures)
	if err != nil {
		return nil, err
	}
	for k, m := range g.members {
		if m.whole != nil {
			for i, rgb := range pictures {
				if outputs[i][k], err = m.whole.Run(ctx, rgb); err != nil {
					return nil, err
				}
			}
			continue
		}
		maps, err := m.decode(ctx, features)
		if err != nil {
			return nil, err
		}
		for i, raw := range maps {
			outputs[i][k] = Output{Raw: raw}
		}
	}
	return outputs, nil
}

// features runs the backbones.
func (g *Group) features(ctx context.Context, pictures []*picture.RGB) (map[reading]*engine.Tensor, error) {
	images, features := map[int]*engine.Tensor{}, map[reading]*engine.Tensor{}
	for _, p := range g.passes {
		side := p.backbone.Side()
		if images[side] == nil {
			var err error
			if images[side], err = Scaled(pictures, side); err != nil {
				return nil, err
			}
		}
		out, err := p.parts(ctx, images[side])
		if err != nil {
			return nil, err
		}
		for layer, t := range out {
			features[reading{p, layer}] = t
		}
	}
	return features, nil
}

// decode gives the probabilities of a batch of pictures, at the decoder's own size.
func (m *member) decode(ctx context.Context, features map[reading]*engine.Tensor) ([]picture.Map, error) {
	inputs := map[string]*engine.Tensor{}
	for i, r := range m.reads {
		inputs[network.FeatureInput(i)] = features[r]
	}
	return decode(ctx, m.decoder, m.name, inputs)
}

// decode runs a decoder, whose name errors begin with.
func decode(ctx context.Context, decoder *engine.Session, name string, inputs map[string]*engine.Tensor) ([]picture.Map, error) {
	parallel.Point("network")
	out, err := decoder.Run(ctx, inputs, nil)
	if err != nil {
		return nil, err
	}
	shape, prob := out["logits"].Shape(), out["logits"].Float32s()
	if err := network.CheckNaN(name, prob); err != nil {
		return nil, err
	}
	for i, v := range prob {
		prob[i] = tile.Sigmoid(v)
	}
	h, w := shape[2], shape[3]
	maps := make([]picture.Map, shape[0])
	for i := range maps {
		maps[i] = picture.Map{Prob: prob[i*h*w:][:h*w], Width: w, Height: h}
	}
	return maps, nil
}

// Mean is the mean of several models' outputs for a picture of the given size in pixels. Its Raw is the mean of the
// models' own maps where these have one size, and else the mean at the picture's size.
func Mean(outputs []Output, width, height int) Output {
	raw := make([]picture.Map, len(outputs))
	alike := true
	for i, o := range outputs {
		raw[i] = o.Raw
		alike = alike && o.Prob == nil && o.Raw.Width == raw[0].Width && o.Raw.Height == raw[0].Height
	}
	if alike {
		return Output{Raw: mean(raw)}.Enlarged(width, height)
	}
	for i, o := range outputs {
		raw[i] = picture.Map{Prob: o.Enlarged(width, height).Prob, Width: width, Height: height}
	}
	if len(outputs) == 1 {
		return Output{outputs[0].Raw, raw[0].Prob}
	}
	m := mean(raw)
	return Output{m, m.Prob}
}

// mean averages maps of one size; a single one is returned as it is.
func mean(maps []picture.Map) picture.Map {
	if len(maps) == 1 {
		return maps[0]
	}
	sum := make([]float32, len(maps[0].Prob))
	for _, m := range maps {
		for i, v := range m.Prob {
			sum[i] += v
		}
	}
	for i := range sum {
		sum[i] /= float32(len(maps))
	}
	return picture.Map{Prob: sum, Width: maps[0].Width, Height: maps[0].Height}
}

// Enlarged brings the output to the picture's size, if it is not there yet.
func (o Output) Enlarged(width, height int) Output {
	if o.Prob == nil {
		parallel.Point("enlarge")
		o.Prob = picture.FitFloat(o.Raw.Prob, o.Raw.Width, o.Raw.Height, width, height)
	}
	return o
}
