/* What the benchmarks of kernels share: a case alternates with a probe of the same moment, and the medians over the rounds count. */
#ifndef AT_BENCH_MEASURE_H
#define AT_BENCH_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"

/* Time of this thread alone: what other programs take of the processor is not counted. */
static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile float sink; /* keeps what is computed alive */

/* Does a piece of work and returns how much: flop or bytes. */
typedef double (*probe_function)(void);

/* Medians over the rounds: seconds of one run, its rate and the probe's in units a second, their ratio. swing: between the
 * quarter and the three quarters of the probe's rounds, relative; above 0.25 the machine is no place to measure. */
typedef struct outcome { double seconds, rate, probe, share, swing; } outcome;

enum { MOST_ROUNDS = 512 };

static inline double rate_of_probe(probe_function probe) {
    double start = now(), work = probe();
    return work / (now() - start);
}

static inline int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double quantile(double *x, int n, double q) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return x[(int)(q * (n - 1) + 0.5)];
}

static inline outcome measure_beside(void (*run)(void *context), void *context, double work, probe_function probe, double seconds) {
    double taken[MOST_ROUNDS], probed[MOST_ROUNDS], share[MOST_ROUNDS];
    run(context);
    double start = now();
    run(context);
    int repeats = (int)(0.002 / (now() - start)) + 1, n = 0;
    for (double end = now() + seconds; n < MOST_ROUNDS && (n < 3 || now() < end); n++) {
        probed[n] = rate_of_probe(probe);
        start = now();
        for (int i = 0; i < repeats; i++) run(context);
        taken[n] = (now() - start) / repeats;
        share[n] = work / taken[n] / probed[n];
    }
    outcome r = {.seconds = quantile(taken, n, 0.5), .probe = quantile(probed, n, 0.5), .share = quantile(share, n, 0.5)};
    r.rate = work / r.seconds;
    r.swing = quantile(probed, n, 0.75) / quantile(probed, n, 0.25) - 1;
    return r;
}

static inline float *draw(size_t n, uint64_t seed) {
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    if (!x) exit(7);
    for (size_t i = 0; i < n; i++) x[i] = (float)(at_random_uniform(seed, i) * 2 - 1);
    return x;
}

#endif
