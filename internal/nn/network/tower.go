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
	// Tokens: the features are rows [1 + Height Width, Channels], first the class token's, then
	// those of the positions in row-major order. Otherwise they are a map [Channels, Height,
	// Width].
	Tokens bool `json:"tokens,omitempty"`
}

// Shape is [N, T, C] for tokens and [N, C, H, W] for a map, the batch open.
func (f Features) Shape() []int {
	if f.Tokens {
		return []int{graph.Open, 1 + f.Height*f.Width, f.Channels}
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
	// layers are the names of the layers whose features can be read, from the input on.
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
		if slices.Contains(layers, name) {
			out[name] = x
		}
	}
	return out
}

// Upper limits of the sizes in a file. The largest published sizes are 448 pixels and 32 positions.
const (
	maxSide = 4096
	maxGrid = 128
)

// layerOf completes and checks the name of a layer; an empty name means the tower's last.
func layerOf(t tower, layer string) (string, error) {
	all := t.layers()
	if layer == "" {
		return all[len(all)-1], nil
	}
	if !slices.Contains(all, layer) {
		return "", fmt.Errorf("%w: %s has no layer %q, it has %s to %s", ErrSpec, t.arch(), layer, all[0], all[len(all)-1])
	}
	return layer, nil
}

// isCNN says whether a tower's decoders follow the published rules for convolutional backbones.
func isCNN(t tower) bool {
	_, tokens := t.(vit)
	return !tokens
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
	plain := func(s string) string { return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "px") }
	a, h := plain(asked), plain(have)
	family, _, _ := strings.Cut(h, "-")
	if strings.HasPrefix(h, "rn") {
		family = "rn"
	}
	return a == h || a == family
}
