package network

import (
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Arch names of other authors' networks, which see a picture at its own size.
const (
	ArchCATNet    = "cat-net"
	ArchCATNetDCT = "cat-net-dct" // the part of CAT-Net over JPEG's coefficients alone
	ArchPSCCNet   = "pscc-net"
	ArchTruFor    = "trufor"
)

// wholeNetwork is another author's network, in one piece or in several files, that sees a picture
// at its own size (ModeWhole). Its widths and depths are read from the shapes of its tensors.
type wholeNetwork interface {
	// spec describes the network.
	spec() Spec
	// build adds the network for pictures of height x width pixels to b's graph, with the inputs that
	// it needs, and returns its outputs; see Pretrained.Program. It sets b.part for each part.
	build(b *builder, height, width int) []graph.Output
	// exported adds the network as build does, but with the inputs and outputs of Pretrained.Export.
	// scaled says that pictures are scaled to that size: maps then keep the network's own size.
	exported(b *builder, height, width int, scaled bool) []graph.Output
}

// wholeKinds recognise other authors' networks by the names of a file's tensors. A file of another
// kind gives nil without an error. A network whose tensors are spread over several files takes the
// rest from others.
var wholeKinds = []func(f *weights.File, others []*weights.File) (wholeNetwork, error){
	recogniseTruFor,
	recognisePSCC,
	recogniseCATNet,
}

// recogniseWhole finds out which other author's network is in a file; nil if none is.
func recogniseWhole(f *weights.File, others []*weights.File) (wholeNetwork, error) {
	for _, recognise := range wholeKinds {
		n, err := recognise(f, others)
		if n != nil || err != nil {
			return n, err
		}
	}
	return nil, nil
}

// buildAlone builds the network in a graph of its own.
func buildAlone(n wholeNetwork, form Form, height, width int) (*builder, []graph.Output) {
	b := newBuilder(form.Graph(), false)
	b.form = form
	if form.Winograd {
		b.g.Winograd3x3()
	}
	return b, n.build(b, height, width)
}
