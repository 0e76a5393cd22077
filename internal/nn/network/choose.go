package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/numeric"
)

// chooseBackbones finds the backbones that the spec names, or that fit the file's decoder.
func (m *Pretrained) chooseBackbones(c *FileContents, pool []*Backbone) error {
	if m.spec.Arch == "" {
		return m.guessBackbones(c, pool)
	}
	missing, err := m.takeNamed(pool)
	if err != nil {
		return err
	}
	if len(missing) > 0 && len(c.Backbones) > 0 {
		return fmt.Errorf("%w: %s contains %s, arch %q was requested", ErrSpec, c.file.Path(), archs(c.Backbones), m.spec.Arch)
	}
	if len(missing) > 0 {
		return &MissingBackboneError{c.file.Path(), missing, c.channels()}
	}
	return m.orderFusion()
}

// takeNamed takes the backbones that the spec names from the pool, and returns the names of missing
// ones.
func (m *Pretrained) takeNamed(pool []*Backbone) (missing []string, err error) {
	wanted := strings.Split(m.spec.Arch, ",")
	if len(wanted) > 2 {
		return nil, fmt.Errorf("%w: arch %q: expected one backbone or two", ErrSpec, m.spec.Arch)
	}
	for _, name := range wanted {
		i := slices.IndexFunc(pool, func(b *Backbone) bool { return hasName(b.tower, name) })
		if i < 0 {
			missing = append(missing, name)
			continue
		}
		m.uses = append(m.uses, Use{Backbone: pool[i]})
	}
	return missing, nil
}

// guessBackbones takes the file's own backbones; if it has none, backbones of the pool whose
// features have as many channels as the decoder takes.
func (m *Pretrained) guessBackbones(c *FileContents, pool []*Backbone) error {
	if len(c.Backbones) > 0 {
		for i := range c.Backbones[:min(2, len(c.Backbones))] {
			m.uses = append(m.uses, Use{Backbone: pool[i]}) // with adapters, if some were given
		}
		return m.orderFusion()
	}
	takes := c.channels()
	cnn, known := c.madeForCNN(m.spec)
	if known {
		pool = slices.Clone(pool)
		slices.SortStableFunc(pool, func(a, b *Backbone) int {
			return numeric.FalseFirst(isCNN(a.tower) != cnn, isCNN(b.tower) != cnn)
		})
	}
	for _, b := range pool {
		layer, err := layersOf(b.tower, m.spec.Layer)
		if err == nil && !strings.Contains(layer, ",") && b.tower.features(layer).Channels == takes {
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
	guess := published(takes, m.spec.Layer, !known || !cnn, !known || cnn)
	here := func(name string) bool {
		return slices.ContainsFunc(pool, func(b *Backbone) bool { return hasName(b.tower, name) })
	}
	if len(pool) > 0 && !slices.ContainsFunc(guess, here) {
		return fmt.Errorf("%s: its decoder takes %d channels, which %s does not have%s", c.file.Path(), takes, archs(pool),
			lacking(pool, takes, known && cnn))
	}
	return &MissingBackboneError{c.file.Path(), slices.DeleteFunc(guess, here), takes}
}

// lacking explains that a decoder for two backbones was given a transformer only.
func lacking(pool []*Backbone, takes int, cnn bool) string {
	vision, ok := pool[0].tower.(vit)
	if len(pool) > 1 || !cnn || !ok || vision.width >= takes {
		return ""
	}
	return fmt.Sprintf(": it has %d, and a residual network with %d at %s is missing", vision.width, takes-vision.width, fusionLayer)
}

// published names the backbones of the published model whose decoder takes the given number of
// channels; nil if there is none. tokens and residual say whether the decoder may be for a
// transformer and for a residual network.
func published(channels int, layer string, tokens, residual bool) []string {
	vision, rn50 := vits["ViT-L/14"], resnets[0]
	switch {
	case residual && channels == vision.width+rn50.features(fusionLayer).Channels:
		return []string{vision.arch(), rn50.name}
	case tokens && channels == vision.width:
		return []string{vision.arch()}
	}
	for _, l := range rn50.layers() {
		if residual && (layer == "" || layer == l) && channels == rn50.features(l).Channels {
			return []string{rn50.name}
		}
	}
	return nil
}

// madeForCNN says whether the decoder's tensors are for a convolutional backbone or for tokens, and
// whether they tell at all: layers of the two kinds may have equal numbers of channels.
func (c *FileContents) madeForCNN(spec Spec) (cnn, known bool) {
	kind := spec.Decoder
	if kind == "" {
		kind, _ = c.decoderKind()
	}
	first, err := c.firstShape()
	switch {
	case err != nil:
		return false, false
	case kind == DecoderConv3:
		return false, false
	case kind == DecoderAttention:
		return false, true
	case kind == DecoderLinear:
		return len(first) == 4, true
	}
	has := func(cnn bool) bool {
		d, err := newDecoder(kind, spec.Layer, cnn, OutputSide)
		if err != nil {
			return false
		}
		_, last := d.convStages()
		_, _, ok := c.decoder.find(fmt.Sprintf("fc.%d.weight", last))
		return ok
	}
	return has(true), has(true) != has(false)
}

// orderFusion puts the transformer first of two backbones.
func (m *Pretrained) orderFusion() error {
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

// chooseLayers determines the layers whose features the decoder reads, and completes the spec.
func (m *Pretrained) chooseLayers(c *FileContents) error {
	if err := m.sizeBackbones(); err != nil {
		return err
	}
	layer, err := m.featureLayer(c, m.uses[0].Backbone)
	if err != nil {
		return err
	}
	return m.settleLayers(layer)
}

// sizeBackbones gives backbones that take pictures of any size the size of the spec. The others
// keep theirs.
func (m *Pretrained) sizeBackbones() error {
	for i, u := range m.uses {
		if m.spec.Input == 0 || !u.Backbone.AnySize() {
			continue
		}
		if d := u.Backbone.tower.(dino); m.spec.Input%d.patch != 0 {
			return fmt.Errorf("%w: input of %d pixels: %s takes multiples of %d", ErrSpec, m.spec.Input, d.arch(), d.patch)
		}
		sized, err := u.Backbone.At(m.spec.Input, m.spec.Input)
		if err != nil {
			return err
		}
		m.uses[i].Backbone = sized
	}
	return nil
}

// settleLayers completes the spec and the uses, given the layer of the first backbone.
func (m *Pretrained) settleLayers(layer string) error {
	first := m.uses[0].Backbone
	names, layers := []string{first.Arch()}, strings.Split(layer, ",")
	m.uses[0].Layer = layers[0]
	if len(m.uses) > 1 {
		other, err := layerOf(m.uses[1].Backbone.tower, fusionLayer)
		if err != nil {
			return err
		}
		if len(layers) > 1 {
			return fmt.Errorf("%w: %d layers of %s: a decoder for two backbones reads one layer of each", ErrSpec, len(layers), first.Arch())
		}
		m.uses[1].Layer = other
		names = append(names, m.uses[1].Backbone.Arch())
	}
	for _, more := range layers[1:] {
		m.uses = append(m.uses, Use{first, more})
	}
	for _, u := range m.uses {
		m.shapes = append(m.shapes, u.Backbone.tower.features(u.Layer))
	}
	m.spec.Arch, m.spec.Mode, m.spec.Input = strings.Join(names, ","), ModeResize, first.Side()
	if d, ok := first.tower.(dino); ok && d.satellite && !first.layout.has(satelliteMark) {
		m.spec.Statistics = StatisticsSatellite // the decoder's file must state it
	}
	if _, ok := first.tower.(xception); !ok {
		m.spec.Layer = layer
	}
	return nil
}

// featureLayer is the stated layer, or the one that fits the decoder, or the last. On Xception,
// which has only one layer for decoders, the name matters for the upsampling rules only.
func (m *Pretrained) featureLayer(c *FileContents, b *Backbone) (string, error) {
	if _, ok := b.tower.(xception); ok && m.spec.Layer != "block1" {
		return layerOf(b.tower, "")
	}
	if strings.Contains(m.spec.Layer, ",") {
		return layersOf(b.tower, m.spec.Layer)
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

// chooseDecoder determines the decoder and completes the spec.
func (m *Pretrained) chooseDecoder(c *FileContents) error {
	if m.spec.Decoder == "" {
		kind, err := c.decoderKind()
		if err != nil {
			return err
		}
		m.spec.Decoder = kind
	}
	if err := m.settleDecoder(); err != nil {
		return err
	}
	return m.readDecoder(c)
}

// settleDecoder makes the decoder that the spec names, with the sizes of a new one, and completes
// the spec.
func (m *Pretrained) settleDecoder() error {
	cnn := isCNN(m.uses[len(m.uses)-1].Backbone.tower)
	if m.spec.Decoder == DecoderConv3 {
		setDefault(&m.spec.Output, m.spec.Input)
	}
	setDefault(&m.spec.Output, OutputSide)
	d, err := newDecoder(m.spec.Decoder, m.spec.Layer, cnn, m.spec.Output)
	if err != nil {
		return err
	}
	if d.kind == DecoderAttention && (len(m.distinct()) > 1 || cnn) {
		return fmt.Errorf("%w: decoder %s needs a backbone with tokens, %s has none", ErrSpec, d.kind, m.spec.Arch)
	}
	if d.kind == DecoderConv3 {
		c := totalChannels(m.shapes)
		d.widths = [stages]int{max(1, c/2), max(1, c/4)}
	}
	m.decoder = d
	return nil
}

// readDecoder replaces the sizes of a new decoder by those of the file's tensors.
func (m *Pretrained) readDecoder(c *FileContents) error {
	d := &m.decoder
	first, err := c.firstShape()
	if err != nil {
		return err
	}
	if d.kind == DecoderConv3 {
		for i := range d.widths[:2] {
			shape, err := c.decoder.shape(fmt.Sprintf("%s%d.weight", conv3Prefix, 3*i), 4)
			if err != nil {
				return err
			}
			d.widths[i] = shape[0]
		}
		return nil
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

// firstShape is the shape of the decoder's first weights.
func (c *FileContents) firstShape() ([]int, error) {
	t, _, ok := c.decoder.find(c.mark)
	if !ok {
		return nil, c.decoder.missing(c.mark)
	}
	if len(t.Shape) != 2 && len(t.Shape) != 4 || slices.Contains(t.Shape, 0) {
		return nil, fmt.Errorf("%s: tensor %q has shape %v, expected 2 or 4 dimensions", c.file.Path(), t.Name, t.Shape)
	}
	return t.Shape, nil
}
