package graph

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// sourceKind is the kind of a source: input, parameter or constant.
type sourceKind int

const (
	inputSource sourceKind = iota
	paramSource
	constSource
)

// source is a value that no operation computes.
type source struct {
	kind  sourceKind
	label string // kind in words, for messages
	ident string // name; empty for constants
	value value
	data  []byte // constants: raw little endian
}

func (s *source) name() string                             { return s.label }
func (s *source) infer([]*Node) ([]value, error)           { return []value{s.value}, nil }
func (s *source) emit(*encoder, *call, []string, []string) {}
func (s *source) gradient(*call, []*Node) []*Node          { return nil }

// Input declares a float32 tensor that is supplied when the model runs.
func (g *Graph) Input(name string, shape ...int) *Node {
	return g.declare(&source{kind: inputSource, label: "input", ident: name, value: value{Float32, slices.Clone(shape)}})
}

// Param declares a float32 weight. If it is bound to an [Initializer] at Encode, the model contains
// it or refers to it; otherwise it becomes an input of the model.
func (g *Graph) Param(name string, shape ...int) *Node {
	return g.declare(&source{kind: paramSource, label: "parameter", ident: name, value: value{Float32, slices.Clone(shape)}})
}

// declare adds a named source.
func (g *Graph) declare(s *source) *Node {
	if s.ident == "" || s.ident[0] == '~' { // the encoder uses names with ~
		return g.fail(fmt.Errorf("%s %q: a name must not be empty or begin with ~", s.label, s.ident))
	}
	if _, taken := g.named[s.ident]; taken {
		return g.fail(fmt.Errorf("%s %q: the name is already taken", s.label, s.ident))
	}
	if err := checkShape(s.value.shape); err != nil {
		return g.fail(fmt.Errorf("%s %q: %w", s.label, s.ident, err))
	}
	n := g.add(s)
	g.named[s.ident] = n
	return n
}

// add appends a source to the graph.
func (g *Graph) add(s *source) *Node {
	c := &call{id: len(g.calls), op: s}
	n := &Node{graph: g, call: c, shape: s.value.shape, dtype: s.value.dtype}
	c.out = []*Node{n}
	g.calls = append(g.calls, c)
	return n
}

// checkShape accepts positive dimensions, and Open as the first.
func checkShape(shape []int) error {
	for i, d := range shape {
		if d > 0 || i == 0 && d == Open {
			continue
		}
		return fmt.Errorf("shape %v: dimension %d must be positive", shape, i)
	}
	return nil
}

// Const makes a constant of the given shape from row-major data, which is copied.
func (g *Graph) Const(shape []int, data []float32) *Node {
	n, closed := product(shape)
	if err := checkShape(shape); err != nil {
		return g.fail(fmt.Errorf("constant: %w", err))
	}
	if !closed {
		return g.fail(errors.New("constant: its shape must not be open"))
	}
	if n != len(data) {
		return g.fail(fmt.Errorf("constant: shape %v has %d elements, got %d", shape, n, len(data)))
	}
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return g.add(&source{kind: constSource, label: "constant", value: value{Float32, slices.Clone(shape)}, data: raw})
}

// Scalar makes a constant without dimensions.
func (g *Graph) Scalar(v float32) *Node { return g.Const([]int{}, []float32{v}) }

// scalar makes a constant in the graph of n, for use in formulas.
func scalar(n *Node, v float64) *Node {
	if n == nil || n.graph == nil {
		return New().fail(errNilNode)
	}
	return n.graph.Scalar(float32(v))
}

// source returns the declaration of a node, or nil if the node is computed.
func (n *Node) source() *source {
	if n == nil || n.call == nil {
		return nil
	}
	s, _ := n.call.op.(*source)
	return s
}
