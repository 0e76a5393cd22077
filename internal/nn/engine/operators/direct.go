//go:build amd64 && (linux || darwin)

package operators

/*
#include "convtanh.h"
#include "frequencies.h"
#include "winograd.h"

static void in_turn(void *context, void (*work)(void *, size_t), size_t count, void *arg) {
	for (size_t i = 0; i < count; i++) work(arg, i);
}

static int convolve(processor kind, const size_t *size, const float *x, const float *kernel,
                    const float *scale, const float *bias, const float *sum, float *y, int adjoint,
                    int relu, int taps, size_t threads) {
	winograd_conv c = {size[0], size[1], size[2], size[3], size[4], x,
	                   kernel,  scale,   bias,    y,       adjoint, relu, sum};
	work_pool pool = {in_turn, NULL, threads};
	return taps == 3 ? winograd_convolve_3x3(kind, &c, &pool) : winograd_convolve(kind, &c, &pool);
}

static int kernel_gradient(processor kind, const size_t *size, const float *x, const float *dy,
                           float *dkernel, size_t threads) {
	winograd_grad g = {size[0], size[1], size[2], size[3], size[4], x, dy, dkernel};
	work_pool pool = {in_turn, NULL, threads};
	return winograd_kernel_gradient(kind, &g, &pool);
}

static int lookup(processor kind, const size_t *size, const float *x, const float *kernel,
                  const float *scale, const float *bias, const float *mix, const float *out_scale,
                  const float *out_bias, float *y, size_t threads) {
	frequencies f = {size[0], size[3], size[4], size[1], size[2],   x, kernel,
	                 scale,   bias,    mix,     out_scale, out_bias, y};
	work_pool pool = {in_turn, NULL, threads};
	return frequencies_compute(kind, &f, &pool);
}

static int tanh_of_convolution(processor kind, const size_t *size, const float *x,
                               const float *kernel, float *y, size_t threads) {
	conv_tanh c = {size[0], size[1], size[2], size[3], size[4], x, kernel, y};
	work_pool pool = {in_turn, NULL, threads};
	return conv_tanh_compute(kind, &c, &pool);
}
*/
import "C"

import "errors"

var errMemory = errors.New("operators: out of memory")

// sizes are the numbers of pictures, inputs and outputs (channels), the height and the width.
type sizes [5]int

func (s sizes) c() *C.size_t {
	var list [len(s)]C.size_t
	for i, v := range s {
		list[i] = C.size_t(v)
	}
	return &list[0]
}

// address returns a pointer to the values, nil if there are none.
func address(values []float32) *C.float {
	if len(values) == 0 {
		return nil
	}
	return (*C.float)(&values[0])
}

// convolution is one without ONNX Runtime, for tests of every kind of processor (tests cannot call
// C themselves). Slices may be nil as in winograd_conv.
type convolution struct {
	taps             int // of the kernel in each direction: 3 or 5
	scale, bias, sum []float32
	adjoint, relu    bool
}

// run computes it; the work is divided as for the given number of threads. See winograd_convolve.
func (c convolution) run(kind Kind, s sizes, x, kernel []float32, threads int) ([]float32, error) {
	y := make([]float32, s[0]*s[2]*s[3]*s[4])
	if C.convolve(kind.c(), s.c(), address(x), address(kernel), address(c.scale), address(c.bias), address(c.sum), address(y),
		flag(c.adjoint), flag(c.relu), C.int(c.taps), C.size_t(threads)) != 0 {
		return nil, errMemory
	}
	return y, nil
}

// kernelGradient does the same for winograd_kernel_gradient.
func kernelGradient(kind Kind, s sizes, x, dy []float32, threads int) ([]float32, error) {
	dkernel := make([]float32, s[1]*s[2]*25)
	if C.kernel_gradient(kind.c(), s.c(), address(x), address(dy), address(dkernel), C.size_t(threads)) != 0 {
		return nil, errMemory
	}
	return dkernel, nil
}

// frequencyFeatures does the same for frequencies_compute; inputs and outputs of the sizes are the
// channels of the first and the second layer.
func frequencyFeatures(kind Kind, s sizes, x, kernel, scale, bias, mix, outScale, outBias []float32, threads int) ([]float32, error) {
	y := make([]float32, s[0]*s[2]*s[3]*s[4])
	if C.lookup(kind.c(), s.c(), address(x), address(kernel), address(scale), address(bias), address(mix), address(outScale),
		address(outBias), address(y), C.size_t(threads)) != 0 {
		return nil, errMemory
	}
	return y, nil
}

// tanhOfConvolution does the same for conv_tanh_compute.
func tanhOfConvolution(kind Kind, s sizes, x, kernel []float32, threads int) ([]float32, error) {
	y := make([]float32, s[0]*s[2]*s[3]*s[4])
	if C.tanh_of_convolution(kind.c(), s.c(), address(x), address(kernel), address(y), C.size_t(threads)) != 0 {
		return nil, errMemory
	}
	return y, nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
