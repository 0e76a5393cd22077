package graph

import (
	"errors"
	"fmt"
)

// ConvOptions apply to both spatial dimensions. The zero value means stride 1, no padding, dilation
// 1, one group.
type ConvOptions struct {
	Stride   int // pixels from one window to the next; 0 means 1
	Pad      int // zeros around the input
	Dilation int // pixels from one tap of the kernel to the next; 0 means 1
	Groups   int // number of groups that the channels are divided into; 0 means 1
}

// filled replaces zeros by the default values.
func (o ConvOptions) filled() ConvOptions {
	o.Stride, o.Dilation, o.Groups = max(o.Stride, 1), max(o.Dilation, 1), max(o.Groups, 1)
	return o
}

// size returns how many windows of k taps fit along a dimension.
func (o ConvOptions) size(in, k int) int {
	span := (k-1)*o.Dilation + 1
	if in+2*o.Pad < span {
		return 0
	}
	return (in+2*o.Pad-span)/o.Stride + 1
}

// conv is a 2-D cross-correlation.
type conv struct{ ConvOptions }

func (conv) name() string { return "Conv" }

func (k conv) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0]), wantRank4("kernel", in[1])); err != nil {
		return nil, err
	}
	x, w := in[0].shape, in[1].shape
	if k.Pad < 0 {
		return nil, fmt.Errorf("padding %d is negative", k.Pad)
	}
	if x[1] != w[1]*k.Groups || w[0]%k.Groups != 0 {
		return nil, fmt.Errorf("input %v has %d channels, expected %d for kernel %v in %d groups", x, x[1], w[1]*k.Groups, w, k.Groups)
	}
	if len(in) == 3 {
		if err := wantShape("bias", in[2], w[0]); err != nil {
			return nil, err
		}
	}
	h, v := k.size(x[2], w[2]), k.size(x[3], w[3])
	if h < 1 || v < 1 {
		return nil, fmt.Errorf("kernel %v with padding %d does not fit into input %v", w, k.Pad, x)
	}
	return floats([]int{x[0], w[0], h, v}), nil
}

func (k conv) emit(e *encoder, c *call, in, out []string) {
	if k.byDepthwise(c.in[0], c.in[1]) && len(in) == 2 {
		e.nodeIn(winogradDomain, depthwiseForward, in, out, attrInt("dilation", k.Dilation))
		return
	}
	w := c.in[1].shape
	e.node("Conv", in, out,
		attrInts("kernel_shape", w[2:]),
		attrInts("strides", []int{k.Stride, k.Stride}),
		attrInts("pads", []int{k.Pad, k.Pad, k.Pad, k.Pad}),
		attrInts("dilations", []int{k.Dilation, k.Dilation}),
		attrInt("group", k.Groups))
}

func (k conv) gradient(c *call, dy []*Node) []*Node {
	x, w, d := c.in[0], c.in[1], dy[0]
	grads := make([]*Node, len(c.in))
	grads[0] = k.inputGradient(x, w, d)
	grads[1] = k.weightGradient(x, w, d)
	if len(c.in) == 3 {
		grads[2] = ReduceSum(d, []int{0, 2, 3}, false)
	}
	return grads
}

// Conv is the 2-D cross-correlation of x [N,C,H,W] with the kernel w
// [K,C/groups,kh,kw], plus the bias b [K], which may be nil. The result is
// [N,K,(H+2 pad-dilation (kh-1)-1)/stride+1, ...].
func Conv(x, w, b *Node, o ConvOptions) *Node {
	k := conv{o.filled()}
	var op operation = k
	if k.byWinograd(x, w) {
		op = winogradConv{}
	}
	if b == nil {
		return apply1(op, x, w)
	}
	return apply1(op, x, w, b)
}

// convTranspose is the adjoint of conv: its result has the shape of conv's input, with the given
// height and width.
type convTranspose struct {
	ConvOptions
	height, width int
}

func (convTranspose) name() string { return "ConvTranspose" }

func (k convTranspose) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0]), wantRank4("kernel", in[1])); err != nil {
		return nil, err
	}
	x, w := in[0].shape, in[1].shape
	if x[1] != w[0] {
		return nil, fmt.Errorf("input %v has %d channels, expected %d", x, x[1], w[0])
	}
	return floats([]int{x[0], w[1] * k.Groups, k.height, k.width}), nil
}

func (k convTranspose) emit(e *encoder, c *call, in, out []string) {
	x, w := c.in[0].shape, c.in[1].shape
	extra := func(have, want, taps int) int {
		return want - ((have-1)*k.Stride - 2*k.Pad + k.Dilation*(taps-1) + 1)
	}
	e.node("ConvTranspose", in, out,
		attrInts("kernel_shape", w[2:]),
		attrInts("strides", []int{k.Stride, k.Stride}),
		attrInts("pads", []int{k.Pad, k.Pad, k.Pad, k.Pad}),
		attrInts("output_padding", []int{extra(x[2], k.height, w[2]), extra(x[3], k.width, w[3])}),
		attrInts("dilations", []int{k.Dilation, k.Dilation}),
		attrInt("group", k.Groups))
}

func (k convTranspose) gradient(c *call, dy []*Node) []*Node {
	w := c.in[1]
	return []*Node{apply1(conv{k.ConvOptions}, dy[0], w), conv{k.ConvOptions}.weightGradient(dy[0], w, c.in[0])}
}
