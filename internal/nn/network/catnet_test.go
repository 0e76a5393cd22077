package network

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// catNetGolden is testdata/catnet.json, made by tools/golden/catnet.py.
type catNetGolden struct {
	Sizes networktest.CATNet
	Cases []catNetCase
}

type catNetCase struct {
	Pixels        bool
	Height, Width int
	Logits        []byte
}

func readCATNet(t *testing.T) (g catNetGolden) {
	t.Helper()
	text, err := os.ReadFile("testdata/catnet.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// inputs are made as in tools/golden/catnet.py.
func (c catNetCase) inputs(t *testing.T) map[string]*engine.Tensor {
	t.Helper()
	rounded := func(name string, n int, f func(u float64) float64) []float32 {
		values := networktest.Uniform(name, n, 1, 0)
		for i, u := range values {
			values[i] = float32(math.RoundToEven(f(float64(u))))
		}
		return values
	}
	tensor := func(data []float32, shape ...int) *engine.Tensor {
		x, err := engine.NewTensor(shape, data)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	inputs := map[string]*engine.Tensor{
		PortCoefficients: tensor(rounded("coefficients", c.Height*c.Width, func(u float64) float64 { return 30 * u * u * u }), 1, 1, c.Height, c.Width),
		PortSteps:        tensor(rounded("steps", 64, func(u float64) float64 { return 1 + math.RoundToEven(math.Abs(30*u)) }), 1, 1, 8, 8),
	}
	if c.Pixels {
		inputs[PortImage] = tensor(networktest.Uniform("image", 3*c.Height*c.Width, 1, 0), 1, 3, c.Height, c.Width)
	}
	return inputs
}

func TestCATNet(t *testing.T) {
	e := enginetest.Open(t)
	g := readCATNet(t)
	for _, c := range g.Cases {
		t.Run(fmt.Sprintf("pixels %v, %d x %d", c.Pixels, c.Width, c.Height), func(t *testing.T) {
			m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(g.Sizes.Rules(c.Pixels)), nil), Override{})
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range []Form{Plain, {Winograd: e.Winograd()}} {
				p, err := m.ProgramIn(form, c.Height, c.Width)
				if err != nil {
					t.Fatal(err)
				}
				c.compare(t, runProgram(t, e, p, false, c.inputs(t))[PortLogits])
			}
		})
	}
}

func (c catNetCase) compare(t *testing.T, got *engine.Tensor) {
	t.Helper()
	want := make([]float32, len(c.Logits)/4)
	if _, err := binary.Decode(c.Logits, binary.LittleEndian, want); err != nil {
		t.Fatal(err)
	}
	if len(got.Float32s()) != len(want) {
		t.Fatalf("%v logits, expected %d", got.Shape(), len(want))
	}
	for i, w := range want {
		// Rounding, over some 60 layers: the promise for the map is 1e-4.
		if d := math.Abs(sigmoid(w) - sigmoid(got.Float32s()[i])); !(d <= 1e-5) {
			t.Fatalf("probability %d is off by %g", i, d)
		}
	}
}

// With numbers of channels and sizes for which our own convolutions are used, both forms agree.
func TestCATNetForms(t *testing.T) {
	e := enginetest.Open(t)
	sizes := readCATNet(t).Sizes
	sizes.Stem, sizes.Inner, sizes.Outer = 16, 16, 32
	sizes.Widths, sizes.DCTWidths, sizes.Joined = []int{16, 32, 48, 64}, []int{32, 16, 16}, []int{16, 16, 24, 32}
	m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(sizes.Rules(true)), nil), Override{})
	if err != nil {
		t.Fatal(err)
	}
	c := catNetCase{Pixels: true, Height: 264, Width: 320}
	var logits [2]*engine.Tensor
	for i, form := range []Form{Plain, {Winograd: e.Winograd()}} {
		p, err := m.ProgramIn(form, c.Height, c.Width)
		if err != nil {
			t.Fatal(err)
		}
		logits[i] = runProgram(t, e, p, i == 1, c.inputs(t))[PortLogits]
	}
	for i, w := range logits[0].Float32s() {
		if d := math.Abs(sigmoid(w) - sigmoid(logits[1].Float32s()[i])); !(d <= 2e-5) {
			t.Fatalf("probability %d differs by %g", i, d)
		}
	}
}

// Every published tensor is used, in a file with a prefix too, and one that is missing is named.
func TestCATNetTensors(t *testing.T) {
	g := readCATNet(t)
	for _, prefix := range []string{"", "net."} {
		rules := g.Sizes.Rules(true)
		for i := range rules {
			rules[i].Name = prefix + rules[i].Name
		}
		m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(rules), nil), Override{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.Spec().String(), "cat-net"; got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
		counted := slices.DeleteFunc(slices.Clone(rules), func(r networktest.Rule) bool { return strings.HasSuffix(r.Name, "num_batches_tracked") })
		used, err := m.Tensors()
		if err != nil {
			t.Fatal(err)
		}
		if len(used) != len(counted) {
			t.Errorf("%d tensors are used, expected %d", len(used), len(counted))
		}
		for _, missing := range []string{"stage3.1.fuse_layers.2.0.1.1.running_var", "stage5.0.branches.3.0.conv1.weight", "last_layer.3.bias"} {
			rest := slices.DeleteFunc(networktest.Tensors(rules), func(t weights.Tensor) bool { return t.Name == prefix+missing })
			if _, err := OpenPretrained(networktest.Store(t, rest, nil), Override{}); err == nil || !strings.Contains(err.Error(), prefix+missing) {
				t.Errorf("without %s: error %v", missing, err)
			}
		}
	}
}

// The published sizes give the published numbers of tensors and parameters.
func TestPublishedCATNet(t *testing.T) {
	for _, c := range []struct {
		pixels              bool
		tensors, parameters int
	}{{true, 2926, 114_263_810}, {false, 784, 43_536_554}} {
		parameters := 0
		rules := networktest.PublishedCATNet.Rules(c.pixels)
		for _, r := range rules {
			n := 1
			for _, d := range r.Shape {
				n *= d
			}
			if !strings.Contains(r.Name, "running_") && !strings.HasSuffix(r.Name, "num_batches_tracked") {
				parameters += n
			}
		}
		if len(rules) != c.tensors || parameters != c.parameters {
			t.Errorf("%d tensors of %d parameters, expected %d of %d", len(rules), parameters, c.tensors, c.parameters)
		}
	}
}
