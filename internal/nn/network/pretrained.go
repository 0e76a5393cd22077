package network

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Pretrained is an opened model, ready to be run. Its weights stay in their files, which must be
// open while programs are made. The backbone and the decoder are programs of their own, so that
// several decoders can share one pass of a backbone.
type Pretrained struct {
	spec    Spec
	uses    []Use
	decoder decoder
	layout  layout // of the decoder's tensors; of the whole network's if uses is empty
	shapes  []Features
	whole   wholeNetwork // another author's network; the fields above but spec are empty
	file    *weights.File
}

// Use is a layer of a backbone whose features a decoder reads.
type Use struct {
	Backbone *Backbone
	Layer    string // one of Backbone.Layers
}

// Features is the shape of the layer's features.
func (u Use) Features() Features { return u.Backbone.tower.features(u.Layer) }

// Override replaces what a file says about itself, or supplies what it does not say. Empty fields
// replace nothing.
type Override struct {
	Arch, Layer, Decoder string
	// Input is the side in pixels of the square that pictures are scaled to, for a network that
	// otherwise sees them at their own size and takes both: PSCC-Net.
	// DINOv2 and DINOv3 take any multiple of their patches.
	Input int
	// Statistics name what DINOv3's pictures are normalised by, one of StatisticsNames.
	Statistics string
}

// MissingBackboneError says that a file holds a decoder without its backbones.
type MissingBackboneError struct {
	Path     string
	Archs    []string // the missing backbones; nil if unknown
	Channels int      // of the decoder's input
}

func (e *MissingBackboneError) Error() string {
	what := strings.Join(e.Archs, " and ")
	if what == "" {
		what = fmt.Sprintf("backbones with %d channels", e.Channels)
	}
	return fmt.Sprintf("%s holds a decoder only: it needs the weights of %s in files of their own", e.Path, what)
}

// fusionLayer is the residual network's layer in the fusion with a transformer, for every layer of
// the transformer.
const fusionLayer = "layer3"

// OpenPretrained opens the model in a file. others are files with backbones, for decoders whose
// files lack them. Every needed tensor must be there in the right shape; the error names the first
// that is not. A missing backbone is a *MissingBackboneError; errors about names of unknown
// networks wrap ErrSpec.
func OpenPretrained(f *weights.File, o Override, others ...*weights.File) (*Pretrained, error) {
	n, err := recogniseWhole(f, others)
	if err != nil {
		return nil, err
	}
	if n != nil {
		return openWhole(f, n, o)
	}
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
	pool, err := c.withOthers(others)
	if err != nil {
		return nil, err
	}
	spec := c.Stated
	if o.Input != 0 {
		spec.Input = o.Input
	}
	override(&spec.Arch, o.Arch)
	override(&spec.Layer, o.Layer)
	override(&spec.Decoder, o.Decoder)
	override(&spec.Statistics, o.Statistics)
	m := &Pretrained{spec: spec, layout: c.decoder, file: f}
	for _, step := range []func() error{
		func() error { return chooseStatistics(pool, spec.Statistics) },
		func() error { return m.chooseBackbones(c, pool) },
		func() error { return m.overrideInput(o.Input) },
		func() error { return m.chooseLayers(c) },
		func() error { return m.chooseDecoder(c) },
		m.check,
		m.checkOrigins,
		m.attachAdapters,
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

// withOthers are the backbones in the decoder's file and in others, with the adapters of those.
func (c *FileContents) withOthers(others []*weights.File) ([]*Backbone, error) {
	pool := slices.Clone(c.Backbones)
	adapters, others := splitAdapters(others)
	for _, file := range others {
		other, err := Recognise(file)
		if err != nil {
			return nil, err
		}
		if len(other.Backbones) == 0 {
			return nil, fmt.Errorf("%s holds no backbone that %s could use", file.Path(), c.file.Path())
		}
		pool = append(pool, other.Backbones...)
	}
	return pool, attachTo(pool, adapters)
}

// attachAdapters adds the adapters in the decoder's file to the backbone that they were trained
// for, which is in another file.
func (m *Pretrained) attachAdapters() error {
	if m.spec.LoRA == nil {
		return nil
	}
	used := m.distinct()
	own := used[0].backbone
	if _, ok := own.tower.(dino); !ok || len(used) > 1 || own.layout.adapters != nil {
		return fmt.Errorf("%w: the file has adapters for one backbone of DINOv2 or DINOv3 without adapters, not for %s", ErrSpec, m.spec.Arch)
	}
	set := &layout{file: m.file, prefix: m.layout.prefix + dinoScope, naming: withAdapters(plainDINO)}
	adapted := *own
	adapted.layout.adapters = &adapters{layout: set, alpha: m.spec.LoRA.Alpha}
	for i := range m.uses {
		m.uses[i].Backbone = &adapted
	}
	if count, _ := adapted.Adapters(); count == 0 {
		return fmt.Errorf("tensors of adapters are missing under %q", set.prefix)
	}
	return m.check()
}

// overrideInput checks that the backbones take pictures of the side that was asked for, if one was.
// A map as large as the input grows with it.
func (m *Pretrained) overrideInput(side int) error {
	if side == 0 {
		return nil
	}
	for _, u := range m.uses {
		if !u.Backbone.AnySize() {
			return fmt.Errorf("%w: %s takes pictures of %d x %d pixels only: --input cannot be used", ErrSpec, u.Backbone.Arch(),
				u.Backbone.Side(), u.Backbone.Side())
		}
	}
	if m.spec.Decoder == DecoderConv3 || m.spec.Decoder == "" {
		m.spec.Output = 0
	}
	return nil
}

func override(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func openLite(c *FileContents, o Override) (*Pretrained, error) {
	if o != (Override{}) {
		return nil, fmt.Errorf("%w: %s has a fixed architecture: --arch, --layer and --decoder cannot be used, nor --statistics", ErrSpec, c.file.Path())
	}
	spec, err := c.Stated.complete()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.file.Path(), err)
	}
	m := &Pretrained{spec: spec, layout: c.decoder, file: c.file}
	return m, m.check()
}

func openWhole(f *weights.File, n wholeNetwork, o Override) (*Pretrained, error) {
	spec := n.spec()
	if o.Arch != "" || o.Layer != "" || o.Decoder != "" || o.Statistics != "" {
		return nil, fmt.Errorf("%w: %s holds %v, which has a fixed architecture: --arch, --layer and --decoder cannot be used, nor --statistics",
			ErrSpec, f.Path(), spec)
	}
	if o.Input != 0 {
		if spec.Arch != ArchPSCCNet {
			return nil, fmt.Errorf("%w: %s holds %v, which takes pictures at their own size: --input cannot be used", ErrSpec, f.Path(), spec)
		}
		if o.Input < 32 || o.Input > maxSide {
			return nil, fmt.Errorf("%w: input of %d pixels: expected 32 to %d", ErrSpec, o.Input, maxSide)
		}
		spec.Input = o.Input
	}
	m := &Pretrained{spec: spec, whole: n, file: f}
	return m, m.check()
}

// Spec describes the network with everything filled in.
func (m *Pretrained) Spec() Spec { return m.spec }

// Path is the path of the file with the decoder, or with the whole network.
func (m *Pretrained) Path() string { return m.file.Path() }

// Uses lists the backbones' layers that the decoder reads: one, or two for the fusion. It is empty
// for a network in one piece.
func (m *Pretrained) Uses() []Use { return m.uses }

// Decoder is the part after the backbones: inputs FeatureInput(0), ... shaped as the backbones
// give them, output PortLogits [N, 1, side, side].
func (m *Pretrained) Decoder() (Program, error) { return m.DecoderIn(Plain) }

// DecoderIn is Decoder in the given form.
func (m *Pretrained) DecoderIn(form Form) (Program, error) {
	b, logits, err := m.buildDecoder(form)
	if err != nil {
		return Program{}, err
	}
	return b.program([]graph.Output{{Name: PortLogits, Node: logits}})
}

func (m *Pretrained) buildDecoder(form Form) (*builder, *graph.Node, error) {
	if len(m.uses) == 0 {
		return nil, nil, errors.New("the network is in one piece: it has no separate decoder")
	}
	b := newBuilder(form.Graph(), false)
	b.part, b.form = &part{layout: &m.layout}, form
	return b, m.decoder.build(b, featureInputs(b.g, m.uses), m.shapes), nil
}

// Program is the model in one program: input PortImage [N, 3, height, width], normalised by Mean
// and Std, output PortLogits. Height and width are Spec.Input unless the network runs over tiles.
// The fusion of backbones for pictures of different sizes has no such program: it is an error. The
// inputs and outputs of a network of ModeWhole depend on the network: PortImage, PortCoefficients
// and PortSteps; PortLogits or PortProbabilities, PortConfidence and PortScore.
func (m *Pretrained) Program(height, width int) (Program, error) {
	return m.ProgramIn(Plain, height, width)
}

// ProgramIn is Program; networks of ModeWhole and ModeTiles are written in the given form.
func (m *Pretrained) ProgramIn(form Form, height, width int) (Program, error) {
	if m.whole != nil {
		b, outputs := buildAlone(m.whole, form, height, width)
		if err := b.g.Err(); err != nil {
			return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
		}
		return b.program(outputs)
	}
	if err := m.fits(height, width); err != nil {
		return Program{}, err
	}
	if m.spec.Mode != ModeTiles {
		form = Plain
	}
	b, logits := m.buildWhole(form, height, width)
	if err := b.g.Err(); err != nil {
		return Program{}, fmt.Errorf("%v for %d x %d pixels: %w", m.spec, width, height, err)
	}
	return b.program([]graph.Output{{Name: PortLogits, Node: logits}})
}

// fits returns an error if a backbone does not take pictures of that size.
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

func (m *Pretrained) buildWhole(form Form, height, width int) (*builder, *graph.Node) {
	g := form.Graph()
	return m.build(g, pictureInputs(g, m.spec, height, width))
}

// build adds the model to g for the inputs of its spec, the first of which is the normalised
// picture [N, 3, H, W].
func (m *Pretrained) build(g *graph.Graph, inputs []*graph.Node) (*builder, *graph.Node) {
	b := newBuilder(g, false)
	b.part = &part{layout: &m.layout}
	if len(m.uses) == 0 {
		return b, b.network(m.spec, inputs)
	}
	features := make([]*graph.Node, len(m.uses))
	for i, d := range m.distinct() {
		b.part, b.added = &part{&d.backbone.layout, backbonePrefix(i)}, nil
		d.read(build(d.backbone.tower, b, inputs[0], d.layers), features)
	}
	b.part = &part{layout: &m.layout}
	return b, m.decoder.build(b, features, m.shapes)
}

// distinctBackbone is a backbone and the uses that read it.
type distinctBackbone struct {
	backbone *Backbone
	layers   []string
	uses     []int // indices
}

// read puts the features at the backbone's layers into the places of its uses.
func (d distinctBackbone) read(features map[string]*graph.Node, into []*graph.Node) {
	for k, use := range d.uses {
		into[use] = features[d.layers[k]]
	}
}

// distinct lists the backbones, each once.
func (m *Pretrained) distinct() (list []distinctBackbone) {
	for i, u := range m.uses {
		at := slices.IndexFunc(list, func(d distinctBackbone) bool { return d.backbone == u.Backbone })
		if at < 0 {
			at = len(list)
			list = append(list, distinctBackbone{backbone: u.Backbone})
		}
		list[at].layers, list[at].uses = append(list[at].layers, u.Layer), append(list[at].uses, i)
	}
	return list
}

// check returns an error if a tensor is missing.
func (m *Pretrained) check() error {
	if m.whole != nil {
		b, _ := buildAlone(m.whole, Plain, 64, 64)
		return b.check()
	}
	if len(m.uses) == 0 {
		b, _ := m.buildWhole(Plain, 64, 64)
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
