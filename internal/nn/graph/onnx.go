package graph

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The few ONNX messages that are needed, written field by field. Numbers are
// those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

const (
	onnxIRVersion = 8
	onnxOpset     = 17
)

// onnxType is TensorProto.DataType.
func onnxType(d DType) int {
	switch d {
	case Float64:
		return 11
	case Float16:
		return 10
	case Int64:
		return 7
	case Bool:
		return 9
	case BFloat16:
		return 16
	}
	return 1
}

// message is a protobuf message being written.
type message []byte

func (m *message) varint(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
}

func (m *message) text(field protowire.Number, s string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(v))
}

// attribute is an encoded AttributeProto.
type attribute []byte

func attrInt(name string, v int) attribute {
	var m message
	m.text(1, name)
	m.varint(3, int64(v))
	m.varint(20, 2)
	return attribute(m)
}

func attrInts(name string, vs []int) attribute {
	var m message
	m.text(1, name)
	for _, v := range vs {
		m.varint(8, int64(v))
	}
	m.varint(20, 7)
	return attribute(m)
}

func attrFloat(name string, v float64) attribute {
	var m message
	m.text(1, name)
	m.float(2, float32(v))
	m.varint(20, 1)
	return attribute(m)
}

func attrText(name, v string) attribute {
	var m message
	m.text(1, name)
	m.text(4, v)
	m.varint(20, 3)
	return attribute(m)
}

// tensorProto encodes an initializer with its data inside or, if location is
// set, as a reference to a file.
func tensorProto(name string, t Initializer) message {
	m := make(message, 0, len(t.Data)+len(name)+64)
	for _, d := range t.Shape {
		m.varint(1, int64(d))
	}
	m.varint(2, int64(onnxType(t.DType)))
	m.text(8, name)
	if t.Location == "" {
		m.bytes(9, t.Data)
		return m
	}
	entry := func(key, value string) {
		var e message
		e.text(1, key)
		e.text(2, value)
		m.bytes(13, e)
	}
	entry("location", t.Location)
	entry("offset", fmt.Sprint(t.Offset))
	entry("length", fmt.Sprint(t.Length))
	m.varint(14, 1)
	return m
}

// valueInfo encodes the name, type and shape of an input or output. The last dimensions are open
// and have the given names, if there are any.
func valueInfo(name string, v value, open ...string) message {
	var shape message
	for i, d := range v.shape {
		var dim message
		switch last := i - (len(v.shape) - len(open)); {
		case last >= 0:
			dim.text(2, open[last])
		case d == Open:
			dim.text(2, "N")
		default:
			dim.varint(1, int64(d))
		}
		shape.bytes(1, dim)
	}
	var tensor, kind, info message
	tensor.varint(1, int64(onnxType(v.dtype)))
	tensor.bytes(2, shape)
	kind.bytes(1, tensor)
	info.text(1, name)
	info.bytes(2, kind)
	return info
}

// modelProto wraps a graph message.
func modelProto(graph message, opsets map[string]int) []byte {
	m := make(message, 0, len(graph)+256)
	m.varint(1, onnxIRVersion)
	m.text(2, "declip")
	m.bytes(7, graph)
	for _, domain := range sortedKeys(opsets) {
		var o message
		o.text(1, domain)
		o.varint(2, int64(opsets[domain]))
		m.bytes(8, o)
	}
	return m
}

// Describe adds a description (doc_string) to a model without one.
func Describe(model []byte, text string) []byte {
	m := message(slices.Clone(model))
	m.text(6, text)
	return m
}
