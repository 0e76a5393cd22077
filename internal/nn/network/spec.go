package network

import (
	"fmt"

	"github.com/declip/declip/internal/nn/graph"
)

// Arch names.
const (
	ArchXception = "xceptionnet"
	ArchLite     = "xceptionnet-lite"
)

// Pools of xceptionnet-lite.
const (
	poolMax  = "max"
	poolMean = "mean"
)

// Decoders of xceptionnet-lite.
const (
	DecoderContext = "context" // at one scale
	DecoderPyramid = "pyramid" // on four scales, over the context decoder
)

// Validate returns an error unless the spec, with its defaults filled in, describes a network of
// this program. Errors wrap ErrSpec.
func (s Spec) Validate() error {
	_, err := s.complete()
	return err
}

// complete fills in the defaults and checks the spec.
func (s Spec) complete() (Spec, error) {
	s.Detectors = sortedNames(s.Detectors)
	if s.Statistics != "" {
		return s, fmt.Errorf("%w: statistics %q are for DINOv3, not for %s", ErrSpec, s.Statistics, s.Arch)
	}
	switch s.Arch {
	case ArchXception:
		return s.completeXception()
	case ArchLite:
		return s.completeLite()
	case ArchCATNet, ArchCATNetDCT, ArchPSCCNet:
		return s.completePublished()
	}
	return s, fmt.Errorf("%w: arch %q: expected %s, %s, %s, %s or %s", ErrSpec, s.Arch,
		ArchXception, ArchLite, ArchCATNet, ArchCATNetDCT, ArchPSCCNet)
}

func (s Spec) completeXception() (Spec, error) {
	setDefault(&s.Decoder, DecoderLinear)
	if s.Layer != "" && s.Layer != "block2" {
		return s, fmt.Errorf("%w: %s can be trained with layer block2 only, got layer %q", ErrSpec, s.Arch, s.Layer)
	}
	if s.Decoder == DecoderAttention {
		return s, fmt.Errorf("%w: decoder %s needs a backbone with tokens, %s has none", ErrSpec, s.Decoder, s.Arch)
	}
	if _, err := newDecoder(s.Decoder, s.Layer, true, s.Output); err != nil {
		return s, err
	}
	setDefault(&s.Mode, ModeResize)
	if s.Mode != ModeResize {
		return s, fmt.Errorf("%w: %s runs in mode %q, got %q", ErrSpec, s.Arch, ModeResize, s.Mode)
	}
	setDefault(&s.Input, 224)
	setDefault(&s.Output, OutputSide)
	if s.Input < 32 || s.Input > 4096 || s.Output < 16 || s.Output > 4096 {
		return s, fmt.Errorf("%w: input %d and output %d pixels: expected 32 to 4096 and 16 to 4096", ErrSpec, s.Input, s.Output)
	}
	return s, nil
}

func (s Spec) completeLite() (Spec, error) {
	setDefault(&s.Decoder, DecoderContext)
	setDefault(&s.Mode, ModeTiles)
	if s.Decoder != DecoderContext && s.Decoder != DecoderPyramid || s.Mode != ModeTiles {
		return s, fmt.Errorf("%w: %s has decoder %q or %q and mode %q, got %q and %q",
			ErrSpec, s.Arch, DecoderContext, DecoderPyramid, ModeTiles, s.Decoder, s.Mode)
	}
	if s.Widths == nil {
		s.Widths = []int{16, 32, 64, 128}
	}
	setDefault(&s.Context, 64)
	if s.Decoder == DecoderPyramid {
		setDefault(&s.Pyramid, 32)
	}
	setDefault(&s.Pool, poolMax)
	if s.Dilations == nil {
		s.Dilations = []int{1, 2, 4, 8, 16, 1}
	}
	setDefault(&s.Stride, 4)
	setDefault(&s.Tile, 768)
	setDefault(&s.Overlap, 64)
	return s, s.checkLite()
}

// checkLite limits the sizes, so that a hostile Spec cannot exhaust memory.
func (s Spec) checkLite() error {
	if len(s.Widths) != 4 || len(s.Dilations) > 32 {
		return fmt.Errorf("%w: %d widths and %d dilations: expected 4 and at most 32", ErrSpec, len(s.Widths), len(s.Dilations))
	}
	for _, w := range append([]int{s.Context, max(s.Pyramid, 2)}, s.Widths...) {
		if w < 2 || w > 1024 {
			return fmt.Errorf("%w: width %d: expected 2 to 1024 channels", ErrSpec, w)
		}
	}
	if s.DCT < 0 || s.DCT > 1024 {
		return fmt.Errorf("%w: %d channels for JPEG's blocks: expected 0 to 1024", ErrSpec, s.DCT)
	}
	if s.Evidence < 0 || s.Evidence > 1024 {
		return fmt.Errorf("%w: %d channels for evidence: expected 0 to 1024", ErrSpec, s.Evidence)
	}
	if s.Pool != poolMax && s.Pool != poolMean {
		return fmt.Errorf("%w: pool %q: expected %s or %s", ErrSpec, s.Pool, poolMax, poolMean)
	}
	for _, d := range s.Dilations {
		if d < 1 || d > 64 {
			return fmt.Errorf("%w: dilation %d: expected 1 to 64", ErrSpec, d)
		}
	}
	if s.Stride != 4 || s.Tile < 64 || s.Tile > 4096 || s.Tile%8 != 0 || s.Overlap < 0 || s.Overlap%8 != 0 || 2*s.Overlap >= s.Tile {
		return fmt.Errorf("%w: stride %d, tile %d, overlap %d: expected stride 4, a tile of 64 to 4096 pixels and an overlap "+
			"under half of it, both multiples of 8", ErrSpec, s.Stride, s.Tile, s.Overlap)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// network adds the whole network of a completed spec.
func (b *builder) network(spec Spec, inputs []*graph.Node) *graph.Node {
	x := inputs[0]
	if spec.Arch == ArchLite {
		return b.lite(inputs, spec)
	}
	t := xception{publishedXception.widths, spec.Input}
	features := build(t, b, x, []string{"block2"})["block2"]
	d, _ := newDecoder(spec.Decoder, spec.Layer, true, spec.Output) // checked by complete
	return d.build(b, []*graph.Node{features}, []Features{t.features("block2")})
}
