package engine

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// testModel writes ONNX bytes by hand, so that this package's tests depend on no other package of
// the project.
type testModel struct{ graph []byte }

func message(n protowire.Number, fields ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), slices.Concat(fields...))
}

func text(n protowire.Number, s string) []byte { return message(n, []byte(s)) }

func number(n protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), uint64(v))
}

// port adds an input or output. A dimension is an int or the name of an open one.
func (m *testModel) port(n protowire.Number, name string, dtype DType, dims ...any) {
	var shape []byte
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			shape = append(shape, message(shapeDim, number(dimValue, d))...)
		case string:
			shape = append(shape, message(shapeDim, text(dimParam, d))...)
		}
	}
	m.graph = append(m.graph, message(n, text(valueName, name), message(valueType,
		message(typeTensor, number(tensorTypeElem, int(dtype)), message(tensorTypeShape, shape))))...)
}

func (m *testModel) input(name string, dtype DType, dims ...any) {
	m.port(graphInput, name, dtype, dims...)
}

func (m *testModel) output(name string, dtype DType, dims ...any) {
	m.port(graphOutput, name, dtype, dims...)
}

func (m *testModel) node(op, output string, inputs ...string) {
	var b []byte
	for _, in := range inputs {
		b = append(b, text(1, in)...)
	}
	m.graph = append(m.graph, message(1, b, text(2, output), text(4, op))...)
}

func (m *testModel) float32s(name string, shape []int, data ...float32) {
	var dims, raw []byte
	for _, d := range shape {
		dims = append(dims, number(1, d)...)
	}
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	m.graph = append(m.graph, message(graphInitializer, dims, number(2, int(Float32)), text(tensorName, name), message(9, raw))...)
}

// external adds an initializer that is stored in a file.
func (m *testModel) external(name string, shape []int, location string, entries ...string) {
	var dims []byte
	for _, d := range shape {
		dims = append(dims, number(1, d)...)
	}
	entries = append([]string{"location", location}, entries...)
	var where []byte
	for i := 0; i < len(entries); i += 2 {
		where = append(where, message(13, text(1, entries[i]), text(2, entries[i+1]))...)
	}
	m.graph = append(m.graph, message(graphInitializer, dims, number(2, int(Float32)), text(tensorName, name), where, number(14, 1))...)
}

func (m *testModel) bytes() []byte {
	return slices.Concat(number(1, 8), message(modelGraph, text(2, "test"), m.graph), message(8, number(2, 17)))
}
