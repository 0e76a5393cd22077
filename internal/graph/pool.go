package graph

import (
	"errors"
	"fmt"
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

func (p pooling) attrs() []attribute {
	return []attribute{
		attrInts("kernel_shape", []int{p.k, p.k}),
		attrInts("strides", []int{p.stride, p.stride}),
		attrInts("pads", []int{p.pad, p.pad, p.pad, p.pad}),
	}
}

// maxPool yields each window's maximum and where it is: the index of its first
// occurrence in the flattened input. The indices are used by the gradient only.
type maxPool struct{ pooling }

func (maxPool) name() string { return "MaxPool" }

func (p maxPool) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank("input", in[0], 4)); err != nil {
		return nil, err
	}
	shape, err := p.shape(in[0].shape)
	if err != nil {
		return nil, err
	}
	return []value{{Float32, shape}, {Int64, shape}}, nil
}

func (p maxPool) emit(e *encoder, c *call, in, out []string) {
	if !e.uses(c.out[1]) {
		out = out[:1]
	}
	e.node("MaxPool", in, out, p.attrs()...)
}

func (p maxPool) gradient(c *call, dy []*Node) []*Node {
	return []*Node{p.spread(c.in[0], c.out[1], dy[0])}
}

// MaxPool returns the maximum of each k x k window of x [N,C,H,W], padded by
// minus infinity: [N,C,(H+2 pad-k)/stride+1,...]. The gradient goes to the
// first maximum of a window in row-major order, as in PyTorch.
func MaxPool(x *Node, k, stride, pad int) *Node {
	return apply(maxPool{pooling{k, stride, pad}}, 2, x)[0]
}

// avgPool yields each window's mean, the padding's zeros counted.
type avgPool struct{ pooling }

func (avgPool) name() string { return "AveragePool" }

func (p avgPool) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank("input", in[0], 4)); err != nil {
		return nil, err
	}
	shape, err := p.shape(in[0].shape)
	if err != nil {
		return nil, err
	}
	return floats(shape), nil
}

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

// GlobalAvgPool averages x [N,C,H,W] over its pixels: [N,C,1,1].
func GlobalAvgPool(x *Node) *Node { return ReduceMean(x, []int{2, 3}, true) }

// spread is the gradient of a max pool: each window's goes to the pixel that
// index (into the flattened input) names.
func (p pooling) spread(x, index, d *Node) *Node {
	g := x.graph
	h, w := x.shape[2], x.shape[3]
	oh, ow := d.shape[2], d.shape[3]
	// tap is the maximum's place in its window as row*w + column.
	corner := make([]int64, 0, oh*ow)
	for i := range oh {
		for j := range ow {
			corner = append(corner, int64((i*p.stride-p.pad)*w+j*p.stride-p.pad))
		}
	}
	plane := apply1(modulo{}, index, g.constInts([]int{}, []int64{int64(h * w)}))
	tap := Cast(Sub(plane, g.constInts([]int{oh, ow}, corner)), Float32)
	zero := g.Scalar(0)
	taps := make([]*Node, 0, p.k*p.k)
	for i := range p.k {
		for j := range p.k {
			taps = append(taps, Where(Equal(tap, g.Scalar(float32(i*w+j))), d, zero))
		}
	}
	return p.assemble(x, taps)
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

// modulo is the remainder of integers.
type modulo struct{}

func (modulo) name() string                               { return "Mod" }
func (modulo) infer(in []*Node) ([]value, error)          { return []value{{Int64, in[0].shape}}, nil }
func (modulo) emit(e *encoder, _ *call, in, out []string) { e.node("Mod", in, out) }
func (modulo) gradient(*call, []*Node) []*Node            { return []*Node{nil, nil} }
