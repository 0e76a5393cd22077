// The operators for sessions of ONNX Runtime.
#ifndef DECLIP_OPERATORS_H
#define DECLIP_OPERATORS_H

#include <stddef.h>

#include "work.h"

// operators_domain makes a set of operators for sessions with the given number of threads, which must
// exist until the process ends. base is the result of OrtGetApiBase. On failure it returns NULL and,
// if there is memory for it, a message in *error that the caller frees.
void *operators_domain(const void *base, processor kind, size_t threads, char **error);

// operators_add adds the set to a session's options; it returns NULL or a message as above.
char *operators_add(const void *base, void *options, void *domain);

#endif
