//go:build amd64 && (linux || darwin)

// The operators of training steps for ONNX Runtime.

#include "training.h"

#include "interface.h"

static map_size size_of(const tensor *t) { return (map_size){t->size[0], t->size[1], t->size[2], t->size[3]}; }

static int same_size(const tensor *a, const tensor *b) {
	return a->data && b->data && a->rank == b->rank && !memcmp(a->size, b->size, a->rank * sizeof a->size[0]);
}

// read_inputs reads the first count arguments.
static status *read_inputs(interface api, const void *context, tensor *list, size_t count) {
	for (size_t i = 0; i < count; i++) {
		status *s = read_input(api, context, i, &list[i]);
		if (s) return s;
	}
	return NULL;
}

static status *finished(interface api, int failed) { return failed ? failure(api, "out of memory") : NULL; }

// depthwise_node computes the output of a depthwise convolution, or the gradient by its kernel.
static status *depthwise_node(const operation *o, void *context, int gradient) {
	tensor in[2];
	status *s = read_inputs(o->api, context, in, 2);
	if (s) return s;
	tensor *x = &in[0], *other = &in[1];
	size_t kernel[4] = {x->size[1], 1, 3, 3};
	int fits = gradient ? same_size(x, other) : other->data && other->rank == 4 && !memcmp(other->size, kernel, sizeof kernel);
	if (!x->data || x->rank != 4 || !fits || o->dilation < 1)
		return failure(o->api, "expected x [N, C, H, W], a kernel [C, 1, 3, 3] or a gradient [N, C, H, W], and a dilation of at least 1");
	float *y;
	s = write_output(o->api, context, gradient ? kernel : x->size, &y);
	if (s) return s;
	threads t = {o->api, context};
	work_pool pool = {run_on_threads, &t, o->threads};
	depthwise c = {.size = size_of(x), .dilation = (size_t)o->dilation, .x = x->data, .kernel = other->data, .dy = other->data, .y = y};
	return finished(o->api, gradient ? depthwise_gradient(o->kind, &c, &pool) : depthwise_convolve(o->kind, &c, &pool));
}

static status *convolve(void *kernel, void *context) { return depthwise_node(kernel, context, 0); }
static status *kernel_gradient(void *kernel, void *context) { return depthwise_node(kernel, context, 1); }

static status *moments(void *kernel, void *context) {
	const operation *o = kernel;
	tensor x;
	status *s = read_inputs(o->api, context, &x, 1);
	if (s) return s;
	if (!x.data || x.rank != 4) return failure(o->api, "expected x [N, C, H, W]");
	batch_norm b = {.size = size_of(&x), .x = x.data};
	float **outputs[] = {&b.out_mean, &b.out_variance};
	for (size_t i = 0; i < 2; i++) {
		s = allocate_output(o->api, context, i, &x.size[1], 1, outputs[i]);
		if (s) return s;
	}
	threads t = {o->api, context};
	work_pool pool = {run_on_threads, &t, o->threads};
	return finished(o->api, batch_moments(o->kind, &b, &pool));
}

static status *norm_gradient(void *kernel, void *context) {
	const operation *o = kernel;
	tensor in[5]; // x, scale, mean, variance, dy
	status *s = read_inputs(o->api, context, in, 5);
	if (s) return s;
	size_t channels = in[0].size[1];
	if (in[0].rank != 4 || !same_size(&in[0], &in[4]) || !is_vector(&in[1], channels) || !is_vector(&in[2], channels) ||
	    !is_vector(&in[3], channels))
		return failure(o->api, "expected x and a gradient [N, C, H, W], and a scale, a mean and a variance for each channel");
	batch_norm b = {.size = size_of(&in[0]), .x = in[0].data, .scale = in[1].data, .mean = in[2].data, .variance = in[3].data,
	                .dy = in[4].data, .epsilon = o->epsilon};
	s = write_output(o->api, context, in[0].size, &b.dx);
	float **outputs[] = {&b.dscale, &b.dbias};
	for (size_t i = 0; i < 2 && !s; i++) s = allocate_output(o->api, context, i + 1, &channels, 1, outputs[i]);
	if (s) return s;
	threads t = {o->api, context};
	work_pool pool = {run_on_threads, &t, o->threads};
	return finished(o->api, batch_gradient(o->kind, &b, &pool));
}

static status *relu_node(void *kernel, void *context) {
	const operation *o = kernel;
	tensor in[2]; // y, dy
	status *s = read_inputs(o->api, context, in, 2);
	if (s) return s;
	if (!same_size(&in[0], &in[1])) return failure(o->api, "expected two arguments of one shape");
	relu r = {.count = 1, .y = in[0].data, .dy = in[1].data};
	for (size_t i = 0; i < in[0].rank; i++) r.count *= in[0].size[i];
	s = allocate_output(o->api, context, 0, in[0].size, in[0].rank, &r.dx);
	if (s) return s;
	threads t = {o->api, context};
	work_pool pool = {run_on_threads, &t, o->threads};
	return finished(o->api, relu_gradient(o->kind, &r, &pool));
}

static status *pool_node(void *kernel, void *context) {
	const operation *o = kernel;
	tensor in[3]; // x, y, dy
	status *s = read_inputs(o->api, context, in, 3);
	if (s) return s;
	tensor *x = &in[0], *y = &in[1];
	if (!x->data || x->rank != 4 || !same_size(y, &in[2]) || y->rank != 4 || x->size[0] != y->size[0] || x->size[1] != y->size[1] ||
	    (x->size[2] + 1) / 2 != y->size[2] || (x->size[3] + 1) / 2 != y->size[3])
		return failure(o->api, "expected x [N, C, H, W], and maxima and a gradient [N, C, (H+1)/2, (W+1)/2]");
	max_pool p = {.size = size_of(x), .x = x->data, .y = y->data, .dy = in[2].data};
	s = write_output(o->api, context, x->size, &p.dx);
	if (s) return s;
	threads t = {o->api, context};
	work_pool pool = {run_on_threads, &t, o->threads};
	return finished(o->api, pool_gradient(o->kind, &p, &pool));
}

static const char *convolve_name(const definition *d) { return "DepthwiseConvolve3x3"; }
static const char *gradient_name(const definition *d) { return "DepthwiseKernelGradient3x3"; }
static const char *moments_name(const definition *d) { return "BatchMoments"; }
static const char *norm_name(const definition *d) { return "BatchNormGradient"; }
static const char *relu_name(const definition *d) { return "ReluGradient"; }
static const char *pool_name(const definition *d) { return "MaxPoolGradient"; }
static size_t one(const definition *d) { return 1; }
static size_t two(const definition *d) { return 2; }
static size_t three(const definition *d) { return 3; }
static size_t five(const definition *d) { return 5; }
static int required(const definition *d, size_t i) { return argument_required; }

void training_define(definition *d) {
	for (size_t i = 0; i < training_operators; i++) d[i].input_kind = required;
	d[0].name = convolve_name, d[0].input_count = two, d[0].compute_or_fail = convolve;
	d[1].name = gradient_name, d[1].input_count = two, d[1].compute_or_fail = kernel_gradient;
	d[2].name = moments_name, d[2].input_count = one, d[2].output_count = two, d[2].compute_or_fail = moments;
	d[3].name = norm_name, d[3].input_count = five, d[3].output_count = three, d[3].compute_or_fail = norm_gradient;
	d[4].name = relu_name, d[4].input_count = two, d[4].compute_or_fail = relu_node;
	d[5].name = pool_name, d[5].input_count = three, d[5].compute_or_fail = pool_node;
}
