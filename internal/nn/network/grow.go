package network

import "fmt"

// WithEvidence returns the network with a branch over evidence of the given width, whose initial
// weights are drawn from seed; 0 adds none. What reads the branch gives it no weight yet, so that
// the new network's own maps are those of n. All of it is trained. Detectors and what judges
// regions and pictures are left out: a calibration adds them. A network that is not an
// xceptionnet-lite, or that has such a branch, is an error.
func (n *Network) WithEvidence(width int, seed uint64) (*Network, error) {
	if n.spec.Arch != ArchLite || n.spec.Evidence > 0 || width < 0 {
		return nil, fmt.Errorf("%w: a branch of %d channels over evidence can be added to %s without one", ErrSpec, width, ArchLite)
	}
	spec := n.spec
	spec.Evidence, spec.Frozen, spec.FrozenTrunk = width, false, false
	spec.Detectors, spec.Blobs, spec.Judge = nil, false, nil
	grown, err := New(spec, seed)
	if err != nil {
		return nil, err
	}
	for i := range grown.params {
		p := &grown.params[i]
		at, known := n.index[p.Name]
		if !known {
			continue
		}
		old := n.params[at]
		if equalShape(p.Shape, old.Shape) {
			copy(p.Data, old.Data)
			continue
		}
		// A convolution of 1 x 1 over the coarse features, behind which the branch was inserted.
		first, inputs := spec.Widths[3]+spec.DCT, old.Shape[1]
		if len(p.Shape) != 4 || p.Shape[2]*p.Shape[3] != 1 || p.Shape[1] != inputs+width || p.Shape[0] != old.Shape[0] {
			return nil, fmt.Errorf("tensor %q has shape %v, expected %v with %d more inputs", p.Name, p.Shape, old.Shape, width)
		}
		for row := range p.Shape[0] {
			to, from := p.Data[row*(inputs+width):][:inputs+width], old.Data[row*inputs:][:inputs]
			clear(to)
			copy(to, from[:first])
			copy(to[first+width:], from[first:])
		}
	}
	return grown, nil
}
