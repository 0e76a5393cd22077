package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
)

// publishedCase is a training of a small copy of another author's network by PyTorch:
// tools/golden/published_training.py.
type publishedCase struct {
	Arch   string
	Rate   float64
	Rules  []networktest.Rule
	Losses []float64
	// PyTorch's own drift by rounding: of the losses, relative, and of the values.
	Drift, Far float64
	End        map[string][]float64 // first, middle and last value of each tensor after all steps
}

func readPublished(t *testing.T) (cases []publishedCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/published.json")
	if err == nil {
		err = json.Unmarshal(text, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// small are the sizes of the golden copies.
func small(arch string) *network.Sizes {
	stage := func(widths ...int) network.StageSizes {
		return network.StageSizes{Modules: 1, Blocks: 1, Widths: widths}
	}
	if arch == network.ArchPSCCNet {
		return &network.Sizes{Stem: [2]int{6, 6}, Inner: 6, Outer: 24, Bottlenecks: 1,
			Stages: []network.StageSizes{stage(3, 4), stage(3, 4, 5), stage(3, 4, 5, 6)},
			PSCC:   &network.PSCCSizes{Cuts: []int{8, 4, 2, 1}, Inner: []int{4, 4, 4, 4}, Final: 8, Hidden: 5}}
	}
	dct := &network.DCTSizes{Planes: [2]int{6, 2}, Outputs: 5, Blocks: 1, Stages: []network.StageSizes{stage(5, 6), stage(5, 6, 7)}}
	if arch == network.ArchCATNetDCT {
		return &network.Sizes{DCT: dct}
	}
	joined := stage(3, 4, 5, 6)
	return &network.Sizes{Stem: [2]int{6, 6}, Inner: 4, Outer: 8, Bottlenecks: 1, DCT: dct, Joined: &joined,
		Stages: []network.StageSizes{stage(4, 5), stage(4, 5, 6), stage(4, 5, 6, 7)}}
}

// network is the small copy with the weights of the rules.
func (c publishedCase) network(t *testing.T) *network.Network {
	t.Helper()
	n, err := network.New(network.Spec{Arch: c.Arch, Sizes: small(c.Arch)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Params()) != len(c.Rules) {
		t.Fatalf("%s has %d tensors, PyTorch's has %d", c.Arch, len(n.Params()), len(c.Rules))
	}
	rules := map[string]networktest.Rule{}
	for _, r := range c.Rules {
		rules[r.Name] = r
	}
	for _, p := range n.Params() {
		r, ok := rules[p.Name]
		if !ok || !slices.Equal(r.Shape, p.Shape) {
			t.Fatalf("%s of shape %v: PyTorch's has shape %v", p.Name, p.Shape, r.Shape)
		}
		copy(p.Data, networktest.Uniform(p.Name, len(p.Data), r.Scale, r.Offset))
	}
	return n
}

// batch is made as in tools/golden/published_training.py.
func (c publishedCase) batch() (*dataset.Batch, dataset.Shape) {
	const n = 2
	shape := dataset.Shape{Height: 64, Width: 64, TargetHeight: 16, TargetWidth: 16, Coefficients: true}
	switch c.Arch {
	case network.ArchCATNetDCT:
		shape.TargetHeight, shape.TargetWidth = 8, 8
	case network.ArchPSCCNet:
		shape = dataset.Shape{Height: 32, Width: 32, TargetHeight: 256, TargetWidth: 256}
	}
	area := shape.Height * shape.Width
	rounded := func(name string, count int, f func(u float64) float64) []float32 {
		values := networktest.Uniform(name, count, 1, 0)
		for i, u := range values {
			values[i] = float32(math.RoundToEven(f(float64(u))))
		}
		return values
	}
	b := &dataset.Batch{
		Images:       networktest.Uniform("image", n*3*area, 1, 0),
		Coefficients: rounded("coefficients", n*area, func(u float64) float64 { return 30 * u * u * u }),
		Steps:        rounded("steps", n*64, func(u float64) float64 { return 1 + math.RoundToEven(math.Abs(30*u)) }),
		Target:       make([]float32, n*shape.TargetHeight*shape.TargetWidth),
	}
	if c.Arch == network.ArchPSCCNet {
		for i, v := range b.Images {
			b.Images[i] = 0.5 + 0.5*v
		}
	}
	side := shape.TargetWidth
	for k := range b.Target {
		i, y, x := k/(side*side), float64(k/side%side)/float64(side), float64(k%side)/float64(side)
		if x -= 0.35 + 0.2*float64(i); x*x+(y-0.5)*(y-0.5) < 0.06 {
			b.Target[k] = 1
		}
	}
	if c.Arch == network.ArchPSCCNet {
		clear(b.Target[side*side:]) // one picture is untouched
	}
	return b, shape
}

// config is a training with plain gradient descent and the loss that suits the network.
func (c publishedCase) config() Config {
	config := DefaultConfigFor(c.Arch, Localization)
	config.BatchSize, config.Optimizer = 2, SGD
	return config
}

// step is a step of the small copy, its inputs and its target.
func (c publishedCase) step(t *testing.T) (s *Step, inputs []*engine.Tensor, target *engine.Tensor) {
	t.Helper()
	b, shape := c.batch()
	s, err := NewStep(open(t), c.network(t), c.config(), shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if inputs, err = exampleTensors(s.Given(), b, 2, shape); err != nil {
		t.Fatal(err)
	}
	if target, err = engine.NewTensor([]int{2, 1, shape.TargetHeight, shape.TargetWidth}, b.Target); err != nil {
		t.Fatal(err)
	}
	return s, inputs, target
}

// Twenty steps of CAT-Net and five of PSCC-Net must follow PyTorch's.
func TestPublishedStepsFollowPyTorch(t *testing.T) {
	for _, c := range readPublished(t) {
		t.Run(c.Arch, func(t *testing.T) {
			s, inputs, target := c.step(t)
			far := 0.0
			for i, want := range c.Losses {
				loss, _, err := s.Run(context.Background(), inputs, target, int64(i), c.Rate)
				if err != nil {
					t.Fatal(err)
				}
				far = max(far, math.Abs(loss-want)/want)
				if i == 0 && far > lossTolerance {
					t.Errorf("the first loss is %.9g, want %.9g", loss, want)
				}
			}
			t.Logf("losses are within %.1e", far)
			// Float32 sums in another order, carried through 20 steps.
			if most := max(lossTolerance, c.Drift); far > most {
				t.Errorf("a loss is %.1e of PyTorch's away from it, want at most %.1e", far, most)
			}
			most := max(valueTolerance, c.Far)
			for _, p := range s.Params() {
				for k, at := range []int{0, len(p.Data) / 2, len(p.Data) - 1} {
					if want := c.End[p.Name][k]; math.Abs(float64(p.Data[at])-want) > most {
						t.Errorf("%s[%d] is %g after all steps, want %g", p.Name, at, p.Data[at], want)
					}
				}
			}
		})
	}
}

// Along the gradient of a tensor the loss must rise by the gradient's norm: central differences.
func TestPublishedGradients(t *testing.T) {
	tensors := map[string][]string{
		network.ArchCATNet: {"conv1.weight", "stage3.0.fuse_layers.2.0.1.0.weight", "stage4.0.fuse_layers.0.3.1.bias",
			"dc_layer0_dil.0.weight", "dc_layer1_tail.0.weight", "dc_stage4.0.fuse_layers.1.2.0.weight", "last_layer.3.bias"},
		network.ArchCATNetDCT: {"dc_layer0_dil.0.weight", "dc_layer2.0.bn1.weight", "dc_transition3.2.0.0.weight", "last_layer.0.weight"},
		network.ArchPSCCNet: {"conv2.weight", "stage4.0.fuse_layers.3.0.2.0.weight", "getmask1.theta.weight", "getmask2.g.weight",
			"getmask3.gamma_c", "getmask4.phi.bias", "getmask1.getmask.2.weight", "incre_modules.2.0.conv2.weight", "classifier.0.weight"},
	}
	for _, c := range readPublished(t) {
		s, inputs, target := c.step(t)
		loss := func() float64 {
			v, _, err := s.Run(context.Background(), inputs, target, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		loss()
		for _, name := range tensors[c.Arch] {
			at := func(p network.Param) bool { return p.Name == name }
			i, j := slices.IndexFunc(s.Params(), at), slices.IndexFunc(s.Gradients(), at)
			if i < 0 || j < 0 {
				t.Fatalf("%s has no trained %s", c.Arch, name)
			}
			p, grad := s.Params()[i].Data, slices.Clone(s.Gradients()[j].Data)
			norm := 0.0
			for _, g := range grad {
				norm += float64(g) * float64(g)
			}
			norm = math.Sqrt(norm)
			start := slices.Clone(p)
			move := func(h float64) float64 {
				for k, g := range grad {
					p[k] = float32(float64(start[k]) + h*float64(g)/norm)
				}
				return loss()
			}
			// Long enough for the loss to change by far more than its rounding, and short enough to stay
			// between the kinks of ReLUs.
			h := min(1e-2, 1e-4/norm)
			slope := (move(h) - move(-h)) / (2 * h)
			copy(p, start)
			if !(math.Abs(slope-norm) <= 0.03*norm) {
				t.Errorf("%s, %s: the gradient's norm is %g, the loss's slope along it %g", c.Arch, name, norm, slope)
			}
		}
	}
}

// What no longer fits in the network's Spec is refused.
func TestPublishedSpecs(t *testing.T) {
	for want, spec := range map[string]network.Spec{
		"expected those of 4 branches": {Arch: network.ArchCATNet, Widths: []int{8, 16}},
		"has no layer or decoder":      {Arch: network.ArchCATNet, Decoder: "linear"},
		"the sizes are not those":      {Arch: network.ArchPSCCNet, Sizes: small(network.ArchCATNet)},
		"runs in mode":                 {Arch: network.ArchPSCCNet, Mode: network.ModeTiles},
	} {
		if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", spec, err, want)
		}
	}
	c := publishedConfig(t, network.ArchPSCCNet)
	c.Backbone = "some.safetensors"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "has no backbone of its own") {
		t.Errorf("with a backbone: got %v", err)
	}
	half, err := network.New(network.Spec{Arch: network.ArchCATNetDCT, Widths: []int{48, 96, 192}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(half.Spec().Sizes.DCT.Planes, half.Spec().Sizes.DCT.Outputs); got != "[32 2] 48" {
		t.Errorf("at half the width the other channels are %s, want [32 2] 48", got)
	}
}
