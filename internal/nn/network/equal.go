package network

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/nn/weights"
)

// Equal says whether two backbones give the same features up to a layer: the same sizes, and the
// same values, bit for bit, in all tensors up to that layer. Each published checkpoint holds a copy
// of CLIP; comparing two copies is faster than loading and running both.
func (b *Backbone) Equal(other *Backbone, layer string) (bool, error) {
	if b == other {
		return true, nil
	}
	if !b.layout.adapters.equal(other.layout.adapters) {
		return false, nil
	}
	if b.tower == other.tower && b.layout.prefix == other.layout.prefix && b.Path() == other.Path() {
		return true, nil // one file, opened for several models
	}
	if full, err := layerOf(b.tower, layer); b.tower != other.tower || err != nil || full != layer {
		return false, nil //nolint:nilerr // a layer that a backbone lacks is none that both have
	}
	builder, err := b.buildPlain(layer)
	if err != nil {
		return false, err
	}
	params := slices.Clone(builder.declared)
	// Small tensors first: different backbones differ in all tensors, so that the answer comes at
	// once.
	slices.SortStableFunc(params, func(a, b declared) int { return elements(a.shape) - elements(b.shape) })
	for _, d := range params {
		theirs := &other.layout
		if d.part.layout != &b.layout {
			theirs = d.part.layout // the adapters are the same ones
		}
		same, err := equalValues(d.part.layout, theirs, d)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// equalValues compares a parameter in two files. The stored types may differ; the values count.
func equalValues(a, b *layout, d declared) (bool, error) {
	ta, ra, err := a.get(d.name, d.shape)
	if err != nil {
		return false, err
	}
	tb, rb, err := b.get(d.name, d.shape)
	if err != nil {
		return false, err
	}
	if ra.times != "" || rb.times != "" {
		va, err := a.values(d.name, d.shape)
		if err != nil {
			return false, err
		}
		vb, err := b.values(d.name, d.shape)
		return err == nil && slices.Equal(va, vb), err
	}
	if ta.DType == tb.DType {
		sa, err := section(a.file, ta.Name, ra)
		if err != nil {
			return false, err
		}
		sb, err := section(b.file, tb.Name, rb)
		if err != nil {
			return false, err
		}
		return equalBytes(sa, sb)
	}
	va, err := a.file.Float32s(ta.Name)
	if err != nil {
		return false, err
	}
	vb, err := b.file.Float32s(tb.Name)
	return err == nil && slices.Equal(share(va, ra), share(vb, rb)), err
}

// section is the part of a tensor's bytes that r refers to.
func section(f *weights.File, name string, r ref) (*io.SectionReader, error) {
	s, err := f.Section(name)
	if err != nil {
		return nil, err
	}
	n := s.Size() / int64(r.parts)
	return io.NewSectionReader(s, n*int64(r.part), n), nil
}

// chunk is the number of bytes that are read of either file at a time.
const chunk = 1 << 20

var errDiffer = errors.New("contents differ")

// equalBytes compares two sections of equal size, several chunks in parallel: most of the time goes
// into copying from the system's file cache.
func equalBytes(a, b *io.SectionReader) (bool, error) {
	var group parallel.Group
	var next atomic.Int64
	for range min(int64(runtime.GOMAXPROCS(0)), a.Size()/chunk+1) {
		group.Go(func() error {
			pa, pb := make([]byte, min(chunk, a.Size())), make([]byte, min(chunk, a.Size()))
			for at := next.Add(chunk) - chunk; at < a.Size(); at = next.Add(chunk) - chunk {
				n := min(chunk, a.Size()-at)
				if _, err := a.ReadAt(pa[:n], at); err != nil {
					return err
				}
				if _, err := b.ReadAt(pb[:n], at); err != nil {
					return err
				}
				if !bytes.Equal(pa[:n], pb[:n]) {
					next.Store(a.Size()) // the others may stop
					return errDiffer
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if errors.Is(err, errDiffer) {
		return false, nil
	}
	return err == nil, err
}

// share is the part of a tensor's values that r refers to.
func share[T any](values []T, r ref) []T {
	n := len(values) / r.parts
	return values[n*r.part:][:n]
}
