// The part of ONNX Runtime's C interface that is used, and how operators read their inputs.
#ifndef DECLIP_INTERFACE_H
#define DECLIP_INTERFACE_H

#include "work.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Declared here so that no header is needed. OrtApi is a table of function pointers that grows only at its end; the slots are counted from
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
	slot_float_attribute = 85,
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
	int adjoint, relu, dilation;
	float epsilon;
} operation;

static inline interface api_of(const void *base) { return ((const api_base *)base)->get_api(interface_version); }

static inline status *failure(interface api, const char *message) {
	return CALL(api, slot_create_status, int, const char *)(error_failed, message);
}

static inline void release(interface api, status *s) {
	if (s) ((void (*)(status *))api[slot_release_status])(s);
}

// text returns the message of a status.
static inline char *text(interface api, status *s) {
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
static inline status *read_input(interface api, const void *context, size_t index, tensor *t) {
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

// allocate_output makes the output of an index and gives its address.
static inline status *allocate_output(interface api, void *context, size_t index, const size_t *size, size_t rank, float **data) {
	int64_t sizes[4];
	for (size_t i = 0; i < rank; i++) sizes[i] = (int64_t)size[i];
	void *value = NULL;
	status *s = CALL(api, slot_output, void *, size_t, const int64_t *, size_t, void **)(context, index, sizes, rank, &value);
	return s ? s : CALL(api, slot_tensor_data, void *, float **)(value, data);
}

// write_output makes the only output of an operator, of four dimensions.
static inline status *write_output(interface api, void *context, const size_t size[4], float **data) {
	return allocate_output(api, context, 0, size, 4, data);
}

typedef struct {
	interface api;
	const void *context;
} threads;

// run_on_threads runs work on the session's own threads.
static inline void run_on_threads(void *context, void (*work)(void *, size_t), size_t count, void *arg) {
	const threads *t = context;
	status *s = CALL(t->api, slot_parallel_for, const void *, void (*)(void *, size_t), size_t, size_t, void *)(t->context, work, count, 0, arg);
	if (!s) return;
	release(t->api, s); // no work was started
	for (size_t i = 0; i < count; i++) work(arg, i);
}

// is_vector reports whether an argument has one number for each of n channels.
static inline int is_vector(const tensor *t, size_t n) { return t->data && t->rank == 1 && t->size[0] == n; }

// training_define completes the definitions of the operators of training steps.
enum { training_operators = 6 };
void training_define(definition *d);

#endif
