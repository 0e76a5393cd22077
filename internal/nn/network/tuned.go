package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// Tuned is a decoder and its backbones with weights of their own, to be trained together. A file of it is a model that
// needs nothing beside it.
type Tuned struct {
	model  Model
	params []Param
}

// Tuned copies the backbones, up to the layers that are read, out of their files, which may be closed then. Batch norms
// of the backbones are trained, too: with the batch's statistics, and running ones that follow.
func (t *Trainee) Tuned() (*Tuned, error) {
	u := &Tuned{model: t.model}
	g := graph.New()
	side := t.model.spec.Input
	b, _ := u.build(g, g.Input("image", graph.Open, 3, side, side), false)
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", t.model.spec, err)
	}
	own := map[string]Param{}
	for _, p := range t.params {
		own[p.Name] = p
	}
	for _, d := range b.declared {
		p := own[d.name]
		if d.part != nil {
			data, err := d.part.values(d.name, d.shape)
			if err != nil {
				return nil, err
			}
			p = Param{Name: d.graphName(), Shape: d.shape, Data: data, Trainable: d.trainable, Backbone: true}
		}
		u.params = append(u.params, p)
	}
	return u, nil
}

// scope is what stands before the names of the i-th backbone's tensors: as in the published files where it is alone.
func (u *Tuned) scope(i int) string {
	if len(u.model.uses) == 1 {
		return "model.visual."
	}
	return fmt.Sprintf("backbone%d.visual.", i)
}

func (u *Tuned) build(g *graph.Graph, image *graph.Node, train bool) (*builder, *graph.Node) {
	b := newBuilder(g, train)
	var features []*graph.Node
	for i, use := range u.model.uses {
		layout := &use.Backbone.layout
		_, _, b.stacked = layout.find("transformer.resblocks.0.attn.in_proj_weight")
		b.part = &part{layout, u.scope(i)}
		features = append(features, build(use.Backbone.tower, b, image, []string{use.Layer})[use.Layer])
	}
	b.part, b.stacked = nil, true
	return b, u.model.decoder.build(b, features, u.model.shapes)
}

// Spec returns the network's description with every default filled in.
func (u *Tuned) Spec() Spec {
	spec := u.model.spec
	spec.Arch = u.model.arch()
	return spec
}

// SpecJSON returns what a file of this network carries under SpecKey.
func (u *Tuned) SpecJSON() string { return u.Spec().json() }

// Params returns the tensors in a fixed order. The slice is the network's own.
func (u *Tuned) Params() []Param { return u.params }

// Build adds the network to g; see Network.Build.
func (u *Tuned) Build(g *graph.Graph, x *graph.Node, train bool) (logits *graph.Node, updates map[string]*graph.Node) {
	b, logits := u.build(g, x, train)
	return logits, b.updates
}
