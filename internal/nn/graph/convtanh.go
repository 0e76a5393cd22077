package graph

import "errors"

// The name of ConvTanh's operator in package operators, and its largest numbers of channels.
const (
	tanhName        = "ConvolveTanh3x3"
	tanhMostInputs  = 4
	tanhMostOutputs = 16
)

// convTanh is the operation of ConvTanh: x [N,C,H,W], w [K,C,3,3].
type convTanh struct{}

func (convTanh) name() string { return "convolution with tanh" }

func (convTanh) infer(in []*Node) ([]value, error) {
	return conv{ConvOptions{Stride: 1, Pad: 1, Dilation: 1, Groups: 1}}.infer(in)
}

func (convTanh) emit(e *encoder, c *call, in, out []string) {
	e.nodeIn(winogradDomain, tanhName, in, out)
	e.shape(c, out[0])
}

func (convTanh) gradient(c *call, _ []*Node) []*Node {
	c.out[0].graph.fail(errors.New("a convolution with tanh has no gradient: it is for inference"))
	return make([]*Node, len(c.in))
}

// ConvTanh is Tanh(Conv(x, w, nil, o)) for inference. It is a single operation where Graph.Winograd
// applies and w is a kernel of 3 x 3 for few channels that keeps the size of the maps. Values
// differ by up to 1e-6 then.
func ConvTanh(x, w *Node, o ConvOptions) *Node {
	if x == nil || w == nil || x.bad || w.bad || !x.graph.winograd || !o.filled().narrow(x, w) {
		return Tanh(Conv(x, w, nil, o))
	}
	return apply1(convTanh{}, x, w)
}

// narrow reports whether a convolution is one that ConvTanh makes an operator of.
func (o ConvOptions) narrow(x, w *Node) bool {
	return o == ConvOptions{Stride: 1, Pad: 1, Dilation: 1, Groups: 1} && len(x.shape) == 4 && len(w.shape) == 4 &&
		w.shape[0] <= tanhMostOutputs && w.shape[1] <= tanhMostInputs && w.shape[2] == 3 && w.shape[3] == 3
}
