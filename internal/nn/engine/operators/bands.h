// Maps of channels, divided into tiles and transformed.

// layout describes the order of points: those of a place are at
// at[point * points + place * places + (channel / panel) * panels + channel % panel].
typedef struct {
	size_t points, places, panels;
} layout;

INLINE float *place(float *at, const layout *l, size_t p, size_t channel) {
	return at + p * l->places + channel / panel * l->panels + channel % panel;
}

// maps are channels of pictures, divided into tiles; a band is a row of tiles, numbered across all
// pictures.
typedef struct {
	const float *data; // [pictures, channels, height, width]
	size_t channels, height, width, down, across; // down, across: tiles of a picture
} maps;

static maps maps_of(const float *data, size_t channels, size_t height, size_t width) {
	return (maps){data, channels, height, width, (height + tile - 1) / tile, (width + tile - 1) / tile};
}

// lay interleaves a row of LANES channels, after left zeros and padded with zeros to size places;
// row NULL: zeros.
INLINE void lay(const float *row, size_t plane, size_t width, size_t left, size_t size, vec *to) {
	memset(to, 0, size * sizeof *to);
	if (!row) return;
	size_t x = 0;
	for (; x + LANES <= width; x += LANES) {
		vec v[LANES];
		UNROLL for (int i = 0; i < LANES; i++) v[i] = load(row + i * plane + x);
		transpose(v);
		UNROLL for (int i = 0; i < LANES; i++) to[left + x + i] = v[i];
	}
	for (; x < width; x++)
		for (int i = 0; i < LANES; i++) to[left + x][i] = row[i * plane + x];
}

// lay_band lays count rows of a band, from above rows above its first.
INLINE void lay_band(const maps *m, size_t band, size_t channel, size_t above, size_t count, size_t left, size_t size, vec *to) {
	size_t picture = band / m->down, plane = m->height * m->width;
	const float *first = m->data + (picture * m->channels + channel) * plane;
	for (size_t i = 0; i < count; i++) {
		size_t y = band % m->down * tile + i; // + above
		const float *row = y >= above && y - above < m->height ? first + (y - above) * m->width : NULL;
		lay(row, plane, m->width, left, size, to + i * size);
	}
}

// input_band transforms the tiles of a band in LANES channels, from place p on.
static void input_band(const maps *m, size_t band, size_t channel, vec *strip, float *to, const layout *l, size_t p) {
	size_t size = m->across * tile + taps - 1;
	lay_band(m, band, channel, taps / 2, span, taps / 2, size, strip);
	for (size_t t = 0; t < m->across; t++) {
		vec v[points];
		UNROLL for (int i = 0; i < span; i++)
			UNROLL for (int j = 0; j < span; j++) v[i * span + j] = strip[i * size + t * tile + j];
		UNROLL for (int j = 0; j < span; j++) input_points(v + j, span);
		UNROLL for (int i = 0; i < span; i++) input_points(v + i * span, 1);
		float *at = place(to, l, p + t, channel);
		UNROLL for (int i = 0; i < points; i++) store(at + i * l->points, v[i]);
	}
}

#if TAPS == 5

// gradient_band does the same for the output's gradient.
static void gradient_band(const maps *m, size_t band, size_t channel, vec *strip, float *to, const layout *l, size_t p) {
	size_t size = m->across * tile;
	lay_band(m, band, channel, 0, tile, 0, size, strip);
	for (size_t t = 0; t < m->across; t++) {
		vec half[span * tile], v[points];
		UNROLL for (int j = 0; j < tile; j++) output_points(strip + t * tile + j, half + j, (int)size, tile);
		UNROLL for (int i = 0; i < span; i++) output_points(half + i * tile, v + i * span, 1, 1);
		float *at = place(to, l, p + t, channel);
		UNROLL for (int i = 0; i < points; i++) store(at + i * l->points, v[i]);
	}
}

#endif

// add_row adds values of another map, and applies the ReLU after the sum.
INLINE vec add_row(const winograd_conv *c, vec v, const float *sum) {
	vec zero = {0};
	v += load(sum);
	return c->relu ? (vec)(~(v < zero) & (vec_index)v) : v;
}

// output_band is the inverse step: it turns the points of a band's tiles in LANES channels into values
// of y.
static void output_band(const winograd_conv *c, const maps *m, size_t band, size_t channel, const float *from, const layout *l,
                        size_t p, vec *strip) {
	size_t size = m->across * tile, plane = m->height * m->width;
	vec one = {0}, zero = {0};
	one += 1.0f;
	vec scale = c->scale ? load(c->scale + channel) : one, bias = c->bias ? load(c->bias + channel) : zero;
	for (size_t t = 0; t < m->across; t++) {
		const float *at = place((float *)from, l, p + t, channel);
		vec v[points], half[tile * span];
		UNROLL for (int i = 0; i < points; i++) v[i] = load(at + i * l->points);
		UNROLL for (int j = 0; j < span; j++) values_of_points(v + j, half + j, span, span);
		UNROLL for (int i = 0; i < tile; i++) {
			vec r[tile];
			values_of_points(half + i * span, r, 1, 1);
			UNROLL for (int j = 0; j < tile; j++) {
				vec y = r[j] * scale + bias;
				if (c->relu && !c->sum) y = (vec)(~(y < zero) & (vec_index)y); // NaN stays NaN
				strip[i * size + t * tile + j] = y;
			}
		}
	}
	size_t start = (band / m->down * c->outputs + channel) * plane;
	float *first = c->y + start;
	const float *sum = c->sum ? c->sum + start : NULL;
	for (size_t i = 0; i < tile && band % m->down * tile + i < m->height; i++) {
		float *row = first + (band % m->down * tile + i) * m->width;
		size_t x = 0;
		for (; x + LANES <= m->width; x += LANES) {
			vec v[LANES];
			UNROLL for (int k = 0; k < LANES; k++) v[k] = strip[i * size + x + k];
			transpose(v);
			if (sum) {
				UNROLL for (int k = 0; k < LANES; k++) v[k] = add_row(c, v[k], sum + (row - first) + k * plane + x);
			}
			UNROLL for (int k = 0; k < LANES; k++) store(row + k * plane + x, v[k]);
		}
		for (; x < m->width; x++)
			for (int k = 0; k < LANES; k++) {
				float v = strip[i * size + x][k];
				if (sum) {
					v += sum[(size_t)(row - first) + k * plane + x];
					if (c->relu && v < 0) v = 0;
				}
				row[k * plane + x] = v;
			}
	}
}
