// A convolution of few channels and the hyperbolic tangent of its results. Engines that keep channels in blocks of 16 pad
// such maps, at the full size of a picture, and pass over them again for the tangent.
#ifndef DECLIP_CONVTANH_H
#define DECLIP_CONVTANH_H

#include "work.h"

enum {
	conv_tanh_most_inputs = 4,
	conv_tanh_most_outputs = 16
};

// All arrays are dense, in C order.
typedef struct {
	size_t pictures, inputs, outputs, height, width; // inputs and outputs: channels
	const float *x;      // [pictures, inputs, height, width]
	const float *kernel; // [outputs, inputs, 3, 3]; taps of 0 cost nothing
	float *y;            // [pictures, outputs, height, width]
} conv_tanh;

// conv_tanh_compute computes y = tanh(conv(x, kernel, padding 1)). It returns 0, or -1 if there is not enough memory.
// Results do not depend on the number of threads.
int conv_tanh_compute(processor kind, const conv_tanh *c, const work_pool *pool);

#endif
