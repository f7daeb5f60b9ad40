/* Which products of bf16 operands: by what the processor has and the system keeps the registers of, and what the user asks for. */
#define _GNU_SOURCE
#include "backend/half_tables.h"

#include <stdio.h>
#include <string.h>

#if AT_HALF_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifndef AT_DOUBLE

static int runs_model(void) { return 1; }

#if AT_HALF_X86
static int runs_dot_products(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

/* Tiles are kept by the system only for a process that asks: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA), for all of its threads. */
static int runs_tiles(void) {
    enum { REQUEST = 0x1023, TILE_DATA = 18, BF16 = 1 << 22, TILES = 1 << 24 };
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx512f") || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & BF16) || !(d & TILES)) return 0;
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* Where the dot products run at twice the rate of fp32. */
static int dot_products_pay(void) { return __builtin_cpu_is("amd"); }
#endif

typedef struct candidate {
    const at_half *table;
    int (*runs)(void);
    const char *beside; /* the kernels that it is used with; NULL: the best */
} candidate;

/* Best first; the last one is never chosen unless it is named. */
static const candidate candidates[] = {
#if AT_HALF_X86
    {&at_half_amx, runs_tiles, "avx512"},
    {&at_half_avx512, runs_dot_products, "avx512"},
#endif
    {&at_half_amx_model, runs_model, NULL},
};
enum { N_CANDIDATES = sizeof candidates / sizeof *candidates };

static const candidate *named(const char *name) {
    for (int i = 0; name && i < N_CANDIDATES; i++)
        if (!strcmp(name, candidates[i].table->name)) return &candidates[i];
    return NULL;
}

const at_half *at_half_find(const char *name) {
    const candidate *c = named(name);
    return c && c->runs() ? c->table : NULL;
}

static int pays(const candidate *c) {
#if AT_HALF_X86
    return c->table == &at_half_amx || (c->table == &at_half_avx512 && dot_products_pay());
#else
    (void)c;
    return 0;
#endif
}

static at_status choose_half(const char *cpu, at_precision precision, const at_half **half, at_error *err) {
    const candidate *asked = named(cpu);
    *half = NULL;
    if (asked && !asked->runs())
        return at_fail(err, AT_USAGE, "kernels '%s' need a processor with that instruction, which this one lacks; leave the choice to 'auto'",
                       cpu);
    if (precision == AT_PRECISION_FP32) return AT_OK;
    if (asked) {
        *half = asked->table;
        return AT_OK;
    }
    int any = !cpu || !strcmp(cpu, "auto");
    for (int i = 0; any && i < N_CANDIDATES - 1 && !*half; i++)
        if (candidates[i].runs() && (precision == AT_PRECISION_BF16 || pays(&candidates[i]))) *half = candidates[i].table;
    if (*half || precision == AT_PRECISION_AUTO) return AT_OK;
    return at_fail(err, AT_USAGE, "--precision bf16 needs %s; use fp32, which is the default%s",
                   any ? "a processor with AMX or AVX-512 BF16, which this one lacks" : "the kernels 'amx' or 'avx512-bf16'", any ? "" : ", or leave the choice to --cpu auto");
}

at_status at_kernels_choose(const char *cpu, at_precision precision, at_kernels *kernels, const at_backend **backend, at_error *err) {
    const candidate *asked = named(cpu);
    const at_backend *table;
    const at_half *half;
    AT_TRY(choose_half(cpu, precision, &half, err));
    AT_TRY(at_backend_choose(asked ? asked->beside : cpu, &table, err));
    kernels->table = *table;
    *backend = &kernels->table;
    if (!half) return AT_OK;
    kernels->table.half = half;
    kernels->table.chunk_rows = half->chunk_rows;
    snprintf(kernels->name, sizeof kernels->name, strcmp(half->name, "avx512-bf16") ? "%s+%s" : "%.0s%s", table->name, half->name);
    kernels->table.name = kernels->name;
    return AT_OK;
}

#endif
