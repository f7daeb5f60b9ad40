/* Products with bf16 operands (backend/half.h) at the shapes of MiniLM-L6, on one thread, beside the instruction itself: TDPBF16PS on tiles
 * that stay in their registers where there is AMX, VDPBF16PS where AVX-512 has it. Every table that this machine runs is measured.
 *
 *   bench_half [--json] [--seconds PER_CASE]
 *
 * A machine without either says so and ends with 0. Exit 1 where a product disagrees with the portable fp32 one by more than the rounding of
 * its operands: checked before anything is timed. */
#include <math.h>
#include <string.h>

#include "backend/half.h"
#include "base/str.h"
#include "measure.h"

#ifdef __x86_64__
#include <immintrin.h>

enum { PROBE_STEPS = 20000 };

__attribute__((target("avx512f,avx512bf16"))) static double probe_dot_512(void) {
    __m512 sum[12];
    __m512bh a = (__m512bh)_mm512_set1_epi32(0x3a833a83), b = (__m512bh)_mm512_set1_epi32(0x3f7f3f7f);
    for (int i = 0; i < 12; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < PROBE_STEPS; k++) {
#ifdef __clang__
#pragma unroll
#else
#pragma GCC unroll 12
#endif
        for (int i = 0; i < 12; i++) sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
    }
    for (int i = 1; i < 12; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    sink = _mm512_reduce_add_ps(sum[0]);
    return 2.0 * 2 * 16 * 12 * PROBE_STEPS;
}

/* Six sums of 16 x 16, each the product of tiles of 16 x 32 and 32 x 16. */
typedef struct tile_shapes {
    unsigned char palette, start_row, unused[14];
    unsigned short bytes[16];
    unsigned char rows[16];
} tile_shapes;

__attribute__((target("amx-tile,amx-bf16"))) static double probe_tiles(void) {
    static const tile_shapes shapes = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    static float out[256];
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int k = 0; k < PROBE_STEPS; k++) {
        _tile_dpbf16ps(0, 6, 7);
        _tile_dpbf16ps(1, 6, 7);
        _tile_dpbf16ps(2, 6, 7);
        _tile_dpbf16ps(3, 6, 7);
        _tile_dpbf16ps(4, 6, 7);
        _tile_dpbf16ps(5, 6, 7);
    }
    _tile_stored(0, out, 64);
    _tile_release();
    sink = out[0];
    return 2.0 * 16 * 16 * 32 * 6 * PROBE_STEPS;
}
#endif

static probe_function probe_of(const char *table) {
#ifdef __x86_64__
    return !strcmp(table, "amx") ? probe_tiles : probe_dot_512;
#else
    (void)table;
    return NULL;
#endif
}

/* ---- what is measured ---- */

enum { MOST_ROWS = 256, HIDDEN = 384, WIDE = 1536 };

typedef struct operands {
    const at_half *half;
    const at_backend *plain;
    float *x, *y, *expected, *packed, *dpacked, *bias;
    uint16_t *a, *turned, *forward, *backward, *pre, *scratch;
    float *plain_scratch;
    int rows, in, out;
} operands;

static void run_forward(operands *o) { o->half->linear(o->a, o->forward, o->bias, AT_ACT_NONE, NULL, o->y, o->out, o->rows, o->in, o->out); }
static void run_forward_gelu(operands *o) {
    o->half->linear(o->a, o->forward, o->bias, AT_ACT_GELU, o->pre, o->y, o->out, o->rows, o->in, o->out);
}
static void run_dx(operands *o) { o->half->linear_dx(o->a, o->backward, o->y, o->in, o->rows, o->in, o->out, 0); }
static void run_dw(operands *o) {
    o->half->linear_dw(o->turned, o->x, o->out, o->dpacked, o->rows, o->in, o->out, o->scratch);
}

typedef struct bench_case {
    const char *name;
    void (*run)(operands *);
    int rows, in, out;
} bench_case;

#define PRODUCTS(rows, in, out) \
    {"bf16 forward", run_forward, rows, in, out}, {"bf16 input gradient", run_dx, rows, in, out}, \
        {"bf16 weight gradient", run_dw, rows, in, out}
static const bench_case cases[] = {
    PRODUCTS(128, HIDDEN, HIDDEN), PRODUCTS(128, HIDDEN, WIDE), PRODUCTS(128, WIDE, HIDDEN), PRODUCTS(256, HIDDEN, HIDDEN),
    PRODUCTS(256, HIDDEN, WIDE), PRODUCTS(256, WIDE, HIDDEN), {"bf16 forward + gelu", run_forward_gelu, 256, HIDDEN, WIDE},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static uint16_t *zeros(size_t n) {
    uint16_t *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    if (!x) exit(7);
    memset(x, 0, n * sizeof *x);
    return x;
}

static operands prepare(const at_half *half, const at_backend *plain) {
    const size_t wide = (size_t)MOST_ROWS * WIDE, weight = at_packed_size(WIDE, WIDE), rows = at_half_rows_size(WIDE, WIDE);
    return (operands){.half = half, .plain = plain, .x = draw(wide, 1), .y = draw(wide, 2), .expected = draw(wide, 3), .packed = draw(weight, 4),
                      .dpacked = draw(weight, 5), .bias = draw(WIDE, 6), .a = zeros(rows), .turned = zeros(rows),
                      .forward = zeros(at_half_panels_size(WIDE, WIDE)), .backward = zeros(at_half_panels_size(WIDE, WIDE)), .pre = zeros(wide),
                      .scratch = zeros(at_half_panels_size(MOST_ROWS, AT_HALF_BLOCK) + at_half_panels_size(WIDE, WIDE)),
                      .plain_scratch = draw(plain->linear_scratch(MOST_ROWS, WIDE, WIDE), 7)};
}

/* The operands of a case as its product reads them. */
static void lay(operands *o, const bench_case *c) {
    o->rows = c->rows, o->in = c->in, o->out = c->out;
    o->half->pack(o->packed, c->out, c->in, o->forward, o->backward);
    if (c->run == run_dx) o->half->narrow(o->x, c->out, c->rows, c->out, o->a);
    else o->half->narrow(o->x, c->in, c->rows, c->in, o->a);
    o->half->narrow_turned(o->x, c->in, c->rows, c->in, o->turned);
}

/* Operands of up to 1 are rounded by 2^-9; the sum of `in` products of them strays by its root. */
static int check(operands *o) {
    const bench_case c = {"", run_forward, 64, HIDDEN, WIDE};
    double worst = 0, bound = 8 * sqrt((double)HIDDEN) / 512;
    lay(o, &c);
    run_forward(o);
    o->plain->linear(o->x, c.in, o->packed, o->bias, AT_ACT_NONE, NULL, o->expected, c.out, c.rows, c.in, c.out);
    for (int i = 0; i < c.rows * c.out; i++) worst = fmax(worst, fabs((double)o->y[i] - (double)o->expected[i]));
    if (worst < bound) return 1;
    fprintf(stderr, "error: %s disagrees with fp32 by %.3g\n", o->half->name, worst);
    return 0;
}

typedef struct running {
    operands *o;
    const bench_case *c;
} running;

static void run_one(void *context) {
    running *r = context;
    r->c->run(r->o);
}

static void report(operands *o, const bench_case *c, double seconds, int json) {
    running r = {o, c};
    double work = 2.0 * c->rows * c->in * c->out;
    lay(o, c);
    outcome got = measure_beside(run_one, &r, work, probe_of(o->half->name), seconds);
    const char *probe = !strcmp(o->half->name, "amx") ? "tiles" : "dot products";
    if (json)
        printf("{\"bench\":\"half\",\"table\":\"%s\",\"case\":\"%s\",\"shape\":\"%d rows, %d -> %d\",\"microseconds\":%.2f,\"rate\":%.2f,"
               "\"unit\":\"GFLOP/s\",\"probe\":\"%s\",\"probe_rate\":%.2f,\"share\":%.4f,\"probe_swing\":%.3f}\n",
               o->half->name, c->name, c->rows, c->in, c->out, got.seconds * 1e6, got.rate * 1e-9, probe, got.probe * 1e-9, got.share,
               got.swing);
    else
        printf("%-12s %-22s %4d rows, %4d -> %4d %10.1f us %8.1f GFLOP/s %5.1f%% of %s %.1f\n", o->half->name, c->name, c->rows, c->in, c->out,
               got.seconds * 1e6, got.rate * 1e-9, 100 * got.share, probe, got.probe * 1e-9);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const char *const TABLES[] = {"amx", "avx512-bf16"};
    double seconds = 0.25;
    int json = 0, found = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) json = 1;
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc && at_parse_double(argv[i + 1], &seconds)) i++;
        else {
            fprintf(stderr, "error: unknown option '%s'; there are --seconds S, --json\n", argv[i]);
            return 2;
        }
    }
    at_error err;
    const at_backend *plain;
    if (at_backend_choose("portable", &plain, &err)) {
        fprintf(stderr, "error: %s\n", err.text);
        return (int)err.code;
    }
    for (int t = 0; t < 2; t++) {
        const at_half *half = at_half_find(TABLES[t]);
        if (!half) {
            fprintf(stderr, "%s: this processor lacks the instruction\n", TABLES[t]);
            continue;
        }
        operands o = prepare(half, plain);
        found++;
        if (!check(&o)) return 1;
        for (int i = 0; i < N_CASES; i++) report(&o, &cases[i], seconds, json);
    }
    if (!found) fprintf(stderr, "no products of bf16 operands to measure here\n");
    return 0;
}
