/* The tables of this build, each a file of its own that compiles the same kernels for its instructions. */
#ifndef AT_BACKEND_TABLES_H
#define AT_BACKEND_TABLES_H

#include "backend/backend.h"

extern const at_backend at_cpu_portable;

#define AT_X86_TABLES 0

#endif
