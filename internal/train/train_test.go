package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

func TestSameSeedSameWeights(t *testing.T) {
	e := open(t)
	a, b, c := config(t, e), config(t, e), config(t, e)
	b.Workers = 3 // must not matter
	c.Seed++
	one, two, three := mustRun(t, a), mustRun(t, b), mustRun(t, c)
	if !sameTensors(t, one.Last, two.Last) || !sameTensors(t, one.Best, two.Best) {
		t.Error("the same seed gave other weights")
	}
	if sameTensors(t, one.Last, three.Last) {
		t.Error("another seed gave the same weights")
	}
}

func TestItLearns(t *testing.T) {
	for _, mode := range []string{network.ModeTiles, network.ModeResize} {
		c := config(t, open(t))
		c.Network = newTiny(mode)
		c.Epochs, c.Schedule, c.LR, c.Clip, c.BestBy = 25, Cosine, 0.03, 1, ByBalanced
		c.Loss = Loss{Positive: 1.5, Dice: 0.3}
		var losses []float64
		c.Hooks.Epoch = func(r EpochReport) { losses = append(losses, r.Loss) }
		s := mustRun(t, c)
		if first, last := losses[0], losses[len(losses)-1]; last > 0.6*first {
			t.Errorf("%s: the loss went from %g to %g only", mode, first, last)
		}
		// One filter detects noise on a flat background; 0.8 is far above the 0.2 or so of chance.
		if s.Score == nil || s.Score.AP < 0.8 {
			t.Errorf("%s: got %+v, want an AP of at least 0.8", mode, s.Score)
		}
	}
}

func TestResumeAfterInterruption(t *testing.T) {
	e := open(t)
	whole := mustRun(t, config(t, e))
	for _, stop := range []int64{1, 4, 6, 11} { // 6 steps an epoch
		c := config(t, e)
		ctx, cancel := context.WithCancel(context.Background())
		c.Hooks.Step = func(r StepReport) {
			if r.Step == stop {
				cancel()
			}
		}
		s, err := Run(ctx, c)
		cancel()
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) || !s.Interrupted {
			t.Fatalf("stopped at step %d: got %v, %+v", stop, err, s)
		}
		// One or two steps that were ready when the context ended may still run.
		if s.State.Step < stop || s.State.Step > stop+3 {
			t.Errorf("stopped at step %d: the checkpoint is of step %d", stop, s.State.Step)
		}
		c.Hooks, c.Resume, c.Workers = Hooks{}, true, 3
		resumed := mustRun(t, c)
		if !sameTensors(t, whole.Last, resumed.Last) || !sameTensors(t, whole.Best, resumed.Best) {
			t.Errorf("stopped at step %d and resumed: the weights differ from those of an uninterrupted run", stop)
		}
		if resumed.State.Best != whole.State.Best || resumed.State.BestEpoch != whole.State.BestEpoch {
			t.Errorf("stopped at step %d and resumed: best %g of epoch %d, want %g of %d", stop,
				resumed.State.Best, resumed.State.BestEpoch, whole.State.Best, whole.State.BestEpoch)
		}
	}
}

// A killed process leaves some last.safetensors: here it is copied in the middle of a run.
func TestResumeFromAnyCheckpoint(t *testing.T) {
	e := open(t)
	c := config(t, e)
	killed := t.TempDir()
	c.SaveSteps = 4
	saves := 0
	c.Hooks.Saved = func(path string) {
		if filepath.Base(path) != LastFile {
			return
		}
		if saves++; saves == 3 {
			for _, name := range []string{LastFile, bestFile, logFile} {
				data, err := os.ReadFile(filepath.Join(c.Out, name))
				if err != nil {
					t.Error(err)
				}
				if err := os.WriteFile(filepath.Join(killed, name), data, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}
	whole := mustRun(t, c)
	c.Out, c.Resume, c.Hooks = killed, true, Hooks{}
	resumed := mustRun(t, c)
	if !sameTensors(t, whole.Last, resumed.Last) || !sameTensors(t, whole.Best, resumed.Best) {
		t.Error("the weights differ from those of an uninterrupted run")
	}
	log, err := os.ReadFile(filepath.Join(killed, logFile))
	if err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]int{"start": 1, "resume": 1, "epoch": 3, "step": 18, "end": 1} {
		if got := strings.Count(string(log), `"event":"`+event+`"`); got != want {
			t.Errorf("the log has %d %s lines, want %d", got, event, want)
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	e := open(t)
	c := config(t, e)
	c.Epochs = 1
	mustRun(t, c)
	if _, err := Run(context.Background(), c); !errors.Is(err, ErrOccupied) {
		t.Errorf("a second training in the folder: error %v, want %v", err, ErrOccupied)
	}
	c.Resume = true
	options, data, net := c, c, c
	options.LR = 0.5
	data.TrainSource = patches{13}
	other := newTiny(network.ModeTiles)
	other.spec.Decoder = "other"
	net.Network = other
	for want, c := range map[string]Config{"lr was 0.01 and is now 0.5": options, "other data": data, "network": net} {
		if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	c.Epochs = 2 // more of the same is what resuming is for
	if s := mustRun(t, c); s.State.Epoch != 2 {
		t.Errorf("got %d epochs, want 2", s.State.Epoch)
	}
	c.Out = t.TempDir()
	if s := mustRun(t, c); s.State.Epoch != 2 { // nothing to resume: a start
		t.Errorf("got %d epochs, want 2", s.State.Epoch)
	}
}

func TestNaNKeepsCheckpoint(t *testing.T) {
	c := config(t, open(t))
	c.Optimizer = SGD
	last := filepath.Join(c.Out, LastFile)
	tr, err := prepare(context.Background(), c.Completed())
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	var kept []byte
	tr.config.Hooks.Epoch = func(EpochReport) {
		if kept, err = os.ReadFile(last); err != nil {
			t.Fatal(err)
		}
		tr.config.LR = 1e38
	}
	if err := tr.loop(context.Background()); !errors.Is(err, ErrNotFinite) {
		t.Fatalf("got %v, want ErrNotFinite", err)
	}
	now, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) == 0 || string(now) != string(kept) {
		t.Error("the last checkpoint changed")
	}
}

// With plain gradient descent at rate 1 a step moves the trained weights by the gradient, whose
// norm is limited.
func TestClip(t *testing.T) {
	c := config(t, open(t))
	c.Epochs, c.EpochPictures, c.Draws, c.Average = 1, 4, 1, 0
	c.Optimizer, c.Schedule, c.LR, c.Clip = SGD, Constant, 1, 0.01
	var reported float64
	c.Hooks.Step = func(r StepReport) { reported = r.Norm }
	s := mustRun(t, c)
	if s.State.Step != 1 {
		t.Fatalf("took %d steps, want 1", s.State.Step)
	}
	var moved []float64
	for _, p := range c.Network.Params() {
		for i, v := range floats(t, s.Last, p.Name) {
			if p.Trainable {
				moved = append(moved, float64(v-p.Data[i]))
			}
		}
	}
	if reported <= 0.01 {
		t.Fatalf("the gradient's norm is %g: nothing to limit", reported)
	}
	if got := norm(moved); math.Abs(got-0.01) > 1e-5 { // float32 differences of values near 1
		t.Errorf("the weights moved by %g, want 0.01", got)
	}
}

func TestMaxTime(t *testing.T) {
	c := config(t, open(t))
	c.Epochs, c.Schedule, c.MaxTime = 100000, Cosine, 1500*time.Millisecond
	began := time.Now()
	s := mustRun(t, c)
	if took := time.Since(began); took > 6*time.Second { // opening and a busy machine included
		t.Errorf("took %v, want about 1.5 s", took)
	}
	if !s.TimeUp || s.State.LossN != 0 {
		t.Errorf("got %+v, want a validated end by time", s)
	}
	openFile(t, s.Best)
}

func TestBestFileIsPlain(t *testing.T) {
	c := config(t, open(t))
	c.ValidSource, c.Epochs = nil, 1
	s := mustRun(t, c)
	best := openFile(t, s.Best)
	if got, want := len(best.Names()), len(c.Network.Params()); got != want {
		t.Errorf("the best checkpoint holds %d tensors, want the network's %d: %v", got, want, best.Names())
	}
	if best.Metadata()[network.SpecKey] != c.Network.(tiny).specJSON() || best.Metadata()[keyData] == "" || best.Metadata()[keyOptions] == "" {
		t.Errorf("metadata are not complete: %v", best.Metadata())
	}
	// It holds the average, the last checkpoint both.
	if !equal(floats(t, s.Best, "conv1.weight"), floats(t, s.Last, prefixAverage+"conv1.weight")) {
		t.Error("the best checkpoint does not hold the averaged weights")
	}
	if equal(floats(t, s.Best, "conv1.weight"), floats(t, s.Last, "conv1.weight")) {
		t.Error("the averaged weights are the latest")
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestRunRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no data to train on": func(c *Config) { c.TrainSource = nil },
		"batch size -1":       func(c *Config) { c.BatchSize = -1 },
		"crop size 30":        func(c *Config) { c.CropSize = 30 },
		"optimizer":           func(c *Config) { c.Optimizer = "lbfgs" },
		"schedule":            func(c *Config) { c.Schedule = "step" },
		"learning rate":       func(c *Config) { c.LR = -1 },
		"no pictures":         func(c *Config) { c.TrainSource = patches{0} },
		"not-there":           func(c *Config) { c.TrainSource, c.Data = nil, "not-there" },
	} {
		c := config(t, nil)
		change(&c)
		if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestReadOnlyOutput(t *testing.T) {
	c := config(t, open(t))
	file := filepath.Join(t.TempDir(), "file")
	if err := weights.Write(file, nil, nil); err != nil {
		t.Fatal(err)
	}
	c.Out = filepath.Join(file, "below")
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error with the folder's name", err)
	}
}

// A training that starts from a checkpoint takes its network and its weights: at a learning rate of
// almost zero they stay the same.
func TestInit(t *testing.T) {
	e := open(t)
	first := config(t, e)
	first.Network, first.TrainSource, first.ValidSource, first.Epochs = nil, patches{4}, nil, 1
	first.Spec = network.Spec{Arch: network.ArchLite, Widths: []int{2, 2, 4, 4}, LiteOptions: network.LiteOptions{Context: 4, Dilations: []int{1}}}
	from := mustRun(t, first)
	second := first
	second.Spec, second.Init, second.Out, second.LR, second.Seed = network.Spec{}, from.Best, t.TempDir(), 1e-12, 9
	to := mustRun(t, second)
	for _, name := range []string{"conv2.weight", "context.out.bias"} {
		a, b := floats(t, from.Best, name), floats(t, to.Best, name)
		for i := range a {
			if math.Abs(float64(a[i]-b[i])) > 1e-9 {
				t.Fatalf("%s[%d] was %g and is %g", name, i, a[i], b[i])
			}
		}
	}
	second.Init, second.Out = filepath.Join(t.TempDir(), "missing.safetensors"), t.TempDir()
	if _, err := Run(context.Background(), second); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing.safetensors") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

// A frozen backbone is copied from a checkpoint and stays the same until it is thawed.
func TestFrozenBackbone(t *testing.T) {
	spec := network.Spec{Arch: network.ArchLite, Widths: []int{2, 2, 4, 4}, LiteOptions: network.LiteOptions{Context: 3, Dilations: []int{1}, DCT: 2}}
	c := config(t, open(t))
	c.Network, c.Spec, c.Epochs = nil, spec, 1
	first := mustRun(t, c).Last

	c.Out, c.Spec.Decoder, c.Spec.Frozen, c.Backbone = t.TempDir(), network.DecoderPyramid, true, first
	frozen := mustRun(t, c).Last
	c.Out, c.Init, c.ThawContext = t.TempDir(), frozen, true
	between := mustRun(t, c).Last
	c.Out, c.Thaw, c.ThawContext = t.TempDir(), true, false
	thawed := mustRun(t, c).Last
	c.Out, c.Thaw, c.FineTune, c.Spec.Frozen = t.TempDir(), false, true, false
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "use --thaw-backbone") {
		t.Errorf("fine-tuned: got %v", err)
	}

	a, b, m, d := openFile(t, first), openFile(t, frozen), openFile(t, between), openFile(t, thawed)
	same := func(one, two *weights.File, name string) bool {
		x, err := one.Float32s(name)
		if err != nil {
			t.Fatal(err)
		}
		y, err := two.Float32s(name)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Equal(x, y)
	}
	for _, name := range []string{"conv1.weight", "bn1.running_mean", "block2.rep.5.bias", "dct.mix.pointwise.weight"} {
		if !same(a, b, name) {
			t.Errorf("%s changed though the backbone is frozen", name)
		}
		if !same(b, m, name) {
			t.Errorf("%s changed though only the context decoder is thawed", name)
		}
		if same(b, d, name) {
			t.Errorf("%s stayed the same though the backbone is thawed", name)
		}
	}
	if same(b, m, "context.in.weight") || same(b, m, "context.in_bn.running_mean") {
		t.Error("the context decoder was not trained")
	}
	if same(b, d, "pyramid.in.weight") {
		t.Error("the decoder was not trained")
	}
}
