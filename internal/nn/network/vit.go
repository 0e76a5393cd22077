package network

import (
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/graph"
)

// lnEps is what CLIP's layer norms add to the variance.
const lnEps = 1e-5

// headWidth is the channels of an attention head in CLIP's transformers.
const headWidth = 64

// vit is CLIP's vision transformer: patches of the picture as tokens after a class token, then
// blocks that normalise their inputs.
type vit struct{ width, patch, blocks, grid int }

// The published sizes.
var vits = map[string]vit{
	"ViT-B/32":       {768, 32, 12, 7},
	"ViT-B/16":       {768, 16, 12, 14},
	"ViT-L/14":       {1024, 14, 24, 16},
	"ViT-L/14@336px": {1024, 14, 24, 24},
}

// arch is a published transformer's name, also if it was cut after a block: no two have equal
// blocks.
func (v vit) arch() string {
	for name, known := range vits {
		if v.blocks <= known.blocks && v == (vit{known.width, known.patch, v.blocks, known.grid}) {
			return name
		}
	}
	return fmt.Sprintf("ViT-%dx%d/%d@%dpx", v.width, v.blocks, v.patch, v.side())
}

func (v vit) side() int   { return v.patch * v.grid }
func (v vit) tokens() int { return 1 + v.grid*v.grid }

// layers are the outputs of the blocks, layer0 to the last, without the tower's final norm.
func (v vit) layers() []string {
	return blockNames(v.blocks)
}

func (v vit) features(string) Features {
	return Features{Channels: v.width, Height: v.grid, Width: v.grid, Tokens: true}
}

// check returns an error for impossible sizes.
func (v vit) check() error {
	switch {
	case v.width%headWidth != 0 || v.width == 0:
		return fmt.Errorf("a transformer of width %d: expected a multiple of %d, the width of a head", v.width, headWidth)
	case v.grid < 1 || v.patch < 1 || v.grid > maxGrid || v.side() > maxSide:
		return fmt.Errorf("a transformer over %d x %d patches of %d pixels: expected 1 to %d, and at most %d pixels",
			v.grid, v.grid, v.patch, maxGrid, maxSide)
	case v.blocks == 0:
		return fmt.Errorf("a transformer without blocks")
	}
	return nil
}

// stem gives tokens [N, 1+grid², width].
func (v vit) stem(b *builder, image *graph.Node) *graph.Node {
	tokens := v.tokens()
	x := b.conv(image, "conv1", convSpec{out: v.width, kernel: v.patch, stride: v.patch, kind: initHe})
	x = graph.Transpose(graph.Reshape(x, -1, v.width, tokens-1), 0, 2, 1)
	// The class embedding is added to the row that padding makes, together with the positions.
	class := b.param("class_embedding", []int{v.width}, initNormal, 0)
	places := b.param("positional_embedding", []int{tokens, v.width}, initNormal, 0)
	class = graph.Pad(graph.Reshape(class, 1, v.width), []int{0, 0}, []int{tokens - 1, 0})
	x = graph.Add(graph.Pad(x, []int{0, 1, 0}, []int{0, 0, 0}), graph.Add(class, places))
	return b.layerNorm(x, "ln_pre", v.width)
}

// layer is a block: tokens to tokens.
func (v vit) layer(b *builder, x *graph.Node, i int) *graph.Node {
	x = graph.Reshape(x, -1, v.width)
	x = b.residualBlock(x, fmt.Sprintf("transformer.resblocks.%d", i), v.tokens(), v.width, nil)
	return graph.Reshape(x, -1, v.tokens(), v.width)
}

// residualBlock adds one of CLIP's transformer blocks, x += attention(norm(x)), x += mlp(norm(x)),
// over rows [N tokens, width]. mask [tokens, tokens] is added to the scores of attention; it may be
// nil.
func (b *builder) residualBlock(x *graph.Node, name string, tokens, width int, mask *graph.Node) *graph.Node {
	x = graph.Add(x, b.attention(b.layerNorm(x, name+".ln_1", width), name+".attn", tokens, width, mask))
	y := b.channelsFirst(b.layerNorm(x, name+".ln_2", width), tokens)
	y = graph.QuickGELU(b.linear(y, name+".mlp.c_fc", width, 4*width, initUniform))
	return graph.Add(x, b.channelsLast(b.linear(y, name+".mlp.c_proj", 4*width, width, initUniform)))
}

// attention is multi-head self-attention over rows [N tokens, width].
func (b *builder) attention(x *graph.Node, name string, tokens, width int, mask *graph.Node) *graph.Node {
	heads := width / headWidth
	projected := b.projections(b.channelsFirst(x, tokens), name, width)
	perHead := func(i int, order ...int) *graph.Node {
		return graph.Transpose(graph.Reshape(projected[i], -1, tokens, heads, headWidth), order...)
	}
	query := graph.Scale(perHead(0, 0, 2, 1, 3), 1/math.Sqrt(headWidth))
	scores := graph.MatMul(query, perHead(1, 0, 2, 3, 1)) // [N, heads, tokens, tokens]
	if mask != nil {
		scores = graph.Add(scores, mask)
	}
	mixed := graph.MatMul(graph.Softmax(scores, -1), perHead(2, 0, 2, 1, 3))
	mixed = graph.Reshape(graph.Transpose(mixed, 0, 2, 1, 3), -1, width)
	return b.channelsLast(b.linear(b.channelsFirst(mixed, tokens), name+".out_proj", width, width, initZero))
}

// projections adds query, key and value of attention, each rows [N tokens, width], to the result of
// channelsFirst.
func (b *builder) projections(x *graph.Node, name string, width int) (list [3]*graph.Node) {
	if !b.stacked {
		for i, which := range []string{"q_proj", "k_proj", "v_proj"} {
			list[i] = b.channelsLast(b.linear(x, name+"."+which, width, width, initZero))
		}
		return list
	}
	w := b.param(name+".in_proj_weight", []int{3 * width, width}, initXavier, 4*width)
	bias := b.param(name+".in_proj_bias", []int{3 * width}, initZero, 0)
	for i := range list {
		from, to := i*width, (i+1)*width
		list[i] = graph.Linear(x, graph.Slice(w, 0, from, to), graph.Slice(bias, 0, from, to))
	}
	return list
}

// channelsFirst brings rows [N tokens, C] into the form that linear takes: [N, C, 1, tokens] in a
// Blocked program. The engine transposes, here and in channelsLast, while it puts channels into
// blocks.
func (b *builder) channelsFirst(x *graph.Node, tokens int) *graph.Node {
	if !b.form.Blocked {
		return x
	}
	return graph.Transpose(graph.Reshape(x, -1, 1, tokens, x.Dim(1)), 0, 3, 1, 2)
}

// channelsLast turns the result of linear into rows [N tokens, C].
func (b *builder) channelsLast(x *graph.Node) *graph.Node {
	if !b.form.Blocked {
		return x
	}
	return graph.Reshape(graph.Transpose(x, 0, 2, 3, 1), -1, x.Dim(1))
}

// linear adds NAME.weight [out, in] and NAME.bias, initialized as bias says, to the result of
// channelsFirst.
func (b *builder) linear(x *graph.Node, name string, in, out int, bias initKind) *graph.Node {
	weight := declared{name: name + ".weight", shape: []int{out, in}, kind: initUniform, fanIn: in, trainable: true}
	if !b.form.Blocked {
		return graph.Linear(x, b.declare(weight), b.param(name+".bias", []int{out}, bias, in))
	}
	weight.as = []int{out, in, 1, 1}
	return graph.Conv(x, b.declare(weight), b.param(name+".bias", []int{out}, bias, in), graph.ConvOptions{})
}

// layerNorm adds NAME.weight and NAME.bias [width] over the last dimension.
func (b *builder) layerNorm(x *graph.Node, name string, width int) *graph.Node {
	w := b.param(name+".weight", []int{width}, initOne, 0)
	bias := b.param(name+".bias", []int{width}, initZero, 0)
	return graph.LayerNorm(x, w, bias, lnEps)
}
