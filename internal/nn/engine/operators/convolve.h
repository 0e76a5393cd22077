// The convolution.

// convolution is the state of one convolution.
typedef struct {
	const winograd_conv *c;
	maps m;
	size_t bands;         // of all pictures
	size_t step;          // bands that are computed together
	size_t first, panels; // of output channels whose kernels are transformed
	size_t together;      // panels of a work item
	float *kernels;       // [points][panels][inputs][panel]
	int failed;
} convolution;

enum { inputs_together = 16 }; // channels whose kernels are transformed in a work item

static void kernels_item(void *arg, size_t item) {
	convolution *k = arg;
	const winograd_conv *c = k->c;
	size_t pieces = c->inputs / inputs_together, p = item / pieces, input = item % pieces * inputs_together;
	size_t first = (k->first + p) * panel, stride = c->adjoint ? taps * taps : c->inputs * taps * taps;
	for (size_t o = first; o < smaller(first + panel, c->outputs); o += LANES)
		for (size_t i = input; i < input + inputs_together; i++) {
			const float *from = c->kernel + (c->adjoint ? i * c->outputs + o : o * c->inputs + i) * taps * taps;
			float *to = k->kernels + (p * c->inputs + i) * panel + o % panel;
			transform_kernels(from, stride, c->adjoint, o == 0 && i == 0, to, k->panels * c->inputs * panel);
		}
}

static void tiles_item(void *arg, size_t item) {
	convolution *k = arg;
	const winograd_conv *c = k->c;
	size_t groups = (k->panels + k->together - 1) / k->together, group = item % groups;
	size_t from = item / groups * k->step, to = smaller(from + k->step, k->bands), across = k->m.across, tiles = (to - from) * across;
	size_t strip_size = span * (across * tile + taps - 1) * LANES;
	float *scratch = scratch_take(strip_size + points * tiles * (c->inputs + panel));
	if (!scratch) {
		k->failed = 1;
		return;
	}
	vec *strip = (vec *)scratch;
	float *in = scratch + strip_size, *out = in + points * tiles * c->inputs;
	layout li = {tiles * c->inputs, c->inputs, panel}, lo = {tiles * panel, panel, 0};
	for (size_t band = from; band < to; band++)
		for (size_t i = 0; i < c->inputs; i += LANES) input_band(&k->m, band, i, strip, in, &li, (band - from) * across);
	for (size_t p = group * k->together; p < smaller((group + 1) * k->together, k->panels); p++) {
		size_t first = (k->first + p) * panel, columns = smaller(panel, c->outputs - first);
		for (size_t i = 0; i < points; i++)
			products(c->inputs, in + i * li.points, c->inputs, 1, k->kernels + (i * k->panels + p) * c->inputs * panel, panel,
			         out + i * lo.points, panel, tiles, columns);
		for (size_t band = from; band < to; band++)
			for (size_t o = first; o < first + columns; o += LANES)
				output_band(c, &k->m, band, o, out, &lo, (band - from) * across, strip);
	}
	scratch_give(scratch);
}

int NAME(convolve)(const winograd_conv *c, const work_pool *pool) {
	const size_t most_kernels = (size_t)4 << 20; // floats that transformed kernels may take: a processor's cache
	const size_t tiles = 64;                     // that are computed together, about
	convolution k = {.c = c, .m = maps_of(c->x, c->inputs, c->height, c->width)};
	size_t all = (c->outputs + panel - 1) / panel;
	k.bands = c->pictures * k.m.down;
	k.step = larger(1, smaller(tiles / k.m.across, (k.bands + pool->threads - 1) / pool->threads));
	size_t blocks = (k.bands + k.step - 1) / k.step, most = larger(1, most_kernels / (points * c->inputs * panel));
	most = larger(most, smaller(pool->threads, all)); // work for all threads
	k.kernels = scratch_take(points * smaller(most, all) * c->inputs * panel);
	if (!k.kernels) return -1;
	for (k.first = 0; k.first < all; k.first += most) {
		k.panels = smaller(most, all - k.first);
		k.together = blocks >= 2 * pool->threads ? k.panels : 1;
		pool->run(pool->context, kernels_item, k.panels * (c->inputs / inputs_together), &k);
		pool->run(pool->context, tiles_item, blocks * ((k.panels + k.together - 1) / k.together), &k);
	}
	scratch_give(k.kernels);
	return k.failed ? -1 : 0;
}
