package network

import (
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// rewrite makes a file of the tensors that a model needs.
func rewrite(t *testing.T, kept []RequiredTensor, metadata map[string]string) *weights.File {
	t.Helper()
	var list []weights.Tensor
	for _, k := range kept {
		values, err := k.File.Float32s(k.Tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, weights.FromFloat32s(k.Name, k.Tensor.Shape, values))
	}
	return networktest.Store(t, list, metadata)
}

// A file with only a model's tensors is the same model, and gives the golden logits.
func TestTensorsAreEnough(t *testing.T) {
	e := enginetest.Open(t)
	g := readGolden(t)
	for _, c := range g.Cases {
		t.Run(c.Name, func(t *testing.T) {
			f, beside := g.published(t, c)
			m, err := OpenPretrained(f, Override{}, beside...)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := m.Tensors()
			if err != nil {
				t.Fatal(err)
			}
			alone := rewrite(t, kept, m.Metadata())
			again, err := OpenPretrained(alone, Override{})
			if err != nil {
				t.Fatalf("what was kept, %q, is no model: %v", alone.Names(), err)
			}
			if got, want := again.Spec().Decoder+again.Spec().Layer, m.Spec().Decoder+m.Spec().Layer; got != want {
				t.Errorf("the copy is %v, expected %v", again.Spec(), m.Spec())
			}
			g.compare(t, c, runModel(t, e, again, Plain, false))
			// There are no further tensors to drop.
			twice, err := again.Tensors()
			if err != nil {
				t.Fatal(err)
			}
			if len(twice) != len(kept) {
				t.Errorf("the copy of %d tensors needs %d", len(kept), len(twice))
			}
		})
	}
}

// Tensors after the layer, of the text tower and of the optimizer are not needed.
func TestTensorsLeaveOut(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Cases {
		f, beside := g.published(t, c)
		m, err := OpenPretrained(f, Override{}, beside...)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := m.Tensors()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range kept {
			for _, other := range []string{"num_batches_tracked", "text_projection", "token_embedding", "optimizer", "ln_post", "visual.proj"} {
				if strings.Contains(k.Name, other) {
					t.Errorf("%s: %s is kept", c.Name, k.Name)
				}
			}
			if c.Layer == "layer1" && len(c.Files) == 1 && (strings.Contains(k.Name, "resblocks.2.") || strings.Contains(k.Name, "layer2.")) {
				t.Errorf("%s: %s is kept, which comes after %s", c.Name, k.Name, c.Layer)
			}
		}
	}
}

// A backbone that was cut keeps its published name, and its errors name missing layers.
func TestCutNames(t *testing.T) {
	for _, c := range []struct {
		tower tower
		names []string
		not   string
	}{
		{vit{1024, 14, 21, 16}, []string{"ViT-L/14", "vit"}, "ViT-L/14@336px"},
		{vit{1024, 14, 1, 24}, []string{"ViT-L/14@336px"}, "ViT-L/14"},
		{vit{768, 16, 12, 14}, []string{"ViT-B/16"}, "ViT-B/32"},
		{vit{1024, 14, 25, 16}, []string{"ViT-1024x25/14@224px"}, "ViT-L/14"},
		{resnet{64, [4]int{3, 4, 6, 0}, 224}, []string{"RN50", "RN"}, "RN101"},
		{resnet{64, [4]int{3, 4, 0, 0}, 224}, []string{"RN50", "RN101"}, "RN50x4"},
		{resnet{80, [4]int{4, 0, 0, 0}, 288}, []string{"RN50x4"}, "RN50"},
		{resnet{64, [4]int{3, 4, 7, 0}, 224}, []string{"RN-64x3.4.7.0@224px"}, "RN50"},
	} {
		for _, name := range c.names {
			if !hasName(c.tower, name) {
				t.Errorf("%+v is %s, expected %s", c.tower, c.tower.arch(), name)
			}
		}
		if hasName(c.tower, c.not) {
			t.Errorf("%+v is %s too", c.tower, c.not)
		}
	}
	cut := resnet{64, [4]int{3, 4, 6, 0}, 224}
	if got := cut.layers(); !slices.Equal(got, []string{"layer1", "layer2", "layer3"}) {
		t.Errorf("layers %q, expected three", got)
	}
	if _, err := layerOf(cut, "layer4"); err == nil || !strings.Contains(err.Error(), `RN50 has no layer "layer4", it has layer1 to layer3`) {
		t.Errorf("error %v, expected one that says what there is", err)
	}
	for _, blocks := range [][4]int{{}, {0, 4, 6, 3}, {3, 0, 6, 0}} {
		if err := (resnet{64, blocks, 224}).check(); err == nil {
			t.Errorf("no error for blocks %v", blocks)
		}
	}
}

// An exported program takes pictures that are not normalised, and gives the same logits.
func TestStandalone(t *testing.T) {
	e := enginetest.Open(t)
	g := readGolden(t)
	for _, name := range []string{"vit layer3 conv-12", "resnet layer2 conv-4"} {
		c := g.caseNamed(t, name)
		f, _ := g.published(t, c)
		m, err := OpenPretrained(f, Override{})
		if err != nil {
			t.Fatal(err)
		}
		side := m.Spec().Input
		p, err := m.Export(side, side)
		if err != nil {
			t.Fatal(err)
		}
		picture := goldenPicture(t, side)
		plain := slices.Clone(picture.Float32s())
		for i := range plain {
			channel := i / (side * side) % 3
			plain[i] = plain[i]*Std[channel] + Mean[channel]
		}
		input, err := engine.NewTensor([]int{2, 3, side, side}, plain)
		if err != nil {
			t.Fatal(err)
		}
		out := runProgram(t, e, p, false, map[string]*engine.Tensor{PortImage: input})
		logits, probabilities := out[PortLogits].Float32s(), out[PortProbabilities].Float32s()
		g.compare(t, c, logits)
		for i, v := range logits {
			if d := float64(probabilities[i]) - sigmoid(v); d > 1e-6 || d < -1e-6 {
				t.Fatalf("%s: probability %d is %g, expected %g", name, i, probabilities[i], sigmoid(v))
			}
		}
		if _, err := m.Export(side+1, side); err == nil {
			t.Errorf("%s: no error for a picture of another size", name)
		}
	}
}
