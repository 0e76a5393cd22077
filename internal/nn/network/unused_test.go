package network

import (
	"fmt"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// Every tensor that a network does not need is listed once, under the reason.
func TestUnused(t *testing.T) {
	extra := func(names ...string) (list []weights.Tensor) {
		for _, name := range names {
			list = append(list, weights.FromFloat32s(name, []int{2}, []float32{1, 2}))
		}
		return list
	}
	plain := networktest.DINOv3("", 64, 3)
	iml := networktest.Tensors(networktest.Conv3(64))
	iml = append(iml, networktest.DINOv3("backbone.", 64, 2)...)
	clip := networktest.Tensors(networktest.ViT("visual.", 64, 8, 3, 4))
	for _, c := range []struct {
		name    string
		tensors []weights.Tensor
		layer   string // of a backbone
		want    map[string][]string
	}{
		{"a backbone up to a layer", slices.Concat(plain, extra("mask_token", "local_cls_norm.weight", "head.weight", "something.else")), "layer1", map[string][]string{
			unusedLayers:   {"blocks.2.norm1.weight", "norm.bias", "head.weight"},
			unusedTraining: {"mask_token"},
			unusedOther:    {"something.else"},
		}},
		{"a checkpoint", slices.Concat(iml, extra("seg_head.1.num_batches_tracked", "optimizer.state.0.exp_avg", "n_averaged")), "", map[string][]string{
			unusedOptimizer: {"optimizer.state.0.exp_avg"},
			unusedTraining:  {"seg_head.1.num_batches_tracked", "n_averaged"},
		}},
		{"CLIP", slices.Concat(clip, extra("token_embedding.weight", "transformer.resblocks.0.ln_1.weight", "positional_embedding", "visual.proj", "logit_scale")), "layer1",
			map[string][]string{
				unusedText:   {"token_embedding.weight", "transformer.resblocks.0.ln_1.weight", "positional_embedding", "logit_scale"},
				unusedLayers: {"visual.transformer.resblocks.2.ln_1.weight", "visual.proj"},
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := networktest.Store(t, c.tensors, nil)
			contents, err := Recognise(file)
			if err != nil {
				t.Fatal(err)
			}
			needed, all := map[string]bool{}, 0
			for _, r := range requiredOf(t, file, contents, c.layer) {
				needed[r.Tensor.Name] = true
			}
			reasons := map[string]string{}
			for _, u := range Unused(file, contents, needed) {
				all += len(u.Names)
				if u.Size <= 0 {
					t.Errorf("%s: %d bytes", u.Why, u.Size)
				}
				for _, name := range u.Names {
					if reasons[name] != "" || needed[name] {
						t.Errorf("%s is listed twice, or needed", name)
					}
					reasons[name] = u.Why
				}
			}
			if all+len(needed) != len(file.Names()) {
				t.Errorf("%d tensors are unused and %d needed, of %d", all, len(needed), len(file.Names()))
			}
			for why, names := range c.want {
				for _, name := range names {
					if reasons[name] != why {
						t.Errorf("%s is %q, expected %q", name, reasons[name], why)
					}
				}
			}
			if fmt.Sprint(Unused(file, contents, nil)) != "[]" {
				t.Error("tensors of a file without a network are unused")
			}
		})
	}
}

// requiredOf lists the tensors of the model in a file, or of its backbone up to a layer.
func requiredOf(t *testing.T, file *weights.File, contents *FileContents, layer string) []RequiredTensor {
	t.Helper()
	var list []RequiredTensor
	var err error
	if layer != "" {
		list, err = contents.Backbones[0].Tensors(layer)
	} else {
		var m *Pretrained
		if m, err = OpenPretrained(file, Override{}); err == nil {
			list, err = m.Tensors()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}
