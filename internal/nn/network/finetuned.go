package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// FineTuned is a decoder and its backbones with weights of their own, which are trained together.
// A file of it holds everything that the model needs.
type FineTuned struct {
	model  Pretrained
	params []Param
}

// dinoScope precedes the names of DINO's tensors in files with a decoder, as in those of
// DINOv3-IML.
const dinoScope = "backbone."

// visualPrefix precedes the names of a backbone's tensors in published files, after the prefix of
// the whole model.
const visualPrefix = "visual."

// FineTuned copies the backbones, up to the layers that the decoder reads, out of their files,
// which may be closed afterwards. The batch norms of the backbones are trained, too: they use the
// statistics of the batch, and their running statistics are updated.
func (h *Head) FineTuned() (*FineTuned, error) {
	for _, u := range h.model.uses {
		if count, _ := u.Backbone.Adapters(); count > 0 {
			return nil, fmt.Errorf("%w: %s has adapters: merge them before fine-tuning (declip models convert --merge)", ErrSpec, u.Backbone.Arch())
		}
	}
	f := &FineTuned{model: h.model}
	g := graph.New()
	side := h.model.spec.Input
	b, _ := f.build(g, g.Input(PortImage, graph.Open, 3, side, side), false)
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", h.model.spec, err)
	}
	own := map[string]Param{}
	for _, p := range h.params {
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
		f.params = append(f.params, p)
	}
	return f, nil
}

// scope precedes the names of the i-th backbone's tensors. A single backbone is named as in the
// published files.
func (f *FineTuned) scope(i int) string {
	if _, ok := f.model.uses[0].Backbone.tower.(dino); ok && len(f.model.distinct()) == 1 {
		return dinoScope
	}
	if len(f.model.distinct()) == 1 {
		return "model." + visualPrefix
	}
	return backbonePrefix(i) + visualPrefix
}

func (f *FineTuned) build(g *graph.Graph, image *graph.Node, train bool) (*builder, *graph.Node) {
	b := newBuilder(g, train)
	features := make([]*graph.Node, len(f.model.uses))
	for i, d := range f.model.distinct() {
		layout := &d.backbone.layout
		_, _, b.stacked = layout.find("transformer.resblocks.0.attn.in_proj_weight")
		b.part = &part{layout, f.scope(i)}
		d.read(build(d.backbone.tower, b, image, d.layers), features)
	}
	b.part, b.stacked = nil, true
	return b, f.model.decoder.build(b, features, f.model.shapes)
}

// Spec returns the network's description with every default filled in.
func (f *FineTuned) Spec() Spec {
	spec := f.model.spec
	spec.Arch = f.model.arch()
	if d, ok := f.model.uses[0].Backbone.tower.(dino); ok && d.satellite {
		spec.Statistics = StatisticsSatellite // the file has the backbone without its mark
	}
	return spec
}

// Params returns the tensors in a fixed order. The slice belongs to the network.
func (f *FineTuned) Params() []Param { return f.params }

// Uses is nil: the network takes pictures.
func (f *FineTuned) Uses() []Use { return nil }

// Build adds the network to g; see Builder.
func (f *FineTuned) Build(g *graph.Graph, inputs []*graph.Node, train bool) Built {
	b, logits := f.build(g, inputs[0], train)
	return Built{Logits: logits, Updates: b.updates}
}

// Metadata is the metadata of a file with this network.
func (f *FineTuned) Metadata() (map[string]string, error) {
	return map[string]string{SpecKey: f.Spec().json()}, nil
}
