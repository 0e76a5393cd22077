package graph

import (
	"fmt"
	"math"
)

// A second, slow opinion: the formulas computed in float64 by plain loops.

// wide is a float64 tensor; booleans are 0 and 1.
type wide struct {
	shape []int
	data  []float64
}

func newWide(shape []int) wide {
	n, _ := product(shape)
	return wide{shape, make([]float64, n)}
}

// each calls f with every index of a shape, in row-major order.
func each(shape []int, f func(i int, at []int)) {
	at := make([]int, len(shape))
	n, _ := product(shape)
	for i := range n {
		f(i, at)
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
}

// offset returns the place of an index; dimensions of 1 are stretched and
// missing leading ones ignored.
func (w wide) offset(at []int) int {
	lead, o := len(at)-len(w.shape), 0
	for i, d := range w.shape {
		k := at[lead+i]
		if d == 1 {
			k = 0
		}
		o = o*d + k
	}
	return o
}

func (w wide) at(at ...int) float64 { return w.data[w.offset(at)] }

// reference computes nodes, remembering what it has computed.
type reference map[*Node]wide

// compute returns the value of a forward node; the sources must be known.
func (r reference) compute(n *Node) wide {
	if v, ok := r[n]; ok {
		return v
	}
	if s := n.source(); s != nil {
		if s.kind != constSource {
			panic(fmt.Sprintf("no value for %q", s.ident))
		}
		r[n] = constant(s)
		return r[n]
	}
	in := make([]wide, len(n.call.in))
	for i, m := range n.call.in {
		in[i] = r.compute(m)
	}
	for i, v := range evaluate(n.call.op, in) {
		r[n.call.out[i]] = v
	}
	return r[n]
}

func constant(s *source) wide {
	w := newWide(s.value.shape)
	for i := range w.data {
		b := s.data[4*i:]
		w.data[i] = float64(math.Float32frombits(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24))
	}
	return w
}

var pairs = map[pairKind]func(a, b float64) float64{
	addKind:     func(a, b float64) float64 { return a + b },
	subKind:     func(a, b float64) float64 { return a - b },
	mulKind:     func(a, b float64) float64 { return a * b },
	divKind:     func(a, b float64) float64 { return a / b },
	maxKind:     math.Max,
	equalKind:   func(a, b float64) float64 { return truth(a == b) },
	greaterKind: func(a, b float64) float64 { return truth(a > b) },
}

var singles = map[unaryKind]func(x float64) float64{
	negKind:      func(x float64) float64 { return -x },
	sqrtKind:     math.Sqrt,
	logKind:      math.Log,
	absKind:      math.Abs,
	sigmoidKind:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	softplusKind: func(x float64) float64 { return math.Log1p(math.Exp(x)) },
	reluKind:     func(x float64) float64 { return max(x, 0) },
	tanhKind:     math.Tanh,
	expKind:      math.Exp,
	erfKind:      math.Erf,
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// evaluate computes one operation. Those that only gradients use are missing:
// these are checked against central differences of the forward operations.
func evaluate(op operation, in []wide) []wide {
	one := func(w wide) []wide { return []wide{w} }
	switch op := op.(type) {
	case pairwise:
		return one(mapPairs(in[0], in[1], pairs[op.kind]))
	case gelu:
		out := newWide(in[0].shape)
		for i, x := range in[0].data {
			out.data[i] = x * (1 + math.Erf(x/math.Sqrt2)) / 2
		}
		return []wide{out}
	case unary:
		out := newWide(in[0].shape)
		for i, v := range in[0].data {
			out.data[i] = singles[op.kind](v)
		}
		return one(out)
	case where:
		picked := mapPairs(in[0], in[1], func(c, a float64) float64 { return c * a })
		other := mapPairs(in[0], in[2], func(c, a float64) float64 { return (1 - c) * a })
		return one(mapPairs(picked, other, pairs[addKind]))
	case cast:
		return one(in[0])
	case matMul:
		return one(refMatMul(in[0], in[1]))
	case gemm:
		return one(refGemm(op, in))
	case conv:
		return one(refConv(op, in))
	case batchNorm:
		return one(refScale(in[0], in[1], in[2], in[3], in[4], op.eps))
	case batchMoments:
		return refMoments(in[0])
	case batchScale:
		return one(refScale(in[0], in[1], in[2], in[3], in[4], op.eps))
	case layerNorm:
		return refLayerNorm(in[0], in[1], in[2], op.eps)
	case maxPool:
		return one(refPool(op.pooling, in[0], true))
	case avgPool:
		return one(refPool(op.pooling, in[0], false))
	case resize:
		return one(refBilinear(in[0], op.height, op.width, op.corners))
	}
	return one(evaluateShape(op, in))
}

func mapPairs(a, b wide, f func(a, b float64) float64) wide {
	shape, err := broadcast(a.shape, b.shape)
	if err != nil {
		panic(err)
	}
	out := newWide(shape)
	each(shape, func(i int, at []int) { out.data[i] = f(a.at(at...), b.at(at...)) })
	return out
}

func evaluateShape(op operation, in []wide) wide {
	x := in[0]
	switch op := op.(type) {
	case reshape:
		v, _ := op.infer([]*Node{{shape: x.shape}})
		return wide{v[0].shape, x.data}
	case transpose:
		v, _ := op.infer([]*Node{{shape: x.shape}})
		out := newWide(v[0].shape)
		from := make([]int, len(x.shape))
		each(out.shape, func(i int, at []int) {
			for d, p := range op.perm {
				from[p] = at[d]
			}
			out.data[i] = x.at(from...)
		})
		return out
	case slice:
		v, _ := op.infer([]*Node{{shape: x.shape}})
		out := newWide(v[0].shape)
		each(out.shape, func(i int, at []int) {
			from := append([]int{}, at...)
			for k, a := range op.axes {
				from[a] = op.starts[k] + at[a]*op.steps[k]
			}
			out.data[i] = x.at(from...)
		})
		return out
	case concat:
		return refConcat(op.axis, in)
	case pad:
		v, _ := op.infer([]*Node{{shape: x.shape}})
		out := newWide(v[0].shape)
		each(out.shape, func(i int, at []int) {
			from := append([]int{}, at...)
			for d := range from {
				if from[d] -= op.before[d]; from[d] < 0 || from[d] >= x.shape[d] {
					return
				}
			}
			out.data[i] = x.at(from...)
		})
		return out
	case expand:
		return mapPairs(x, in[1], func(a, _ float64) float64 { return a })
	case reduce:
		return refReduce(op, x)
	case softmax:
		return refSoftmax(op.axis, x)
	}
	panic(fmt.Sprintf("the reference does not know %q", op.name()))
}
