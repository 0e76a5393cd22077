package graph

import (
	"errors"
	"fmt"
)

// Names of package operators's operators, and the divisor of the numbers of channels that they
// accept.
const (
	winogradDomain   = "declip"
	winogradForward  = "Convolve5x5"
	winogradSmall    = "Convolve3x3"
	winogradToKernel = "KernelGradient5x5"
	winogradChannels = 16
)

// byWinograd reports whether a convolution is one that Graph.Winograd replaces.
func (k conv) byWinograd(x, w *Node) bool {
	return x != nil && w != nil && x.graph.winograd && k.ConvOptions == ConvOptions{Stride: 1, Pad: 2, Dilation: 1, Groups: 1} &&
		len(x.shape) == 4 && len(w.shape) == 4 && x.shape[1]%winogradChannels == 0 && w.shape[0]%winogradChannels == 0 &&
		w.shape[2] == 5 && w.shape[3] == 5
}

// winogradConv is a 5 x 5 convolution that keeps the size of the maps, x [N,C,H,W], w [K,C,5,5]. w
// may be followed by a bias [K] and a scale [K]: the result is conv * scale + bias; with relu,
// negative values become 0.
type winogradConv struct{ relu bool }

func (winogradConv) name() string { return "Winograd convolution" }

func (winogradConv) infer(in []*Node) ([]value, error) {
	if err := errors.Join(wantFloat(in...), wantRank4("input", in[0]), wantRank4("kernel", in[1])); err != nil {
		return nil, err
	}
	x, w := in[0].shape, in[1].shape
	if x[1] != w[1] {
		return nil, fmt.Errorf("input %v has %d channels, expected %d for kernel %v", x, x[1], w[1], w)
	}
	for i, what := range []string{"bias", "scale"} {
		if i+2 < len(in) {
			if err := wantShape(what, in[i+2], w[0]); err != nil {
				return nil, err
			}
		}
	}
	return floats([]int{x[0], w[0], x[2], x[3]}), nil
}

func (k winogradConv) emit(e *encoder, _ *call, in, out []string) {
	relu := 0
	if k.relu {
		relu = 1
	}
	e.nodeIn(winogradDomain, winogradForward, in, out, attrInt("relu", relu))
}

// gradient supports convolutions with and without a bias; those with a scale or ReLU are for
// inference.
func (k winogradConv) gradient(c *call, dy []*Node) []*Node {
	if k.relu || len(c.in) > 3 {
		c.out[0].graph.fail(errors.New("a convolution with a scale or ReLU inside has no gradient"))
		return make([]*Node, len(c.in))
	}
	x, w, d := c.in[0], c.in[1], dy[0]
	grads := []*Node{apply1(winogradInput{}, d, w), apply1(winogradKernel{}, x, d)}
	if len(c.in) == 3 {
		grads = append(grads, ReduceSum(d, []int{0, 2, 3}, false))
	}
	return grads
}

// winogradInput is the adjoint of winogradConv: the gradient [N,C,H,W] by its input, given the
// gradient d [N,K,H,W] by its output, and w.
type winogradInput struct{}

func (winogradInput) name() string { return "Winograd convolution's input gradient" }

func (winogradInput) infer(in []*Node) ([]value, error) {
	d, w := in[0].shape, in[1].shape
	if len(d) != 4 || len(w) != 4 || d[1] != w[0] {
		return nil, fmt.Errorf("gradient %v does not fit kernel %v", d, w)
	}
	return floats([]int{d[0], w[1], d[2], d[3]}), nil
}

func (winogradInput) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, winogradForward, in, out, attrInt("adjoint", 1))
}

func (winogradInput) gradient(c *call, dy []*Node) []*Node {
	d, w := c.in[0], c.in[1]
	return []*Node{apply1(winogradConv{}, dy[0], w), apply1(winogradKernel{}, dy[0], d)}
}

// winogradKernel is the gradient [K,C,5,5] by winogradConv's kernel, given its input x [N,C,H,W]
// and the gradient d [N,K,H,W] by its output.
type winogradKernel struct{}

func (winogradKernel) name() string { return "Winograd convolution's kernel gradient" }

func (winogradKernel) infer(in []*Node) ([]value, error) {
	x, d := in[0].shape, in[1].shape
	if len(x) != 4 || len(d) != 4 || x[0] != d[0] || x[2] != d[2] || x[3] != d[3] {
		return nil, fmt.Errorf("gradient %v does not fit input %v", d, x)
	}
	return floats([]int{d[1], x[1], 5, 5}), nil
}

func (winogradKernel) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, winogradToKernel, in, out)
}

func (winogradKernel) gradient(c *call, dy []*Node) []*Node {
	x, d := c.in[0], c.in[1]
	return []*Node{apply1(winogradInput{}, d, dy[0]), apply1(winogradConv{}, x, dy[0])}
}

// ConvNormReLU is ReLU(BatchNorm(Conv(x, w, b, o), scale, shift, mean, variance, eps)) with b [K].
// It is a single operation where Graph.Winograd applies.
func ConvNormReLU(x, w, b *Node, o ConvOptions, scale, shift, mean, variance *Node, eps float64) *Node {
	if !(conv{o.filled()}).byWinograd(x, w) {
		return ReLU(BatchNorm(Conv(x, w, b, o), scale, shift, mean, variance, eps))
	}
	factor := Div(scale, Sqrt(Add(variance, scalar(variance, eps))))
	return apply1(winogradConv{relu: true}, x, w, Add(Mul(Sub(b, mean), factor), shift), factor)
}

// Winograd3x3 makes ConvNorm use the operators of package operators for 3 x 3 convolutions that
// keep the size of their maps, where the numbers of channels are multiples of 16. It is for
// inference and must be called before they are added. Rounding differs from that of plain
// convolutions, so a network that has run without it keeps doing so.
func (g *Graph) Winograd3x3() { g.winograd3 = true }

// NormOf holds the parameters of a batch norm with given statistics, a vector of one value for each
// channel each.
type NormOf struct {
	Scale, Shift, Mean, Variance *Node
	Eps                          float64
}

// ConvNorm is BatchNorm(Conv(x, w, b, o), ...), plus the map sum, and a ReLU of that if relu is
// set; b and sum may be nil. Where Graph.Winograd3x3 was called, the norm is part of the
// convolution, so that no pass over the maps is left for it.
func ConvNorm(x, w, b *Node, o ConvOptions, norm NormOf, sum *Node, relu bool) *Node {
	if x == nil || w == nil || !x.graph.winograd3 || len(w.shape) != 4 || len(x.shape) != 4 {
		y := BatchNorm(Conv(x, w, b, o), norm.Scale, norm.Shift, norm.Mean, norm.Variance, norm.Eps)
		return finished(y, sum, relu)
	}
	factor := Div(norm.Scale, Sqrt(Add(norm.Variance, scalar(x, norm.Eps))))
	shift := Sub(norm.Shift, Mul(norm.Mean, factor))
	if b != nil {
		shift = Add(shift, Mul(b, factor))
	}
	if (conv{o.filled()}).byWinograd3x3(x, w) {
		in := []*Node{x, w, shift, factor}
		if sum != nil {
			in = append(in, sum)
		}
		return apply1(winograd3x3{relu}, in...)
	}
	return finished(Conv(x, Mul(w, Reshape(factor, -1, 1, 1, 1)), shift, o), sum, relu)
}

// finished adds sum to y, unless it is nil, and a ReLU.
func finished(y, sum *Node, relu bool) *Node {
	if sum != nil {
		y = Add(y, sum)
	}
	if relu {
		y = ReLU(y)
	}
	return y
}

// fewestTiles is the smallest number of tiles of 6 x 6 for which transforming the kernels pays.
// Against ONNX Runtime's convolutions, one thread of an AMD EPYC (Zen 5) takes 0.5 to 0.6 of the
// time with 121 tiles or more, as much with 36 and three times as much with 9.
const fewestTiles = 30

// byWinograd3x3 reports whether a convolution is one that ConvNorm makes an operator of.
func (k conv) byWinograd3x3(x, w *Node) bool {
	const tile = 6
	tiles := (x.shape[2] + tile - 1) / tile * ((x.shape[3] + tile - 1) / tile)
	return k.ConvOptions == ConvOptions{Stride: 1, Pad: 1, Dilation: 1, Groups: 1} && w.shape[2] == 3 && w.shape[3] == 3 &&
		x.shape[1]%winogradChannels == 0 && w.shape[0]%winogradChannels == 0 && tiles >= fewestTiles
}

// winograd3x3 is a 3 x 3 convolution that keeps the size of the maps, x [N,C,H,W], w [K,C,3,3],
// bias [K], scale [K] and perhaps a map [N,K,H,W]: conv * scale + bias + map; with relu, negative
// values become 0.
type winograd3x3 struct{ relu bool }

func (winograd3x3) name() string { return "3 x 3 Winograd convolution" }

func (winograd3x3) infer(in []*Node) ([]value, error) {
	out, err := winogradConv{}.infer(in[:4])
	if err == nil && len(in) > 4 {
		err = wantShape("map to add", in[4], out[0].shape...)
	}
	return out, err
}

func (k winograd3x3) emit(e *encoder, _ *call, in, out []string) {
	relu := 0
	if k.relu {
		relu = 1
	}
	e.nodeIn(winogradDomain, winogradSmall, in, out, attrInt("relu", relu))
}

func (winograd3x3) gradient(c *call, _ []*Node) []*Node {
	c.out[0].graph.fail(errors.New("a 3 x 3 Winograd convolution has no gradient: it is for inference"))
	return make([]*Node, len(c.in))
}
