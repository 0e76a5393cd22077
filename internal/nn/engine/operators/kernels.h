// Kernels, transformed and back.

// transform_kernels transforms the kernels of LANES outputs and one input: to [points][...] with points apart. first: they
// are those of the first input.
INLINE void transform_kernels(const float *from, size_t stride, int adjoint, int first, float *to, size_t apart) {
	enum { size = taps * taps };
	vec g[size], half[span * taps], u[points];
	// Rows of taps * taps values, one for each lane: squares, of which the last overlaps with the one before, or with the
	// kernel before.
	for (int at = 0; at < size; at += LANES) {
		int start = at + LANES <= size ? at : size - LANES;
		if (start < 0 && first) start = 0; // there is no kernel before, but one behind
		vec v[LANES];
		UNROLL for (int i = 0; i < LANES; i++) v[i] = load(from + i * (ptrdiff_t)stride + start);
		transpose(v);
		for (int i = 0; i < LANES; i++) {
			int tap = start + i;
			if (tap >= 0 && tap < size) g[adjoint ? size - 1 - tap : tap] = v[i];
		}
	}
	UNROLL for (int j = 0; j < taps; j++) kernel_points(g + j, half + j, taps, taps);
	UNROLL for (int i = 0; i < span; i++) kernel_points(half + i * taps, u + i * span, 1, 1);
	UNROLL for (int i = 0; i < points; i++) store(to + i * apart, u[i]);
}

#if TAPS == 5

// add_kernels transforms the gradients of LANES kernels back and adds them to the values in place.
INLINE void add_kernels(const float *from, size_t apart, float *to, int fresh) {
	enum { size = taps * taps };
	vec u[points], half[taps * span], g[size];
	UNROLL for (int i = 0; i < points; i++) u[i] = load(from + i * apart);
	UNROLL for (int j = 0; j < span; j++) taps_of_points(u + j, half + j, span, span);
	UNROLL for (int i = 0; i < taps; i++) taps_of_points(half + i * span, g + i * taps, 1, 1);
	for (int at = 0; at < size; at += LANES) {
		int start = at + LANES <= size ? at : size - LANES, seen = at - start; // seen: written before
		vec v[LANES];
		for (int i = 0; i < LANES; i++) v[i] = g[start + i];
		transpose(v);
		for (int i = 0; i < LANES; i++) {
			float *row = to + i * size + start;
			if (fresh)
				store(row, v[i]);
			else if (!seen)
				store(row, load(row) + v[i]);
			else
				for (int j = seen; j < LANES; j++) row[j] += v[i][j];
		}
	}
}

#endif
