package graph

import (
	"errors"
	"fmt"
)

// batchNorm normalises channels by given statistics.
type batchNorm struct{ eps float64 }

func (batchNorm) name() string { return "BatchNormalization" }

func (batchNorm) infer(in []*Node) ([]value, error) {
	if err := checkChannels(in); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

// checkChannels requires an input [N,C,...] and vectors [C].
func checkChannels(in []*Node) error {
	if err := wantFloat(in...); err != nil {
		return err
	}
	if len(in[0].shape) < 2 {
		return fmt.Errorf("input has shape %v, expected [N, C, ...]", in[0].shape)
	}
	for i, what := range []string{"scale", "bias", "mean", "variance"} {
		if i+1 < len(in) {
			if err := wantShape(what, in[i+1], in[0].shape[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b batchNorm) emit(e *encoder, _ *call, in, out []string) {
	e.node("BatchNormalization", in, out, attrFloat("epsilon", b.eps))
}

// gradient also treats the statistics as given.
func (b batchNorm) gradient(c *call, dy []*Node) []*Node {
	x, scale, mean, variance, d := c.in[0], c.in[1], c.in[3], c.in[4], dy[0]
	axes := otherAxes(x)
	inv := Div(scalar(x, 1), Sqrt(Add(variance, scalar(x, b.eps))))
	factor := Mul(scale, inv)
	dbias := ReduceSum(d, axes, false)
	spread := ReduceSum(Mul(d, Sub(x, channels(mean, x))), axes, false) // sum of dy (x - mean)
	half := scalar(x, -0.5)
	return []*Node{
		Mul(d, channels(factor, x)),
		Mul(spread, inv),
		dbias,
		Neg(Mul(dbias, factor)),
		Mul(Mul(Mul(spread, factor), Mul(inv, inv)), half),
	}
}

// BatchNorm returns scale (x - mean) / sqrt(variance + eps) + bias with the
// statistics given per channel (inference): x is [N,C,...], the rest [C].
func BatchNorm(x, scale, bias, mean, variance *Node, eps float64) *Node {
	return apply1(batchNorm{eps}, x, scale, bias, mean, variance)
}

// channels reshapes a vector [C] so that it broadcasts over x [N,C,...].
func channels(v, x *Node) *Node {
	shape := make([]int, max(len(x.shape), 2)-1)
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = -1
	return Reshape(v, shape...)
}

// filled is a constant vector with one value for each channel of x.
func filled(x *Node, v float32) *Node {
	data := make([]float32, x.shape[1])
	for i := range data {
		data[i] = v
	}
	return x.graph.Const([]int{len(data)}, data)
}

// otherAxes returns all dimensions except that of the channels.
func otherAxes(x *Node) []int {
	axes := []int{0}
	for i := 2; i < len(x.shape); i++ {
		axes = append(axes, i)
	}
	return axes
}

// batchMoments computes the channels' means and (biased) variances over the batch, in two passes,
// so that a large mean costs no precision.
type batchMoments struct{}

func (batchMoments) name() string { return "batch moments" }

func (batchMoments) infer(in []*Node) ([]value, error) {
	if err := checkChannels(in); err != nil {
		return nil, err
	}
	c := in[0].shape[1:2]
	return []value{{Float32, c}, {Float32, c}}, nil
}

func (batchMoments) emit(e *encoder, c *call, in, out []string) {
	if byNormOperators(c.in[0]) {
		e.nodeIn(winogradDomain, momentsOperator, in, out)
		return
	}
	axes := otherAxes(c.in[0])
	wide := []int{-1}
	for range axes[1:] {
		wide = append(wide, 1)
	}
	column, centred, square := e.fresh(), e.fresh(), e.fresh()
	e.node("ReduceMean", in, out[:1], attrInts("axes", axes), attrInt("keepdims", 0))
	e.node("Reshape", []string{out[0], e.ints(wide)}, []string{column})
	e.node("Sub", []string{in[0], column}, []string{centred})
	e.node("Mul", []string{centred, centred}, []string{square})
	e.node("ReduceMean", []string{square}, out[1:], attrInts("axes", axes), attrInt("keepdims", 0))
}

func (batchMoments) gradient(c *call, dy []*Node) []*Node {
	x := c.in[0]
	n := countOf(x, otherAxes(x))
	var terms []*Node
	if d := dy[0]; d != nil {
		terms = append(terms, ExpandLike(channels(Div(d, n), x), x))
	}
	if d := dy[1]; d != nil {
		terms = append(terms, Mul(Sub(x, channels(c.out[0], x)), channels(Div(Scale(d, 2), n), x)))
	}
	return []*Node{sumOf(terms)}
}

// batchScale is the normalisation by the batch's own moments. Its inputs are
// x, scale, bias and the moments of x; the gradient by x is the whole one,
// through the moments too, so none flows into these.
type batchScale struct{ eps float64 }

func (batchScale) name() string { return "batch normalization" }

func (batchScale) infer(in []*Node) ([]value, error) {
	if err := checkChannels(in); err != nil {
		return nil, err
	}
	return floats(in[0].shape), nil
}

// emit uses ONNX's inference operation, which scales and shifts in one pass.
func (b batchScale) emit(e *encoder, _ *call, in, out []string) {
	e.node("BatchNormalization", in, out, attrFloat("epsilon", b.eps))
}

// gradient is the closed form of Ioffe and Szegedy (2015):
// dx = scale/s (dy - mean(dy) - x' mean(dy x')), x' = (x - mean)/s.
func (b batchScale) gradient(c *call, dy []*Node) []*Node {
	x, scale, mean, variance, d := c.in[0], c.in[1], c.in[3], c.in[4], dy[0]
	if byNormOperators(x) {
		return append(apply(normGradient(b), 3, x, scale, mean, variance, d), nil, nil)
	}
	axes := otherAxes(x)
	n := countOf(x, axes)
	inv := Div(scalar(x, 1), Sqrt(Add(variance, scalar(x, b.eps))))
	parts := blocks(func(b []*Node) *Node {
		product := Mul(b[1], Sub(b[0], channels(mean, b[0])))
		return Concat(0, Reshape(ReduceSum(b[1], axes, false), 1, -1), Reshape(ReduceSum(product, axes, false), 1, -1))
	}, x, d)
	sums := sumOf(parts)
	dbias := Reshape(Slice(sums, 0, 0, 1), -1)
	dscale := Mul(Reshape(Slice(sums, 0, 1, 2), -1), inv)
	factor := Mul(scale, inv)
	// dx = factor dy + along (x - mean) + shift, channel by channel; the second
	// and third terms in one pass as a normalisation by a variance of 1.
	along := Neg(Div(Mul(Mul(factor, inv), dscale), n))
	shift := Neg(Div(Mul(factor, dbias), n))
	one := filled(x, 1)
	parts = blocks(func(b []*Node) *Node {
		return Add(Mul(b[1], channels(factor, x)), BatchNorm(b[0], along, shift, mean, one, 0))
	}, x, d)
	return []*Node{Concat(0, parts...), dscale, dbias, nil, nil}
}

// BatchNormTrain normalises x [N,C,...] by the mean and biased variance of the
// batch itself and updates the running statistics as PyTorch does: the running
// variance takes the unbiased one, and momentum (0.1 in PyTorch) is the weight
// of the new value. Gradients flow through y, not through the statistics'
// update. The vectors are [C].
func BatchNormTrain(x, scale, bias, runMean, runVar *Node, eps, momentum float64) (y, newMean, newVar *Node) {
	if x == nil || x.bad || len(x.shape) < 2 {
		y = apply1(batchNorm{eps}, x, scale, bias, runMean, runVar)
		return y, y, y
	}
	if err := checkChannels([]*Node{x}); err != nil {
		y = x.graph.fail(fmt.Errorf("batch normalization: %w", err))
		return y, y, y
	}
	if n, closed := product(x.shape); closed && n == x.shape[1] {
		y = x.graph.fail(fmt.Errorf("batch normalization: %w", errors.New("one value per channel has no variance")))
		return y, y, y
	}
	m := apply(batchMoments{}, 2, x)
	y = apply1(batchScale{eps}, x, scale, bias, m[0], m[1])
	n := countOf(x, otherAxes(x))
	unbiased := Mul(m[1], Div(n, Sub(n, scalar(x, 1))))
	newMean = Add(Scale(runMean, 1-momentum), Scale(m[0], momentum))
	newVar = Add(Scale(runVar, 1-momentum), Scale(unbiased, momentum))
	return y, newMean, newVar
}

// layerNorm normalises over the last dimension; it also yields the mean and
// the inverse standard deviation.
type layerNorm struct{ eps float64 }

func (layerNorm) name() string { return "LayerNormalization" }

func (layerNorm) infer(in []*Node) ([]value, error) {
	if err := wantFloat(in...); err != nil {
		return nil, err
	}
	x := in[0].shape
	if len(x) < 1 {
		return nil, errors.New("input is a scalar")
	}
	last := len(x) - 1
	if err := errors.Join(wantShape("scale", in[1], x[last]), wantShape("bias", in[2], x[last])); err != nil {
		return nil, err
	}
	rows := append(append([]int{}, x[:last]...), 1)
	return []value{{Float32, x}, {Float32, rows}, {Float32, rows}}, nil
}

func (l layerNorm) emit(e *encoder, _ *call, in, out []string) {
	e.node("LayerNormalization", in, out, attrInt("axis", -1), attrFloat("epsilon", l.eps))
}

// gradient is the closed form by the first output; the others are not handed
// out.
func (l layerNorm) gradient(c *call, dy []*Node) []*Node {
	x, scale, d := c.in[0], c.in[1], dy[0]
	mean, inv := c.out[1], c.out[2]
	last := []int{len(x.shape) - 1}
	lead := last[:0:0]
	for i := range last[0] {
		lead = append(lead, i)
	}
	normal := Mul(Sub(x, mean), inv)
	g := Mul(d, scale)
	inner := Add(ReduceMean(g, last, true), Mul(normal, ReduceMean(Mul(g, normal), last, true)))
	return []*Node{Mul(inv, Sub(g, inner)), ReduceSum(Mul(d, normal), lead, false), ReduceSum(d, lead, false)}
}

// LayerNorm normalises x [..., D] over its last dimension to mean 0 and
// variance 1 (with eps added), then scales and shifts by vectors [D].
func LayerNorm(x, scale, bias *Node, eps float64) *Node {
	return apply(layerNorm{eps}, 3, x, scale, bias)[0]
}
