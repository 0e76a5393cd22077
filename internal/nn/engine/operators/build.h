// The whole implementation for one kind of processor. A file that includes this defines LANES, TAPS,
// WIDE (vectors of a row of a product that are kept in registers), NAME, FREQUENCIES, CONV_TANH and TRAINING, after the
// pragma that names the processor.
#include "convtanh.h"
#include "frequencies.h"
#include "scratch.h"
#include "training.h"
#include "winograd.h"

#include <math.h>

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vec_index){__VA_ARGS__})
#endif

#include "vectors.h"
#include "transforms.h"
#include "bands.h"
#include "kernels.h"
#include "product.h"
#include "convolve.h"
#if TAPS == 5
#include "gradient.h"
#include "lookup.h"
#include "taps.h"
#include "depthwise.h"
#include "moments.h"
#endif
