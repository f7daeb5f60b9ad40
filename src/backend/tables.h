/* The tables of this build, each a file of its own that compiles the same kernels for its instructions. */
#ifndef AT_BACKEND_TABLES_H
#define AT_BACKEND_TABLES_H

#include "backend/backend.h"

/* The functions that the kernels are made of, for the test of their error: y[i] = f(x[i]), n a multiple of 16. */
typedef struct at_vector_math {
    const char *name;
    void (*exp)(const at_real *x, at_real *y, size_t n);
    void (*exp_negative)(const at_real *x, at_real *y, size_t n);
    void (*erf)(const at_real *x, at_real *y, size_t n);
    void (*normal_cdf)(const at_real *x, at_real *y, size_t n);
    void (*tanh)(const at_real *x, at_real *y, size_t n);
} at_vector_math;

extern const at_backend at_cpu_portable;
extern const at_vector_math at_cpu_portable_math;

/* The double build and other processors have the portable table only. */
#if defined(__x86_64__) && !defined(AT_DOUBLE)
#define AT_X86_TABLES 1
extern const at_backend at_cpu_avx2;
extern const at_backend at_cpu_avx512;
extern const at_vector_math at_cpu_avx2_math;
extern const at_vector_math at_cpu_avx512_math;
#else
#define AT_X86_TABLES 0
#endif

#endif
