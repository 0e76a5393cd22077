//go:build amd64 && (linux || darwin)

#include "convtanh.h"
#include "frequencies.h"
#include "training.h"
#include "winograd.h"

#define KIND(kind)                                                                  \
	int winograd_convolve_##kind(const winograd_conv *, const work_pool *);         \
	int winograd_convolve_3x3_##kind(const winograd_conv *, const work_pool *);     \
	int winograd_kernel_gradient_##kind(const winograd_grad *, const work_pool *);  \
	int frequencies_compute_##kind(const frequencies *, const work_pool *);         \
	int conv_tanh_compute_##kind(const conv_tanh *, const work_pool *);             \
	int depthwise_convolve_##kind(const depthwise *, const work_pool *);            \
	int depthwise_gradient_##kind(const depthwise *, const work_pool *);            \
	int batch_moments_##kind(const batch_norm *, const work_pool *);                \
	int batch_gradient_##kind(const batch_norm *, const work_pool *);               \
	int relu_gradient_##kind(const relu *, const work_pool *);                      \
	int pool_gradient_##kind(const max_pool *, const work_pool *)
KIND(avx2);
KIND(avx512);

int winograd_convolve(processor kind, const winograd_conv *c, const work_pool *pool) {
	return kind == processor_avx512 ? winograd_convolve_avx512(c, pool) : winograd_convolve_avx2(c, pool);
}

int winograd_convolve_3x3(processor kind, const winograd_conv *c, const work_pool *pool) {
	return kind == processor_avx512 ? winograd_convolve_3x3_avx512(c, pool) : winograd_convolve_3x3_avx2(c, pool);
}

int winograd_kernel_gradient(processor kind, const winograd_grad *g, const work_pool *pool) {
	return kind == processor_avx512 ? winograd_kernel_gradient_avx512(g, pool) : winograd_kernel_gradient_avx2(g, pool);
}

int frequencies_compute(processor kind, const frequencies *f, const work_pool *pool) {
	return kind == processor_avx512 ? frequencies_compute_avx512(f, pool) : frequencies_compute_avx2(f, pool);
}

int conv_tanh_compute(processor kind, const conv_tanh *c, const work_pool *pool) {
	return kind == processor_avx512 ? conv_tanh_compute_avx512(c, pool) : conv_tanh_compute_avx2(c, pool);
}

int depthwise_convolve(processor kind, const depthwise *c, const work_pool *pool) {
	return kind == processor_avx512 ? depthwise_convolve_avx512(c, pool) : depthwise_convolve_avx2(c, pool);
}

int depthwise_gradient(processor kind, const depthwise *c, const work_pool *pool) {
	return kind == processor_avx512 ? depthwise_gradient_avx512(c, pool) : depthwise_gradient_avx2(c, pool);
}

int batch_moments(processor kind, const batch_norm *b, const work_pool *pool) {
	return kind == processor_avx512 ? batch_moments_avx512(b, pool) : batch_moments_avx2(b, pool);
}

int batch_gradient(processor kind, const batch_norm *b, const work_pool *pool) {
	return kind == processor_avx512 ? batch_gradient_avx512(b, pool) : batch_gradient_avx2(b, pool);
}

int relu_gradient(processor kind, const relu *r, const work_pool *pool) {
	return kind == processor_avx512 ? relu_gradient_avx512(r, pool) : relu_gradient_avx2(r, pool);
}

int pool_gradient(processor kind, const max_pool *p, const work_pool *pool) {
	return kind == processor_avx512 ? pool_gradient_avx512(p, pool) : pool_gradient_avx2(p, pool);
}
