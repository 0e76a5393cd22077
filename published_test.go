package declip

import (
	"context"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
)

// published is a checkpoint in the published layout: a small transformer, and a decoder on it.
func published(t *testing.T, layer string, decoder []networktest.Rule) string {
	t.Helper()
	rules := slices.Concat(networktest.ViT("model.model.visual.", 64, 8, 2, 3), decoder)
	return networktest.Store(t, networktest.Tensors(rules), networktest.Published(layer, "")).Path()
}

func openPublished(t *testing.T, o Options, names ...string) *Model {
	t.Helper()
	o.Library, o.Device = enginetest.Library(t), "cpu"
	m, err := OpenSeveral(names, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestPublishedCheckpoint(t *testing.T) {
	conv := networktest.Conv("model.", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4}))
	first, second := published(t, "layer1", conv), published(t, "layer0", networktest.Linear("model.", 64))
	both := openPublished(t, Options{Each: true}, first, second)
	picture := noise(80, 61)
	together, err := both.Localize(context.Background(), picture)
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, together, first+" + "+second, 80, 61)
	if len(together.Each) != 2 || together.Raw.Width != 256 || together.Raw.Height != 256 {
		t.Fatalf("%d results of single models, own output %d x %d", len(together.Each), together.Raw.Width, together.Raw.Height)
	}
	for i, name := range []string{first, second} {
		alone, err := openPublished(t, Options{LowMemory: i == 0}, name).Localize(context.Background(), picture)
		if err != nil {
			t.Fatal(err)
		}
		checkResult(t, together.Each[i], name, 80, 61)
		// Packed weights are multiplied in another order.
		if d := largest(together.Each[i].Prob, alone.Prob); d > 1e-5 {
			t.Errorf("%s: together with others probabilities differ by %g", name, d)
		}
		if alone.Score != alone.MeanProbability {
			t.Errorf("%s: score %g, expected the mean probability %g", name, alone.Score, alone.MeanProbability)
		}
	}
	mean := make([]float32, 80*61)
	for i := range mean {
		mean[i] = (together.Each[0].Prob[i] + together.Each[1].Prob[i]) / 2
	}
	if d := largest(mean, together.Prob); d > 1e-6 {
		t.Errorf("not the mean of both models: off by %g", d)
	}
}

func largest(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

func TestBatchIsOneByOne(t *testing.T) {
	m := openPublished(t, Options{}, published(t, "layer1", networktest.Linear("model.", 64)))
	pictures := []image.Image{noise(40, 50), noise(33, 20), noise(64, 64)}
	batch, err := m.LocalizeBatch(context.Background(), pictures)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pictures {
		single, err := m.Localize(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		if d := largest(batch[i].Prob, single.Prob); d > 1e-5 || len(batch[i].Prob) != len(single.Prob) {
			t.Errorf("picture %d: off by %g", i, d)
		}
	}
}

// The fusion's backbones are given, or are in the models directory under their names.
func TestBackbonesBeside(t *testing.T) {
	plan := networktest.AllStages(4, [4]int{8, 8, 4, 4})
	plan.Resize = true
	decoder := networktest.Store(t, networktest.Tensors(networktest.Conv("", 64+256, plan)), networktest.Published("layer0", "conv-4")).Path()
	vision := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 64, 8, 1, 3)), nil).Path()
	residual := networktest.Store(t, networktest.Tensors(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 2)), nil).Path()
	models := t.TempDir()
	t.Setenv("DECLIP_MODELS", models)
	_, err := Open(decoder, Options{Arch: "ViT,RN", Library: enginetest.Library(t), Device: "cpu"})
	if err == nil || !strings.Contains(err.Error(), "needs the weights of ViT and RN in files of their own: not given, and model \"ViT\": no such model") {
		t.Errorf("got %v", err)
	}
	given := openPublished(t, Options{Backbones: []string{residual, vision}}, decoder)
	for from, to := range map[string]string{vision: "ViT.safetensors", residual: "RN.safetensors"} {
		if err := os.Symlink(from, filepath.Join(models, to)); err != nil {
			t.Fatal(err)
		}
	}
	found := openPublished(t, Options{Arch: "ViT,RN"}, decoder)
	var maps [2][]float32
	for i, m := range []*Model{given, found} {
		r, err := m.Localize(context.Background(), noise(30, 30))
		if err != nil {
			t.Fatal(err)
		}
		checkResult(t, r, decoder, 30, 30)
		maps[i] = r.Prob
	}
	if !slices.Equal(maps[0], maps[1]) {
		t.Error("backbones that are given and that are found give different maps")
	}
}
