package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// decoderCase is a training of a published decoder by PyTorch: tools/golden/train.py.
type decoderCase struct {
	Decoder   string
	Detection bool
	Rules     []networktest.Rule
	Losses    []float64
	Drift     float64              // PyTorch's own relative drift by rounding
	End       map[string]places    // by parameter: values that rounding does not move
	First     map[string][]float32 // running statistics after the first step
}

// places are some values of a tensor and their indices.
type places struct {
	At     []int
	Values []float64
}

// UnmarshalJSON reads [at, values].
func (p *places) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.At, &p.Values})
}

const (
	goldenChannels, goldenGrid, goldenSide = 128, 4, 256

	// Float32 sums in another order, carried through 20 steps: relative to the loss, and as a
	// multiple of PyTorch's own drift.
	lossTolerance, drifts = 1e-5, 10
	valueTolerance        = 1e-4

	// Winograd's convolutions round twice as much as plain sums. That decides other signs among
	// tiny gradients (20 of 102400 in the first step, one norm's scale among them), and by these
	// signs AdamW's first steps go.
	winogradLossTolerance = 1e-3
)

// The published decoders must follow PyTorch through twenty steps of AdamW, by masks and by labels.
func TestDecodersFollowPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/decoders.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []decoderCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	e := open(t)
	for _, c := range cases {
		config := DefaultConfig()
		config.BatchSize = 2
		if c.Detection {
			config.Supervision = Detection
		}
		t.Run(c.Decoder+" "+config.Supervision, func(t *testing.T) { c.check(t, e, config, false) })
		if e.Winograd() {
			t.Run(c.Decoder+" "+config.Supervision+" by Winograd", func(t *testing.T) { c.check(t, e, config, true) })
		}
	}
}

func (c decoderCase) check(t *testing.T, e *engine.Engine, config Config, winograd bool) {
	s, err := newStep(e, c.head(t), config, dataset.Shape{TargetHeight: goldenSide, TargetWidth: goldenSide},
		network.Form{Winograd: winograd})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inputs, target := c.batch(t)
	far := 0.0
	for i, want := range c.Losses {
		loss, _, err := s.Run(context.Background(), inputs, target, int64(i), config.LR)
		if err != nil {
			t.Fatal(err)
		}
		far = max(far, math.Abs(loss-want)/want)
		if i == 0 {
			c.checkFirst(t, s)
		}
	}
	t.Logf("losses are within %.1e", far)
	most := max(lossTolerance, drifts*c.Drift)
	if winograd {
		most = winogradLossTolerance
	}
	if far > most {
		t.Errorf("a loss is %.1e of PyTorch's away from it, want at most %.1e", far, most)
	}
	if !winograd {
		c.checkEnd(t, s)
	}
}

// checkEnd compares, after all steps, the values that rounding does not change.
func (c decoderCase) checkEnd(t *testing.T, s *Step) {
	t.Helper()
	largest := 0.0
	for _, p := range s.Params() {
		want, ok := c.End[p.Name]
		if !ok {
			t.Fatalf("PyTorch's side knows no %s", p.Name)
		}
		for k, at := range want.At {
			d := math.Abs(float64(p.Data[at]) - want.Values[k])
			if largest = max(largest, d); d > valueTolerance {
				t.Errorf("%s[%d] is %g after all steps, want %g", p.Name, at, p.Data[at], want.Values[k])
			}
		}
	}
	t.Logf("values are within %.1e", largest)
}

// checkFirst compares all running statistics after the first step.
func (c decoderCase) checkFirst(t *testing.T, s *Step) {
	t.Helper()
	largest, n := 0.0, 0
	for _, p := range s.Params() {
		if !strings.Contains(p.Name, ".running_") {
			continue
		}
		n++
		for k, want := range c.First[p.Name] {
			d := math.Abs(float64(p.Data[k] - want))
			if largest = max(largest, d); d > valueTolerance {
				t.Errorf("%s[%d] is %g after the first step, want %g", p.Name, k, p.Data[k], want)
			}
		}
	}
	if n != len(c.First) {
		t.Errorf("%d running statistics, PyTorch has %d", n, len(c.First))
	}
	t.Logf("the first running statistics are within %.1e", largest)
}

// head is the decoder with the weights of the rules.
func (c decoderCase) head(t *testing.T) *network.Head {
	t.Helper()
	tower := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", goldenChannels, 8, 1, goldenGrid)), nil)
	backbones, err := network.BackbonesIn([]*weights.File{tower})
	if err != nil {
		t.Fatal(err)
	}
	spec := network.Spec{Arch: "ViT", Layer: "layer0", Decoder: c.Decoder}
	if strings.HasPrefix(c.Decoder, "conv-") {
		spec.Widths = []int{32, 16, 8, 8}
	}
	head, err := network.NewHead(spec, backbones, 1)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]networktest.Rule{}
	for _, r := range c.Rules {
		rules[r.Name] = r
	}
	for _, p := range head.Params() {
		r, ok := rules[p.Name]
		if !ok {
			t.Fatalf("no rule for %s", p.Name)
		}
		copy(p.Data, networktest.Uniform(p.Name, len(p.Data), r.Scale, r.Offset))
	}
	return head
}

// batch is the features and the targets: masks with a disc each, or labels.
func (c decoderCase) batch(t *testing.T) (inputs []*engine.Tensor, target *engine.Tensor) {
	t.Helper()
	tensor := func(data []float32, shape ...int) *engine.Tensor {
		made, err := engine.NewTensor(shape, data)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	const tokens = 1 + goldenGrid*goldenGrid
	features := tensor(networktest.Uniform("features", 2*tokens*goldenChannels, 1, 0), 2, tokens, goldenChannels)
	if c.Detection {
		return []*engine.Tensor{features}, tensor([]float32{1, 0}, 2, 1, 1, 1)
	}
	masks := make([]float32, 2*goldenSide*goldenSide)
	for k := range masks {
		i, y, x := k/(goldenSide*goldenSide), k/goldenSide%goldenSide, k%goldenSide
		if x, y := x-90-60*i, y-128; x*x+y*y < 70*70 {
			masks[k] = 1
		}
	}
	return []*engine.Tensor{features}, tensor(masks, 2, 1, goldenSide, goldenSide)
}
