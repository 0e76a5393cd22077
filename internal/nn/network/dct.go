package network

import (
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/numeric"
)

// dctBranch computes features of JPEG's blocks: the luma in blocks of 8 x 8 pixels, each as 64
// cosine coefficients. In a camera's file most high coefficients are zero and the others multiples
// of a step, on the camera's own grid. Pasted, moved or painted areas do not follow that grid,
// until the whole picture is processed again. The size of a coefficient, on two scales, goes
// through two learnt layers: [N, 3, H, W] to [N, width, H/8, W/8].
func (b *builder) dctBranch(x *graph.Node, width int) *graph.Node {
	kernel := x.Graph().Const([]int{64, 3, 8, 8}, dctKernel())
	size := graph.Abs(graph.Conv(x, kernel, nil, graph.ConvOptions{Stride: 8, Dilation: 1, Groups: 1}))
	// Rounding to whole levels leaves about half a level in a coefficient that was zero.
	fine := graph.Tanh(graph.Scale(size, 1/1.5))
	coarse := graph.Tanh(graph.Scale(size, 1/6.0))
	y := graph.Concat(1, fine, coarse)
	y = b.conv(y, "dct.in", convSpec{out: width, kernel: 1, kind: initHe})
	y = graph.ReLU(b.norm(y, "dct.in_bn", initOne))
	y = b.separable(y, "dct.mix", width, 1, initHe)
	return graph.ReLU(b.norm(y, "dct.mix_bn", initOne))
}

// dctKernel holds the orthonormal cosine functions of an 8 x 8 block (ITU-T T.81, A.3.3), applied
// to the luma in levels of 255 of a normalised picture: [64, 3, 8, 8].
func dctKernel() []float32 {
	data := make([]float32, 0, 64*3*64)
	for u := range 8 {
		for v := range 8 {
			for c, share := range [3]float64{.299, .587, .114} {
				for y := range 8 {
					for x := range 8 {
						wave := numeric.DCTWave(u, y) * numeric.DCTWave(v, x)
						data = append(data, float32(share*255*float64(Std[c])*numeric.DCTScale(u)*numeric.DCTScale(v)*wave))
					}
				}
			}
		}
	}
	return data
}
