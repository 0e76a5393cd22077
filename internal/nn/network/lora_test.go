package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// adapterFile writes tensors and PEFT's settings next to them.
func adapterFile(t *testing.T, tensors []weights.Tensor, settings string) *weights.File {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "adapter_model.safetensors")
	if err := weights.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if settings != "" {
		if err := os.WriteFile(filepath.Join(dir, adapterConfig), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// peftTensors are the golden adapters in the names of PEFT's files: joint ones for Meta's module,
// or ones of their own for Hugging Face's.
func peftTensors(g networktest.DINOGolden, joint bool) (list []weights.Tensor) {
	const width, rank = 128, 4
	for _, r := range g.IML.Rules {
		block, rest, adapter := strings.Cut(r.Name, ".attn.qkv.lora_")
		if !adapter {
			continue
		}
		side, values := rest[:1], networktest.Uniform(r.Name, r.Shape[0]*r.Shape[1], r.Scale, r.Offset)
		if joint {
			list = append(list, weights.FromFloat32s("base_model.model."+block+".attn.qkv.lora_"+side+".weight", r.Shape, values))
			continue
		}
		number := strings.TrimPrefix(block, "blocks.")
		for i, letter := range []string{"q", "k", "v"} {
			part, shape := values, r.Shape
			if side == "B" {
				part, shape = values[i*width*rank:][:width*rank], []int{width, rank}
			}
			name := fmt.Sprintf("base_model.model.layer.%s.attention.%s_proj.lora_%s.weight", number, letter, side)
			list = append(list, weights.FromFloat32s(name, shape, part))
		}
	}
	return list
}

const peftText = `{"peft_type":"LORA","r":4,"lora_alpha":8,"bias":"none","use_dora":false,"rank_pattern":{},"alpha_pattern":{}}`

// goldenFiles are the golden backbone and its head in files of their own.
func goldenFiles(t *testing.T, g networktest.DINOGolden) (backbone, head *weights.File) {
	t.Helper()
	var inside, outside []weights.Tensor
	for _, tensor := range imlTensors(g, false) {
		tensor.Name = strings.TrimPrefix(tensor.Name, "model.")
		if rest, ok := strings.CutPrefix(tensor.Name, "backbone."); ok {
			tensor.Name = rest
			inside = append(inside, tensor)
		} else {
			outside = append(outside, tensor)
		}
	}
	return networktest.Store(t, inside, nil), networktest.Store(t, outside, nil)
}

func goldenMap(t *testing.T, m *Pretrained) *engine.Tensor {
	t.Helper()
	p, err := m.Program(64, 64)
	if err != nil {
		t.Fatal(err)
	}
	return runProgram(t, enginetest.Open(t), p, false, map[string]*engine.Tensor{PortImage: dinoPicture(t, 64, 64)})[PortLogits]
}

// Adapters in PEFT's files give PyTorch's map, for the joint layer and for split ones, and so does
// the network with merged adapters.
func TestPEFT(t *testing.T) {
	g := readDINO(t)
	backbone, head := goldenFiles(t, g)
	for _, joint := range []bool{true, false} {
		o := Override{Arch: "dinov3", Decoder: DecoderConv3, Input: 64}
		m, err := OpenPretrained(head, o, backbone, adapterFile(t, peftTensors(g, joint), peftText))
		if err != nil {
			t.Fatal(err)
		}
		if _, ranks := m.Uses()[0].Backbone.Adapters(); !slices.Equal(ranks, []int{4}) {
			t.Errorf("adapters of ranks %v", ranks)
		}
		compareFeatures(t, fmt.Sprintf("map, joint %t", joint), g.IML.LoRA, goldenMap(t, m), g.Stride)
		compareFeatures(t, fmt.Sprintf("merged map, joint %t", joint), g.IML.LoRA, goldenMap(t, merged(t, m)), g.Stride)
	}
	own, err := OpenPretrained(networktest.Store(t, imlTensors(g, true), nil), Override{Input: 64})
	if err != nil {
		t.Fatal(err)
	}
	again := merged(t, own)
	compareFeatures(t, "merged map of DINOv3-IML", g.IML.LoRA, goldenMap(t, again), g.Stride)
	if count, _ := again.Uses()[0].Backbone.Adapters(); count != 0 {
		t.Errorf("the merged file has %d adapters", count)
	}
	if _, _, err := again.Merged(); err == nil {
		t.Error("a network without adapters was merged")
	}
}

// The digest follows the settings next to a file of adapters, which change what they compute.
func TestAdaptersDigest(t *testing.T) {
	g := readDINO(t)
	backbone, head := goldenFiles(t, g)
	file := adapterFile(t, peftTensors(g, true), peftText)
	seen := map[string]string{}
	for _, settings := range []string{
		peftText,
		strings.Replace(peftText, `"lora_alpha":8`, `"lora_alpha":16`, 1),
		strings.Replace(peftText, `"bias"`, `"use_rslora":true,"bias"`, 1),
	} {
		path := filepath.Join(filepath.Dir(file.Path()), adapterConfig)
		if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := OpenPretrained(head, Override{Arch: "dinov3", Decoder: DecoderConv3, Input: 64}, backbone, file)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := m.Uses()[0].Backbone.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[digest]; ok {
			t.Errorf("settings %s and %s have the same digest", other, settings)
		}
		seen[digest] = settings
	}
}

// merged is the model in a file with its adapters merged.
func merged(t *testing.T, m *Pretrained) *Pretrained {
	t.Helper()
	list, metadata, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, r := range list {
		tensor := weights.Tensor{Name: r.Name, DType: r.Tensor.DType, Shape: r.Tensor.Shape}
		if r.Merge == nil {
			tensor.Data, err = r.File.Bytes(r.Tensor.Name)
		} else {
			var values []float32
			values, err = r.Merge(context.Background())
			tensor = weights.FromFloat32s(r.Name, r.Tensor.Shape, values)
		}
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, tensor)
	}
	opened, err := OpenPretrained(networktest.Store(t, tensors, metadata), Override{})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// Adapters that would change the results silently are refused.
func TestPEFTRefused(t *testing.T) {
	g := readDINO(t)
	backbone, head := goldenFiles(t, g)
	joint := peftTensors(g, true)
	stray := append(slices.Clone(joint), weights.FromFloat32s("base_model.model.head.lora_A.weight", []int{4, 128}, make([]float32, 512)))
	for want, f := range map[string]*weights.File{
		"adapter_config.json, which": adapterFile(t, joint, ""),
		"use_dora":                   adapterFile(t, joint, `{"peft_type":"LORA","lora_alpha":8,"use_dora":true}`),
		"lora_alpha 0":               adapterFile(t, joint, `{"peft_type":"LORA"}`),
		"type \"IA3\"":               adapterFile(t, joint, `{"peft_type":"IA3","lora_alpha":8}`),
		"alpha_pattern":              adapterFile(t, joint, `{"peft_type":"LORA","lora_alpha":8,"alpha_pattern":{"qkv":2}}`),
		"head.lora_A":                adapterFile(t, stray, peftText),
		"adapter_config.json: ":      adapterFile(t, joint, "{"),
	} {
		_, err := OpenPretrained(head, Override{Arch: "dinov3", Decoder: DecoderConv3, Input: 64}, backbone, f)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	vit := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 64, 8, 1, 4)), nil)
	if _, err := BackbonesIn([]*weights.File{vit, adapterFile(t, joint, peftText)}); !errors.Is(err, ErrSpec) {
		t.Errorf("adapters for CLIP: %v", err)
	}
}

// The factor of a checkpoint's adapters is twice the rank, unless the file's options state another.
func TestStatedAlpha(t *testing.T) {
	g := readDINO(t)
	for text, want := range map[string]float64{"": 2, "4": 1} {
		metadata := map[string]string{}
		if text != "" {
			metadata["args.lora_alpha"] = text
		}
		m, err := OpenPretrained(networktest.Store(t, imlTensors(g, true), metadata), Override{Input: 64})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Uses()[0].Backbone.layout.adapters.factor(4); got != want {
			t.Errorf("alpha %q gives the factor %g, expected %g", text, got, want)
		}
	}
	if _, err := Recognise(networktest.Store(t, imlTensors(g, true), map[string]string{"args.lora_alpha": "many"})); err == nil {
		t.Error("an alpha that is not a number was accepted")
	}
}
