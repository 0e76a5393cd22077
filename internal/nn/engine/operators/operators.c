//go:build amd64 && (linux || darwin)

#include "operators.h"

#include "frequencies.h"
#include "winograd.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The part of ONNX Runtime's C interface that is used, declared here so that no header is needed.
// OrtApi is a table of function pointers that grows only at its end; the slots are counted from
// onnxruntime_c_api.h, and the last of them was added in version 17.
enum {
	interface_version = 17,
	slot_create_status = 0,
	slot_error_message = 2,
	slot_create_domain = 26,
	slot_domain_add = 27,
	slot_add_domain = 28,
	slot_tensor_data = 51,
	slot_dimension_count = 61,
	slot_dimensions = 62,
	slot_tensor_shape = 65,
	slot_attribute = 86,
	slot_input = 90,
	slot_output = 91,
	slot_release_status = 93,
	slot_release_shape = 99,
	slot_parallel_for = 274,
};

enum { element_float = 1, error_failed = 1, argument_required = 0, argument_optional = 1 };

typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

typedef void *const *interface; // OrtApi
typedef void status;            // OrtStatus

#define CALL(api, slot, ...) (((status * (*)(__VA_ARGS__))(api)[slot]))

// definition is OrtCustomOp as of version 17; members that are NULL are not used.
typedef struct definition {
	uint32_t version;
	void *(*create)(const struct definition *, interface, const void *info);
	const char *(*name)(const struct definition *);
	const char *(*provider)(const struct definition *);
	int (*input_type)(const struct definition *, size_t);
	size_t (*input_count)(const struct definition *);
	int (*output_type)(const struct definition *, size_t);
	size_t (*output_count)(const struct definition *);
	void (*compute)(void *kernel, void *context);
	void (*destroy)(void *kernel);
	int (*input_kind)(const struct definition *, size_t);
	int (*output_kind)(const struct definition *, size_t);
	int (*input_memory)(const struct definition *, size_t);
	int (*variadic[4])(const struct definition *);
	status *(*create_or_fail)(const struct definition *, interface, const void *info, void **kernel);
	status *(*compute_or_fail)(void *kernel, void *context);
	void *infer_shape;
	int (*first_version)(const struct definition *);
	int (*last_version)(const struct definition *);
	void *in_place[4];

	// Our own members.
	processor kind;
	size_t threads;
	size_t taps; // of a convolution's kernel, in each direction
} definition;

// operation is a node of a model.
typedef struct {
	interface api;
	processor kind;
	size_t threads, taps;
	int adjoint, relu;
} operation;

static interface api_of(const void *base) { return ((const api_base *)base)->get_api(interface_version); }

static status *failure(interface api, const char *message) {
	return CALL(api, slot_create_status, int, const char *)(error_failed, message);
}

static void release(interface api, status *s) {
	if (s) ((void (*)(status *))api[slot_release_status])(s);
}

// text returns the message of a status.
static char *text(interface api, status *s) {
	if (!s) return NULL;
	char *message = strdup(((const char *(*)(const status *))api[slot_error_message])(s));
	release(api, s);
	return message ? message : strdup("out of memory");
}

typedef struct {
	size_t rank, size[4];
	float *data; // NULL: missing
} tensor;

// read_input reads an argument's shape and address.
static status *read_input(interface api, const void *context, size_t index, tensor *t) {
	*t = (tensor){0};
	const void *value = NULL;
	status *s = CALL(api, slot_input, const void *, size_t, const void **)(context, index, &value);
	if (s || !value) return s;
	void *shape = NULL;
	int64_t sizes[4];
	s = CALL(api, slot_tensor_shape, const void *, void **)(value, &shape);
	if (s) return s;
	s = CALL(api, slot_dimension_count, const void *, size_t *)(shape, &t->rank);
	if (!s && t->rank > 4) s = failure(api, "an argument has more than 4 dimensions");
	if (!s) s = CALL(api, slot_dimensions, const void *, int64_t *, size_t)(shape, sizes, t->rank);
	((void (*)(void *))api[slot_release_shape])(shape);
	if (s) return s;
	for (size_t i = 0; i < t->rank; i++) t->size[i] = (size_t)sizes[i];
	return CALL(api, slot_tensor_data, const void *, float **)(value, &t->data);
}

static status *write_output(interface api, void *context, const size_t size[4], float **data) {
	int64_t sizes[4] = {(int64_t)size[0], (int64_t)size[1], (int64_t)size[2], (int64_t)size[3]};
	void *value = NULL;
	status *s = CALL(api, slot_output, void *, size_t, const int64_t *, size_t, void **)(context, 0, sizes, 4, &value);
	return s ? s : CALL(api, slot_tensor_data, void *, float **)(value, data);
}

typedef struct {
	interface api;
	const void *context;
} threads;

// run_on_threads runs work on the session's own threads.
static void run_on_threads(void *context, void (*work)(void *, size_t), size_t count, void *arg) {
	const threads *t = context;
	status *s = CALL(t->api, slot_parallel_for, const void *, void (*)(void *, size_t), size_t, size_t, void *)(t->context, work, count, 0, arg);
	if (!s) return;
	release(t->api, s); // no work was started
	for (size_t i = 0; i < count; i++) work(arg, i);
}

static int is_map(const tensor *t) { return t->data && t->rank == 4 && t->size[1] % winograd_channels == 0; }

static status *convolve(void *kernel, void *context) {
	const operation *o = kernel;
	tensor x, w, bias, scale, sum = {0};
	tensor *arguments[] = {&x, &w, &bias, &scale, &sum};
	for (size_t i = 0; i < (o->taps == 3 ? 5 : 4); i++) {
		status *s = read_input(o->api, context, i, arguments[i]);
		if (s) return s;
	}
	size_t in = o->adjoint ? 0 : 1, out = 1 - in;
	if (!is_map(&x) || !w.data || w.rank != 4 || w.size[in] != x.size[1] || w.size[out] % winograd_channels || w.size[2] != o->taps || w.size[3] != o->taps)
		return failure(o->api, "expected x [N, C, H, W] and a kernel [K, C, 5, 5] or [K, C, 3, 3], C and K multiples of 16");
	if ((bias.data && bias.size[0] != w.size[out]) || (scale.data && scale.size[0] != w.size[out]))
		return failure(o->api, "expected a bias and a scale for each channel of the output");
	float *y;
	size_t size[4] = {x.size[0], w.size[out], x.size[2], x.size[3]};
	if (sum.data && (sum.rank != 4 || memcmp(sum.size, size, sizeof size))) return failure(o->api, "expected a map of the output's shape to add");
	status *s = write_output(o->api, context, size, &y);
	if (s) return s;
	threads t = {o->api, context};
	winograd_conv c = {x.size[0], x.size[1], size[1], x.size[2], x.size[3], x.data, w.data, scale.data, bias.data, y, o->adjoint, o->relu,
	                   sum.data};
	work_pool pool = {run_on_threads, &t, o->threads};
	int failed = o->taps == 3 ? winograd_convolve_3x3(o->kind, &c, &pool) : winograd_convolve(o->kind, &c, &pool);
	return failed ? failure(o->api, "out of memory") : NULL;
}

static status *kernel_gradient(void *kernel, void *context) {
	const operation *o = kernel;
	tensor x, dy;
	status *s = read_input(o->api, context, 0, &x);
	if (!s) s = read_input(o->api, context, 1, &dy);
	if (s) return s;
	if (!is_map(&x) || !is_map(&dy) || x.size[0] != dy.size[0] || x.size[2] != dy.size[2] || x.size[3] != dy.size[3])
		return failure(o->api, "expected x [N, C, H, W] and a gradient [N, K, H, W], C and K multiples of 16");
	float *dkernel;
	size_t size[4] = {dy.size[1], x.size[1], 5, 5};
	s = write_output(o->api, context, size, &dkernel);
	if (s) return s;
	threads t = {o->api, context};
	winograd_grad g = {x.size[0], x.size[1], dy.size[1], x.size[2], x.size[3], x.data, dy.data, dkernel};
	work_pool pool = {run_on_threads, &t, o->threads};
	return winograd_kernel_gradient(o->kind, &g, &pool) ? failure(o->api, "out of memory") : NULL;
}

// is_vector reports whether an argument has one number for each of n channels.
static int is_vector(const tensor *t, size_t n) { return t->data && t->rank == 1 && t->size[0] == n; }

static status *frequency_features(void *kernel, void *context) {
	const operation *o = kernel;
	enum { side = frequencies_side };
	tensor x, w, scale, bias, mix, out_scale, out_bias;
	tensor *arguments[] = {&x, &w, &scale, &bias, &mix, &out_scale, &out_bias};
	for (size_t i = 0; i < 7; i++) {
		status *s = read_input(o->api, context, i, arguments[i]);
		if (s) return s;
	}
	if (!x.data || x.rank != 4 || x.size[1] != 1 || x.size[2] % side || x.size[3] % side)
		return failure(o->api, "expected coefficients [N, 1, H, W], H and W multiples of 8");
	if (!w.data || w.rank != 4 || w.size[1] != frequencies_planes || w.size[2] != 3 || w.size[3] != 3 || !is_vector(&scale, w.size[0]) ||
	    !is_vector(&bias, w.size[0]))
		return failure(o->api, "expected a kernel [K, 21, 3, 3], and a scale and a bias for each of its outputs");
	if (!mix.data || mix.rank != 4 || mix.size[0] > frequencies_most_outputs || mix.size[1] != w.size[0] || mix.size[2] * mix.size[3] != 1 ||
	    !is_vector(&out_scale, mix.size[0]) || !is_vector(&out_bias, mix.size[0]))
		return failure(o->api, "expected a second kernel [C, K, 1, 1], C at most 8, and a scale and a bias for each of its outputs");
	float *y;
	size_t size[4] = {x.size[0], mix.size[0] * side * side, x.size[2] / side, x.size[3] / side};
	status *s = write_output(o->api, context, size, &y);
	if (s) return s;
	threads t = {o->api, context};
	frequencies f = {x.size[0], x.size[2], x.size[3], w.size[0], mix.size[0], x.data, w.data, scale.data, bias.data,
	                 mix.data,  out_scale.data, out_bias.data, y};
	work_pool pool = {run_on_threads, &t, o->threads};
	return frequencies_compute(o->kind, &f, &pool) ? failure(o->api, "out of memory") : NULL;
}

static status *create(const definition *d, interface api, const void *info, void **kernel) {
	operation *o = malloc(sizeof *o);
	if (!o) return failure(api, "out of memory");
	*o = (operation){.api = api, .kind = d->kind, .threads = d->threads, .taps = d->taps};
	struct { const char *name; int *to; } attributes[] = {{"adjoint", &o->adjoint}, {"relu", &o->relu}};
	for (size_t i = 0; i < 2; i++) {
		int64_t value = 0;
		release(api, CALL(api, slot_attribute, const void *, const char *, int64_t *)(info, attributes[i].name, &value)); // missing: 0
		*attributes[i].to = value != 0;
	}
	*kernel = o;
	return NULL;
}

static void *create_never(const definition *d, interface api, const void *info) { return NULL; }
static void compute_never(void *kernel, void *context) {}
static const char *convolve_name(const definition *d) { return "Convolve5x5"; }
static const char *small_name(const definition *d) { return "Convolve3x3"; }
static const char *gradient_name(const definition *d) { return "KernelGradient5x5"; }
static const char *frequency_name(const definition *d) { return "FrequencyFeatures"; }
static const char *provider(const definition *d) { return "CPUExecutionProvider"; }
static int float_type(const definition *d, size_t i) { return element_float; }
static size_t one(const definition *d) { return 1; }
static size_t two(const definition *d) { return 2; }
static size_t four(const definition *d) { return 4; }
static size_t five(const definition *d) { return 5; }
static size_t seven(const definition *d) { return 7; }
static int required(const definition *d, size_t i) { return argument_required; }
static int first_required(const definition *d, size_t i) { return i < 2 ? argument_required : argument_optional; }
static int default_memory(const definition *d, size_t i) { return 0; }
static int no_variadic(const definition *d) { return 0; }

static definition common(processor kind, size_t threads) {
	return (definition){
		.version = interface_version, .create = create_never, .provider = provider, .input_type = float_type, .output_type = float_type,
		.output_count = one, .compute = compute_never, .destroy = free, .input_kind = first_required, .output_kind = required,
		.input_memory = default_memory, .variadic = {no_variadic, no_variadic, no_variadic, no_variadic}, .create_or_fail = create,
		.kind = kind, .threads = threads,
	};
}

void *operators_domain(const void *base, processor kind, size_t threads, char **error) {
	interface api = api_of(base);
	enum { count = 4 };
	definition *d = malloc(count * sizeof *d);
	if (!api || !d) {
		*error = strdup(api ? "out of memory" : "the library lacks version 17 of the interface");
		free(d);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) d[i] = common(kind, threads);
	d[0].name = convolve_name, d[0].input_count = four, d[0].compute_or_fail = convolve, d[0].taps = 5;
	d[1].name = gradient_name, d[1].input_count = two, d[1].compute_or_fail = kernel_gradient;
	d[2].name = frequency_name, d[2].input_count = seven, d[2].compute_or_fail = frequency_features, d[2].input_kind = required;
	d[3].name = small_name, d[3].input_count = five, d[3].compute_or_fail = convolve, d[3].taps = 3;
	void *domain = NULL;
	status *s = CALL(api, slot_create_domain, const char *, void **)("declip", &domain);
	for (size_t i = 0; i < count && !s; i++) s = CALL(api, slot_domain_add, void *, const definition *)(domain, &d[i]);
	*error = text(api, s);
	return *error ? NULL : domain;
}

char *operators_add(const void *base, void *options, void *domain) {
	interface api = api_of(base);
	return text(api, CALL(api, slot_add_domain, void *, void *)(options, domain));
}
