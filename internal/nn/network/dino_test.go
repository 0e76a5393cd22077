package network

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

var namings = []string{"meta", "huggingface", "timm"}

func readDINO(t *testing.T) networktest.DINOGolden {
	t.Helper()
	return networktest.ReadDINO(t, "testdata/dino.json")
}

// dinoPicture is dino.py's picture of levels, normalised by Mean and Std: [2, 3, h, w].
func dinoPicture(t *testing.T, h, w int) *engine.Tensor {
	t.Helper()
	values := networktest.Uniform(fmt.Sprintf("picture %d %d", h, w), 2*3*h*w, 0.5, 0.5)
	for i := range values {
		c := i / (h * w) % 3
		values[i] = (values[i] - Mean[c]) / Std[c]
	}
	image, err := engine.NewTensor([]int{2, 3, h, w}, values)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// onlyBackbone is the backbone in a file of tensors.
func onlyBackbone(t *testing.T, tensors []weights.Tensor) *Backbone {
	t.Helper()
	c, err := Recognise(networktest.Store(t, tensors, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Backbones) != 1 || c.HasDecoder {
		t.Fatalf("%d backbones, decoder %t, expected a backbone alone", len(c.Backbones), c.HasDecoder)
	}
	return c.Backbones[0]
}

// every is every stride-th value.
func every(values []float32, stride int) (kept []float32) {
	for i := 0; i < len(values); i += stride {
		kept = append(kept, values[i])
	}
	return kept
}

// The features follow PyTorch's for each network, naming, input size, layer and form of the
// program.
func TestDINOFollowsPyTorch(t *testing.T) {
	e := enginetest.Open(t)
	g := readDINO(t)
	for _, c := range g.Cases {
		for _, naming := range namings {
			t.Run(c.Name+" "+naming, func(t *testing.T) {
				b := onlyBackbone(t, c.File(t, naming))
				for _, s := range c.Sizes {
					sized, err := b.At(s.Height, s.Width)
					if err != nil {
						t.Fatal(err)
					}
					for _, form := range []Form{Plain, {Blocked: true}} {
						for layer, out := range runBackbone(t, e, sized, form, dinoPicture(t, s.Height, s.Width)) {
							compareFeatures(t, fmt.Sprintf("%s at %d x %d", layer, s.Height, s.Width), s.Features[layer], out, g.Stride)
						}
					}
				}
			})
		}
	}
}

// runBackbone computes the golden layers as a chain of two programs.
func runBackbone(t *testing.T, e *engine.Engine, b *Backbone, form Form, image *engine.Tensor) map[string]*engine.Tensor {
	t.Helper()
	chain, err := b.Chain(form, 2, "layer0", "layer1-norm")
	if err != nil {
		t.Fatal(err)
	}
	all, inputs := map[string]*engine.Tensor{}, map[string]*engine.Tensor{PortImage: image}
	for _, p := range chain {
		out := runProgram(t, e, p, false, inputs)
		inputs = map[string]*engine.Tensor{Carried: out[Carry]}
		delete(out, Carry)
		for layer, f := range out {
			all[layer] = f
		}
	}
	if len(all) != 2 {
		t.Fatalf("%d layers, expected 2", len(all))
	}
	return all
}

func compareFeatures(t *testing.T, what string, want networktest.GoldenTensor, got *engine.Tensor, stride int) {
	t.Helper()
	if !slices.Equal(got.Shape(), want.Shape) {
		t.Errorf("%s has shape %v, expected %v", what, got.Shape(), want.Shape)
		return
	}
	// The promise for networks of full size is 1e-3.
	if largest, difference := want.Largest(every(got.Float32s(), stride)); !(difference <= 2e-5*largest) {
		t.Errorf("%s differs by %g, the largest value is %g", what, difference, largest)
	}
}

// Files of all namings hold the same network, where they hold the same values.
func TestDINODigests(t *testing.T) {
	for _, c := range readDINO(t).Cases {
		digests := map[string]string{}
		for _, naming := range namings {
			digest, err := onlyBackbone(t, c.File(t, naming)).Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests[naming] = digest
		}
		if digests["meta"] != digests["huggingface"] {
			t.Errorf("%s: Meta's and Hugging Face's files have different digests", c.Name)
		}
		// timm adds the class token's position to the token where there are registers.
		added := strings.Contains(c.Name, "dinov2 ")
		if same := digests["meta"] == digests["timm"]; same == added {
			t.Errorf("%s: digests of Meta's and timm's files are equal: %t, expected %t", c.Name, same, !added)
		}
	}
}

// DINOv3-IML's map follows PyTorch's, with and without adapters.
func TestDINOv3IMLFollowsPyTorch(t *testing.T) {
	e := enginetest.Open(t)
	g := readDINO(t)
	for _, lora := range []bool{false, true} {
		m, err := OpenPretrained(networktest.Store(t, imlTensors(g, lora), nil), Override{Input: 64})
		if err != nil {
			t.Fatal(err)
		}
		if s := m.Spec(); s.Decoder != DecoderConv3 || s.Input != 64 || s.Output != 64 || s.Layer != "layer1-norm" {
			t.Errorf("recognised as %+v", s)
		}
		p, err := m.Program(64, 64)
		if err != nil {
			t.Fatal(err)
		}
		out := runProgram(t, e, p, false, map[string]*engine.Tensor{PortImage: dinoPicture(t, 64, 64)})[PortLogits]
		want := g.IML.Plain
		if lora {
			want = g.IML.LoRA
		}
		compareFeatures(t, fmt.Sprintf("map with adapters %t", lora), want, out, g.Stride)
	}
}

// imlTensors are the tensors of DINOv3-IML's checkpoint, with adapters or without.
func imlTensors(g networktest.DINOGolden, lora bool) (list []weights.Tensor) {
	for _, tensor := range networktest.Tensors(g.IML.Rules) {
		name := tensor.Name
		adapter := strings.Contains(name, "lora_")
		if adapter && !lora {
			continue
		}
		if rest, ok := strings.CutSuffix(name, "attn.qkv.weight"); ok && lora {
			name = rest + "attn.qkv.base_layer.weight"
		}
		if rest, ok := strings.CutSuffix(name, "attn.qkv.bias"); ok && lora {
			name = rest + "attn.qkv.base_layer.bias"
		}
		if !strings.HasPrefix(name, "seg_head.") {
			name = "backbone." + name
		}
		tensor.Name = "model." + name
		list = append(list, tensor)
	}
	mask := slices.Repeat([]float32{1}, 3*128)
	clear(mask[128:256])
	for i := range 2 {
		name := fmt.Sprintf("model.backbone.blocks.%d.attn.qkv.bias_mask", i)
		if lora {
			name = fmt.Sprintf("model.backbone.blocks.%d.attn.qkv.base_layer.bias_mask", i)
		}
		list = append(list, weights.FromFloat32s(name, []int{3 * 128}, mask))
	}
	return append(list, networktest.Periods("model.backbone.rope_embed.periods"))
}

// Published sizes have published names, also after the network was cut.
func TestDINONames(t *testing.T) {
	for _, k := range dinoNames {
		d := dino{version: k.version, width: k.width, patch: k.patch, blocks: k.blocks, hidden: k.hidden, grid: k.frame, gated: k.gated}
		if k.version == 3 {
			d.registers = dinoRegisters
		}
		if d.arch() != k.name {
			t.Errorf("%s is named %s", k.name, d.arch())
		}
		if cut := (Use{&Backbone{tower: d}, "layer3-norm"}); cutBehind(d, cut.Layer).arch() != k.name {
			t.Errorf("%s is named %s after it was cut", k.name, cutBehind(d, cut.Layer).arch())
		}
	}
	for _, asked := range []string{"dinov2_vits14_reg4", "DINOv2-ViTS14-reg", "dinov2"} {
		if !sameArch(asked, "dinov2-vits14-reg") {
			t.Errorf("%q does not name dinov2-vits14-reg", asked)
		}
	}
}

// A damaged or different network is refused by the name of what is wrong with it.
func TestDINORefused(t *testing.T) {
	plain := networktest.DINOv3("", 64, 1)
	change := func(name string, to weights.Tensor) []weights.Tensor {
		list := slices.Clone(plain)
		i := slices.IndexFunc(list, func(t weights.Tensor) bool { return t.Name == name })
		if i < 0 {
			return append(list, to)
		}
		list[i] = to
		return list
	}
	floats := func(name string, shape ...int) weights.Tensor {
		return networktest.Rule{Name: name, Shape: shape, Scale: 1}.Tensor()
	}
	zeros := make([]float32, 16)
	nan := slices.Repeat([]float32{float32(math.NaN())}, 192)
	for name, c := range map[string]struct {
		tensors []weights.Tensor
		say     string
	}{
		"width":       {change("patch_embed.proj.weight", floats("patch_embed.proj.weight", 65, 3, 16, 16)), "multiple of 64"},
		"patch":       {change("patch_embed.proj.weight", floats("patch_embed.proj.weight", 64, 3, 16, 8)), "square"},
		"periods":     {change("rope_embed.periods", weights.FromFloat32s("rope_embed.periods", []int{16}, zeros)), "period 0"},
		"mask":        {change("blocks.0.attn.qkv.bias_mask", weights.FromFloat32s("blocks.0.attn.qkv.bias_mask", []int{192}, nan)), "NaN"},
		"class norm":  {change("cls_norm.weight", floats("cls_norm.weight", 64)), "cls_norm.weight"},
		"extra layer": {change("blocks.0.attn.q_norm.weight", floats("blocks.0.attn.q_norm.weight", 64)), "q_norm"},
		"shape":       {change("blocks.0.mlp.fc1.weight", floats("blocks.0.mlp.fc1.weight", 128, 64)), "blocks.0.mlp.fc1"},
	} {
		t.Run(name, func(t *testing.T) {
			c2, err := Recognise(networktest.Store(t, c.tensors, nil))
			if err == nil {
				err = c2.Backbones[0].Check("layer0-norm")
			}
			if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), ".safetensors") {
				t.Errorf("error %v, expected one that names the file and says %q", err, c.say)
			}
		})
	}
	b := onlyBackbone(t, plain)
	if _, err := b.At(8, 64); !errors.Is(err, ErrSpec) {
		t.Errorf("a picture smaller than a patch: error %v", err)
	}
	if _, err := b.Features("layer1"); !errors.Is(err, ErrSpec) {
		t.Errorf("a missing layer: error %v", err)
	}
}

// A picture whose sides are not multiples of the patch loses its last rows and columns.
func TestDINOCutsOff(t *testing.T) {
	e := enginetest.Open(t)
	b := onlyBackbone(t, networktest.DINOv3("", 64, 1))
	sized, err := b.At(40, 55)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := sized.Features(""); err != nil || f.Height != 2 || f.Width != 3 || f.Registers != 4 {
		t.Fatalf("features %+v, %v", f, err)
	}
	p, err := sized.Program("layer0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), map[string]*engine.Tensor{PortImage: dinoPicture(t, 40, 55)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := out["layer0"].Shape(); !slices.Equal(got, []int{2, 5 + 6, 64}) {
		t.Errorf("features have shape %v", got)
	}
}
