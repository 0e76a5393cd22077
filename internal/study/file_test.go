package study

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/declip/declip/internal/train"
)

const good = `
study: cross-generator
out: results
data:
  one: sets/one
  two: {train: a/train, test: /b/test}
train: {epochs: 3, lr: 1e-4, max-time: 10m, augment: {jpeg: 0.5}, backbone_files: [clip.pt]}
network: {arch: xceptionnet-lite, widths: [4, 4, 8, 8]}
evaluation: {limit: 5, bootstrap: 0}
`

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	want := []Set{{Name: "one", Data: at("sets/one")}, {Name: "two", Train: at("a/train"), Test: "/b/test"}}
	if !reflect.DeepEqual(f.Data, want) || f.Out != at("results") {
		t.Errorf("data %+v, out %s", f.Data, f.Out)
	}
	if f.Train.Epochs != 3 || f.Train.LR != 1e-4 || f.Train.MaxTime.Minutes() != 10 || f.Train.Augment.JPEG != 0.5 || f.Train.BackboneFiles[0] != "clip.pt" {
		t.Errorf("train %+v", f.Train)
	}
	if f.Evaluation.Limit != 5 || f.Evaluation.Bootstrap != 0 || f.Evaluation.Samples != 3 {
		t.Errorf("evaluation %+v", f.Evaluation)
	}
	for change, want := range map[string]string{
		"epochs: 3>epocs: 3":                       `line 7: unknown key "epocs" in train: expected one of spec,`,
		"limit: 5>limit: -5":                       "limit -5: expected 0 or more",
		"cross-generator>layers":                   "a study of kind layers needs a list of layers",
		"cross-generator>crossing":                 `study "crossing": expected one of cross-generator, layers`,
		"out: results>layers: [layer1]\nout: x":    "layers belong to a study of kind layers",
		"one: sets/one>\"<x>\": sets/one":          `data set "<x>"`,
		"train: a/train, test: /b/test>test: /b/x": "data set two has nothing to train on",
		"epochs: 3>batch_size: 0":                  "batch size 0: want at least 1",
		"epochs: 3>seed: 0":                        "seed 0: expected at least 1",
		"limit: 5>threshold: 0":                    "threshold 0: expected a number between 0 and 1",
		"epochs: 3>data: x":                        "data and valid come from the study's data sets",
		"epochs: 3>spec: {layer: x}":               "expected the network under the key network",
		"out: results>note: x":                     "no directory for the results",
	} {
		from, to, _ := strings.Cut(change, ">")
		if strings.Contains(change, "<x>") {
			from, to = "one: sets/one", `"<x>": sets/one`
		}
		write(strings.Replace(good, from, to, 1))
		f, err := Read(path)
		if err == nil {
			err = f.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", change, err, want)
		}
	}
}

// Options that a file leaves out suit its network, as those of "declip train" do.
func TestReadSuitsTheNetwork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	for _, c := range []struct {
		network, options string
		batch, crop      int
		lr, positive     float64
		balanced         bool
	}{
		{"xceptionnet-lite", "epochs: 3", 64, 256, 1e-3, 1, false},
		{"cat-net", "epochs: 3", 8, 512, 1e-4, 5, false},
		{"cat-net-dct", "lr: 2e-3, crop_size: 64", 8, 64, 2e-3, 5, false},
		{"pscc-net", "batch_size: 2", 2, 256, 1e-4, 1, true},
		{"pscc-net", "supervision: detection", 8, 256, 1e-4, 1, false},
	} {
		text := strings.NewReplacer("epochs: 3, lr: 1e-4", c.options, "xceptionnet-lite, widths: [4, 4, 8, 8]", c.network).Replace(good)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Train
		if got.BatchSize != c.batch || got.CropSize != c.crop || got.LR != c.lr || got.Loss.Positive != c.positive || got.Loss.Balanced != c.balanced {
			t.Errorf("%s, %s: batch %d, crop %d, rate %g, loss %+v", c.network, c.options, got.BatchSize, got.CropSize, got.LR, got.Loss)
		}
		if got.Spec.Arch != "" || got.Seed != 1 {
			t.Errorf("%s: network %q, seed %d", c.network, got.Spec.Arch, got.Seed)
		}
	}
}

// The example in the documentation is a study, but for its data.
func TestExample(t *testing.T) {
	f, err := Read(filepath.Join("..", "..", "docs", "study.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(f.Data) != 4 || f.Data[0].Data != filepath.Join("..", "..", "docs", "dolos:pluralistic") || f.Train.BatchSize != 64 || f.Network.Layer != "layer20" || !f.Tests[0].Resize {
		t.Errorf("got %+v", f)
	}
}

func TestExpandLayers(t *testing.T) {
	got, err := expandLayers([]string{"layer2", "layer9..layer11"})
	if want := []string{"layer2", "layer9", "layer10", "layer11"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := expandLayers([]string{"layer3..layer1"}); err == nil {
		t.Error("layers that run backwards were taken")
	}
}

// What a model is made of makes its key; where things lie and what runs it does not.
func TestRunKey(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	plan := func(change func(*File)) string {
		g := f
		change(&g)
		p, err := NewPlan(context.Background(), g)
		if err != nil {
			t.Fatal(err)
		}
		return p.Runs[0].key
	}
	base := plan(func(*File) {})
	for name, change := range map[string]func(*File){
		"out":     func(f *File) { f.Out = filepath.Join(dir, "x") },
		"threads": func(f *File) { f.Train.Threads = 1; f.Train.Device = "cpu" },
		"title":   func(f *File) { f.Title = "other" },
		"default": func(f *File) { f.Train.Optimizer = train.AdamW },
	} {
		if plan(change) != base {
			t.Errorf("%s changes the key", name)
		}
	}
	for name, change := range map[string]func(*File){
		"seed":   func(f *File) { f.Train.Seed = 2 },
		"epochs": func(f *File) { f.Train.Epochs = 3 },
		"layer":  func(f *File) { f.Network.Layer = "layer2" },
		"jpeg":   func(f *File) { f.Train.Augment.JPEG = 0.1 },
	} {
		if plan(change) == base {
			t.Errorf("%s does not change the key", name)
		}
	}
}

func TestFileName(t *testing.T) {
	for want, parts := range map[string][]string{"a--b": {"a", "", "b"}, "ViT-L-14-layer20--x": {"ViT-L/14 layer20", "x"}, "jpeg-75": {"", "jpeg:75"}, "x": {"../x"}} {
		if got := fileName(parts...); got != want {
			t.Errorf("%v gives %q, want %q", parts, got, want)
		}
	}
}
