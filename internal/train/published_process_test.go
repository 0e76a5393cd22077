package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/picture"
)

// spliced is a source of n JPEG pictures of 80 x 72 pixels of quality 60. The mask marks a noisy
// square in all but the last.
func spliced(n int) dataset.Source {
	return dataset.Generated{Count: n, ID: "spliced", Make: func(_ context.Context, i int) (dataset.Sample, error) {
		const w, h, side = 80, 72, 32
		r := rand.New(rand.NewPCG(uint64(i), 3))
		p, m := picture.NewRGB(w, h), picture.NewGray(w, h)
		x0, y0 := r.IntN(w-side), r.IntN(h-side)
		for k := range m.Pix {
			x, y, noise := k%w, k/w, 0.0
			if i < n-1 && x >= x0 && x < x0+side && y >= y0 && y < y0+side {
				m.Pix[k], noise = 255, 60
			}
			for c := range 3 {
				p.Pix[3*k+c] = uint8(min(max(120+30*math.Sin(float64(x)/9)+noise*r.NormFloat64(), 0), 255))
			}
		}
		file, err := picture.EncodeJPEG(p, 60)
		if err != nil {
			return dataset.Sample{}, err
		}
		stored, err := picture.Decode(file, picture.Limits{})
		if err != nil {
			return dataset.Sample{}, err
		}
		return dataset.Sample{Picture: stored, Mask: m, Name: fmt.Sprint("spliced ", i)}, nil
	}}
}

// publishedConfig is a short training of a small copy of another author's network.
func publishedConfig(t *testing.T, arch string) Config {
	t.Helper()
	c := DefaultConfigFor(arch, Localization)
	c.Engine, c.Out, c.TrainSource, c.ValidSource = open(t), t.TempDir(), spliced(4), spliced(3)
	c.Spec.Sizes = small(arch)
	c.Epochs, c.BatchSize, c.CropSize, c.LR, c.Inside, c.Schedule, c.Seed, c.NoTensorBoard = 2, 4, 64, 1e-2, 1, Constant, 1, true
	if arch == network.ArchPSCCNet {
		c.CropSize, c.BatchSize = 32, 2
	}
	return c
}

// Four pictures must be learnt by heart.
func TestPublishedOverfit(t *testing.T) {
	for arch, epochs := range map[string]int{network.ArchCATNet: 60, network.ArchCATNetDCT: 60, network.ArchPSCCNet: 12} {
		c := publishedConfig(t, arch)
		c.ValidSource, c.Epochs = nil, epochs
		var losses []float64
		c.Hooks.Epoch = func(r EpochReport) { losses = append(losses, r.Loss) }
		mustRun(t, c)
		if first, last := losses[0], losses[len(losses)-1]; !(last < 0.6*first) {
			t.Errorf("%s: the loss went from %g to %g, want at most 0.6 of the first", arch, first, last)
		}
	}
}

// An interrupted training gives the same bits, with any number of workers and with augmentation.
func TestPublishedResume(t *testing.T) {
	c := publishedConfig(t, network.ArchCATNet)
	c.Augment.Turn, c.Augment.JPEG, c.Augment.Noise, c.Draws, c.Epochs = true, 0.5, 0.3, 2, 3
	whole := mustRun(t, c)
	c.Out = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.Hooks.Step = func(r StepReport) {
		if r.Step == 2 {
			cancel()
		}
	}
	if _, err := Run(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("got %v, want an interruption", err)
	}
	c.Hooks, c.Resume, c.Workers = Hooks{}, true, 3
	resumed := mustRun(t, c)
	if !sameTensors(t, whole.Last, resumed.Last) || !sameTensors(t, whole.Best, resumed.Best) {
		t.Error("the weights differ from those of an uninterrupted run")
	}
}

// A checkpoint opens like a published file, and gives the maps that were validated.
func TestPublishedCheckpoint(t *testing.T) {
	for _, arch := range []string{network.ArchCATNet, network.ArchCATNetDCT, network.ArchPSCCNet} {
		c := publishedConfig(t, arch)
		c.Epochs = 1
		trained := mustRun(t, c)
		m, files, err := models.OpenNetwork(trained.Best, network.Override{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		group, err := localize.NewGroup(c.Engine, []*network.Pretrained{m}, localize.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		results, err := Evaluate(context.Background(), c.ValidSource, groupPredict(group), ScoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		group.Close()
		for _, f := range files {
			f.Close()
		}
		got, want := Summarize(results), *trained.Score
		if got.Manipulated != 2 || !near(got.IoU, want.IoU, 1e-3) || !near(got.AP, want.AP, 1e-5) || !near(got.F1Best, want.F1Best, 1e-5) {
			t.Errorf("%s: opened again it scores %+v, in validation it was %+v", arch, got, want)
		}
	}
}

// A training starts from a file in the published layout, whose sizes it takes, and from its own
// checkpoint: at a learning rate of almost zero the weights stay the same.
func TestPublishedInit(t *testing.T) {
	sizes := networktest.CATNet{HRNet: networktest.HRNet{Stem: 6, Inner: 4, Outer: 8, Bottlenecks: 1, Blocks: 1,
		Widths: []int{4, 5, 6, 7}, Modules: []int{1, 1, 1}}, DCT: [2]int{6, 2}, DCTWidths: []int{5, 6, 7}, DCTModules: []int{1, 1},
		DCTBlocks: 1, Joined: []int{3, 4, 5, 6}}
	stored := networktest.Store(t, networktest.Tensors(sizes.Rules(true)), nil)
	c := publishedConfig(t, network.ArchCATNet)
	c.Spec, c.Init, c.Epochs, c.LR = network.Spec{}, stored.Path(), 1, 1e-12
	first := mustRun(t, c)
	c.Init, c.Out = first.Best, t.TempDir()
	second := mustRun(t, c)
	for _, name := range []string{"dc_layer0_dil.0.weight", "stage5.0.fuse_layers.0.1.0.weight", "last_layer.3.bias"} {
		want, err := stored.Float32s(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]float32{floats(t, first.Best, name), floats(t, second.Best, name)} {
			far := 0.0
			for i := range want {
				far = max(far, math.Abs(float64(got[i]-want[i])))
			}
			if len(got) != len(want) || far > 1e-9 {
				t.Errorf("%s is off by %g", name, far)
			}
		}
	}
	c.Out, c.Thaw = t.TempDir(), true
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "trained anyway") {
		t.Errorf("thawed: got %v", err)
	}
}

// A crop without manipulated pixels is untouched, also if its picture is manipulated.
func TestCropLabels(t *testing.T) {
	if got := cropLabels(&dataset.Batch{Target: []float32{0, 0.2, 0, 0.9}}, 2); !slices.Equal(got, []float32{0, 1}) {
		t.Errorf("got labels %v, want 0 and 1", got)
	}
}
