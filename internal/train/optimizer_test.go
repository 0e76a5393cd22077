package train

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
)

// A step from a state that earlier steps left, with weight decay, is PyTorch's: tools/golden/graph.py.
func TestOptimizersFollowPyTorch(t *testing.T) {
	raw, err := os.ReadFile("../nn/graph/testdata/decoder.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rate, Decay float64
		Step        int64
		Tensors     map[string]struct{ Data []byte } // base64 of little-endian float32
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	read := func(key string) []float32 {
		tensor, ok := golden.Tensors[key]
		if !ok {
			t.Fatalf("no golden tensor %q", key)
		}
		values := make([]float32, len(tensor.Data)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(tensor.Data[4*i:]))
		}
		return values
	}
	checked := 0
	for key := range golden.Tensors {
		name, ok := strings.CutPrefix(key, "adamw.")
		if !ok {
			continue
		}
		checked++
		for _, kind := range []string{AdamW, SGD} {
			s := slot{read("param." + name), read("grad." + name), read("m." + name), read("v." + name)}
			optimizer{kind: kind, decay: golden.Decay}.step([]slot{s}, golden.Step, golden.Rate, 0, 2)
			compared := map[string][]float32{kind + "." + name: s.value}
			if kind == AdamW {
				compared["newm."+name], compared["newv."+name] = s.m, s.v
			}
			for key, got := range compared {
				for i, want := range read(key) {
					// Rounding of float32.
					if math.Abs(float64(got[i]-want)) > 1e-6*max(1, math.Abs(float64(want))) {
						t.Fatalf("%s[%d] is %g, want %g", key, i, got[i], want)
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Error("nothing was compared")
	}
}

// The number of goroutines changes nothing, not even the last bit.
func TestOptimizerWorkers(t *testing.T) {
	make4 := func() []slot {
		var slots []slot
		for _, n := range []int{3, stretch, 2*stretch + 5} {
			s := slot{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
			for i := range n {
				s.value[i], s.grad[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
			}
			slots = append(slots, s)
		}
		return slots
	}
	one, many := make4(), make4()
	o := optimizer{kind: AdamW, decay: 0.01, clip: 0.5}
	if a, b := o.norm(one, 1), o.norm(many, 7); a != b || a == 0 {
		t.Errorf("the norm is %g with one goroutine, %g with seven", a, b)
	}
	o.step(one, 1, 0.1, o.norm(one, 1), 1)
	o.step(many, 1, 0.1, o.norm(many, 7), 7)
	for i := range one {
		if !equal(one[i].value, many[i].value) || !equal(one[i].v, many[i].v) {
			t.Errorf("slot %d differs", i)
		}
	}
}

// A step is its gradients and an update: the gradients of one, given to another, take it to the same weights.
func TestUpdate(t *testing.T) {
	shape := dataset.Shape{Height: 16, Width: 16, TargetHeight: 4, TargetWidth: 4}
	images, target := make([]float32, 2*3*16*16), make([]float32, 2*4*4)
	for i := range images {
		images[i] = float32(math.Sin(float64(i)))
	}
	target[5], target[20] = 1, 1
	steps := [2]*Step{}
	for i := range steps {
		s, err := NewStep(open(t), newTiny(network.ModeTiles), Config{BatchSize: 2}.Defaults(), shape)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		steps[i] = s
	}
	inputs, masks := given(t, &dataset.Batch{Images: images, Target: target}, shape)
	_, norm, err := steps[0].Run(context.Background(), inputs, masks, 0, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range steps[1].Gradients() {
		copy(g.Data, steps[0].Gradients()[i].Data)
	}
	if got := steps[1].Update(0, 0.01); got != norm || norm == 0 {
		t.Errorf("the norm is %g, want %g", got, norm)
	}
	for i, p := range steps[1].Params() {
		if p.Trainable && !slices.Equal(p.Data, steps[0].Params()[i].Data) {
			t.Errorf("%s: got %v, want %v", p.Name, p.Data, steps[0].Params()[i].Data)
		}
	}
}
