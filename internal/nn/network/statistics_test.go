package network

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// Contents of the files next to published weights.
const (
	satelliteSettings = `{"image_mean": [0.430, 0.411, 0.296], "image_std": [0.213, 0.156, 0.143]}`
	webSettings       = `{"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}`
	timmSettings      = `{"architecture": "vit", "pretrained_cfg": {"mean": [0.43, 0.411, 0.296], "std": [0.213, 0.156, 0.143]}}`
	otherSettings     = `{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}`
)

// Which pictures a file of DINOv3 is for is read from its tensors, its metadata, the settings
// next to it or its name. The user learns of it where that may be wrong.
func TestStatisticsAreTold(t *testing.T) {
	const large = satelliteWidth
	for name, c := range map[string]struct {
		file, beside, settings string // name of the weights, and of a file next to them
		tensors                []string
		metadata               map[string]string
		width                  int
		satellite              bool
		doubt, err             string // parts of the texts
	}{
		"Meta's L for satellites": {file: "x.safetensors", tensors: []string{periodsName, satelliteMark}, width: large, satellite: true},
		"Meta's L":                {file: "x.safetensors", tensors: []string{periodsName}, width: large},
		"L without a hint":        {file: "x.safetensors", width: large, doubt: "--statistics satellite"},
		"transformers":            {file: "model.safetensors", beside: "preprocessor_config.json", settings: satelliteSettings, width: large, satellite: true},
		"transformers, web":       {file: "model.safetensors", beside: "preprocessor_config.json", settings: webSettings, width: large},
		"timm":                    {file: "model.safetensors", beside: "config.json", settings: timmSettings, width: large, satellite: true},
		"a config without means":  {file: "model.safetensors", beside: "config.json", settings: `{"hidden_size": 1024}`, width: large, doubt: "does not say"},
		"other means":             {file: "model.safetensors", beside: "preprocessor_config.json", settings: otherSettings, width: large, doubt: "which DINOv3 does not have"},
		"broken settings":         {file: "model.safetensors", beside: "preprocessor_config.json", settings: `{"image_mean": 3`, width: large, err: "preprocessor_config.json"},
		"settings of another file": {file: "other.safetensors", beside: "preprocessor_config.json", settings: satelliteSettings, width: large,
			doubt: "does not say"},
		"small, with settings": {file: "model.safetensors", beside: "preprocessor_config.json", settings: satelliteSettings, width: 384, satellite: true},
		"small, with others":   {file: "model.safetensors", beside: "config.json", settings: otherSettings, width: 384, doubt: "which DINOv3 does not have"},
		"small":                {file: "sat493m.safetensors", width: 384},
		"7B by its name": {file: "dinov3_vit7b16_pretrain_sat493m-a6675841.safetensors", tensors: []string{periodsName, satelliteMark}, width: widest,
			satellite: true, doubt: "its name says sat493m"},
		"7B of the web":      {file: "dinov3_vit7b16_pretrain_lvd1689m-a955f4ea.safetensors", tensors: []string{periodsName, satelliteMark}, width: widest},
		"7B without a hint":  {file: "7b.safetensors", tensors: []string{periodsName, satelliteMark}, width: widest, doubt: "does not say"},
		"a directory's name": {file: "dinov3-vitl16-pretrain-sat493m/model.safetensors", width: large, satellite: true, doubt: "its name says"},
		"metadata":           {file: "x.safetensors", metadata: map[string]string{StatisticsKey: "satellite"}, width: large, satellite: true},
		"metadata over all": {file: "sat493m.safetensors", metadata: map[string]string{StatisticsKey: "imagenet"}, tensors: []string{satelliteMark},
			width: large},
		"wrong metadata":     {file: "x.safetensors", metadata: map[string]string{StatisticsKey: "moon"}, width: large, err: `statistics "moon"`},
		"a model of declip":  {file: "x.safetensors", metadata: map[string]string{SpecKey: `{}`}, width: large},
		"Meta's L, by marks": {file: "lvd1689m.safetensors", tensors: []string{periodsName, satelliteMark}, width: large, satellite: true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), filepath.FromSlash(c.file))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			tensors := []weights.Tensor{weights.FromFloat32s("cls_token", []int{1}, []float32{0})}
			for _, name := range c.tensors {
				tensors = append(tensors, weights.FromFloat32s(name, []int{1}, []float32{1}))
			}
			if err := weights.Write(path, tensors, c.metadata); err != nil {
				t.Fatal(err)
			}
			if c.beside != "" {
				if err := os.WriteFile(filepath.Join(filepath.Dir(path), c.beside), []byte(c.settings), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := weights.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			b := &Backbone{layout: layout{file: file, naming: plainDINO}}
			d := dino{version: 3, width: c.width, patch: 16, blocks: 24, hidden: 4 * c.width, registers: 4}
			err = b.readStatistics(&d)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), filepath.Dir(path)) {
					t.Errorf("got %v, want an error with %q and the file's name", err, c.err)
				}
				return
			}
			if err != nil || d.satellite != c.satellite {
				t.Errorf("satellite %t and %v, expected %t", d.satellite, err, c.satellite)
			}
			if (b.Doubt() == "") != (c.doubt == "") || !strings.Contains(b.Doubt(), c.doubt) {
				t.Errorf("the user is told %q, expected %q", b.Doubt(), c.doubt)
			}
		})
	}
}

// With satellite statistics a picture gives the features that the picture normalised by them gives.
func TestSatelliteStatistics(t *testing.T) {
	plain := onlyBackbone(t, networktest.DINOv3("", 64, 2))
	chosen, err := plain.WithStatistics(StatisticsSatellite)
	if err != nil {
		t.Fatal(err)
	}
	sized := func(b *Backbone) *Backbone {
		b, err := b.At(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	image, moved := dinoPicture(t, 32, 32), dinoPicture(t, 32, 32)
	for i, v := range image.Float32s() {
		c := i / (32 * 32) % 3
		level := v*Std[c] + Mean[c]
		level = (level-satelliteMean[c])/satelliteStd[c]*imageNetStd[c] + imageNetMean[c]
		moved.Float32s()[i] = (level - Mean[c]) / Std[c]
	}
	e := enginetest.Open(t)
	want := runBackbone(t, e, sized(plain), Plain, moved)
	got := runBackbone(t, e, sized(chosen), Plain, image)
	other := runBackbone(t, e, sized(plain), Plain, image)
	for layer, w := range want {
		if d := farthest(w, got[layer]); d > 1e-4 {
			t.Errorf("%s differs by %g from the picture normalised by satellite statistics", layer, d)
		}
		if d := farthest(w, other[layer]); d < 1e-2 {
			t.Errorf("%s differs by %g between the statistics, which proves nothing", layer, d)
		}
	}
	a, err := plain.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := chosen.Digest(); err != nil || a == b {
		t.Errorf("both have the digest %s (%v)", b, err)
	}
}

func farthest(a, b *engine.Tensor) (most float64) {
	for i, v := range a.Float32s() {
		most = max(most, math.Abs(float64(v-b.Float32s()[i])))
	}
	return most
}

// A decoder's file states the statistics of its backbone if they are not ImageNet's, and so does a
// network that was fine-tuned.
func TestStatisticsAreKept(t *testing.T) {
	tower := networktest.Store(t, networktest.DINOv3("", 64, 1), nil)
	backbones, err := BackbonesIn([]*weights.File{tower})
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Arch: "dinov3", Decoder: DecoderLinear, ResizeOptions: ResizeOptions{Input: 32, Output: 32, Statistics: StatisticsSatellite}}
	head, err := NewHead(spec, backbones, 1)
	if err != nil {
		t.Fatal(err)
	}
	tuned, err := head.FineTuned()
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]interface {
		Params() []Param
		Metadata() (map[string]string, error)
	}{"head": head, "fine-tuned": tuned} {
		var tensors []weights.Tensor
		for _, p := range n.Params() {
			tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
		}
		metadata, err := n.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		file := networktest.Store(t, tensors, metadata)
		var others []*weights.File
		if name == "head" {
			others = append(others, tower)
		}
		m, err := OpenPretrained(file, Override{}, others...)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Uses()[0].Backbone.StatisticsName(); got != StatisticsSatellite || m.Spec().Statistics != StatisticsSatellite {
			t.Errorf("%s: opened again it is for %s, and its spec says %q", name, got, m.Spec().Statistics)
		}
		// The option overrides the file, but a decoder is only for the backbone it was trained on.
		m, err = OpenPretrained(file, Override{Statistics: StatisticsImageNet}, others...)
		switch {
		case name == "head" && (err == nil || !strings.Contains(err.Error(), "was trained on")):
			t.Errorf("a decoder on other statistics: got %v", err)
		case name != "head" && (err != nil || m.Uses()[0].Backbone.StatisticsName() != StatisticsImageNet):
			t.Errorf("%s: the option changed nothing, %v", name, err)
		}
	}
}

// Statistics are refused where there is no choice, and if they are unknown.
func TestStatisticsRefused(t *testing.T) {
	v2 := onlyBackbone(t, readDINO(t).Cases[0].File(t, "meta"))
	v3 := onlyBackbone(t, networktest.DINOv3("", 64, 1))
	if _, err := v2.WithStatistics(StatisticsSatellite); !errors.Is(err, ErrSpec) {
		t.Errorf("DINOv2: got %v", err)
	}
	if _, err := v3.WithStatistics("moon"); !errors.Is(err, ErrSpec) {
		t.Errorf("unknown statistics: got %v", err)
	}
	if _, err := NewHead(Spec{Arch: "dinov2", ResizeOptions: ResizeOptions{Statistics: StatisticsSatellite}}, []*Backbone{v2}, 1); !errors.Is(err, ErrSpec) {
		t.Errorf("a decoder on DINOv2: got %v", err)
	}
	if err := (Spec{Arch: ArchLite, ResizeOptions: ResizeOptions{Statistics: StatisticsSatellite}}).Validate(); !errors.Is(err, ErrSpec) {
		t.Errorf("%s: got %v", ArchLite, err)
	}
}
