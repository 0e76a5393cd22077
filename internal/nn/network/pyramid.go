package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// level is one resolution of the pyramid decoder.
type level struct {
	name     string
	width    int         // channels
	down, up int         // residual blocks on the way down to coarser maps, and on the way up
	seen     *graph.Node // features of the way down
}

// pyramidDecoder corrects the context decoder's logits by their surroundings on four scales and by
// the picture as a whole. The logits and the features behind them go down from stride 8 to 64 by
// plain 3x3 convolutions, are joined with statistics of the whole picture (mean and maximum of each
// channel), and come back up, joined at each stride with the features of the way down. The output,
// four values for each position at stride 8, is added to the logits: [N, 1, H/4, W/4].
func (b *builder) pyramidDecoder(f liteFeatures, spec Spec) *graph.Node {
	w := spec.Pyramid
	levels := []level{
		{name: "pyramid.8", width: w, down: 1, up: 2},
		{name: "pyramid.16", width: w * 3 / 2, down: 2, up: 1},
		{name: "pyramid.32", width: w * 2, down: 2, up: 1},
		{name: "pyramid.64", width: w * 3, down: 2},
	}
	x := b.pyramidInput(f, w)
	for i := range levels {
		l := &levels[i]
		if i > 0 {
			x = b.learnt(graph.MaxPool(x, 3, 2, 1), l.name+".in", l.width, 3)
		}
		for k := range l.down {
			x = graph.Add(x, b.learnt(x, fmt.Sprintf("%s.down%d", l.name, k), l.width, 3))
		}
		l.seen = x
	}
	x = b.wholePicture(x, "pyramid.whole")
	for i := len(levels) - 2; i >= 0; i-- {
		l := levels[i]
		x = b.joined(x, l.seen, l.name, l.width)
		for k := range l.up {
			x = graph.Add(x, b.learnt(x, fmt.Sprintf("%s.up%d", l.name, k), l.width, 3))
		}
	}
	x = b.conv(x, "pyramid.out", convSpec{out: 4, kernel: 1, bias: true, kind: initUniform})
	return graph.Add(f.logits, interleaved(x))
}

// logitScale is the size at which logits that enter the pyramid decoder saturate: beyond it the
// context decoder is certain.
const logitScale = 6.0

// pyramidInput joins logits and features at stride 8: [N, width, H/8, W/8].
func (b *builder) pyramidInput(f liteFeatures, width int) *graph.Node {
	logits := graph.Tanh(graph.Scale(cells(f.logits), 1/logitScale))
	// Features come from ReLUs and are unbounded. Logarithms show their ratios at every size.
	features := graph.Concat(1, f.coarse, f.context)
	features = graph.Log(graph.Add(features, features.Graph().Scalar(1)))
	features = b.learnt(features, "pyramid.features", width*3/4, 1)
	return b.learnt(graph.Concat(1, logits, features), "pyramid.in", width, 3)
}

// cells moves the four values of each 2 x 2 cell into channels: [N, 1, H, W] to [N, 4, H/2, W/2].
func cells(x *graph.Node) *graph.Node {
	k := make([]float32, 16)
	for i := range 4 {
		k[5*i] = 1
	}
	kernel := x.Graph().Const([]int{4, 1, 2, 2}, k)
	return graph.Conv(x, kernel, nil, graph.ConvOptions{Stride: 2, Dilation: 1, Groups: 1})
}

// interleaved is the inverse of cells: [N, 4, H, W] to [N, 1, 2H, 2W].
func interleaved(x *graph.Node) *graph.Node { return graph.DepthToSpace(x, 2) }

// wholePicture adds to each position a function of the mean and the maximum of each channel over
// the map.
func (b *builder) wholePicture(x *graph.Node, name string) *graph.Node {
	axes, c := []int{2, 3}, channels(x)
	whole := graph.Concat(1, graph.ReduceMean(x, axes, true), graph.ReduceMax(x, axes, true))
	whole = graph.ReLU(b.conv(whole, name+".in", convSpec{out: c, kernel: 1, bias: true, kind: initHe}))
	return graph.Add(x, b.conv(whole, name+".out", convSpec{out: c, kernel: 1, bias: true, kind: initUniform}))
}

// joined enlarges x to the size of side and adds the two, both projected to width channels.
func (b *builder) joined(x, side *graph.Node, name string, width int) *graph.Node {
	x = b.norm(b.conv(x, name+".coarse", convSpec{out: width, kernel: 1, kind: initHe}), name+".coarse.bn", initOne)
	side = b.norm(b.conv(side, name+".side", convSpec{out: width, kernel: 1, kind: initHe}), name+".side.bn", initOne)
	return graph.ReLU(graph.Add(graph.UpsampleLike(x, side), side))
}

// learnt is a convolution with a square kernel, batch norm and ReLU.
func (b *builder) learnt(x *graph.Node, name string, width, kernel int) *graph.Node {
	c := convSpec{out: width, kernel: kernel, pad: kernel / 2, kind: initHe}
	return graph.ReLU(b.norm(b.conv(x, name, c), name+".bn", initOne))
}
