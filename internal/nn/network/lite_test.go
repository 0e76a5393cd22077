package network

import (
	"bytes"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// With package operators lite gives the logits of the plain program, up to rounding. Programs for
// other engines use standard operators only.
func TestLiteWithOperators(t *testing.T) {
	const height, width = 64, 96
	e, m := enginetest.Open(t), exportedModels(t)["lite"]
	inputs := exportInputs(t, m.Spec(), height, width)
	outputs := map[Form]map[string]*engine.Tensor{}
	for _, form := range []Form{Plain, {Winograd: e.Winograd()}} {
		p, err := m.ProgramIn(form, height, width)
		if err != nil {
			t.Fatal(err)
		}
		if own := bytes.Contains(p.ONNX, []byte("ConvolveTanh3x3")); own != form.Winograd {
			t.Errorf("%+v: the operator is in the program: %v", form, own)
		}
		outputs[form] = runProgram(t, e, p, false, inputs)
	}
	compareExported(t, "with operators", outputs[Form{Winograd: e.Winograd()}], outputs[Plain])
	p, err := m.Export(height, width)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(p.ONNX, []byte("ConvolveTanh3x3")) {
		t.Error("the operator is in an exported program")
	}
}
