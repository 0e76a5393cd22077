package network

import (
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// catNet is CAT-Net v2 (Kwon et al., "Learning JPEG Compression Artifacts for Image Manipulation
// Detection and Localization", IJCV 2022): one stream over the pixels, one over the quantised
// coefficients of the JPEG file's first component, and a stage over both.
type catNet struct {
	layout layout
	pixels *hrnet // nil for the network over coefficients alone
	dct    dctStream
	joined hrStage // stage5 over both streams; unused without pixels
}

// dctStream describes the stream over coefficients.
type dctStream struct {
	planes  [2]int // channels of the first convolution, and of the second, at full size
	blocks  int    // basic blocks of dc_layer2
	outputs int    // channels of dc_layer2
	stages  [2]hrStage
}

// Sizes that belong to the coefficients, not to the weights.
const (
	dctSide     = 8                 // of a block
	dctPlaces   = dctSide * dctSide // in a block
	dctPlanes   = 21                // of the volume: |c| = 0, 1, ... 19, and 20 or more
	dctDilation = dctSide           // neighbours are the same frequency of neighbouring blocks
)

// catNetMark is a tensor that CAT-Net has, and no other network.
const catNetMark = "dc_layer0_dil.0.weight"

func recogniseCATNet(f *weights.File, _ []*weights.File) (wholeNetwork, error) {
	l, found, err := choose(f, catNetMark)
	if !found {
		return nil, err
	}
	n := &catNet{layout: l}
	if err := n.read(); err != nil {
		return nil, err
	}
	return n, nil
}

// read reads the sizes off the tensors.
func (n *catNet) read() (err error) {
	l := &n.layout
	if err := n.dct.read(l); err != nil {
		return err
	}
	if _, _, ok := l.find("conv1.weight"); !ok {
		return nil
	}
	pixels, err := readHRNet(l, 2, false)
	if err != nil {
		return err
	}
	n.pixels = &pixels
	n.joined, err = readHRStage(l, "stage5", 4)
	return err
}

func (d *dctStream) read(l *layout) (err error) {
	d.blocks = l.count("dc_layer2.%d.conv1.weight")
	for _, size := range []struct {
		name string
		to   *int
	}{{"dc_layer0_dil.0", &d.planes[0]}, {"dc_layer1_tail.0", &d.planes[1]}, {"dc_layer2.0.conv1", &d.outputs}} {
		shape, err := l.shape(size.name+".weight", 4)
		if err != nil {
			return err
		}
		*size.to = shape[0]
	}
	for i := range d.stages {
		if d.stages[i], err = readHRStage(l, fmt.Sprintf("dc_stage%d", i+3), i+2); err != nil {
			return err
		}
	}
	return nil
}

// sizedCATNet makes the network without files.
func sizedCATNet(s Sizes) *catNet {
	n := &catNet{dct: dctStream{planes: s.DCT.Planes, blocks: s.DCT.Blocks, outputs: s.DCT.Outputs}}
	for i, stage := range s.DCT.Stages {
		n.dct.stages[i] = sizedStage(fmt.Sprintf("dc_stage%d", i+3), stage)
	}
	if s.Stages != nil {
		pixels := sizedHRNet(s, 2, false)
		n.pixels, n.joined = &pixels, sizedStage("stage5", *s.Joined)
	}
	return n
}

func (n *catNet) sizes() (s Sizes) {
	if n.pixels != nil {
		joined := n.joined.sizes()
		s = n.pixels.sizes()
		s.Joined = &joined
	}
	s.DCT = &DCTSizes{Planes: n.dct.planes, Blocks: n.dct.blocks, Outputs: n.dct.outputs}
	for _, stage := range n.dct.stages {
		s.DCT.Stages = append(s.DCT.Stages, stage.sizes())
	}
	return s
}

func (n *catNet) spec() Spec {
	if n.pixels == nil {
		return Spec{Arch: ArchCATNetDCT, Mode: ModeWhole}
	}
	return Spec{Arch: ArchCATNet, Mode: ModeWhole}
}

// build adds the network for pictures whose sides are multiples of 8. Inputs: PortImage
// [1, 3, height, width] in -1 to 1, but not for the network over coefficients alone;
// PortCoefficients [1, 1, height, width], where the coefficient of row u and column v of a block is
// in that row and column of the block's pixels; PortSteps [1, 1, 8, 8]. Output: PortLogits at a
// quarter of the size, or an eighth without pixels.
func (n *catNet) build(b *builder, height, width int) []graph.Output {
	if b.form.Winograd {
		b.g.Winograd3x3()
	}
	var inputs []*graph.Node
	if n.pixels != nil {
		inputs = append(inputs, b.g.Input(PortImage, 1, 3, height, width))
	}
	inputs = append(inputs, b.g.Input(PortCoefficients, 1, 1, height, width), b.g.Input(PortSteps, 1, 1, dctSide, dctSide))
	return []graph.Output{{Name: PortLogits, Node: n.batch(b, inputs).Logits}}
}

// batch takes the inputs of build for N pictures.
func (n *catNet) batch(b *builder, inputs []*graph.Node) Built {
	b.part = n.layout.part("")
	var image *graph.Node
	if n.pixels != nil {
		image, inputs = inputs[0], inputs[1:]
	}
	return Built{Logits: b.catNet(n, image, inputs[0], inputs[1]), Updates: b.updates}
}

// catNet adds the network for image [N, 3, H, W], coefficients [N, 1, H, W] and steps [N, 1, 8, 8]
// and returns the logits of "manipulated" against "authentic": [N, 1, h, w].
func (b *builder) catNet(n *catNet, image, coefficients, steps *graph.Node) *graph.Node {
	dct := b.dctStream(n.dct, coefficients, steps)
	if n.pixels == nil {
		return b.lastLayer(dct)
	}
	xs := b.hrnet(image, *n.pixels)
	for i, x := range dct {
		xs[i+1] = graph.Concat(1, xs[i+1], x)
	}
	for i, width := range n.joined.widths {
		at := fmt.Sprintf("transition4.%d", i)
		xs[i] = b.convNormThenReLU(xs[i], at+".0", at+".1", convSpec{out: width, kernel: 3, pad: 1, kind: initHe})
	}
	return b.lastLayer(b.hrStage(xs, n.joined, false))
}

// dctStream adds the stream over coefficients and returns maps at an eighth of the size, a 16th and
// a 32nd.
func (b *builder) dctStream(d dctStream, coefficients, steps *graph.Node) []*graph.Node {
	x := b.frequencies(d, coefficients)
	n := d.planes[1]
	list := make([]*graph.Node, n)
	for i := range list {
		list[i] = graph.Reshape(steps, -1, dctPlaces, 1, 1)
	}
	// The coefficients' sizes depend on the steps, so the second half is in units of the pixels.
	x = graph.Concat(1, x, graph.Mul(x, graph.Concat(1, list...)))
	for i := range d.blocks {
		x = b.basicBlock(x, fmt.Sprintf("dc_layer2.%d", i), d.outputs)
	}
	xs := []*graph.Node{x}
	for i, stage := range d.stages {
		xs = b.hrTransition(xs, fmt.Sprintf("dc_transition%d", i+2), stage.widths)
		xs = b.hrStage(xs, stage, false)
	}
	return xs
}

// frequencies turns coefficients [N, 1, H, W] into features of every frequency of every block:
// [N, C*64, H/8, W/8], the channel of feature c at row u and column v of a block being c*64 + u*8 +
// v. Engines with our own operators look the first layer's sums up, of planes that are never made.
func (b *builder) frequencies(d dctStream, coefficients *graph.Node) *graph.Node {
	first := convSpec{out: d.planes[0], kernel: 3, pad: dctDilation, dilation: dctDilation, bias: true, kind: initHe}
	second := convSpec{out: d.planes[1], kernel: 1, kind: initHe}
	const conv1, norm1, conv2, norm2 = "dc_layer0_dil.0", "dc_layer0_dil.1", "dc_layer1_tail.0", "dc_layer1_tail.1"
	if b.form.Winograd && !b.train && second.out <= graph.FrequencyMostOutputs {
		w := b.param(conv1+".weight", []int{first.out, dctPlanes, first.kernel, first.kernel}, first.kind, 0)
		bias := b.param(conv1+".bias", []int{first.out}, initUniform, 0)
		mix := b.param(conv2+".weight", []int{second.out, first.out, 1, 1}, second.kind, 0)
		scale, shift := b.folded(first.out, norm1)
		outScale, outShift := b.folded(second.out, norm2)
		return graph.FrequencyFeatures(coefficients, w, scale, graph.Add(graph.Mul(bias, scale), shift), mix, outScale, outShift)
	}
	x := b.convNormThenReLU(dctVolume(coefficients), conv1, norm1, first)
	x = b.convNormThenReLU(x, conv2, norm2, second)
	return graph.SpaceToDepth(x, dctSide)
}

// folded are a batch norm's statistics and parameters as x*scale + shift.
func (b *builder) folded(c int, name string) (scale, shift *graph.Node) {
	weight, bias, mean, variance := b.statistics(c, name, initOne)
	scale = graph.Div(weight, graph.Sqrt(graph.Add(variance, b.g.Scalar(bnEps))))
	return scale, graph.Sub(bias, graph.Mul(mean, scale))
}

// dctVolume turns coefficients [N, 1, H, W], whole numbers, into planes [N, 21, H, W], of which the
// one of the coefficient's size is 1 and all others are 0.
func dctVolume(coefficients *graph.Node) *graph.Node {
	g := coefficients.Graph()
	most, sizes := float32(dctPlanes-1), make([]float32, dctPlanes)
	for i := range sizes {
		sizes[i] = float32(i)
	}
	bounded := graph.Sub(g.Scalar(most), graph.ReLU(graph.Sub(g.Scalar(most), graph.Abs(coefficients))))
	off := graph.Abs(graph.Sub(bounded, g.Const([]int{1, dctPlanes, 1, 1}, sizes)))
	return graph.ReLU(graph.Sub(g.Scalar(1), off))
}

// lastLayer joins maps at the size of the first: [N, c_i, h_i, w_i] to [N, 1, h_0, w_0].
func (b *builder) lastLayer(xs []*graph.Node) *graph.Node {
	if !b.train || b.frozen {
		return b.lastLayerInParts(xs)
	}
	xs = slices.Clone(xs)
	for i, x := range xs {
		xs[i] = graph.ResizeLike(x, xs[0], false)
	}
	x := graph.Concat(1, xs...)
	x = b.conv(x, "last_layer.0", convSpec{out: channels(x), kernel: 1, bias: true, kind: initHe})
	x = graph.ReLU(b.norm(x, "last_layer.1", initOne))
	x = b.conv(x, "last_layer.3", convSpec{out: 2, kernel: 1, bias: true, kind: initUniform})
	return againstFirst(x)
}

// lastLayerParts is the number of parts of lastLayerInParts.
const lastLayerParts = 3

// lastLayerInParts computes lastLayer with less memory and fewer products. A pointwise convolution
// commutes with enlarging, so the small maps go through it at their own sizes, and all maps
// together never exist at the largest size. Its outputs are summed up part by part.
func (b *builder) lastLayerInParts(xs []*graph.Node) *graph.Node {
	all := 0
	for _, x := range xs {
		all += channels(x)
	}
	kernel := b.param("last_layer.0.weight", []int{all, all, 1, 1}, initHe, all)
	bias := b.param("last_layer.0.bias", []int{all}, initUniform, all)
	scale, shift := b.folded(all, "last_layer.1")
	kernel = graph.Mul(kernel, graph.Reshape(scale, -1, 1, 1, 1))
	shift = graph.Add(graph.Mul(bias, scale), shift)
	last := b.param("last_layer.3.weight", []int{2, all, 1, 1}, initUniform, all)
	lastBias := b.param("last_layer.3.bias", []int{2}, initUniform, all)
	var sum *graph.Node
	for k := range lastLayerParts {
		from, to := k*all/lastLayerParts, (k+1)*all/lastLayerParts
		y := joined(xs, graph.Slice(kernel, 0, from, to), graph.Slice(shift, 0, from, to))
		y = graph.Conv(graph.ReLU(y), graph.Slice(last, 1, from, to), lastBias, graph.ConvOptions{})
		sum, lastBias = plus(sum, y), nil // the first part has the bias
	}
	return againstFirst(sum)
}

// joined is the pointwise convolution of maps that are first enlarged to the size of the first and
// put one after the other.
func joined(xs []*graph.Node, kernel, bias *graph.Node) *graph.Node {
	var sum *graph.Node
	at := 0
	for _, x := range xs {
		c := channels(x)
		y := graph.Conv(x, graph.Slice(kernel, 1, at, at+c), bias, graph.ConvOptions{})
		sum, bias = plus(sum, graph.ResizeLike(y, xs[0], false)), nil // the first map has the bias
		at += c
	}
	return sum
}

// plus adds y to sum, which is nil at first.
func plus(sum, y *graph.Node) *graph.Node {
	if sum == nil {
		return y
	}
	return graph.Add(sum, y)
}

// againstFirst turns the logits of two classes into one logit of the second, [N, 2, h, w] to [N, 1,
// h, w]: the probability of the classes' softmax is the sigmoid of the logits' difference.
func againstFirst(x *graph.Node) *graph.Node {
	return graph.Sub(graph.Slice(x, 1, 1, 2), graph.Slice(x, 1, 0, 1))
}
