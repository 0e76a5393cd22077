package network

import (
	"errors"
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// batchNetwork is another author's network that can be trained: it takes several pictures at once,
// and can be made of its sizes, without a file.
type batchNetwork interface {
	wholeNetwork
	sizes() Sizes
	// batch adds the network for a batch, whose inputs are those of Spec.Inputs.
	batch(b *builder, inputs []*graph.Node) Built
}

// OtherAuthors says whether Arch names another author's network that can be trained.
func (s Spec) OtherAuthors() bool {
	return s.Arch == ArchCATNet || s.Arch == ArchCATNetDCT || s.Arch == ArchPSCCNet
}

// sized makes the network of a completed spec without a file; nil for declip's own networks.
func (s Spec) sized() batchNetwork {
	switch s.Arch {
	case ArchCATNet, ArchCATNetDCT:
		return sizedCATNet(*s.Sizes)
	case ArchPSCCNet:
		return sizedPSCC(*s.Sizes)
	}
	return nil
}

// batch adds the network of a completed spec for a batch.
func (b *builder) batch(spec Spec, inputs []*graph.Node) Built {
	if n := spec.sized(); n != nil {
		return n.batch(b, inputs)
	}
	return Built{Logits: b.network(spec, inputs), Updates: b.updates}
}

// Inputs lists the inputs of a network that takes pictures: PortImage [N, 3, H, W], with
// Spec.Evidence PortEvidence [N, EvidenceChannels, H/8, W/8], and, for CAT-Net, PortCoefficients
// [N, 1, H, W] and PortSteps [N, 1, 8, 8]. The image is normalised by
// Mean and Std, but for cat-net its levels are in [-1,1], for pscc-net in [0,1].
func (s Spec) Inputs() []string {
	switch s.Arch {
	case ArchCATNet:
		return []string{PortImage, PortCoefficients, PortSteps}
	case ArchCATNetDCT:
		return []string{PortCoefficients, PortSteps}
	}
	if s.Evidence > 0 {
		return []string{PortImage, PortEvidence}
	}
	return []string{PortImage}
}

// OnGrid reports whether a network in tiles looks at JPEG's blocks: tiles begin where blocks do.
func (s Spec) OnGrid() bool { return s.DCT > 0 || s.Evidence > 0 }

// portShape is the shape of one picture's input at a port.
func portShape(port string, height, width int) []int {
	switch port {
	case PortCoefficients:
		return []int{1, height, width}
	case PortSteps:
		return []int{1, dctSide, dctSide}
	case PortEvidence:
		return []int{EvidenceChannels, height / dctSide, width / dctSide}
	}
	return []int{3, height, width}
}

// MapSize is the size of the map of logits, in cells, for pictures of height x width pixels, sides
// that are multiples of 8.
func (s Spec) MapSize(height, width int) (h, w int) {
	switch {
	case s.Mode == ModeResize:
		return s.Output, s.Output
	case s.Arch == ArchPSCCNet:
		return psccSide, psccSide
	case s.Arch == ArchCATNet:
		return height / 4, width / 4
	case s.Arch == ArchCATNetDCT:
		return height / dctSide, width / dctSide
	}
	return height / s.Stride, width / s.Stride
}

// wholeInference is Inference for a network of ModeWhole.
func wholeInference(spec Spec, params []Param, form Form, height, width int) ([]byte, error) {
	n := spec.sized()
	if n == nil {
		return nil, fmt.Errorf("%w: %v can't be trained", ErrSpec, spec)
	}
	b, outputs := buildAlone(n, form, height, width)
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("%v for %d x %d pixels: %w", spec, width, height, err)
	}
	return b.g.Encode(outputs, initializers(params))
}

// Trainable copies an opened network of another author, for further training. Its files may be
// closed afterwards. A network that cannot be trained is an error.
func Trainable(m *Pretrained) (*Network, error) {
	whole, ok := m.whole.(batchNetwork)
	if !ok {
		return nil, fmt.Errorf("%w: %s holds %v, which can't be trained", ErrSpec, m.Path(), m.spec)
	}
	sizes := whole.sizes()
	spec, err := Spec{Arch: m.spec.Arch, Mode: m.spec.Mode, Sizes: &sizes}.complete()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path(), err)
	}
	b, _ := buildAlone(whole, Plain, 64, 64)
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("%v: %w", spec, err)
	}
	n := &Network{spec: spec, index: map[string]int{}}
	for _, d := range b.declared {
		data, err := d.part.values(d.name, d.shape)
		if err != nil {
			return nil, err
		}
		n.index[d.name] = len(n.params)
		n.params = append(n.params, Param{Name: d.name, Shape: d.shape, Data: data, Trainable: d.trainable})
	}
	return n, nil
}

// PublishedArch is the Arch of the other author's network that a file holds, or a part of; "" for
// other files.
func PublishedArch(f *weights.File) string {
	n, err := recogniseWhole(f, nil)
	var parts *MissingPartsError
	switch {
	case errors.As(err, &parts):
		return ArchPSCCNet
	case n == nil:
		return ""
	}
	return n.spec().Arch
}
