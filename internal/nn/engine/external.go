package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/declip/declip/internal/files"
)

// ErrWeightsChanged is returned (wrapped) when a weights file is truncated, overwritten or replaced
// while it is loaded, or, for a session in low memory, later on.
var ErrWeightsChanged = errors.New("weights file has changed")

// initializer is a tensor of a model whose values are in a weights file.
type initializer struct {
	name           string
	dtype          int // ONNX's number of the type
	shape          []int64
	location       string // relative to SessionOptions.ExternalFolder, with slashes
	offset, length int64
}

// Field numbers and values from the ONNX project's onnx.proto.
const (
	tensorDims         = 1
	tensorDataType     = 2
	tensorExternalData = 13

	entryKey   = 1
	entryValue = 2
)

// externalInitializers lists the initializers of a model whose values are in files.
func externalInitializers(model []byte) ([]initializer, error) {
	var list []initializer
	err := eachField(model, func(n protowire.Number, graph []byte) error {
		if n != modelGraph {
			return nil
		}
		return eachField(graph, func(n protowire.Number, b []byte) error {
			if n != graphInitializer {
				return nil
			}
			t, err := readInitializer(b)
			if err == nil && t.location != "" {
				list = append(list, t)
			}
			return err
		})
	})
	return list, err
}

func readInitializer(b []byte) (initializer, error) {
	t := initializer{length: -1}
	err := eachField(b, func(n protowire.Number, b []byte) error {
		switch n {
		case tensorName:
			t.name = string(b)
		case tensorDataType:
			v, _ := protowire.ConsumeVarint(b)
			t.dtype = int(v)
		case tensorDims: // one number, or several in a packed field
			for len(b) > 0 {
				v, n := protowire.ConsumeVarint(b)
				if n < 0 {
					return protowire.ParseError(n)
				}
				t.shape, b = append(t.shape, int64(v)), b[n:]
			}
		case tensorExternalData:
			return t.readEntry(b)
		}
		return nil
	})
	return t, err
}

// readEntry reads one key and value of a tensor's external data.
func (t *initializer) readEntry(b []byte) error {
	var key, value string
	err := eachField(b, func(n protowire.Number, b []byte) error {
		switch n {
		case entryKey:
			key = string(b)
		case entryValue:
			value = string(b)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch key {
	case "location":
		t.location = value
	case "offset":
		t.offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		t.length, err = strconv.ParseInt(value, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("%q: %s of its external data: %w", t.name, key, err)
	}
	return nil
}

// weightsFiles are the open weights files of a model, by location. They notice changes: the size,
// the time and the identity of each file are those of the moment when it was opened.
type weightsFiles struct {
	files map[string]weightsFile
}

// checkPrivate returns an error if a user other than root and the current one can write to a file
// or replace it.
func (w *weightsFiles) checkPrivate() error {
	for _, f := range w.files {
		if err := files.CheckTrusted(f.path, files.CurrentUser()); err != nil {
			return fmt.Errorf("%s: in low memory, a file that another user cuts off ends the process: %w", f.path, err)
		}
	}
	return nil
}

type weightsFile struct {
	*os.File
	path string
	info fs.FileInfo // when it was opened
}

// openWeights opens the files of initializers in a directory. Locations outside of it, also through
// symbolic links, are an error.
func openWeights(folder string, list []initializer) (*weightsFiles, error) {
	w := &weightsFiles{files: map[string]weightsFile{}}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("weights directory: %w", err)
	}
	defer root.Close()
	for _, t := range list {
		if _, open := w.files[t.location]; open {
			continue
		}
		f, err := root.Open(filepath.FromSlash(t.location))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("weights file: %w", err), w.Close())
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("weights file: %w", err), f.Close(), w.Close())
		}
		w.files[t.location] = weightsFile{f, filepath.Join(folder, t.location), info}
	}
	return w, nil
}

// check returns ErrWeightsChanged if the contents of an open file have changed.
func (w *weightsFiles) check() error {
	for _, f := range w.files {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("weights file: %w", err)
		}
		if info.Size() != f.info.Size() || !info.ModTime().Equal(f.info.ModTime()) {
			return fmt.Errorf("%w: %s", ErrWeightsChanged, f.path)
		}
	}
	return nil
}

// checkPaths is check, and returns ErrWeightsChanged also if a path leads to another file by now.
func (w *weightsFiles) checkPaths() error {
	for _, f := range w.files {
		info, err := os.Stat(f.path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrWeightsChanged, err)
		}
		if !os.SameFile(info, f.info) {
			return fmt.Errorf("%w: %s", ErrWeightsChanged, f.path)
		}
	}
	return w.check()
}

// read reads the values of an initializer into memory of its length.
func (w *weightsFiles) read(t initializer, memory []byte) error {
	f := w.files[t.location]
	if n, err := f.ReadAt(memory, t.offset); n < len(memory) {
		return fmt.Errorf("%s: tensor %q: read %d of %d bytes at %d: %w", f.path, t.name, n, len(memory), t.offset, err)
	}
	return nil
}

// Close closes the files.
func (w *weightsFiles) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.File.Close())
	}
	return errors.Join(errs...)
}
