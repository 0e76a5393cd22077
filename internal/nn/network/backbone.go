package network

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Backbone turns pictures into features. Its weights stay in their file, which must be open while
// programs are made.
type Backbone struct {
	tower  tower
	layout layout
	// stated is the name of DINOv3's statistics if the user or the file's metadata gave it.
	stated string
	doubt  string // see Doubt
}

// Arch is the published name, such as "ViT-L/14" or "RN50", if the sizes are published ones.
// Otherwise it is made of the sizes.
func (b *Backbone) Arch() string { return b.tower.arch() }

// Path is the path of the file with the weights.
func (b *Backbone) Path() string { return b.layout.file.Path() }

// Files are the paths of the files with the contents: Path, or the shards of an index.
func (b *Backbone) Files() []string { return b.layout.file.Files() }

// Side is the side of the square input in pixels.
func (b *Backbone) Side() int { return b.tower.side() }

// At is the backbone for pictures of another size in pixels. Those of DINOv2 and DINOv3 take any
// size; for the others it is an error that wraps ErrSpec.
func (b *Backbone) At(height, width int) (*Backbone, error) {
	if h, w := inputSize(b.tower); h == height && w == width {
		return b, nil
	}
	d, ok := b.tower.(dino)
	if !ok {
		return nil, fmt.Errorf("%w: %s takes pictures of %d x %d pixels, got %d x %d", ErrSpec, b.Arch(), b.Side(), b.Side(), width, height)
	}
	d, err := d.sized(height, width)
	if err != nil {
		return nil, err
	}
	sized := *b
	sized.tower = d
	return &sized, nil
}

// AnySize says whether the backbone takes pictures of any size.
func (b *Backbone) AnySize() bool {
	_, ok := b.tower.(dino)
	return ok
}

// Statistics are the means and standard deviations of the channels in [0,1] by which the pictures
// were normalised that the backbone was trained on. Programs take pictures that are normalised by
// Mean and Std, and convert them.
func (b *Backbone) Statistics() (mean, std [3]float32) {
	if d, ok := b.tower.(dino); ok {
		return d.statistics()
	}
	return Mean, Std
}

// Layers names the layers whose features can be read, from the input on. DINO's layers can also be
// read after the network's final norm, as "layer11-norm"; its last layer after the norm is "norm".
func (b *Backbone) Layers() []string { return b.tower.layers() }

// allLayers are the names of layers that together need all of the backbone's tensors.
func (b *Backbone) allLayers() []string {
	list := slices.Clone(b.Layers())
	if last, err := layerOf(b.tower, ""); err == nil && !slices.Contains(list, last) {
		list = append(list, last)
	}
	return list
}

// Layer is the full name of a layer, for which an empty name means the last. Errors wrap ErrSpec.
func (b *Backbone) Layer(name string) (string, error) { return layerOf(b.tower, name) }

// Features is the shape of the features at a layer; an empty layer means the last. Errors wrap
// ErrSpec.
func (b *Backbone) Features(layer string) (Features, error) {
	layer, err := layerOf(b.tower, layer)
	if err != nil {
		return Features{}, err
	}
	return b.tower.features(layer), nil
}

// Program is the backbone up to the last of the given layers: input PortImage [N, 3, height, width]
// of the backbone's size, normalised by Mean and Std, and for each layer an output of its name,
// shaped as Features says. Every needed tensor must be in the file in the right shape; the error
// names the first that is not.
func (b *Backbone) Program(layers ...string) (Program, error) {
	chain, err := b.Chain(Plain, 1, layers...)
	if err != nil {
		return Program{}, err
	}
	return chain[0], nil
}

// The programs of a chain pass features on: the output Carry of one is the input Carried of the
// next.
const (
	Carry   = "carry"   // the output
	Carried = "carried" // the input
)

// Chain is Program in the given form, split into several programs that can be loaded in parallel.
// They run one after the other: the first takes PortImage, each other the output Carry of the one
// before, and each gives the layers that it passes. The chain has the given number of links, but at
// most one per layer.
func (b *Backbone) Chain(form Form, links int, layers ...string) ([]Program, error) {
	deepest, err := b.deepest(layers)
	if err != nil {
		return nil, err
	}
	links = max(1, min(links, deepest+1))
	chain := make([]Program, links)
	for k := range chain {
		l := link{first: k * (deepest + 1) / links, last: (k+1)*(deepest+1)/links - 1, deepest: deepest}
		builder, outputs := b.build(form, l, layers)
		if chain[k], err = builder.program(outputs); err != nil {
			return nil, err
		}
	}
	return chain, nil
}

// Check returns the error that Program would return, without making the program.
func (b *Backbone) Check(layers ...string) error {
	builder, err := b.buildPlain(layers...)
	if err != nil {
		return err
	}
	return builder.check()
}

// buildPlain builds the backbone in one piece.
func (b *Backbone) buildPlain(layers ...string) (*builder, error) {
	deepest, err := b.deepest(layers)
	if err != nil {
		return nil, err
	}
	builder, _ := b.build(Plain, link{0, deepest, deepest}, layers)
	return builder, nil
}

// deepest is the index of the last of some layers among all layers.
func (b *Backbone) deepest(layers []string) (int, error) {
	last := 0
	for _, layer := range layers {
		full, err := layerOf(b.tower, layer)
		if err == nil && full != layer {
			err = fmt.Errorf("%w: layer %q of %s is named %q here", ErrSpec, layer, b.Arch(), full)
		}
		if err != nil {
			return 0, err
		}
		last = max(last, slices.Index(b.Layers(), plainLayer(layer)))
	}
	return last, nil
}

// link is a range of a tower's layers; deepest is the last layer that the whole chain computes.
type link struct{ first, last, deepest int }

func (b *Backbone) build(form Form, l link, layers []string) (*builder, []graph.Output) {
	builder := newBuilder(graph.New(), false)
	builder.part, builder.form = &part{layout: &b.layout}, form
	var x *graph.Node
	if l.first == 0 {
		height, width := inputSize(b.tower)
		x = b.tower.stem(builder, builder.g.Input(PortImage, graph.Open, 3, height, width))
	} else {
		x = builder.g.Input(Carried, b.tower.features(b.Layers()[l.first-1]).Shape()...)
	}
	nodes := map[string]*graph.Node{}
	for i := l.first; i <= l.last; i++ {
		x = b.tower.layer(builder, x, i)
		readLayer(b.tower, builder, x, b.Layers()[i], layers, nodes)
	}
	var outputs []graph.Output
	for _, layer := range layers {
		if node := nodes[layer]; node != nil {
			outputs = append(outputs, graph.Output{Name: layer, Node: node})
		}
	}
	if l.last < l.deepest {
		outputs = append(outputs, graph.Output{Name: Carry, Node: x})
	}
	return builder, outputs
}

// backbonesIn recognises the backbones in a file by the names of their tensors. If the sizes of a
// backbone are impossible, the error names the tensor that is wrong.
func backbonesIn(f *weights.File) ([]*Backbone, error) {
	var found []*Backbone
	for _, kind := range []struct {
		mark   string // a tensor that all such backbones have, and no others
		naming naming
		sizes  func(*layout) (tower, error)
	}{
		{"class_embedding", plainNaming, vitSizes},
		{"embeddings.class_embedding", huggingFaceNaming, vitSizes},
		{"layer1.0.conv1.weight", plainNaming, resnetSizes},
		{"block1.rep.0.conv1.weight", plainNaming, xceptionSizes},
	} {
		for _, prefix := range prefixes(f, kind.mark) {
			if kind.mark == "class_embedding" && strings.HasSuffix(prefix, "embeddings.") {
				continue
			}
			b := &Backbone{layout: layout{file: f, prefix: prefix, naming: kind.naming}}
			var err error
			if b.tower, err = kind.sizes(&b.layout); err != nil {
				return nil, err
			}
			found = append(found, b)
		}
	}
	more, err := dinosIn(f)
	return append(found, more...), err
}

// prefixes lists the prefixes of the file's tensors whose names end in mark, the preferred one
// first (weights.File.Choose). Optimizer state is skipped.
func prefixes(f *weights.File, mark string) []string {
	var list []string
	for _, name := range f.Names() {
		prefix, ok := strings.CutSuffix(name, mark)
		if ok && (prefix == "" || strings.HasSuffix(prefix, ".")) && !strings.HasPrefix(prefix, OptimizerPrefix) {
			list = append(list, prefix)
		}
	}
	return f.Order(list)
}

// choose finds the part of a network with a tensor whose name ends in mark. If the file has several
// copies, the choice is kept in the file's Choices.
func choose(f *weights.File, mark string) (l layout, found bool, err error) {
	list := prefixes(f, mark)
	if len(list) == 0 {
		return layout{}, false, nil
	}
	prefix, err := f.Choose(list)
	return layout{file: f, prefix: prefix, naming: plainNaming}, err == nil, err
}

// vitSizes reads a transformer's sizes from its tensors, as CLIP's own loader does.
func vitSizes(l *layout) (tower, error) {
	patches, err := l.shape("conv1.weight", 4)
	if err != nil {
		return nil, err
	}
	places, err := l.shape("positional_embedding", 2)
	if err != nil {
		return nil, err
	}
	v := vit{width: patches[0], patch: patches[3], blocks: l.count("transformer.resblocks.%d.ln_1.weight"), grid: root(places[0] - 1)}
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.file.Path(), err)
	}
	if v.tokens() != places[0] {
		t, _, _ := l.find("positional_embedding")
		return nil, fmt.Errorf("%s: tensor %q has shape %v: expected one row more than a square of patches", l.file.Path(), t.Name, t.Shape)
	}
	return v, nil
}

// resnetSizes reads a residual network's sizes from its tensors. Without the pool after its last
// layer a file does not say the input's side: then it is 224 pixels, as in most.
func resnetSizes(l *layout) (tower, error) {
	inner, err := l.shape("layer1.0.conv1.weight", 4)
	if err != nil {
		return nil, err
	}
	r := resnet{width: inner[0], input: 224}
	if places, err := l.shape(resnetPlaces, 2); err == nil {
		r.input = 32 * root(places[0]-1)
	}
	for i := range r.blocks {
		r.blocks[i] = l.count(fmt.Sprintf("layer%d.%%d.conv1.weight", i+1))
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.file.Path(), err)
	}
	return r, nil
}

// xceptionSizes reads Xception's sizes from its tensors.
func xceptionSizes(l *layout) (tower, error) {
	t := xception{input: publishedXception.input}
	for i, name := range []string{"conv1", "conv2", "block1.skip", "block2.skip"} {
		shape, err := l.shape(name+".weight", 4)
		if err != nil {
			return nil, err
		}
		t.widths[i] = shape[0]
	}
	return t, nil
}

// root is the square root of n, rounded.
func root(n int) int { return int(math.Round(math.Sqrt(float64(max(n, 0))))) }
