package graph

import (
	"fmt"
	"math"
	"slices"
)

// pairKind is the ONNX name of a two-operand operation.
type pairKind string

const (
	addKind     pairKind = "Add"
	subKind     pairKind = "Sub"
	mulKind     pairKind = "Mul"
	divKind     pairKind = "Div"
	maxKind     pairKind = "Max"
	equalKind   pairKind = "Equal"
	greaterKind pairKind = "Greater"
)

// pairwise combines two tensors element by element, with numpy's broadcasting.
type pairwise struct{ kind pairKind }

func (b pairwise) name() string { return string(b.kind) }

func (b pairwise) infer(in []*Node) ([]value, error) {
	if in[0].dtype != in[1].dtype {
		return nil, fmt.Errorf("operands are %v and %v, expected one type", in[0].dtype, in[1].dtype)
	}
	shape, err := broadcast(in[0].shape, in[1].shape)
	if err != nil {
		return nil, err
	}
	if b.kind == equalKind || b.kind == greaterKind {
		return []value{{Bool, shape}}, nil
	}
	return []value{{in[0].dtype, shape}}, nil
}

func (b pairwise) emit(e *encoder, _ *call, in, out []string) { e.node(string(b.kind), in, out) }

func (b pairwise) gradient(c *call, dy []*Node) []*Node {
	x, y, d := c.in[0], c.in[1], dy[0]
	switch b.kind {
	case addKind:
		return []*Node{sumTo(d, x), sumTo(d, y)}
	case subKind:
		return []*Node{sumTo(d, x), Neg(sumTo(d, y))}
	case mulKind:
		if x == y {
			half := Mul(d, x)
			return []*Node{half, half}
		}
		return []*Node{sumTo(Mul(d, y), x), sumTo(Mul(d, x), y)}
	case divKind:
		dx := Div(d, y)
		return []*Node{sumTo(dx, x), Neg(sumTo(Mul(dx, c.out[0]), y))}
	case maxKind:
		// At a tie the gradient goes to the first operand.
		zero := scalar(d, 0)
		second := Greater(y, x)
		return []*Node{sumTo(Where(second, zero, d), x), sumTo(Where(second, d, zero), y)}
	}
	return []*Node{nil, nil}
}

// Add returns a + b.
func Add(a, b *Node) *Node { return apply1(pairwise{addKind}, a, b) }

// Sub returns a - b.
func Sub(a, b *Node) *Node { return apply1(pairwise{subKind}, a, b) }

// Mul returns a * b, element by element.
func Mul(a, b *Node) *Node { return apply1(pairwise{mulKind}, a, b) }

// Div returns a / b, element by element.
func Div(a, b *Node) *Node { return apply1(pairwise{divKind}, a, b) }

// Max returns the larger of a and b, element by element.
func Max(a, b *Node) *Node { return apply1(pairwise{maxKind}, a, b) }

// Equal returns a == b as booleans.
func Equal(a, b *Node) *Node { return apply1(pairwise{equalKind}, a, b) }

// Greater returns a > b as booleans.
func Greater(a, b *Node) *Node { return apply1(pairwise{greaterKind}, a, b) }

// Scale returns x times a number.
func Scale(x *Node, by float64) *Node { return Mul(x, scalar(x, by)) }

// unaryKind is the ONNX name of a one-operand operation.
type unaryKind string

const (
	negKind      unaryKind = "Neg"
	sqrtKind     unaryKind = "Sqrt"
	logKind      unaryKind = "Log"
	absKind      unaryKind = "Abs"
	signKind     unaryKind = "Sign"
	sigmoidKind  unaryKind = "Sigmoid"
	softplusKind unaryKind = "Softplus"
	reluKind     unaryKind = "Relu"
	tanhKind     unaryKind = "Tanh"
	expKind      unaryKind = "Exp"
	erfKind      unaryKind = "Erf"
)

// unary maps each element by a function.
type unary struct{ kind unaryKind }

func (u unary) name() string { return string(u.kind) }

func (u unary) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

func (u unary) emit(e *encoder, _ *call, in, out []string) { e.node(string(u.kind), in, out) }

func (u unary) gradient(c *call, dy []*Node) []*Node {
	x, y, d := c.in[0], c.out[0], dy[0]
	var dx *Node
	switch u.kind {
	case negKind:
		dx = Neg(d)
	case sqrtKind:
		dx = Div(Scale(d, 0.5), y)
	case logKind:
		dx = Div(d, x)
	case absKind:
		dx = Mul(d, apply1(unary{signKind}, x))
	case sigmoidKind:
		dx = Mul(d, Mul(y, Sub(scalar(y, 1), y)))
	case softplusKind:
		dx = Mul(d, Sigmoid(x))
	case reluKind:
		if x.graph.training && len(y.shape) <= 4 {
			dx = apply1(reluGradient{}, y, d)
			break
		}
		// As in PyTorch, the gradient at 0 is 0. It depends on the output only, so that the input
		// need not be kept.
		dx = Mul(d, step(y))
	case tanhKind:
		dx = Mul(d, Sub(scalar(y, 1), Mul(y, y)))
	case expKind:
		dx = Mul(d, y)
	case erfKind:
		dx = Mul(d, Scale(Exp(Neg(Mul(x, x))), 2/math.SqrtPi))
	}
	return []*Node{dx}
}

// Neg returns -x.
func Neg(x *Node) *Node { return apply1(unary{negKind}, x) }

// Sqrt returns the square root of x.
func Sqrt(x *Node) *Node { return apply1(unary{sqrtKind}, x) }

// Log returns the natural logarithm of x.
func Log(x *Node) *Node { return apply1(unary{logKind}, x) }

// Abs returns |x|; its gradient at 0 is 0.
func Abs(x *Node) *Node { return apply1(unary{absKind}, x) }

// Sigmoid returns 1 / (1 + exp(-x)).
func Sigmoid(x *Node) *Node { return apply1(unary{sigmoidKind}, x) }

// Softplus returns log(1 + exp(x)), without overflow.
func Softplus(x *Node) *Node { return apply1(unary{softplusKind}, x) }

// ReLU returns max(x, 0); its gradient at 0 is 0.
func ReLU(x *Node) *Node { return apply1(unary{reluKind}, x) }

// Tanh returns the hyperbolic tangent of x.
func Tanh(x *Node) *Node { return apply1(unary{tanhKind}, x) }

// Exp returns e to the power of x.
func Exp(x *Node) *Node { return apply1(unary{expKind}, x) }

// Erf returns the error function of x.
func Erf(x *Node) *Node { return apply1(unary{erfKind}, x) }

// GELU returns x times the standard normal distribution's cumulative function of x. In training
// only x is kept for the gradient.
func GELU(x *Node) *Node { return apply1(gelu{}, x) }

type gelu struct{}

func (gelu) name() string { return "GELU" }

func (gelu) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

// emit writes the operations in the order in which engines recognise them and run them in one pass.
func (gelu) emit(e *encoder, _ *call, in, out []string) {
	scaled, erf, sum, product := e.fresh(), e.fresh(), e.fresh(), e.fresh()
	e.node("Div", []string{in[0], e.float(math.Sqrt2)}, []string{scaled})
	e.node("Erf", []string{scaled}, []string{erf})
	e.node("Add", []string{erf, e.float(1)}, []string{sum})
	e.node("Mul", []string{in[0], sum}, []string{product})
	e.node("Mul", []string{product, e.float(0.5)}, out)
}

// gradient is d (P + x p), where P is the distribution's cumulative function and p its density. P
// is written in another way than in emit: an engine that finds the same operation twice keeps the
// first result in memory for the second.
func (gelu) gradient(c *call, dy []*Node) []*Node {
	x, d := c.in[0], dy[0]
	cumulative := Add(Scale(Erf(Scale(x, 1/math.Sqrt2)), 0.5), scalar(x, 0.5))
	density := Scale(Exp(Scale(Mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
	return []*Node{Mul(d, Add(cumulative, Mul(x, density)))}
}

// LogSumExp returns the logarithm of the sum of the exponentials of x over the given dimensions,
// which stay as 1. Large values do not overflow.
func LogSumExp(x *Node, axes []int) *Node {
	top := ReduceMax(x, axes, true)
	return Add(top, Log(ReduceSum(Exp(Sub(x, top)), axes, true)))
}

// QuickGELU returns x * sigmoid(1.702 x), the activation of CLIP's towers.
func QuickGELU(x *Node) *Node { return Mul(x, Sigmoid(Scale(x, 1.702))) }

// SiLU returns x * sigmoid(x), the activation of SwiGLU's gate.
func SiLU(x *Node) *Node { return Mul(x, Sigmoid(x)) }

// stepSlope scales every positive normal number to at least 1.
const stepSlope = 3e38

// stepOp is 1 for positive numbers and 0 for others: a clipped line so steep that no normal number
// is on its slope. It runs many times faster than a comparison followed by a selection.
type stepOp struct{}

func (stepOp) name() string { return "step" }

func (stepOp) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

func (stepOp) emit(e *encoder, _ *call, in, out []string) {
	e.node("HardSigmoid", in, out, attrFloat("alpha", stepSlope), attrFloat("beta", 0))
}

func (stepOp) gradient(*call, []*Node) []*Node { return []*Node{nil} }

// step returns 1 where x > 0 and 0 elsewhere.
func step(x *Node) *Node { return apply1(stepOp{}, x) }

// where selects elements by a condition.
type where struct{}

func (where) name() string { return "Where" }

func (where) infer(in []*Node) ([]value, error) {
	if in[0].dtype != Bool {
		return nil, fmt.Errorf("condition is %v, expected bool", in[0].dtype)
	}
	if in[1].dtype != in[2].dtype {
		return nil, fmt.Errorf("choices are %v and %v, expected one type", in[1].dtype, in[2].dtype)
	}
	shape, err := broadcast(in[0].shape, in[1].shape)
	if err != nil {
		return nil, err
	}
	if shape, err = broadcast(shape, in[2].shape); err != nil {
		return nil, err
	}
	return []value{{in[1].dtype, shape}}, nil
}

func (where) emit(e *encoder, _ *call, in, out []string) { e.node("Where", in, out) }

func (where) gradient(c *call, dy []*Node) []*Node {
	zero := scalar(dy[0], 0)
	return []*Node{
		nil,
		sumTo(Where(c.in[0], dy[0], zero), c.in[1]),
		sumTo(Where(c.in[0], zero, dy[0]), c.in[2]),
	}
}

// Where returns a where cond is true and b elsewhere, with broadcasting.
func Where(cond, a, b *Node) *Node { return apply1(where{}, cond, a, b) }

// cast converts element types.
type cast struct{ to DType }

func (cast) name() string { return "Cast" }

func (k cast) infer(in []*Node) ([]value, error) { return []value{{k.to, in[0].shape}}, nil }

func (k cast) emit(e *encoder, _ *call, in, out []string) {
	e.node("Cast", in, out, attrInt("to", onnxType(k.to)))
}

func (k cast) gradient(c *call, dy []*Node) []*Node {
	if from := c.in[0].dtype; from == Int64 || from == Bool {
		return []*Node{nil}
	}
	return []*Node{Cast(dy[0], c.in[0].dtype)}
}

// Cast converts x to another element type.
func Cast(x *Node, to DType) *Node {
	if x != nil && !x.bad && x.dtype == to {
		return x
	}
	return apply1(cast{to}, x)
}

// broadcast returns the shape that two shapes share under numpy's rules: they
// are aligned at the end, and a dimension of 1 stretches.
func broadcast(a, b []int) ([]int, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i := range b {
		k := len(a) - len(b) + i
		switch {
		case a[k] == b[i] || b[i] == 1:
		case a[k] == 1:
			out[k] = b[i]
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	for i, d := range out {
		if i > 0 && d == Open {
			return nil, fmt.Errorf("shapes %v and %v: only dimension 0 of the result may be open", a, b)
		}
	}
	return out, nil
}

// sumTo sums a gradient over the dimensions that broadcasting stretched, so
// that it has the shape of like again.
func sumTo(d, like *Node) *Node {
	if d == nil || d.bad || like.bad || slices.Equal(d.shape, like.shape) {
		return d
	}
	lead := len(d.shape) - len(like.shape)
	var axes []int
	for i, size := range d.shape {
		if i < lead || like.shape[i-lead] == 1 && size != 1 {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		d = ReduceSum(d, axes, true)
	}
	return Reshape(d, like.shape...)
}
