package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// MetadataKey is the metadata key of a converted file's origin, as JSON.
const MetadataKey = "declip.converted"

// facts is the value of MetadataKey.
type facts struct {
	From   []string `json:"from"` // names of files
	Halves bool     `json:"halves,omitempty"`
	Merged bool     `json:"merged,omitempty"` // adapters are in the weights
}

// MaxDifference is how much the probabilities of a network in float16 may differ from the
// original's.
const MaxDifference = 0.02

// MaxMerged is the same for a network whose adapters were merged. Programs merge them, too, so that
// only rounding differs.
const MaxMerged = 1e-4

// Source is the network to convert: a model, or backbones without a decoder.
type Source struct {
	File  *weights.File // the model's own, or that of the backbones
	Model *network.Pretrained
	// Backbones are cut after Layer; if Layer is empty, they keep all layers. Unused if there is a
	// model.
	Backbones []*network.Backbone
	Layer     string
}

// SafetensorsOptions are the choices for Safetensors.
type SafetensorsOptions struct {
	// Halves stores matrices and kernels as float16. Small tensors (biases, norms) keep their type.
	Halves bool
	// Merge adds a model's adapters to the weights that they belong to.
	Merge bool
	// Engine compares a model in float16, or with merged adapters, with the original; nil: no
	// comparison.
	Engine *engine.Engine
}

// changes says whether the values differ from the original's.
func (o SafetensorsOptions) changes() bool { return o.Halves || o.Merge }

// Safetensors writes what inference needs of a network to a file that is recognised as the same
// network. Without Halves nothing is changed: the tensors are the original's, byte for byte, and so
// are the results. The weights are streamed. The file is read back and compared before it appears
// at path.
func Safetensors(ctx context.Context, path string, s Source, o SafetensorsOptions) (Report, error) {
	if o.Halves {
		if err := oneSize(s.Model, "the comparison of a file in half precision"); err != nil {
			return Report{}, err
		}
	}
	kept, merged, err := s.tensors(o)
	if err != nil {
		return Report{}, err
	}
	streams := make([]weights.Stream, len(kept))
	for i, k := range kept {
		dtype := k.Tensor.DType
		if o.Halves && len(k.Tensor.Shape) >= 2 && (dtype == weights.Float32 || dtype == weights.Float64) {
			dtype = weights.Float16
		}
		if streams[i], err = k.Stream(ctx, dtype); err != nil {
			return Report{}, err
		}
	}
	metadata, err := s.metadata(kept, o)
	if err != nil {
		return Report{}, err
	}
	if merged != nil {
		delete(metadata, network.BackbonesKey) // the file has its backbone
		maps.Copy(metadata, merged)
	}
	report := Report{Tensors: len(streams)}
	fill := func(w io.Writer) error {
		return weights.WriteStreamsTo(&interruptible{ctx, w}, streams, metadata)
	}
	check := func(temporary string) error {
		info, err := os.Stat(temporary)
		if err != nil {
			return err
		}
		report.Size = info.Size()
		return s.compare(ctx, temporary, kept, o, &report)
	}
	return report, files.WriteChecked(path, fill, check)
}

// interruptible is a writer that fails when its context has ended.
type interruptible struct {
	ctx context.Context
	w   io.Writer
}

func (i *interruptible) Write(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.w.Write(p)
}

// tensors lists what is written. merged are the metadata of a model with merged adapters, nil
// otherwise.
func (s Source) tensors(o SafetensorsOptions) (kept []network.RequiredTensor, merged map[string]string, err error) {
	switch {
	case o.Merge && s.Model == nil:
		return nil, nil, errors.New("only adapters of a model can be merged, not those of a backbone alone")
	case o.Merge:
		return s.Model.Merged()
	case s.Model != nil:
		kept, err = s.Model.Tensors()
		return kept, nil, err
	}
	for _, b := range s.Backbones {
		list, err := b.Tensors(s.layer(b))
		if err != nil {
			return nil, nil, err
		}
		kept = append(kept, list...)
	}
	return kept, nil, nil
}

func (s Source) layer(b *network.Backbone) string {
	if layer, err := b.Layer(s.Layer); err == nil {
		return layer
	}
	return s.Layer // whose error comes when it is read
}

// metadata returns the original's metadata without its optimizer's, and the record of the
// conversion.
func (s Source) metadata(kept []network.RequiredTensor, o SafetensorsOptions) (map[string]string, error) {
	metadata := map[string]string{}
	for key, value := range weights.Unsealed(s.File.Metadata()) {
		if !strings.HasPrefix(key, network.OptimizerPrefix) {
			metadata[strings.ToValidUTF8(key, "?")] = strings.ToValidUTF8(value, "?")
		}
	}
	if s.Model != nil {
		for key, value := range weights.Unsealed(s.Model.Metadata()) {
			metadata[key] = value
		}
	}
	for _, b := range s.Backbones {
		maps.Copy(metadata, b.Metadata())
	}
	made := facts{Halves: o.Halves, Merged: o.Merge}
	seen := map[*weights.File]bool{}
	for _, k := range kept {
		if !seen[k.File] {
			seen[k.File] = true
			made.From = append(made.From, strings.ToValidUTF8(filepath.Base(k.File.Path()), "?"))
		}
	}
	text, err := json.Marshal(made)
	metadata[MetadataKey] = string(text)
	return metadata, err
}

// compare reads the new file back and compares it with the original.
func (s Source) compare(ctx context.Context, path string, kept []network.RequiredTensor, o SafetensorsOptions, r *Report) error {
	file, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	model, err := s.recognise(file, o.Merge)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	if !o.changes() {
		return sameTensors(ctx, file, kept)
	}
	if o.Engine == nil || model == nil {
		return nil
	}
	want, err := original(ctx, o.Engine, s.Model)
	if err != nil {
		return err
	}
	got, err := original(ctx, o.Engine, model)
	if err != nil {
		return err
	}
	r.Compared = true
	if r.Difference, err = difference(want, got); err != nil {
		return err
	}
	most, what := MaxDifference, "in float16"
	if !o.Halves {
		most, what = MaxMerged, "with merged adapters"
	}
	if r.Difference > most {
		return fmt.Errorf("%w: %s probabilities differ by %.2g, at most %g is allowed", ErrDiffers, what, r.Difference, most)
	}
	return nil
}

// recognise checks that the new file contains the same network, apart from merged adapters. The
// model is nil for backbones.
func (s Source) recognise(file *weights.File, merged bool) (*network.Pretrained, error) {
	if s.Model == nil {
		contents, err := network.Recognise(file)
		if err != nil {
			return nil, err
		}
		if len(contents.Backbones) != len(s.Backbones) {
			return nil, fmt.Errorf("%d backbones, expected %d", len(contents.Backbones), len(s.Backbones))
		}
		for i, b := range contents.Backbones {
			if err := b.Check(s.layer(b)); err != nil {
				return nil, fmt.Errorf("%s, expected %s: %w", b.Arch(), s.Backbones[i].Arch(), err)
			}
		}
		return nil, nil
	}
	model, err := network.OpenPretrained(file, network.Override{})
	if err != nil {
		return nil, err
	}
	got, want := model.Spec(), s.Model.Spec()
	// An unnamed size is described by its number of layers, some of which may be left out.
	got.Arch = want.Arch
	if merged {
		want.LoRA = nil
	}
	if !reflect.DeepEqual(got, want) {
		return nil, fmt.Errorf("it is recognised as %+v, expected %+v", got, want)
	}
	return model, nil
}

func sameTensors(ctx context.Context, file *weights.File, kept []network.RequiredTensor) error {
	for _, k := range kept {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		want, err := k.File.Bytes(k.Tensor.Name)
		if err != nil {
			return err
		}
		got, err := file.Bytes(k.Name)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%w: tensor %q", ErrDiffers, k.Name)
		}
	}
	return nil
}
