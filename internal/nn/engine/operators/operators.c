//go:build amd64 && (linux || darwin)

#include "operators.h"

#include "convtanh.h"
#include "frequencies.h"
#include "interface.h"
#include "winograd.h"

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

static status *convolve_tanh(void *kernel, void *context) {
	const operation *o = kernel;
	tensor x, w;
	status *s = read_input(o->api, context, 0, &x);
	if (!s) s = read_input(o->api, context, 1, &w);
	if (s) return s;
	if (!x.data || !w.data || x.rank != 4 || w.rank != 4 || x.size[1] != w.size[1] || w.size[2] != 3 || w.size[3] != 3 ||
	    w.size[1] > conv_tanh_most_inputs || w.size[0] > conv_tanh_most_outputs)
		return failure(o->api, "expected x [N, C, H, W] and a kernel [K, C, 3, 3], C at most 4 and K at most 16");
	float *y;
	size_t size[4] = {x.size[0], w.size[0], x.size[2], x.size[3]};
	s = write_output(o->api, context, size, &y);
	if (s) return s;
	threads t = {o->api, context};
	conv_tanh c = {x.size[0], x.size[1], w.size[0], x.size[2], x.size[3], x.data, w.data, y};
	work_pool pool = {run_on_threads, &t, o->threads};
	return conv_tanh_compute(o->kind, &c, &pool) ? failure(o->api, "out of memory") : NULL;
}

static status *create(const definition *d, interface api, const void *info, void **kernel) {
	operation *o = malloc(sizeof *o);
	if (!o) return failure(api, "out of memory");
	*o = (operation){.api = api, .kind = d->kind, .threads = d->threads, .taps = d->taps};
	struct { const char *name; int *to; } attributes[] = {{"adjoint", &o->adjoint}, {"relu", &o->relu}, {"dilation", &o->dilation}};
	for (size_t i = 0; i < 3; i++) {
		int64_t value = 0;
		release(api, CALL(api, slot_attribute, const void *, const char *, int64_t *)(info, attributes[i].name, &value)); // missing: 0
		*attributes[i].to = (int)value;
	}
	release(api, CALL(api, slot_float_attribute, const void *, const char *, float *)(info, "epsilon", &o->epsilon));
	*kernel = o;
	return NULL;
}

static void *create_never(const definition *d, interface api, const void *info) { return NULL; }
static void compute_never(void *kernel, void *context) {}
static const char *convolve_name(const definition *d) { return "Convolve5x5"; }
static const char *small_name(const definition *d) { return "Convolve3x3"; }
static const char *gradient_name(const definition *d) { return "KernelGradient5x5"; }
static const char *frequency_name(const definition *d) { return "FrequencyFeatures"; }
static const char *tanh_name(const definition *d) { return "ConvolveTanh3x3"; }
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
	enum { own = 5, count = own + training_operators };
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
	d[4].name = tanh_name, d[4].input_count = two, d[4].compute_or_fail = convolve_tanh, d[4].input_kind = required;
	training_define(d + own);
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
