package network

import (
	"fmt"
	"slices"
	"strings"
)

// chooseBackbones finds the backbones that the spec asks for, or that the file and its decoder are made for.
func (m *Model) chooseBackbones(c *Contents, pool []*Backbone) error {
	wanted := []string{}
	if m.spec.Arch != "" {
		wanted = strings.Split(m.spec.Arch, ",")
	}
	switch {
	case len(wanted) > 2:
		return fmt.Errorf("%w: arch %q: expected one backbone or two", ErrSpec, m.spec.Arch)
	case len(wanted) == 0:
		return m.guessBackbones(c, pool)
	}
	var missing []string
	for _, name := range wanted {
		i := slices.IndexFunc(pool, func(b *Backbone) bool { return hasName(b.tower, name) })
		if i < 0 {
			missing = append(missing, name)
			continue
		}
		m.uses = append(m.uses, Use{Backbone: pool[i]})
	}
	if len(missing) > 0 && len(c.Backbones) > 0 {
		return fmt.Errorf("%w: %s holds %s, arch %q was asked for", ErrSpec, c.file.Path(), archs(c.Backbones), m.spec.Arch)
	}
	if len(missing) > 0 {
		return &NeedsError{c.file.Path(), missing, c.channels()}
	}
	return m.orderFusion()
}

// guessBackbones takes the file's own, and else those whose features have as many channels as the decoder takes.
func (m *Model) guessBackbones(c *Contents, pool []*Backbone) error {
	if len(c.Backbones) > 0 {
		for _, b := range c.Backbones[:min(2, len(c.Backbones))] {
			m.uses = append(m.uses, Use{Backbone: b})
		}
		return m.orderFusion()
	}
	takes := c.channels()
	for _, b := range pool {
		layer, err := layerOf(b.tower, m.spec.Layer)
		if err == nil && b.tower.features(layer).Channels == takes {
			m.uses = []Use{{Backbone: b}}
			return nil
		}
	}
	for _, a := range pool {
		for _, b := range pool {
			if isCNN(b.tower) && !isCNN(a.tower) && a.tower.features("").Channels+b.tower.features(fusionLayer).Channels == takes {
				m.uses = []Use{{Backbone: a}, {Backbone: b}}
				return nil
			}
		}
	}
	if len(pool) > 0 {
		return fmt.Errorf("%s: its decoder takes %d channels, which %s does not have", c.file.Path(), takes, archs(pool))
	}
	var guess []string
	switch takes {
	case 1024:
		guess = []string{"ViT-L/14"}
	case 2048:
		guess = []string{"ViT-L/14", "RN50"}
	}
	return &NeedsError{c.file.Path(), guess, takes}
}

// orderFusion makes the transformer the first of two backbones.
func (m *Model) orderFusion() error {
	if len(m.uses) < 2 {
		return nil
	}
	if isCNN(m.uses[0].Backbone.tower) {
		slices.Reverse(m.uses)
	}
	if isCNN(m.uses[0].Backbone.tower) || !isCNN(m.uses[1].Backbone.tower) {
		return fmt.Errorf("%w: %s and %s: expected a transformer and a residual network", ErrSpec,
			m.uses[0].Backbone.Arch(), m.uses[1].Backbone.Arch())
	}
	if _, ok := m.uses[1].Backbone.tower.(resnet); !ok {
		return fmt.Errorf("%w: %s can't be joined with a transformer", ErrSpec, m.uses[1].Backbone.Arch())
	}
	return nil
}

func archs(list []*Backbone) string {
	var names []string
	for _, b := range list {
		names = append(names, b.Arch())
	}
	return strings.Join(names, " and ")
}

// chooseLayers settles where features are taken, and completes the spec by the backbones' sizes.
func (m *Model) chooseLayers(c *Contents) error {
	first := m.uses[0].Backbone
	layer, err := m.featureLayer(c, first)
	if err != nil {
		return err
	}
	m.uses[0].Layer = layer
	names := []string{first.Arch()}
	if len(m.uses) > 1 {
		m.uses[1].Layer = fusionLayer
		names = append(names, m.uses[1].Backbone.Arch())
	}
	for _, u := range m.uses {
		m.shapes = append(m.shapes, u.Backbone.tower.features(u.Layer))
	}
	m.spec.Arch, m.spec.Mode, m.spec.Input = strings.Join(names, ","), ModeResize, first.Side()
	if _, ok := first.tower.(xception); !ok {
		m.spec.Layer = layer
	}
	return nil
}

// featureLayer is the layer that was stated, or the one that fits the decoder, or the last. Names on Xception, which
// has but one layer for decoders, are only of interest for the rules of upsampling.
func (m *Model) featureLayer(c *Contents, b *Backbone) (string, error) {
	if _, ok := b.tower.(xception); ok && m.spec.Layer != "block1" {
		return layerOf(b.tower, "")
	}
	if m.spec.Layer == "" && len(m.uses) == 1 {
		for _, layer := range b.Layers() {
			if isCNN(b.tower) && b.tower.features(layer).Channels == c.channels() {
				return layer, nil
			}
		}
	}
	return layerOf(b.tower, m.spec.Layer)
}

// chooseDecoder settles the decoder, and completes the spec.
func (m *Model) chooseDecoder(c *Contents) error {
	if m.spec.Decoder == "" {
		kind, err := c.decoderKind()
		if err != nil {
			return err
		}
		m.spec.Decoder = kind
	}
	cnn := isCNN(m.uses[len(m.uses)-1].Backbone.tower)
	setDefault(&m.spec.Output, OutputSide)
	d, err := newDecoder(m.spec.Decoder, m.spec.Layer, cnn, m.spec.Output)
	if err != nil {
		return err
	}
	if d.kind == DecoderAttention && (len(m.uses) > 1 || cnn) {
		return fmt.Errorf("%w: decoder %s needs a backbone with tokens, %s has none", ErrSpec, d.kind, m.spec.Arch)
	}
	m.decoder = d
	return m.readDecoder(c)
}

// readDecoder completes the decoder, which is as new ones are, by the shapes of the file's tensors.
func (m *Model) readDecoder(c *Contents) error {
	d := &m.decoder
	first, err := c.firstShape()
	if err != nil {
		return err
	}
	if d.depth == 0 {
		d.matrix = len(first) == 2
		places, channels := m.shapes[0].Height*m.shapes[0].Width, m.shapes[0].Channels
		_, isXception := m.uses[0].Backbone.tower.(xception)
		d.positions = isXception && d.matrix && first[1] == places && places != channels
		if side := root(channels); d.positions && side*side != channels {
			return fmt.Errorf("%s: a linear decoder over positions needs a square number of channels, got %d", c.file.Path(), channels)
		}
		return nil
	}
	list, _ := d.convStages()
	for i, stage := range list {
		shape, err := c.decoder.shape(fmt.Sprintf("fc.%d.weight", stage.first), 4)
		if err != nil {
			return err
		}
		d.widths[i] = shape[0]
	}
	return nil
}

// firstShape is that of the decoder's first weights.
func (c *Contents) firstShape() ([]int, error) {
	t, _, ok := c.decoder.find("fc.0.weight")
	if !ok {
		return nil, c.decoder.missing("fc.0.weight")
	}
	if len(t.Shape) != 2 && len(t.Shape) != 4 || slices.Contains(t.Shape, 0) {
		return nil, fmt.Errorf("%s: tensor %q has shape %v, expected 2 or 4 dimensions", c.file.Path(), t.Name, t.Shape)
	}
	return t.Shape, nil
}
