/* Every kernel family of a table at the shapes of MiniLM-L6 (384, 12 heads of 32, 1536), on one thread, against the probes of
 * the same run: fused multiply-adds in registers, reading from L2, reading from memory. Each case alternates with its probe, and the
 * medians over the rounds count.
 *
 *   bench_kernels [--cpu NAME] [--json] [--only TEXT] [--seconds PER_CASE]
 *   bench_kernels --probe THREADS [--cpu NAME] [--seconds IN_ALL]     the multiply-add probe alone, on several threads; JSON
 *
 * Exit 1 where a kernel's result disagrees with the portable table's by more than rounding: checked before anything is timed. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "backend/backend.h"
#include "base/random.h"
#include "base/str.h"
#include "measure.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* ---- probes: each does a piece of work and returns how much (flop or bytes); `sink` keeps it alive ---- */

#ifdef __x86_64__
enum { PROBE_STEPS = 20000 };

__attribute__((target("avx512f"))) static double probe_fma_512(void) {
    __m512 sum[12], a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(0.999f);
    for (int i = 0; i < 12; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < PROBE_STEPS; k++) {
#ifdef __clang__
#pragma unroll
#else
#pragma GCC unroll 12
#endif
        for (int i = 0; i < 12; i++) sum[i] = _mm512_fmadd_ps(sum[i], b, a);
    }
    for (int i = 1; i < 12; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    sink = _mm512_reduce_add_ps(sum[0]);
    return 2.0 * 16 * 12 * PROBE_STEPS;
}

__attribute__((target("avx2,fma"))) static double probe_fma_256(void) {
    __m256 sum[12], a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(0.999f);
    for (int i = 0; i < 12; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < PROBE_STEPS; k++) {
#ifdef __clang__
#pragma unroll
#else
#pragma GCC unroll 12
#endif
        for (int i = 0; i < 12; i++) sum[i] = _mm256_fmadd_ps(sum[i], b, a);
    }
    for (int i = 1; i < 12; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    sink = _mm256_cvtss_f32(sum[0]);
    return 2.0 * 8 * 12 * PROBE_STEPS;
}
#endif

static double probe_multiply_add(void) { /* without fused instructions: four independent chains of scalars, vectorised or not */
    float sum[32];
    for (int i = 0; i < 32; i++) sum[i] = (float)i;
    for (int k = 0; k < 20000; k++)
        for (int i = 0; i < 32; i++) sum[i] = sum[i] * 0.999f + 1e-3f;
    float total = 0;
    for (int i = 0; i < 32; i++) total += sum[i];
    sink = total;
    return 2.0 * 32 * 20000;
}

static probe_function fma_probe_of(const char *table) {
#ifdef __x86_64__
    if (!strcmp(table, "avx512")) return probe_fma_512;
    if (!strcmp(table, "avx2")) return probe_fma_256;
#endif
    (void)table;
    return probe_multiply_add;
}

static float *l2_block, *memory_block;
enum { L2_FLOATS = 96 * 1024, MEMORY_FLOATS = 32 * 1024 * 1024 };

/* Eight chains, each of a vector that the compiler chooses: what reading costs, and nothing else. */
static float read_all(const float *x, size_t n) {
    float sum[128] = {0};
    for (size_t i = 0; i < n; i += 128)
        for (size_t c = 0; c < 128; c++) sum[c] += x[i + c];
    for (int c = 1; c < 128; c++) sum[0] += sum[c];
    return sum[0];
}
#ifdef __x86_64__
__attribute__((target("avx2"))) static float read_all_256(const float *x, size_t n) {
    __m256 sum[8];
    for (int c = 0; c < 8; c++) sum[c] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 64)
        for (int c = 0; c < 8; c++) sum[c] = _mm256_add_ps(sum[c], _mm256_loadu_ps(x + i + 8 * c));
    for (int c = 1; c < 8; c++) sum[0] = _mm256_add_ps(sum[0], sum[c]);
    return _mm256_cvtss_f32(sum[0]);
}
#endif

static double read_block(const float *x, size_t n) {
#ifdef __x86_64__
    sink = __builtin_cpu_supports("avx2") ? read_all_256(x, n) : read_all(x, n);
#else
    sink = read_all(x, n);
#endif
    return (double)n * sizeof(float);
}
static double probe_l2(void) {
    double bytes = 0;
    for (int i = 0; i < 20; i++) bytes += read_block(l2_block, L2_FLOATS);
    return bytes;
}
static double probe_memory(void) { return read_block(memory_block, MEMORY_FLOATS); }

/* ---- what is measured ---- */

enum { MOST_ROWS = 256, HIDDEN = 384, WIDE = 1536, HEADS = 12, QKV = 3 * HIDDEN, COPIES = 64 };

/* Operands, drawn once. Sized for the largest case. */
typedef struct operands {
    const at_backend *b;
    float *x, *y, *z, *pre, *packed, *dpacked, *bias, *gamma, *stats, *lse, *scratch, *flat[4];
    uint64_t *row_id;
    int rows, in, out, length, turn;
} operands;

static void run_forward(operands *o) {
    o->b->linear(o->x, o->in, o->packed, o->bias, AT_ACT_NONE, NULL, o->y, o->out, o->rows, o->in, o->out);
}
static void run_forward_gelu(operands *o) {
    o->b->linear(o->x, o->in, o->packed, o->bias, AT_ACT_GELU, o->pre, o->y, o->out, o->rows, o->in, o->out);
}
static void run_dx(operands *o) {
    o->b->linear_dx(o->x, o->out, o->packed, o->y, o->in, o->rows, o->in, o->out, 0, o->scratch);
}
static void run_dw(operands *o) {
    o->b->linear_dw(o->x, o->in, o->z, o->out, o->dpacked, o->bias, o->rows, o->in, o->out, o->scratch);
}

/* The same with weights and gradients that were not touched for 150 MB, as in a step over a whole model. */
static size_t next_copy(operands *o) { return (size_t)(o->turn++ % COPIES) * at_packed_size(WIDE, HIDDEN); }

static void run_forward_cold(operands *o) {
    operands turned = *o;
    turned.packed += next_copy(o);
    run_forward(&turned);
}
static void run_dx_cold(operands *o) {
    operands turned = *o;
    turned.packed += next_copy(o);
    run_dx(&turned);
}
static void run_dw_cold(operands *o) {
    operands turned = *o;
    turned.dpacked += next_copy(o);
    run_dw(&turned);
}

/* rows tokens in sequences of `length`. */
static at_attention attention_of(const operands *o, int *cu, uint32_t *id) {
    int n = o->rows / o->length;
    for (int s = 0; s <= n; s++) {
        cu[s] = s * o->length;
        id[s] = (uint32_t)s;
    }
    return (at_attention){.n_seq = n, .heads = HEADS, .kv_heads = HEADS, .head_dim = HIDDEN / HEADS, .scale = 0.17677669f,
                          .cu_q = cu, .cu_k = cu, .seq_id = id, .dropout_threshold = 6554, .dropout_key = 77};
}
static void run_attention(operands *o) {
    int cu[MOST_ROWS + 1];
    uint32_t id[MOST_ROWS + 1];
    at_attention a = attention_of(o, cu, id);
    o->b->attention(&a, o->x, QKV, o->x + HIDDEN, QKV, o->x + 2 * HIDDEN, QKV, o->z, HIDDEN, o->lse, o->scratch);
}
static void run_attention_backward(operands *o) {
    int cu[MOST_ROWS + 1];
    uint32_t id[MOST_ROWS + 1];
    at_attention a = attention_of(o, cu, id);
    o->b->attention_backward(&a, o->x, QKV, o->x + HIDDEN, QKV, o->x + 2 * HIDDEN, QKV, o->z, o->pre, HIDDEN, o->lse, o->y, QKV,
                             o->y + HIDDEN, QKV, o->y + 2 * HIDDEN, QKV, o->scratch);
}

static at_dropout dropout_of(const operands *o) {
    return (at_dropout){.threshold = 6554, .key = 99, .row_id = o->row_id};
}
static void run_norm(operands *o) {
    at_dropout d = dropout_of(o);
    o->b->norm(o->x, o->z, &d, o->gamma, o->bias, 1e-12f, 0, o->pre, o->stats, o->y, o->rows, HIDDEN);
}
static void run_norm_backward(operands *o) {
    at_dropout d = dropout_of(o);
    o->b->norm_backward(o->x, o->z, o->stats, &d, o->gamma, 0, o->y, 0, o->pre, 0, o->dpacked, o->dpacked + HIDDEN, o->rows, HIDDEN);
}
static void run_gelu(operands *o) { o->b->act_forward(AT_ACT_GELU, o->x, o->y, o->rows, WIDE, WIDE); }
static void run_gelu_backward(operands *o) { o->b->act_backward(AT_ACT_GELU, o->x, o->z, o->y, o->rows, WIDE, WIDE); }
static void run_dropout(operands *o) {
    at_dropout d = dropout_of(o);
    o->b->dropout(o->x, &d, o->y, 0, o->rows, HIDDEN);
}
static void run_adamw(operands *o) {
    static const at_adamw s = {.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01,
                               .correction1 = 0.1, .correction2 = 0.001, .gradient_scale = 1};
    o->b->adamw(&s, o->flat[0], o->flat[1], o->flat[2], o->flat[3], MEMORY_FLOATS / 4);
}
static void run_reduce(operands *o) {
    sink = (float)o->b->reduce(o->flat, 4, o->flat[0], MEMORY_FLOATS / 4);
}

typedef enum unit { GFLOP, L2_BYTES, MEMORY_BYTES } unit;

typedef struct bench_case {
    const char *name;
    void (*run)(operands *);
    int rows, in, out, length;
    unit unit;
    double work; /* flop or bytes of one run */
} bench_case;

#define PRODUCT(name, run, rows, in, out) {name, run, rows, in, out, 0, GFLOP, 2.0 * (rows) * (in) * (out)}
#define PRODUCTS(rows, in, out)                                                                                 \
    PRODUCT("forward", run_forward, rows, in, out), PRODUCT("input gradient", run_dx, rows, in, out),           \
        PRODUCT("weight gradient", run_dw, rows, in, out)
#define COLD(rows, in, out)                                                                                     \
    PRODUCT("forward, cold", run_forward_cold, rows, in, out),                                                  \
        PRODUCT("input gradient, cold", run_dx_cold, rows, in, out),                                            \
        PRODUCT("weight gradient, cold", run_dw_cold, rows, in, out)
#define SHAPES(rows) PRODUCTS(rows, HIDDEN, HIDDEN), PRODUCTS(rows, HIDDEN, WIDE), PRODUCTS(rows, WIDE, HIDDEN)
#define ATTENTION(length)                                                                                         \
    {"attention", run_attention, 256, 0, 0, length, GFLOP, 4.0 * (256 / (length)) * (length) * (length) * HIDDEN},                      \
        {"attention backward", run_attention_backward, 256, 0, 0, length, GFLOP, 10.0 * (256 / (length)) * (length) * (length) * HIDDEN}
#define ROWS(name, run, cols, arrays) {name, run, 128, 0, cols, 0, L2_BYTES, 4.0 * 128 * (cols) * (arrays)}
#define FLAT(name, run, arrays) {name, run, 0, 0, 0, 0, MEMORY_BYTES, 1.0 * MEMORY_FLOATS * (arrays)}

static const bench_case cases[] = {
    SHAPES(128), SHAPES(256), PRODUCTS(16, HIDDEN, HIDDEN), COLD(128, HIDDEN, WIDE), COLD(256, WIDE, HIDDEN),
    PRODUCT("forward + gelu", run_forward_gelu, 128, HIDDEN, WIDE),
    ATTENTION(16), ATTENTION(30), ATTENTION(128), ATTENTION(256),
    ROWS("dropout + residual + norm", run_norm, HIDDEN, 4), ROWS("its backward", run_norm_backward, HIDDEN, 4),
    ROWS("gelu", run_gelu, WIDE, 2), ROWS("gelu backward", run_gelu_backward, WIDE, 3), ROWS("dropout", run_dropout, HIDDEN, 2),
    FLAT("reduce 4 lanes", run_reduce, 5), FLAT("adamw", run_adamw, 7),
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* ---- the measurement ---- */

typedef struct running {
    operands *o;
    const bench_case *c;
} running;

static void run_case(void *context) {
    running *r = context;
    r->c->run(r->o);
}

static outcome measure(operands *o, const bench_case *c, double seconds) {
    probe_function probe = c->unit == GFLOP ? fma_probe_of(o->b->name) : c->unit == L2_BYTES ? probe_l2 : probe_memory;
    running r = {o, c};
    o->rows = c->rows, o->in = c->in, o->out = c->out, o->length = c->length;
    if (c->run == run_attention_backward) run_attention(o);
    return measure_beside(run_case, &r, c->work, probe, seconds);
}

static void describe(const bench_case *c, char *text, size_t size) {
    if (c->length) snprintf(text, size, "%d x %d tokens", c->rows / c->length, c->length);
    else if (c->in) snprintf(text, size, "%d rows, %d -> %d", c->rows, c->in, c->out);
    else if (c->rows) snprintf(text, size, "%d x %d", c->rows, c->out);
    else snprintf(text, size, "%.1f M parameters", MEMORY_FLOATS / 4e6);
}

static void report(const operands *o, const bench_case *c, outcome r, int json) {
    static const char *const units[] = {"GFLOP/s", "GB/s", "GB/s"}, *const probes[] = {"fma", "l2", "memory"};
    char shape[64];
    describe(c, shape, sizeof shape);
    if (json)
        printf("{\"bench\":\"kernels\",\"table\":\"%s\",\"case\":\"%s\",\"shape\":\"%s\",\"microseconds\":%.2f,\"rate\":%.2f,"
               "\"unit\":\"%s\",\"probe\":\"%s\",\"probe_rate\":%.2f,\"share\":%.4f,\"probe_swing\":%.3f}\n",
               o->b->name, c->name, shape, r.seconds * 1e6, r.rate * 1e-9, units[c->unit], probes[c->unit], r.probe * 1e-9,
               r.share, r.swing);
    else
        printf("%-26s %-30s %10.1f us %8.1f %-7s %5.1f%% of %s %.1f\n", c->name, shape, r.seconds * 1e6, r.rate * 1e-9,
               units[c->unit], 100 * r.share, probes[c->unit], r.probe * 1e-9);
    fflush(stdout);
}

/* ---- the probe alone ---- */

/* By the clock on the wall: what others take of the machine shows. */
static double wall(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { PROBE_ROUNDS = 11, MOST_THREADS = 256 };

typedef struct probing {
    probe_function probe;
    double until, rate;
    pthread_t thread;
} probing;

static void *probe_thread(void *argument) {
    probing *p = argument;
    double start = wall(), work = 0;
    do work += p->probe();
    while (wall() < p->until);
    p->rate = work / (wall() - start);
    return NULL;
}

/* All threads at once for that long; the sum of their rates. */
static double probe_round(probe_function probe, int threads, double seconds) {
    probing p[MOST_THREADS];
    double sum = 0, until = wall() + seconds;
    int started = 0;
    for (; started < threads; started++) {
        p[started] = (probing){.probe = probe, .until = until};
        if (pthread_create(&p[started].thread, NULL, probe_thread, &p[started])) break;
    }
    for (int t = 0; t < started; t++) {
        pthread_join(p[t].thread, NULL);
        sum += p[t].rate;
    }
    return started == threads ? sum : 0;
}

static int report_probe(const at_backend *b, int threads, double seconds) {
    double rate[PROBE_ROUNDS];
    for (int i = 0; i < PROBE_ROUNDS; i++) rate[i] = 1e-9 * probe_round(fma_probe_of(b->name), threads, seconds / PROBE_ROUNDS);
    double middle = quantile(rate, PROBE_ROUNDS, 0.5);
    printf("{\"bench\":\"probe\",\"table\":\"%s\",\"threads\":%d,\"gflops\":%.1f,\"lowest\":%.1f,\"highest\":%.1f}\n", b->name,
           threads, middle, rate[0], rate[PROBE_ROUNDS - 1]);
    return rate[0] > 0 ? 0 : 1;
}

/* Large arrays on huge pages, as the program keeps its weights: a walk over small pages costs more than the reading. */
static float *filled(size_t n, float value) {
    const size_t huge = (size_t)2 << 20, bytes = (n * sizeof(float) + huge - 1) / huge * huge;
    float *x = aligned_alloc(huge, bytes);
    if (!x) exit(7);
    if (!getenv("NOHUGE")) madvise(x, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < n; i++) x[i] = value;
    return x;
}

static operands prepare(const at_backend *b) {
    const size_t wide = (size_t)MOST_ROWS * WIDE, weight = COPIES * at_packed_size(WIDE, HIDDEN);
    operands o = {.b = b, .x = draw(wide, 1), .y = draw(wide, 2), .z = draw(wide, 3), .pre = draw(wide, 4), .packed = filled(weight, 0.01f),
                  .dpacked = filled(weight, 0.01f), .bias = draw(WIDE, 7), .gamma = draw(WIDE, 8), .stats = draw(2 * MOST_ROWS, 9),
                  .lse = draw(MOST_ROWS * HEADS, 10)};
    int cu[2] = {0, MOST_ROWS};
    at_attention a = {.n_seq = 1, .heads = HEADS, .kv_heads = HEADS, .head_dim = HIDDEN / HEADS, .cu_q = cu, .cu_k = cu};
    size_t linear = b->linear_scratch(MOST_ROWS, WIDE, WIDE), attention = b->attention_scratch(&a);
    o.scratch = draw(linear > attention ? linear : attention, 11);
    for (int i = 0; i < 4; i++) o.flat[i] = filled(MEMORY_FLOATS / 4, 0.01f);
    o.row_id = calloc(MOST_ROWS, sizeof *o.row_id);
    for (uint64_t i = 0; i < MOST_ROWS; i++) o.row_id[i] = i;
    return o;
}

/* The table against the portable one, on the attention (which uses every product) and the fused row pass. */
static double disagreement(operands *o, void (*run)(operands *), const float *result, size_t n) {
    const at_backend *own = o->b, *plain;
    at_backend_choose("portable", &plain, NULL);
    float *copy = draw(n, 0);
    double most = 0;
    run(o);
    memcpy(copy, result, n * sizeof *copy);
    o->b = plain;
    run(o);
    o->b = own;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)copy[i] - (double)result[i]));
    free(copy);
    return most;
}

static int check(operands *o) {
    o->rows = 64, o->in = HIDDEN, o->out = WIDE, o->length = 32;
    double worst = disagreement(o, run_forward_gelu, o->y, 64 * WIDE);
    worst = fmax(worst, disagreement(o, run_attention, o->z, 64 * HIDDEN));
    worst = fmax(worst, disagreement(o, run_norm, o->y, 64 * HIDDEN));
    if (worst < 1e-4) return 1;
    fprintf(stderr, "error: table %s disagrees with the portable one by %.3g\n", o->b->name, worst);
    return 0;
}

int main(int argc, char **argv) {
    const char *cpu = NULL, *only = NULL;
    double seconds = 0.25;
    int json = 0;
    long long threads = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) json = 1;
        else if (!strcmp(argv[i], "--cpu") && i + 1 < argc) cpu = argv[++i];
        else if (!strcmp(argv[i], "--only") && i + 1 < argc) only = argv[++i];
        else if (!strcmp(argv[i], "--probe") && i + 1 < argc && at_parse_int(argv[i + 1], &threads) && threads > 0 && threads <= MOST_THREADS) i++;
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc && at_parse_double(argv[i + 1], &seconds)) i++;
        else {
            fprintf(stderr, "error: unknown option '%s'; there are --cpu NAME, --only TEXT, --seconds S, --json, --probe THREADS\n", argv[i]);
            return 2;
        }
    }
    at_error err;
    const at_backend *b;
    if (at_backend_choose(cpu, &b, &err)) {
        fprintf(stderr, "error: %s\n", err.text);
        return (int)err.code;
    }
    if (threads) return report_probe(b, (int)threads, seconds);
    operands o = prepare(b);
    l2_block = filled(L2_FLOATS, 0.5f);
    memory_block = filled(MEMORY_FLOATS, 0.5f);
    if (!check(&o)) return 1;
    if (!json) printf("table %s\n", b->name);
    for (int i = 0; i < N_CASES; i++)
        if (!only || strstr(cases[i].name, only)) report(&o, &cases[i], measure(&o, &cases[i], seconds), json);
    return 0;
}
