package engine

/*
#include <malloc.h>

static void returnMemory(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

// returnMemory makes the C library return freed memory to the system. Packing weights for the
// processor copies them more than once, and glibc keeps the memory of the copies: most of a
// gigabyte for ViT-L/14.
func returnMemory() { C.returnMemory() }
