package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"
)

// Load makes a session from an ONNX model's bytes, which are not needed afterwards. The caller
// closes it.
func (e *Engine) Load(model []byte, o SessionOptions) (*Session, error) {
	s := &Session{}
	var err error
	if s.inputs, s.outputs, err = modelPorts(model); err != nil {
		return nil, err
	}
	if o.ExternalFolder == "" {
		if err := e.create(s, model, o, nil); err != nil {
			return nil, err
		}
		return s, nil
	}
	if o.ExternalFolder, err = filepath.Abs(o.ExternalFolder); err != nil {
		return nil, fmt.Errorf("weights directory %s: %w", o.ExternalFolder, err)
	}
	list, err := externalInitializers(model)
	if err != nil {
		return nil, err
	}
	files, err := openWeights(o.ExternalFolder, list)
	if err != nil {
		return nil, err
	}
	mapped := false
	o.LowMemory = o.LowMemory || o.MapIfPrivate && files.checkPrivate() == nil
	if o.LowMemory && o.Private {
		err = files.checkPrivate()
	}
	if err == nil {
		mapped, err = e.createWithWeights(s, model, o, files, list)
	}
	if err == nil {
		err = files.checkPaths()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load weights: %w", err), s.Close(), files.Close())
	}
	if mapped {
		s.mapped = files
		return s, nil
	}
	return s, files.Close()
}

// createWithWeights creates the session of a model with weights in files, and reports whether they
// stay mapped.
//
// Reading a mapped page that was truncated away kills the process by SIGBUS, and overwriting a
// mapped file changes results. So weights are read into memory, except those that ONNX Runtime
// packs for the processor while it loads them: it no longer needs their file afterwards. For a
// ViT-L/14 in float32 the peak is 1.5 GB instead of 2.5 GB, and loading takes half the time. If
// the file is still mapped in the end, the session is created again with all weights in memory.
func (e *Engine) createWithWeights(s *Session, model []byte, o SessionOptions, w *weightsFiles, list []initializer) (mapped bool, err error) {
	if o.LowMemory || e.library.base == nil {
		return true, e.create(s, model, o, nil)
	}
	small := slices.DeleteFunc(slices.Clone(list), func(t initializer) bool { return t.length > smallWeights })
	for _, copied := range [][]initializer{small, list} {
		err = e.create(s, model, o, func(options *ort.SessionOptions) (func(), error) { return e.supply(options, w, copied) })
		if err != nil || len(copied) == len(list) || !stillMapped(w, list) {
			return false, err
		}
		if err := s.Close(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// create creates the ONNX Runtime session of s. supply, if not nil, adds weights to the options;
// what it returns is called when the session exists.
func (e *Engine) create(s *Session, model []byte, o SessionOptions, supply func(*ort.SessionOptions) (func(), error)) error {
	options, err := e.sessionOptions(o)
	if err != nil {
		return fmt.Errorf("session options: %w", err)
	}
	defer options.Destroy()
	if supply != nil {
		release, err := supply(options)
		defer release()
		if err != nil {
			return err
		}
	}
	err = firstAlone(func() (err error) {
		s.session, err = ort.NewDynamicAdvancedSessionWithONNXData(model, names(s.inputs), names(s.outputs), options)
		return err
	})
	returnMemory()
	if err != nil {
		return fmt.Errorf("load model on %s: %w", e.device, err)
	}
	return nil
}

// first is the state of firstAlone.
var first struct {
	sync.Mutex
	done atomic.Bool
}

// firstAlone creates sessions one at a time until one has succeeded. The first session makes ONNX
// Runtime register the domain of package operators for the whole process, which fails if
// two sessions do it at once.
func firstAlone(create func() error) error {
	if first.done.Load() {
		return create()
	}
	first.Lock()
	defer first.Unlock()
	err := create()
	if err == nil {
		first.done.Store(true)
	}
	return err
}
