package network

import (
	"fmt"
	"math"

	"github.com/declip/declip/internal/nn/graph"
)

// mitStage is a stage of a Mix Transformer (Xie et al., "SegFormer", NeurIPS 2021): a convolution
// that shrinks the map, then blocks of attention and a perceptron with a depthwise convolution
// inside.
type mitStage struct {
	width  int // channels
	heads  int // of attention
	blocks int
	shrink int // keys and values of attention are computed on a map that is smaller by this factor
	inner  int // channels inside the perceptrons
}

// mitStages is the number of stages. The sizes of their maps are a quarter of the picture's, and
// then half of the stage before.
const mitStages = 4

// mitHeads are those of the published towers. The tensors' shapes do not tell them.
var mitHeads = [mitStages]int{1, 2, 5, 8}

// mitMaxWidth limits channels, so that a hostile file cannot exhaust memory.
const mitMaxWidth = 4096

// mitEps is what the blocks' layer norms add to variances; the others add lnEps.
const mitEps = 1e-6

// mitSizes reads the sizes of stage i, from 0, under a tower's prefix.
func mitSizes(l *layout, tower string, i int) (mitStage, error) {
	block := fmt.Sprintf("%sblock%d.", tower, i+1)
	perceptron, err := l.shape(block+"0.mlp.fc1.weight", 2)
	if err != nil {
		return mitStage{}, err
	}
	s := mitStage{
		width: perceptron[1], inner: perceptron[0], heads: mitHeads[i], shrink: 1,
		blocks: l.count(block + "%d.norm1.weight"),
	}
	if _, _, ok := l.find(block + "0.attn.sr.weight"); ok {
		kernel, err := l.shape(block+"0.attn.sr.weight", 4)
		if err != nil {
			return s, err
		}
		s.shrink = kernel[2]
	}
	if s.width%s.heads != 0 || s.width > mitMaxWidth || s.inner > mitMaxWidth {
		return s, fmt.Errorf("%s: stage %d of the transformer has %d channels, and %d in its perceptrons: expected a multiple of %d, "+
			"and at most %d", l.file.Path(), i+1, s.width, s.inner, s.heads, mitMaxWidth)
	}
	return s, nil
}

// mitStage adds stage i of a tower: a map [N, C, H, W] to [N, width, h, w].
func (b *builder) mitStage(x *graph.Node, tower string, i int, s mitStage) *graph.Node {
	patch := convSpec{out: s.width, kernel: 3, stride: 2, pad: 1, bias: true, kind: initHe}
	if i == 0 {
		patch.kernel, patch.stride, patch.pad = 7, 4, 3
	}
	name := fmt.Sprintf("%spatch_embed%d", tower, i+1)
	x = b.conv(x, name+".proj", patch)
	height, width := size(x)
	x = b.layerNormEps(toTokens(x), name+".norm", lnEps)
	for k := range s.blocks {
		block := fmt.Sprintf("%sblock%d.%d", tower, i+1, k)
		y := toMap(b.layerNormEps(x, block+".norm1", mitEps), height, width)
		x = graph.Add(x, toTokens(b.mitAttention(y, block+".attn", s)))
		y = toMap(b.layerNormEps(x, block+".norm2", mitEps), height, width)
		x = graph.Add(x, toTokens(b.mitPerceptron(y, block+".mlp", s)))
	}
	return toMap(b.layerNormEps(x, fmt.Sprintf("%snorm%d", tower, i+1), mitEps), height, width)
}

// mitAttention is attention from all places of a map to those of a smaller one.
func (b *builder) mitAttention(x *graph.Node, name string, s mitStage) *graph.Node {
	height, width := size(x)
	query := splitHeads(b.mapLinear(x, name+".q", s.width, true), s.heads)
	if s.shrink > 1 {
		x = b.conv(x, name+".sr", convSpec{out: s.width, kernel: s.shrink, stride: s.shrink, bias: true, kind: initHe})
		h, w := size(x)
		x = toMap(b.layerNormEps(toTokens(x), name+".norm", lnEps), h, w)
	}
	both := b.mapLinear(x, name+".kv", 2*s.width, true)
	key := splitHeads(graph.Slice(both, 1, 0, s.width), s.heads)
	value := splitHeads(graph.Slice(both, 1, s.width, 2*s.width), s.heads)
	y := attend(query, graph.Scale(key, 1/math.Sqrt(float64(s.width/s.heads))), value)
	return b.mapLinear(graph.Reshape(y, -1, s.width, height, width), name+".proj", s.width, true)
}

func (b *builder) mitPerceptron(x *graph.Node, name string, s mitStage) *graph.Node {
	y := b.mapLinear(x, name+".fc1", s.inner, true)
	y = b.conv(y, name+".dwconv.dwconv", convSpec{kernel: 3, pad: 1, depthwise: true, bias: true, kind: initHe})
	return b.mapLinear(graph.GELU(y), name+".fc2", s.width, true)
}

// attend computes largestScores scores at a time, 16 MiB of them, but in at most mostParts parts:
// large pictures have more scores than fit into memory, and each part is some nodes of the program.
const (
	largestScores = 4 << 20
	mostParts     = 64
)

// attend is attention, softmax(query^T key) over the keys, times the values. All are [N, heads, C,
// places], the scale is in the keys. The result is shaped as query.
func attend(query, key, value *graph.Node) *graph.Node {
	places := query.Dim(3)
	step := max(1, largestScores/max(1, query.Dim(1)*key.Dim(3)), (places+mostParts-1)/mostParts)
	var parts []*graph.Node
	for from := 0; from < places; from += step {
		part := query
		if step < places {
			part = graph.Slice(query, 3, from, min(from+step, places))
		}
		weights := graph.Softmax(graph.MatMul(graph.Transpose(part, 0, 1, 3, 2), key), -1)
		parts = append(parts, graph.MatMul(value, graph.Transpose(weights, 0, 1, 3, 2)))
	}
	if len(parts) == 0 { // query is spoiled by an earlier error
		return query
	}
	return graph.Concat(3, parts...)
}

// splitHeads is [N, C, H, W] as [N, heads, C/heads, H W].
func splitHeads(x *graph.Node, heads int) *graph.Node {
	height, width := size(x)
	return graph.Reshape(x, -1, heads, channels(x)/heads, height*width)
}

// toTokens is a map [N, C, H, W] as rows [N, H W, C].
func toTokens(x *graph.Node) *graph.Node {
	height, width := size(x)
	return graph.Reshape(graph.Transpose(x, 0, 2, 3, 1), -1, height*width, channels(x))
}

// toMap is the inverse of toTokens.
func toMap(x *graph.Node, height, width int) *graph.Node {
	return graph.Transpose(graph.Reshape(x, -1, height, width, x.Dim(-1)), 0, 3, 1, 2)
}

// mapLinear adds a linear layer NAME.weight [out, C] and NAME.bias over the channels of a map
// [N, C, H, W].
func (b *builder) mapLinear(x *graph.Node, name string, out int, bias bool) *graph.Node {
	in := channels(x)
	d := declared{name: name + ".weight", shape: []int{out, in}, as: []int{out, in, 1, 1}, kind: initUniform, fanIn: in, trainable: true}
	if b.part == nil { // parameters in memory are trained in the shape in which they are stored
		d.as = nil
	}
	weight := graph.Reshape(b.declare(d), out, in, 1, 1)
	if !bias {
		return graph.Conv(x, weight, nil, graph.ConvOptions{})
	}
	return graph.Conv(x, weight, b.param(name+".bias", []int{out}, initZero, in), graph.ConvOptions{})
}

// layerNormEps adds NAME.weight and NAME.bias over the last dimension of x; eps is added to the
// variance.
func (b *builder) layerNormEps(x *graph.Node, name string, eps float64) *graph.Node {
	shape := []int{max(1, x.Dim(-1))}
	return graph.LayerNorm(x, b.param(name+".weight", shape, initOne, 0), b.param(name+".bias", shape, initZero, 0), eps)
}
