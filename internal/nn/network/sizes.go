package network

import (
	"fmt"
	"math"
	"slices"
)

// Sizes are the numbers of channels and layers of CAT-Net or PSCC-Net. They are read from the
// tensors of files; a new network has the published ones unless its Spec has others.
type Sizes struct {
	// The network over pixels; unused by the network over coefficients alone.
	Stem        [2]int       `json:"stem"`           // channels of the first two convolutions
	Inner       int          `json:"inner"`          // channels inside layer1's bottlenecks
	Outer       int          `json:"outer"`          // channels of layer1
	Bottlenecks int          `json:"bottlenecks"`    // of layer1
	Stages      []StageSizes `json:"stages"`         // stage2 to stage4, of 2 to 4 branches
	DCT         *DCTSizes    `json:"dct,omitempty"`  // CAT-Net's stream over coefficients
	Joined      *StageSizes  `json:"join,omitempty"` // CAT-Net's stage5 over both streams
	PSCC        *PSCCSizes   `json:"pscc,omitempty"` // what PSCC-Net has behind its branches
}

// StageSizes are those of a stage of parallel branches.
type StageSizes struct {
	Modules int   `json:"modules"` // after each of which the branches exchange their features
	Blocks  int   `json:"blocks"`  // residual blocks of each branch in a module
	Widths  []int `json:"widths"`  // channels of the branches, from the largest map to the smallest
}

// DCTSizes are those of CAT-Net's stream over coefficients.
type DCTSizes struct {
	Planes  [2]int       `json:"planes"`  // channels of the two convolutions at full size
	Outputs int          `json:"outputs"` // channels of the blocks before the stages
	Blocks  int          `json:"blocks"`  // their number
	Stages  []StageSizes `json:"stages"`  // dc_stage3 and dc_stage4, of 2 and 3 branches
}

// PSCCSizes are those of PSCC-Net's masks, from the finest to the coarsest, and of its classifier.
type PSCCSizes struct {
	Cuts   []int `json:"cuts"`   // roots of the numbers of strips that planes are cut into
	Inner  []int `json:"inner"`  // channels before the mask
	Final  int   `json:"final"`  // channels of the classifier's last map
	Hidden int   `json:"hidden"` // of the classifier's hidden layer
}

// publishedSizes are the sizes of the published weights.
func publishedSizes(arch string) Sizes {
	branches := func(blocks int, modules []int, widths ...int) (list []StageSizes) {
		for i, m := range modules {
			list = append(list, StageSizes{m, blocks, slices.Clone(widths[:len(widths)-len(modules)+1+i])})
		}
		return list
	}
	dct := &DCTSizes{Planes: [2]int{64, 4}, Outputs: 96, Blocks: 4, Stages: branches(4, []int{3, 2}, 96, 192, 384)}
	switch arch {
	case ArchCATNetDCT:
		return Sizes{DCT: dct}
	case ArchCATNet:
		return Sizes{Stem: [2]int{64, 64}, Inner: 64, Outer: 256, Bottlenecks: 4, DCT: dct,
			Stages: branches(4, []int{1, 4, 3}, 48, 96, 192, 384),
			Joined: &StageSizes{1, 4, []int{24, 48, 96, 192}}}
	}
	return Sizes{Stem: [2]int{64, 64}, Inner: 64, Outer: 256, Bottlenecks: 2,
		Stages: branches(2, []int{1, 1, 1}, 18, 36, 72, 144),
		PSCC:   &PSCCSizes{Cuts: []int{4, 2, 2, 1}, Inner: []int{16, 16, 16, 16}, Final: 128, Hidden: 16}}
}

// main is the stage whose widths Spec.Widths gives: the one with the most branches.
func (s Sizes) main() StageSizes {
	if len(s.Stages) > 0 {
		return s.Stages[len(s.Stages)-1]
	}
	return s.DCT.Stages[len(s.DCT.Stages)-1]
}

// scaled are the sizes with the given widths of the main stage. All other channels change by the
// same factor as the first width.
func (s Sizes) scaled(widths []int) Sizes {
	factor := float64(widths[0]) / float64(s.main().Widths[0])
	scale := func(n *int) {
		if *n > 0 {
			*n = max(2, int(math.Round(float64(*n)*factor)))
		}
	}
	for _, n := range s.channels() {
		scale(n)
	}
	stages := s.Stages
	if stages == nil {
		stages = s.DCT.Stages
		s.DCT.Outputs = widths[0]
	}
	for i := range stages {
		copy(stages[i].Widths, widths)
	}
	return s
}

// channels are all numbers of channels.
func (s *Sizes) channels() []*int {
	list := []*int{&s.Stem[0], &s.Stem[1], &s.Inner, &s.Outer}
	stages := slices.Clone(s.Stages)
	if d := s.DCT; d != nil {
		list = append(list, &d.Planes[0], &d.Planes[1], &d.Outputs)
		stages = append(stages, d.Stages...)
	}
	if s.Joined != nil {
		stages = append(stages, *s.Joined)
	}
	for _, stage := range stages {
		for i := range stage.Widths {
			list = append(list, &stage.Widths[i])
		}
	}
	if p := s.PSCC; p != nil {
		list = append(list, &p.Final, &p.Hidden)
		for i := range p.Inner {
			list = append(list, &p.Inner[i])
		}
	}
	return list
}

// completePublished fills in the sizes of CAT-Net and PSCC-Net.
func (s Spec) completePublished() (Spec, error) {
	setDefault(&s.Mode, ModeWhole)
	if s.Mode != ModeWhole {
		return s, fmt.Errorf("%w: %s runs in mode %q, got %q", ErrSpec, s.Arch, ModeWhole, s.Mode)
	}
	if s.Layer != "" || s.Decoder != "" {
		return s, fmt.Errorf("%w: %s has no layer or decoder to choose, got %q and %q", ErrSpec, s.Arch, s.Layer, s.Decoder)
	}
	if s.Frozen || s.FrozenTrunk || len(s.Detectors) > 0 || s.Blobs {
		return s, fmt.Errorf("%w: %s can't have frozen weights, detectors or a choice of regions", ErrSpec, s.Arch)
	}
	published := publishedSizes(s.Arch)
	if s.Sizes == nil {
		if branches := len(published.main().Widths); s.Widths != nil && (len(s.Widths) != branches || slices.Min(s.Widths) < 1) {
			return s, fmt.Errorf("%w: widths %v: expected those of %d branches", ErrSpec, s.Widths, branches)
		}
		if s.Widths != nil {
			published = published.scaled(s.Widths)
		}
		s.Sizes = &published
	} else if err := s.Sizes.check(s.Arch, publishedSizes(s.Arch)); err != nil {
		return s, err
	}
	if widths := s.Sizes.main().Widths; s.Widths == nil {
		s.Widths = slices.Clone(widths)
	} else if !slices.Equal(s.Widths, widths) {
		return s, fmt.Errorf("%w: widths %v: the sizes say %v", ErrSpec, s.Widths, widths)
	}
	return s, s.Sizes.limit()
}

// check compares the structure with that of the published network.
func (s Sizes) check(arch string, published Sizes) error {
	same := len(s.Stages) == len(published.Stages) && (s.DCT == nil) == (published.DCT == nil) &&
		(s.Joined == nil) == (published.Joined == nil) && (s.PSCC == nil) == (published.PSCC == nil)
	if same && s.DCT != nil {
		same = len(s.DCT.Stages) == len(published.DCT.Stages)
	}
	if same && s.PSCC != nil {
		same = len(s.PSCC.Cuts) == len(published.PSCC.Cuts) && len(s.PSCC.Inner) == len(published.PSCC.Inner)
	}
	if same {
		mine, theirs := s.stages(), published.stages()
		for i := range mine {
			same = same && len(mine[i].Widths) == len(theirs[i].Widths)
		}
	}
	if !same {
		return fmt.Errorf("%w: the sizes are not those of a %s", ErrSpec, arch)
	}
	return nil
}

func (s Sizes) stages() []StageSizes {
	list := slices.Clone(s.Stages)
	if s.DCT != nil {
		list = append(list, s.DCT.Stages...)
	}
	if s.Joined != nil {
		list = append(list, *s.Joined)
	}
	return list
}

// limit returns an error for sizes that are impossible or would exhaust memory.
func (s Sizes) limit() error {
	for _, n := range s.channels() {
		if unused := s.Stages == nil && *n == 0; !unused && (*n < 1 || *n > 4096) {
			return fmt.Errorf("%w: %d channels: expected 1 to 4096", ErrSpec, *n)
		}
	}
	counts := []int{}
	if s.Stages != nil {
		counts = append(counts, s.Bottlenecks)
	}
	if s.DCT != nil {
		counts = append(counts, s.DCT.Blocks)
	}
	for _, stage := range s.stages() {
		counts = append(counts, stage.Modules, stage.Blocks)
	}
	for _, n := range counts {
		if n < 1 || n > 64 {
			return fmt.Errorf("%w: %d layers: expected 1 to 64", ErrSpec, n)
		}
	}
	if s.PSCC != nil {
		for i, cut := range s.PSCC.Cuts {
			if cut < 1 || (psccSide>>i)%(cut*cut) != 0 {
				return fmt.Errorf("%w: planes of %d rows can't be cut into %d x %d strips", ErrSpec, psccSide>>i, cut, cut)
			}
		}
	}
	return nil
}
