package train

import (
	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// published lists the published augmentations of Kind, in order.
func (a Augment) published() []dataset.Augment {
	var list []dataset.Augment
	if a.Kind == Blur || a.Kind == All {
		list = append(list, dataset.GaussianBlur(0.4, 2))
	}
	if a.Kind == ColorJitter || a.Kind == All {
		list = append(list, dataset.ColorJitter(0.3))
	}
	if a.Kind == JPEGCompression || a.Kind == All {
		list = append(list, dataset.Recompress(1, 30, 100))
	}
	return list
}

// maker returns what turns samples into training examples for a network.
func (c Config) maker(spec network.Spec) dataset.Maker {
	augment := c.Augment.published()
	if c.Augment.Tone > 0 {
		augment = append(augment, dataset.Tone(c.Augment.Tone, 0.2))
	}
	if c.Augment.Noise > 0 {
		augment = append(augment, dataset.Noise(c.Augment.Noise, 3))
	}
	if c.Augment.JPEG > 0 {
		augment = append(augment, dataset.Recompress(c.Augment.JPEG, c.Augment.JPEGLow, c.Augment.JPEGHigh))
	}
	norm := normalization(spec.Arch)
	if spec.Mode == network.ModeWhole {
		crop := dataset.Crop{Size: c.CropSize, Inside: c.Inside, Turn: c.Augment.Turn, Normalization: norm, Augment: augment}
		side, _ := spec.MapSize(c.CropSize, c.CropSize)
		if spec.Arch == network.ArchPSCCNet { // its map has a size of its own
			crop.Target = side
		} else {
			crop.Stride, crop.Coefficients = c.CropSize/side, true
		}
		return crop
	}
	if spec.Mode == network.ModeTiles {
		return dataset.Crop{Size: c.CropSize, Stride: spec.Stride, Inside: c.Inside, Turn: c.Augment.Turn,
			Grid: spec.OnGrid(), Evidence: spec.Evidence > 0, Normalization: norm, Augment: augment}
	}
	return dataset.Resize{Size: spec.Input, Target: spec.Output, Normalization: norm, Augment: augment}
}

// normalization is what a network's pictures are normalised by.
func normalization(arch string) picture.Normalization {
	switch arch {
	case network.ArchCATNet, network.ArchCATNetDCT: // -1 to 1
		return picture.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}}
	case network.ArchPSCCNet: // 0 to 1
		return picture.Normalization{Std: [3]float32{1, 1, 1}}
	}
	return picture.Normalization{Mean: network.Mean, Std: network.Std}
}
