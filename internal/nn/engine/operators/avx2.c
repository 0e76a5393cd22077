//go:build amd64 && (linux || darwin)

// Processors with AVX2: 16 registers of 8 floats.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define WIDE 2
#define TAPS 5
#define NAME(f) winograd_##f##_avx2
#define FREQUENCIES frequencies_compute_avx2
#define CONV_TANH conv_tanh_compute_avx2
#define TRAINING(f) f##_avx2
#include "build.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
