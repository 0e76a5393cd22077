package network

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network/networktest"
)

// publishedGolden is what tools/golden/published.py wrote about a network: how its tensors are
// made, and PyTorch's outputs for some pictures.
type publishedGolden struct {
	Rules []networktest.Rule
	Cases []publishedCase
}

type publishedCase struct {
	Height, Width int
	Outputs       map[string]goldenTensor
}

type goldenTensor struct {
	shape []int
	data  []float32
}

func (t *goldenTensor) UnmarshalJSON(text []byte) error {
	var raw []byte
	if err := json.Unmarshal(text, &[]any{&t.shape, &raw}); err != nil {
		return err
	}
	t.data = make([]float32, len(raw)/4)
	_, err := binary.Decode(raw, binary.LittleEndian, t.data)
	return err
}

func readPublished(t *testing.T, name string) (g publishedGolden) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// levels are the pictures' levels 0 to 255, divided by a number: [1, 3, height, width].
func levels(t *testing.T, height, width int, by float32) *engine.Tensor {
	t.Helper()
	n := 3 * height * width
	values := networktest.Uniform(fmt.Sprintf("levels%dx%d", height, width), n, 1, 0)
	for i, u := range values {
		values[i] = float32(math.Floor(float64(u)*128+128)) / by
	}
	image, err := engine.NewTensor([]int{1, 3, height, width}, values)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// compareOutputs compares outputs with golden ones, up to 1e-4 of the largest value.
func (c publishedCase) compareOutputs(t *testing.T, got map[string]*engine.Tensor) {
	t.Helper()
	for name, want := range c.Outputs {
		out := got[name]
		if out == nil || !slices.Equal(out.Shape(), want.shape) {
			t.Errorf("%d x %d: output %q is missing or has another shape than %v", c.Width, c.Height, name, want.shape)
			continue
		}
		largest, difference := 0.0, 0.0
		for i, v := range out.Float32s() {
			largest = max(largest, math.Abs(float64(want.data[i])))
			difference = max(difference, math.Abs(float64(v-want.data[i])))
		}
		t.Logf("%d x %d, %s: %.1e of %.3g", c.Width, c.Height, name, difference, largest)
		if !(difference <= 1e-4*largest) {
			t.Errorf("%d x %d: output %q differs by %g, its largest value is %g", c.Width, c.Height, name, difference, largest)
		}
	}
}

func TestTruFor(t *testing.T) {
	e := enginetest.Open(t)
	g := readPublished(t, "trufor")
	l := &layout{networktest.Store(t, networktest.Tensors(g.Rules), nil), "", plainNaming}
	n, err := truForSizes(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Cases {
		b := newBuilder(graph.New(), false)
		b.part = &part{layout: l}
		logits, confidence, score := n.outputs(b, b.g.Input(PortImage, 1, 3, c.Height, c.Width))
		p, err := b.program([]graph.Output{{Name: "logits", Node: logits}, {Name: "confidence", Node: confidence}, {Name: "score", Node: score}})
		if err != nil {
			t.Fatal(err)
		}
		c.compareOutputs(t, runProgram(t, e, p, false, map[string]*engine.Tensor{PortImage: levels(t, c.Height, c.Width, 256)}))
	}
}
