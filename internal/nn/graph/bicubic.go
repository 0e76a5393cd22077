package graph

import (
	"fmt"
	"math"
)

// BicubicScaled resizes x [N,C,H,W] as PyTorch's interpolate does in mode "bicubic" when it is
// given scale factors: samples are taken at (i + 0.5) / factor - 0.5, also where the factor is not
// the quotient of the sizes. The kernel has a = -0.75, the border is repeated, and there is no
// antialiasing.
func BicubicScaled(x *Node, outH, outW int, factorH, factorW float64) *Node {
	scaled := func(factor float64) placeFunc {
		return func(o, _, _ int) float64 { return (float64(o)+0.5)/factor - 0.5 }
	}
	return resizeByMatrices(x, outH, outW,
		func(in int) []float32 { return resizeMatrix(cubicTaps, scaled(factorH), in, outH) },
		func(in int) []float32 { return resizeMatrix(cubicTaps, scaled(factorW), in, outW) })
}

// BicubicAntialiased resizes x [N,C,H,W] as PyTorch's interpolate does in mode "bicubic" with
// antialias set, and as Pillow's BICUBIC does: the kernel has a = -0.5, is as wide as the step
// between samples if that is more than 1, and is cut off at the border.
func BicubicAntialiased(x *Node, outH, outW int) *Node {
	return resizeByMatrices(x, outH, outW,
		func(in int) []float32 { return antialiasedMatrix(in, outH) },
		func(in int) []float32 { return antialiasedMatrix(in, outW) })
}

// resizeByMatrices multiplies rows and columns by matrices [out, in] for the given sizes.
func resizeByMatrices(x *Node, outH, outW int, rows, columns func(in int) []float32) *Node {
	if x == nil || x.bad {
		return apply1(resize{height: outH, width: outW}, x)
	}
	if len(x.shape) != 4 || outH < 1 || outW < 1 {
		return x.graph.fail(fmt.Errorf("resize: input %v to %d x %d, expected [N, C, H, W] and a positive size", x.shape, outH, outW))
	}
	h, w := x.shape[2], x.shape[3]
	x = MatMul(x, Transpose(x.graph.Const([]int{outW, w}, columns(w)), 1, 0))
	return MatMul(x.graph.Const([]int{outH, h}, rows(h)), x)
}

// antialiasedMatrix is the out x in matrix that resizes a line of samples with Keys' kernel of a =
// -0.5, widened to the step between samples. Each row's weights sum to 1.
func antialiasedMatrix(in, out int) []float32 {
	step := float64(in) / float64(out)
	width := max(step, 1)
	m := make([]float32, out*in)
	for o := range out {
		centre := step * (float64(o) + 0.5)
		from, to := max(0, int(centre-2*width+0.5)), min(in, int(centre+2*width+0.5))
		sum := 0.0
		weights := make([]float64, to-from)
		for i := range weights {
			weights[i] = keys((float64(from+i) - centre + 0.5) / width)
			sum += weights[i]
		}
		for i, w := range weights {
			m[o*in+from+i] = float32(w / sum)
		}
	}
	return m
}

// keys is Keys' kernel (1981) with a = -0.5.
func keys(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}
