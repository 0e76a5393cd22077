package network

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// inFile is the backbone in a file.
func inFile(t *testing.T, f *weights.File) *Backbone {
	t.Helper()
	c, err := Recognise(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.Backbones[0]
}

func TestSame(t *testing.T) {
	rules := networktest.ViT("visual.", 64, 8, 2, 3)
	backbone := func(list []weights.Tensor) *Backbone { return inFile(t, networktest.Store(t, list, nil)) }
	tensors := networktest.Tensors(rules)
	changed := networktest.Tensors(rules)
	for i, tensor := range changed {
		if strings.HasSuffix(tensor.Name, "resblocks.1.mlp.c_fc.weight") {
			changed[i] = weights.FromFloat32s(tensor.Name, tensor.Shape, make([]float32, tensor.Count()))
		}
	}
	first := backbone(tensors)
	for _, c := range []struct {
		name  string
		other *Backbone
		layer string
		want  bool
	}{
		{"itself", first, "layer1", true},
		{"a copy", backbone(tensors), "layer1", true},
		{"hugging face's names", backbone(huggingFace(t, tensors)), "layer1", true},
		{"another second block", backbone(changed), "layer1", false},
		{"another second block, up to the first", backbone(changed), "layer0", true},
		{"more blocks", backbone(networktest.Tensors(networktest.ViT("visual.", 64, 8, 3, 3))), "layer1", false},
	} {
		if got, err := first.Equal(c.other, c.layer); err != nil || got != c.want {
			t.Errorf("%s: got %v, %v: expected %v", c.name, got, err, c.want)
		}
	}
	// A file is not read to compare it with itself.
	file := networktest.Store(t, tensors, nil)
	first, again := inFile(t, file), inFile(t, file)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := first.Equal(again, "layer1"); err != nil || !got {
		t.Errorf("twice from one file: got %v, %v: expected true", got, err)
	}
}

// Tensors of several pieces are compared up to their last byte.
func TestSameBytes(t *testing.T) {
	data := make([]byte, 3*chunk+17)
	for i := range data {
		data[i] = byte(i * 7)
	}
	section := func(data []byte) *io.SectionReader {
		return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))
	}
	for _, changed := range []int{-1, 0, chunk, 2*chunk - 1, len(data) - 1} {
		other := slices.Clone(data)
		if changed >= 0 {
			other[changed] ^= 1
		}
		if got, err := equalBytes(section(data), section(other)); err != nil || got != (changed < 0) {
			t.Errorf("byte %d changed: got %v, %v", changed, got, err)
		}
	}
	short := io.NewSectionReader(bytes.NewReader(data[:chunk]), 0, int64(len(data)))
	if _, err := equalBytes(section(data), short); err == nil {
		t.Error("a file that ends early: no error")
	}
	if got, err := equalBytes(section(nil), section(nil)); err != nil || !got {
		t.Errorf("nothing: got %v, %v", got, err)
	}
}
