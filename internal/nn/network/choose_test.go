package network

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// A residual network's layer and a transformer may have equal numbers of channels. The decoder's
// tensors show which one it belongs to, in any order of the files.
func TestDecoderTellsItsBackbone(t *testing.T) {
	vision := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 128, 8, 4, 3)), nil)
	residual := networktest.Store(t, networktest.Tensors(networktest.ResNet("visual.", 8, [4]int{1, 1, 1, 1}, 2)), nil)
	plan := networktest.AllStages(4, [4]int{8, 8, 4, 4})
	resized := plan
	resized.Resize = true
	kernel := stub("fc.0.weight", 1, 128, 1, 1)
	for _, c := range []struct {
		decoder []weights.Tensor
		want    string
	}{
		{networktest.Tensors(networktest.Conv("", 128, plan)), "ViT-128x4/8@24px layer3 conv-4"},
		{networktest.Tensors(networktest.Conv("", 128, resized)), "RN-8x1.1.1.1@64px layer3 conv-4"},
		{networktest.Tensors(networktest.Linear("", 128)), "ViT-128x4/8@24px layer3 linear"},
		{[]weights.Tensor{kernel, stub("fc.0.bias", 1)}, "RN-8x1.1.1.1@64px layer3 linear"},
		{networktest.Tensors(networktest.Attention("", 128)), "ViT-128x4/8@24px layer3 attention"},
	} {
		f := networktest.Store(t, c.decoder, networktest.Published("layer3", ""))
		for _, beside := range [][]*weights.File{{vision, residual}, {residual, vision}} {
			if m, err := OpenPretrained(f, Override{}, beside...); err != nil || m.Spec().String() != c.want {
				t.Errorf("got %v, %v: expected %s", m, err, c.want)
			}
		}
	}
}

// A missing backbone gets its published name if its size and layer fit.
func TestLackingBackbonesAreNamed(t *testing.T) {
	for _, c := range []struct {
		channels int
		layer    string
		cnn      bool
		want     string
	}{
		{channels: 1024, layer: "layer20", want: "ViT-L/14"},
		{channels: 1024, layer: "layer3", cnn: true, want: "RN50"},
		{channels: 512, cnn: true, want: "RN50"},
		{channels: 512, layer: "layer3", cnn: true, want: "backbones with 512 channels"},
		{channels: 2048, layer: "layer20", cnn: true, want: "ViT-L/14 and RN50"},
		{channels: 256, layer: "layer20", want: "backbones with 256 channels"},
	} {
		plan := networktest.AllStages(4, [4]int{2, 2, 2, 2})
		plan.Resize = c.cnn
		f := networktest.Store(t, networktest.Tensors(networktest.Conv("", c.channels, plan)), networktest.Published(c.layer, "conv-4"))
		_, err := OpenPretrained(f, Override{})
		if want := "it needs the weights of " + c.want + " in files of their own"; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d channels of %q: got %v, expected %s", c.channels, c.layer, err, want)
		}
	}
}

// Training checkpoints may hold averages of the weights, or the best ones, next to the current
// ones.
func TestCopiesInOneFile(t *testing.T) {
	at := func(prefix string) []weights.Tensor {
		list := networktest.Tensors(tinyViT())
		for i := range list {
			list[i].Name = prefix + strings.TrimPrefix(list[i].Name, "model.")
		}
		return list
	}
	backbone := func(prefix string) []weights.Tensor {
		return networktest.Tensors(networktest.ViT(prefix, 64, 8, 2, 3))
	}
	for _, c := range []struct {
		list           []weights.Tensor
		from, backbone string // what is taken
	}{
		{slices.Concat(at("ema."), at("model.")), "model.", "model.model.visual."},
		{slices.Concat(at("best.state."), at("model.")), "model.", "model.model.visual."},
		{slices.Concat(at("model_ema.module."), at("state_dict.module.")), "state_dict.", "state_dict.model.visual."},
		{slices.Concat(at(""), at("average.")), "", "model.visual."},
		{slices.Concat(backbone("ema.visual."), backbone("state_dict.visual.")), "", "state_dict.visual."},
	} {
		contents, err := Recognise(networktest.Store(t, c.list, networktest.Published("layer1", "conv-4")))
		if err != nil {
			t.Errorf("%s: %v", c.backbone, err)
			continue
		}
		if len(contents.Backbones) != 1 || contents.Backbones[0].layout.prefix != c.backbone || contents.decoder.prefix != c.from {
			t.Errorf("got %d backbones, the first at %q, a decoder at %q: expected one at %q and a decoder at %q", len(contents.Backbones),
				contents.Backbones[0].layout.prefix, contents.decoder.prefix, c.backbone, c.from)
		}
		if _, err := contents.Backbone(""); err != nil {
			t.Error(err)
		}
	}
}

// The choice between copies is listed once for a network, however often the file is recognised.
func TestChoicesAreTold(t *testing.T) {
	under := func(prefix string, rules []networktest.Rule) []weights.Tensor {
		list := networktest.Tensors(rules)
		for i := range list {
			list[i].Name = prefix + list[i].Name
		}
		return list
	}
	visual := networktest.ViT("visual.", 64, 8, 2, 3)
	both := slices.Concat(visual, networktest.Conv("", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4})))
	for _, c := range []struct {
		list []weights.Tensor
		want string
	}{
		{slices.Concat(under("ema.", both), under("model.", both)), `["model." not ["ema."]]`},
		{slices.Concat(under("", both), under("average.", both)), `["" not ["average."]]`},
		{slices.Concat(under("ema.", visual), under("net.", visual)), `["net.visual." not ["ema.visual."]]`},
		{under("net.", both), `[]`},
	} {
		f := networktest.Store(t, c.list, networktest.Published("layer1", "conv-4"))
		for range 2 {
			if _, err := Recognise(f); err != nil {
				t.Fatal(err)
			}
		}
		told := []string{}
		for _, choice := range f.Choices() {
			told = append(told, fmt.Sprintf("%q not %q", choice.Used, choice.Unused))
		}
		if got := fmt.Sprint(told); got != c.want {
			t.Errorf("got %s, expected %s", got, c.want)
		}
	}
}

// A tensor that would change the network's results is an error; other unused tensors are not.
func TestUnknownTensorsAreRefused(t *testing.T) {
	const v, block = "model.model.visual.", "model.model.visual.transformer.resblocks.0."
	load := func(rules []networktest.Rule, extra weights.Tensor, layer string) error {
		f := networktest.Store(t, append(networktest.Tensors(rules), extra), networktest.Published(layer, ""))
		_, err := OpenPretrained(f, Override{})
		return err
	}
	residual := slices.Concat(networktest.ResNet("visual.", 8, [4]int{1, 1, 1, 1}, 2), networktest.Linear("", 64))
	for _, c := range []struct {
		rules []networktest.Rule
		name  string
		layer string
		bad   bool
	}{
		{tinyViT(), block + "ls_1.gamma", "layer1", true},
		{tinyViT(), block + "attn.lora_A", "layer1", true},
		{tinyViT(), block + "mlp.c_fc.lora_B.weight", "layer1", true},
		{tinyViT(), v + "conv1.bias", "layer1", true},
		{tinyViT(), "model.fc.20.weight", "layer1", true},
		{residual, "visual.layer2.0.se.weight", "layer2", true},
		{residual, "visual.layer3.0.se.weight", "layer2", false},
		{tinyViT(), v + "transformer.resblocks.1.ls_1.gamma", "layer0", false},
		{tinyViT(), v + "proj", "layer1", false},
		{tinyViT(), v + "ln_post.weight", "layer1", false},
		{tinyViT(), block + "attn_mask", "layer1", false},
		{tinyViT(), "model.fc.1.num_batches_tracked", "layer1", false},
		{tinyViT(), "model.model.transformer.resblocks.0.ln_1.weight", "layer1", false},
		{tinyViT(), "optimizer.state.0.exp_avg", "layer1", false},
	} {
		err := load(c.rules, stub(c.name, 4), c.layer)
		if c.bad && (err == nil || !strings.Contains(err.Error(), `unexpected tensor "`+c.name+`"`)) || !c.bad && err != nil {
			t.Errorf("%s at %s: got %v", c.name, c.layer, err)
		}
	}
}

func TestCheckNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	if err := CheckNaN("a.pth", []float32{0, inf, -inf}); err != nil {
		t.Error(err) // they have probabilities
	}
	if err := CheckNaN("a.pth", []float32{0, nan}); err == nil || !strings.HasPrefix(err.Error(), "a.pth: ") {
		t.Errorf("got %v", err)
	}
}
