/* Which table: the best that the processor has and the operating system keeps the registers of (both are what
 * __builtin_cpu_supports answers: it reads XCR0 beside cpuid). */
#include "backend/tables.h"

#include "base/str.h"

#include <string.h>

static int runs_always(void) { return 1; }

#if AT_X86_TABLES
static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

typedef struct candidate {
    const at_backend *table;
    int (*runs)(void);
    const char *needs;
} candidate;

/* Best first. */
static const candidate candidates[] = {
#if AT_X86_TABLES
    {&at_cpu_avx512, runs_avx512, "AVX-512 F, BW, DQ and VL"},
    {&at_cpu_avx2, runs_avx2, "AVX2 and FMA"},
#endif
    {&at_cpu_portable, runs_always, ""},
};

enum { N_CANDIDATES = sizeof candidates / sizeof candidates[0] };

static at_status unknown(const char *name, at_error *err) {
    const char *words[N_CANDIDATES + 1] = {"auto"};
    for (int i = 0; i < N_CANDIDATES; i++) words[i + 1] = candidates[i].table->name;
    const char *near = at_nearest(name, words, N_CANDIDATES + 1);
    if (near) return at_fail(err, AT_USAGE, "unknown kernels '%s'. Did you mean '%s'?", name, near);
    return at_fail(err, AT_USAGE, "unknown kernels '%s'; there are auto, avx512, avx2 and portable", name);
}

at_status at_backend_choose(const char *name, const at_backend **backend, at_error *err) {
    int any = !name || !strcmp(name, "auto");
    for (int i = 0; i < N_CANDIDATES; i++) {
        const candidate *c = &candidates[i];
        if (!any && strcmp(name, c->table->name)) continue;
        if (c->runs()) {
            *backend = c->table;
            return AT_OK;
        }
        if (!any)
            return at_fail(err, AT_USAGE, "kernels '%s' need a processor with %s, which this one lacks; leave the choice to "
                           "'auto'", name, c->needs);
    }
    return unknown(name, err);
}
