package graph

import (
	"fmt"
	"slices"
)

// matMul is the product of matrices in the last two dimensions; the leading
// ones broadcast.
type matMul struct{}

func (matMul) name() string { return "MatMul" }

func (matMul) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	a, b := in[0].shape, in[1].shape
	if len(a) < 2 || len(b) < 2 {
		return nil, fmt.Errorf("shapes %v and %v, expected at least 2 dimensions each", a, b)
	}
	ra, rb := len(a)-2, len(b)-2
	if a[ra+1] != b[rb] {
		return nil, fmt.Errorf("shapes %v and %v: %d columns against %d rows", a, b, a[ra+1], b[rb])
	}
	lead, err := broadcast(a[:ra], b[:rb])
	if err != nil {
		return nil, err
	}
	shape := append(lead, a[ra], b[rb+1])
	for i, d := range shape {
		if i > 0 && d == Open {
			return nil, fmt.Errorf("shapes %v and %v: only dimension 0 of the result may be open", a, b)
		}
	}
	return floats(shape), nil
}

func (matMul) emit(e *encoder, _ *call, in, out []string) { e.node("MatMul", in, out) }

func (matMul) gradient(c *call, dy []*Node) []*Node {
	a, b, d := c.in[0], c.in[1], dy[0]
	if len(b.shape) == 2 && len(a.shape) > 2 {
		// One matrix for all rows: its gradient is a single product.
		rows := Reshape(a, -1, a.shape[len(a.shape)-1])
		drows := Reshape(d, -1, d.shape[len(d.shape)-1])
		return []*Node{MatMul(d, swapLast(b)), MatMul(swapLast(rows), drows)}
	}
	return []*Node{sumTo(MatMul(d, swapLast(b)), a), sumTo(MatMul(swapLast(a), d), b)}
}

// MatMul returns the matrix product a b: [..., M, K] and [..., K, N] give
// [..., M, N], the leading dimensions broadcasting.
func MatMul(a, b *Node) *Node { return apply1(matMul{}, a, b) }

// swapLast transposes the matrices in the last two dimensions.
func swapLast(x *Node) *Node {
	if x == nil || len(x.shape) < 2 {
		return x
	}
	perm := make([]int, len(x.shape))
	for i := range perm {
		perm[i] = i
	}
	k := len(perm)
	perm[k-2], perm[k-1] = perm[k-1], perm[k-2]
	return Transpose(x, perm...)
}

// gemm is op(a) op(b) + bias, op being an optional transposition.
type gemm struct{ transA, transB bool }

func (gemm) name() string { return "Gemm" }

func (k gemm) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	a, b := in[0].shape, in[1].shape
	if len(a) != 2 || len(b) != 2 {
		return nil, fmt.Errorf("shapes %v and %v, expected 2 dimensions each", a, b)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	if k.transA {
		slices.Reverse(a)
	}
	if k.transB {
		slices.Reverse(b)
	}
	if a[1] != b[0] {
		return nil, fmt.Errorf("shapes %v and %v: %d columns against %d rows", in[0].shape, in[1].shape, a[1], b[0])
	}
	if len(in) == 3 {
		if err := wantShape("bias", in[2], b[1]); err != nil {
			return nil, err
		}
	}
	return floats([]int{a[0], b[1]}), nil
}

func (k gemm) emit(e *encoder, _ *call, in, out []string) {
	e.node("Gemm", in, out, attrInt("transA", boolInt(k.transA)), attrInt("transB", boolInt(k.transB)))
}

func (k gemm) gradient(c *call, dy []*Node) []*Node {
	a, b, d := c.in[0], c.in[1], dy[0]
	grads := make([]*Node, len(c.in))
	if k.transA {
		grads[0] = Gemm(b, d, nil, k.transB, true)
	} else {
		grads[0] = Gemm(d, b, nil, false, !k.transB)
	}
	if k.transB {
		grads[1] = Gemm(d, a, nil, true, k.transA)
	} else {
		grads[1] = Gemm(a, d, nil, !k.transA, false)
	}
	if len(c.in) == 3 {
		grads[2] = ReduceSum(d, []int{0}, false)
	}
	return grads
}

// Gemm returns a b + bias for matrices, with a or b transposed first where
// asked. The bias [N] may be nil.
func Gemm(a, b, bias *Node, transA, transB bool) *Node {
	if bias == nil {
		return apply1(gemm{transA, transB}, a, b)
	}
	return apply1(gemm{transA, transB}, a, b, bias)
}

// Linear returns x w^T + b over the last dimension of x: x is [..., in], w
// [out, in], b [out] or nil, the result [..., out].
func Linear(x, w, b *Node) *Node {
	if x == nil || w == nil || x.bad || w.bad || len(x.shape) == 2 || len(x.shape) == 0 || len(w.shape) != 2 {
		return Gemm(x, w, b, false, true)
	}
	last := len(x.shape) - 1
	y := Gemm(Reshape(x, -1, x.shape[last]), w, b, false, true)
	shape := slices.Clone(x.shape)
	shape[last] = w.shape[0]
	return Reshape(y, shape...)
}

// boolInt returns 1 for true, as ONNX attributes require.
func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
