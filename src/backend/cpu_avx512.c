/* The kernels for AVX-512. */
#include "backend/tables.h"

#if AT_X86_TABLES

#include "backend/compact_avx512.h"
#include "backend/vec_avx512.h"

#include "backend/kernels.inc"

const at_backend at_cpu_avx512 = AT_KERNELS("avx512", 256);
const at_vector_math at_cpu_avx512_math = AT_MATH("avx512");

#endif
