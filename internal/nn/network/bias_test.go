package network

import (
	"math"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

func TestShiftLogits(t *testing.T) {
	e := enginetest.Open(t)
	for name, spec := range map[string]Spec{
		"context.out.bias": {Arch: ArchLite, Widths: []int{4, 4, 8, 8}, LiteOptions: LiteOptions{Context: 8, Dilations: []int{1}}},
		"pyramid.out.bias": pyramid(),
		"fc.0.bias":        {Arch: ArchXception, Decoder: "linear", ResizeOptions: ResizeOptions{Input: 64, Output: 64}},
		"fc.17.bias":       {Arch: ArchXception, Decoder: "conv-4", ResizeOptions: ResizeOptions{Input: 32, Output: 32}},
	} {
		net, err := New(spec, 5)
		if err != nil {
			t.Fatal(err)
		}
		before := logits(t, e, net)
		param, err := net.ShiftLogits(-1.5)
		if err != nil {
			t.Fatal(err)
		}
		if param.Name != name {
			t.Errorf("%v: shifted %s, expected %s", spec, param.Name, name)
		}
		for i, v := range logits(t, e, net) {
			// Logits are below 10 here, float32 keeps 1e-6 of that.
			if math.Abs(float64(v-before[i])+1.5) > 1e-5 {
				t.Fatalf("%v: logit %d went from %g to %g, expected 1.5 less", net.Spec(), i, before[i], v)
			}
		}
	}
}
