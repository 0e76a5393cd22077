package declip

import "github.com/declip/declip/internal/localize"

// How a model looks at a picture: Info.SizeMode.
const (
	// SizeTiles: at the picture's own pixels, in overlapping tiles.
	SizeTiles = localize.SizeTiles
	// SizeResize: at the whole picture, scaled to the network's input.
	SizeResize = localize.SizeResize
	// SizeWhole: at the picture's own pixels, all at once.
	SizeWhole = localize.SizeWhole
	// SizeMixed: several models, some in one way and some in the other.
	SizeMixed = localize.SizeMixed
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
