// Passes over maps in training steps. ONNX Runtime has no operators for these gradients; composed of general ones, each
// pass reads and writes whole maps many times, and memory limits them.
#ifndef DECLIP_TRAINING_H
#define DECLIP_TRAINING_H

#include "work.h"

// All arrays are dense, in C order; maps are [pictures, channels, height, width]. Every function returns 0, or -1 if there
// is not enough memory. Results do not depend on the number of threads.

typedef struct {
	size_t pictures, channels, height, width;
} map_size;

// depthwise is a convolution of each channel with a kernel of 3 x 3 taps of its own that keeps the size of the maps:
// taps are dilation pixels apart, and the padding is as large.
typedef struct {
	map_size size;
	size_t dilation;
	const float *x;      // maps
	const float *kernel; // [channels, 1, 3, 3]; its gradient does not use it
	const float *dy;     // maps, for the gradient
	float *y;            // maps; of the gradient: [channels, 1, 3, 3]
} depthwise;

// depthwise_convolve computes y = conv(x, kernel).
int depthwise_convolve(processor kind, const depthwise *c, const work_pool *pool);

// depthwise_gradient computes the gradient y of the loss by the kernel, given the gradient dy by the output.
int depthwise_gradient(processor kind, const depthwise *c, const work_pool *pool);

// batch_norm is the normalisation of channels by the mean and the biased variance of a batch.
typedef struct {
	map_size size;
	const float *x;                      // maps
	const float *scale, *mean, *variance; // [channels]
	const float *dy;                     // maps
	float *out_mean, *out_variance;      // [channels]
	float *dx;                           // maps
	float *dscale, *dbias;               // [channels]
	float epsilon;
} batch_norm;

// batch_moments computes out_mean and out_variance of x, in two passes, so that a large mean costs no precision.
int batch_moments(processor kind, const batch_norm *n, const work_pool *pool);

// batch_gradient computes dx, dscale and dbias by the closed form of Ioffe and Szegedy (2015), through the moments too:
// dx = scale/s (dy - mean(dy) - x' mean(dy x')), x' = (x - mean)/s, s = sqrt(variance + epsilon).
int batch_gradient(processor kind, const batch_norm *n, const work_pool *pool);

// relu_gradient computes dx = dy where y > 0, and 0 elsewhere, for count numbers. Where y is NaN, dx is dy.
typedef struct {
	size_t count;
	const float *y, *dy;
	float *dx;
} relu;

int relu_gradient(processor kind, const relu *r, const work_pool *pool);

// pool is the maximum of windows of 3 x 3 pixels, 2 pixels apart, with a padding of 1.
typedef struct {
	map_size size;   // of x; y has half the height and width, rounded up
	const float *x;  // maps
	const float *y;  // maxima
	const float *dy; // of the maxima's size
	float *dx;       // maps
} max_pool;

// pool_gradient sends the gradient of each window to the first of its pixels that equals the maximum.
int pool_gradient(processor kind, const max_pool *p, const work_pool *pool);

#endif
