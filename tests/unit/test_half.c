/* Products with bf16 operands: every table of this machine against sums in double of the rounded operands, in any shape; the model of the
 * tile instructions against its definition written out once more, bit by bit, and real tiles against the model. */
#include <float.h>

#include "../backend_check.h"
#include "backend/half.h"
#include "tensor/half_copies.h"

static const int row_counts[] = {0, 1, 2, 12, 13, 31, 32, 33, 70};
static const int sizes[] = {1, 2, 5, 16, 31, 32, 33, 47, 48, 49, 65, 97, 130};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])
enum { GAP = 3 };

static const char *const names[] = {"amx", "avx512-bf16", "amx-model"};

static uint16_t round_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
    uint32_t below = bits & 0xffff, half = bits >> 16;
    return (uint16_t)(half + (below > 0x8000 || (below == 0x8000 && (half & 1))));
}

static float widen(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static double rounded(float x) { return (double)widen(round_half(x)); }

typedef struct shape { int rows, in, out; } shape;

typedef struct arrays {
    check_memory m;
    shape s;
    int ldx, ldy;
    float *x, *w, *packed, *bias, *y, *dy;
    uint16_t *a, *forward, *backward, *pre;
} arrays;

static uint16_t *halves(check_memory *m, size_t n) { return check_bytes(m, n * sizeof(uint16_t)); }

static arrays make(shape s) {
    arrays t = {.s = s, .ldx = s.in + GAP, .ldy = s.out + GAP};
    size_t rows = (size_t)s.rows;
    t.x = check_normal(&t.m, rows * (size_t)t.ldx, 1);
    t.w = check_normal(&t.m, (size_t)s.out * (size_t)s.in, 2);
    t.packed = check_zeros(&t.m, at_packed_size(s.out, s.in));
    t.bias = check_normal(&t.m, (size_t)s.out, 3);
    t.y = check_normal(&t.m, rows * (size_t)t.ldy, 5);
    t.dy = check_normal(&t.m, rows * (size_t)t.ldy, 6);
    t.pre = halves(&t.m, rows * (size_t)t.ldy);
    t.forward = halves(&t.m, at_half_panels_size(s.in, s.out));
    t.backward = halves(&t.m, at_half_panels_size(s.out, s.in));
    size_t most = at_half_rows_size(s.rows, s.in), other = at_half_rows_size(s.rows, s.out), turned = at_half_rows_size(s.in, s.rows);
    most = most > other ? most : other;
    t.a = halves(&t.m, most > turned ? most : turned);
    for (size_t i = 0; i < rows * (size_t)t.ldy; i++) t.pre[i] = 7;
    at_pack(t.w, t.packed, s.out, s.in);
    return t;
}

static void keep_gaps(const at_half *h, const float *after, const float *before, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < GAP; g++) {
            size_t at = (size_t)r * (size_t)(cols + GAP) + (size_t)(cols + g);
            if (after[at] != before[at]) fail_msg("%s wrote between rows", h->name);
        }
}

static void forward_case(const at_half *h, shape s, int with_bias, int with_pre) {
    arrays t = make(s);
    float *before = check_copy(&t.m, t.y, (size_t)s.rows * (size_t)t.ldy);
    h->pack(t.packed, s.out, s.in, t.forward, NULL);
    h->narrow(t.x, t.ldx, s.rows, s.in, t.a);
    h->linear(t.a, t.forward, with_bias ? t.bias : NULL, AT_ACT_RELU, with_pre ? t.pre : NULL, t.y, t.ldy, s.rows, s.in, s.out);
    for (int r = 0; r < s.rows; r++)
        for (int n = 0; n < s.out; n++) {
            double sum = with_bias ? (double)t.bias[n] : 0, size = fabs(sum);
            for (int k = 0; k < s.in; k++) {
                double term = rounded(t.x[r * t.ldx + k]) * rounded(t.w[n * s.in + k]);
                sum += term;
                size += fabs(term);
            }
            size_t at = (size_t)(r * t.ldy + n);
            check_near(h->name, "y", at, (double)t.y[at], sum > 0 ? sum : 0, 1e-6 * size);
            if (with_pre) check_near(h->name, "pre", at, (double)widen(t.pre[at]), sum, fabs(sum) / 256 + 1e-6 * size);
        }
    for (int r = 0; r < s.rows; r++)
        for (int g = 0; g < GAP; g++) assert_int_equal(t.pre[r * t.ldy + s.out + g], 7);
    keep_gaps(h, t.y, before, s.rows, s.out);
    check_free(&t.m);
}

static void dx_case(const at_half *h, shape s, int accumulate) {
    arrays t = make(s);
    float *before = check_copy(&t.m, t.x, (size_t)s.rows * (size_t)t.ldx);
    h->pack(t.packed, s.out, s.in, t.forward, t.backward);
    h->narrow(t.dy, t.ldy, s.rows, s.out, t.a);
    h->linear_dx(t.a, t.backward, t.x, t.ldx, s.rows, s.in, s.out, accumulate);
    for (int r = 0; r < s.rows; r++)
        for (int k = 0; k < s.in; k++) {
            size_t at = (size_t)(r * t.ldx + k);
            double sum = accumulate ? (double)before[at] : 0, size = fabs(sum);
            for (int n = 0; n < s.out; n++) {
                double term = rounded(t.dy[r * t.ldy + n]) * rounded(t.w[n * s.in + k]);
                sum += term;
                size += fabs(term);
            }
            check_near(h->name, "dx", at, (double)t.x[at], sum, 1e-6 * size);
        }
    keep_gaps(h, t.x, before, s.rows, s.in);
    check_free(&t.m);
}

static void dw_case(const at_half *h, shape s) {
    arrays t = make(s);
    size_t n_packed = at_packed_size(s.out, s.in);
    uint16_t *scratch = halves(&t.m, at_half_panels_size(s.rows, AT_HALF_BLOCK));
    float *dw = check_zeros(&t.m, (size_t)s.out * (size_t)s.in), *again = check_zeros(&t.m, n_packed);
    h->narrow_turned(t.x, t.ldx, s.rows, s.in, t.a);
    h->linear_dw(t.a, t.dy, t.ldy, t.packed, s.rows, s.in, s.out, scratch);
    at_unpack(t.packed, dw, s.out, s.in);
    for (int n = 0; n < s.out; n++)
        for (int k = 0; k < s.in; k++) {
            double sum = (double)t.w[n * s.in + k], size = fabs(sum);
            for (int r = 0; r < s.rows; r++) {
                double term = rounded(t.dy[r * t.ldy + n]) * rounded(t.x[r * t.ldx + k]);
                sum += term;
                size += fabs(term);
            }
            check_near(h->name, "dw", (size_t)(n * s.in + k), (double)dw[n * s.in + k], sum, 1e-6 * size);
        }
    at_pack(dw, again, s.out, s.in); /* the padding of the last panel is still zero */
    assert_memory_equal(t.packed, again, n_packed * sizeof *again);
    check_free(&t.m);
}

#define FOR_EACH_HALF(h)                                    \
    for (size_t name_ = 0; name_ < COUNT(names); name_++)   \
        for (const at_half *h = at_half_find(names[name_]); h; h = NULL)

static void products_of_every_shape(void **state) {
    (void)state;
    FOR_EACH_HALF(h) {
        int nth = 0;
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t i = 0; i < COUNT(sizes); i++)
                for (size_t o = (r + i) % 3; o < COUNT(sizes); o += 3, nth++) {
                    shape s = {row_counts[r], sizes[i], sizes[o]};
                    forward_case(h, s, nth % 2, nth / 2 % 2);
                    dx_case(h, s, nth % 2);
                    dw_case(h, s);
                }
    }
}

/* Nearest even, in both directions of the borders, denormal numbers, infinities and NaN. */
static void numbers_are_rounded_to_nearest_even(void **state) {
    (void)state;
    static const float numbers[] = {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, 1.0039062f, 1.0039064f, -1.00390625f, 3.4e38f, -3.4028235e38f, 1e-40f,
                                    -1e-45f, 1.1754944e-38f, 65504.0f, 0.1f, INFINITY, -INFINITY, NAN};
    enum { N = COUNT(numbers) };
    FOR_EACH_HALF(h) {
        check_memory m = {.n = 0};
        uint16_t *a = halves(&m, at_half_rows_size(1, N)), *turned = halves(&m, at_half_rows_size(N, 1));
        h->narrow(numbers, N, 1, N, a);
        h->narrow_turned(numbers, N, 1, N, turned);
        for (int i = 0; i < N; i++) {
            assert_int_equal(a[i], round_half(numbers[i]));
            assert_int_equal(turned[(size_t)i * at_half_stride(1)], round_half(numbers[i]));
        }
        check_free(&m);
    }
}

static void slopes_are_those_of_the_rounded_sum(void **state) {
    (void)state;
    FOR_EACH_HALF(h) {
        enum { ROWS = 3, COLS = 301, LD = COLS + GAP };
        check_memory m = {.n = 0};
        float *x = check_normal(&m, ROWS * LD, 1), *dy = check_normal(&m, ROWS * LD, 2);
        uint16_t *pre = halves(&m, ROWS * LD);
        for (int i = 0; i < ROWS * LD; i++) pre[i] = round_half(x[i]);
        float *before = check_copy(&m, dy, ROWS * LD);
        h->act_backward(AT_ACT_GELU, pre, dy, dy, ROWS, COLS, LD);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) {
                double v = (double)widen(pre[r * LD + c]), slope = 0.5 * erfc(-v * 0.70710678118654752) + v * 0.3989422804014327 * exp(-v * v / 2);
                check_near(h->name, "dpre", (size_t)(r * LD + c), (double)dy[r * LD + c], slope * (double)before[r * LD + c], 1e-5);
            }
        keep_gaps(h, dy, before, ROWS, COLS);
        check_free(&m);
    }
}

/* ---- the model of the tiles ---- */

static float flush(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

/* One sum as TDPBF16PS makes it, 32 steps of depth at a time. */
static float tile_sum(const float *x, const float *w, int n) {
    float sum = 0;
    for (int k = 0; k < n; k += 32) {
        float half[2] = {0, 0};
        for (int i = k; i < k + 32 && i < n; i++) {
            float left = flush(widen(round_half(x[i]))), right = flush(widen(round_half(w[i])));
            half[i % 2] = flush(fmaf(left, right, half[i % 2]));
        }
        sum = flush(sum + flush(half[0] + half[1]));
    }
    return sum;
}

/* Numbers from 2^-126 to 1: products vanish, and sums with them. */
static void spread(float *x, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) x[i] = ldexpf(x[i], -(int)at_random_below(seed, i, 130));
}

static void the_model_is_the_instruction(void **state) {
    (void)state;
    const at_half *model = at_half_find("amx-model"), *amx = at_half_find("amx");
    assert_non_null(model);
    for (int wide = 0; wide < 2; wide++)
        for (size_t o = 0; o < COUNT(sizes); o++) {
            shape s = {37, 130, sizes[o]};
            arrays t = make(s);
            if (wide) spread(t.x, (size_t)s.rows * (size_t)t.ldx, 8), spread(t.w, (size_t)s.in * (size_t)s.out, 9);
            at_pack(t.w, t.packed, s.out, s.in);
            model->pack(t.packed, s.out, s.in, t.forward, NULL);
            model->narrow(t.x, t.ldx, s.rows, s.in, t.a);
            model->linear(t.a, t.forward, NULL, AT_ACT_NONE, NULL, t.y, t.ldy, s.rows, s.in, s.out);
            for (int r = 0; r < s.rows; r++)
                for (int n = 0; n < s.out; n++) {
                    float expected = tile_sum(t.x + r * t.ldx, t.w + n * s.in, s.in) + 0.0f;
                    if (t.y[r * t.ldy + n] != expected)
                        fail_msg("row %d, column %d: %a, the definition says %a", r, n, (double)t.y[r * t.ldy + n], (double)expected);
                }
            if (amx) {
                float *y = check_copy(&t.m, t.y, (size_t)s.rows * (size_t)t.ldy);
                amx->pack(t.packed, s.out, s.in, t.forward, NULL);
                amx->narrow(t.x, t.ldx, s.rows, s.in, t.a);
                amx->linear(t.a, t.forward, NULL, AT_ACT_NONE, NULL, t.y, t.ldy, s.rows, s.in, s.out);
                assert_memory_equal(t.y, y, (size_t)s.rows * (size_t)t.ldy * sizeof *y);
            }
            check_free(&t.m);
        }
    if (!amx) print_message("this machine has no tiles; their model alone was tested\n");
}

/* ---- choosing ---- */

static void the_choice_is_told_and_refused(void **state) {
    (void)state;
    at_error err;
    at_kernels k;
    const at_backend *b;
    check_ok(at_kernels_choose(NULL, AT_PRECISION_FP32, &k, &b, &err), &err);
    assert_null(b->half);
    check_ok(at_kernels_choose("amx-model", AT_PRECISION_BF16, &k, &b, &err), &err);
    assert_string_equal(b->half->name, "amx-model");
    assert_non_null(strstr(b->name, "+amx-model"));
    check_ok(at_kernels_choose("amx-model", AT_PRECISION_FP32, &k, &b, &err), &err);
    assert_null(b->half);
    check_fails(at_kernels_choose("portable", AT_PRECISION_BF16, &k, &b, &err), AT_USAGE, &err, "--precision bf16 needs");
    check_fails(at_kernels_choose("avx", AT_PRECISION_FP32, &k, &b, &err), AT_USAGE, &err, "avx2");
    check_ok(at_kernels_choose("portable", AT_PRECISION_AUTO, &k, &b, &err), &err);
    assert_null(b->half);
    if (!at_half_find("amx") && !at_half_find("avx512-bf16"))
        check_fails(at_kernels_choose(NULL, AT_PRECISION_BF16, &k, &b, &err), AT_USAGE, &err, "AVX-512 BF16");
    else check_ok(at_kernels_choose(NULL, AT_PRECISION_BF16, &k, &b, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_every_shape),
        cmocka_unit_test(numbers_are_rounded_to_nearest_even),
        cmocka_unit_test(slopes_are_those_of_the_rounded_sum),
        cmocka_unit_test(the_model_is_the_instruction),
        cmocka_unit_test(the_choice_is_told_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
