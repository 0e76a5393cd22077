package study

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/study/report"
)

// family is a tiny backbone and its layers.
type family struct {
	name, file, arch string
	single, several  string
	tokens           bool
}

// families are files with a backbone of every kind of DINO, each in another naming, and of CLIP.
func families(t *testing.T) (list []family) {
	t.Helper()
	golden := networktest.ReadDINO(t, filepath.Join("..", "nn", "network", "testdata", "dino.json"))
	namings := []string{"meta", "huggingface", "timm"}
	for i, c := range golden.Cases {
		naming := namings[i%len(namings)]
		name := strings.ReplaceAll(c.Name, " ", "-") + "-" + naming
		file := networktest.Store(t, c.File(t, naming), nil).Path()
		arch, _, _ := strings.Cut(c.Name, " ")
		list = append(list, family{name, file, arch, "layer1-norm", "layer0,norm", true})
	}
	store := func(tensors []weights.Tensor) string { return networktest.Store(t, tensors, nil).Path() }
	vit := networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 4))
	rn := networktest.Tensors(networktest.ResNet("visual.", 8, [4]int{1, 1, 1, 1}, 1))
	return append(list, family{"vit", store(vit), "ViT", "layer1", "layer0,layer1", true},
		family{"rn", store(rn), "RN", "layer3", "layer2,layer3", false})
}

// Every decoder is trained for a step on every kind of backbone, on one layer and on several, by a
// study of backbones, which opens the checkpoints and localizes with them.
func TestEveryDecoderOnEveryBackbone(t *testing.T) {
	list := families(t)
	if len(list) < 7 {
		t.Fatalf("%d backbones, expected 5 of DINO and 2 of CLIP", len(list))
	}
	for _, decoder := range []string{"linear", "attention", "conv-4", "conv3"} {
		t.Run(decoder, func(t *testing.T) {
			f := tiny(t, t.TempDir())
			dir := f.Data[0].Data // not validated: the only checkpoint is the best
			f.Kind, f.Data = report.Backbones, []Set{{Name: "noise", Train: filepath.Join(dir, "train"), Test: filepath.Join(dir, "test")}}
			// A multiple of the patches of both versions; the positions of the second are resized.
			f.Network = network.Spec{Decoder: decoder, ResizeOptions: network.ResizeOptions{Input: 112, Output: 56}}
			if decoder == "conv-4" {
				f.Network.Widths = []int{8, 8, 4, 4}
			}
			f.Train.BackboneFiles, f.Train.Epochs, f.Train.BatchSize = nil, 1, 5
			for _, b := range list {
				if decoder == "attention" && !b.tokens {
					continue
				}
				f.Backbones = append(f.Backbones,
					Backbone{Name: b.name + " one", Arch: b.arch, Layer: b.single, Files: []string{b.file}},
					Backbone{Name: b.name + " several", Arch: b.arch, Layer: b.several, Files: []string{b.file}})
			}
			d := mustDo(t, f, len(f.Backbones), len(f.Backbones))
			for _, r := range d.plan.Runs {
				if !slices.ContainsFunc(f.Backbones, func(b Backbone) bool { return b.Name == r.Variant }) {
					t.Errorf("a training is of %q", r.Variant)
				}
			}
			page := read(t, filepath.Join(f.Out, report.PageFile))
			for _, b := range f.Backbones {
				if !strings.Contains(page, b.Name) {
					t.Errorf("the report does not name %q", b.Name)
				}
			}
		})
	}
}
