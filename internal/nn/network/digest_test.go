package network

import (
	"os"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// A digest depends on the weights only, not on their names, their stored types or other tensors.
func TestDigest(t *testing.T) {
	digest := func(b *Backbone) string {
		t.Helper()
		d, err := b.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	backbone := func(list []weights.Tensor) *Backbone { return inFile(t, networktest.Store(t, list, nil)) }
	tensors := networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 3))
	first := backbone(tensors)
	want := digest(first)
	for name, other := range map[string]*Backbone{
		"itself":               first,
		"hugging face's names": backbone(huggingFace(t, tensors)),
		"beside a decoder":     backbone(append(networktest.Tensors(networktest.Linear("model.", 64)), tensors...)),
	} {
		if got := digest(other); got != want {
			t.Errorf("%s: got %s, expected %s", name, got, want)
		}
	}
	changed := networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 3))
	for i, tensor := range changed {
		if strings.HasSuffix(tensor.Name, "resblocks.1.mlp.c_fc.bias") {
			values := make([]float32, tensor.Count())
			changed[i] = weights.FromFloat32s(tensor.Name, tensor.Shape, values)
		}
	}
	file := backbone(changed)
	if digest(file) == want {
		t.Error("another bias has the same digest")
	}
	// A file that changes is read again.
	other := networktest.Store(t, tensors, nil)
	data, err := os.ReadFile(other.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file.Path()+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file.Path()+".new", file.Path()); err != nil {
		t.Fatal(err)
	}
	again, err := weights.Open(file.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := digest(inFile(t, again)); got != want {
		t.Errorf("a file that was replaced: got %s, expected %s", got, want)
	}
}
