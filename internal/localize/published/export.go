package published

import (
	"context"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// ForExport turns the input of a network into that of its exported file, whose image is in [0,1]:
// see network.Pretrained.Export.
func (in *Input) ForExport(spec network.Spec) error {
	image, ok := in.Tensors[network.PortImage]
	if !ok {
		return nil
	}
	const most, full = 255, 256
	values := append([]float32(nil), image.Float32s()...)
	for i, v := range values {
		switch spec.Arch {
		case network.ArchCATNet: // -1 to 1
			values[i] = (v + 1) / 2
		case network.ArchTruFor: // levels divided by 256
			values[i] = v * full / most
		}
	}
	var err error
	in.Tensors[network.PortImage], err = engine.NewTensor(image.Shape(), values)
	return err
}

// FromExport reads the outputs of an exported file for the picture p. The maps of a network that
// takes blocks of the picture are cut to it; those of PSCC-Net for a scaled picture are scaled
// back.
func FromExport(ctx context.Context, spec network.Spec, outputs map[string]*engine.Tensor, p *picture.Picture) (*Answer, error) {
	a := &Answer{}
	for _, port := range []struct {
		name string
		to   *[]float32
	}{{network.PortMap, &a.Prob}, {network.PortConfidence, &a.Confidence}} {
		if _, ok := outputs[port.name]; !ok && port.name != network.PortMap {
			continue
		}
		m, err := mapOf(outputs, port.name)
		if err != nil {
			return nil, err
		}
		if spec.Arch == network.ArchPSCCNet {
			if *port.to, err = picture.ResizeCorners(ctx, m.Prob, m.Width, m.Height, p.Width, p.Height); err != nil {
				return nil, err
			}
			continue
		}
		for y := range p.Height {
			*port.to = append(*port.to, m.Prob[y*m.Width:][:p.Width]...)
		}
	}
	if _, ok := outputs[network.PortScore]; ok {
		var err error
		if a.Score, err = scoreOf(outputs); err != nil {
			return nil, err
		}
	}
	a.Raw = picture.Map{Prob: a.Prob, Width: p.Width, Height: p.Height}
	return a, nil
}
