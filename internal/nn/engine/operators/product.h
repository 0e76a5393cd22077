// Products of matrices.

// product computes count rows of m, LANES * wide columns: the sum over depth of
// left[r * left_row + k * left_step] times right[k * right_step + column]. Partial sums halve the
// rounding errors, which matter because the following transforms magnify them.
INLINE void product(size_t depth, const float *left, size_t left_row, size_t left_step, const float *right, size_t right_step,
                    float *m, size_t m_row, int count, int wide) {
	const size_t partial = 32;
	for (size_t from = 0; from < depth; from += partial) {
		size_t to = smaller(from + partial, depth);
		vec sum[rows][WIDE];
		UNROLL for (int r = 0; r < count; r++)
			UNROLL for (int j = 0; j < wide; j++) sum[r][j] = (vec){0};
		for (size_t k = from; k < to; k++) {
			vec b[WIDE];
			UNROLL for (int j = 0; j < wide; j++) b[j] = load(right + k * right_step + j * LANES);
			UNROLL for (int r = 0; r < count; r++) {
				float a = left[r * left_row + k * left_step];
				UNROLL for (int j = 0; j < wide; j++) sum[r][j] += b[j] * a;
			}
		}
		UNROLL for (int r = 0; r < count; r++)
			UNROLL for (int j = 0; j < wide; j++) {
				float *at = m + r * m_row + j * LANES;
				store(at, from ? load(at) + sum[r][j] : sum[r][j]);
			}
	}
}

#define PRODUCT(count, wide) product(depth, left, left_row, left_step, right, right_step, m, m_row, count, wide)

// strip_product is product for any number of rows up to rows, and of columns up to WIDE vectors.
static void strip_product(size_t depth, const float *left, size_t left_row, size_t left_step, const float *right,
                          size_t right_step, float *m, size_t m_row, size_t count, size_t columns) {
	for (; columns >= WIDE * LANES; columns -= WIDE * LANES, right += WIDE * LANES, m += WIDE * LANES) {
		switch (count) {
		case 6: PRODUCT(6, WIDE); break;
		case 5: PRODUCT(5, WIDE); break;
		case 4: PRODUCT(4, WIDE); break;
		case 3: PRODUCT(3, WIDE); break;
		case 2: PRODUCT(2, WIDE); break;
		default: PRODUCT(1, WIDE);
		}
	}
	for (; columns > 0; columns -= LANES, right += LANES, m += LANES) {
		switch (count) {
		case 6: PRODUCT(6, 1); break;
		case 5: PRODUCT(5, 1); break;
		case 4: PRODUCT(4, 1); break;
		case 3: PRODUCT(3, 1); break;
		case 2: PRODUCT(2, 1); break;
		default: PRODUCT(1, 1);
		}
	}
}

// products multiplies all rows, in strips of about equal height.
static void products(size_t depth, const float *left, size_t left_row, size_t left_step, const float *right, size_t right_step,
                     float *m, size_t m_row, size_t count, size_t columns) {
	size_t strips = (count + rows - 1) / rows;
	for (size_t s = 0; s < strips; s++) {
		size_t from = count * s / strips, to = count * (s + 1) / strips;
		strip_product(depth, left + from * left_row, left_row, left_step, right, right_step, m + from * m_row, m_row, to - from, columns);
	}
}
