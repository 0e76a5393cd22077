package network

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
)

// Decoder names; the third kind is "conv-K".
const (
	DecoderLinear    = "linear"
	DecoderAttention = "attention"
	// DecoderConv3 is the head of DINOv3-IML: two convolutions of 3 x 3 and one of a pixel.
	DecoderConv3 = "conv3"
)

// OutputSide is the side in pixels of the published decoders' maps of logits.
const OutputSide = 256

// stages is the number of times that a conv decoder changes its width.
const stages = 4

// decoderWidths are the channels of the published conv decoders' stages.
var decoderWidths = [stages]int{512, 256, 128, 64}

// decoder turns features into logits [N, 1, side, side].
type decoder struct {
	kind   string      // DecoderLinear, DecoderAttention, DecoderConv3 or conv-K
	depth  int         // K
	widths [stages]int // conv-K: channels of each stage; conv3: of its first two convolutions
	side   int         // of the map of logits
	layer  string      // where the features come from, see convStages
	cnn    bool        // the backbone is a convolutional network, or the fusion contains one
	// matrix: a linear layer's weights have the shape [1, C] of PyTorch's linear layers, not [1, C,
	// 1, 1].
	matrix bool
	// positions: the published linear decoder on Xception has a quirk. Its weights belong to the
	// positions of a map, and it runs over the channels, of which there are side x side.
	positions bool
}

// newDecoder returns the decoder that a completed spec names, with the sizes of a new one.
func newDecoder(kind, layer string, cnn bool, side int) (decoder, error) {
	d := decoder{kind: kind, side: side, widths: decoderWidths, layer: layer, cnn: cnn, matrix: !cnn}
	if kind == DecoderLinear || kind == DecoderAttention || kind == DecoderConv3 {
		return d, nil
	}
	var err error
	d.depth, err = convDepth(kind)
	return d, err
}

// CheckDecoder says whether a decoder of that name exists; an empty name means the default. Errors
// wrap ErrSpec.
func CheckDecoder(kind string) error {
	if kind == "" {
		return nil
	}
	_, err := newDecoder(kind, "", true, OutputSide)
	return err
}

// convDepth parses "conv-K". K must be a positive multiple of 4.
func convDepth(kind string) (int, error) {
	text, ok := strings.CutPrefix(kind, "conv-")
	if !ok {
		return 0, fmt.Errorf("%w: decoder %q: expected linear, attention, conv3 or conv-K", ErrSpec, kind)
	}
	depth, err := strconv.Atoi(text)
	if err != nil || depth < stages || depth%stages != 0 || depth > 400 {
		return 0, fmt.Errorf("%w: decoder %q: K must be a multiple of %d", ErrSpec, kind, stages)
	}
	return depth, nil
}

// build adds the decoder to features of the given shapes: those of one or several layers of a
// backbone, or those of a transformer and a residual network.
func (d decoder) build(b *builder, features []*graph.Node, shapes []Features) *graph.Node {
	first, shape := features[0], shapes[0]
	switch {
	case d.kind == DecoderAttention:
		return d.attention(b, features, shapes)
	case d.kind == DecoderLinear && d.positions:
		return d.linearOverPositions(b, first, shape)
	case d.kind == DecoderLinear && shape.Tokens && len(features) == 1:
		return d.linearOverTokens(b, graph.Reshape(first, -1, shape.Channels), shape)
	}
	x := joinMaps(features, shapes)
	if d.kind == DecoderConv3 {
		return d.smallConvolutions(b, x)
	}
	if d.kind == DecoderLinear {
		x = graph.Conv(x, b.linearWeight(d, channels(x)), b.linearBias(channels(x)), graph.ConvOptions{})
		return graph.UpsampleBicubic(x, d.side, d.side)
	}
	return d.convolutions(b, x)
}

// joinMaps turns features into one map [N, C, h, w]: tokens without the class token and the
// registers, further maps resized to the first's.
func joinMaps(features []*graph.Node, shapes []Features) *graph.Node {
	maps := make([]*graph.Node, len(features))
	for i, x := range features {
		if s := shapes[i]; s.Tokens {
			x = graph.Transpose(graph.Slice(x, 1, s.Before(), s.Before()+s.Height*s.Width), 0, 2, 1)
			x = graph.Reshape(x, -1, s.Channels, s.Height, s.Width)
		}
		maps[i] = graph.UpsampleBilinear(x, shapes[0].Height, shapes[0].Width)
	}
	return graph.Concat(1, maps...)
}

// totalChannels is the sum of the features' channels.
func totalChannels(shapes []Features) (n int) {
	for _, s := range shapes {
		n += s.Channels
	}
	return n
}

// linearWeight declares fc.0.weight for c inputs, as [1, c, 1, 1] for a convolution.
func (b *builder) linearWeight(d decoder, c int) *graph.Node {
	shape := []int{1, c}
	if !d.matrix {
		shape = []int{1, c, 1, 1}
	}
	return graph.Reshape(b.param("fc.0.weight", shape, initNormal, c), 1, c, 1, 1)
}

func (b *builder) linearBias(fan int) *graph.Node {
	return b.param("fc.0.bias", []int{1}, initUniform, fan)
}

// linearRows applies the linear layer to rows [M, c]: [M, 1].
func (d decoder) linearRows(b *builder, rows *graph.Node, c int) *graph.Node {
	return graph.Linear(rows, graph.Reshape(b.linearWeight(d, c), 1, c), b.linearBias(c))
}

// linearOverTokens computes a logit for each patch token of rows [N T, C] and enlarges the map
// bicubically.
func (d decoder) linearOverTokens(b *builder, rows *graph.Node, shape Features) *graph.Node {
	before, places := shape.Before(), shape.Height*shape.Width
	x := graph.Reshape(d.linearRows(b, rows, shape.Channels), -1, before+places)
	x = graph.Reshape(graph.Slice(x, 1, before, before+places), -1, 1, shape.Height, shape.Width)
	return graph.UpsampleBicubic(x, d.side, d.side)
}

// linearOverPositions computes a logit for each channel of a map [N, C, h, w] from its h w values;
// the C logits form a map of sqrt(C) x sqrt(C). This is what the published linear decoder on
// Xception does.
func (d decoder) linearOverPositions(b *builder, x *graph.Node, shape Features) *graph.Node {
	places := shape.Height * shape.Width
	side := root(shape.Channels)
	x = d.linearRows(b, graph.Reshape(x, -1, places), places)
	return graph.UpsampleBicubic(graph.Reshape(x, -1, 1, side, side), d.side, d.side)
}

// attention adds two transformer blocks over all tokens, in which each token sees only those before
// it, then a linear layer. The channels of several layers are joined.
func (d decoder) attention(b *builder, features []*graph.Node, shapes []Features) *graph.Node {
	x, shape := features[0], shapes[0]
	if len(features) > 1 {
		x, shape.Channels = graph.Concat(2, features...), totalChannels(shapes)
	}
	tokens := shape.Before() + shape.Height*shape.Width
	causal := make([]float32, tokens*tokens)
	for i := range tokens {
		for j := i + 1; j < tokens; j++ {
			causal[i*tokens+j] = float32(math.Inf(-1))
		}
	}
	mask := b.g.Const([]int{tokens, tokens}, causal)
	rows := graph.Reshape(x, -1, shape.Channels)
	for _, name := range []string{"att1", "att2"} {
		rows = b.residualBlock(rows, name, tokens, shape.Channels, mask)
	}
	return d.linearOverTokens(b, rows, shape)
}

// convStage is one stage of a conv decoder: the index of its first layer in the published sequence
// of layers, by which parameters are named, and whether it ends in upsampling by two.
type convStage struct {
	first    int
	upsample bool
}

// convStages lays out the sequence of layers: each stage has depth/4 times convolution, norm and
// ReLU, then upsampling. Convolutional backbones have large maps in their early layers: at layer2,
// stage 1 is not upsampled, at layer1, stages 1 and 2 are not; and the map is resized before the
// last convolution, whose index is returned, too.
func (d decoder) convStages() (list [stages]convStage, last int) {
	at := 0
	for i := range list {
		skipped := d.cnn && (d.layer == "layer2" && i == 0 || d.layer == "layer1" && i <= 1)
		list[i] = convStage{at, !skipped}
		at += 3 * d.depth / stages
		if !skipped {
			at++
		}
	}
	if d.cnn {
		at++
	}
	return list, at
}

// convolutions adds the conv-K decoder to a map [N, C, h, w]: stages of 5x5 convolutions, each
// followed by batch norm and ReLU, and a last convolution to one channel. The 16 x 16 positions of
// a transformer become 256 x 256 by upsampling; from other grids the logits are resized.
func (d decoder) convolutions(b *builder, x *graph.Node) *graph.Node {
	list, last := d.convStages()
	for i, stage := range list {
		for k := range d.depth / stages {
			at := stage.first + 3*k
			c := convSpec{out: d.widths[i], kernel: 5, pad: 2, bias: true, kind: initNormal}
			x = b.convNormReLU(x, fmt.Sprintf("fc.%d", at), c, fmt.Sprintf("fc.%d", at+1))
		}
		if stage.upsample && (d.cnn || i < stages-1) {
			h, w := size(x)
			x = graph.UpsampleBilinear(x, 2*h, 2*w)
		}
	}
	fan := channels(x) * 25
	w := b.param(fmt.Sprintf("fc.%d.weight", last), []int{1, channels(x), 5, 5}, initNormal, fan)
	bias := b.param(fmt.Sprintf("fc.%d.bias", last), []int{1}, initUniform, fan)
	if d.cnn {
		return graph.UpsampleConv(x, w, bias, d.side, d.side)
	}
	height, width := size(x)
	return graph.UpsampleBilinear(graph.UpsampleConv(x, w, bias, 2*height, 2*width), d.side, d.side)
}

// conv3Prefix precedes the names of conv3's tensors, as DINOv3-IML names them.
const conv3Prefix = "seg_head."

// smallConvolutions adds conv3 to a map [N, C, h, w]: two convolutions of 3 x 3 with batch norm and
// ReLU, then one of a pixel, whose logits are enlarged bilinearly.
func (d decoder) smallConvolutions(b *builder, x *graph.Node) *graph.Node {
	for i, width := range d.widths[:2] {
		layer := convSpec{out: width, kernel: 3, pad: 1, bias: true, kind: initHeOut, zeroBias: true}
		x = b.convNormThenReLU(x, fmt.Sprintf("%s%d", conv3Prefix, 3*i), fmt.Sprintf("%s%d", conv3Prefix, 3*i+1), layer)
	}
	x = b.conv(x, conv3Prefix+"6", convSpec{out: 1, kernel: 1, bias: true, kind: initHeOut, zeroBias: true})
	return graph.UpsampleBilinear(x, d.side, d.side)
}
