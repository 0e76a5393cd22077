// Vectors of LANES floats: the build for a kind of processor defines the number.
#include <string.h>

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float vec_any __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int vec_index __attribute__((vector_size(LANES * 4)));

enum {
	taps = TAPS, // of the kernel, in each direction
	span = 8,    // values of the input that a tile depends on
	tile = span - taps + 1, // values of the output that are computed together
	points = 64, // span * span products
	panel = 64,  // channels in a panel; the last one may have fewer
	rows = 6,    // of a product that are computed at a time
};

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")

INLINE vec load(const float *p) { return *(const vec_any *)p; }
INLINE void store(float *p, vec v) { *(vec_any *)p = v; }

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
INLINE size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// riffle interleaves the lanes of a and b: a0 b0 a1 b1 ...
INLINE void riffle(vec a, vec b, vec *low, vec *high) {
#if LANES == 16
	*low = SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
	*high = SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else // 8
	*low = SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
	*high = SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#endif
}

// transpose exchanges rows and columns of LANES vectors.
INLINE void transpose(vec *v) {
	UNROLL for (int step = 1; step < LANES; step *= 2) {
		vec r[LANES];
		UNROLL for (int i = 0; i < LANES / 2; i++) riffle(v[i], v[i + LANES / 2], &r[2 * i], &r[2 * i + 1]);
		UNROLL for (int i = 0; i < LANES; i++) v[i] = r[i];
	}
}
