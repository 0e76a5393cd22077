package network

import (
	"fmt"
	"strings"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// pscc is PSCC-Net (Liu et al., "PSCC-Net: Progressive Spatio-Channel Correlation Network for Image
// Manipulation Detection and Localization", TCSVT 2022) by its sizes, which are read from its
// tensors. Its three parts are published as three files.
//
// A high-resolution network gives four maps of features, from the picture's size down to an eighth
// of it. They are resized to squares of 256 pixels and less. From coarse to fine, each gives a
// mask, which weighs the features of the next one. From the same four squares, a classifier
// computes the picture's score.
type pscc struct {
	parts    [psccParts]layout
	backbone hrnet
	scales   [psccScales]psccScale
	final    int // channels of the classifier's last map
	classes  int // of its hidden layer
}

// psccScale is one of the four maps of features.
type psccScale struct {
	width int // channels
	cut   int // root of the number of strips that each plane is cut into for attention
	inner int // channels before the mask
}

const (
	psccScales = 4
	psccSide   = 256 // of the finest mask, in pixels
)

// The parts of PSCC-Net.
const (
	psccBackbone = iota
	psccMasks
	psccDetection
	psccParts
)

// psccFiles tells the parts: a tensor that the part has, and the file's name at its publisher.
var psccFiles = [psccParts]struct{ mark, file string }{
	{"stage4.0.fuse_layers.3.0.0.0.weight", "HRNet.pth"},
	{"getmask1.theta.weight", "NLCDetection.pth"},
	{"incre_modules.0.0.conv1.weight", "DetectionHead.pth"},
}

// MissingPartsError says that a file holds a part of a network whose other parts are in files of
// their own.
type MissingPartsError struct {
	Path  string
	Arch  string
	Files []string // the missing ones, by their published names
}

func (e *MissingPartsError) Error() string {
	return fmt.Sprintf("%s holds a part of %s: it needs %s, too", e.Path, e.Arch, strings.Join(e.Files, " and "))
}

// PSCCFiles are the names of the files with the parts of PSCC-Net, as they are published.
func PSCCFiles() []string {
	var list []string
	for _, part := range psccFiles {
		list = append(list, part.file)
	}
	return list
}

// PSCCPart says whether a file holds a part of PSCC-Net, but not all. Opening the network gives the
// error of a file whose part cannot be chosen.
func PSCCPart(f *weights.File) bool {
	n := 0
	for part := range psccParts {
		if _, ok, err := psccPart(f, part); ok || err != nil {
			n++
		}
	}
	return n > 0 && n < psccParts
}

// psccPart finds a part of PSCC-Net in a file.
func psccPart(f *weights.File, part int) (layout, bool, error) {
	l, found, err := choose(f, psccFiles[part].mark)
	// CAT-Net has a network of the same kind, with a fifth stage and a last layer.
	return l, found && (part != psccBackbone || !l.has("last_layer.0.weight")), err
}

// recognisePSCC finds PSCC-Net in a file, or in a file and others that hold the rest.
func recognisePSCC(f *weights.File, others []*weights.File) (wholeNetwork, error) {
	n, own := &pscc{}, false
	var missing []string
	for part := range psccParts {
		ok := false
		for i, file := range append([]*weights.File{f}, others...) {
			var err error
			if n.parts[part], ok, err = psccPart(file, part); err != nil {
				return nil, err
			}
			if ok {
				own = own || i == 0
				break
			}
		}
		if !ok {
			missing = append(missing, psccFiles[part].file)
		}
	}
	if !own {
		return nil, nil
	}
	if missing != nil {
		return nil, &MissingPartsError{Path: f.Path(), Arch: "PSCC-Net", Files: missing}
	}
	return n, n.readSizes()
}

// readSizes reads the sizes from the tensors.
func (n *pscc) readSizes() (err error) {
	if n.backbone, err = readHRNet(&n.parts[psccBackbone], 1, true); err != nil {
		return err
	}
	masks := &n.parts[psccMasks]
	for i := range n.scales {
		name := fmt.Sprintf("getmask%d", i+1)
		attention, err := masks.shape(name+".theta.weight", 4)
		if err != nil {
			return err
		}
		mask, err := masks.shape(name+".getmask.0.weight", 4)
		if err != nil {
			return err
		}
		width := n.backbone.stages[2].widths[i]
		s := psccScale{width: width, cut: root(attention[0] / width), inner: mask[0]}
		if s.cut < 1 || s.cut*s.cut*width != attention[0] || (psccSide>>i)%(s.cut*s.cut) != 0 {
			return fmt.Errorf("%s: tensor %q has shape %v: expected %d channels times 1, 4 or 16 strips", masks.file.Path(),
				masks.prefix+name+".theta.weight", attention, width)
		}
		n.scales[i] = s
	}
	head := &n.parts[psccDetection]
	final, err := head.shape("final_layer.0.weight", 4)
	if err != nil {
		return err
	}
	hidden, err := head.shape("classifier.0.weight", 2)
	n.final, n.classes = final[0], 0
	if err == nil {
		n.classes = hidden[0]
	}
	return err
}

func (n *pscc) spec() Spec { return Spec{Arch: ArchPSCCNet, Mode: ModeWhole} }

// sized makes the network without files.
func sizedPSCC(s Sizes) *pscc {
	n := &pscc{backbone: sizedHRNet(s, 1, true), final: s.PSCC.Final, classes: s.PSCC.Hidden}
	for i := range n.scales {
		n.scales[i] = psccScale{n.backbone.stages[2].widths[i], s.PSCC.Cuts[i], s.PSCC.Inner[i]}
	}
	return n
}

func (n *pscc) sizes() Sizes {
	s := n.backbone.sizes()
	s.PSCC = &PSCCSizes{Final: n.final, Hidden: n.classes}
	for _, scale := range n.scales {
		s.PSCC.Cuts, s.PSCC.Inner = append(s.PSCC.Cuts, scale.cut), append(s.PSCC.Inner, scale.inner)
	}
	return s
}

// build takes PortImage, levels in [0,1]. The probabilities are a map of psccSide x psccSide, to be
// resized to the picture with aligned corners.
func (n *pscc) build(b *builder, height, width int) []graph.Output {
	out := n.batch(b, []*graph.Node{b.g.Input(PortImage, 1, 3, height, width)})
	return []graph.Output{{Name: PortProbabilities, Node: graph.Sigmoid(out.Logits)}, {Name: PortScore, Node: graph.Reshape(graph.Sigmoid(out.Score), 1)}}
}

// batch takes one input, pictures [N, 3, H, W].
func (n *pscc) batch(b *builder, inputs []*graph.Node) Built {
	b.part = n.parts[psccBackbone].part("backbone.")
	_, width := size(inputs[0])
	rows := max(64, psccStripBytes/(4*n.backbone.outer*width))
	features := b.psccFeatures(inputs[0], n.backbone, rows&^1)
	for i, x := range features {
		features[i] = graph.Resize(x, psccSide>>i, psccSide>>i, true)
	}
	b.part = n.parts[psccMasks].part("masks.")
	masks := b.psccMasks(features, n.scales)
	b.part = n.parts[psccDetection].part("detection.")
	return Built{Logits: masks[0], Coarser: masks[1:], Score: b.psccScore(features, n), Updates: b.updates}
}

// psccMasks adds the masks from coarse to fine and returns their logits from fine to coarse, the
// finest being [N, 1, side, side].
func (b *builder) psccMasks(features []*graph.Node, scales [psccScales]psccScale) []*graph.Node {
	masks := make([]*graph.Node, psccScales)
	for i := psccScales - 1; i >= 0; i-- {
		x := features[i]
		if i < psccScales-1 {
			h, w := size(x)
			x = graph.Mul(x, graph.Resize(graph.Sigmoid(masks[i+1]), h, w, true))
		}
		masks[i] = b.psccMask(x, fmt.Sprintf("getmask%d", i+1), scales[i])
	}
	return masks
}

// psccMask adds the logits [N, 1, h, w] of one scale's mask from its features [N, C, h, w].
func (b *builder) psccMask(x *graph.Node, name string, s psccScale) *graph.Node {
	height, width := size(x)
	rows := s.width * s.cut * s.cut
	places := height * width / (s.cut * s.cut)
	// Each plane is cut into strips of whole rows, which become channels of their own.
	cut := graph.Reshape(x, -1, rows, 1, places)
	project := func(which string) *graph.Node {
		y := b.conv(cut, name+"."+which, convSpec{out: rows, kernel: 1, bias: true, kind: initUniform})
		return graph.Reshape(y, -1, 1, rows, places)
	}
	value, query, key := project("g"), project("theta"), project("phi")
	bySpace := graph.Reshape(attend(query, key, value), -1, s.width, height, width)
	// [N, 1, rows, rows]
	similar := graph.Softmax(graph.MatMul(query, graph.Transpose(key, 0, 1, 3, 2)), -1)
	// The published network reads this product, places x rows, as if it were rows x places. It was
	// trained that way.
	byChannel := graph.Reshape(graph.MatMul(graph.Transpose(value, 0, 1, 3, 2), similar), -1, s.width, height, width)
	layer := convSpec{out: s.width, kernel: 1, bias: true, kind: initUniform}
	weighted := func(y *graph.Node, weight, gamma string) *graph.Node {
		return graph.Mul(b.param(name+"."+gamma, []int{1}, initOne, 0), b.conv(y, name+"."+weight, layer))
	}
	x = graph.Add(graph.Add(x, weighted(bySpace, "W_s", "gamma_s")), weighted(byChannel, "W_c", "gamma_c"))
	x = graph.ReLU(b.conv(x, name+".getmask.0", convSpec{out: s.inner, kernel: 3, pad: 1, bias: true, kind: initHe}))
	return b.conv(x, name+".getmask.2", convSpec{out: 1, kernel: 3, pad: 1, bias: true, kind: initUniform})
}

// psccScore adds the classifier: four maps of features to the logits [N, 1, 1, 1] that pictures are
// manipulated.
func (b *builder) psccScore(features []*graph.Node, n *pscc) *graph.Node {
	var sum *graph.Node
	for i, x := range features {
		width := n.scales[i].width
		y := b.residualBottleneck(x, fmt.Sprintf("incre_modules.%d.0", i), width, 2*width)
		if sum != nil {
			at := fmt.Sprintf("downsamp_modules.%d", i-1)
			smaller := convSpec{out: 2 * width, kernel: 3, stride: 2, pad: 1, bias: true, kind: initHe}
			y = graph.Add(y, b.convNormThenReLU(sum, at+".0", at+".1", smaller))
		}
		sum = y
	}
	last := convSpec{out: n.final, kernel: 1, bias: true, kind: initHe}
	x := graph.ReduceMean(b.convNormThenReLU(sum, "final_layer.0", "final_layer.1", last), []int{2, 3}, true)
	x = graph.ReLU(b.mapLinear(x, "classifier.0", n.classes, true))
	const classes = 2 // untouched, manipulated
	return againstFirst(b.mapLinear(x, "classifier.2", classes, true))
}

// psccStripBytes is the size of the widest map of a strip, see psccFeatures.
const psccStripBytes = 96 << 20

// psccFeatures adds the backbone. The layers before its branches are the widest, at the picture's
// size: of large pictures they run over strips of rows, each with as many rows around it as its
// results depend on. The number of rows is even, because the second branch has half of them. In
// training they run at once, for the statistics of the whole batch.
func (b *builder) psccFeatures(image *graph.Node, n hrnet, rows int) []*graph.Node {
	height, _ := size(image)
	if rows >= height || b.train {
		return b.hrnet(image, n)
	}
	// Two convolutions of the stem, one of each bottleneck and one behind them.
	halo := (n.blocks + 4) &^ 1
	var large, small []*graph.Node
	for from := 0; from < height; from += rows {
		to := min(from+rows, height)
		top, bottom := max(0, from-halo), min(height, to+halo)
		xs := b.hrHead(graph.Slice(image, 2, top, bottom), n)
		large = append(large, graph.Slice(xs[0], 2, from-top, to-top))
		small = append(small, graph.Slice(xs[1], 2, (from-top)/2, (to-top+1)/2))
	}
	return b.hrBranches([]*graph.Node{graph.Concat(2, large...), graph.Concat(2, small...)}, n)
}
