package network

import (
	"context"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// RequiredTensor is a tensor that a network needs, and its name in a file that holds only the
// network.
type RequiredTensor struct {
	File   *weights.File
	Tensor weights.Tensor // in File
	Name   string
	// Merge gives the tensor's values with its adapters added; nil for a tensor that is written as it
	// is. See Pretrained.Merged.
	Merge func(context.Context) ([]float32, error)
}

// Tensors lists the tensors that the model needs, each once. They keep their names, except that the
// names of a backbone in a file of its own get the prefix "backbone0." or "backbone1.".
func (m *Pretrained) Tensors() ([]RequiredTensor, error) {
	var tensors tensorList
	if m.whole != nil {
		b, _ := buildAlone(m.whole, Plain, 64, 64)
		err := tensors.add(b, "")
		return tensors.list, err
	}
	if len(m.uses) == 0 {
		b, _ := m.buildWhole(Plain, 64, 64)
		err := tensors.add(b, "")
		return tensors.list, err
	}
	for i, d := range m.distinct() {
		prefix := backbonePrefix(i)
		if d.backbone.layout.file == m.layout.file {
			prefix = ""
		}
		for _, layer := range d.layers {
			if err := tensors.backbone(d.backbone, layer, prefix); err != nil {
				return nil, err
			}
		}
	}
	b, _, err := m.buildDecoder(Plain)
	if err != nil {
		return nil, err
	}
	err = tensors.add(b, "")
	return tensors.list, err
}

// Tensors lists the tensors that the backbone needs up to a layer, each once.
func (b *Backbone) Tensors(layer string) ([]RequiredTensor, error) {
	var tensors tensorList
	err := tensors.backbone(b, layer, "")
	return tensors.list, err
}

// tensorList collects tensors, each once.
type tensorList struct{ list []RequiredTensor }

// add lists the tensors that were requested while building.
func (k *tensorList) add(b *builder, prefix string) error {
	if err := b.g.Err(); err != nil {
		return err
	}
	for _, d := range b.declared {
		t, r, err := d.part.get(d.name, d.shape)
		if err != nil {
			return err
		}
		k.take(d.part.file, t, prefix)
		if factors, ok := d.part.file.Tensor(d.part.prefix + r.times); ok && r.times != "" {
			k.take(d.part.file, factors, prefix)
		}
	}
	return nil
}

func (k *tensorList) backbone(b *Backbone, layer, prefix string) error {
	builder, err := b.buildPlain(layer)
	if err != nil {
		return err
	}
	if err := k.add(builder, prefix); err != nil {
		return err
	}
	// They are not computed with, but without them a residual network's input, or DINOv3's periods and
	// the pictures that it was trained on, are unknown.
	for _, name := range []string{resnetPlaces, periodsName, satelliteMark} {
		if t, _, ok := b.layout.find(name); ok {
			k.take(b.layout.file, t, prefix)
		}
	}
	return nil
}

func (k *tensorList) take(file *weights.File, t weights.Tensor, prefix string) {
	known := slices.ContainsFunc(k.list, func(other RequiredTensor) bool { return other.File == file && other.Tensor.Name == t.Name })
	if !known {
		k.list = append(k.list, RequiredTensor{File: file, Tensor: t, Name: prefix + t.Name})
	}
}

// Metadata is the metadata by which Recognise finds the same model in a file with its Tensors.
func (m *Pretrained) Metadata() map[string]string {
	if m.whole != nil {
		return nil // the names of the tensors are enough
	}
	if _, ok := m.layout.file.Metadata()[SpecKey]; ok {
		spec := m.spec
		spec.Arch = m.arch()
		return map[string]string{SpecKey: spec.json()}
	}
	if len(m.uses) > 0 && m.uses[0].Backbone.AnySize() { // the file must state the input
		spec := m.spec
		spec.Arch = m.arch()
		return map[string]string{SpecKey: spec.json()}
	}
	return map[string]string{metaLayer: m.spec.Layer, metaDecoder: m.spec.Decoder}
}

// arch is Spec.Arch for a file without the layers after those that the decoder reads.
func (m *Pretrained) arch() string {
	if len(m.uses) == 0 {
		return m.spec.Arch
	}
	var names []string
	for _, d := range m.distinct() {
		all := d.backbone.tower.layers()
		deepest := slices.MaxFunc(d.layers, func(a, b string) int {
			return slices.Index(all, plainLayer(a)) - slices.Index(all, plainLayer(b))
		})
		names = append(names, cutBehind(d.backbone.tower, deepest).arch())
	}
	return strings.Join(names, ",")
}

// cutBehind is a tower without the layers after the given one.
func cutBehind(t tower, layer string) tower {
	last := slices.Index(t.layers(), layer)
	switch t := t.(type) {
	case vit:
		t.blocks = last + 1
		return t
	case dino:
		t.blocks = slices.Index(t.layers(), plainLayer(layer)) + 1
		t.final = layer != plainLayer(layer)
		return t
	case resnet:
		for i := range t.blocks {
			if i > last {
				t.blocks[i] = 0
			}
		}
		return t
	}
	return t
}
