package graph

import "fmt"

// UpsampleConv is Conv(UpsampleBilinear(x, outH, outW), w, b) with padding that keeps the size, for
// a kernel w [1,C,k,k] (k odd) with one output channel; b is [1]. Both operations are linear, so
// the channels can be weighted first, at the size of x, which gives one map for each of the k x k
// taps. Two products with matrices then enlarge, shift and add these maps. Engines that keep
// channels in blocks are slow at convolutions to one channel, and the C maps of full size are never
// computed.
func UpsampleConv(x, w, b *Node, outH, outW int) *Node {
	if x == nil || w == nil || x.bad || w.bad || len(x.shape) != 4 || len(w.shape) != 4 {
		return Conv(UpsampleBilinear(x, outH, outW), w, b, ConvOptions{})
	}
	c, k := w.shape[1], w.shape[2]
	if w.shape[0] != 1 || w.shape[3] != k || k%2 != 1 || outH < 1 || outW < 1 {
		return x.graph.fail(fmt.Errorf("upsampling before a convolution: kernel %v to %d x %d, expected [1, C, k, k], k odd, and a "+
			"positive size", w.shape, outH, outW))
	}
	taps := Reshape(Transpose(Reshape(w, c, k*k), 1, 0), k*k, c, 1, 1)
	maps := Conv(x, taps, nil, ConvOptions{}) // [N, k k, h, w]
	height, width := x.shape[2], x.shape[3]
	maps = Transpose(Reshape(maps, -1, k, k, height, width), 0, 1, 3, 2, 4)
	maps = Reshape(maps, -1, k*height, k*width)
	y := MatMul(maps, Transpose(shiftedMatrix(x, width, outW, k), 1, 0))
	y = MatMul(shiftedMatrix(x, height, outH, k), y)
	return Add(Reshape(y, -1, 1, outH, outW), Reshape(b, 1, 1, 1, 1))
}

// shiftedMatrix is [out, k in]: the matrices that resize a line of samples and then shift it, side
// by side. The first shifts down by k/2, the last up by k/2; missing samples are zeros.
func shiftedMatrix(x *Node, in, out, k int) *Node {
	m := resizeMatrix(linearTaps, halfPixel, in, out)
	data := make([]float32, out*k*in)
	for o := range out {
		for tap := range k {
			if from := o + tap - k/2; from >= 0 && from < out {
				copy(data[(o*k+tap)*in:][:in], m[from*in:][:in])
			}
		}
	}
	return x.graph.Const([]int{out, k * in}, data)
}
