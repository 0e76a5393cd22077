package localize

import (
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/network"
)

// How a model looks at a picture: Info.SizeMode.
const (
	// SizeTiles: at the picture's own pixels, in overlapping tiles.
	SizeTiles = "tiles"
	// SizeResize: at the whole picture, scaled to the network's input.
	SizeResize = "resize"
	// SizeWhole: at the picture's own pixels, all at once.
	SizeWhole = "whole"
	// SizeMixed: several models, some in one way and some in the other.
	SizeMixed = "mixed"
)

// Info describes an opened model.
type Info struct {
	// Network names backbone, layer and decoder, as "ViT-L/14 layer20 conv-20";
	// those of several models are joined by " + ".
	Network string
	// SizeMode is SizeTiles, SizeResize, SizeWhole or SizeMixed.
	SizeMode string
	// Device is what runs it, as "cpu" or "cuda:0".
	Device string
}

// Info describes the model.
func (m *Model) Info() Info { return m.info }

// ReadsCoefficients reports whether a network of the model reads the coefficients of JPEG files.
// Pictures are then best read with picture.Limits.Coefficients.
func (m *Model) ReadsCoefficients() bool {
	return slices.ContainsFunc(m.Specs(), func(s network.Spec) bool {
		return slices.Contains(s.Inputs(), network.PortCoefficients)
	})
}

func describe(device string, specs []network.Spec) Info {
	info := Info{Device: device}
	var names []string
	for _, s := range specs {
		names = append(names, s.String())
		mode := SizeTiles
		switch s.Mode {
		case network.ModeResize:
			mode = SizeResize
		case network.ModeWhole:
			mode = SizeWhole
		}
		if info.SizeMode != "" && info.SizeMode != mode {
			mode = SizeMixed
		}
		info.SizeMode = mode
	}
	info.Network = strings.Join(names, " + ")
	return info
}
