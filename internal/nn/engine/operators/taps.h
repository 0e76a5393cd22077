// See convtanh.h.

enum {
	taps_rows = 8,                                // of a work item
	taps_size = 9,                                // of a kernel of 3 x 3
	taps_together = LANES == 16 ? 4 : 2,          // vectors of a row that are computed at a time
	taps_chunk = taps_together * LANES,           // floats of these
	taps_most = conv_tanh_most_inputs * taps_size // of an output
};

// tapped is a tap that is not 0.
typedef struct {
	size_t at; // in the rows of a work item, from the place of the first tap of the first channel
	float weight;
} tapped;

// taps_work is the state of one computation.
typedef struct {
	const conv_tanh *c;
	size_t stride, plane; // floats in a row and in a channel of a work item's rows
	size_t count[conv_tanh_most_outputs];
	tapped list[conv_tanh_most_outputs][taps_most];
	int failed;
} taps_work;

INLINE vec taps_chosen(vec_index mask, vec yes, vec no) { return (vec)((mask & (vec_index)yes) | (~mask & (vec_index)no)); }

// taps_tanh is the hyperbolic tangent, up to 4e-7. The rational function and its coefficients are those of Eigen's
// generic_fast_tanh_float, which ONNX Runtime's Tanh uses, too. Beyond 9 the tangent is 1 in single precision. NaN
// stays NaN.
INLINE vec taps_tanh(vec x) {
	const vec zero = {0};
	const vec most = zero + 9.0f;
	x = taps_chosen(x > most, most, x);
	x = taps_chosen(x < -most, -most, x);
	vec s = x * x;
	vec p = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
	p = p * s + -8.60467152213735e-11f;
	p = p * s + 5.12229709037114e-08f;
	p = p * s + 1.48572235717979e-05f;
	p = p * s + 6.37261928875436e-04f;
	p = p * s + 4.89352455891786e-03f;
	vec q = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
	q = q * s + 2.26843463243900e-03f;
	q = q * s + 4.89352518554385e-03f;
	return x * p / q;
}

// taps_row computes a row of an output, given its first tap's place in the rows of a work item.
static void taps_row(const taps_work *w, const float *from, size_t output, float *to) {
	size_t width = w->c->width, count = w->count[output];
	const tapped *list = w->list[output];
	for (size_t x = 0; x < width; x += taps_chunk) {
		vec sums[taps_together] = {0};
		for (size_t t = 0; t < count; t++) {
			const float *at = from + list[t].at + x;
			UNROLL for (size_t i = 0; i < taps_together; i++) sums[i] += load(at + i * LANES) * list[t].weight;
		}
		UNROLL for (size_t i = 0; i < taps_together; i++) sums[i] = taps_tanh(sums[i]);
		if (x + taps_chunk <= width) {
			UNROLL for (size_t i = 0; i < taps_together; i++) store(to + x + i * LANES, sums[i]);
		} else {
			memcpy(to + x, sums, (width - x) * sizeof *to);
		}
	}
}

// taps_item computes rows of a picture. It copies the rows that they depend on between zeros.
static void taps_item(void *arg, size_t item) {
	taps_work *w = arg;
	const conv_tanh *c = w->c;
	size_t bands = (c->height + taps_rows - 1) / taps_rows, picture = item / bands, first = item % bands * taps_rows;
	size_t last = smaller(first + taps_rows, c->height);
	float *rows = scratch_take(c->inputs * w->plane);
	if (!rows) {
		w->failed = 1;
		return;
	}
	for (size_t i = 0; i < c->inputs; i++)
		for (size_t r = 0; r < last - first + 2; r++) {
			float *to = rows + i * w->plane + r * w->stride;
			memset(to, 0, w->stride * sizeof *to);
			size_t y = first + r; // + 1
			if (y >= 1 && y <= c->height)
				memcpy(to + 1, c->x + ((picture * c->inputs + i) * c->height + y - 1) * c->width, c->width * sizeof *to);
		}
	for (size_t y = first; y < last; y++)
		for (size_t o = 0; o < c->outputs; o++)
			taps_row(w, rows + (y - first) * w->stride, o, c->y + ((picture * c->outputs + o) * c->height + y) * c->width);
	scratch_give(rows);
}

int CONV_TANH(const conv_tanh *c, const work_pool *pool) {
	taps_work w = {.c = c, .stride = (c->width + taps_chunk - 1) / taps_chunk * taps_chunk + 2};
	w.plane = (taps_rows + 2) * w.stride;
	for (size_t o = 0; o < c->outputs; o++)
		for (size_t t = 0; t < c->inputs * taps_size; t++) {
			float weight = c->kernel[o * c->inputs * taps_size + t];
			size_t tap = t % taps_size;
			if (weight != 0) w.list[o][w.count[o]++] = (tapped){t / taps_size * w.plane + tap / 3 * w.stride + tap % 3, weight};
		}
	pool->run(pool->context, taps_item, c->pictures * ((c->height + taps_rows - 1) / taps_rows), &w);
	return w.failed ? -1 : 0;
}
