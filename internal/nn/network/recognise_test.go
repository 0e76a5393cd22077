package network

import (
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

// tinyViT is a transformer and a decoder in the published layout, small enough for many tests.
func tinyViT() []networktest.Rule {
	return slices.Concat(networktest.ViT("model.model.visual.", 64, 8, 2, 3),
		networktest.Conv("model.", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4})))
}

// stub is a tensor whose values do not matter.
func stub(name string, shape ...int) weights.Tensor {
	return weights.Tensor{Name: name, DType: weights.Float16, Shape: shape, Data: make([]byte, 2*elements(shape))}
}

// publishedStubs are the tensors by which a transformer is recognised.
func publishedStubs(v vit) []weights.Tensor {
	list := []weights.Tensor{stub("visual.conv1.weight", v.width, 3, v.patch, v.patch), stub("visual.class_embedding", v.width),
		stub("visual.positional_embedding", v.grid*v.grid+1, v.width)}
	for i := range v.blocks {
		list = append(list, stub(fmt.Sprintf("visual.transformer.resblocks.%d.ln_1.weight", i), v.width))
	}
	return list
}

// Published sizes have their published names; the tensors with the sizes are enough.
func TestPublishedNames(t *testing.T) {
	for name, v := range vits {
		expectArch(t, publishedStubs(v), name, v.side())
	}
	for _, r := range resnets {
		list := []weights.Tensor{stub("visual.attnpool.positional_embedding", r.input*r.input/32/32+1, 8)}
		for i, n := range r.blocks {
			for k := range n {
				list = append(list, stub(fmt.Sprintf("visual.layer%d.%d.conv1.weight", i+1, k), r.width, 1, 1, 1))
			}
		}
		expectArch(t, list, r.name, r.input)
	}
	for want, side := range map[string]int{"ViT-L/14": 224, "ViT-B/32": 224, "ViT-L/14@336px": 336} {
		if got := vits[want].side(); got != side {
			t.Errorf("%s takes %d pixels, expected %d", want, got, side)
		}
	}
}

func expectArch(t *testing.T, list []weights.Tensor, want string, side int) {
	t.Helper()
	data, err := weights.Marshal(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Recognise(open(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Backbones) != 1 || c.Backbones[0].Arch() != want || c.Backbones[0].Side() != side || c.HasDecoder {
		t.Errorf("%d backbones, the first %s for %d pixels, decoder %v: expected %s for %d and no decoder",
			len(c.Backbones), c.Backbones[0].Arch(), c.Backbones[0].Side(), c.HasDecoder, want, side)
	}
}

// huggingFace renames a transformer's tensors as Hugging Face does, which stores the projections of
// attention separately.
func huggingFace(t *testing.T, list []weights.Tensor) []weights.Tensor {
	t.Helper()
	fixed := map[string]string{
		"conv1.weight":         "embeddings.patch_embedding.weight",
		"class_embedding":      "embeddings.class_embedding",
		"positional_embedding": "embeddings.position_embedding.weight",
		"ln_pre.weight":        "pre_layrnorm.weight",
		"ln_pre.bias":          "pre_layrnorm.bias",
	}
	var out []weights.Tensor
	for _, tensor := range list {
		name, ok := strings.CutPrefix(tensor.Name, "visual.")
		if !ok {
			t.Fatalf("unexpected tensor %s", tensor.Name)
		}
		if to, ok := fixed[name]; ok {
			tensor.Name = "vision_model." + to
			out = append(out, tensor)
			continue
		}
		var block int
		var layer string
		if _, err := fmt.Sscanf(name, "transformer.resblocks.%d.%s", &block, &layer); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		prefix := fmt.Sprintf("vision_model.encoder.layers.%d.", block)
		if kind, ok := strings.CutPrefix(layer, "attn.in_proj_"); ok {
			third := len(tensor.Data) / 3
			for i, which := range []string{"q", "k", "v"} {
				part := tensor
				part.Name = prefix + "self_attn." + which + "_proj." + kind
				part.Shape = slices.Clone(tensor.Shape)
				part.Shape[0] /= 3
				part.Data = tensor.Data[i*third : (i+1)*third]
				out = append(out, part)
			}
			continue
		}
		at := strings.LastIndex(layer, ".")
		tensor.Name = prefix + map[string]string{"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj",
			"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}[layer[:at]] + layer[at:]
		out = append(out, tensor)
	}
	return out
}

// The same weights under other names, in other types and in another order in the file give the same
// features.
func TestOtherLayoutsGiveTheSame(t *testing.T) {
	e := enginetest.Open(t)
	tensors := networktest.Tensors(networktest.ViT("visual.", 128, 8, 2, 3))
	for i, tensor := range tensors {
		// Values that float16 and bfloat16 represent exactly.
		values := networktest.Uniform(tensor.Name, tensor.Count(), 0.3, 0)
		for k, v := range values {
			values[k] = float32(math.Round(float64(v)*128) / 128)
		}
		tensors[i] = weights.FromFloat32s(tensor.Name, tensor.Shape, values)
	}
	retyped := func(dtype weights.DType) []weights.Tensor {
		list := slices.Clone(tensors)
		for i, tensor := range list {
			list[i] = retype(tensor, dtype)
		}
		return list
	}
	var want []float32
	for _, layout := range []struct {
		name string
		list []weights.Tensor
	}{
		{"openai", tensors},
		{"hugging face", huggingFace(t, tensors)},
		{"float16", retyped(weights.Float16)},
		{"bfloat16", retyped(weights.BFloat16)},
		{"float64", retyped(weights.Float64)},
	} {
		c, err := Recognise(networktest.Store(t, layout.list, nil))
		if err != nil {
			t.Fatalf("%s: %v", layout.name, err)
		}
		p, err := c.Backbones[0].Program("layer0", "layer1")
		if err != nil {
			t.Fatalf("%s: %v", layout.name, err)
		}
		for _, lowMemory := range []bool{false, true} {
			out := runProgram(t, e, p, lowMemory, map[string]*engine.Tensor{"image": goldenPicture(t, 24)})
			got := slices.Concat(out["layer0"].Float32s(), out["layer1"].Float32s())
			if want == nil {
				want = got
			}
			// Packed weights are multiplied in another order: 1e-5 of values of up to about 3.
			for i := range want {
				if math.Abs(float64(want[i]-got[i])) > 3e-5 {
					t.Fatalf("%s, low memory %v: feature %d is %g, expected %g", layout.name, lowMemory, i, got[i], want[i])
				}
			}
		}
	}
}

// retype stores a float32 tensor's values, which must fit, in another type.
func retype(tensor weights.Tensor, dtype weights.DType) weights.Tensor {
	values := make([]float32, tensor.Count())
	for i := range values {
		values[i] = math.Float32frombits(uint32(tensor.Data[4*i]) | uint32(tensor.Data[4*i+1])<<8 | uint32(tensor.Data[4*i+2])<<16 | uint32(tensor.Data[4*i+3])<<24)
	}
	var data []byte
	for _, v := range values {
		switch dtype {
		case weights.Float16:
			data = appendBits(data, uint64(weights.ToHalf(v)), 2)
		case weights.BFloat16:
			data = appendBits(data, uint64(math.Float32bits(v)>>16), 2)
		case weights.Float64:
			data = appendBits(data, math.Float64bits(float64(v)), 8)
		}
	}
	return weights.Tensor{Name: tensor.Name, DType: dtype, Shape: tensor.Shape, Data: data}
}

func appendBits(data []byte, bits uint64, size int) []byte {
	for i := range size {
		data = append(data, byte(bits>>(8*i)))
	}
	return data
}

func TestRecognisesWithoutMetadata(t *testing.T) {
	vision := networktest.ViT("visual.", 64, 8, 2, 3)
	residual := networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 2)
	plan := networktest.AllStages(8, [4]int{8, 8, 4, 4})
	early := networktest.ConvPlan{Depth: 4, Widths: plan.Widths, Upsample: [4]bool{false, true, true, true}, Resize: true}
	for want, rules := range map[string][]networktest.Rule{
		"ViT-64x2/8@24px layer1 conv-8":    slices.Concat(vision, networktest.Conv("", 64, plan)),
		"ViT-64x2/8@24px layer1 linear":    slices.Concat(vision, networktest.Linear("", 64)),
		"ViT-64x2/8@24px layer1 attention": slices.Concat(vision, networktest.Attention("", 64)),
		"RN-16x1.1.1.1@64px layer2 conv-4": slices.Concat(residual, networktest.Conv("", 128, early)),
		"RN-16x1.1.1.1@64px layer3 linear": slices.Concat(residual, networktest.Linear("", 256)),
	} {
		m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(rules), nil), Override{})
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if m.Spec().String() != want || m.Spec().Output != OutputSide {
			t.Errorf("got %v with %d logits, expected %s", m.Spec(), m.Spec().Output, want)
		}
	}
}

func TestOverride(t *testing.T) {
	f := networktest.Store(t, networktest.Tensors(tinyViT()), networktest.Published("layer1", "conv-4"))
	for _, c := range []struct {
		o    Override
		want string // the network, or a part of the error
	}{
		{Override{}, "ViT-64x2/8@24px layer1 conv-4"},
		{Override{Layer: "layer0"}, "ViT-64x2/8@24px layer0 conv-4"},
		{Override{Arch: "vit"}, "ViT-64x2/8@24px layer1 conv-4"},
		{Override{Arch: "ViT-64x2/8@24"}, "ViT-64x2/8@24px layer1 conv-4"},
		{Override{Arch: "RN50"}, `contains ViT-64x2/8@24px, arch "RN50" was requested`},
		{Override{Arch: "ViT,RN50"}, `contains ViT-64x2/8@24px, arch "ViT,RN50" was requested`},
		{Override{Arch: "a,b,c"}, "expected one backbone or two"},
		{Override{Layer: "layer2"}, `has no layer "layer2", it has layer0 to layer1`},
		{Override{Decoder: "conv-8"}, `tensor "model.fc.7.weight"`},
		{Override{Decoder: "conv-5"}, "K must be a multiple of 4"},
		{Override{Decoder: "linear"}, `tensor "model.fc.0.weight" has shape [8 64 5 5], expected [1 64 1 1]`},
		{Override{Decoder: "attention"}, `tensor "model.att1.ln_1.weight" is missing`},
	} {
		m, err := OpenPretrained(f, c.o)
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && m.Spec().String() != c.want {
			t.Errorf("%+v: got %v, %v: expected %s", c.o, m, err, c.want)
		}
	}
}

func TestBadTensorsAreNamed(t *testing.T) {
	change := func(name string, to func(weights.Tensor) weights.Tensor) []weights.Tensor {
		var list []weights.Tensor
		for _, tensor := range networktest.Tensors(tinyViT()) {
			if tensor.Name == name {
				if tensor = to(tensor); tensor.Name == "" {
					continue
				}
			}
			list = append(list, tensor)
		}
		return list
	}
	gone := func(weights.Tensor) weights.Tensor { return weights.Tensor{} }
	shaped := func(shape ...int) func(weights.Tensor) weights.Tensor {
		return func(t weights.Tensor) weights.Tensor {
			return weights.FromFloat32s(t.Name, shape, make([]float32, elements(shape)))
		}
	}
	integers := func(t weights.Tensor) weights.Tensor {
		return weights.Tensor{Name: t.Name, DType: weights.Int32, Shape: t.Shape, Data: t.Data}
	}
	const v, b = "model.model.visual.", "model.model.visual.transformer.resblocks.1."
	for _, c := range []struct {
		name string
		to   func(weights.Tensor) weights.Tensor
		want string
	}{
		{v + "ln_pre.bias", gone, `tensor "model.model.visual.ln_pre.bias" is missing`},
		{v + "conv1.weight", gone, `tensor "model.model.visual.conv1.weight" is missing`},
		{v + "conv1.weight", shaped(64, 3, 8), `"model.model.visual.conv1.weight" has shape [64 3 8], expected 4 dimensions`},
		{v + "conv1.weight", shaped(64, 4, 8, 8), `"model.model.visual.conv1.weight" has shape [64 4 8 8], expected [64 3 8 8]`},
		{v + "conv1.weight", shaped(65, 3, 8, 8), `a transformer of width 65: expected a multiple of 64`},
		{v + "positional_embedding", shaped(12, 64), `"model.model.visual.positional_embedding" has shape [12 64]: expected one row more than a square`},
		{v + "positional_embedding", shaped(1, 64), `a transformer over 0 x 0 patches`},
		{b + "attn.in_proj_weight", gone, `tensor "` + b + `attn.in_proj_weight" is missing`},
		{b + "attn.in_proj_bias", shaped(64), `tensor "` + b + `attn.in_proj_bias" has shape [64], expected [192]`},
		{b + "mlp.c_fc.weight", shaped(128, 64), `tensor "` + b + `mlp.c_fc.weight" has shape [128 64], expected [256 64]`},
		{b + "ln_2.weight", integers, `tensor "` + b + `ln_2.weight" holds I32, expected floating-point numbers`},
		{"model.fc.0.weight", gone, "holds a backbone (ViT-64x2/8@24px) without a decoder"},
		{"model.fc.0.weight", shaped(8, 32, 5, 5), `tensor "model.fc.0.weight" has shape [8 32 5 5], expected [8 64 5 5]`},
		{"model.fc.4.bias", gone, `tensor "model.fc.4.bias" is missing`},
		{"model.fc.5.running_var", shaped(9), `tensor "model.fc.5.running_var" has shape [9], expected [8]`},
		{"model.fc.16.weight", shaped(1, 4, 3, 3), `tensor "model.fc.16.weight" has shape [1 4 3 3], expected [1 4 5 5]`},
	} {
		f := networktest.Store(t, change(c.name, c.to), networktest.Published("layer1", "conv-4"))
		if _, err := OpenPretrained(f, Override{}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), f.Path()) && !errors.Is(err, ErrSpec) {
			t.Errorf("%s: got %v, expected %s", c.name, err, c.want)
		}
	}
}

// A tensor that the requested layer does not need may be missing.
func TestStopsAtTheLayer(t *testing.T) {
	var list []weights.Tensor
	for _, tensor := range networktest.Tensors(tinyViT()) {
		if !strings.Contains(tensor.Name, "resblocks.1.mlp") {
			list = append(list, tensor)
		}
	}
	f := networktest.Store(t, list, networktest.Published("layer0", "conv-4"))
	if _, err := OpenPretrained(f, Override{}); err != nil {
		t.Error(err)
	}
	if _, err := OpenPretrained(f, Override{Layer: "layer1"}); err == nil {
		t.Error("layer1 has no MLP, expected an error")
	}
}

func TestDecoderAlone(t *testing.T) {
	vision := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 3)), nil)
	residual := networktest.Store(t, networktest.Tensors(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 2)), nil)
	plan := networktest.AllStages(4, [4]int{8, 8, 4, 4})
	both := plan
	both.Resize = true
	fusion := networktest.Store(t, networktest.Tensors(networktest.Conv("fc_only.", 64+256, both)), networktest.Published("layer0", "conv-4"))
	alone := networktest.Store(t, networktest.Tensors(networktest.Conv("", 64, plan)), networktest.Published("layer0", "conv-4"))
	published := networktest.Store(t, []weights.Tensor{stub("model.fc.0.weight", 8, 2048, 5, 5)}, networktest.Published("layer20", "conv-20"))
	large := networktest.Store(t, publishedStubs(vits["ViT-L/14"]), nil)
	for _, c := range []struct {
		f      *weights.File
		beside []*weights.File
		o      Override
		want   string
	}{
		{fusion, []*weights.File{residual, vision}, Override{}, "ViT-64x2/8@24px,RN-16x1.1.1.1@64px layer0 conv-4"},
		{fusion, []*weights.File{vision, residual}, Override{Arch: "rn,vit"}, "ViT-64x2/8@24px,RN-16x1.1.1.1@64px layer0 conv-4"},
		{alone, []*weights.File{vision, residual}, Override{}, "ViT-64x2/8@24px layer0 conv-4"},
		{fusion, []*weights.File{vision}, Override{}, "its decoder takes 320 channels, which ViT-64x2/8@24px does not have: it has 64, and a residual network with 256 at layer3 is missing"},
		{fusion, []*weights.File{residual}, Override{}, "its decoder takes 320 channels, which RN-16x1.1.1.1@64px does not have"},
		{alone, []*weights.File{residual}, Override{}, "its decoder takes 64 channels, which RN-16x1.1.1.1@64px does not have"},
		{fusion, []*weights.File{vision}, Override{Arch: "ViT,RN50"}, "it needs the weights of RN50 in files of their own"},
		{published, nil, Override{}, "it needs the weights of ViT-L/14 and RN50 in files of their own"},
		{published, []*weights.File{large}, Override{}, "it needs the weights of RN50 in files of their own"},
		{published, []*weights.File{vision}, Override{}, "its decoder takes 2048 channels, which ViT-64x2/8@24px does not have"},
		{published, []*weights.File{vision, vision}, Override{Arch: "ViT,ViT"}, "expected a transformer and a residual network"},
	} {
		m, err := OpenPretrained(c.f, c.o, c.beside...)
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && m.Spec().String() != c.want {
			t.Errorf("%+v: got %v, %v: expected %s", c.o, m, err, c.want)
		}
	}
	var needs *MissingBackboneError
	if _, err := OpenPretrained(published, Override{}); !errors.As(err, &needs) || !slices.Equal(needs.Archs, []string{"ViT-L/14", "RN50"}) {
		t.Errorf("got %v, expected a MissingBackboneError", err)
	}
}

func TestNoTokensNoAttention(t *testing.T) {
	rules := slices.Concat(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 2), networktest.Linear("", 256))
	_, err := OpenPretrained(networktest.Store(t, networktest.Tensors(rules), nil), Override{Decoder: "attention"})
	if err == nil || !strings.Contains(err.Error(), "attention needs a backbone with tokens, RN-16x1.1.1.1@64px has none") {
		t.Errorf("got %v", err)
	}
}
