//go:build amd64 && (linux || darwin)

// Processors with AVX-512: 32 registers of 16 floats.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif
#define LANES 16
#define WIDE 4
#define TAPS 5
#define NAME(f) winograd_##f##_avx512
#define FREQUENCIES frequencies_compute_avx512
#define CONV_TANH conv_tanh_compute_avx512
#define TRAINING(f) f##_avx512
#include "build.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
