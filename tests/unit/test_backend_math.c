/* The error of the vector exp, erf and tanh over floats of every size, in units in the last place of the true value, and
 * what they make of zeros, infinities and NaN. */
#include "../backend_check.h"

#include "backend/tables.h"

enum { STRIDE = 1021, BLOCK = 1024 }; /* every 1021st of the 2^32 floats: every exponent, and mantissas without a pattern */

typedef void (*vector_function)(const at_real *, at_real *, size_t);

static vector_function of(const at_vector_math *m, int i) { return i == 0 ? m->exp : i == 1 ? m->erf : m->tanh; }

static int tables(const at_vector_math *list[CHECK_TABLES]) {
    int n = 0;
    list[n++] = &at_cpu_portable_math;
#if AT_X86_TABLES
    const at_backend *b;
    if (!at_backend_choose("avx2", &b, NULL)) list[n++] = &at_cpu_avx2_math;
    if (!at_backend_choose("avx512", &b, NULL)) list[n++] = &at_cpu_avx512_math;
#endif
    return n;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Distance in units of the last place that a float near `truth` has. */
static double ulps(float got, double truth) {
    if (isinf(got) && fabs(truth) > 3.40282356e38) return 0; /* where a float rounds to infinity */
    int e;
    frexp(truth, &e);
    return fabs((double)got - truth) / ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static void test_error_bounds(void **state) {
    (void)state;
    static const struct { const char *name; double (*truth)(double); double most; } functions[] = {
        {"exp", exp, 1.5}, {"erf", erf, 2.0}, {"tanh", tanh, 2.0}};
    const at_vector_math *list[CHECK_TABLES];
    const int n_tables = tables(list);
    float x[BLOCK], y[BLOCK];
    double truth[BLOCK];
    for (int f = 0; f < 3; f++) {
        double worst[CHECK_TABLES] = {0};
        uint64_t bits = 0;
        while (bits >> 32 == 0) {
            for (int i = 0; i < BLOCK; i++, bits += STRIDE) {
                x[i] = from_bits((uint32_t)bits);
                if (isnan(x[i])) x[i] = 0;
                truth[i] = functions[f].truth((double)x[i]);
            }
            for (int t = 0; t < n_tables; t++) {
                of(list[t], f)(x, y, BLOCK);
                for (int i = 0; i < BLOCK; i++) {
                    double error = ulps(y[i], truth[i]);
                    if (!(error <= functions[f].most))
                        fail_msg("%s: %s(%.9g) is %.9g, true %.17g: %.2f ulp", list[t]->name, functions[f].name, (double)x[i],
                                 (double)y[i], truth[i], error);
                    if (error > worst[t]) worst[t] = error;
                }
            }
        }
        for (int t = 0; t < n_tables; t++) print_message("%s: %s within %.3f ulp\n", list[t]->name, functions[f].name, worst[t]);
    }
}

/* The ranges that matter, densely: where results become subnormal or infinite, and where the pieces of the fits meet. */
static void test_seams(void **state) {
    (void)state;
    const at_vector_math *list[CHECK_TABLES];
    const int n_tables = tables(list);
    static const float centres[] = {-103.97f, -103.28f, -87.34f, 88.72f, 0.34657f, 0.92f, 0.625f, 3.9f, 9.01f};
    float x[BLOCK], y[BLOCK];
    for (int t = 0; t < n_tables; t++)
        for (size_t c = 0; c < sizeof centres / sizeof centres[0]; c++) {
            for (int i = 0; i < BLOCK; i++) x[i] = centres[c] * (1 + 1e-6f * (float)(i - BLOCK / 2));
            list[t]->exp(x, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) assert_true(ulps(y[i], exp((double)x[i])) <= 1.5);
            list[t]->erf(x, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) assert_true(ulps(y[i], erf((double)x[i])) <= 2 && fabsf(y[i]) <= 1);
            list[t]->tanh(x, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) assert_true(ulps(y[i], tanh((double)x[i])) <= 2 && fabsf(y[i]) <= 1);
        }
}

static void test_special_values(void **state) {
    (void)state;
    const at_vector_math *list[CHECK_TABLES];
    const int n_tables = tables(list);
    for (int t = 0; t < n_tables; t++) {
        float x[16] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 3.4e38f, -3.4e38f, 1e-45f, -1e-45f, 1e-38f, 100, -150}, y[16];
        list[t]->exp(x, y, 16);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == INFINITY && y[3] == 0 && isnan(y[4]) && isnan(y[5]));
        assert_true(y[6] == INFINITY && y[7] == 0 && y[8] == 1 && y[11] == INFINITY && y[12] == 0);
        for (int f = 1; f < 3; f++) {
            of(list[t], f)(x, y, 16);
            assert_true(y[0] == 0 && !signbit(y[0]) && y[1] == 0 && signbit(y[1]));
            assert_true(y[2] == 1 && y[3] == -1 && isnan(y[4]) && isnan(y[5]) && y[6] == 1 && y[7] == -1);
            assert_true(y[8] >= 0 && y[8] < 3e-45f && y[9] == -y[8] && y[11] == 1 && y[12] == -1);
        }
    }
}

/* What attention and GELU use where an absolute error is what counts. */
static void test_exp_negative_and_cdf(void **state) {
    (void)state;
    const at_vector_math *list[CHECK_TABLES];
    const int n_tables = tables(list);
    float x[BLOCK], y[BLOCK];
    for (int t = 0; t < n_tables; t++) {
        for (int from = -200; from < 200; from++) {
            for (int i = 0; i < BLOCK; i++) x[i] = 0.5f * ((float)from + (float)i / BLOCK);
            list[t]->exp_negative(x, y, BLOCK);
            for (int i = 0; i < BLOCK && from < 0; i++) {
                double truth = exp((double)x[i]);
                check_near(list[t]->name, "exp_negative", (size_t)i, (double)y[i], truth,
                           0x1p-24 * (2 - 2 * (double)x[i]) * truth + 1e-44);
            }
            list[t]->normal_cdf(x, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) {
                double truth = 0.5 * erfc(-(double)x[i] * 0.70710678118654752440);
                check_near(list[t]->name, "normal_cdf", (size_t)i, (double)y[i], truth, x[i] < 0 ? 6e-8 : 8e-8);
                if (x[i] < 0 && x[i] > -4) check_near(list[t]->name, "its tail", (size_t)i, (double)y[i], truth, 1e-5 * truth);
            }
        }
        float special[16] = {0.0f, -0.0f, -INFINITY, INFINITY, NAN, 3.4e38f, -3.4e38f};
        list[t]->normal_cdf(special, y, 16);
        assert_true(y[0] == 0.5f && y[1] == 0.5f && y[2] == 0 && y[3] == 1 && isnan(y[4]) && y[5] == 1 && y[6] == 0);
        list[t]->exp_negative(special, y, 16);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == 0 && isnan(y[4]) && y[6] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_seams),
        cmocka_unit_test(test_exp_negative_and_cdf),
        cmocka_unit_test(test_error_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
