// The convolutions as operations of ONNX Runtime.
#ifndef DECLIP_WINOGRAD_OP_H
#define DECLIP_WINOGRAD_OP_H

#include <stddef.h>

#include "winograd.h"

// winograd_domain makes a set of operations for sessions of so many threads, which is kept until the process ends. base is what
// OrtGetApiBase returns. On failure it returns NULL and a message in *error that the caller frees, if there was memory for it.
void *winograd_domain(const void *base, winograd_kind kind, size_t threads, char **error);

// winograd_add puts the set into a session's options; NULL or a message as above.
char *winograd_add(const void *base, void *options, void *domain);

#endif
