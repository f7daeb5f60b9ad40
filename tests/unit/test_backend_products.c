/* linear, linear_dx and linear_dw of every table against sums in double. A float sum of n products is allowed 1e-6 of
 * the sum of their sizes (eps is 6e-8; the tiles sum in order), in any shape; a row's value may not depend on the rows around it. */
#include "../backend_check.h"

static const int row_counts[] = {0, 1, 7, 8, 9, 31, 130};
static const int sizes[] = {1, 5, 16, 47, 48, 49, 100, 290};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])
enum { GAP = 3 }; /* elements between rows that nobody may touch */

typedef struct shape { int rows, in, out; } shape;

static double reference_activation(at_activation act, double x) {
    switch (act) {
    case AT_ACT_GELU: return 0.5 * x * erfc(-x * 0.70710678118654752440);
    case AT_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case AT_ACT_RELU: return x > 0 ? x : 0;
    case AT_ACT_SILU: return x / (1 + exp(-x));
    case AT_ACT_TANH: return tanh(x);
    case AT_ACT_NONE: break;
    }
    return x;
}

static void mark_gaps(at_real *x, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < GAP; g++) x[(size_t)r * (size_t)(cols + GAP) + (size_t)(cols + g)] = 77;
}

static void check_gaps(const char *table, const at_real *x, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < GAP; g++)
            if (x[(size_t)r * (size_t)(cols + GAP) + (size_t)(cols + g)] != 77) fail_msg("%s wrote between rows", table);
}

static void forward_case(const at_backend *b, shape s, at_activation act, int with_bias, int with_pre) {
    check_memory m = {.n = 0};
    const int ldx = s.in + GAP, ldy = s.out + GAP;
    at_real *x = check_normal(&m, (size_t)s.rows * (size_t)ldx, 1), *w = check_normal(&m, (size_t)s.out * (size_t)s.in, 2);
    at_real *bias = check_normal(&m, (size_t)s.out, 3), *packed = check_normal(&m, at_packed_size(s.out, s.in), 4);
    at_real *y = check_normal(&m, (size_t)s.rows * (size_t)ldy, 5), *pre = check_normal(&m, (size_t)s.rows * (size_t)ldy, 6);
    at_pack(w, packed, s.out, s.in);
    mark_gaps(y, s.rows, s.out);
    mark_gaps(pre, s.rows, s.out);
    b->linear(x, ldx, packed, with_bias ? bias : NULL, act, with_pre ? pre : NULL, y, ldy, s.rows, s.in, s.out);
    for (int r = 0; r < s.rows; r++)
        for (int n = 0; n < s.out; n++) {
            double sum = with_bias ? (double)bias[n] : 0, size = fabs(sum);
            for (int k = 0; k < s.in; k++) {
                double term = (double)x[r * ldx + k] * (double)w[n * s.in + k];
                sum += term;
                size += fabs(term);
            }
            size_t at = (size_t)(r * ldy + n);
            if (with_pre) check_near(b->name, "pre", at, (double)pre[at], sum, 1e-6 * size);
            check_near(b->name, "y", at, (double)y[at], reference_activation(act, sum), 1.3e-6 * size + 1e-7);
        }
    check_gaps(b->name, y, s.rows, s.out);
    check_gaps(b->name, pre, s.rows, s.out);
    check_free(&m);
}

static void dx_case(const at_backend *b, shape s, int accumulate) {
    check_memory m = {.n = 0};
    const int lddx = s.in + GAP, lddy = s.out + GAP;
    at_real *dy = check_normal(&m, (size_t)s.rows * (size_t)lddy, 1), *w = check_normal(&m, (size_t)s.out * (size_t)s.in, 2);
    at_real *packed = check_zeros(&m, at_packed_size(s.out, s.in));
    at_real *dx = check_normal(&m, (size_t)s.rows * (size_t)lddx, 5);
    mark_gaps(dx, s.rows, s.in);
    at_real *before = check_copy(&m, dx, (size_t)s.rows * (size_t)lddx);
    at_real *scratch = check_zeros(&m, b->linear_scratch(s.rows, s.in, s.out));
    at_pack(w, packed, s.out, s.in);
    b->linear_dx(dy, lddy, packed, dx, lddx, s.rows, s.in, s.out, accumulate, scratch);
    for (int r = 0; r < s.rows; r++)
        for (int k = 0; k < s.in; k++) {
            size_t at = (size_t)(r * lddx + k);
            double sum = accumulate ? (double)before[at] : 0, size = fabs(sum);
            for (int n = 0; n < s.out; n++) {
                double term = (double)dy[r * lddy + n] * (double)w[n * s.in + k];
                sum += term;
                size += fabs(term);
            }
            check_near(b->name, "dx", at, (double)dx[at], sum, 1e-6 * size);
        }
    check_gaps(b->name, dx, s.rows, s.in);
    check_free(&m);
}

static void dw_case(const at_backend *b, shape s, int with_bias, int with_weight) {
    check_memory m = {.n = 0};
    const int ldx = s.in + GAP, lddy = s.out + GAP;
    const size_t n_packed = at_packed_size(s.out, s.in);
    at_real *x = check_normal(&m, (size_t)s.rows * (size_t)ldx, 1), *dy = check_normal(&m, (size_t)s.rows * (size_t)lddy, 2);
    at_real *start = check_normal(&m, (size_t)s.out * (size_t)s.in, 3), *dw = check_zeros(&m, (size_t)s.out * (size_t)s.in);
    at_real *packed = check_zeros(&m, n_packed), *repacked = check_zeros(&m, n_packed);
    at_real *dbias = check_normal(&m, (size_t)s.out, 4), *bias_before = check_copy(&m, dbias, (size_t)s.out);
    at_real *scratch = check_zeros(&m, b->linear_scratch(s.rows, s.in, s.out));
    at_pack(start, packed, s.out, s.in);
    b->linear_dw(x, ldx, dy, lddy, with_weight ? packed : NULL, with_bias ? dbias : NULL, s.rows, s.in, s.out, scratch);
    at_unpack(packed, dw, s.out, s.in);
    for (int n = 0; n < s.out; n++) {
        double column = with_bias ? (double)bias_before[n] : 0, column_size = fabs(column);
        for (int r = 0; r < s.rows; r++) {
            column += (double)dy[r * lddy + n];
            column_size += fabs((double)dy[r * lddy + n]);
        }
        if (with_bias) check_near(b->name, "dbias", (size_t)n, (double)dbias[n], column, 1e-6 * column_size);
        else assert_true(dbias[n] == bias_before[n]);
        for (int k = 0; k < s.in; k++) {
            double sum = (double)start[n * s.in + k], size = fabs(sum);
            for (int r = 0; with_weight && r < s.rows; r++) {
                double term = (double)dy[r * lddy + n] * (double)x[r * ldx + k];
                sum += term;
                size += fabs(term);
            }
            check_near(b->name, "dw", (size_t)(n * s.in + k), (double)dw[n * s.in + k], sum, 1e-6 * size);
        }
    }
    at_pack(dw, repacked, s.out, s.in); /* the padding of the last panel is still zero */
    assert_memory_equal(packed, repacked, n_packed * sizeof *packed);
    check_free(&m);
}

static void test_forward(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t i = 0; i < COUNT(sizes); i++)
                for (size_t o = 0; o < COUNT(sizes); o++)
                    forward_case(b, (shape){row_counts[r], sizes[i], sizes[o]}, (at_activation)((r + i + o) % 6), (r + o) % 2,
                                 (i + r / 2) % 2);
}

static void test_input_gradient(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t i = 0; i < COUNT(sizes); i++)
                for (size_t o = 0; o < COUNT(sizes); o++)
                    dx_case(b, (shape){row_counts[r], sizes[i], sizes[o]}, (r + i + o) % 2);
}

static void test_weight_gradient(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t i = 0; i < COUNT(sizes); i++)
                for (size_t o = 0; o < COUNT(sizes); o++)
                    dw_case(b, (shape){row_counts[r], sizes[i], sizes[o]}, (r + i + o) % 2, (r + i + o) % 5 != 0);
}

/* Packed batches, chunks and lanes rest on this: what a row gives is the same bits alone and among others. */
static void test_rows_are_independent(void **state) {
    (void)state;
    enum { ROWS = 29, IN = 150, OUT = 70 };
    FOR_EACH_TABLE(b) {
        check_memory m = {.n = 0};
        at_real *x = check_normal(&m, ROWS * IN, 1), *packed = check_zeros(&m, at_packed_size(OUT, IN));
        at_real *w = check_normal(&m, OUT * IN, 2), *y = check_zeros(&m, ROWS * OUT), *alone = check_zeros(&m, OUT);
        at_pack(w, packed, OUT, IN);
        b->linear(x, IN, packed, NULL, AT_ACT_GELU, NULL, y, OUT, ROWS, IN, OUT);
        for (int r = 0; r < ROWS; r++) {
            b->linear(x + r * IN, IN, packed, NULL, AT_ACT_GELU, NULL, alone, OUT, 1, IN, OUT);
            assert_memory_equal(alone, y + r * OUT, OUT * sizeof *y);
        }
        check_free(&m);
    }
}

/* Same inputs, same bits: wherever the operands lie, whatever the scratch held. */
static void test_bits_do_not_depend_on_places(void **state) {
    (void)state;
    enum { ROWS = 37, IN = 101, OUT = 75 };
    FOR_EACH_TABLE(b) {
        check_memory m = {.n = 0};
        at_real *packed = check_zeros(&m, at_packed_size(OUT, IN)), *w = check_normal(&m, OUT * IN, 2);
        at_real *y[2], *dx[2], *dw[2];
        at_pack(w, packed, OUT, IN);
        for (int turn = 0; turn < 2; turn++) {
            const size_t off = turn ? 5 : 0;
            at_real *x = check_zeros(&m, ROWS * IN + off), *dy = check_zeros(&m, ROWS * OUT + off);
            at_real *scratch = check_normal(&m, b->linear_scratch(ROWS, IN, OUT) + off, (uint64_t)(10 + turn));
            for (size_t i = 0; i < ROWS * IN; i++) x[i] = (at_real)at_random_normal(1, i);
            for (size_t i = 0; i < ROWS * OUT; i++) dy[i] = (at_real)at_random_normal(3, i);
            y[turn] = check_zeros(&m, ROWS * OUT + off);
            dx[turn] = check_zeros(&m, ROWS * IN + off);
            dw[turn] = check_zeros(&m, at_packed_size(OUT, IN) + off);
            b->linear(x, IN, packed, NULL, AT_ACT_GELU, NULL, y[turn], OUT, ROWS, IN, OUT);
            b->linear_dx(dy, OUT, packed, dx[turn], IN, ROWS, IN, OUT, 0, scratch);
            b->linear_dw(x, IN, dy, OUT, dw[turn], NULL, ROWS, IN, OUT, scratch);
        }
        assert_memory_equal(y[0], y[1], ROWS * OUT * sizeof(at_real));
        assert_memory_equal(dx[0], dx[1], ROWS * IN * sizeof(at_real));
        assert_memory_equal(dw[0], dw[1], at_packed_size(OUT, IN) * sizeof(at_real));
        check_free(&m);
    }
}

static void test_pack_round_trip(void **state) {
    (void)state;
    for (size_t o = 0; o < COUNT(sizes); o++) {
        check_memory m = {.n = 0};
        const int out = sizes[o], in = 13;
        const size_t n = (size_t)out * 13;
        at_real *w = check_normal(&m, n, 9), *packed = check_normal(&m, at_packed_size(out, in), 8), *back = check_zeros(&m, n);
        at_pack(w, packed, out, in);
        assert_true(packed[5 * AT_PANEL + (out - 1) % AT_PANEL + (out - 1) / AT_PANEL * in * AT_PANEL] == w[(out - 1) * in + 5]);
        for (int c = out; c % AT_PANEL; c++)
            assert_true(packed[(c / AT_PANEL * in + 12) * AT_PANEL + c % AT_PANEL] == 0);
        at_unpack(packed, back, out, in);
        assert_memory_equal(w, back, n * sizeof *w);
        check_free(&m);
    }
}

static void test_choice(void **state) {
    (void)state;
    at_error err;
    const at_backend *best = NULL, *same = NULL;
    check_ok(at_backend_choose(NULL, &best, &err), &err);
    check_ok(at_backend_choose("auto", &same, &err), &err);
    assert_ptr_equal(best, same);
    check_ok(at_backend_choose(best->name, &same, &err), &err);
    assert_ptr_equal(best, same);
    check_ok(at_backend_choose("portable", &same, &err), &err);
    assert_string_equal(same->name, "portable");
    check_fails(at_backend_choose("portabel", &same, &err), AT_USAGE, &err, "Did you mean 'portable'?");
    check_fails(at_backend_choose("quantum", &same, &err), AT_USAGE, &err, "unknown kernels 'quantum'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_round_trip), cmocka_unit_test(test_choice), cmocka_unit_test(test_forward),
        cmocka_unit_test(test_input_gradient), cmocka_unit_test(test_weight_gradient), cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_bits_do_not_depend_on_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
