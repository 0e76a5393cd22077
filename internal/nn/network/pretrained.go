package network

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Pretrained is a network as it is run: weights stay in their files, which must be open while programs are made, and the
// backbone and the decoder are programs of their own, so that several decoders can share one pass of a backbone.
type Pretrained struct {
	spec    Spec
	uses    []Use
	decoder decoder
	layout  layout // of the decoder's tensors, or of the whole network's if uses is empty
	shapes  []Features
}

// Use is a backbone's layer that a decoder reads.
type Use struct {
	Backbone *Backbone
	Layer    string // one of Backbone.Layers
}

// Features is the shape of the layer's features.
func (u Use) Features() Features { return u.Backbone.tower.features(u.Layer) }

// Override replaces what a file says about itself, or what is taken where it says nothing; empty fields don't.
type Override struct{ Arch, Layer, Decoder string }

// MissingBackboneError says that a file holds a decoder whose backbones are to be given beside it.
type MissingBackboneError struct {
	Path     string
	Archs    []string // what is missing; nil where nothing says what it is
	Channels int      // how many the decoder takes
}

func (e *MissingBackboneError) Error() string {
	what := strings.Join(e.Archs, " and ")
	if what == "" {
		what = fmt.Sprintf("backbones with %d channels", e.Channels)
	}
	return fmt.Sprintf("%s holds a decoder only: it needs the weights of %s in files of their own", e.Path, what)
}

// fusionLayer is the residual network's layer in the fusion, whatever the transformer's is.
const fusionLayer = "layer3"

// OpenPretrained makes a model out of what a file holds. beside are files with backbones, for decoders that come without.
// Every tensor that is needed must be there in the right shape; the error names the first that is not. A missing
// backbone is a *MissingBackboneError; errors about names that are no network's wrap ErrSpec.
func OpenPretrained(f *weights.File, o Override, beside ...*weights.File) (*Pretrained, error) {
	c, err := Recognise(f)
	if err != nil {
		return nil, err
	}
	if !c.HasDecoder {
		return nil, fmt.Errorf("%s holds a backbone (%s) without a decoder: it localizes nothing", f.Path(), c.Backbones[0].Arch())
	}
	if c.Stated.Arch == ArchLite {
		return openLite(c, o)
	}
	pool := slices.Clone(c.Backbones)
	for _, file := range beside {
		other, err := Recognise(file)
		if err != nil {
			return nil, err
		}
		if len(other.Backbones) == 0 {
			return nil, fmt.Errorf("%s holds no backbone of its own to go with %s", file.Path(), f.Path())
		}
		pool = append(pool, other.Backbones...)
	}
	spec := c.Stated
	override(&spec.Arch, o.Arch)
	override(&spec.Layer, o.Layer)
	override(&spec.Decoder, o.Decoder)
	m := &Pretrained{spec: spec, layout: c.decoder}
	for _, step := range []func() error{
		func() error { return m.chooseBackbones(c, pool) },
		func() error { return m.chooseLayers(c) },
		func() error { return m.chooseDecoder(c) },
		m.check,
		m.checkOrigins,
	} {
		if err := step(); err != nil {
			if !strings.Contains(err.Error(), f.Path()) {
				err = fmt.Errorf("%s: %w", f.Path(), err)
			}
			return nil, err
		}
	}
	return m, nil
}

func override(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func openLite(c *FileContents, o Override) (*Pretrained, error) {
	if o != (Override{}) {
		return nil, fmt.Errorf("%w: %s is what it is: arch, layer and decoder can't be chosen", ErrSpec, c.file.Path())
	}
	spec, err := c.Stated.complete()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.file.Path(), err)
	}
	m := &Pretrained{spec: spec, layout: c.decoder}
	return m, m.check()
}

// Spec describes the network with everything filled in.
func (m *Pretrained) Spec() Spec { return m.spec }

// Path is that of the file with the decoder, or the whole network.
func (m *Pretrained) Path() string { return m.layout.file.Path() }

// Uses lists the backbones' layers that the decoder reads: one, or the fusion's two. It is empty for a network in one
// piece.
func (m *Pretrained) Uses() []Use { return m.uses }

// Decoder is the part behind the backbones: inputs FeatureInput(0), ... as the backbones give them, output "logits"
// [N, 1, side, side].
func (m *Pretrained) Decoder() (Program, error) { return m.DecoderIn(Plain) }

// DecoderIn is Decoder in a form of choice.
func (m *Pretrained) DecoderIn(form Form) (Program, error) {
	b, logits, err := m.buildDecoder(form)
	if err != nil {
		return Program{}, err
	}
	return b.program([]graph.Output{{Name: PortLogits, Node: logits}})
}

func (m *Pretrained) buildDecoder(form Form) (*builder, *graph.Node, error) {
	if len(m.uses) == 0 {
		return nil, nil, errors.New("the network is in one piece")
	}
	b := newBuilder(form.Graph(), false)
	b.part, b.form = &part{layout: &m.layout}, form
	return b, m.decoder.build(b, featureInputs(b.g, m.uses), m.shapes), nil
}

// Program is the model in one program: input "image" [N, 3, height, width], normalised by Mean and Std, output
// "logits". Height and width are Spec.Input unless the network runs over tiles. The fusion of backbones for pictures
// of different sizes has no such program.
func (m *Pretrained) Program(height, width int) (Program, error) {
	if err := m.fits(height, width); err != nil {
		return Program{}, err
	}
	b, logits := m.buildWhole(height, width)
	if err := b.g.Err(); err != nil {
		return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
	}
	return b.program([]graph.Output{{Name: PortLogits, Node: logits}})
}

// fits refuses pictures of sizes that a backbone does not take.
func (m *Pretrained) fits(height, width int) error {
	for _, u := range m.uses {
		if first := m.uses[0].Backbone; u.Backbone.Side() != first.Side() {
			return fmt.Errorf("%s takes pictures of %d x %d pixels, %s of %d x %d: they can't be joined in one program", first.Arch(),
				first.Side(), first.Side(), u.Backbone.Arch(), u.Backbone.Side(), u.Backbone.Side())
		}
		if side := u.Backbone.Side(); side != height || side != width {
			return fmt.Errorf("%s takes pictures of %d x %d pixels, got %d x %d", u.Backbone.Arch(), side, side, width, height)
		}
	}
	return nil
}

func (m *Pretrained) buildWhole(height, width int) (*builder, *graph.Node) {
	g := graph.New()
	return m.build(g, g.Input(PortImage, graph.Open, 3, height, width))
}

// build adds the model to g, for the normalised picture [N, 3, H, W].
func (m *Pretrained) build(g *graph.Graph, image *graph.Node) (*builder, *graph.Node) {
	b := newBuilder(g, false)
	b.part = &part{layout: &m.layout}
	if len(m.uses) == 0 {
		return b, b.network(m.spec, image)
	}
	var features []*graph.Node
	for i, u := range m.uses {
		b.part = &part{&u.Backbone.layout, backbonePrefix(i)}
		features = append(features, build(u.Backbone.tower, b, image, []string{u.Layer})[u.Layer])
	}
	b.part = &part{layout: &m.layout}
	return b, m.decoder.build(b, features, m.shapes)
}

// check makes sure that every tensor is there.
func (m *Pretrained) check() error {
	if len(m.uses) == 0 {
		b, _ := m.buildWhole(64, 64)
		return b.check()
	}
	for _, u := range m.uses {
		if err := u.Backbone.Check(u.Layer); err != nil {
			return err
		}
	}
	b, _, err := m.buildDecoder(Plain)
	if err != nil {
		return err
	}
	return b.check()
}
