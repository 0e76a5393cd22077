package network

import (
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Head is a decoder with weights of its own, trained on the features of frozen backbones. The
// backbones' weights stay in their files, which must be open while programs are made of them.
type Head struct {
	model  Pretrained // without the decoder's layout
	params []Param
}

// NewHead makes a decoder with initial weights drawn from seed for the backbones that spec.Arch
// names. An empty layer means the backbone's last. Spec.Widths, if set, are the channels of a conv
// decoder's stages. Errors about the spec wrap ErrSpec; a backbone that is not among the given ones
// is a *MissingBackboneError.
func NewHead(spec Spec, backbones []*Backbone, seed uint64) (*Head, error) {
	h := &Head{model: Pretrained{spec: spec}}
	m := &h.model
	backbones = slices.Clone(backbones)
	if err := chooseStatistics(backbones, spec.Statistics); err != nil {
		return nil, err
	}
	missing, err := m.takeNamed(backbones)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, &MissingBackboneError{Archs: missing}
	}
	if err := m.orderFusion(); err != nil {
		return nil, err
	}
	if err := m.sizeBackbones(); err != nil {
		return nil, err
	}
	layer, err := layersOf(m.uses[0].Backbone.tower, spec.Layer)
	if err != nil {
		return nil, err
	}
	if err := m.settleLayers(layer); err != nil {
		return nil, err
	}
	setDefault(&m.spec.Decoder, DecoderLinear)
	if err := m.settleDecoder(); err != nil {
		return nil, err
	}
	if spec.Widths != nil {
		if m.decoder.depth == 0 || len(spec.Widths) != stages || slices.Min(spec.Widths) < 1 {
			return nil, fmt.Errorf("%w: widths %v: expected the channels of a conv decoder's %d stages", ErrSpec, spec.Widths, stages)
		}
		copy(m.decoder.widths[:], spec.Widths)
	}
	declared, err := h.declare()
	if err != nil {
		return nil, err
	}
	for _, d := range declared {
		h.params = append(h.params, d.initial(seed))
	}
	return h, h.check()
}

// HeadOf copies the decoder of an opened model, of this program or a published one, for further
// training. A network in one piece has no separate decoder: it is an error.
func HeadOf(m *Pretrained) (*Head, error) {
	if len(m.uses) == 0 {
		return nil, fmt.Errorf("%s holds a network in one piece, %v", m.Path(), m.spec)
	}
	h := &Head{model: *m}
	declared, err := h.declare()
	if err != nil {
		return nil, err
	}
	for _, d := range declared {
		p := Param{Name: d.name, Shape: d.shape, Trainable: d.trainable}
		if p.Data, err = m.layout.values(d.name, d.shape); err != nil {
			return nil, err
		}
		h.params = append(h.params, p)
	}
	h.model.layout = layout{}
	return h, h.check()
}

// values reads a part's tensor as float32.
func (l *layout) values(name string, shape []int) ([]float32, error) {
	t, r, err := l.get(name, shape)
	if err != nil {
		return nil, err
	}
	data, err := l.file.Float32s(t.Name)
	if err != nil {
		return nil, err
	}
	if r.times != "" {
		factors, err := l.file.Float32s(l.prefix + r.times)
		if err != nil {
			return nil, err
		}
		if len(factors) != len(data) {
			return nil, fmt.Errorf("%s: tensor %q has %d values, expected %d", l.file.Path(), l.prefix+r.times, len(factors), len(data))
		}
		for i, f := range factors {
			data[i] *= f
		}
	}
	return slices.Clone(share(data, r)), CheckNaN(l.file.Path(), data)
}

// check returns an error for backbones with different input sizes, which cannot be trained on in
// batches, and for backbones with missing tensors.
func (h *Head) check() error {
	uses := h.model.uses
	for _, u := range uses {
		if first := uses[0].Backbone; u.Backbone.Side() != first.Side() {
			return fmt.Errorf("%w: %s takes pictures of %d pixels, %s of %d: a decoder for both can't be trained", ErrSpec,
				first.Arch(), first.Side(), u.Backbone.Arch(), u.Backbone.Side())
		}
		if err := u.Backbone.Check(u.Layer); err != nil {
			return err
		}
	}
	return nil
}

// declare lists the decoder's parameters by building it once.
func (h *Head) declare() ([]declared, error) {
	b := newBuilder(graph.New(), false)
	b.stacked = true
	h.model.decoder.build(b, featureInputs(b.g, h.model.uses), h.model.shapes)
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", h.model.spec, err)
	}
	return b.declared, nil
}

// Spec returns the head's description with every default filled in.
func (h *Head) Spec() Spec { return h.model.spec }

// Params returns the decoder's tensors in a fixed order, by their published names. The slice
// belongs to the head.
func (h *Head) Params() []Param { return h.params }

// Uses lists the backbones' layers that the decoder reads, in the order of its inputs.
func (h *Head) Uses() []Use { return h.model.uses }

// Build adds the decoder to g; see Builder.
func (h *Head) Build(g *graph.Graph, features []*graph.Node, train bool) Built {
	b := newBuilder(g, train)
	b.stacked = true
	return Built{Logits: h.model.decoder.build(b, features, h.model.shapes), Updates: b.updates}
}

// Metadata is the metadata of a file with this head: its Spec, and the backbones that it was
// trained on. It reads the backbones' weights; see Backbone.Digest.
func (h *Head) Metadata() (map[string]string, error) {
	origins, err := h.origins()
	return map[string]string{SpecKey: h.Spec().json(), BackbonesKey: origins}, err
}

// BackbonesIn lists the backbones in some files. Adapters in files of PEFT are added to the
// backbone of DINO among them. A file without either is an error.
func BackbonesIn(files []*weights.File) ([]*Backbone, error) {
	var list []*Backbone
	adapters, files := splitAdapters(files)
	for _, f := range files {
		c, err := Recognise(f)
		if err != nil {
			return nil, err
		}
		if len(c.Backbones) == 0 {
			return nil, fmt.Errorf("%s holds no backbone", f.Path())
		}
		list = append(list, c.Backbones...)
	}
	return list, attachTo(list, adapters)
}
