package graph

import "fmt"

// Names of package operators's operators for training steps.
const (
	depthwiseForward  = "DepthwiseConvolve3x3"
	depthwiseToKernel = "DepthwiseKernelGradient3x3"
	momentsOperator   = "BatchMoments"
	normToInputs      = "BatchNormGradient"
	reluToInput       = "ReluGradient"
	poolToInput       = "MaxPoolGradient"
)

// TrainingOperators makes depthwise convolutions of 3 x 3 taps, and the gradients of batch norms,
// ReLUs and max pools, operators of package operators, where there is one. Composed of ONNX's own
// operators, each passes over whole maps many times. It must be called before they are added.
// Rounding differs from that of ONNX's operators.
func (g *Graph) TrainingOperators() { g.training = true }

// byDepthwise reports whether a convolution of x with w is one that TrainingOperators replaces.
func (k conv) byDepthwise(x, w *Node) bool {
	return x.graph.training && k.Stride == 1 && k.Pad == k.Dilation && len(x.shape) == 4 && len(w.shape) == 4 &&
		k.Groups == x.shape[1] && w.shape[0] == k.Groups && w.shape[1] == 1 && w.shape[2] == 3 && w.shape[3] == 3
}

// depthwiseKernel is the gradient [C,1,3,3] by the kernel of a depthwise convolution that keeps the
// size of its maps, given its input x and the gradient d by its output, [N,C,H,W] both.
type depthwiseKernel struct{ dilation int }

func (depthwiseKernel) name() string { return "depthwise convolution's kernel gradient" }

func (depthwiseKernel) infer(in []*Node) ([]value, error) {
	if err := wantShape("gradient", in[1], in[0].shape...); err != nil {
		return nil, err
	}
	return floats([]int{in[0].shape[1], 1, 3, 3}), nil
}

func (k depthwiseKernel) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, depthwiseToKernel, in, out, attrInt("dilation", k.dilation))
}

func (k depthwiseKernel) gradient(c *call, dy []*Node) []*Node {
	x, d := c.in[0], c.in[1]
	o := ConvOptions{Stride: 1, Pad: k.dilation, Dilation: k.dilation, Groups: x.shape[1]}
	return []*Node{conv{o}.inputGradient(x, dy[0], d), apply1(conv{o}, x, dy[0])}
}

// byNormOperators reports whether TrainingOperators replaces the gradient of a batch norm of x.
func byNormOperators(x *Node) bool { return x.graph.training && len(x.shape) == 4 }

// normGradient computes the gradients by x [N,C,H,W], scale and bias [C] of a batchScale, given x,
// the scale, the moments and the gradient by the output.
type normGradient struct{ eps float64 }

func (normGradient) name() string { return "batch normalization's gradient" }

func (normGradient) infer(in []*Node) ([]value, error) {
	if err := wantShape("gradient", in[4], in[0].shape...); err != nil {
		return nil, err
	}
	c := in[0].shape[1:2]
	return []value{{Float32, in[0].shape}, {Float32, c}, {Float32, c}}, nil
}

func (b normGradient) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, normToInputs, in, out, attrFloat("epsilon", b.eps))
}

func (b normGradient) gradient(c *call, _ []*Node) []*Node { return noSecond(b, c) }

// reluGradient passes the gradient d on where the output y of a ReLU is positive.
type reluGradient struct{}

func (reluGradient) name() string { return "ReLU's gradient" }

func (reluGradient) infer(in []*Node) ([]value, error) {
	return floats(in[0].shape), wantShape("gradient", in[1], in[0].shape...)
}

func (reluGradient) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, reluToInput, in, out)
}

func (reluGradient) gradient(c *call, dy []*Node) []*Node {
	return []*Node{nil, apply1(reluGradient{}, c.in[0], dy[0])}
}

// poolGradient is the gradient by the input of a max pool of 3 x 3 windows, 2 pixels apart, with a
// padding of 1, given its input, its output and the gradient by that.
type poolGradient struct{}

func (poolGradient) name() string { return "max pool's gradient" }

func (poolGradient) infer(in []*Node) ([]value, error) {
	return floats(in[0].shape), wantShape("gradient", in[2], in[1].shape...)
}

func (poolGradient) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, poolToInput, in, out)
}

func (p poolGradient) gradient(c *call, _ []*Node) []*Node { return noSecond(p, c) }

// noSecond refuses the gradient of a gradient that is for training steps only.
func noSecond(op operation, c *call) []*Node {
	c.out[0].graph.fail(fmt.Errorf("%s has no gradient itself", op.name()))
	return make([]*Node, len(c.in))
}
