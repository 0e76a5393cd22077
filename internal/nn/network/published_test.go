package network

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
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
			if out == nil {
				t.Errorf("%d x %d: output %q is missing", c.Width, c.Height, name)
				continue
			}
			got := out.Float32s()
			if shape := out.Shape(); name == PortProbabilities {
				got = sampled(got, shape[2], shape[3])
			} else if !slices.Equal(shape, want.Shape) {
				t.Errorf("%d x %d: output %q has shape %v, expected %v", c.Width, c.Height, name, shape, want.Shape)
				continue
			}
			// Logits may be off by what changes no probability by more than 1e-5.
			if largest, off := want.Largest(got); !(off <= 2e-5*max(largest, 1)) {
				t.Errorf("%d x %d: output %q is off by %g, its largest value is %g", c.Width, c.Height, name, off, largest)
			}
		}
	}
}

// sampled is every fifth row and column of a map, as golden files keep them.
func sampled(values []float32, height, width int) (list []float32) {
	for y := 0; y < height; y += 5 {
		for x := 0; x < width; x += 5 {
			list = append(list, values[y*width+x])
		}
	}
	return list
}

func TestTruFor(t *testing.T) {
	g := networktest.ReadGolden(t, filepath.Join("testdata", "trufor.json"))
	m, err := OpenPretrained(networktest.Store(t, networktest.Tensors(g.Rules), nil), Override{})
	if err != nil {
		t.Fatal(err)
	}
	compareOutputs(t, g, m, Plain, 256)
	if enginetest.Open(t).Winograd() {
		compareOutputs(t, g, m, Form{Winograd: true}, 256)
	}
}

// psccStored stores the tensors of the golden rules as three files, as they are published.
func psccStored(t *testing.T, rules []networktest.Rule) (files []*weights.File) {
	t.Helper()
	var parts [psccParts][]weights.Tensor
	for _, r := range rules {
		part := psccBackbone
		switch first, _, _ := strings.Cut(strings.TrimRight(r.Name, "."), "."); {
		case strings.HasPrefix(first, "getmask"):
			part = psccMasks
		case slices.Contains([]string{"incre_modules", "downsamp_modules", "final_layer", "classifier"}, first):
			part = psccDetection
		}
		tensor := r.Tensor()
		tensor.Name = "module." + tensor.Name
		parts[part] = append(parts[part], tensor)
	}
	for _, part := range parts {
		files = append(files, networktest.Store(t, part, nil))
	}
	return files
}

// The parts may be in three files, in any order, or in one.
func TestPSCC(t *testing.T) {
	g := networktest.ReadGolden(t, filepath.Join("testdata", "pscc.json"))
	files := psccStored(t, g.Rules)
	open := func(f *weights.File, others ...*weights.File) *Pretrained {
		m, err := OpenPretrained(f, Override{}, others...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	compareOutputs(t, g, open(files[0], files[2], files[1]), Plain, 255)
	g.Cases = g.Cases[:1]
	compareOutputs(t, g, open(files[1], files[0], files[2]), Plain, 255)
	compareOutputs(t, g, open(networktest.Store(t, networktest.Tensors(g.Rules), nil)), Plain, 255)
	_, err := OpenPretrained(files[2], Override{}, files[0])
	var missing *MissingPartsError
	if !errors.As(err, &missing) || !slices.Equal(missing.Files, []string{"NLCDetection.pth"}) {
		t.Errorf("without the masks: got %v", err)
	}
}

// Strips of rows change nothing.
func TestPSCCStrips(t *testing.T) {
	e := enginetest.Open(t)
	g := networktest.ReadGolden(t, filepath.Join("testdata", "pscc.json"))
	n, err := recognisePSCC(networktest.Store(t, networktest.Tensors(g.Rules), nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	net := n.(*pscc)
	const height, width = 45, 22
	run := func(rows int) map[string]*engine.Tensor {
		b := newBuilder(graph.New(), false)
		b.part = &part{layout: &net.parts[psccBackbone]}
		var outputs []graph.Output
		for i, x := range b.psccFeatures(b.g.Input(PortImage, 1, 3, height, width), net.backbone, rows) {
			outputs = append(outputs, graph.Output{Name: fmt.Sprint("branch", i), Node: x})
		}
		p, err := b.program(outputs)
		if err != nil {
			t.Fatal(err)
		}
		return runProgram(t, e, p, false, map[string]*engine.Tensor{PortImage: levels(t, height, width, 255)})
	}
	want := run(height)
	for _, rows := range []int{2, 8, 44} {
		for name, got := range run(rows) {
			golden := networktest.GoldenTensor{Shape: want[name].Shape(), Data: want[name].Float32s()}
			if !slices.Equal(got.Shape(), golden.Shape) {
				t.Errorf("strips of %d rows: %s has shape %v, expected %v", rows, name, got.Shape(), golden.Shape)
			} else if largest, off := golden.Largest(got.Float32s()); !(off <= 1e-6*largest) {
				t.Errorf("strips of %d rows: %s is off by %g of %g", rows, name, off, largest)
			}
		}
	}
}
