package declip

import (
	"runtime/debug"

	"github.com/declip/declip/internal/localize"
)

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
	// Threshold is that of Options, in (0,1).
	Threshold float64
	// MaxPixels is the size of the largest picture that LocalizeFile and LocalizeReader take.
	MaxPixels int64
	// Provenance says what makes the model's results.
	Provenance *Provenance
}

// Provenance says what made a result.
type Provenance struct {
	// Program is the version of declip, such as v1.2.3; empty if it is not known.
	Program string `json:"declip,omitempty"`
	// Engine is the engine and its version, such as "ONNX Runtime 1.30.0".
	Engine string `json:"engine"`
	// Weights are the files with the networks' weights, in the order in which they were opened.
	Weights []WeightsFile `json:"weights"`
}

// WeightsFile identifies a file with weights.
type WeightsFile struct {
	Name    string `json:"name"`              // of the built-in model, or of the file
	Version string `json:"version,omitempty"` // of models that have one
	// SHA256 is the digest of the file in hexadecimal. It is empty if the file was changed or
	// removed since it was opened: the model works without its file.
	SHA256 string `json:"sha256,omitempty"`
}

// newProvenance copies p; nil stays nil.
func newProvenance(p *localize.Provenance) *Provenance {
	if p == nil {
		return nil
	}
	made := &Provenance{Program: p.Program, Engine: p.Engine}
	for _, w := range p.Weights {
		made.Weights = append(made.Weights, WeightsFile(w))
	}
	return made
}

// inner is p as package localize has it; nil stays nil.
func (p *Provenance) inner() *localize.Provenance {
	if p == nil {
		return nil
	}
	made := &localize.Provenance{Program: p.Program, Engine: p.Engine}
	for _, w := range p.Weights {
		made.Weights = append(made.Weights, localize.WeightsFile(w))
	}
	return made
}

// modulePath is the path of this module.
const modulePath = "github.com/declip/declip"

// moduleVersion is the version of this module in the running program, empty if Go did not record
// it.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "(devel)" {
			return m.Version
		}
	}
	return ""
}
