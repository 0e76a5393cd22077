// CAT-Net's first layers over the coefficients of JPEG blocks, as a lookup: a dilated convolution over planes of which
// exactly one is 1 at each place is a sum of one row of a table for each tap. Neither the planes nor the convolution's
// result at full size exist.
#ifndef DECLIP_FREQUENCIES_H
#define DECLIP_FREQUENCIES_H

#include "work.h"

enum {
	frequencies_planes = 21,     // |c| = 0, 1, ... 19, and 20 or more
	frequencies_side = 8,        // of a block: the distance of taps, and of the places of one frequency
	frequencies_most_outputs = 8 // channels of the second layer
};

// All arrays are dense, in C order.
typedef struct {
	size_t pictures, height, width; // multiples of 8
	size_t inner, outputs;          // channels of the first and the second layer
	const float *x;      // [pictures, 1, height, width], whole numbers
	const float *kernel; // [inner, 21, 3, 3]
	const float *scale, *bias;           // [inner]
	const float *mix;                    // [outputs, inner]
	const float *out_scale, *out_bias;   // [outputs]
	float *y; // [pictures, outputs * 64, height / 8, width / 8]; channel (c * 8 + row in a block) * 8 + column
} frequencies;

// frequencies_compute computes h = relu(conv(planes of |x|, kernel, padding and dilation 8) * scale + bias) and
// y = relu(mix h * out_scale + out_bias). It returns 0, or -1 if there is not enough memory.
int frequencies_compute(processor kind, const frequencies *f, const work_pool *pool);

#endif
