// Package winograd multiplies less: convolutions with kernels of 5 x 5, which most of the time of the published decoders goes
// to, as operations of ONNX Runtime that take 6 times fewer products than the plain sum.
//
// Method: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(4 x 4, 5 x 5), on the points 0, ±1,
// ±2, ±1/2 and infinity. Rounding errors are about twice those of the plain sum.
package winograd

// Kind is a kind of processor that the operations are built for.
type Kind string

// Kinds of processors by the vector instructions that they must have.
const (
	AVX2   Kind = "avx2"
	AVX512 Kind = "avx512"
)
