//go:build amd64 && (linux || darwin)

package operators

/*
#include "training.h"

static void each(void *context, void (*work)(void *, size_t), size_t count, void *arg) {
	for (size_t i = count; i > 0; i--) work(arg, i - 1);
}

static const work_pool backwards = {each, NULL, 1};

static map_size size_of(const size_t *s) { return (map_size){s[0], s[1], s[3], s[4]}; }

static int depthwise_direct(processor kind, const size_t *size, size_t dilation, const float *x,
                            const float *other, float *y, int gradient) {
	depthwise c = {size_of(size), dilation, x, other, other, y};
	if (gradient) return depthwise_gradient(kind, &c, &backwards);
	return depthwise_convolve(kind, &c, &backwards);
}

static int moments_direct(processor kind, const size_t *size, const float *x, float *mean,
                          float *variance) {
	batch_norm b = {.size = size_of(size), .x = x, .out_mean = mean, .out_variance = variance};
	return batch_moments(kind, &b, &backwards);
}

static int norm_direct(processor kind, const size_t *size, const float *x, const float *scale,
                       const float *mean, const float *variance, const float *dy, float epsilon,
                       float *dx, float *dscale, float *dbias) {
	batch_norm b = {.size = size_of(size), .x = x, .scale = scale, .mean = mean};
	b.variance = variance, b.dy = dy, b.epsilon = epsilon;
	b.dx = dx, b.dscale = dscale, b.dbias = dbias;
	return batch_gradient(kind, &b, &backwards);
}

static int relu_direct(processor kind, size_t count, const float *y, const float *dy, float *dx) {
	relu r = {count, y, dy, dx};
	return relu_gradient(kind, &r, &backwards);
}

static int pool_direct(processor kind, const size_t *size, const float *x, const float *y,
                       const float *dy, float *dx) {
	max_pool p = {size_of(size), x, y, dy, dx};
	return pool_gradient(kind, &p, &backwards);
}
*/
import "C"

// The operators of training steps without ONNX Runtime, for tests of every kind of processor. The
// outputs of the sizes are not used.

// depthwise computes depthwise_convolve, or with gradient depthwise_gradient; other is the kernel
// or the gradient by the output.
func depthwise(kind Kind, s sizes, dilation int, x, other []float32, gradient bool) ([]float32, error) {
	y := make([]float32, len(x))
	if gradient {
		y = make([]float32, 9*s[1])
	}
	if C.depthwise_direct(kind.c(), s.c(), C.size_t(dilation), address(x), address(other), address(y), flag(gradient)) != 0 {
		return nil, errMemory
	}
	return y, nil
}

// batchMoments computes batch_moments.
func batchMoments(kind Kind, s sizes, x []float32) (mean, variance []float32, err error) {
	mean, variance = make([]float32, s[1]), make([]float32, s[1])
	if C.moments_direct(kind.c(), s.c(), address(x), address(mean), address(variance)) != 0 {
		return nil, nil, errMemory
	}
	return mean, variance, nil
}

// batchGradient computes batch_gradient.
func batchGradient(kind Kind, s sizes, x, scale, mean, variance, dy []float32, epsilon float64) (dx, dscale, dbias []float32, err error) {
	dx, dscale, dbias = make([]float32, len(x)), make([]float32, s[1]), make([]float32, s[1])
	if C.norm_direct(kind.c(), s.c(), address(x), address(scale), address(mean), address(variance), address(dy), C.float(epsilon),
		address(dx), address(dscale), address(dbias)) != 0 {
		return nil, nil, nil, errMemory
	}
	return dx, dscale, dbias, nil
}

// reluGradient computes relu_gradient.
func reluGradient(kind Kind, y, dy []float32) ([]float32, error) {
	dx := make([]float32, len(y))
	if C.relu_direct(kind.c(), C.size_t(len(y)), address(y), address(dy), address(dx)) != 0 {
		return nil, errMemory
	}
	return dx, nil
}

// poolGradient computes pool_gradient.
func poolGradient(kind Kind, s sizes, x, y, dy []float32) ([]float32, error) {
	dx := make([]float32, len(x))
	if C.pool_direct(kind.c(), s.c(), address(x), address(y), address(dy), address(dx)) != 0 {
		return nil, errMemory
	}
	return dx, nil
}
