// Package operators implements declip's own ONNX Runtime operators, in C.
//
// The published decoders spend most of their time in convolutions with 5 x 5 kernels. These
// operators need 64 products for 16 values of the output, a direct sum 400. Method: Lavin and Gray,
// "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(4 x 4, 5 x 5), on the points 0,
// ±1, ±2, ±1/2 and infinity. Rounding errors are about twice those of a direct sum. Convolutions
// with 3 x 3 kernels use F(6 x 6, 3 x 3) on the same points.
//
// The fixed high-pass filters of lite and their tanh are one pass over the picture.
//
// CAT-Net's first layers over the coefficients of JPEG blocks are sums of rows of a table.
package operators
