/* The tables of this build, each a file of its own that compiles the same kernels for its instructions. */
#ifndef AT_BACKEND_TABLES_H
#define AT_BACKEND_TABLES_H

#include "backend/backend.h"

extern const at_backend at_cpu_portable;

/* The double build and other processors have the portable table only. */
#if defined(__x86_64__) && !defined(AT_DOUBLE)
#define AT_X86_TABLES 1
extern const at_backend at_cpu_avx2;
extern const at_backend at_cpu_avx512;
#else
#define AT_X86_TABLES 0
#endif

#endif
