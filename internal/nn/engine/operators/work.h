// The processor and its threads, for all operators.
#ifndef DECLIP_WORK_H
#define DECLIP_WORK_H

#include <stddef.h>

// Kinds of processors, by the instructions that they require.
typedef enum { processor_avx2, processor_avx512 } processor;

// work_pool runs work(arg, i) for i from 0 to count - 1, on any threads, and returns when all have ended.
typedef struct {
	void (*run)(void *context, void (*work)(void *arg, size_t i), size_t count, void *arg);
	void *context;
	size_t threads;
} work_pool;

#endif
