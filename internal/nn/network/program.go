package network

import (
	"fmt"
	"path/filepath"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// Program is a network, or a part of one, ready for the engine.
type Program struct {
	ONNX []byte
	// The directory of the weights files that ONNX refers to; empty if it holds all weights itself.
	// The files must not change until the program is loaded.
	Folder string
}

// Form says how a program is written. Programs of all forms compute the same, except for rounding.
type Form struct {
	// Blocked writes the linear layers of transformers as convolutions of one pixel: engines that
	// keep channels in blocks multiply faster that way on some processors. Weights are copied into
	// that order.
	Blocked bool
	// Winograd writes convolutions of 5 x 5, the high-pass filters of xceptionnet-lite and CAT-Net's
	// first layers as operations of package operators, which only some engines have.
	Winograd bool
	// Training writes depthwise convolutions and the gradients of training steps as operations of
	// package operators.
	Training bool
}

// Plain leaves weights in their files, in the form that other programs read.
var Plain Form

// Graph returns an empty graph for a program of that form.
func (f Form) Graph() *graph.Graph {
	g := graph.New()
	if f.Winograd {
		g.Winograd()
	}
	if f.Training {
		g.TrainingOperators()
	}
	return g
}

var floatTypes = map[weights.DType]graph.DType{
	weights.Float32:  graph.Float32,
	weights.Float64:  graph.Float64,
	weights.Float16:  graph.Float16,
	weights.BFloat16: graph.BFloat16,
}

// check returns an error unless every requested parameter is in its file, in the right shape and
// type, and the file has no unexpected tensors.
func (b *builder) check() error {
	if err := b.g.Err(); err != nil {
		return err
	}
	for _, d := range b.declared {
		if _, _, err := d.part.get(d.name, d.shape); err != nil {
			return err
		}
	}
	return b.checkUnexpected()
}

// program encodes the built graph. Weights stay in their files, except those that are in memory
// anyway and those that are stored in another order.
func (b *builder) program(outputs []graph.Output) (Program, error) {
	if err := b.check(); err != nil {
		return Program{}, err
	}
	inits, folder, err := initializersOf(b.declared)
	if err != nil {
		return Program{}, err
	}
	p := Program{Folder: folder}
	p.ONNX, err = b.g.Encode(outputs, inits)
	return p, err
}

// initializersOf says where the values of parameters are, by their names in the graph. Locations
// are relative to dir.
func initializersOf(list []declared) (inits map[string]graph.Initializer, dir string, err error) {
	inits = map[string]graph.Initializer{}
	var folders []string
	for _, d := range list {
		init, err := d.part.initializer(d.name, d.shape)
		if err != nil {
			return nil, "", err
		}
		if d.as != nil {
			init.Shape = d.as
		}
		if init.Location != "" {
			folders = append(folders, filepath.Dir(init.Location))
		}
		inits[d.graphName()] = init
	}
	dir = commonFolder(folders)
	for name, init := range inits {
		if init.Location != "" {
			relative, err := filepath.Rel(dir, init.Location)
			if err != nil {
				return nil, "", fmt.Errorf("weights file: %w", err)
			}
			init.Location = filepath.ToSlash(relative)
			inits[name] = init
		}
	}
	return inits, dir, nil
}

// commonFolder is the directory of all files, or the root if they differ: the engine takes one
// directory.
func commonFolder(folders []string) string {
	if len(folders) == 0 {
		return ""
	}
	for _, f := range folders[1:] {
		if f != folders[0] {
			return filepath.VolumeName(f) + string(filepath.Separator)
		}
	}
	return folders[0]
}

// initializer says where the values of a part's tensor are; Location is an absolute path without
// symbolic links.
func (l *layout) initializer(name string, shape []int) (graph.Initializer, error) {
	t, r, err := l.get(name, shape)
	if err != nil {
		return graph.Initializer{}, err
	}
	init := graph.Initializer{DType: floatTypes[t.DType], Shape: shape}
	size := t.Length / int64(r.parts)
	if r.times != "" {
		values, err := l.values(name, shape)
		return Initializer(Param{Name: name, Shape: shape, Data: values}), err
	}
	if t.Data != nil || t.Strides != nil {
		data, err := l.file.Bytes(t.Name)
		if err != nil {
			return init, err
		}
		init.Data = share(data, r)
		return init, nil
	}
	if err := l.file.CheckUnchanged(); err != nil {
		return init, err
	}
	place, offset := l.file.Place(t)
	path, err := filepath.Abs(place)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return init, fmt.Errorf("weights file: %w", err)
	}
	init.Location, init.Offset, init.Length = path, offset+size*int64(r.part), size
	return init, nil
}
