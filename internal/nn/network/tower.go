package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
)

// Features is the shape of a backbone's features at one of its layers, for one picture.
type Features struct {
	Channels      int `json:"channels"`
	Height, Width int // positions of the map
	// Tokens: the features are rows [1 + Registers + Height Width, Channels], first the class
	// token's, last those of the positions in row-major order. Otherwise they are a map [Channels,
	// Height, Width].
	Tokens bool `json:"tokens,omitempty"`
	// Registers is the number of rows between the class token's and those of the positions.
	Registers int `json:"registers,omitempty"`
}

// Before is the number of rows before those of the positions.
func (f Features) Before() int { return 1 + f.Registers }

// Shape is [N, T, C] for tokens and [N, C, H, W] for a map, the batch open.
func (f Features) Shape() []int {
	if f.Tokens {
		return []int{graph.Open, f.Before() + f.Height*f.Width, f.Channels}
	}
	return []int{graph.Open, f.Channels, f.Height, f.Width}
}

// tower is a backbone described by its sizes, without weights.
type tower interface {
	// arch is the published name if the sizes are published ones, otherwise a name made of the
	// sizes.
	arch() string
	// side is the side of the square input in pixels.
	side() int
	// layers are the names of the layers whose features can be read, from the input on. A layer
	// that layerOf accepts may be one of them with normedSuffix.
	layers() []string
	// features is the shape at one of the layers.
	features(layer string) Features
	// stem adds what comes before the first layer, for a normalised picture [N, 3, side, side].
	stem(b *builder, image *graph.Node) *graph.Node
	// layer adds the i-th layer behind the one before, or after the stem. Only the features pass
	// from one layer to the next.
	layer(b *builder, x *graph.Node, i int) *graph.Node
}

// build adds a tower up to the last of the given layers and returns their features.
func build(t tower, b *builder, image *graph.Node, layers []string) map[string]*graph.Node {
	out := map[string]*graph.Node{}
	x := t.stem(b, image)
	for i, name := range t.layers() {
		if len(out) == len(layers) {
			break
		}
		x = t.layer(b, x, i)
		readLayer(t, b, x, name, layers, out)
	}
	return out
}

// readLayer adds the features x of a layer to out, as those of the given layers that it is.
func readLayer(t tower, b *builder, x *graph.Node, name string, layers []string, out map[string]*graph.Node) {
	if slices.Contains(layers, name) {
		out[name] = x
	}
	if d, ok := t.(dino); ok && slices.Contains(layers, name+normedSuffix) {
		out[name+normedSuffix] = d.normed(b, x)
	}
}

// normedSuffix follows the name of a layer of DINO for its features after the network's final norm,
// as Meta's code gives them for each layer by default.
const normedSuffix = "-norm"

// lastNorm is another name of the last layer's features after the norm.
const lastNorm = "norm"

// plainLayer is the name of a layer without normedSuffix.
func plainLayer(layer string) string { return strings.TrimSuffix(layer, normedSuffix) }

// blockNames are layer0 to the last of some blocks.
func blockNames(blocks int) []string {
	names := make([]string, blocks)
	for i := range names {
		names[i] = fmt.Sprintf("layer%d", i)
	}
	return names
}

// inputSize is the size in pixels of a tower's input.
func inputSize(t tower) (height, width int) {
	if d, ok := t.(dino); ok {
		return d.height, d.wide
	}
	return t.side(), t.side()
}

// Upper limits of the sizes in a file. The largest published sizes are 448 pixels and 32 positions.
const (
	maxSide = 4096
	maxGrid = 128
)

// layerOf completes and checks the name of a layer; an empty name means the tower's last.
func layerOf(t tower, layer string) (string, error) {
	all := t.layers()
	last := all[len(all)-1]
	if d, ok := t.(dino); ok && d.final {
		if layer == "" || layer == lastNorm {
			return last + normedSuffix, nil
		}
		if slices.Contains(all, plainLayer(layer)) {
			return layer, nil
		}
	}
	if layer == "" {
		return last, nil
	}
	if !slices.Contains(all, layer) {
		return "", fmt.Errorf("%w: %s has no layer %q, it has %s to %s", ErrSpec, t.arch(), layer, all[0], all[len(all)-1])
	}
	return layer, nil
}

// layersOf is layerOf for names separated by commas, whose features are joined.
func layersOf(t tower, layers string) (string, error) {
	list := strings.Split(layers, ",")
	for i, name := range list {
		full, err := layerOf(t, strings.TrimSpace(name))
		if err != nil {
			return "", err
		}
		if slices.Contains(list[:i], full) {
			return "", fmt.Errorf("%w: layer %s is named twice", ErrSpec, full)
		}
		list[i] = full
	}
	return strings.Join(list, ","), nil
}

// isCNN says whether a tower's decoders follow the published rules for convolutional backbones.
func isCNN(t tower) bool {
	switch t.(type) {
	case vit, dino:
		return false
	}
	return true
}

// hasName says whether asked is a name of the tower.
func hasName(t tower, asked string) bool {
	names := []string{t.arch()}
	if r, ok := t.(resnet); ok {
		names = r.names()
	}
	return slices.ContainsFunc(names, func(name string) bool { return sameArch(asked, name) })
}

// sameArch compares the names of two backbones, whose spelling varies in published files and
// papers: case, "@336" for "@336px". A family alone (ViT, RN) matches all its members.
func sameArch(asked, have string) bool {
	plain := func(s string) string {
		s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "px")
		if strings.HasPrefix(s, "dino") { // dinov2_vits14_reg4
			s = strings.Replace(strings.ReplaceAll(s, "_", "-"), "-reg4", "-reg", 1)
		}
		return s
	}
	a, h := plain(asked), plain(have)
	family, _, _ := strings.Cut(h, "-")
	if strings.HasPrefix(h, "rn") {
		family = "rn"
	}
	return a == h || a == family
}
