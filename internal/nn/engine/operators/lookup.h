// See frequencies.h.

enum {
	lookup_taps = 9,
	lookup_none = frequencies_planes, // the row of zeros, outside of the picture
	lookup_rows = frequencies_planes + 1,
};

// lookup is the state of one computation.
typedef struct {
	const frequencies *f;
	size_t vectors; // of inner channels, the last one padded with zeros
	float *table;   // [taps][rows][vectors * LANES], scaled; the middle tap includes the bias
	float *mix;     // [outputs][vectors * LANES]
	int failed;
} lookup;

static void lookup_fill(const lookup *k) {
	const frequencies *f = k->f;
	size_t row = k->vectors * LANES;
	memset(k->table, 0, lookup_taps * lookup_rows * row * sizeof *k->table);
	memset(k->mix, 0, f->outputs * row * sizeof *k->mix);
	for (size_t c = 0; c < f->inner; c++) {
		for (size_t p = 0; p < frequencies_planes; p++)
			for (size_t tap = 0; tap < lookup_taps; tap++) {
				float v = f->kernel[(c * frequencies_planes + p) * lookup_taps + tap] * f->scale[c];
				k->table[(tap * lookup_rows + p) * row + c] = tap == lookup_taps / 2 ? v + f->bias[c] : v;
			}
		for (size_t o = 0; o < f->outputs; o++) k->mix[o * row + c] = f->mix[o * f->inner + c];
	}
}

// lookup_places writes the planes of a row of coefficients, between blocks outside of the picture; row NULL: all outside.
// They are offsets in a tap's table.
static void lookup_places(const float *row, size_t width, size_t size, size_t step, unsigned *to) {
	for (size_t x = 0; x < size; x++) to[x] = (unsigned)(lookup_none * step);
	if (!row) return;
	for (size_t x = 0; x < width; x++) {
		float v = row[x] < 0 ? -row[x] : row[x];
		to[frequencies_side + x] = (unsigned)((v < frequencies_planes - 1 ? (size_t)v : frequencies_planes - 1) * step);
	}
}

// lookup_pixels computes the second layer's sums of LANES places: sums[o] has one lane for each.
INLINE void lookup_pixels(const lookup *k, const unsigned *const places[3], size_t vectors, size_t outputs, vec *sums) {
	const size_t row = vectors * LANES, tap = lookup_rows * row;
	vec parts[frequencies_most_outputs][LANES], zero = {0};
	for (size_t i = 0; i < LANES; i++) {
		const float *at[lookup_taps];
		UNROLL for (size_t t = 0; t < lookup_taps; t++) at[t] = k->table + t * tap + places[t / 3][i + t % 3 * frequencies_side];
		vec part[frequencies_most_outputs];
		for (size_t o = 0; o < outputs; o++) part[o] = zero;
		for (size_t j = 0; j < row; j += LANES) {
			vec low = (load(at[0] + j) + load(at[1] + j)) + (load(at[2] + j) + load(at[3] + j));
			vec high = (load(at[5] + j) + load(at[6] + j)) + (load(at[7] + j) + load(at[8] + j));
			vec h = (low + high) + load(at[4] + j);
			h = (vec)(~(h < zero) & (vec_index)h); // NaN stays NaN
			for (size_t o = 0; o < outputs; o++) part[o] += h * load(k->mix + o * row + j);
		}
		for (size_t o = 0; o < outputs; o++) parts[o][i] = part[o];
	}
	for (size_t o = 0; o < outputs; o++) {
		transpose(parts[o]);
		UNROLL for (size_t step = LANES / 2; step > 0; step /= 2)
			UNROLL for (size_t i = 0; i < step; i++) parts[o][i] += parts[o][i + step];
		sums[o] = parts[o][0];
	}
}

// lookup_item computes a row of blocks.
static void lookup_item(void *arg, size_t item) {
	lookup *k = arg;
	const frequencies *f = k->f;
	enum { side = frequencies_side, published_inner = 64, published_outputs = 4 };
	size_t down = f->height / side, across = f->width / side, picture = item / down, band = item % down;
	size_t row = k->vectors * LANES, size = (f->width + LANES - 1) / LANES * LANES + 2 * side;
	unsigned *places = (unsigned *)scratch_take(3 * size);
	if (!places) {
		k->failed = 1;
		return;
	}
	const float *first = f->x + picture * f->height * f->width;
	for (size_t u = 0; u < side; u++) {
		for (size_t i = 0; i < 3; i++) {
			size_t y = band + i; // + 1
			lookup_places(y >= 1 && y <= down ? first + ((y - 1) * side + u) * f->width : NULL, f->width, size, row, places + i * size);
		}
		for (size_t x = 0; x < f->width; x += LANES) {
			const unsigned *at[3] = {places + x, places + size + x, places + 2 * size + x};
			vec sums[frequencies_most_outputs], zero = {0};
			if (row == published_inner && f->outputs == published_outputs)
				lookup_pixels(k, at, published_inner / LANES, published_outputs, sums);
			else
				lookup_pixels(k, at, k->vectors, f->outputs, sums);
			for (size_t o = 0; o < f->outputs; o++) {
				vec v = sums[o] * f->out_scale[o] + f->out_bias[o];
				v = (vec)(~(v < zero) & (vec_index)v);
				float *plane = f->y + ((picture * f->outputs + o) * side + u) * side * down * across + band * across;
				for (size_t i = 0; i < smaller(LANES, f->width - x); i++) plane[(x + i) % side * down * across + (x + i) / side] = v[i];
			}
		}
	}
	scratch_give((float *)places);
}

int FREQUENCIES(const frequencies *f, const work_pool *pool) {
	lookup k = {.f = f, .vectors = (f->inner + LANES - 1) / LANES};
	size_t row = k.vectors * LANES;
	k.table = scratch_take((lookup_taps * lookup_rows + f->outputs) * row);
	if (!k.table) return -1;
	k.mix = k.table + lookup_taps * lookup_rows * row;
	lookup_fill(&k);
	pool->run(pool->context, lookup_item, f->pictures * (f->height / frequencies_side), &k);
	scratch_give(k.table);
	return k.failed ? -1 : 0;
}
