package graph

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// operationCase builds a formula over parameters of the given shapes.
type operationCase struct {
	name   string
	shapes [][]int
	low    float64 // values are in [low, low+2); default -1
	build  func(p []*Node) *Node
}

func operationCases() []operationCase {
	unit := func(name string, low float64, f func(*Node) *Node) operationCase {
		return operationCase{name, [][]int{{3, 5}}, low, func(p []*Node) *Node { return f(p[0]) }}
	}
	two := func(name string, low float64, a, b []int, f func(a, b *Node) *Node) operationCase {
		return operationCase{name, [][]int{a, b}, low, func(p []*Node) *Node { return f(p[0], p[1]) }}
	}
	image := func(name string, shape []int, f func(*Node) *Node) operationCase {
		return operationCase{name, [][]int{shape}, -1, func(p []*Node) *Node { return f(p[0]) }}
	}
	convolution := func(name string, x, w []int, o ConvOptions) operationCase {
		return operationCase{name, [][]int{x, w, {w[0]}}, -1, func(p []*Node) *Node { return Conv(p[0], p[1], p[2], o) }}
	}
	return []operationCase{
		two("add broadcast", -1, []int{2, 3, 4}, []int{3, 1}, Add),
		two("sub broadcast", -1, []int{4}, []int{2, 3, 4}, Sub),
		two("mul", -1, []int{3, 4}, []int{3, 4}, Mul),
		two("mul broadcast", -1, []int{2, 1, 4}, []int{3, 1}, Mul),
		unit("square", -1, func(x *Node) *Node { return Mul(x, x) }),
		two("div", 0.5, []int{2, 3}, []int{3}, Div),
		two("max", -1, []int{3, 4}, []int{4}, Max),
		two("where", -1, []int{3, 4}, []int{4}, func(a, b *Node) *Node { return Where(Greater(a, scalar(a, 0.1)), a, Mul(b, b)) }),
		unit("neg", -1, Neg), unit("sqrt", 0.2, Sqrt), unit("log", 0.2, Log),
		unit("abs", -1, Abs), unit("sigmoid", -1, Sigmoid), unit("softplus", -1, Softplus),
		unit("relu", -1, ReLU), unit("tanh", -1, Tanh), unit("quick gelu", -1, QuickGELU),
		unit("exp", -1, Exp), unit("erf", -1, Erf), unit("gelu", -1, GELU), unit("silu", -1, SiLU),
		unit("log sum exp", -1, func(x *Node) *Node { return LogSumExp(x, []int{1}) }),
		unit("softmax", -1, func(x *Node) *Node { return Softmax(x, -1) }),
		unit("softmax first", -1, func(x *Node) *Node { return Softmax(x, 0) }),
		two("matmul", -1, []int{3, 4}, []int{4, 2}, MatMul),
		two("matmul batched", -1, []int{2, 1, 3, 4}, []int{5, 4, 2}, MatMul),
		two("matmul one matrix", -1, []int{2, 3, 4}, []int{4, 2}, MatMul),
		two("matmul left matrix", -1, []int{3, 4}, []int{2, 4, 2}, MatMul),
		{"gemm", [][]int{{3, 4}, {5, 4}, {5}}, -1, func(p []*Node) *Node { return Gemm(p[0], p[1], p[2], false, true) }},
		{"gemm transposed", [][]int{{4, 3}, {5, 4}}, -1, func(p []*Node) *Node { return Gemm(p[0], p[1], nil, true, true) }},
		{"gemm left transposed", [][]int{{4, 3}, {4, 5}}, -1, func(p []*Node) *Node { return Gemm(p[0], p[1], nil, true, false) }},
		{"linear", [][]int{{2, 3, 4}, {5, 4}, {5}}, -1, func(p []*Node) *Node { return Linear(p[0], p[1], p[2]) }},
		convolution("conv 3x3", []int{2, 3, 5, 6}, []int{4, 3, 3, 3}, ConvOptions{Pad: 1}),
		convolution("conv valid", []int{2, 3, 5, 6}, []int{4, 3, 3, 3}, ConvOptions{}),
		convolution("conv 5x5", []int{2, 2, 6, 5}, []int{3, 2, 5, 5}, ConvOptions{Pad: 2}),
		convolution("conv stride", []int{2, 3, 7, 6}, []int{4, 3, 3, 3}, ConvOptions{Stride: 2}),
		convolution("conv stride pad", []int{2, 3, 7, 6}, []int{4, 3, 3, 3}, ConvOptions{Stride: 2, Pad: 1}),
		convolution("conv patches", []int{2, 3, 8, 8}, []int{4, 3, 4, 4}, ConvOptions{Stride: 4}),
		convolution("conv dilated", []int{2, 2, 8, 7}, []int{3, 2, 3, 3}, ConvOptions{Dilation: 2, Pad: 2}),
		convolution("conv dilated stride", []int{1, 2, 9, 8}, []int{3, 2, 3, 3}, ConvOptions{Dilation: 2, Pad: 1, Stride: 2}),
		convolution("conv groups", []int{2, 4, 5, 5}, []int{6, 2, 3, 3}, ConvOptions{Groups: 2, Pad: 1}),
		convolution("conv wide pad", []int{2, 2, 4, 4}, []int{3, 2, 3, 3}, ConvOptions{Pad: 3}),
		convolution("conv oblong", []int{2, 2, 6, 6}, []int{3, 2, 1, 3}, ConvOptions{Pad: 1}),
		convolution("conv 1x1", []int{2, 3, 4, 5}, []int{4, 3, 1, 1}, ConvOptions{}),
		convolution("conv 1x1 stride", []int{2, 3, 5, 6}, []int{4, 3, 1, 1}, ConvOptions{Stride: 2}),
		convolution("conv depthwise", []int{2, 4, 5, 6}, []int{4, 1, 3, 3}, ConvOptions{Groups: 4, Pad: 1}),
		convolution("conv depthwise stride", []int{2, 4, 7, 6}, []int{4, 1, 3, 3}, ConvOptions{Groups: 4, Pad: 1, Stride: 2}),
		convolution("conv depthwise dilated", []int{2, 3, 8, 7}, []int{3, 1, 3, 3}, ConvOptions{Groups: 3, Pad: 2, Dilation: 2}),
		image("bicubic scaled", []int{2, 2, 5, 4}, func(x *Node) *Node { return BicubicScaled(x, 3, 7, 3.1/5, 7.1/4) }),
		image("bicubic antialiased", []int{2, 2, 5, 4}, func(x *Node) *Node { return BicubicAntialiased(x, 2, 7) }),
		{"upsample conv", [][]int{{2, 3, 4, 3}, {1, 3, 3, 3}, {1}}, -1, func(p []*Node) *Node { return UpsampleConv(p[0], p[1], p[2], 8, 7) }},
		{"batch norm", [][]int{{2, 3, 4, 2}, {3}, {3}, {3}, {3}}, 0.3, func(p []*Node) *Node {
			return BatchNorm(p[0], p[1], p[2], p[3], p[4], 1e-3)
		}},
		{"batch norm train", [][]int{{3, 3, 4, 2}, {3}, {3}}, -1, func(p []*Node) *Node {
			y, _, _ := BatchNormTrain(p[0], p[1], p[2], p[1], p[2], 1e-3, 0.1)
			return y
		}},
		{"batch norm train statistics", [][]int{{3, 3, 4, 2}, {3}, {3}}, -1, func(p []*Node) *Node {
			_, mean, variance := BatchNormTrain(p[0], p[1], p[2], p[1], p[2], 1e-3, 0.1)
			return Concat(0, mean, variance)
		}},
		{"layer norm", [][]int{{2, 3, 6}, {6}, {6}}, -1, func(p []*Node) *Node { return LayerNorm(p[0], p[1], p[2], 1e-5) }},
		image("max pool", []int{2, 3, 7, 6}, func(x *Node) *Node { return MaxPool(x, 3, 2, 1) }),
		image("max pool 2", []int{2, 2, 6, 7}, func(x *Node) *Node { return MaxPool(x, 2, 2, 0) }),
		image("max pool overlapping", []int{1, 2, 5, 5}, func(x *Node) *Node { return MaxPool(x, 3, 1, 1) }),
		image("max pool gaps", []int{1, 2, 8, 7}, func(x *Node) *Node { return MaxPool(x, 2, 3, 0) }),
		image("avg pool", []int{2, 3, 6, 6}, func(x *Node) *Node { return AvgPool(x, 2, 2, 0) }),
		image("avg pool padded", []int{2, 2, 7, 5}, func(x *Node) *Node { return AvgPool(x, 3, 2, 1) }),
		image("global pool", []int{2, 3, 4, 5}, func(x *Node) *Node { return ReduceMean(x, []int{2, 3}, true) }),
		image("bilinear x2", []int{2, 2, 3, 4}, func(x *Node) *Node { return UpsampleBilinear(x, 6, 8) }),
		image("bilinear large", []int{1, 1, 48, 48}, func(x *Node) *Node { return UpsampleBilinear(x, 96, 96) }),
		image("bilinear odd", []int{1, 2, 7, 5}, func(x *Node) *Node { return UpsampleBilinear(x, 8, 11) }),
		image("bilinear down", []int{1, 2, 9, 8}, func(x *Node) *Node { return UpsampleBilinear(x, 4, 3) }),
		image("resize x2", []int{2, 2, 3, 4}, func(x *Node) *Node { return Resize(x, 6, 8, false) }),
		image("resize odd", []int{1, 2, 7, 5}, func(x *Node) *Node { return Resize(x, 13, 9, false) }),
		image("resize down", []int{1, 2, 9, 8}, func(x *Node) *Node { return Resize(x, 4, 3, false) }),
		image("resize one pixel", []int{2, 2, 1, 1}, func(x *Node) *Node { return Resize(x, 2, 3, false) }),
		image("resize corners x2", []int{2, 2, 3, 4}, func(x *Node) *Node { return Resize(x, 6, 8, true) }),
		image("resize corners odd", []int{1, 2, 7, 5}, func(x *Node) *Node { return Resize(x, 13, 9, true) }),
		image("resize corners down", []int{1, 2, 9, 8}, func(x *Node) *Node { return Resize(x, 4, 3, true) }),
		image("resize corners one pixel", []int{2, 2, 5, 1}, func(x *Node) *Node { return Resize(x, 1, 3, true) }),
		image("bicubic", []int{1, 2, 4, 5}, func(x *Node) *Node { return UpsampleBicubic(x, 9, 10) }),
		image("reshape", []int{2, 6}, func(x *Node) *Node { return Reshape(x, 3, -1) }),
		image("transpose", []int{2, 3, 4}, func(x *Node) *Node { return Transpose(x, 2, 0, 1) }),
		image("slice", []int{2, 5, 3}, func(x *Node) *Node { return Slice(x, 1, 1, 4) }),
		image("strided", []int{1, 2, 5, 6}, func(x *Node) *Node { return window(x, 0, 0, 3, 3, 2) }),
		image("window", []int{1, 2, 7, 9}, func(x *Node) *Node { return window(x, 1, 2, 2, 3, 2) }),
		two("concat", -1, []int{2, 3, 2}, []int{2, 1, 2}, func(a, b *Node) *Node { return Concat(1, a, b, a) }),
		image("pad", []int{2, 3}, func(x *Node) *Node { return Pad(x, []int{1, -1}, []int{0, 2}) }),
		two("expand", -1, []int{3, 1}, []int{2, 3, 4}, ExpandLike),
		image("reduce sum", []int{2, 3, 4}, func(x *Node) *Node { return ReduceSum(x, []int{0, 2}, false) }),
		image("reduce mean", []int{2, 3, 4}, func(x *Node) *Node { return ReduceMean(x, []int{-1}, true) }),
		image("reduce max", []int{2, 3, 4}, func(x *Node) *Node { return ReduceMax(x, []int{1}, false) }),
		two("bce", -1, []int{2, 5}, []int{2, 5}, BCEWithLogits),
	}
}

// TestOperations compares each operation with the float64 reference and its
// gradients with the reference's central differences.
func TestOperations(t *testing.T) {
	for _, test := range operationCases() {
		t.Run(test.name, func(t *testing.T) { test.check(t) })
	}
}

func (c operationCase) check(t *testing.T) {
	random := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	g := New()
	params := make([]*Node, len(c.shapes))
	feeds := map[string]array{}
	for i, shape := range c.shapes {
		name := fmt.Sprintf("p%d", i)
		params[i] = g.Param(name, shape...)
		low := c.low
		n, _ := product(shape)
		a := array{shape, make([]float32, n)}
		for k := range a.data {
			a.data[k] = float32(low + 2*random.Float64())
		}
		feeds[name] = a
	}
	y := c.build(params)
	// A weighted sum as the loss, so that no gradient is trivial.
	n, _ := product(y.Shape())
	weights := make([]float32, n)
	for i := range weights {
		weights[i] = float32(0.5 + random.Float64())
	}
	loss := ReduceSum(Mul(y, g.Const(y.Shape(), weights)), nil, false)
	outputs := []Output{{"y", y}}
	for i, d := range Gradients(loss, params) {
		outputs = append(outputs, Output{fmt.Sprintf("d%d", i), d})
	}
	got := load(t, outputs).run(t, feeds)

	start := func() reference {
		r := reference{}
		for i, p := range params {
			a := feeds[fmt.Sprintf("p%d", i)]
			w := newWide(a.shape)
			for k, v := range a.data {
				w.data[k] = float64(v)
			}
			r[p] = w
		}
		return r
	}
	r := start()
	// 2e-6: float32 rounding of sums of a few dozen terms of order 1.
	compare(t, "y", got["y"], r.compute(y).data, 2e-6)
	for i, p := range params {
		want := make([]float64, len(feeds[fmt.Sprintf("p%d", i)].data))
		for k := range want {
			// Central differences: error h^2 of the third derivative.
			const h = 1e-5
			at := func(by float64) float64 {
				r := start()
				r[p].data[k] += by
				return r.compute(loss).data[0]
			}
			if len(want) > 200 && k%97 != 0 {
				want[k] = math.NaN() // large ones: a sample
				continue
			}
			want[k] = (at(h) - at(-h)) / (2 * h)
		}
		// 1e-5: float32 rounding of the gradient's sums; the differences
		// themselves are right to about 1e-9.
		compare(t, fmt.Sprintf("gradient %d", i), got[fmt.Sprintf("d%d", i)], want, 1e-5)
	}
}

// compare wants values equal within tol of the largest one. Expected NaNs are
// skipped.
func compare(t *testing.T, what string, got array, want []float64, tol float64) {
	t.Helper()
	if len(got.data) != len(want) {
		t.Errorf("%s: %d values %v, expected %d", what, len(got.data), got.shape, len(want))
		return
	}
	size := 0.0
	for _, v := range want {
		if !math.IsNaN(v) {
			size = max(size, math.Abs(v))
		}
	}
	for i, v := range want {
		if math.IsNaN(v) {
			continue
		}
		if d := math.Abs(float64(got.data[i]) - v); !(d <= tol*max(size, 1e-3)) {
			t.Errorf("%s: element %d is %v, expected %v (off by %.2g of the largest, %v)", what, i, got.data[i], v, d/size, size)
			return
		}
	}
}
