package graph

import (
	"errors"
	"fmt"
)

// blockDomain holds the operations of ONNX Runtime on channels in blocks.
const blockDomain = "com.microsoft.nchwc"

// inBlocks tells the convolutions that Graph.Blocked is about. Where few places are computed from many weights, bringing
// these into blocks costs more than it gains.
func (k conv) inBlocks(e *encoder, c *call) bool {
	const places = 1024
	x, w := c.in[0].shape, c.in[1]
	if e.block == 0 || k.Groups > 1 || x[1]%e.block != 0 || w.shape[0]%e.block != 0 || w.shape[2]*w.shape[3] < 9 {
		return false
	}
	_, constant := e.inits[w.Name()]
	y := c.out[0].shape
	return !constant && max(y[0], 1)*y[2]*y[3] >= places
}

// emitBlocked brings the input and the kernel into blocks, [N,C/b,H,W,b] and
// [K/b,C/b,kh,kw,b of C,b of K] in memory, and the output back.
func (k conv) emitBlocked(e *encoder, c *call, in, out []string, attrs []attribute) {
	w, b := c.in[1].shape, e.block
	taps := w[2] * w[3]
	// Output channels go in first, as those of a picture do: [K/b, C/b, b of C, kh kw, b of K]. What is left moves
	// whole blocks, which is several times as fast as one transposition of single numbers.
	outer, ordered := e.fresh(), e.fresh()
	e.nodeIn(blockDomain, "ReorderInput", []string{e.reshaped(in[1], 1, w[0], w[1]*taps, 1)}, []string{outer})
	parts := e.reshaped(outer, w[0]/b*w[1]/b, b, taps, b)
	e.node("Transpose", []string{parts}, []string{ordered}, attrInts("perm", []int{0, 2, 1, 3}))
	x, y := e.fresh(), e.fresh()
	e.nodeIn(blockDomain, "ReorderInput", in[:1], []string{x})
	e.nodeIn(blockDomain, "Conv", append([]string{x, e.reshaped(ordered, w...)}, in[2:]...), []string{y}, attrs...)
	e.nodeIn(blockDomain, "ReorderOutput", []string{y}, out, attrInt("channels", w[0]))
}

// kernelGradient is the loss's gradient by the kernel [K,C,kh,kw] of a convolution of stride and dilation 1, given its
// input x [N,C,H,W] and the gradient d [N,K,H',W'] by its output, for an engine that keeps channels in blocks.
type kernelGradient struct {
	pad           int
	height, width int // of the kernel
	block         int
}

// kernelInBlocks tells the convolutions whose kernels' gradients are computed in blocks: those with enough channels to keep
// the processor busy, on maps whose gradient is a kernel that fits its cache.
func (k conv) kernelInBlocks(x, w, d *Node) bool {
	const channels, tallest = 64, 128 // four blocks are computed at a time
	b := x.graph.block
	return b > 0 && k.Groups == 1 && k.Stride == 1 && k.Dilation == 1 && x.shape[0] != Open && x.shape[1] >= channels &&
		w.shape[0]%channels == 0 && w.shape[0]%b == 0 && w.shape[2]*w.shape[3] >= 9 && d.shape[2] <= tallest && d.shape[3]%b == 0
}

func (kernelGradient) name() string { return "kernel gradient" }

func (k kernelGradient) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank("input", in[0], 4), wantRank("gradient", in[1], 4)); err != nil {
		return nil, err
	}
	x, d := in[0].shape, in[1].shape
	if h, v := x[2]+2*k.pad-k.height+1, x[3]+2*k.pad-k.width+1; d[2] != h || d[3] != v || x[0] != d[0] {
		return nil, fmt.Errorf("gradient %v, expected %d maps of %d x %d for input %v", d, x[0], h, v, x)
	}
	return floats([]int{d[1], x[1], k.height, k.width}), nil
}

// emit writes a convolution for each picture and each column of the kernel. Its channels are the columns of the map, its
// kernel is d, H' x 1, and it runs over the input with rows as rows and channels as the places in a row: so each row of its
// output is one of the wanted kernel's, and the shifts along rows need no copies. It adds to what the picture before gave.
func (k kernelGradient) emit(e *encoder, c *call, in, out []string) {
	x, d := c.in[0].shape, c.in[1].shape
	n, channels, filters, h, v := x[0], x[1], d[1], d[2], d[3]
	kernels := k.kernels(e, in[1], d)
	split := k.split(filters, channels)
	attrs := []attribute{
		attrInts("kernel_shape", []int{h, 1}), attrInts("strides", []int{1, 1}), attrInts("pads", []int{0, 0, 0, 0}),
		attrInts("dilations", []int{split, 1}), attrInt("group", 1),
	}
	sums := make([]string, k.width)
	for i := range n {
		kernel := e.reshaped(e.cut(kernels, 0, i, i+1), filters, v, h, 1)
		turned, padded := e.fresh(), e.fresh()
		e.node("Transpose", []string{e.cut(in[0], 0, i, i+1)}, []string{turned}, attrInts("perm", []int{0, 2, 1, 3}))
		e.node("Pad", []string{turned, e.ints([]int{0, k.pad, 0, k.pad, 0, k.pad, 0, k.pad})}, []string{padded})
		for j := range sums {
			shifted := e.reshaped(e.cut(padded, 3, j, j+v), 1, (x[2]+2*k.pad)*split, channels/split, v)
			ordered, sum := e.fresh(), e.fresh()
			e.nodeIn(blockDomain, "ReorderInput", []string{shifted}, []string{ordered}, attrInt("channels_last", 1))
			operands := []string{ordered, kernel}
			if i > 0 {
				operands = append(operands, "", sums[j])
			}
			e.nodeIn(blockDomain, "Conv", operands, []string{sum}, attrs...)
			sums[j] = sum
		}
	}
	for j, sum := range sums {
		plain := e.fresh()
		e.nodeIn(blockDomain, "ReorderOutput", []string{sum}, []string{plain}, attrInt("channels", filters))
		sums[j] = e.reshaped(plain, filters, k.height, 1, channels)
	}
	joined := e.fresh()
	e.node("Concat", sums, []string{joined}, attrInt("axis", 2))
	e.node("Transpose", []string{joined}, out, attrInts("perm", []int{0, 3, 1, 2}))
}

// kernels brings d [N,K,H',W'] into the order of kernels: [N,K/b,W'/b,H',b of W',b of K].
func (k kernelGradient) kernels(e *encoder, d string, shape []int) string {
	n, filters, h, v := shape[0], shape[1], shape[2], shape[3]
	blocked, ordered := e.fresh(), e.fresh()
	e.nodeIn(blockDomain, "ReorderInput", []string{d}, []string{blocked})
	parts := e.reshaped(blocked, n*filters/k.block, h, v/k.block, k.block*k.block)
	e.node("Transpose", []string{parts}, []string{ordered}, attrInts("perm", []int{0, 2, 1, 3}))
	return e.reshaped(ordered, n, filters, v, h)
}

// split is into how many rows the channels are cut, by a dilation along rows, so that there is work for many threads: ONNX
// Runtime hands out rows of 64 output channels.
func (k kernelGradient) split(filters, channels int) int {
	const tasks, shortest = 16, 16
	s := 1
	for filters/64*k.height*s < tasks && channels%(2*s) == 0 && channels/(2*s) >= shortest {
		s *= 2
	}
	return s
}

func (k kernelGradient) gradient(c *call, dy []*Node) []*Node {
	x, d := c.in[0], c.in[1]
	one := conv{ConvOptions{Pad: k.pad}.filled()}
	return []*Node{one.inputGradient(x, dy[0], d), apply1(one, x, dy[0])}
}

// reshaped writes a Reshape.
func (e *encoder) reshaped(x string, shape ...int) string {
	y := e.fresh()
	e.node("Reshape", []string{x, e.ints(shape)}, []string{y})
	return y
}

// cut writes a Slice along one dimension.
func (e *encoder) cut(x string, axis, from, to int) string {
	y := e.fresh()
	e.node("Slice", []string{x, e.ints([]int{from}), e.ints([]int{to}), e.ints([]int{axis})}, []string{y})
	return y
}
