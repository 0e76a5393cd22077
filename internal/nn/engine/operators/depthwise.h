// Depthwise convolutions; see training.h.

// padded is a map within zeros, so that every tap of every pixel can be read.
typedef struct {
	float *at;
	size_t stride, around; // floats in a row; zeros on each side
} padded;

// padded_take makes room for a map; at is NULL if there is none.
static padded padded_take(const map_size *s, size_t around) {
	padded p = {.stride = s->width + 2 * around + LANES, .around = around};
	size_t floats = (s->height + 2 * around) * p.stride;
	p.at = scratch_take(floats);
	if (p.at) memset(p.at, 0, floats * sizeof *p.at);
	return p;
}

static void padded_fill(const padded *p, const map_size *s, const float *from) {
	for (size_t y = 0; y < s->height; y++)
		memcpy(p->at + (y + p->around) * p->stride + p->around, from + y * s->width, s->width * sizeof *from);
}

typedef struct {
	const depthwise *c;
	int failed;
} depthwise_state;

// depthwise_maps computes the output of a channel.
static void depthwise_maps(void *arg, size_t channel) {
	depthwise_state *state = arg;
	const depthwise *c = state->c;
	const map_size *s = &c->size;
	padded p = padded_take(s, c->dilation);
	if (!p.at) {
		state->failed = 1;
		return;
	}
	const float *k = c->kernel + channel * 9;
	for (size_t n = 0; n < s->pictures; n++) {
		size_t start = (n * s->channels + channel) * s->height * s->width;
		padded_fill(&p, s, c->x + start);
		for (size_t y = 0; y < s->height; y++) {
			const float *at = p.at + y * p.stride;
			float *to = c->y + start + y * s->width;
			for (size_t x = 0; x < s->width; x += LANES) {
				vec sum = load(at + x) * k[0];
				UNROLL for (size_t t = 1; t < 9; t++) sum += load(at + t / 3 * c->dilation * p.stride + t % 3 * c->dilation + x) * k[t];
				if (x + LANES <= s->width)
					store(to + x, sum);
				else
					memcpy(to + x, &sum, (s->width - x) * sizeof *to);
			}
		}
	}
	scratch_give(p.at);
}

int TRAINING(depthwise_convolve)(const depthwise *c, const work_pool *pool) {
	depthwise_state state = {.c = c};
	pool->run(pool->context, depthwise_maps, c->size.channels, &state);
	return state.failed ? -1 : 0;
}

// load_some loads the first n floats, and zeros.
INLINE vec load_some(const float *from, size_t n) {
	vec v = {0};
	memcpy(&v, from, n * sizeof *from);
	return v;
}

// sum_of adds the lanes of a vector up.
INLINE double sum_of(vec v) {
	double sum = 0;
	for (size_t i = 0; i < LANES; i++) sum += v[i];
	return sum;
}

enum { rows_together = 8 }; // rows of which products are added up in single precision

// depthwise_taps computes the gradient by the kernel of a channel.
static void depthwise_taps(void *arg, size_t channel) {
	depthwise_state *state = arg;
	const depthwise *c = state->c;
	const map_size *s = &c->size;
	padded p = padded_take(s, c->dilation);
	if (!p.at) {
		state->failed = 1;
		return;
	}
	double sums[9] = {0};
	for (size_t n = 0; n < s->pictures; n++) {
		size_t start = (n * s->channels + channel) * s->height * s->width;
		padded_fill(&p, s, c->x + start);
		for (size_t from = 0; from < s->height; from += rows_together) {
			vec part[9];
			UNROLL for (size_t t = 0; t < 9; t++) part[t] = (vec){0};
			for (size_t y = from; y < smaller(from + rows_together, s->height); y++) {
				const float *at = p.at + y * p.stride, *d = c->dy + start + y * s->width;
				for (size_t x = 0; x < s->width; x += LANES) {
					vec v = x + LANES <= s->width ? load(d + x) : load_some(d + x, s->width - x);
					UNROLL for (size_t t = 0; t < 9; t++) part[t] += v * load(at + t / 3 * c->dilation * p.stride + t % 3 * c->dilation + x);
				}
			}
			UNROLL for (size_t t = 0; t < 9; t++) sums[t] += sum_of(part[t]);
		}
	}
	for (size_t t = 0; t < 9; t++) c->y[channel * 9 + t] = (float)sums[t];
	scratch_give(p.at);
}

int TRAINING(depthwise_gradient)(const depthwise *c, const work_pool *pool) {
	depthwise_state state = {.c = c};
	pool->run(pool->context, depthwise_taps, c->size.channels, &state);
	return state.failed ? -1 : 0;
}
