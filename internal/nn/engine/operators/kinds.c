//go:build amd64 && (linux || darwin)

#include "frequencies.h"
#include "winograd.h"

#define KIND(kind)                                                                  \
	int winograd_convolve_##kind(const winograd_conv *, const work_pool *);         \
	int winograd_convolve_3x3_##kind(const winograd_conv *, const work_pool *);     \
	int winograd_kernel_gradient_##kind(const winograd_grad *, const work_pool *);  \
	int frequencies_compute_##kind(const frequencies *, const work_pool *)
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
