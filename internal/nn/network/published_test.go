package network

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
)

// levels are a golden picture's levels 0 to 255, divided by a number: [1, 3, height, width].
func levels(t *testing.T, height, width int, by float32) *engine.Tensor {
	t.Helper()
	values := networktest.Uniform(fmt.Sprintf("levels%dx%d", height, width), 3*height*width, 1, 0)
	for i, u := range values {
		values[i] = float32(math.Floor(float64(u)*128+128)) / by
	}
	image, err := engine.NewTensor([]int{1, 3, height, width}, values)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// compareOutputs compares a network's outputs for pictures, levels divided by a number, with golden
// ones.
func compareOutputs(t *testing.T, g networktest.Golden, m *Pretrained, form Form, by float32) {
	t.Helper()
	e := enginetest.Open(t)
	for _, c := range g.Cases {
		p, err := m.ProgramIn(form, c.Height, c.Width)
		if err != nil {
			t.Fatal(err)
		}
		outputs := runProgram(t, e, p, false, map[string]*engine.Tensor{PortImage: levels(t, c.Height, c.Width, by)})
		if len(outputs) != len(c.Outputs) {
			t.Errorf("%d x %d: %d outputs, expected %d", c.Width, c.Height, len(outputs), len(c.Outputs))
		}
		for name, want := range c.Outputs {
			out := outputs[name]
			if out == nil || !slices.Equal(out.Shape(), want.Shape) {
				t.Errorf("%d x %d: output %q is missing or has another shape than %v", c.Width, c.Height, name, want.Shape)
				continue
			}
			// Logits may be off by what changes no probability by more than 1e-5.
			if largest, off := want.Largest(out.Float32s()); !(off <= 2e-5*max(largest, 1)) {
				t.Errorf("%d x %d: output %q is off by %g, its largest value is %g", c.Width, c.Height, name, off, largest)
			}
		}
	}
}

func TestTruFor(t *testing.T) {
	g := networktest.ReadGolden(t, filepath.Join("testdata", "trufor.json"))
	m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(g.Rules), nil), Override{})
	if err != nil {
		t.Fatal(err)
	}
	compareOutputs(t, g, m, Plain, 256)
}
