package network

import (
	"fmt"

	"github.com/declip/declip/internal/graph"
)

// liteFeatures is what xceptionnet-lite's backbone sees in a picture [N, 3, H, W].
type liteFeatures struct {
	fine     *graph.Node // block 1: [N, widths[2], H/4, W/4]
	coarse   *graph.Node // block 2, and the look at JPEG's blocks: [N, C, H/8, W/8]
	context  *graph.Node // what the context decoder's blocks make of coarse: [N, Spec.Context, H/8, W/8]
	spectrum *graph.Node // log of the blocks' cosine coefficients: [N, 106, H/8, W/8]
}

// level is one resolution of the pyramid decoder.
type level struct {
	name  string
	width int         // channels
	down  []int       // dilations of the residual blocks on the way to coarser maps
	up    int         // residual blocks on the way back
	seen  *graph.Node // what the way down made of the picture here
}

// pyramidDecoder judges each place by its surroundings on four scales and by the picture as a whole. Features at
// stride 8 and their deviation from the picture's own mean go down to strides 16 and 32, meet there what the whole picture
// looks like (mean and maximum of each channel), and come back up, joined at each stride with what was seen on the way down
// and at stride 4 with block 1's finer features: [N, 1, H/4, W/4] logits. H and W must be multiples of 32.
func (b *builder) pyramidDecoder(f liteFeatures, spec Spec) *graph.Node {
	w := spec.Pyramid
	levels := []level{
		{name: "pyramid.8", width: w, down: []int{1, 2, 1}, up: 2},
		{name: "pyramid.16", width: w * 4 / 3, down: []int{1, 2, 1}, up: 2},
		{name: "pyramid.32", width: w * 5 / 3, down: []int{1, 2, 1}},
	}
	x := b.pyramidInput(f, w)
	for i := range levels {
		l := &levels[i]
		if i > 0 {
			x = b.pointwise(graph.MaxPool(x, 3, 2, 1), l.name+".in", l.width)
		}
		for k, d := range l.down {
			x = b.residual(x, fmt.Sprintf("%s.down%d", l.name, k), d)
		}
		l.seen = x
	}
	x = b.wholePicture(x, "pyramid.whole")
	for i := len(levels) - 2; i >= 0; i-- {
		l := levels[i]
		x = b.joined(x, l.seen, l.name, l.width)
		for k := range l.up {
			x = b.residual(x, fmt.Sprintf("%s.up%d", l.name, k), 1)
		}
	}
	x = b.joined(x, graph.ReLU(f.fine), "pyramid.4", w/2)
	x = b.residual(x, "pyramid.4.up0", 1)
	return b.conv(x, "pyramid.out", convSpec{out: 1, kernel: 1, bias: true, kind: initUniform})
}

// pyramidInput joins the features at stride 8 with their deviation from their mean over the map: [N, width, H/8, W/8].
func (b *builder) pyramidInput(f liteFeatures, width int) *graph.Node {
	spectrum := b.pointwise(f.spectrum, "pyramid.spectrum", width*2/3)
	u := b.norm(b.conv(graph.Concat(1, f.coarse, f.context, spectrum), "pyramid.in", convSpec{out: width, kernel: 1, kind: initHe}),
		"pyramid.in.bn", initOne)
	return b.pointwise(graph.Concat(1, graph.ReLU(u), deviation(u)), "pyramid.join", width)
}

// wholePicture adds to each place what follows from the mean and the maximum of each channel over the map.
func (b *builder) wholePicture(x *graph.Node, name string) *graph.Node {
	axes, c := []int{2, 3}, channels(x)
	whole := graph.Concat(1, graph.ReduceMean(x, axes, true), graph.ReduceMax(x, axes, true))
	whole = graph.ReLU(b.conv(whole, name+".in", convSpec{out: c, kernel: 1, bias: true, kind: initHe}))
	return graph.Add(x, b.conv(whole, name+".out", convSpec{out: c, kernel: 1, bias: true, kind: initUniform}))
}

// joined enlarges x to the size of side and adds the two, both brought to width channels.
func (b *builder) joined(x, side *graph.Node, name string, width int) *graph.Node {
	h, w := size(side)
	x = b.norm(b.conv(x, name+".coarse", convSpec{out: width, kernel: 1, kind: initHe}), name+".coarse.bn", initOne)
	side = b.norm(b.conv(side, name+".side", convSpec{out: width, kernel: 1, kind: initHe}), name+".side.bn", initOne)
	return graph.ReLU(graph.Add(graph.UpsampleBilinear(x, h, w), side))
}

// pointwise is a 1x1 convolution with batch norm and ReLU.
func (b *builder) pointwise(x *graph.Node, name string, width int) *graph.Node {
	return graph.ReLU(b.norm(b.conv(x, name, convSpec{out: width, kernel: 1, kind: initHe}), name+".bn", initOne))
}

// residual adds to x a separable convolution of it with batch norm and ReLU.
func (b *builder) residual(x *graph.Node, name string, dilation int) *graph.Node {
	y := b.separable(x, name, channels(x), dilation, initHe)
	return graph.Add(x, graph.ReLU(b.norm(y, name+".bn", initOne)))
}
