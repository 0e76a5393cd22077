package graph

import (
	"errors"
	"fmt"
)

// FrequencyMostOutputs is the largest C of FrequencyFeatures.
const FrequencyMostOutputs = 8

// The name of the lookup in package operators, and its sizes.
const (
	frequencyName   = "FrequencyFeatures"
	frequencyPlanes = 21
	frequencySide   = 8 // of a block
)

// frequencyFeatures is the operation of FrequencyFeatures.
type frequencyFeatures struct{}

func (frequencyFeatures) name() string { return "frequency features" }

func (frequencyFeatures) infer(in []*Node) ([]value, error) {
	x, w, mix := in[0].shape, in[1].shape, in[4].shape
	err := errors.Join(wantFloat(in...), wantRank4("input", in[0]), wantRank4("kernel", in[1]), wantRank4("second kernel", in[4]))
	if err != nil {
		return nil, err
	}
	if x[1] != 1 || x[2]%frequencySide != 0 || x[3]%frequencySide != 0 {
		return nil, fmt.Errorf("input has shape %v, expected [N, 1, H, W], H and W multiples of %d", x, frequencySide)
	}
	err = errors.Join(wantShape("kernel", in[1], w[0], frequencyPlanes, 3, 3), wantShape("scale", in[2], w[0]), wantShape("bias", in[3], w[0]),
		wantShape("second kernel", in[4], mix[0], w[0], 1, 1), wantShape("second scale", in[5], mix[0]), wantShape("second bias", in[6], mix[0]))
	if err != nil {
		return nil, err
	}
	if mix[0] > FrequencyMostOutputs {
		return nil, fmt.Errorf("%d outputs, at most %d are possible", mix[0], FrequencyMostOutputs)
	}
	return floats([]int{x[0], mix[0] * frequencySide * frequencySide, x[2] / frequencySide, x[3] / frequencySide}), nil
}

func (frequencyFeatures) emit(e *encoder, _ *call, in, out []string) {
	e.nodeIn(winogradDomain, frequencyName, in, out)
}

func (frequencyFeatures) gradient(c *call, _ []*Node) []*Node {
	c.out[0].graph.fail(errors.New("the lookup of coefficients has no gradient: it is for inference"))
	return make([]*Node, len(c.in))
}

// FrequencyFeatures turns the coefficients x [N,1,H,W] of blocks of 8 x 8, whole numbers, into
// features of every frequency of every block: [N,64C,H/8,W/8], where channel 64c + 8u + v is
// feature c at row u and column v of a block. It is one operation of package operators, for
// inference in engines that have it:
//
//	h = ReLU(Conv(planes, w) * scale + bias)
//	y = ReLU(Conv(h, mix) * outScale + outBias)
//
// Of the 21 planes, min(|x|, 20) is 1 at a place and all others are 0; they are looked up, not
// computed. The kernel w is [K,21,3,3], with taps 8 places apart and zeros around the picture, mix
// is [C,K,1,1], C at most 8, and the others have one value for each output.
func FrequencyFeatures(x, w, scale, bias, mix, outScale, outBias *Node) *Node {
	return apply1(frequencyFeatures{}, x, w, scale, bias, mix, outScale, outBias)
}
