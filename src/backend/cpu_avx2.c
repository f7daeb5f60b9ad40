/* The kernels for AVX2 and FMA. */
#include "backend/tables.h"

#if AT_X86_TABLES

#include "backend/compact_avx2.h"
#include "backend/vec_avx2.h"

#include "backend/kernels.inc"

const at_backend at_cpu_avx2 = AT_KERNELS("avx2", 256);
const at_vector_math at_cpu_avx2_math = AT_MATH("avx2");

#endif
