package train

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// A step from a state that earlier steps left, with weight decay, is PyTorch's: scripts/golden_graph.py.
func TestOptimizersFollowPyTorch(t *testing.T) {
	raw, err := os.ReadFile("../graph/testdata/decoder.json")
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
