package network

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// Keys of the metadata of published checkpoints.
const (
	metaLayer   = "feature_layer"
	metaDecoder = "decoder_type"
)

// Ends of the names of tensors that decoders have: the published ones and declip's, and conv3.
const (
	decoderMark = "fc.0.weight"
	conv3Mark   = conv3Prefix + "0.weight"
)

// FileContents is what Recognise found in a weights file.
type FileContents struct {
	// Stated is what the file says about itself; other fields are empty.
	Stated    Spec
	Backbones []*Backbone
	// HasDecoder is true for a model and for a decoder whose backbones are in other files, false
	// for a backbone alone.
	HasDecoder bool

	file    *weights.File
	decoder layout
	mark    string // decoderMark or conv3Mark, if there is a decoder
}

// Recognise finds out what a file holds by its metadata and the names and shapes of its tensors. It
// knows declip's own checkpoints, the published DeCLIP checkpoints, and CLIP in the naming of
// OpenAI, open_clip or Hugging Face, DINOv2 and DINOv3 in the naming of Meta, Hugging Face or timm,
// and DINOv3-IML's checkpoints. A file without any of these is an error, as is a backbone with
// impossible sizes.
func Recognise(f *weights.File) (*FileContents, error) {
	c := &FileContents{file: f}
	if text, ok := f.Metadata()[SpecKey]; ok {
		if err := json.Unmarshal([]byte(text), &c.Stated); err != nil {
			return nil, fmt.Errorf("%s: metadata %q: %w", f.Path(), SpecKey, err)
		}
		if c.Stated.Arch == ArchLite {
			prefix, err := f.StateDict()
			if err != nil {
				return nil, err
			}
			c.HasDecoder = true
			c.decoder = layout{file: f, prefix: prefix, naming: plainNaming}
			return c, nil
		}
	} else {
		c.Stated.Layer, c.Stated.Decoder = stated(f, metaLayer), stated(f, metaDecoder)
	}
	if c.Stated.Arch == ArchXception {
		spec, err := c.Stated.complete()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path(), err)
		}
		c.Stated = spec
	}
	var err error
	if c.Backbones, err = backbonesIn(f); err != nil {
		return nil, err
	}
	if len(c.Backbones) > 0 {
		if err := chooseStatistics(c.Backbones, c.Stated.Statistics); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path(), err)
		}
	}
	c.setInputs()
	for _, c.mark = range []string{decoderMark, conv3Mark} {
		if c.decoder, c.HasDecoder, err = choose(f, c.mark); err != nil {
			return nil, err
		}
		if c.HasDecoder {
			break
		}
	}
	if err := c.leaveOutCopies(); err != nil {
		return nil, err
	}
	if !c.HasDecoder && len(c.Backbones) == 0 {
		return nil, fmt.Errorf("%s: none of its %d tensors belongs to a network of declip, CLIP or DINO", f.Path(), len(f.Names()))
	}
	return c, nil
}

// setInputs gives the stated input to the backbones whose tensors fit pictures of any size.
func (c *FileContents) setInputs() {
	if c.Stated.Input <= 0 {
		return
	}
	for _, b := range c.Backbones {
		switch t := b.tower.(type) {
		case xception:
			b.tower = xception{t.widths, c.Stated.Input}
		case resnet:
			if _, _, told := b.layout.find(resnetPlaces); !told {
				t.input = c.Stated.Input
				b.tower = t
			}
		}
	}
}

// leaveOutCopies keeps one of each backbone: training checkpoints may hold running averages of
// their network, too. If some backbones belong to the decoder, the others don't count.
func (c *FileContents) leaveOutCopies() error {
	list := c.Backbones
	if c.HasDecoder {
		foreign := func(b *Backbone) bool { return !strings.HasPrefix(b.layout.prefix, c.decoder.prefix) }
		if own := slices.DeleteFunc(slices.Clone(list), foreign); len(own) > 0 {
			list = c.withoutCopiesOf(own)
		}
	}
	var kept []*Backbone
	for _, b := range list {
		var prefixes []string
		for _, copied := range list {
			if copied.tower == b.tower {
				prefixes = append(prefixes, copied.layout.prefix)
			}
		}
		prefix, err := c.file.Choose(prefixes)
		if err != nil {
			return err
		}
		if prefix == b.layout.prefix {
			kept = append(kept, b)
		}
	}
	c.Backbones = kept
	return nil
}

// withoutCopiesOf removes from some backbones those that belong to copies of the decoder, whose
// choice is known already.
func (c *FileContents) withoutCopiesOf(list []*Backbone) []*Backbone {
	var others []string
	for _, prefix := range prefixes(c.file, c.mark) {
		if len(prefix) > len(c.decoder.prefix) {
			others = append(others, prefix)
		}
	}
	left := slices.DeleteFunc(slices.Clone(list), func(b *Backbone) bool {
		return slices.ContainsFunc(others, func(prefix string) bool { return strings.HasPrefix(b.layout.prefix, prefix) })
	})
	if len(left) == 0 {
		return list
	}
	return left
}

// stated is an entry of the metadata; empty for Python's None.
func stated(f *weights.File, key string) string {
	v := f.Metadata()[key]
	if v == "None" || v == "null" {
		return ""
	}
	return v
}

// channels is the number of channels that the file's decoder takes; 0 if its first layer is of an
// unknown kind.
func (c *FileContents) channels() int {
	t, _, ok := c.decoder.find(c.mark)
	if !ok || len(t.Shape) < 2 {
		return 0
	}
	return t.Shape[1]
}

// decoderKind recognises the decoder by its tensors, for files that don't state it.
func (c *FileContents) decoderKind() (string, error) {
	if c.mark == conv3Mark {
		return DecoderConv3, nil
	}
	if _, _, ok := c.decoder.find("att1.ln_1.weight"); ok {
		return DecoderAttention, nil
	}
	wide := 0
	for _, t := range c.file.Tensors() {
		place, ok := strings.CutPrefix(t.Name, c.decoder.prefix+"fc.")
		if !ok {
			continue
		}
		place, ok = strings.CutSuffix(place, ".weight")
		if _, err := strconv.Atoi(place); ok && err == nil && len(t.Shape) == 4 && t.Shape[2] > 1 {
			wide++
		}
	}
	if wide == 0 {
		return DecoderLinear, nil
	}
	kind := fmt.Sprintf("conv-%d", wide-1)
	if _, err := convDepth(kind); err != nil {
		return "", fmt.Errorf("%s: a decoder of %d convolutions: expected one more than a multiple of %d", c.file.Path(), wide, stages)
	}
	return kind, nil
}

// Backbone is the backbone that arch names, in any spelling; without a name it is the only one.
func (c *FileContents) Backbone(arch string) (*Backbone, error) {
	var found []*Backbone
	for _, b := range c.Backbones {
		if arch == "" || sameArch(arch, b.Arch()) {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(c.Backbones) == 0:
		return nil, fmt.Errorf("%s contains no backbone", c.file.Path())
	case len(found) == 0:
		return nil, fmt.Errorf("%w: %s contains %s, arch %q was requested", ErrSpec, c.file.Path(), archs(c.Backbones), arch)
	}
	return nil, fmt.Errorf("%s contains %s: choose one with --arch", c.file.Path(), archs(found))
}
