package graph

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// A model with values in a file becomes, byte for byte, the model that was encoded with the values
// inside.
func TestInline(t *testing.T) {
	file := []byte("....0123456789abcdef0123....ABCDEFGHIJKL")
	encode := func(external bool) []byte {
		g := New()
		x := g.Input("x", Open, 2)
		y := Add(Linear(x, g.Param("w", 2, 2), g.Param("b", 2)), g.Const([]int{2}, []float32{1, 2}))
		inits := map[string]Initializer{
			"w": {DType: Float32, Shape: []int{2, 2}, Location: "a file", Offset: 4, Length: 16},
			"b": {DType: Float16, Shape: []int{2}, Location: "a file", Offset: 28, Length: 4},
		}
		for name, init := range inits {
			if !external {
				inits[name] = Initializer{DType: init.DType, Shape: init.Shape, Data: file[init.Offset:][:init.Length]}
			}
		}
		model, err := g.Encode([]Output{{"y", y}}, inits)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	open := func(location string, offset, length int64) io.Reader {
		if location != "a file" {
			t.Errorf("location %q, expected a file", location)
		}
		return bytes.NewReader(file[offset:][:length])
	}
	var got bytes.Buffer
	if err := Inline(&got, encode(true), open); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), encode(false)) {
		t.Errorf("got\n%q, expected\n%q", got.Bytes(), encode(false))
	}
	// A model without references is unchanged.
	var same bytes.Buffer
	if err := Inline(&same, got.Bytes(), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(same.Bytes(), got.Bytes()) {
		t.Error("a model without references changed")
	}
	// The file is shorter than the model says.
	short := func(string, int64, int64) io.Reader { return strings.NewReader("0123") }
	if err := Inline(io.Discard, encode(true), short); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, expected that the file ends early", err)
	}
	for _, n := range []int{1, 11, got.Len() / 2, got.Len() - 1} {
		if err := Inline(io.Discard, got.Bytes()[:n], nil); err == nil {
			t.Errorf("no error for the first %d bytes", n)
		}
	}
}

func TestInlineTooLarge(t *testing.T) {
	g := New()
	x := Linear(g.Input("x", Open, 30_000), g.Param("w", 30_000, 30_000), g.Param("b", 30_000))
	model, err := g.Encode([]Output{{"y", x}}, map[string]Initializer{
		"w": {DType: Float32, Shape: []int{30_000, 30_000}, Location: "w", Length: 3_600_000_000},
		"b": {DType: Float32, Shape: []int{30_000}, Location: "b", Length: 120_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	err = Inline(&got, model, func(string, int64, int64) io.Reader { return nil })
	if !errors.Is(err, ErrTooLarge) || got.Len() > 0 {
		t.Errorf("error %v after %d bytes, expected ErrTooLarge at once", err, got.Len())
	}
}
