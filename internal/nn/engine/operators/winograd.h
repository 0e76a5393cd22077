// Convolutions with kernels of 5 x 5 and 3 x 3 on maps that keep their size, by Winograd's minimal filtering F(4 x 4,
// 5 x 5) and F(6 x 6, 3 x 3).
// Method: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), on the points 0, +-1, +-2, +-1/2
// and infinity. 64 products yield 16 values of the output, where a direct sum takes 400, or 36 values instead of 324.
#ifndef DECLIP_WINOGRAD_H
#define DECLIP_WINOGRAD_H

#include "work.h"

// Numbers of channels must be multiples of this.
enum { winograd_channels = 16 };

// All arrays are dense, in C order.
typedef struct {
	size_t pictures, inputs, outputs, height, width; // inputs and outputs: channels
	const float *x;      // [pictures, inputs, height, width]
	const float *kernel; // [outputs, inputs, 5, 5]; adjoint: [inputs, outputs, 5, 5]
	const float *scale;  // [outputs] or NULL: 1
	const float *bias;   // [outputs] or NULL: 0
	float *y;            // [pictures, outputs, height, width]
	int adjoint;         // the kernel is rotated by 180 degrees: the gradient by the input
	int relu;            // negative results become 0; NaN stays
	const float *sum;    // [pictures, outputs, height, width] or NULL: added before relu
} winograd_conv;

// winograd_convolve computes y = conv(x, kernel, padding 2) * scale + bias. It returns 0, or -1 if there is
// not enough memory.
int winograd_convolve(processor kind, const winograd_conv *c, const work_pool *pool);

// winograd_convolve_3x3 does the same for kernels of 3 x 3, with padding 1; adjoint is not supported.
int winograd_convolve_3x3(processor kind, const winograd_conv *c, const work_pool *pool);

typedef struct {
	size_t pictures, inputs, outputs, height, width;
	const float *x;  // [pictures, inputs, height, width]
	const float *dy; // [pictures, outputs, height, width]
	float *dkernel;  // [outputs, inputs, 5, 5]
} winograd_grad;

// winograd_kernel_gradient computes the gradient of the loss by the kernel, given the gradient by the
// output. It returns 0, or -1 if there is not enough memory.
int winograd_kernel_gradient(processor kind, const winograd_grad *g, const work_pool *pool);

#endif
