package graph

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Initializer contains the values of a parameter: in memory, or as a section of a file that the
// engine maps (external data).
type Initializer struct {
	DType DType
	Shape []int
	Data  []byte // raw little endian; unused if Location is set
	// External data: a path relative to the engine's directory for external data, and the section
	// of the file in bytes.
	Location       string
	Offset, Length int64
}

// Output is a named output of the model.
type Output struct {
	Name string
	Node *Node
}

// Encode returns the graph as an ONNX model (ModelProto, opset 17) that computes the outputs, in
// their order, and contains only what they need. Parameters are bound by name to inits; one that is
// stored in another type than float32 is converted by a Cast in the model. Unbound parameters
// become inputs of the model. If building failed, the error is that of [Graph.Err].
func (g *Graph) Encode(outputs []Output, inits map[string]Initializer) ([]byte, error) {
	if g.err != nil {
		return nil, g.err
	}
	if err := g.checkOutputs(outputs); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	e := &encoder{
		inits:  inits,
		names:  map[*Node]string{},
		ints64: map[string]string{},
		opsets: map[string]int{"": onnxOpset},
	}
	for _, o := range outputs {
		// The value gets the name of the first output that refers to it.
		if _, named := e.names[o.Node]; !named && o.Node.source() == nil {
			e.names[o.Node] = o.Name
		}
	}
	order := g.order(outputs)
	e.tensors = make(message, 0, g.room(order, inits))
	for _, id := range order {
		if err := e.call(g.calls[id]); err != nil {
			return nil, fmt.Errorf("graph: %w", err)
		}
	}
	for _, o := range outputs {
		if name := e.names[o.Node]; name != o.Name {
			e.node("Identity", []string{name}, []string{o.Name})
		}
		e.outputs.bytes(12, g.openInfo(o.Name, value{o.Node.dtype, o.Node.shape}))
	}
	body := make(message, 0, len(e.casts)+len(e.nodes)+len(e.tensors)+len(e.inputs)+len(e.outputs)+len(e.shapes)+16)
	body = append(body, e.casts...)
	body = append(body, e.nodes...)
	body.text(2, "declip")
	body = append(body, e.tensors...)
	body = append(body, e.inputs...)
	body = append(body, e.outputs...)
	body = append(body, e.shapes...)
	return modelProto(body, e.opsets), nil
}

// room estimates the encoded size of the constants of the calls and of the values bound to their
// parameters. Without it, messages would be copied many times as they grow.
func (g *Graph) room(calls []int, inits map[string]Initializer) int {
	const around = 128 // name, shape and type
	n := 0
	for _, id := range calls {
		if s, ok := g.calls[id].op.(*source); ok {
			n += around + len(s.data) + len(inits[s.ident].Data)
		}
	}
	return n
}

// checkOutputs returns an error for missing nodes and names that are taken.
func (g *Graph) checkOutputs(outputs []Output) error {
	if len(outputs) == 0 {
		return fmt.Errorf("encode: no outputs")
	}
	seen := map[string]bool{}
	for _, o := range outputs {
		if o.Node == nil || o.Node.graph != g || o.Node.bad {
			return fmt.Errorf("encode: output %q is not a node of this graph", o.Name)
		}
		if o.Name == "" || o.Name[0] == '~' || seen[o.Name] || g.named[o.Name] != nil {
			return fmt.Errorf("encode: output name %q is empty or taken", o.Name)
		}
		seen[o.Name] = true
	}
	return nil
}

// needed marks the calls that the outputs depend on.
func (g *Graph) needed(outputs []Output) []bool {
	need := make([]bool, len(g.calls))
	for _, o := range outputs {
		need[o.Node.call.id] = true
	}
	for id := len(g.calls) - 1; id >= 0; id-- {
		if need[id] {
			for _, in := range g.calls[id].in {
				need[in.call.id] = true
			}
		}
	}
	return need
}

// order lists the needed calls so that each one follows those whose results it takes. Calls whose
// results no other call takes come at the end, the earliest built last. ONNX Runtime starts from
// the end of the list and goes to what each call needs. So the gradients by the weights of the late
// layers, which are built first, are computed first. Otherwise the loss's gradient would be
// followed to the first layer before any gradient by weights was computed, with the activations and
// the gradients of all layers in memory.
func (g *Graph) order(outputs []Output) []int {
	need := g.needed(outputs)
	taken := make([]bool, len(g.calls))
	for id, used := range need {
		for _, in := range g.calls[id].in {
			taken[in.call.id] = taken[in.call.id] || used
		}
	}
	var calls, last []int
	for id, used := range need {
		_, given := g.calls[id].op.(*source)
		switch {
		case used && (taken[id] || given):
			calls = append(calls, id)
		case used:
			last = append(last, id)
		}
	}
	slices.Reverse(last)
	return append(calls, last...)
}

// Used returns the inputs and the parameters that the outputs depend on, in
// the order in which they were declared.
func (g *Graph) Used(outputs []Output) (inputs, params []*Node) {
	if g.checkOutputs(outputs) != nil {
		return nil, nil
	}
	for id, used := range g.needed(outputs) {
		s, ok := g.calls[id].op.(*source)
		if !used || !ok {
			continue
		}
		switch s.kind {
		case inputSource:
			inputs = append(inputs, g.calls[id].out[0])
		case paramSource:
			params = append(params, g.calls[id].out[0])
		}
	}
	return inputs, params
}

// encoder collects the parts of a GraphProto.
type encoder struct {
	inits  map[string]Initializer
	names  map[*Node]string
	ints64 map[string]string // int64 constants by content
	opsets map[string]int    // operator sets in use, by domain
	count  int
	// casts of stored weights, written before the other nodes: ONNX Runtime then runs each one
	// right before it is needed. If it came after the computation of the other operand, it would
	// run before that computation, at the start.
	casts   message
	nodes   message
	tensors message
	inputs  message
	outputs message
	shapes  message // of values whose shape ONNX Runtime cannot infer
}

// fresh returns an unused value name.
func (e *encoder) fresh() string {
	e.count++
	return fmt.Sprintf("~%d", e.count)
}

// nameOf returns the name of a node's value.
func (e *encoder) nameOf(n *Node) string {
	name, ok := e.names[n]
	if !ok {
		name = e.fresh()
		e.names[n] = name
	}
	return name
}

// call writes one call.
func (e *encoder) call(c *call) error {
	if s, ok := c.op.(*source); ok {
		return e.source(s, c.out[0])
	}
	in, out := make([]string, len(c.in)), make([]string, len(c.out))
	for i, n := range c.in {
		in[i] = e.nameOf(n)
	}
	for i, n := range c.out {
		out[i] = e.nameOf(n)
	}
	c.op.emit(e, c, in, out)
	return nil
}

// source writes an input, a parameter or a constant.
func (e *encoder) source(s *source, n *Node) error {
	if s.kind == constSource {
		e.tensor(e.nameOf(n), Initializer{DType: s.value.dtype, Shape: s.value.shape, Data: s.data})
		return nil
	}
	init, bound := e.inits[s.ident]
	if s.kind == inputSource || !bound {
		e.names[n] = s.ident
		e.inputs.bytes(11, n.graph.openInfo(s.ident, s.value))
		return nil
	}
	if err := checkInitializer(init, s.value.shape); err != nil {
		return fmt.Errorf("parameter %q: %w", s.ident, err)
	}
	e.tensor(s.ident, init)
	e.names[n] = s.ident
	if init.DType != Float32 {
		e.names[n] = e.fresh()
		rest := e.nodes
		e.nodes = nil
		e.node("Cast", []string{s.ident}, []string{e.names[n]}, attrInt("to", onnxType(Float32)))
		e.casts, e.nodes = append(e.casts, e.nodes...), rest
	}
	return nil
}

// checkInitializer returns an error for data that does not fill the parameter's shape.
func checkInitializer(t Initializer, shape []int) error {
	if !slices.Equal(t.Shape, shape) {
		return fmt.Errorf("its values have shape %v, expected %v", t.Shape, shape)
	}
	n, closed := product(shape)
	if !closed {
		return fmt.Errorf("its shape %v is open", shape)
	}
	want, got := int64(n)*int64(t.DType.Size()), int64(len(t.Data))
	if t.Location != "" {
		got = t.Length
	}
	if got != want {
		return fmt.Errorf("its values take %d bytes, expected %d for %v %v", got, want, t.DType, shape)
	}
	return nil
}

// tensor writes an initializer.
func (e *encoder) tensor(name string, t Initializer) { e.tensors.bytes(5, tensorProto(name, t)) }

// ints returns the name of an int64 vector constant.
func (e *encoder) ints(vs []int) string {
	key := fmt.Sprint(vs)
	if name, ok := e.ints64[key]; ok {
		return name
	}
	name := e.fresh()
	e.ints64[key] = name
	raw := make([]byte, 0, 8*len(vs))
	for _, v := range vs {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	e.tensor(name, Initializer{DType: Int64, Shape: []int{len(vs)}, Data: raw})
	return name
}

// floats returns the name of a float32 vector constant.
func (e *encoder) floats(vs []float32) string {
	var raw []byte
	for _, v := range vs {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	name := e.fresh()
	e.tensor(name, Initializer{DType: Float32, Shape: []int{len(vs)}, Data: raw})
	return name
}

// float returns the name of a float32 scalar constant.
func (e *encoder) float(v float32) string {
	name := e.fresh()
	e.tensor(name, Initializer{DType: Float32, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))})
	return name
}

// node writes a NodeProto of ONNX's own operator set.
func (e *encoder) node(kind string, in, out []string, attrs ...attribute) {
	e.nodeIn("", kind, in, out, attrs...)
}

// nodeIn writes a NodeProto of another operator set.
func (e *encoder) nodeIn(domain, kind string, in, out []string, attrs ...attribute) {
	var m message
	for _, name := range in {
		m.text(1, name)
	}
	for _, name := range out {
		m.text(2, name)
	}
	m.text(4, kind)
	for _, a := range attrs {
		m.bytes(5, a)
	}
	if domain != "" {
		m.text(7, domain)
		e.opsets[domain] = 1
	}
	e.nodes.bytes(1, m)
}

// shape states the shape of a call's only result, for operators of package operators. ONNX Runtime
// keeps channels in blocks only where it knows the shapes.
func (e *encoder) shape(c *call, name string) {
	n := c.out[0]
	e.shapes.bytes(13, n.graph.openInfo(name, value{n.dtype, n.shape}))
}

// sortedKeys makes the encoding deterministic.
func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
