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
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// dinoSteps are PyTorch's steps; see tools/golden/dino_train.py.
type dinoSteps struct {
	Stride      int
	Rate        float64
	LoRA, Whole dinoTraining
}

type dinoTraining struct {
	Rules  []networktest.Rule
	Losses []float64
	End    map[string][]float32
}

const dinoSide = 32 // pixels

func readDINOSteps(t *testing.T) (s dinoSteps) {
	t.Helper()
	text, err := os.ReadFile("testdata/dino_steps.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// head makes a decoder on the backbone of the rules, whose tensors are in Meta's naming.
func (d dinoTraining) head(t *testing.T, spec network.Spec) *network.Head {
	t.Helper()
	var tensors []weights.Tensor
	for _, r := range d.Rules {
		if !strings.HasPrefix(r.Name, "seg_head.") && !strings.HasPrefix(r.Name, "fc.") && !strings.Contains(r.Name, "lora_") {
			tensors = append(tensors, r.Tensor())
		}
	}
	mask := slices.Repeat([]float32{1}, 3*64)
	clear(mask[64:128])
	for i := range 2 {
		tensors = append(tensors, weights.FromFloat32s(fmt.Sprintf("blocks.%d.attn.qkv.bias_mask", i), []int{3 * 64}, mask))
	}
	tensors = append(tensors, networktest.Periods("rope_embed.periods"))
	backbones, err := network.BackbonesIn([]*weights.File{networktest.Store(t, tensors, nil)})
	if err != nil {
		t.Fatal(err)
	}
	spec.Arch, spec.Input, spec.Output = "dinov3", dinoSide, dinoSide
	head, err := network.NewHead(spec, backbones, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.fill(head.Params())
	return head
}

// fill gives parameters the values of the rules.
func (d dinoTraining) fill(params []network.Param) {
	for _, p := range params {
		name := strings.TrimPrefix(p.Name, "backbone.")
		for _, r := range d.Rules {
			if r.Name == name {
				copy(p.Data, networktest.Uniform(name, len(p.Data), r.Scale, r.Offset))
			}
		}
	}
}

// follow takes the steps and compares losses and final values.
func (d dinoTraining) follow(t *testing.T, s dinoSteps, n Network) {
	t.Helper()
	config := DefaultConfig()
	config.BatchSize = 2
	shape := dataset.Shape{Height: dinoSide, Width: dinoSide, TargetHeight: dinoSide, TargetWidth: dinoSide}
	step, err := NewStep(open(t), n, config, shape)
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	target := make([]float32, 2*dinoSide*dinoSide)
	for k := range target {
		i, y, x := k/(dinoSide*dinoSide), k/dinoSide%dinoSide, k%dinoSide
		if i == 0 && y >= 4 && y < 20 && x >= 8 && x < 30 || i == 1 && y >= 16 && x < 12 {
			target[k] = 1
		}
	}
	inputs, masks := given(t, &dataset.Batch{Images: imagesOfDINO(), Target: target}, shape)
	for i, want := range d.Losses {
		loss, _, err := step.Run(context.Background(), inputs, masks, int64(i), s.Rate)
		if err != nil {
			t.Fatal(err)
		}
		// Float32 sums in another order, carried through 20 steps.
		if math.Abs(loss-want) > 1e-4*want {
			t.Errorf("loss of step %d is %.8f, want %.8f", i, loss, want)
		}
	}
	compared := 0
	for _, p := range step.Params() {
		want, ok := d.End[strings.TrimPrefix(strings.Replace(p.Name, "register_tokens", "storage_tokens", 1), "backbone.")]
		if !ok {
			continue
		}
		compared++
		for i, w := range want {
			// AdamW divides by the root of tiny gradients, which magnifies rounding.
			if got := p.Data[i*s.Stride]; math.Abs(float64(got-w)) > 1e-3 {
				t.Errorf("%s[%d] is %g, want %g", p.Name, i*s.Stride, got, w)
				break
			}
		}
	}
	if compared != len(d.End) {
		t.Errorf("%d tensors were compared, expected %d", compared, len(d.End))
	}
}

// imagesOfDINO are dino_train.py's pictures, which are normalised by ImageNet's statistics, in the
// normalisation of the program.
func imagesOfDINO() []float32 {
	mean, std := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	images := networktest.Uniform("images", 2*3*dinoSide*dinoSide, 1, 0)
	for i := range images {
		c := i / (dinoSide * dinoSide) % 3
		images[i] = (images[i]*std[c] + mean[c] - network.Mean[c]) / network.Std[c]
	}
	return images
}

// Twenty steps of adapters and a head follow PyTorch's.
func TestAdaptersFollowPyTorch(t *testing.T) {
	s := readDINOSteps(t)
	head := s.LoRA.head(t, network.Spec{Decoder: network.DecoderConv3})
	adapted, err := head.Adapted(network.LoRA{Rank: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	s.LoRA.fill(adapted.Params())
	s.LoRA.follow(t, s, adapted)
}

// Twenty steps of a whole network with SwiGLU follow PyTorch's.
func TestFineTunedDINOFollowsPyTorch(t *testing.T) {
	s := readDINOSteps(t)
	tuned, err := s.Whole.head(t, network.Spec{Layer: "layer1", Decoder: "linear"}).FineTuned()
	if err != nil {
		t.Fatal(err)
	}
	s.Whole.follow(t, s, tuned)
}

// The gradient agrees with central differences of the loss along a random direction, for the
// operations of both kinds of transformers: RoPE, SwiGLU, LayerScale, resized positions, adapters.
func TestDINOGradients(t *testing.T) {
	s := readDINOSteps(t)
	adapted := func(targets ...string) func(*network.Head) (Network, error) {
		return func(h *network.Head) (Network, error) { return h.Adapted(network.LoRA{Rank: 2, Targets: targets}, 3) }
	}
	tuned := func(h *network.Head) (Network, error) { return h.FineTuned() }
	for name, c := range map[string]struct {
		training dinoTraining
		make     func(*network.Head) (Network, error)
	}{
		"swiglu":         {s.Whole, tuned},
		"gelu":           {s.LoRA, tuned},
		"adapters":       {s.LoRA, adapted("qkv", "proj", "mlp")},
		"split adapters": {s.Whole, adapted("q", "v", "w1", "w3")},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := c.make(c.training.head(t, network.Spec{Layer: "layer1", Decoder: "linear"}))
			if err != nil {
				t.Fatal(err)
			}
			checkSlope(t, n)
		})
	}
}

// checkSlope compares the gradient of the first step with a central difference.
func checkSlope(t *testing.T, n Network) {
	t.Helper()
	config := DefaultConfig()
	config.BatchSize = 2
	shape := dataset.Shape{Height: dinoSide, Width: dinoSide, TargetHeight: dinoSide, TargetWidth: dinoSide}
	step, err := NewStep(open(t), n, config, shape)
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	target := networktest.Uniform("target", 2*dinoSide*dinoSide, 0.5, 0.5)
	inputs, masks := given(t, &dataset.Batch{Images: imagesOfDINO(), Target: target}, shape)
	start, directions := map[string][]float32{}, map[string][]float32{}
	for _, p := range step.Params() {
		if strings.Contains(p.Name, "lora_B") { // zero at first: then A has no gradient
			copy(p.Data, networktest.Uniform(p.Name, len(p.Data), 0.2, 0))
		}
		start[p.Name] = slices.Clone(p.Data)
		directions[p.Name] = networktest.Uniform("direction "+p.Name, len(p.Data), 1, 0)
	}
	const reach = 1.5e-4
	at := func(by float32) float64 {
		for _, p := range step.Params() {
			for i, v := range start[p.Name] {
				p.Data[i] = v
				if p.Trainable {
					p.Data[i] += by * directions[p.Name][i]
				}
			}
		}
		loss, _, err := step.Run(context.Background(), inputs, masks, 0, 1e-12)
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	slope := (at(reach) - at(-reach)) / (2 * reach)
	at(0)
	along, size := 0.0, 0.0
	for _, g := range step.Gradients() {
		for i, v := range g.Data {
			along += float64(v) * float64(directions[g.Name][i])
			size += math.Abs(float64(v)) / 3
		}
	}
	// The loss has 7 digits; its second derivative cancels.
	if math.Abs(slope-along) > 2e-3*math.Abs(along)+2e-3 {
		t.Errorf("the loss rises by %g along the direction, the gradient says %g", slope, along)
	}
	if math.Abs(along) < 0.01 {
		t.Errorf("the gradient along the direction is %g of up to %g, which proves nothing", along, size)
	}
}

// dinoFile is a file with a tiny backbone of DINOv3.
func dinoFile(t *testing.T) string {
	t.Helper()
	return networktest.Store(t, networktest.DINOv3("", 64, 2), nil).Path()
}

// Every decoder trains on DINO, also on several layers, and its checkpoint, opened with the
// backbone, gives the same scores as in validation.
func TestDecodersOnDINO(t *testing.T) {
	e := open(t)
	file := dinoFile(t)
	for _, spec := range []network.Spec{
		{Layer: "layer0", Decoder: "linear"},
		{Decoder: "attention"},
		{Layer: "layer0-norm,layer1", Decoder: "conv-4", Widths: smallWidths},
		{Layer: "layer0,norm", Decoder: "conv3"},
		{Layer: "layer0,layer1", Decoder: "linear"},
	} {
		t.Run(spec.String(), func(t *testing.T) {
			spec.Arch, spec.Input = "dinov3", 32
			c := headConfig(t, e, spec, file)
			c.Epochs = 1
			s := mustRun(t, c)
			m, err := network.OpenPretrained(openFile(t, s.Best), network.Override{}, openFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Spec(); got.Input != 32 {
				t.Errorf("opened with an input of %d pixels, trained with 32", got.Input)
			}
			scoresAsTrained(t, e, m, c.ValidSource, *s.Score, 1e-4)
		})
	}
}

// A checkpoint of adapters holds no backbone, gives the scores of its validation, is resumed and
// continued, and is refused with another backbone.
func TestAdapters(t *testing.T) {
	e := open(t)
	file := dinoFile(t)
	c := headConfig(t, e, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 32}, Decoder: "conv3", LoRA: &network.LoRA{Rank: 2, Targets: []string{"q", "v", "mlp"}}}, file)
	c.Epochs, c.LR = 2, 1e-3
	s := mustRun(t, c)
	best := openFile(t, s.Best)
	for _, name := range best.Names() {
		if !strings.HasPrefix(name, "seg_head.") && !strings.Contains(name, ".lora_") {
			t.Errorf("the checkpoint holds %q", name)
		}
	}
	m, err := network.OpenPretrained(best, network.Override{}, openFile(t, file))
	if err != nil {
		t.Fatal(err)
	}
	scoresAsTrained(t, e, m, c.ValidSource, *s.Score, 1e-3)

	other := networktest.Store(t, networktest.DINOv3("other.", 64, 2), nil)
	if _, err := network.OpenPretrained(best, network.Override{}, other); err == nil || !strings.Contains(err.Error(), "was trained on") {
		t.Errorf("another backbone: got %v, want an error with both digests", err)
	}
	c.Resume, c.Epochs = true, 3
	mustRun(t, c)
	c.Resume, c.Out, c.Spec, c.Init, c.LR = false, t.TempDir(), network.Spec{}, s.Best, 1e-12
	c.Epochs = 1
	again := mustRun(t, c)
	const a = "backbone.blocks.0.attn.q_proj.lora_A.default.weight"
	if x, y := floats(t, s.Best, a), floats(t, again.Last, a); !slices.EqualFunc(x, y, func(x, y float32) bool { return near(float64(x), float64(y), 1e-9) }) {
		t.Error("the adapters to start from were not taken")
	}
}

// A fine-tuned network of DINO opens without other files.
func TestFineTunedDINO(t *testing.T) {
	e := open(t)
	c := headConfig(t, e, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 32}, Decoder: "conv3"}, dinoFile(t))
	c.FineTune, c.Epochs = true, 1
	s := mustRun(t, c)
	m, err := network.OpenPretrained(openFile(t, s.Best), network.Override{})
	if err != nil {
		t.Fatal(err)
	}
	scoresAsTrained(t, e, m, c.ValidSource, *s.Score, 1e-3)
}

// Adapters are refused where they make no sense.
func TestAdaptersRefused(t *testing.T) {
	vit, _ := towers(t)
	file := dinoFile(t)
	for want, c := range map[string]Config{
		"not to ViT":     headConfig(t, nil, network.Spec{Arch: "ViT", LoRA: &network.LoRA{Rank: 2}}, vit),
		"has no layer":   headConfig(t, nil, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 32}, LoRA: &network.LoRA{Rank: 2, Targets: []string{"w1"}}}, file),
		"adapters of":    headConfig(t, nil, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 32}, LoRA: &network.LoRA{Rank: 2, Targets: []string{"x"}}}, file),
		"exclude each":   headConfig(t, nil, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 32}, LoRA: &network.LoRA{Rank: 2, Targets: []string{"q", "qkv"}}}, file),
		"multiples of 1": headConfig(t, nil, network.Spec{Arch: "dinov3", ResizeOptions: network.ResizeOptions{Input: 40}}, file),
	} {
		if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
