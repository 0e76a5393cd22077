package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// liteFeatures are the results of xceptionnet-lite's backbone, context decoder included, for a
// picture [N, 3, H, W].
type liteFeatures struct {
	coarse  *graph.Node // block 2, and the branch over JPEG's blocks: [N, C, H/8, W/8]
	context *graph.Node // the context decoder's blocks: [N, Spec.Context, H/8, W/8]
	logits  *graph.Node // the context decoder's: [N, 1, H/4, W/4]
}

// lite adds xceptionnet-lite: [N, 3, H, W], and the other inputs of the spec, to logits [N, 1, H/4,
// W/4].
func (b *builder) lite(inputs []*graph.Node, spec Spec) *graph.Node {
	x := inputs[0]
	b.inBackbone, b.frozen = true, spec.Frozen || spec.FrozenTrunk
	block1, block2 := b.liteTrunk(x, spec)
	coarse := graph.ReLU(block2)
	if spec.DCT > 0 {
		coarse = graph.Concat(1, coarse, b.dctBranch(x, spec.DCT))
	}
	if spec.Evidence > 0 {
		coarse = graph.Concat(1, coarse, b.evidenceBranch(inputs[1], spec.Evidence))
	}
	// The context decoder belongs to the pyramid's backbone.
	pyramid := spec.Decoder == DecoderPyramid
	b.inBackbone, b.frozen = pyramid, pyramid && spec.Frozen
	f := b.contextDecoder(block1, coarse, spec)
	b.inBackbone, b.frozen = false, false
	if !pyramid {
		return f.logits
	}
	return b.pyramidDecoder(f, spec)
}

// liteTrunk adds the trunk of xceptionnet-lite: Xception up to block 2 with fewer channels, every
// convolution padded so that position i of a map of stride s represents picture pixels [s i, s i +
// s). It returns block 1's features [N, widths[2], H/4, W/4] and block 2's [N, widths[3], H/8,
// W/8].
func (b *builder) liteTrunk(x *graph.Node, spec Spec) (block1, block2 *graph.Node) {
	if spec.Residual {
		x = b.highPass(x)
	}
	w, pool := spec.Widths, maxPool
	if spec.Pool == poolMean {
		pool = meanPool
	}
	x = b.conv(x, "conv1", convSpec{out: w[0], kernel: 3, stride: 2, pad: 1, kind: initHe})
	x = graph.ReLU(b.norm(x, "bn1", initOne))
	x = b.conv(x, "conv2", convSpec{out: w[1], kernel: 3, pad: 1, kind: initHe})
	x = graph.ReLU(b.norm(x, "bn2", initOne))
	block1 = b.xceptionBlock(x, "block1", w[2], false, pool)
	return block1, b.xceptionBlock(block1, "block2", w[3], true, pool)
}

// residualScale is the size in levels of 255 at which the high-pass channels saturate. A larger
// difference is an edge, which carries no further information about noise and compression and would
// drown them.
const residualScale = 6.0

// highPass turns a picture [N, 3, H, W] into [N, 8, H, W]: its three channels at half their scale,
// three second differences of the luma (in both directions, horizontal, vertical) and a Laplacian
// of each colour difference in units of residualScale levels, all through tanh. Noise, resampling
// and compression leave traces in the differences that are about ten times weaker than the picture
// itself. One convolution with a fixed kernel computes all eight, which is much faster than several
// convolutions.
func (b *builder) highPass(x *graph.Node) *graph.Node {
	both := [9]float32{-.25, .5, -.25, .5, -1, .5, -.25, .5, -.25}
	horizontal := [9]float32{3: .5, 4: -1, 5: .5}
	vertical := [9]float32{1: .5, 4: -1, 7: .5}
	laplacian := [9]float32{1: .25, 3: .25, 4: -1, 5: .25, 7: .25}
	luma := [3]float32{.299, .587, .114}
	blue := [3]float32{-.299, -.587, 1 - .114}
	red := [3]float32{1 - .299, -.587, -.114}
	rows := []struct {
		colour [3]float32
		kernel [9]float32
	}{{luma, both}, {luma, horizontal}, {luma, vertical}, {blue, laplacian}, {red, laplacian}}
	data := make([]float32, 3*27, 8*27)
	for c := range 3 {
		data[c*27+c*9+4] = 0.5
	}
	for _, row := range rows {
		for c, share := range row.colour {
			for _, k := range row.kernel {
				data = append(data, share*255*Std[c]*k/residualScale)
			}
		}
	}
	kernel := b.g.Const([]int{8, 3, 3, 3}, data)
	o := graph.ConvOptions{Stride: 1, Pad: 1, Dilation: 1, Groups: 1}
	if b.train {
		return graph.Tanh(graph.Conv(x, kernel, nil, o))
	}
	return graph.ConvTanh(x, kernel, o)
}

// context joins the features at stride 8 (block 2's, and those of JPEG's blocks) with their
// deviation from their mean over the whole input, in units of their spread; residual separable
// convolutions of growing dilation follow: [N, C, H/8, W/8] to [N, Spec.Context, H/8, W/8].
func (b *builder) context(features *graph.Node, spec Spec) *graph.Node {
	pointwise := convSpec{out: spec.Context, kernel: 1, kind: initHe}
	u := b.norm(b.conv(features, "context.in", pointwise), "context.in_bn", initOne)
	x := graph.Concat(1, graph.ReLU(u), deviation(u))
	x = graph.ReLU(b.norm(b.conv(x, "context.join", pointwise), "context.join_bn", initOne))
	for i, d := range spec.Dilations {
		x = b.residual(x, fmt.Sprintf("context.block%d", i), d)
	}
	return x
}

// residual adds to x a separable convolution of x with batch norm and ReLU.
func (b *builder) residual(x *graph.Node, name string, dilation int) *graph.Node {
	y := b.separable(x, name, channels(x), dilation, initHe)
	return graph.Add(x, graph.ReLU(b.norm(y, name+".bn", initOne)))
}

// contextDecoder adds block 1's finer features to the context of block 2's, for logits at stride 4.
// It returns its intermediate results, too.
func (b *builder) contextDecoder(block1, coarse *graph.Node, spec Spec) liteFeatures {
	f, fine := liteFeatures{coarse: coarse, context: b.context(coarse, spec)}, spec.Context/2
	x := b.conv(f.context, "context.up", convSpec{out: fine, kernel: 1, kind: initHe})
	x = graph.UpsampleLike(b.norm(x, "context.up_bn", initOne), block1)
	side := b.conv(graph.ReLU(block1), "context.side", convSpec{out: fine, kernel: 1, kind: initHe})
	x = graph.ReLU(graph.Add(x, b.norm(side, "context.side_bn", initOne)))
	x = b.separable(x, "context.fine", fine, 1, initHe)
	x = graph.ReLU(b.norm(x, "context.fine_bn", initOne))
	f.logits = b.conv(x, "context.out", convSpec{out: 1, kernel: 1, bias: true, kind: initUniform})
	return f
}

// deviation is (x - mean) / (spread + 0.1) with the mean and standard deviation of each channel
// over its map.
func deviation(x *graph.Node) *graph.Node {
	g, axes := x.Graph(), []int{2, 3}
	centred := graph.Sub(x, graph.ReduceMean(x, axes, true))
	variance := graph.ReduceMean(graph.Mul(centred, centred), axes, true)
	spread := graph.Sqrt(graph.Add(variance, g.Scalar(1e-5)))
	return graph.Div(centred, graph.Add(spread, g.Scalar(0.1)))
}
