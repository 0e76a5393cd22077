//go:build amd64 && (linux || darwin)

// Kernels of 3 x 3, for processors with AVX-512: 32 registers of 16 floats.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif
#define LANES 16
#define WIDE 4
#define TAPS 3
#define NAME(f) winograd_##f##_3x3_avx512
#include "build.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
