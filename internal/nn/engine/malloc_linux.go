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

// returnMemory has the C library give freed memory back to the system. While weights are put into the processor's order
// they are copied more than once; glibc keeps what the copies took, most of a gigabyte for ViT-L/14.
func returnMemory() { C.returnMemory() }
