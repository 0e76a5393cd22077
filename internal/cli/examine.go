package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// Kinds of weights files.
const (
	kindModel    = "model"    // localizes
	kindDecoder  = "decoder"  // localizes with backbones that are in other files
	kindBackbone = "backbone" // gives features
	kindUnknown  = "unknown"
)

// examined is a weights file and what was detected in it. close closes it.
type examined struct {
	kind      string
	model     *network.Pretrained           // of kindModel
	contents  *network.FileContents         // unless kindUnknown
	needs     *network.MissingBackboneError // of kindDecoder
	lacking   error                         // of kindDecoder: the same, with the searched places
	problem   error                         // why it is unknown, or unusable
	file      *weights.File
	opened    []*weights.File
	size      int64
	published string // name in the catalogue, found by the file's name
}

// examine opens a model's file and detects its contents. A file without a network, or with an
// incomplete one, is not an error here: its problem says so.
func examine(name string, o networkOptions) (*examined, error) {
	x := &examined{}
	if err := x.open(name, o); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (x *examined) open(name string, o networkOptions) error {
	var backbones []*weights.File
	for _, other := range o.clip {
		f, err := models.Open(other)
		if err != nil {
			return err
		}
		x.opened = append(x.opened, f)
		backbones = append(backbones, f)
	}
	model, opened, err := models.OpenNetwork(name, o.override(), backbones)
	x.opened = append(x.opened, opened...)
	if len(opened) == 0 {
		return err
	}
	x.file, x.model = opened[0], model
	x.size = x.file.Size()
	if !models.BuiltIn(name) {
		if e, ok := models.Lookup(filepath.Base(x.file.Path())); ok && e.File == filepath.Base(x.file.Path()) {
			x.published = e.Name
		}
	}
	x.judge(err)
	if x.contents != nil && len(x.contents.Backbones) > 0 {
		return x.contents.ChooseStatistics(o.statistics)
	}
	return nil
}

// judge sets the kind and the problem from the error of opening the network.
func (x *examined) judge(err error) {
	if part := (*network.MissingPartsError)(nil); errors.As(err, &part) {
		x.kind, x.problem = kindUnknown, err
		return
	}
	if x.model != nil && x.model.Spec().Mode == network.ModeWhole {
		x.kind = kindModel // of another author: it has no backbone and no decoder of their own
		return
	}
	x.contents, x.problem = network.Recognise(x.file)
	switch {
	case x.problem != nil:
		x.kind = kindUnknown
	case !x.contents.HasDecoder:
		x.kind = kindBackbone
		for _, b := range x.contents.Backbones {
			x.problem = errors.Join(x.problem, b.Check(lastLayer(b)))
		}
	case errors.As(err, &x.needs):
		x.kind, x.lacking = kindDecoder, err
	default:
		x.kind, x.problem = kindModel, err
	}
}

func lastLayer(b *network.Backbone) string {
	layer, _ := b.Layer("") // every backbone has a last layer
	return layer
}

func (x *examined) close() {
	for _, f := range x.opened {
		f.Close()
	}
}

// holds describes the file in a few words.
func (x *examined) holds() string {
	switch x.kind {
	case kindModel:
		if x.model == nil {
			return "an unusable model"
		}
		return x.model.Spec().String()
	case kindDecoder:
		return "a decoder for " + x.missing()
	case kindBackbone:
		var names []string
		for _, b := range x.contents.Backbones {
			names = append(names, b.Arch())
		}
		return strings.Join(names, " and ") + ", a backbone"
	}
	return "no known network"
}

// missing names the missing backbones of a decoder.
func (x *examined) missing() string {
	if len(x.needs.Archs) == 0 {
		return fmt.Sprintf("backbones with %d channels", x.needs.Channels)
	}
	return strings.Join(x.needs.Archs, " and ")
}

// needed lists the tensors of the file that are part of its network; of a backbone, those up to its
// last layer.
func (x *examined) needed() map[string]bool {
	var kept []network.RequiredTensor
	switch {
	case x.model != nil:
		kept, _ = x.model.Tensors() // it was checked when it was opened
	case x.kind == kindBackbone:
		for _, b := range x.contents.Backbones {
			list, err := b.Tensors(lastLayer(b))
			if err != nil {
				return nil
			}
			kept = slices.Concat(kept, list)
		}
	}
	names := map[string]bool{}
	for _, k := range kept {
		if k.File == x.file {
			names[k.Tensor.Name] = true
		}
	}
	return names
}
