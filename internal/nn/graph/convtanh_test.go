package graph

import (
	"bytes"
	"strings"
	"testing"
)

// Its values are compared in packages operators and engine. Only graphs with Winograd, whose
// engines have package operators, contain the operator.
func TestConvTanhForms(t *testing.T) {
	for _, c := range []struct {
		winograd bool
		inputs   int
		options  ConvOptions
		own      bool
	}{
		{true, 3, ConvOptions{Pad: 1}, true},
		{false, 3, ConvOptions{Pad: 1}, false},
		{true, 5, ConvOptions{Pad: 1}, false},
		{true, 3, ConvOptions{Pad: 1, Stride: 2}, false},
		{true, 3, ConvOptions{Pad: 2, Dilation: 2}, false},
	} {
		g := New()
		if c.winograd {
			g.Winograd()
		}
		y := ConvTanh(g.Input("x", Open, c.inputs, 9, 11), g.Param("w", 8, c.inputs, 3, 3), c.options)
		model, err := g.Encode([]Output{{"y", y}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if own := bytes.Contains(model, []byte(tanhName)); own != c.own {
			t.Errorf("%+v: the operator is in the model: %v", c, own)
		}
	}
}

func TestConvTanhErrors(t *testing.T) {
	g := New()
	g.Winograd()
	x, w := g.Input("x", Open, 3, 9, 11), g.Param("w", 8, 3, 3, 3)
	Gradients(ReduceSum(ConvTanh(x, w, ConvOptions{Pad: 1}), nil, false), []*Node{w})
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "no gradient") {
		t.Errorf("error %v", err)
	}
	g = New()
	g.Winograd()
	ConvTanh(g.Input("x", Open, 2, 9, 11), g.Param("w", 8, 3, 3, 3), ConvOptions{Pad: 1})
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "has 2 channels, expected 3") {
		t.Errorf("error %v", err)
	}
}
