package network

import (
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Trainee is a decoder with weights of its own, to be trained on what frozen backbones see. The backbones' weights stay
// in their files, which must be open while programs are made of them.
type Trainee struct {
	model  Model // without the decoder's layout
	params []Param
}

// NewTrainee makes a decoder with initial weights drawn from seed, on those of the backbones that spec.Arch names. An
// empty layer is the backbone's last. Spec.Widths, where given, are the channels of a conv decoder's stages. Errors
// about the spec wrap ErrSpec; a backbone that is not among those given is a *NeedsError.
func NewTrainee(spec Spec, backbones []*Backbone, seed uint64) (*Trainee, error) {
	t := &Trainee{model: Model{spec: spec}}
	m := &t.model
	missing, err := m.takeNamed(backbones)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, &NeedsError{Archs: missing}
	}
	if err := m.orderFusion(); err != nil {
		return nil, err
	}
	layer, err := layerOf(m.uses[0].Backbone.tower, spec.Layer)
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
			return nil, fmt.Errorf("%w: widths %v: expected %d channels of the stages of a conv decoder", ErrSpec, spec.Widths, stages)
		}
		copy(m.decoder.widths[:], spec.Widths)
	}
	declared, err := t.declare()
	if err != nil {
		return nil, err
	}
	for _, d := range declared {
		t.params = append(t.params, d.initial(seed))
	}
	return t, t.check()
}

// TraineeOf goes on from a model's decoder, of this program or a published one. Networks in one piece have none.
func TraineeOf(m *Model) (*Trainee, error) {
	if len(m.uses) == 0 {
		return nil, fmt.Errorf("%s holds a network in one piece, %v", m.Path(), m.spec)
	}
	t := &Trainee{model: *m}
	declared, err := t.declare()
	if err != nil {
		return nil, err
	}
	for _, d := range declared {
		p := Param{Name: d.name, Shape: d.shape, Trainable: d.trainable}
		if p.Data, err = m.layout.values(d.name, d.shape); err != nil {
			return nil, err
		}
		t.params = append(t.params, p)
	}
	t.model.layout = layout{}
	return t, t.check()
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
	return slices.Clone(share(data, r)), CheckNumbers(l.file.Path(), data)
}

// check refuses what can't be trained in batches, and backbones with tensors missing.
func (t *Trainee) check() error {
	uses := t.model.uses
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

func (t *Trainee) declare() ([]declared, error) {
	b := newBuilder(graph.New(), false)
	b.stacked = true
	var features []*graph.Node
	for i, shape := range t.model.shapes {
		features = append(features, b.g.Input(FeatureInput(i), shape.Shape()...))
	}
	t.model.decoder.build(b, features, t.model.shapes)
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", t.model.spec, err)
	}
	return b.declared, nil
}

// Spec returns the network's description with every default filled in.
func (t *Trainee) Spec() Spec { return t.model.spec }

// SpecJSON returns what a file of this network carries under SpecKey.
func (t *Trainee) SpecJSON() string { return t.model.spec.json() }

// Params returns the decoder's tensors in a fixed order, by their published names. The slice is the trainee's own.
func (t *Trainee) Params() []Param { return t.params }

// Uses lists the backbones' layers that the decoder reads, in the order of its inputs.
func (t *Trainee) Uses() []Use { return t.model.uses }

// Shapes are those of the features that the decoder reads, in the same order.
func (t *Trainee) Shapes() []Features { return t.model.shapes }

// BuildDecoder adds the decoder to g and returns its logits [N, 1, h, w] for features shaped as Shapes says. With train
// set, batch norm uses the batch's statistics and updates holds the new running statistics by parameter name; else
// updates is empty. Parameters become g.Param nodes by name.
func (t *Trainee) BuildDecoder(g *graph.Graph, features []*graph.Node, train bool) (logits *graph.Node, updates map[string]*graph.Node) {
	b := newBuilder(g, train)
	b.stacked = true
	return t.model.decoder.build(b, features, t.model.shapes), b.updates
}

// Decoder is the decoder with the given values for its parameters: inputs FeatureInput(0), ... as the backbones give
// them, output "logits" [N, 1, side, side].
func (t *Trainee) Decoder(params []Param, form Form) (Program, error) {
	g := form.Graph()
	var features []*graph.Node
	for i, shape := range t.model.shapes {
		features = append(features, g.Input(FeatureInput(i), shape.Shape()...))
	}
	logits, _ := t.BuildDecoder(g, features, false)
	inits := make(map[string]graph.Initializer, len(params))
	for _, p := range params {
		inits[p.Name] = Initializer(p)
	}
	bytes, err := g.Encode([]graph.Output{{Name: "logits", Node: logits}}, inits)
	return Program{ONNX: bytes}, errors.Join(g.Err(), err)
}

// BackbonesIn lists the backbones that some files hold, which must hold one each at least.
func BackbonesIn(files []*weights.File) ([]*Backbone, error) {
	var list []*Backbone
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
	return list, nil
}
