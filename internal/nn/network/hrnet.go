package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// hrnet describes a high-resolution network: a stem, and stages of parallel branches, each branch
// half the size of the one before, that exchange their features after every module (Wang et al.,
// "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020).
type hrnet struct {
	stride  int        // of each of the stem's two convolutions
	stem    [2]int     // channels of these convolutions
	inner   int        // channels inside layer1's bottlenecks
	outer   int        // channels of layer1
	blocks  int        // bottlenecks of layer1
	stages  [3]hrStage // stage2 to stage4, of 2 to 4 branches
	corners bool       // maps are enlarged with aligned corners
}

// hrStage is a stage: modules of parallel branches.
type hrStage struct {
	name    string // before the names of its tensors, such as "stage2"
	modules int
	blocks  int   // basic blocks of every branch
	widths  []int // channels of the branches, from the largest map to the smallest
}

// sizedHRNet makes a high-resolution network without a file.
func sizedHRNet(s Sizes, stride int, corners bool) hrnet {
	n := hrnet{stride: stride, stem: s.Stem, inner: s.Inner, outer: s.Outer, blocks: s.Bottlenecks, corners: corners}
	for i, stage := range s.Stages {
		n.stages[i] = sizedStage(fmt.Sprintf("stage%d", i+2), stage)
	}
	return n
}

func sizedStage(name string, s StageSizes) hrStage {
	return hrStage{name: name, modules: s.Modules, blocks: s.Blocks, widths: s.Widths}
}

func (n hrnet) sizes() Sizes {
	s := Sizes{Stem: n.stem, Inner: n.inner, Outer: n.outer, Bottlenecks: n.blocks}
	for _, stage := range n.stages {
		s.Stages = append(s.Stages, stage.sizes())
	}
	return s
}

func (s hrStage) sizes() StageSizes {
	return StageSizes{Modules: s.modules, Blocks: s.blocks, Widths: s.widths}
}

// readHRNet reads the sizes of a high-resolution network off its tensors.
func readHRNet(l *layout, stride int, corners bool) (hrnet, error) {
	n := hrnet{stride: stride, corners: corners, blocks: l.count("layer1.%d.conv1.weight")}
	for _, size := range []struct {
		name string
		to   *int
	}{{"conv1", &n.stem[0]}, {"conv2", &n.stem[1]}, {"layer1.0.conv1", &n.inner}, {"layer1.0.conv3", &n.outer}} {
		shape, err := l.shape(size.name+".weight", 4)
		if err != nil {
			return n, err
		}
		*size.to = shape[0]
	}
	for i := range n.stages {
		var err error
		if n.stages[i], err = readHRStage(l, fmt.Sprintf("stage%d", i+2), i+2); err != nil {
			return n, err
		}
	}
	return n, nil
}

// readHRStage reads the sizes of a stage with a given number of branches off its tensors.
func readHRStage(l *layout, name string, branches int) (hrStage, error) {
	s := hrStage{
		name:    name,
		modules: l.count(name + ".%d.branches.0.0.conv1.weight"),
		blocks:  l.count(name + ".0.branches.0.%d.conv1.weight"),
	}
	for i := range branches {
		shape, err := l.shape(fmt.Sprintf("%s.0.branches.%d.0.conv1.weight", name, i), 4)
		if err != nil {
			return s, err
		}
		s.widths = append(s.widths, shape[0])
	}
	return s, nil
}

// hrnet adds the network for x [N, C, H, W] and returns the branches of its last stage. The first
// has the size of the stem's result, each other half the size of the one before, rounded up.
func (b *builder) hrnet(x *graph.Node, n hrnet) []*graph.Node { return b.hrBranches(b.hrHead(x, n), n) }

// hrHead adds the layers before the stages, up to the two branches that the first stage takes.
func (b *builder) hrHead(x *graph.Node, n hrnet) []*graph.Node {
	x = b.convNormThenReLU(x, "conv1", "bn1", convSpec{out: n.stem[0], kernel: 3, stride: n.stride, pad: 1, kind: initHe})
	x = b.convNormThenReLU(x, "conv2", "bn2", convSpec{out: n.stem[1], kernel: 3, stride: n.stride, pad: 1, kind: initHe})
	for i := range n.blocks {
		x = b.residualBottleneck(x, fmt.Sprintf("layer1.%d", i), n.inner, n.outer)
	}
	// Both branches of the first stage come from the stem.
	first := n.stages[0].widths
	return []*graph.Node{
		b.convNormThenReLU(x, "transition1.0.0", "transition1.0.1", convSpec{out: first[0], kernel: 3, pad: 1, kind: initHe}),
		b.hrSmaller(x, "transition1", 1, first[1]),
	}
}

// hrBranches adds the stages to the branches that hrHead gives.
func (b *builder) hrBranches(xs []*graph.Node, n hrnet) []*graph.Node {
	for i, stage := range n.stages {
		if i > 0 {
			xs = b.hrTransition(xs, fmt.Sprintf("transition%d", i+1), stage.widths)
		}
		xs = b.hrStage(xs, stage, n.corners)
	}
	return xs
}

// hrTransition adds what comes before a stage: a branch whose width changes gets a convolution, and
// a branch that is missing is made from the smallest one at half its size.
func (b *builder) hrTransition(xs []*graph.Node, name string, widths []int) []*graph.Node {
	out := make([]*graph.Node, len(widths))
	for i, width := range widths {
		switch {
		case i >= len(xs):
			out[i] = b.hrSmaller(xs[len(xs)-1], name, i, width)
		case channels(xs[i]) != width:
			at := fmt.Sprintf("%s.%d", name, i)
			out[i] = b.convNormThenReLU(xs[i], at+".0", at+".1", convSpec{out: width, kernel: 3, pad: 1, kind: initHe})
		default:
			out[i] = xs[i]
		}
	}
	return out
}

// hrSmaller adds the new branch i of a transition: half the size of x.
func (b *builder) hrSmaller(x *graph.Node, name string, i, width int) *graph.Node {
	at := fmt.Sprintf("%s.%d.0", name, i)
	return b.convNormThenReLU(x, at+".0", at+".1", convSpec{out: width, kernel: 3, stride: 2, pad: 1, kind: initHe})
}

// hrStage adds the modules of a stage.
func (b *builder) hrStage(xs []*graph.Node, s hrStage, corners bool) []*graph.Node {
	for m := range s.modules {
		name := fmt.Sprintf("%s.%d", s.name, m)
		branches := make([]*graph.Node, len(xs))
		for i, x := range xs {
			for k := range s.blocks {
				x = b.basicBlock(x, fmt.Sprintf("%s.branches.%d.%d", name, i, k), s.widths[i])
			}
			branches[i] = x
		}
		xs = b.hrFuse(branches, name+".fuse_layers", s.widths, corners)
	}
	return xs
}

// hrFuse adds to every branch the features of all others, brought to its size and width. Sums begin
// with the largest map, as in the published networks.
func (b *builder) hrFuse(xs []*graph.Node, name string, widths []int, corners bool) []*graph.Node {
	out := make([]*graph.Node, len(xs))
	for i := range xs {
		sum := b.hrWay(xs, name, 0, i, widths, corners)
		for j := 1; j < len(xs); j++ {
			sum = graph.Add(sum, b.hrWay(xs, name, j, i, widths, corners))
		}
		out[i] = graph.ReLU(sum)
	}
	return out
}

// hrWay brings branch from to the size and width of branch to: by a pointwise convolution and
// enlarging, or by convolutions of stride 2, of which only the last changes the width and has no
// ReLU.
func (b *builder) hrWay(xs []*graph.Node, name string, from, to int, widths []int, corners bool) *graph.Node {
	x, at := xs[from], fmt.Sprintf("%s.%d.%d", name, to, from)
	if from > to {
		x = b.convUnit(x, at+".0", at+".1", convSpec{out: widths[to], kernel: 1, kind: initHe}, nil, false)
		return graph.ResizeLike(x, xs[to], corners)
	}
	for k := range to - from {
		step, c := fmt.Sprintf("%s.%d", at, k), convSpec{out: widths[from], kernel: 3, stride: 2, pad: 1, kind: initHe}
		if k == to-from-1 {
			c.out = widths[to]
			return b.convUnit(x, step+".0", step+".1", c, nil, false)
		}
		x = b.convNormThenReLU(x, step+".0", step+".1", c)
	}
	return x
}

// basicBlock adds two 3 x 3 convolutions next to a shortcut.
func (b *builder) basicBlock(x *graph.Node, name string, width int) *graph.Node {
	c := convSpec{out: width, kernel: 3, pad: 1, kind: initHe}
	y := b.convNormThenReLU(x, name+".conv1", name+".bn1", c)
	return b.convUnit(y, name+".conv2", name+".bn2", c, b.shortcut(x, name, width), true)
}

// residualBottleneck adds 1x1, 3x3 and 1x1 convolutions of inner, inner and outer channels next to
// a shortcut.
func (b *builder) residualBottleneck(x *graph.Node, name string, inner, outer int) *graph.Node {
	y := b.convNormThenReLU(x, name+".conv1", name+".bn1", convSpec{out: inner, kernel: 1, kind: initHe})
	y = b.convNormThenReLU(y, name+".conv2", name+".bn2", convSpec{out: inner, kernel: 3, pad: 1, kind: initHe})
	last := convSpec{out: outer, kernel: 1, kind: initHe}
	return b.convUnit(y, name+".conv3", name+".bn3", last, b.shortcut(x, name, outer), true)
}

// shortcut is x, with a pointwise convolution if its channels differ from those of the block.
func (b *builder) shortcut(x *graph.Node, name string, width int) *graph.Node {
	if channels(x) == width {
		return x
	}
	return b.convUnit(x, name+".downsample.0", name+".downsample.1", convSpec{out: width, kernel: 1, kind: initHe}, nil, false)
}

// convNormThenReLU is convNorm and the ReLU after it.
func (b *builder) convNormThenReLU(x *graph.Node, conv, norm string, c convSpec) *graph.Node {
	return b.convUnit(x, conv, norm, c, nil, true)
}

// convUnit is a convolution and the batch norm after it, plus sum, which may be nil, and a ReLU of
// that if relu is set.
func (b *builder) convUnit(x *graph.Node, conv, norm string, c convSpec, sum *graph.Node, relu bool) *graph.Node {
	if b.train && !b.frozen {
		y := b.norm(b.conv(x, conv, c), norm, initOne)
		if sum != nil {
			y = graph.Add(y, sum)
		}
		if relu {
			y = graph.ReLU(y)
		}
		return y
	}
	w, bias, o := b.kernel(x, conv, c)
	scale, shift, mean, variance := b.statistics(c.out, norm, initOne)
	n := graph.NormOf{Scale: scale, Shift: shift, Mean: mean, Variance: variance, Eps: bnEps}
	return graph.ConvNorm(x, w, bias, o, n, sum, relu)
}
