// The transforms of F(4 x 4, 5 x 5) and F(6 x 6, 3 x 3), which share their points, in one dimension; each works on vectors that are a number of places apart.

// input: 8 values of the input to 8 points.
INLINE void input_points(vec *v, int step) {
	vec d0 = v[0], d1 = v[step], d2 = v[2 * step], d3 = v[3 * step];
	vec d4 = v[4 * step], d5 = v[5 * step], d6 = v[6 * step], d7 = v[7 * step];
	v[0] = d0 - d6 + (d4 - d2) * 5.25f;
	v[7 * step] = d7 - d1 + (d3 - d5) * 5.25f;
	vec even = d2 + d6 - d4 * 4.25f, odd = d1 + d5 - d3 * 4.25f;
	v[step] = even + odd;
	v[2 * step] = even - odd;
	even = d6 + d2 * 0.25f - d4 * 1.25f, odd = d1 * 0.5f - d3 * 2.5f + d5 * 2.0f;
	v[3 * step] = even + odd;
	v[4 * step] = even - odd;
	even = d6 + d2 * 4.0f - d4 * 5.0f, odd = d1 * 2.0f - d3 * 2.5f + d5 * 0.5f;
	v[5 * step] = even + odd;
	v[6 * step] = even - odd;
}

#if TAPS == 5

// kernel: 5 taps to 8 points.
INLINE void kernel_points(const vec *g, vec *u, int from, int to) {
	vec g0 = g[0], g1 = g[from], g2 = g[2 * from], g3 = g[3 * from], g4 = g[4 * from];
	const float one = -2.0f / 9, two = 1.0f / 90, half = 32.0f / 45;
	u[0] = g0;
	u[7 * to] = g4;
	vec even = (g0 + g2 + g4) * one, odd = (g1 + g3) * one;
	u[to] = even + odd;
	u[2 * to] = even - odd;
	even = (g0 + g2 * 4.0f + g4 * 16.0f) * two, odd = (g1 * 2.0f + g3 * 8.0f) * two;
	u[3 * to] = even + odd;
	u[4 * to] = even - odd;
	even = (g0 + g2 * 0.25f + g4 * 0.0625f) * half, odd = (g1 * 0.5f + g3 * 0.125f) * half;
	u[5 * to] = even + odd;
	u[6 * to] = even - odd;
}

// its transpose: 8 points to 5 taps.
INLINE void taps_of_points(const vec *u, vec *g, int from, int to) {
	const float one = -2.0f / 9, two = 1.0f / 90, half = 32.0f / 45;
	vec s1 = (u[from] + u[2 * from]) * one, d1 = (u[from] - u[2 * from]) * one;
	vec s2 = (u[3 * from] + u[4 * from]) * two, d2 = (u[3 * from] - u[4 * from]) * two;
	vec s3 = (u[5 * from] + u[6 * from]) * half, d3 = (u[5 * from] - u[6 * from]) * half;
	g[0] = u[0] + s1 + s2 + s3;
	g[to] = d1 + d2 * 2.0f + d3 * 0.5f;
	g[2 * to] = s1 + s2 * 4.0f + s3 * 0.25f;
	g[3 * to] = d1 + d2 * 8.0f + d3 * 0.125f;
	g[4 * to] = s1 + s2 * 16.0f + s3 * 0.0625f + u[7 * from];
}

// output: 8 points to 4 values.
INLINE void values_of_points(const vec *m, vec *y, int from, int to) {
	vec s1 = m[from] + m[2 * from], d1 = m[from] - m[2 * from];
	vec s2 = m[3 * from] + m[4 * from], d2 = m[3 * from] - m[4 * from];
	vec s3 = m[5 * from] + m[6 * from], d3 = m[5 * from] - m[6 * from];
	y[0] = m[0] + s1 + s2 + s3;
	y[to] = d1 + d2 * 2.0f + d3 * 0.5f;
	y[2 * to] = s1 + s2 * 4.0f + s3 * 0.25f;
	y[3 * to] = d1 + d2 * 8.0f + d3 * 0.125f + m[7 * from];
}

// its transpose: 4 values of the output's gradient to 8 points.
INLINE void output_points(const vec *y, vec *m, int from, int to) {
	vec y0 = y[0], y1 = y[from], y2 = y[2 * from], y3 = y[3 * from];
	m[0] = y0;
	m[7 * to] = y3;
	vec even = y0 + y2, odd = y1 + y3;
	m[to] = even + odd;
	m[2 * to] = even - odd;
	even = y0 + y2 * 4.0f, odd = y1 * 2.0f + y3 * 8.0f;
	m[3 * to] = even + odd;
	m[4 * to] = even - odd;
	even = y0 + y2 * 0.25f, odd = y1 * 0.5f + y3 * 0.125f;
	m[5 * to] = even + odd;
	m[6 * to] = even - odd;
}

#else // 3

// kernel: 3 taps to 8 points.
INLINE void kernel_points(const vec *g, vec *u, int from, int to) {
	vec g0 = g[0], g1 = g[from], g2 = g[2 * from];
	const float one = -2.0f / 9, two = 1.0f / 90, half = 32.0f / 45;
	u[0] = g0;
	u[7 * to] = g2;
	vec even = (g0 + g2) * one, odd = g1 * one;
	u[to] = even + odd;
	u[2 * to] = even - odd;
	even = (g0 + g2 * 4.0f) * two, odd = g1 * (2.0f * two);
	u[3 * to] = even + odd;
	u[4 * to] = even - odd;
	even = (g0 + g2 * 0.25f) * half, odd = g1 * (0.5f * half);
	u[5 * to] = even + odd;
	u[6 * to] = even - odd;
}

// output: 8 points to 6 values.
INLINE void values_of_points(const vec *m, vec *y, int from, int to) {
	vec s1 = m[from] + m[2 * from], d1 = m[from] - m[2 * from];
	vec s2 = m[3 * from] + m[4 * from], d2 = m[3 * from] - m[4 * from];
	vec s3 = m[5 * from] + m[6 * from], d3 = m[5 * from] - m[6 * from];
	y[0] = m[0] + s1 + s2 + s3;
	y[to] = d1 + d2 * 2.0f + d3 * 0.5f;
	y[2 * to] = s1 + s2 * 4.0f + s3 * 0.25f;
	y[3 * to] = d1 + d2 * 8.0f + d3 * 0.125f;
	y[4 * to] = s1 + s2 * 16.0f + s3 * 0.0625f;
	y[5 * to] = d1 + d2 * 32.0f + d3 * 0.03125f + m[7 * from];
}

#endif
