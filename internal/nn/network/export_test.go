package network

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// exportedModels are small networks that are exported for pictures of any size.
func exportedModels(t *testing.T) map[string]*Pretrained {
	t.Helper()
	open := func(tensors []weights.Tensor, metadata map[string]string) *Pretrained {
		m, err := OpenPretrained(networktest.Store(t, tensors, metadata), Override{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	lite, err := New(Spec{
		Arch: ArchLite, Decoder: DecoderPyramid, Widths: []int{4, 4, 8, 8}, TileOptions: TileOptions{Tile: 128, Overlap: 32},
		LiteOptions: LiteOptions{Context: 8, Pyramid: 4, Dilations: []int{1}, DCT: 4, Residual: true},
	}, 3)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range lite.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	pscc := networktest.ReadGolden(t, filepath.Join("testdata", "pscc.json"))
	return map[string]*Pretrained{
		"lite":        open(tensors, map[string]string{SpecKey: lite.SpecJSON()}),
		"cat-net":     open(networktest.Tensors(networktest.SmallCATNet.Rules(true)), nil),
		"cat-net-dct": open(networktest.Tensors(networktest.SmallCATNet.Rules(false)), nil),
		"pscc-net":    open(networktest.Tensors(pscc.Rules), nil),
	}
}

// exportInputs are the inputs of an exported program: random levels and coefficients.
func exportInputs(t *testing.T, spec Spec, height, width int) map[string]*engine.Tensor {
	t.Helper()
	inputs := map[string]*engine.Tensor{}
	for _, port := range spec.Inputs() {
		shape := append([]int{1}, portShape(port, height, width)...)
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := networktest.Uniform(fmt.Sprint(port, height, width), n, 1, 0)
		for i, v := range values {
			switch port {
			case PortImage:
				values[i] = (v + 1) / 2
			case PortCoefficients:
				values[i] = float32(math.Round(float64(25 * v * v * v)))
			case PortSteps:
				values[i] = float32(1 + i)
			}
		}
		var err error
		if inputs[port], err = engine.NewTensor(shape, values); err != nil {
			t.Fatal(err)
		}
	}
	return inputs
}

// compareExported compares the outputs of two programs.
func compareExported(t *testing.T, what string, got, want map[string]*engine.Tensor) {
	t.Helper()
	for name, w := range want {
		g := networktest.GoldenTensor{Shape: w.Shape(), Data: w.Float32s()}
		if got[name] == nil || fmt.Sprint(got[name].Shape()) != fmt.Sprint(w.Shape()) {
			t.Errorf("%s: output %q is %v, expected one of shape %v", what, name, got[name], w.Shape())
			continue
		}
		if largest, off := g.Largest(got[name].Float32s()); !(off <= 2e-6*max(largest, 1)) {
			t.Errorf("%s: output %q is off by %g, its largest value is %g", what, name, off, largest)
		}
	}
}

// A program for pictures of any size gives what the programs for single sizes give.
func TestExportForAnySize(t *testing.T) {
	e := enginetest.Open(t)
	for name, m := range exportedModels(t) {
		t.Run(name, func(t *testing.T) {
			open, err := m.Export(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			sizes := [][2]int{{40, 56}, {64, 24}, {96, 96}}
			if m.SizeStep() == 1 {
				sizes = [][2]int{{33, 47}} // its attention takes seconds
			}
			for _, size := range sizes {
				fixed, err := m.Export(size[0], size[1])
				if err != nil {
					t.Fatal(err)
				}
				inputs := exportInputs(t, m.Spec(), size[0], size[1])
				want := runProgram(t, e, fixed, false, inputs)
				compareExported(t, fmt.Sprint(size), runProgram(t, e, open, false, inputs), want)
			}
		})
	}
}

// A network whose formula depends on the size is exported for one size only.
func TestExportForOneSize(t *testing.T) {
	g := networktest.ReadGolden(t, filepath.Join("testdata", "trufor.json"))
	m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(g.Rules), nil), Override{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Export(0, 0); !errors.Is(err, ErrOneSize) {
		t.Errorf("any size: error %v", err)
	}
	for _, size := range [][2]int{{TruForLeast - 1, 64}, {64, TruForLeast - 1}} {
		if _, err := m.Export(size[0], size[1]); !errors.Is(err, ErrExportSize) {
			t.Errorf("%v: error %v", size, err)
		}
	}
	c := g.Cases[0]
	p, err := m.Export(c.Height, c.Width)
	if err != nil {
		t.Fatal(err)
	}
	image := levels(t, c.Height, c.Width, 255)
	out := runProgram(t, enginetest.Open(t), p, false, map[string]*engine.Tensor{PortImage: image})
	for name, shape := range map[string][]int{PortMap: {1, 1, c.Height, c.Width}, PortConfidence: {1, 1, c.Height, c.Width}, PortScore: {1}} {
		if out[name] == nil || fmt.Sprint(out[name].Shape()) != fmt.Sprint(shape) {
			t.Errorf("output %q is %v, expected one of shape %v", name, out[name], shape)
		}
	}
	if _, off := c.Outputs[PortScore].Largest(out[PortScore].Float32s()); !(off <= 1e-5) {
		t.Errorf("the score is off by %g", off)
	}
}

// A network that reads evidence of the whole picture has no program for other runtimes.
func TestExportRefusesEvidence(t *testing.T) {
	spec := Spec{Arch: ArchLite, Widths: []int{4, 4, 4, 4}, LiteOptions: LiteOptions{Context: 4, Dilations: []int{1}, Evidence: 4}}
	n, err := New(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range n.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	m, err := OpenPretrained(networktest.Store(t, tensors, map[string]string{SpecKey: n.SpecJSON()}), Override{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{0, 0}, {64, 64}} {
		if _, err := m.Export(size[0], size[1]); err == nil || !strings.Contains(err.Error(), "evidence") {
			t.Errorf("%v: got %v", size, err)
		}
	}
}

// Sizes that a network does not take are refused.
func TestExportSizes(t *testing.T) {
	models := exportedModels(t)
	for _, c := range []struct {
		name          string
		height, width int
	}{{"lite", 60, 64}, {"cat-net", 64, 20}, {"pscc-net", 0, 10}, {"cat-net-dct", -8, 8}} {
		if _, err := models[c.name].Export(c.height, c.width); !errors.Is(err, ErrExportSize) {
			t.Errorf("%s for %d x %d pixels: error %v", c.name, c.width, c.height, err)
		}
	}
}
