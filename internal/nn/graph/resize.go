package graph

import (
	"errors"
	"fmt"
	"math"
)

// resize is ONNX's bilinear enlargement by whole factors.
type resize struct{ height, width int }

func (resize) name() string { return "Resize" }

func (r resize) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0])); err != nil {
		return nil, err
	}
	return floats([]int{in[0].shape[0], in[0].shape[1], r.height, r.width}), nil
}

func (r resize) emit(e *encoder, c *call, in, out []string) {
	x := c.in[0].shape
	scales := e.floats([]float32{1, 1, float32(r.height / x[2]), float32(r.width / x[3])})
	e.node("Resize", []string{in[0], "", scales}, out,
		attrText("mode", "linear"), attrText("coordinate_transformation_mode", "half_pixel"))
}

// gradient multiplies by the transposed matrices of the enlargement.
func (r resize) gradient(c *call, dy []*Node) []*Node {
	x := c.in[0]
	rows := matrixOf(x, linearTaps, x.shape[2], r.height)
	cols := matrixOf(x, linearTaps, x.shape[3], r.width)
	return []*Node{MatMul(swapLast(rows), MatMul(dy[0], cols))}
}

// UpsampleBilinear resizes x [N,C,H,W] to the given height and width in pixels
// with bilinear weights, align_corners=false and no antialiasing, as PyTorch's
// interpolate does.
func UpsampleBilinear(x *Node, outH, outW int) *Node {
	// Above this size, ONNX Runtime's own operation is faster than two products.
	const large = 48
	if x != nil && !x.bad && len(x.shape) == 4 && outH > 0 && outW > 0 &&
		outH%x.shape[2] == 0 && outW%x.shape[3] == 0 && x.shape[2] >= large && x.shape[3] >= large &&
		(outH != x.shape[2] || outW != x.shape[3]) {
		return apply1(resize{outH, outW}, x)
	}
	return resizeBy(x, linearTaps, outH, outW)
}

// UpsampleBicubic resizes x [N,C,H,W] with cubic weights (a = -0.75),
// align_corners=false and no antialiasing, as PyTorch's interpolate does.
func UpsampleBicubic(x *Node, outH, outW int) *Node {
	return resizeBy(x, cubicTaps, outH, outW)
}

// resizeBy multiplies rows and columns by matrices of weights.
func resizeBy(x *Node, taps tapsFunc, outH, outW int) *Node {
	if x == nil || x.bad {
		return apply1(resize{outH, outW}, x)
	}
	if len(x.shape) != 4 || outH < 1 || outW < 1 {
		return x.graph.fail(fmt.Errorf("resize: input %v to %d x %d, expected [N, C, H, W] and a positive size", x.shape, outH, outW))
	}
	if x.shape[3] != outW {
		x = MatMul(x, Transpose(matrixOf(x, taps, x.shape[3], outW), 1, 0))
	}
	if x.shape[2] != outH {
		x = MatMul(matrixOf(x, taps, x.shape[2], outH), x)
	}
	return x
}

// tapsFunc returns the first source index of an output sample at a source
// coordinate, and the weights from there on. Indices outside are clamped.
type tapsFunc func(coordinate float64) (first int, weights []float64)

func linearTaps(s float64) (int, []float64) {
	s = max(s, 0)
	f := math.Floor(s)
	return int(f), []float64{1 - (s - f), s - f}
}

// cubicTaps is Keys' kernel (1981) with a = -0.75.
func cubicTaps(s float64) (int, []float64) {
	const a = -0.75
	f := math.Floor(s)
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	t := s - f
	return int(f) - 1, []float64{far(1 + t), near(t), near(1 - t), far(2 - t)}
}

// matrixOf returns the out x in matrix that resizes a line of samples.
func matrixOf(x *Node, taps tapsFunc, in, out int) *Node {
	return x.graph.Const([]int{out, in}, resizeMatrix(taps, in, out))
}

// resizeMatrix returns the values of matrixOf.
func resizeMatrix(taps tapsFunc, in, out int) []float32 {
	m := make([]float64, out*in)
	scale := float64(in) / float64(out)
	for o := range out {
		first, weights := taps(scale*(float64(o)+0.5) - 0.5)
		for i, w := range weights {
			m[o*in+min(max(first+i, 0), in-1)] += w
		}
	}
	data := make([]float32, len(m))
	for i, v := range m {
		data[i] = float32(v)
	}
	return data
}
