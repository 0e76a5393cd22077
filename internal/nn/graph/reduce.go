package graph

import (
	"fmt"
	"slices"
)

// reduceKind is the ONNX name of a reduction.
type reduceKind string

const (
	sumKind       reduceKind = "ReduceSum"
	meanKind      reduceKind = "ReduceMean"
	reduceMaxKind reduceKind = "ReduceMax"
)

// reduce folds some dimensions into one value each.
type reduce struct {
	kind reduceKind
	axes []int
	keep bool
}

func (r reduce) name() string { return string(r.kind) }

func (r reduce) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	shape, _, err := r.shapes(in[0].shape)
	if err != nil {
		return nil, err
	}
	return floats(shape), nil
}

// shapes returns the result's shape and the one with the folded dimensions
// kept as 1.
func (r reduce) shapes(in []int) (shape, kept []int, err error) {
	kept = slices.Clone(in)
	fold := make([]bool, len(in))
	for _, a := range r.axes {
		a, err := axisOf(a, len(in))
		if err != nil {
			return nil, nil, err
		}
		if fold[a] {
			return nil, nil, fmt.Errorf("axis %d is named twice", a)
		}
		fold[a] = true
		kept[a] = 1
	}
	if r.keep {
		return kept, kept, nil
	}
	shape = []int{}
	for i, d := range in {
		if !fold[i] {
			shape = append(shape, d)
		}
	}
	return shape, kept, nil
}

func (r reduce) emit(e *encoder, c *call, in, out []string) {
	keep := attrInt("keepdims", boolInt(r.keep))
	if r.kind == sumKind {
		e.node("ReduceSum", []string{in[0], e.ints(r.axes)}, out, keep)
		return
	}
	e.node(string(r.kind), in, out, attrInts("axes", r.axes), keep)
}

func (r reduce) gradient(c *call, dy []*Node) []*Node {
	x := c.in[0]
	_, kept, _ := r.shapes(x.shape)
	d := Reshape(dy[0], kept...)
	switch r.kind {
	case sumKind:
		return []*Node{ExpandLike(d, x)}
	case meanKind:
		return []*Node{ExpandLike(Div(d, countOf(x, r.axes)), x)}
	}
	// Elements that share the maximum share its gradient.
	top := Cast(Equal(x, Reshape(c.out[0], kept...)), Float32)
	return []*Node{Mul(top, Div(d, ReduceSum(top, r.axes, true)))}
}

// allAxes returns all dimensions of x if axes is nil.
func allAxes(x *Node, axes []int) []int {
	if axes != nil || x == nil {
		return slices.Clone(axes)
	}
	axes = make([]int, len(x.shape))
	for i := range axes {
		axes[i] = i
	}
	return axes
}

// reduceBy applies a reduction; one over no dimensions changes nothing.
func reduceBy(kind reduceKind, x *Node, axes []int, keepdims bool) *Node {
	axes = allAxes(x, axes)
	if len(axes) == 0 && x != nil {
		return x
	}
	return apply1(reduce{kind, axes, keepdims}, x)
}

// ReduceSum sums over the given dimensions, or over all if axes is nil. The
// dimensions stay as 1 if keepdims is set.
func ReduceSum(x *Node, axes []int, keepdims bool) *Node { return reduceBy(sumKind, x, axes, keepdims) }

// ReduceMean averages over the given dimensions, or over all if axes is nil.
func ReduceMean(x *Node, axes []int, keepdims bool) *Node {
	return reduceBy(meanKind, x, axes, keepdims)
}

// ReduceMax takes the maximum over the given dimensions, or over all if axes
// is nil. Elements that share the maximum share its gradient.
func ReduceMax(x *Node, axes []int, keepdims bool) *Node {
	return reduceBy(reduceMaxKind, x, axes, keepdims)
}

// count is the number of elements in some dimensions, one of them open.
type count struct{ axes []int }

func (count) name() string                    { return "count" }
func (count) infer([]*Node) ([]value, error)  { return floats([]int{}), nil }
func (count) gradient(*call, []*Node) []*Node { return []*Node{nil} }
func (k count) emit(e *encoder, _ *call, in, out []string) {
	shape, sizes, n := e.fresh(), e.fresh(), e.fresh()
	e.node("Shape", in, []string{shape})
	e.node("Gather", []string{shape, e.ints(k.axes)}, []string{sizes})
	e.node("ReduceProd", []string{sizes}, []string{n}, attrInt("keepdims", 0))
	e.node("Cast", []string{n}, out, attrInt("to", onnxType(Float32)))
}

// countOf returns the number of elements in the given dimensions of x as a
// scalar: a constant where the shape is known.
func countOf(x *Node, axes []int) *Node {
	n, open := 1, false
	for _, a := range axes {
		d := x.Dim(a)
		open = open || d == Open
		n *= d
	}
	if !open {
		return scalar(x, float64(n))
	}
	plain := slices.Clone(axes)
	for i, a := range plain {
		plain[i], _ = axisOf(a, len(x.shape))
	}
	return apply1(count{plain}, x)
}

// softmax normalises exponentials along one dimension.
type softmax struct{ axis int }

func (softmax) name() string { return "Softmax" }

func (s softmax) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	if _, err := axisOf(s.axis, len(in[0].shape)); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

func (s softmax) emit(e *encoder, _ *call, in, out []string) {
	e.node("Softmax", in, out, attrInt("axis", s.axis))
}

func (s softmax) gradient(c *call, dy []*Node) []*Node {
	y := c.out[0]
	inner := ReduceSum(Mul(dy[0], y), []int{s.axis}, true)
	return []*Node{Mul(y, Sub(dy[0], inner))}
}

// Softmax returns exp(x) divided by its sum along one dimension.
func Softmax(x *Node, axis int) *Node { return apply1(softmax{axis}, x) }
