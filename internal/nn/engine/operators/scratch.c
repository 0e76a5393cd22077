//go:build amd64 && (linux || darwin)

#include "scratch.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

// head precedes each piece of memory.
typedef struct head {
	struct head *next;
	size_t floats;
	void *memory;
} head;

enum { alignment = 64 };

static const size_t most_idle = (size_t)48 << 20; // floats

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static head *idle; // the most recently freed piece comes first: it is in the cache
static size_t idle_floats;

// fitting takes the first idle piece that is large enough and not far too large.
static head *fitting(size_t floats) {
	for (head **p = &idle; *p; p = &(*p)->next)
		if ((*p)->floats >= floats && (*p)->floats / 4 <= floats) {
			head *h = *p;
			*p = h->next;
			idle_floats -= h->floats;
			return h;
		}
	return NULL;
}

float *scratch_take(size_t floats) {
	pthread_mutex_lock(&lock);
	head *h = fitting(floats);
	pthread_mutex_unlock(&lock);
	if (h) return (float *)((char *)h + alignment);
	void *memory = malloc(floats * sizeof(float) + 2 * alignment);
	if (!memory) return NULL;
	h = (head *)(((uintptr_t)memory + alignment - 1) / alignment * alignment);
	*h = (head){NULL, floats, memory};
	return (float *)((char *)h + alignment);
}

// drop_last frees the piece that has been idle longest.
static void drop_last(void) {
	head **p = &idle;
	while ((*p)->next) p = &(*p)->next;
	idle_floats -= (*p)->floats;
	free((*p)->memory);
	*p = NULL;
}

void scratch_give(float *p) {
	if (!p) return;
	head *h = (head *)((char *)p - alignment);
	pthread_mutex_lock(&lock);
	h->next = idle;
	idle = h;
	idle_floats += h->floats;
	while (idle_floats > most_idle) drop_last();
	pthread_mutex_unlock(&lock);
}

void scratch_free(void) {
	pthread_mutex_lock(&lock);
	while (idle) drop_last();
	pthread_mutex_unlock(&lock);
}
