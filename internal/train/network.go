package train

import (
	"errors"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// openNetwork opens the network to train: that of the checkpoint to start from, or a new one. The
// caller closes the files after the last use of the network, also after an error.
func (c Config) openNetwork() (Network, []*weights.File, error) {
	if c.Init != "" {
		return c.openInit()
	}
	if c.onBackbones() {
		return c.newHead()
	}
	n, err := network.New(c.Spec, c.Seed)
	if err != nil || c.Backbone == "" {
		return n, nil, err
	}
	from, err := openNetwork(c.Backbone)
	if err != nil {
		return nil, nil, err
	}
	if err := n.TakeBackbone(from); err != nil {
		return nil, nil, fmt.Errorf("weights to start from: %s: %w", c.Backbone, err)
	}
	return n, nil, nil
}

// onBackbones is true for decoders on frozen backbones, false for networks that are trained end to
// end.
func (c Config) onBackbones() bool {
	switch c.Spec.Arch {
	case network.ArchLite:
		return false
	case network.ArchXception:
		return c.Spec.Frozen
	}
	return !c.Spec.OtherAuthors()
}

// openInit opens the checkpoint to start from: a network in one piece, or a decoder whose backbones
// are in its file, in BackboneFiles or in the models directory.
func (c Config) openInit() (Network, []*weights.File, error) {
	kind, err := kindOf(c.Init)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("weights to start from: %w", err)
	case kind == kindWhole:
		return c.openPublished()
	case kind == kindEndToEnd:
		n, err := c.thawed(c.Init)
		return n, nil, err
	}
	files, err := openAll(c.BackboneFiles)
	if err != nil {
		return nil, files, err
	}
	// The default Spec names the default network: its Arch was not requested.
	o := network.Override{Layer: c.Spec.Layer, Decoder: c.Spec.Decoder, Input: c.Spec.Input, Statistics: c.Spec.Statistics}
	if c.Spec.Arch != network.ArchXception {
		o.Arch = c.Spec.Arch
	}
	m, opened, err := models.OpenNetwork(c.Init, o, files)
	files = append(files, opened...)
	if err != nil {
		return nil, files, fmt.Errorf("weights to start from: %w", err)
	}
	head, err := network.HeadOf(m)
	if err != nil {
		return nil, files, fmt.Errorf("weights to start from: %w", err)
	}
	return c.fineTuned(head, files)
}

// thawed opens a checkpoint with a network in one piece, and makes trainable what the configuration
// says.
func (c Config) thawed(path string) (*network.Network, error) {
	if c.FineTune {
		return nil, fmt.Errorf("weights to start from: %s holds a network in one piece: use --thaw-backbone, not --fine-tune", path)
	}
	n, err := openNetwork(path)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Thaw:
		return n.Thawed()
	case c.ThawContext:
		if n, err = n.ThawedContext(); err != nil {
			return nil, fmt.Errorf("weights to start from: %s: %w", path, err)
		}
	}
	return n, nil
}

// openPublished opens a file with another author's network, whether they or declip trained it. Its
// other parts are found as for localizing.
func (c Config) openPublished() (Network, []*weights.File, error) {
	if c.FineTune || c.Thaw || c.ThawContext {
		return nil, nil, fmt.Errorf("weights to start from: all of %s is trained anyway: leave out --fine-tune, --thaw-backbone and --thaw-context", c.Init)
	}
	parts, err := openAll(c.BackboneFiles)
	if err != nil {
		return nil, parts, err
	}
	m, opened, err := models.OpenNetwork(c.Init, network.Override{}, parts)
	files := append(parts, opened...)
	if err != nil {
		return nil, files, fmt.Errorf("weights to start from: %w", err)
	}
	n, err := network.Trainable(m)
	if err != nil {
		return nil, files, fmt.Errorf("weights to start from: %w", err)
	}
	return n, files, nil
}

// PublishedArch is the Arch of another author's network in a file to start from; "" for other files
// and for those that cannot be read, which Run reports.
func PublishedArch(path string) string {
	file, err := weights.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	return network.PublishedArch(file)
}

// What a file to start from holds.
type kind int

const (
	kindHead     kind = iota // a decoder on backbones, or something unknown
	kindEndToEnd             // declip's network that is trained as a whole
	kindWhole                // another author's network
)

// kindOf finds out what a file to start from holds.
func kindOf(path string) (kind, error) {
	file, err := weights.Open(path)
	if err != nil {
		return kindHead, err
	}
	defer file.Close()
	if network.PublishedArch(file) != "" {
		return kindWhole, nil
	}
	if file.Metadata()[network.SpecKey] == "" {
		return kindHead, nil
	}
	contents, err := network.Recognise(file)
	if err != nil {
		return kindHead, err
	}
	arch := contents.Stated.Arch
	_, plain := file.Tensor("conv1.weight") // in a fine-tuned network its names have a prefix
	if arch == network.ArchLite || arch == network.ArchXception && plain {
		return kindEndToEnd, nil
	}
	return kindHead, nil
}

func openNetwork(path string) (*network.Network, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights to start from: %w", err)
	}
	defer file.Close()
	n, err := network.Open(file)
	if err != nil {
		return nil, fmt.Errorf("weights to start from: %s: %w", path, err)
	}
	return n, nil
}

// newHead makes a new decoder for the backbones that the spec names, in BackboneFiles or in the
// models directory.
func (c Config) newHead() (Network, []*weights.File, error) {
	files, err := openAll(c.BackboneFiles)
	if err != nil {
		return nil, files, err
	}
	for range 2 { // a second time with the files of the models directory
		backbones, err := network.BackbonesIn(files)
		if err != nil {
			return nil, files, err
		}
		head, err := network.NewHead(c.Spec, backbones, c.Seed)
		var needs *network.MissingBackboneError
		if err == nil {
			return c.fineTuned(head, files)
		}
		if !errors.As(err, &needs) {
			return nil, files, err
		}
		found, err := openAll(needs.Archs)
		files = append(files, found...)
		if err != nil {
			return nil, files, fmt.Errorf("%s: no file with it was given, and %w", strings.Join(needs.Archs, " and "), err)
		}
	}
	return nil, files, fmt.Errorf("%w: the models directory has no %s", network.ErrSpec, c.Spec.Arch)
}

// fineTuned adds the backbones, or adapters of one, to a decoder if they are to be trained, too.
func (c Config) fineTuned(head *network.Head, files []*weights.File) (Network, []*weights.File, error) {
	if c.Hooks.Notice != nil {
		for _, doubt := range head.Doubts() {
			c.Hooks.Notice(doubt)
		}
	}
	options := c.Spec.LoRA
	if options == nil {
		options = head.Spec().LoRA // of the checkpoint to start from
	}
	if options != nil && !c.FineTune {
		adapted, err := head.Adapted(*options, c.Seed)
		if err != nil {
			return nil, files, err
		}
		return adapted, files, nil
	}
	if !c.FineTune {
		return head, files, nil
	}
	whole, err := head.FineTuned()
	if err != nil {
		return nil, files, err
	}
	return whole, files, nil
}

// openAll opens weights by the names of models. It returns the opened files also after an error.
func openAll(names []string) ([]*weights.File, error) {
	var files []*weights.File
	for _, name := range names {
		f, err := models.Open(name)
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}
