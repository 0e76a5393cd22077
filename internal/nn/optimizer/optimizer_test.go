package optimizer

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/parallel"
)

// A step with weight decay, from a state that earlier steps left, is PyTorch's; see
// tools/golden/graph.py.
func TestStepFollowsPyTorch(t *testing.T) {
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
		for _, kind := range []Kind{AdamW, SGD} {
			s := Slot{read("param." + name), read("grad." + name), read("m." + name), read("v." + name)}
			o := New(kind)
			o.Decay = golden.Decay
			o.Step([]Slot{s}, golden.Step, golden.Rate, 0, 2)
			compared := map[string][]float32{string(kind) + "." + name: s.Value}
			if kind == AdamW {
				compared["newm."+name], compared["newv."+name] = s.M, s.V
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

// waves makes slots of one chunk and of several.
func waves() []Slot {
	var slots []Slot
	for _, n := range []int{3, chunk, 2*chunk + 5} {
		s := Slot{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
		for i := range n {
			s.Value[i], s.Grad[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
		}
		slots = append(slots, s)
	}
	return slots
}

// The number of goroutines changes nothing, not even the last bit.
func TestWorkersDoNotChangeTheResult(t *testing.T) {
	one, many := waves(), waves()
	o := New(AdamW)
	o.Decay, o.Clip = 0.01, 0.5
	if a, b := o.Norm(one, 1), o.Norm(many, 7); a != b || a == 0 {
		t.Errorf("the norm is %g with one goroutine, %g with seven", a, b)
	}
	o.Step(one, 1, 0.1, o.Norm(one, 1), 1)
	o.Step(many, 1, 0.1, o.Norm(many, 7), 7)
	for i := range one {
		if !slices.Equal(one[i].Value, many[i].Value) || !slices.Equal(one[i].V, many[i].V) {
			t.Errorf("slot %d differs", i)
		}
	}
}

// StepFloat32 differs from Step by the rounding of the learning rate at most.
func TestStepFloat32(t *testing.T) {
	a, b := waves(), waves()
	o := New(AdamW)
	o.Beta2 = 0.99
	for step := int64(1); step < 4; step++ {
		o.Step(a, step, 1.0/64, 0, 2)
		o.StepFloat32(b, step, 1.0/64, 2)
	}
	for k := range a {
		for i, v := range a[k].Value {
			if w := b[k].Value[i]; math.Abs(float64(v-w)) > 1e-6 {
				t.Fatalf("slot %d: value %d is %g, want %g", k, i, w, v)
			}
		}
	}
}

// A panic in a goroutine becomes one of the caller.
func TestPanicReachesTheCaller(t *testing.T) {
	restore := parallel.Inject(func(stage string) {
		if stage == "optimizer" {
			panic("broken gradient")
		}
	})
	defer restore()
	err := parallel.Catch(func() error {
		New(AdamW).Norm(waves(), 2)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "broken gradient") {
		t.Errorf("got %v, want the panic", err)
	}
}
