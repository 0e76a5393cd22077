// Memory that is lent from one call to the next: pages that the system hands out anew cost as much as filling them.
#ifndef DECLIP_SCRATCH_H
#define DECLIP_SCRATCH_H

#include <stddef.h>

// scratch_take returns memory for so many floats, aligned for vectors, with any contents; NULL if there is none.
float *scratch_take(size_t floats);

// scratch_give takes it back; NULL is nothing.
void scratch_give(float *p);

// scratch_free gives all that is not lent out back to the system.
void scratch_free(void);

#endif
