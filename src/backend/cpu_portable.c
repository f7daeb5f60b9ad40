/* The kernels for any processor. */
#include "backend/tables.h"

#include "backend/compact_portable.h"
#include "backend/vec_portable.h"

#include "backend/kernels.inc"

const at_backend at_cpu_portable = AT_KERNELS("portable", 128);
const at_vector_math at_cpu_portable_math = AT_MATH("portable");
