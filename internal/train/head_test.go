package train

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// towers are files with a tiny transformer and a tiny residual network, both for pictures of 32
// pixels.
func towers(t *testing.T) (vit, resnet string) {
	t.Helper()
	store := func(rules []networktest.Rule) string {
		return networktest.Store(t, networktest.Tensors(rules), nil).Path()
	}
	return store(networktest.ViT("visual.", 64, 8, 2, 4)), store(networktest.ResNet("visual.", 8, [4]int{1, 1, 1, 1}, 1))
}

// headConfig is a training of a small decoder on tiny backbones.
func headConfig(t *testing.T, e *engine.Engine, spec network.Spec, files ...string) Config {
	t.Helper()
	c := config(t, e)
	spec.Output = 32
	c.Network, c.Spec, c.BackboneFiles, c.Average = nil, spec, files, 0
	return c
}

var smallWidths = []int{8, 8, 4, 4}

// Every decoder trains on every kind of frozen backbone, and its checkpoint, opened with the
// backbone, gives the same scores as in validation.
func TestFrozenBackbones(t *testing.T) {
	e := open(t)
	vit, resnet := towers(t)
	for _, spec := range []network.Spec{
		{Arch: "ViT", Layer: "layer0", Decoder: "linear"},
		{Arch: "ViT", Layer: "layer1", Decoder: "attention"},
		{Arch: "ViT", Decoder: "conv-4", Widths: smallWidths},
		{Arch: "RN", Layer: "layer2", Decoder: "linear"},
		{Arch: "RN", Layer: "layer3", Decoder: "conv-4", Widths: smallWidths},
		{Arch: "ViT,RN", Layer: "layer0", Decoder: "conv-8", Widths: smallWidths},
	} {
		t.Run(spec.String(), func(t *testing.T) {
			c := headConfig(t, e, spec, vit, resnet)
			c.Epochs = 2
			s := mustRun(t, c)
			best := openFile(t, s.Best)
			for _, name := range best.Names() {
				if !strings.HasPrefix(name, "fc.") && !strings.HasPrefix(name, "att") {
					t.Errorf("the checkpoint holds %q, which does not belong to the decoder", name)
				}
			}
			m, err := network.OpenPretrained(best, network.Override{}, openFile(t, vit), openFile(t, resnet))
			if err != nil {
				t.Fatal(err)
			}
			scoresAsTrained(t, e, m, c.ValidSource, *s.Score, 1e-4)
		})
	}
}

// A decoder on a frozen backbone learns to find noise.
func TestHeadLearns(t *testing.T) {
	vit, _ := towers(t)
	c := headConfig(t, open(t), network.Spec{Arch: "ViT", Layer: "layer1", Decoder: "linear"}, vit)
	c.Epochs, c.Schedule, c.LR, c.BestBy = 20, Constant, 0.01, ByAP
	var losses []float64
	c.Hooks.Epoch = func(r EpochReport) { losses = append(losses, r.Loss) }
	s := mustRun(t, c)
	if last := losses[len(losses)-1]; last > 0.7*losses[0] {
		t.Errorf("the loss went from %g to %g only", losses[0], last)
	}
	if s.Score.AP < 0.6 {
		t.Errorf("got %+v, want an AP of at least 0.6", s.Score)
	}
}

// A training starts from a checkpoint of declip, and from a published one.
func TestInitHead(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "conv-4", Widths: smallWidths}, vit)
	c.Epochs = 1
	first := mustRun(t, c)
	c.Out, c.Spec, c.Init, c.LR = t.TempDir(), network.Spec{}, first.Last, 1e-12
	second := mustRun(t, c)
	if a, b := floats(t, first.Last, "fc.0.weight"), floats(t, second.Last, "fc.0.weight"); !slices.EqualFunc(a, b, func(x, y float32) bool {
		return near(float64(x), float64(y), 1e-9)
	}) {
		t.Error("the weights to start from were not taken")
	}

	published := networktest.Conv("model.", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4}))
	published = append(published, networktest.ViT("model.model.visual.", 64, 8, 2, 4)...)
	file := networktest.Store(t, networktest.Tensors(published), networktest.Published("layer0", "conv-4"))
	c.Out, c.Init, c.BackboneFiles = t.TempDir(), file.Path(), nil
	third := mustRun(t, c)
	want, err := file.Float32s("model.fc.0.bias")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range floats(t, third.Last, "fc.0.bias") {
		if !near(float64(v), float64(want[i]), 1e-9) {
			t.Fatalf("fc.0.bias[%d] is %g, expected the published %g", i, v, want[i])
		}
	}
}

// A decoder cannot be opened with another backbone than it was trained on; the same weights in
// another file are accepted.
func TestOtherBackbone(t *testing.T) {
	vit, _ := towers(t)
	c := headConfig(t, open(t), network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "linear"}, vit)
	c.Epochs = 1
	best := openFile(t, mustRun(t, c).Best)
	tensors := networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 4))
	for i := range tensors {
		tensors[i].Name = "model.model." + tensors[i].Name
	}
	again := networktest.Store(t, tensors, nil)
	if _, err := network.OpenPretrained(best, network.Override{}, again); err != nil {
		t.Errorf("the same weights by other names: %v", err)
	}
	for i, w := range tensors {
		if strings.HasSuffix(w.Name, "ln_pre.bias") {
			tensors[i] = weights.FromFloat32s(w.Name, w.Shape, make([]float32, w.Count()))
		}
	}
	_, err := network.OpenPretrained(best, network.Override{}, networktest.Store(t, tensors, nil))
	if err == nil || !strings.Contains(err.Error(), "the decoder was trained on") || strings.Count(err.Error(), "SHA-256") != 1 {
		t.Errorf("another backbone: got %v, want an error with both digests", err)
	}
}

func TestHeadRefuses(t *testing.T) {
	t.Setenv("DECLIP_MODELS", t.TempDir())
	vit, resnet := towers(t)
	other := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 64, 8, 1, 3)), nil).Path()
	damaged := networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, 4))
	damaged = slices.DeleteFunc(damaged, func(w weights.Tensor) bool { return strings.Contains(w.Name, "resblocks.1.mlp.c_fc.bias") })
	incomplete := networktest.Store(t, damaged, nil).Path()
	for want, c := range map[string]Config{
		"no layer \"layer7\"":          headConfig(t, nil, network.Spec{Arch: "ViT", Layer: "layer7"}, vit),
		"needs a backbone with tokens": headConfig(t, nil, network.Spec{Arch: "RN", Decoder: "attention"}, resnet),
		"K must be a multiple of 4":    headConfig(t, nil, network.Spec{Arch: "ViT", Decoder: "conv-6"}, vit),
		"RN50: no file with it":        headConfig(t, nil, network.Spec{Arch: "RN50"}, vit),
		"decoder for both":             headConfig(t, nil, network.Spec{Arch: "ViT,RN", Layer: "layer0"}, other, resnet),
		"c_fc.bias":                    headConfig(t, nil, network.Spec{Arch: "ViT"}, incomplete),
		"not-there.pt":                 headConfig(t, nil, network.Spec{Arch: "ViT"}, filepath.Join(t.TempDir(), "not-there.pt")),
	} {
		if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// labelled has pictures with labels; some manipulated pictures have masks, too.
type labelled struct{ patches }

func (l labelled) Load(ctx context.Context, i int) (dataset.Sample, error) {
	s, err := l.patches.Load(ctx, i)
	s.Label = dataset.Untouched
	if i%4 != 3 {
		s.Label = dataset.Manipulated
	}
	if i%2 == 1 {
		s.Mask = nil
	}
	return s, err
}

// From labels alone a decoder learns which pictures contain noise.
func TestDetection(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer1", Decoder: "linear"}, vit)
	c.Supervision, c.TrainSource, c.ValidSource = Detection, labelled{patches{16}}, labelled{patches{12}}
	c.Epochs, c.Schedule, c.LR = 15, Constant, 0.01
	s := mustRun(t, c)
	if s.Score.Detection == nil || s.Score.Detection.AP < 0.95 || s.State.Best != s.Score.Detection.AP {
		t.Errorf("got %+v of %+v, want an AP over pictures of at least 0.95, as the best", s.Score.Detection, s.Score)
	}
	c.Out, c.ValidSource = t.TempDir(), labelled{patches{3}} // all manipulated
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "all are of one kind") {
		t.Errorf("got %v, want an error about the validation pictures", err)
	}
}

// The published augmentations reach the training step: each gives different weights.
func TestAugmentationsMatter(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	seen := map[float32]string{}
	for _, kind := range []string{"none", Blur, ColorJitter, JPEGCompression, All} {
		c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "linear"}, vit)
		c.Epochs, c.Augment, c.ValidSource = 1, noAugment(), nil
		c.Augment.Kind = kind
		v := floats(t, mustRun(t, c).Last, "fc.0.weight")[0]
		if other, ok := seen[v]; ok {
			t.Errorf("%s gives the same weights as %s", kind, other)
		}
		seen[v] = kind
	}
}

// Fine-tuning changes the backbone, and the checkpoint opens without other files and gives the same
// scores as in validation.
func TestFineTune(t *testing.T) {
	e := open(t)
	vit, resnet := towers(t)
	for _, spec := range []network.Spec{
		{Arch: "ViT", Layer: "layer0", Decoder: "linear"},
		{Arch: "RN", Layer: "layer2", Decoder: "conv-4", Widths: smallWidths},
		{Arch: "ViT,RN", Layer: "layer0", Decoder: "linear"},
	} {
		t.Run(spec.String(), func(t *testing.T) {
			c := headConfig(t, e, spec, vit, resnet)
			c.FineTune, c.Epochs = true, 1
			s := mustRun(t, c)
			best := openFile(t, s.Best)
			m, err := network.OpenPretrained(best, network.Override{})
			if err != nil {
				t.Fatal(err)
			}
			scoresAsTrained(t, e, m, c.ValidSource, *s.Score, 1e-3)
			changed := 0
			for _, name := range best.Names() {
				at := strings.Index(name, "visual.")
				if at < 0 {
					continue
				}
				now, err := best.Float32s(name)
				if err != nil {
					t.Fatal(err)
				}
				for _, path := range []string{vit, resnet} {
					if was, err := openFile(t, path).Float32s(name[at:]); err == nil && !equal(was, now) {
						changed++
					}
				}
			}
			if changed < 5 {
				t.Errorf("%d tensors of the backbones changed", changed)
			}
		})
	}
}

// scoresAsTrained compares an opened model's score with its score in training.
func scoresAsTrained(t *testing.T, e *engine.Engine, m *network.Pretrained, valid dataset.Source, trained Score, ap float64) {
	t.Helper()
	group, err := localize.NewGroup(e, []*network.Pretrained{m}, localize.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	results, err := Evaluate(context.Background(), valid, groupPredict(group), ScoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := Summarize(results); !near(got.IoU, trained.IoU, 0.01) || !near(got.AP, trained.AP, ap) {
		t.Errorf("opened again it scores %+v, in training it was %+v", got, trained)
	}
}
