package network

import (
	"math"

	"github.com/declip/declip/internal/graph"
)

// dctBranch looks at the picture as JPEG does: in blocks of 8 x 8 pixels, each as 64 cosine coefficients of its
// luma. A camera's file leaves most of the high ones at zero and the others at multiples of a step, on its own grid; what
// was pasted, moved or painted over does not keep to it, for as long as nothing else is done to the whole picture. How
// large a coefficient is, on two scales, goes through two learnt layers: [N, 64, H/8, W/8] to [N, width, H/8, W/8].
func (b *builder) dctBranch(size *graph.Node, width int) *graph.Node {
	// Rounding to whole levels leaves about half a level in a coefficient that was zero.
	fine := graph.Tanh(graph.Scale(size, 1/1.5))
	coarse := graph.Tanh(graph.Scale(size, 1/6.0))
	y := graph.Concat(1, fine, coarse)
	y = b.conv(y, "dct.in", convSpec{out: width, kernel: 1, kind: initHe})
	y = graph.ReLU(b.norm(y, "dct.in_bn", initOne))
	y = b.separable(y, "dct.mix", width, 1, initHe)
	return graph.ReLU(b.norm(y, "dct.mix_bn", initOne))
}

// dctSizes is the size of each cosine coefficient of each block's luma, in levels: [N, 3, H, W] to [N, 64, H/8, W/8].
func dctSizes(x *graph.Node) *graph.Node {
	return blockSizes(x, dctKernel([3]float64{.299, .587, .114}, 14))
}

// blockSizes is the size of what a kernel [C, 3, 8, 8] sees in each block.
func blockSizes(x *graph.Node, kernel []float32) *graph.Node {
	k := x.Graph().Const([]int{len(kernel) / 192, 3, 8, 8}, kernel)
	return graph.Abs(graph.Conv(x, k, nil, graph.ConvOptions{Stride: 8, Dilation: 1, Groups: 1}))
}

// chromaOrder is the highest sum of frequencies that is looked at in the colour differences, 21 coefficients: beyond,
// cameras leave little.
const chromaOrder = 5

// logSpectrum is the logarithm of the blocks' coefficients, of the luma (given as sizes) and of the low ones of both colour
// differences: differences of logarithms are ratios, which tell blur, noise and resampling apart however strong the texture
// is: [N, 106, H/8, W/8].
func logSpectrum(x, sizes *graph.Node) *graph.Node {
	blue := blockSizes(x, dctKernel([3]float64{-.169, -.331, .5}, chromaOrder))
	red := blockSizes(x, dctKernel([3]float64{.5, -.419, -.081}, chromaOrder))
	all := graph.Concat(1, sizes, blue, red)
	return graph.Log(graph.Add(all, x.Graph().Scalar(0.4)))
}

// dctKernel holds the orthonormal cosine functions of an 8 x 8 block (as in ITU-T T.81, A.3.3) whose two frequencies sum
// to at most order, applied to a mixture of the colours in levels of 255 of a normalised picture: [64, 3, 8, 8] for order 14 and
// above.
func dctKernel(mixture [3]float64, order int) []float32 {
	scale := func(u int) float64 {
		if u == 0 {
			return math.Sqrt(1.0 / 8)
		}
		return math.Sqrt(2.0 / 8)
	}
	var data []float32
	for u := range 8 {
		for v := range 8 {
			if u+v > order {
				continue
			}
			for c, share := range mixture {
				for y := range 8 {
					for x := range 8 {
						wave := math.Cos(float64(2*y+1)*float64(u)*math.Pi/16) * math.Cos(float64(2*x+1)*float64(v)*math.Pi/16)
						data = append(data, float32(share*255*float64(Std[c])*scale(u)*scale(v)*wave))
					}
				}
			}
		}
	}
	return data
}
