// The gradient by the kernel.

// gradient is the state of one kernel gradient.
typedef struct {
	const winograd_grad *g;
	maps x, dy;
	size_t from, to; // bands that are computed together
	layout lx, ly;
	float *in, *out; // [points][panels][tiles][panel]
	int failed;
} gradient;

static void points_item(void *arg, size_t item) {
	gradient *k = arg;
	size_t vectors = k->g->inputs / LANES, across = k->x.across;
	vec *strip = (vec *)scratch_take(span * (across * tile + taps - 1) * LANES);
	if (!strip) {
		k->failed = 1;
		return;
	}
	for (size_t band = k->from; band < k->to; band++) {
		size_t p = (band - k->from) * across;
		if (item < vectors)
			input_band(&k->x, band, item * LANES, strip, k->in, &k->lx, p);
		else
			gradient_band(&k->dy, band, (item - vectors) * LANES, strip, k->out, &k->ly, p);
	}
	scratch_give((float *)strip);
}

enum { outputs_together = 16 }; // channels whose kernels' gradients are computed in a work item

static void kernel_gradient_item(void *arg, size_t item) {
	gradient *k = arg;
	const winograd_grad *g = k->g;
	size_t o = item * outputs_together, tiles = (k->to - k->from) * k->x.across;
	float *sums = scratch_take(points * outputs_together * g->inputs); // [points][outputs_together][inputs]
	if (!sums) {
		k->failed = 1;
		return;
	}
	for (size_t i = 0; i < points; i++)
		for (size_t c = 0; c < g->inputs; c += panel)
			products(tiles, place(k->out + i * k->ly.points, &k->ly, 0, o), 1, panel, place(k->in + i * k->lx.points, &k->lx, 0, c), panel,
			         sums + i * outputs_together * g->inputs + c, g->inputs, outputs_together, smaller(panel, g->inputs - c));
	for (size_t j = 0; j < outputs_together; j++)
		for (size_t c = 0; c < g->inputs; c += LANES)
			add_kernels(sums + j * g->inputs + c, outputs_together * g->inputs, g->dkernel + ((o + j) * g->inputs + c) * taps * taps, k->from == 0);
	scratch_give(sums);
}

int NAME(kernel_gradient)(const winograd_grad *g, const work_pool *pool) {
	const size_t most = (size_t)2 << 20, fewest = 64; // floats of transformed maps; tiles
	gradient k = {.g = g, .x = maps_of(g->x, g->inputs, g->height, g->width), .dy = maps_of(g->dy, g->outputs, g->height, g->width)};
	size_t bands = g->pictures * k.x.down, ins = (g->inputs + panel - 1) / panel, outs = (g->outputs + panel - 1) / panel;
	size_t tiles = larger(most / (points * panel * (ins + outs)), fewest), step = smaller(bands, larger(1, tiles / k.x.across));
	tiles = step * k.x.across;
	k.lx = (layout){ins * tiles * panel, panel, tiles * panel};
	k.ly = (layout){outs * tiles * panel, panel, tiles * panel};
	k.in = scratch_take(points * k.lx.points);
	k.out = scratch_take(points * k.ly.points);
	k.failed = !k.in || !k.out;
	for (; k.from < bands && !k.failed; k.from += step) {
		k.to = smaller(k.from + step, bands);
		pool->run(pool->context, points_item, (g->inputs + g->outputs) / LANES, &k);
		if (!k.failed) pool->run(pool->context, kernel_gradient_item, g->outputs / outputs_together, &k);
	}
	scratch_give(k.in);
	scratch_give(k.out);
	return k.failed ? -1 : 0;
}
