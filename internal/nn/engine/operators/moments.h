// Batch norms, and the gradients of ReLUs and of maxima; see training.h.

enum { numbers_together = 64 * LANES }; // of which sums are made in single precision

// sums_of adds up d, and d (x - mean); without d: x - mean, and its square.
INLINE void sums_of(const float *x, const float *d, float mean, size_t count, double *first, double *second) {
	for (size_t from = 0; from < count; from += numbers_together) {
		size_t to = smaller(from + numbers_together, count);
		vec a = {0}, b = {0};
		for (size_t i = from; i < to; i += LANES) {
			vec v = i + LANES <= to ? load(x + i) - mean : load_some(x + i, to - i);
			if (i + LANES > to) // zeros behind the end must stay zeros
				for (size_t k = 0; k < to - i; k++) v[k] -= mean;
			vec w = !d ? v : i + LANES <= to ? load(d + i) : load_some(d + i, to - i);
			a += w;
			b += w * v;
		}
		*first += sum_of(a);
		*second += sum_of(b);
	}
}

// moments_item computes the moments of a channel.
static void moments_item(void *arg, size_t channel) {
	const batch_norm *b = arg;
	size_t plane = b->size.height * b->size.width;
	double count = (double)(plane * b->size.pictures), sum = 0, squares = 0, none = 0;
	for (size_t n = 0; n < b->size.pictures; n++)
		sums_of(b->x + (n * b->size.channels + channel) * plane, NULL, 0, plane, &sum, &none);
	float mean = (float)(sum / count);
	double rest = 0;
	for (size_t n = 0; n < b->size.pictures; n++)
		sums_of(b->x + (n * b->size.channels + channel) * plane, NULL, mean, plane, &rest, &squares);
	b->out_mean[channel] = mean;
	b->out_variance[channel] = (float)(squares / count);
}

int TRAINING(batch_moments)(const batch_norm *b, const work_pool *pool) {
	pool->run(pool->context, moments_item, b->size.channels, (void *)b);
	return 0;
}

// norm_item computes the gradients of a channel.
static void norm_item(void *arg, size_t channel) {
	const batch_norm *b = arg;
	size_t plane = b->size.height * b->size.width;
	float mean = b->mean[channel];
	double bias = 0, spread = 0, count = (double)(plane * b->size.pictures);
	for (size_t n = 0; n < b->size.pictures; n++) {
		size_t start = (n * b->size.channels + channel) * plane;
		sums_of(b->x + start, b->dy + start, mean, plane, &bias, &spread);
	}
	double inverse = 1 / sqrt((double)b->variance[channel] + b->epsilon), factor = b->scale[channel] * inverse;
	b->dbias[channel] = (float)bias;
	b->dscale[channel] = (float)(spread * inverse);
	float by = (float)factor, along = (float)(-factor * inverse * inverse * spread / count), shift = (float)(-factor * bias / count);
	for (size_t n = 0; n < b->size.pictures; n++) {
		size_t start = (n * b->size.channels + channel) * plane, i = 0;
		const float *x = b->x + start, *d = b->dy + start;
		float *dx = b->dx + start;
		for (; i + LANES <= plane; i += LANES) store(dx + i, load(d + i) * by + ((load(x + i) - mean) * along + shift));
		for (; i < plane; i++) dx[i] = d[i] * by + ((x[i] - mean) * along + shift);
	}
}

int TRAINING(batch_gradient)(const batch_norm *b, const work_pool *pool) {
	pool->run(pool->context, norm_item, b->size.channels, (void *)b);
	return 0;
}

enum { relu_together = 1 << 16 }; // numbers of a work item

static void relu_item(void *arg, size_t item) {
	const relu *r = arg;
	size_t i = item * relu_together, to = smaller(i + relu_together, r->count);
	vec zero = {0};
	for (; i + LANES <= to; i += LANES) store(r->dx + i, (vec)(~(load(r->y + i) <= zero) & (vec_index)load(r->dy + i)));
	for (; i < to; i++) r->dx[i] = r->y[i] <= 0 ? 0 : r->dy[i];
}

int TRAINING(relu_gradient)(const relu *r, const work_pool *pool) {
	pool->run(pool->context, relu_item, (r->count + relu_together - 1) / relu_together, (void *)r);
	return 0;
}

// pool_item computes the gradient by a map.
static void pool_item(void *arg, size_t map) {
	const max_pool *p = arg;
	size_t h = p->size.height, w = p->size.width, down = (h + 1) / 2, across = (w + 1) / 2;
	const float *x = p->x + map * h * w, *y = p->y + map * down * across, *d = p->dy + map * down * across;
	float *dx = p->dx + map * h * w;
	memset(dx, 0, h * w * sizeof *dx);
	for (size_t r = 0; r < down; r++) {
		size_t top = r ? 2 * r - 1 : 0, bottom = smaller(2 * r + 2, h);
		for (size_t c = 0; c < across; c++) {
			size_t left = c ? 2 * c - 1 : 0, right = smaller(2 * c + 2, w);
			float most = y[r * across + c];
			for (size_t i = top; i < bottom; i++)
				for (size_t j = left; j < right; j++)
					if (x[i * w + j] == most) {
						dx[i * w + j] += d[r * across + c];
						goto next;
					}
		next:;
		}
	}
}

int TRAINING(pool_gradient)(const max_pool *p, const work_pool *pool) {
	pool->run(pool->context, pool_item, p->size.pictures * p->size.channels, (void *)p);
	return 0;
}
