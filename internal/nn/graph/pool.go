package graph

import (
	"errors"
	"fmt"
	"math"
)

// pooling describes square windows.
type pooling struct{ k, stride, pad int }

func (p pooling) shape(x []int) ([]int, error) {
	if p.k < 1 || p.stride < 1 || p.pad < 0 || 2*p.pad > p.k {
		return nil, fmt.Errorf("windows of %d, stride %d, padding %d (at most half a window)", p.k, p.stride, p.pad)
	}
	o := ConvOptions{Stride: p.stride, Pad: p.pad, Dilation: 1}
	h, w := o.size(x[2], p.k), o.size(x[3], p.k)
	if h < 1 || w < 1 {
		return nil, fmt.Errorf("windows of %d with padding %d do not fit into input %v", p.k, p.pad, x)
	}
	return []int{x[0], x[1], h, w}, nil
}

func (p pooling) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0])); err != nil {
		return nil, err
	}
	shape, err := p.shape(in[0].shape)
	if err != nil {
		return nil, err
	}
	return floats(shape), nil
}

func (p pooling) attrs() []attribute {
	return []attribute{
		attrInts("kernel_shape", []int{p.k, p.k}),
		attrInts("strides", []int{p.stride, p.stride}),
		attrInts("pads", []int{p.pad, p.pad, p.pad, p.pad}),
	}
}

// maxPool computes the maximum of each window.
type maxPool struct{ pooling }

func (maxPool) name() string { return "MaxPool" }

func (p maxPool) emit(e *encoder, _ *call, in, out []string) {
	e.node("MaxPool", in, out, p.attrs()...)
}

func (p maxPool) gradient(c *call, dy []*Node) []*Node {
	if c.in[0].graph.training && p.pooling == (pooling{3, 2, 1}) {
		return []*Node{apply1(poolGradient{}, c.in[0], c.out[0], dy[0])}
	}
	parts := blocks(func(b []*Node) *Node { return p.route(b[0], b[1], b[2]) }, c.in[0], c.out[0], dy[0])
	return []*Node{Concat(0, parts...)}
}

// route sends the gradient d of each window to the first of its pixels that equals the maximum y.
// The rest of d is passed from pixel to pixel: the first maximum keeps it, the others pass it on.
// ONNX's own indices would do, but asking for them makes the pooling itself a hundred times slower.
func (p maxPool) route(x, y, d *Node) *Node {
	oh, ow := y.shape[2], y.shape[3]
	before := []int{0, 0, p.pad, p.pad}
	// Windows may end beyond the padding on one side only; crop to what they cover.
	reachH, reachW := (oh-1)*p.stride+p.k, (ow-1)*p.stride+p.k
	after := []int{0, 0, reachH - p.pad - x.shape[2], reachW - p.pad - x.shape[3]}
	wide := padWith(x, before, after, float32(math.Inf(-1)))
	cols := make([]*Node, p.k)
	for j := range cols {
		cols[j] = apply1(slice{[]int{3}, []int{j}, []int{j + (ow-1)*p.stride + 1}, []int{p.stride}}, wide)
	}
	taps := make([]*Node, 0, p.k*p.k)
	for i := range p.k {
		for j := range p.k {
			pixel := apply1(slice{[]int{2}, []int{i}, []int{i + (oh-1)*p.stride + 1}, []int{p.stride}}, cols[j])
			rest := Mul(d, step(Sub(y, pixel)))
			taps = append(taps, Sub(d, rest))
			d = rest
		}
	}
	return p.assemble(x, taps)
}

// MaxPool returns the maximum of each k x k window of x [N,C,H,W], padded by
// minus infinity: [N,C,(H+2 pad-k)/stride+1,...]. The gradient goes to the
// first maximum of a window in row-major order, as in PyTorch.
func MaxPool(x *Node, k, stride, pad int) *Node {
	return apply1(maxPool{pooling{k, stride, pad}}, x)
}

// avgPool computes the mean of each window, including the padding's zeros.
type avgPool struct{ pooling }

func (avgPool) name() string { return "AveragePool" }

func (p avgPool) emit(e *encoder, _ *call, in, out []string) {
	e.node("AveragePool", in, out, append(p.attrs(), attrInt("count_include_pad", 1))...)
}

func (p avgPool) gradient(c *call, dy []*Node) []*Node {
	d := Scale(dy[0], 1/float64(p.k*p.k))
	taps := make([]*Node, p.k*p.k)
	for i := range taps {
		taps[i] = d
	}
	return []*Node{p.assemble(c.in[0], taps)}
}

// AvgPool returns the mean of each k x k window of x [N,C,H,W], padded by
// zeros that are counted (PyTorch's default).
func AvgPool(x *Node, k, stride, pad int) *Node {
	return apply1(avgPool{pooling{k, stride, pad}}, x)
}

// assemble adds up gradients that go from each window to one pixel of it:
// taps[i*k+j] [N,C,OH,OW] goes to row i and column j of the windows. The
// pixels are built by their phase (row and column modulo the stride), so that
// each sum is made at the windows' resolution, and then interleaved.
func (p pooling) assemble(x *Node, taps []*Node) *Node {
	s := p.stride
	ph, pw := x.shape[2]+2*p.pad, x.shape[3]+2*p.pad // padded
	nh, nw := (ph+s-1)/s, (pw+s-1)/s
	rows := make([]*Node, 0, s)
	for a := range s {
		cols := make([]*Node, 0, s)
		for b := range s {
			phase := p.phase(taps, a, b, nh, nw)
			if phase == nil {
				phase = Pad(Scale(taps[0], 0), make([]int, 4), []int{0, 0, nh - taps[0].shape[2], nw - taps[0].shape[3]})
			}
			cols = append(cols, Reshape(phase, -1, x.shape[1], nh, 1, nw, 1))
		}
		rows = append(rows, Concat(5, cols...))
	}
	all := Reshape(Concat(3, rows...), -1, x.shape[1], nh*s, nw*s)
	return window(all, p.pad, p.pad, x.shape[2], x.shape[3], 1)
}

// phase sums the taps that reach pixels of rows a, a+s, ... and columns b,
// b+s, ... of the padded input; nil if there are none.
func (p pooling) phase(taps []*Node, a, b, nh, nw int) *Node {
	var sum *Node
	for i := a; i < p.k; i += p.stride {
		for j := b; j < p.k; j += p.stride {
			t := taps[i*p.k+j]
			di, dj := i/p.stride, j/p.stride
			t = Pad(t, []int{0, 0, di, dj}, []int{0, 0, nh - di - t.shape[2], nw - dj - t.shape[3]})
			if sum == nil {
				sum = t
			} else {
				sum = Add(sum, t)
			}
		}
	}
	return sum
}
