package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// tiny is a network of two convolutions with a batch norm between, one logit for 4x4 pixels.
type tiny struct{ spec network.Spec }

func newTiny(mode string) tiny {
	return tiny{network.Spec{Arch: "tiny", Decoder: "none", Mode: mode, ResizeOptions: network.ResizeOptions{Input: 32, Output: 8}, TileOptions: network.TileOptions{Stride: 4, Tile: 64, Overlap: 16}}}
}

func (m tiny) Spec() network.Spec { return m.spec }

func (m tiny) specJSON() string {
	text, _ := json.Marshal(m.spec)
	return string(text)
}

func (m tiny) Metadata() (map[string]string, error) {
	return map[string]string{network.SpecKey: m.specJSON()}, nil
}

func (m tiny) Uses() []network.Use { return nil }

func (m tiny) Params() []network.Param {
	r := rand.New(rand.NewPCG(1, 2))
	param := func(name string, scale float64, offset float32, trainable bool, shape ...int) network.Param {
		n := 1
		for _, d := range shape {
			n *= d
		}
		p := network.Param{Name: name, Shape: shape, Data: make([]float32, n), Trainable: trainable}
		for i := range p.Data {
			p.Data[i] = offset + float32(scale*r.NormFloat64())
		}
		return p
	}
	return []network.Param{
		param("conv1.weight", 0.2, 0, true, 6, 3, 3, 3),
		param("bn.weight", 0, 1, true, 6), param("bn.bias", 0, 0, true, 6),
		param("bn.running_mean", 0, 0, false, 6), param("bn.running_var", 0, 1, false, 6),
		param("conv2.weight", 0.2, 0, true, 1, 6, 3, 3), param("conv2.bias", 0, 0, true, 1),
	}
}

func (m tiny) Build(g *graph.Graph, inputs []*graph.Node, train bool) network.Built {
	half := graph.ConvOptions{Stride: 2, Pad: 1, Dilation: 1, Groups: 1}
	x := graph.Conv(inputs[0], g.Param("conv1.weight", 6, 3, 3, 3), nil, half)
	scale, bias := g.Param("bn.weight", 6), g.Param("bn.bias", 6)
	mean, variance := g.Param("bn.running_mean", 6), g.Param("bn.running_var", 6)
	updates := map[string]*graph.Node{}
	if train {
		var newMean, newVar *graph.Node
		x, newMean, newVar = graph.BatchNormTrain(x, scale, bias, mean, variance, 1e-5, 0.1)
		updates["bn.running_mean"], updates["bn.running_var"] = newMean, newVar
	} else {
		x = graph.BatchNorm(x, scale, bias, mean, variance, 1e-5)
	}
	logits := graph.Conv(graph.ReLU(x), g.Param("conv2.weight", 1, 6, 3, 3), g.Param("conv2.bias", 1), half)
	return network.Built{Logits: logits, Updates: updates}
}

// patches is a source of n grey pictures, most of them with a noisy rectangle that the mask marks.
type patches struct{ n int }

func (s patches) Len() int { return s.n }

func (s patches) Load(_ context.Context, i int) (dataset.Sample, error) {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	w, h := 72+8*(i%3), 64
	p, m := picture.NewRGB(w, h), picture.NewGray(w, h)
	x0, y0, side := r.IntN(w-36), r.IntN(h-36), 36
	for y := range h {
		for x := range w {
			noise := 0.0
			if i%4 != 3 && x >= x0 && x < x0+side && y >= y0 && y < y0+side {
				m.Pix[y*w+x], noise = 255, 60
			}
			for c := range 3 {
				p.Pix[3*(y*w+x)+c] = uint8(min(max(120+noise*r.NormFloat64(), 0), 255))
			}
		}
	}
	return dataset.Sample{Picture: picture.New(p), Mask: m, Name: fmt.Sprint("picture ", i), Method: "noise"}, nil
}

// config is a training of the tiny network that takes a fraction of a second.
func config(t *testing.T, e *engine.Engine) Config {
	t.Helper()
	c := DefaultConfig()
	c.Network, c.Engine, c.Out = newTiny(network.ModeTiles), e, t.TempDir()
	c.TrainSource, c.ValidSource = patches{12}, patches{5}
	c.Epochs, c.BatchSize, c.Draws, c.CropSize, c.LR, c.Average, c.Seed = 3, 4, 2, 32, 0.01, 0.9, 3
	c.Augment.Turn, c.Augment.Tone = true, 0.5
	return c
}

// noAugment is the default: no augmentation.
func noAugment() Augment { return DefaultConfig().Augment }

func open(t *testing.T) *engine.Engine { return enginetest.Open(t) }

func mustRun(t *testing.T, c Config) Summary {
	t.Helper()
	s, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameTensors compares two checkpoints bit by bit.
func sameTensors(t *testing.T, a, b string) bool {
	t.Helper()
	one, two := openFile(t, a), openFile(t, b)
	if !slices.Equal(one.Names(), two.Names()) || len(one.Names()) == 0 {
		t.Fatalf("%s holds %v, %s holds %v", a, one.Names(), b, two.Names())
	}
	same := true
	for _, name := range one.Names() {
		x, err := one.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		y, err := two.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		same = same && slices.Equal(x, y)
	}
	return same
}

func openFile(t *testing.T, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func floats(t *testing.T, path, name string) []float32 {
	t.Helper()
	v, err := openFile(t, path).Float32s(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func norm(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}

// given is the inputs and the target of a step for a batch of pictures.
func given(t testing.TB, b *dataset.Batch, shape dataset.Shape) (inputs []*engine.Tensor, target *engine.Tensor) {
	t.Helper()
	tensor := func(data []float32, channels, height, width int) *engine.Tensor {
		made, err := engine.NewTensor([]int{len(data) / (channels * height * width), channels, height, width}, data)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	return []*engine.Tensor{tensor(b.Images, 3, shape.Height, shape.Width)}, tensor(b.Target, 1, shape.TargetHeight, shape.TargetWidth)
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

// groupPredict predicts with the only model of a group.
func groupPredict(group *localize.Group) Predict {
	return func(ctx context.Context, p *picture.Picture) ([]float32, error) {
		outputs, err := group.Run(ctx, []*picture.Picture{p})
		if err != nil {
			return nil, err
		}
		out, err := outputs[0][0].Enlarged(ctx, p.Width, p.Height)
		return out.Prob, err
	}
}
