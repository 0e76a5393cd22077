// Memory that is kept from one call to the next: fresh pages from the system cost as much as filling
// them.
#ifndef DECLIP_SCRATCH_H
#define DECLIP_SCRATCH_H

#include <stddef.h>

// scratch_take returns memory for a number of floats, aligned for vectors and uninitialised; NULL if
// there is none.
float *scratch_take(size_t floats);

// scratch_give returns the memory for later use; NULL is ignored.
void scratch_give(float *p);

// scratch_free returns all unused memory to the system.
void scratch_free(void);

#endif
