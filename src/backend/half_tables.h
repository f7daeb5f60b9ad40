/* The tables of bf16 products of this build. */
#ifndef AT_BACKEND_HALF_TABLES_H
#define AT_BACKEND_HALF_TABLES_H

#include "backend/half.h"
#include "backend/tables.h"

#define AT_HALF_X86 AT_X86_TABLES

#ifndef AT_DOUBLE
extern const at_half at_half_amx_model;
#if AT_HALF_X86
extern const at_half at_half_amx;
extern const at_half at_half_avx512;
#endif
#endif

#endif
