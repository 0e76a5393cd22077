package graph

import (
	"errors"
	"fmt"
	"math"
)

// resize is ONNX's bilinear resizing.
type resize struct {
	height, width int
	corners       bool // the centres of the corner pixels keep their places
}

func (resize) name() string { return "Resize" }

func (r resize) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0])); err != nil {
		return nil, err
	}
	if r.height < 1 || r.width < 1 {
		return nil, fmt.Errorf("size %d x %d: expected positive numbers of pixels", r.height, r.width)
	}
	return floats([]int{in[0].shape[0], in[0].shape[1], r.height, r.width}), nil
}

func (r resize) emit(e *encoder, c *call, in, out []string) {
	x, attributes := c.in[0].shape, resizeAttributes(r.corners)
	if r.height%x[2] == 0 && r.width%x[3] == 0 && c.out[0].graph.open == nil {
		// ONNX Runtime keeps channels in blocks for constant scales that are whole numbers only.
		scales := e.floats([]float32{1, 1, float32(r.height / x[2]), float32(r.width / x[3])})
		e.node("Resize", []string{in[0], "", scales}, out, attributes...)
		return
	}
	if x[0] != Open {
		e.node("Resize", []string{in[0], "", "", e.ints(c.out[0].shape)}, out, attributes...)
		return
	}
	whole, batch, sizes := e.fresh(), e.fresh(), e.fresh()
	e.node("Shape", in, []string{whole})
	e.node("Slice", []string{whole, e.ints([]int{0}), e.ints([]int{1})}, []string{batch})
	e.node("Concat", []string{batch, e.ints(c.out[0].shape[1:])}, []string{sizes}, attrInt("axis", 0))
	e.node("Resize", []string{in[0], "", "", sizes}, out, attributes...)
}

func resizeAttributes(corners bool) []attribute {
	coordinates := "half_pixel"
	if corners {
		coordinates = "align_corners"
	}
	return []attribute{attrText("mode", "linear"), attrText("coordinate_transformation_mode", coordinates)}
}

// gradient multiplies by the transposed matrices of the enlargement.
func (r resize) gradient(c *call, dy []*Node) []*Node {
	x := c.in[0]
	place := halfPixel
	if r.corners {
		place = alignedCorners
	}
	matrix := func(in, out int) *Node {
		return x.graph.Const([]int{out, in}, resizeMatrix(linearTaps, place, in, out))
	}
	return []*Node{MatMul(swapLast(matrix(x.shape[2], r.height)), MatMul(dy[0], matrix(x.shape[3], r.width)))}
}

// Resize resizes x [N,C,H,W] to the given height and width in pixels with bilinear weights and
// without antialiasing, as PyTorch's interpolate does with the same alignCorners. It is one
// operation of the engine. Pixels are unit squares, or, if alignCorners is set, points of which
// those in the corners keep their places.
func Resize(x *Node, outH, outW int, alignCorners bool) *Node {
	if x != nil && !x.bad && len(x.shape) == 4 && x.shape[2] == outH && x.shape[3] == outW {
		return x
	}
	return apply1(resize{outH, outW, alignCorners}, x)
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
		return apply1(resize{height: outH, width: outW}, x)
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
		return apply1(resize{height: outH, width: outW}, x)
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

// matrixOf returns resizeMatrix as a constant, for pixels that are unit squares.
func matrixOf(x *Node, taps tapsFunc, in, out int) *Node {
	return x.graph.Const([]int{out, in}, resizeMatrix(taps, halfPixel, in, out))
}

// placeFunc returns the source coordinate of the output sample o of a line of in samples that is
// resized to out.
type placeFunc func(o, in, out int) float64

func halfPixel(o, in, out int) float64 { return float64(in)/float64(out)*(float64(o)+0.5) - 0.5 }

func alignedCorners(o, in, out int) float64 { return float64(o*(in-1)) / float64(max(out-1, 1)) }

// resizeMatrix returns the out x in matrix that resizes a line of samples.
func resizeMatrix(taps tapsFunc, place placeFunc, in, out int) []float32 {
	m := make([]float64, out*in)
	for o := range out {
		first, weights := taps(place(o, in, out))
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
