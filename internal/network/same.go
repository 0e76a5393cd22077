package network

import (
	"bytes"
	"slices"
)

// Same tells whether two backbones give the same features up to a layer: the same sizes, and the same values, bit for
// bit, in all tensors up to there. Published checkpoints each hold a copy of CLIP; reading two copies is faster than
// loading and running both.
func (b *Backbone) Same(other *Backbone, layer string) (bool, error) {
	if b == other {
		return true, nil
	}
	if b.tower == other.tower && b.layout.prefix == other.layout.prefix && b.Path() == other.Path() {
		return true, nil // one file, opened for several models
	}
	if b.tower != other.tower || !slices.Contains(b.Layers(), layer) {
		return false, nil
	}
	builder, _, err := b.build([]string{layer})
	if err != nil {
		return false, err
	}
	params := slices.Clone(builder.declared)
	// Small tensors first: backbones that differ do so everywhere, and the answer comes at once.
	slices.SortStableFunc(params, func(a, b declared) int { return elements(a.shape) - elements(b.shape) })
	for _, d := range params {
		same, err := sameValues(&b.layout, &other.layout, d)
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

// sameValues compares a parameter in two places. One stored with fewer bits is the same if its values are.
func sameValues(a, b *layout, d declared) (bool, error) {
	ta, ra, err := a.get(d.name, d.shape)
	if err != nil {
		return false, err
	}
	tb, rb, err := b.get(d.name, d.shape)
	if err != nil {
		return false, err
	}
	if ta.DType == tb.DType {
		va, err := a.file.Bytes(ta.Name)
		if err != nil {
			return false, err
		}
		vb, err := b.file.Bytes(tb.Name)
		return err == nil && bytes.Equal(share(va, ra), share(vb, rb)), err
	}
	va, err := a.file.Float32s(ta.Name)
	if err != nil {
		return false, err
	}
	vb, err := b.file.Float32s(tb.Name)
	return err == nil && slices.Equal(share(va, ra), share(vb, rb)), err
}

// share is the part of a tensor's values that r stands for.
func share[T any](values []T, r ref) []T {
	n := len(values) / r.parts
	return values[n*r.part:][:n]
}
