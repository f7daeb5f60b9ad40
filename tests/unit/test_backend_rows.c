/* The row passes and the passes over flat arrays of every table against the plain formulas in double. */
#include "../backend_check.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
static const int row_counts[] = {0, 1, 7, 9};
static const int col_counts[] = {1, 5, 16, 31, 32, 33, 47, 100, 384};

typedef struct drop_case {
    at_dropout drop;
    uint64_t row_id[16];
} drop_case;

static void drop_init(drop_case *d, double p) {
    for (int i = 0; i < 16; i++) d->row_id[i] = (uint64_t)(i / 3) << 32 | (uint64_t)(i % 3);
    d->drop = (at_dropout){.threshold = (uint32_t)lround(p * 65536), .key = at_random_key(7, AT_SITE_DROPOUT + 3, 11), .row_id = d->row_id};
}

static double kept(const at_dropout *d, int row, int col) {
    if (!d || !d->threshold) return 1;
    uint64_t key = at_random_row(d->key, d->row_id[row]);
    return at_dropout_keeps(key, (uint32_t)col, d->threshold) ? 65536.0 / (65536.0 - d->threshold) : 0;
}

static void test_dropout_is_the_documented_one(void **state) {
    (void)state;
    const double ps[] = {0, 0.1, 0.5, 1};
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t c = 0; c < COUNT(col_counts); c++)
                for (size_t p = 0; p < COUNT(ps); p++) {
                    check_memory m = {.n = 0};
                    const int rows = row_counts[r], cols = col_counts[c];
                    const size_t n = (size_t)rows * (size_t)cols;
                    drop_case d;
                    drop_init(&d, ps[p]);
                    at_real *x = check_normal(&m, n, 1), *y = check_normal(&m, n, 2), *sum = check_copy(&m, y, n);
                    at_real *before = check_copy(&m, y, n);
                    b->dropout(x, &d.drop, y, 0, rows, cols);
                    b->dropout(x, &d.drop, sum, 1, rows, cols);
                    for (size_t i = 0; i < n; i++) {
                        at_real scale = (at_real)kept(&d.drop, (int)i / cols, (int)i % cols);
                        assert_true(y[i] == x[i] * scale);
                        assert_true(sum[i] == before[i] + x[i] * scale);
                    }
                    check_free(&m);
                }
}

static void norm_case(const at_backend *b, int rows, int cols, int rms, int with_residual, double p) {
    check_memory m = {.n = 0};
    const size_t n = (size_t)rows * (size_t)cols;
    drop_case d;
    drop_init(&d, p);
    at_real *x = check_normal(&m, n, 1), *residual = check_normal(&m, n, 2), *gamma = check_normal(&m, (size_t)cols, 3);
    at_real *beta = check_normal(&m, (size_t)cols, 4), *h = check_zeros(&m, n), *y = check_zeros(&m, n);
    at_real *stats = check_zeros(&m, 2 * (size_t)rows), *dy = check_normal(&m, n, 5), *dx = check_normal(&m, n, 6);
    at_real *dres = check_normal(&m, n, 7), *dgamma = check_normal(&m, (size_t)cols, 8), *dbeta = check_normal(&m, (size_t)cols, 9);
    at_real *dx0 = check_copy(&m, dx, n), *dres0 = check_copy(&m, dres, n), *xin = check_copy(&m, x, n);
    double *sums = calloc(2 * (size_t)cols, sizeof *sums);
    for (int c = 0; c < cols; c++) {
        sums[c] = (double)dgamma[c];
        sums[cols + c] = (double)dbeta[c];
    }
    const at_real epsilon = (at_real)1e-5;
    b->norm(xin, with_residual ? residual : NULL, p > 0 ? &d.drop : NULL, gamma, rms ? NULL : beta, epsilon, rms, xin, stats,
            y, rows, cols); /* h may be x */
    memcpy(h, xin, n * sizeof *h);
    b->norm_backward(dy, h, stats, p > 0 ? &d.drop : NULL, gamma, rms, dx, rms, with_residual ? dres : NULL, !rms, dgamma,
                     rms ? NULL : dbeta, rows, cols);
    for (int r = 0; r < rows; r++) {
        const int at = r * cols;
        double mean = 0, variance = 0, plain = 0, along = 0;
        for (int c = 0; c < cols; c++) {
            double value = (double)x[at + c] * kept(p > 0 ? &d.drop : NULL, r, c) + (with_residual ? (double)residual[at + c] : 0);
            check_near(b->name, "h", (size_t)(at + c), (double)h[at + c], value, 1e-6 * (1 + fabs(value)));
            mean += rms ? 0 : (double)h[at + c] / cols;
        }
        for (int c = 0; c < cols; c++) variance += ((double)h[at + c] - mean) * ((double)h[at + c] - mean) / cols;
        double rstd = 1 / sqrt(variance + (double)epsilon);
        /* the mean itself is rounded to a float; one column has nothing but that error */
        double blur = cols == 1 ? 1e-6 * rstd * fabs((double)h[at]) : 0, bound = 3e-6 + blur;
        for (int c = 0; c < cols; c++) {
            double xhat = ((double)h[at + c] - mean) * rstd, g = (double)dy[at + c] * (double)gamma[c];
            double value = xhat * (double)gamma[c] + (rms ? 0 : (double)beta[c]);
            check_near(b->name, "y", (size_t)(at + c), (double)y[at + c], value, bound * (1 + fabs(value)));
            plain += rms ? 0 : g / cols;
            along += g * xhat / cols;
            sums[c] += (double)dy[at + c] * xhat;
            sums[cols + c] += (double)dy[at + c];
        }
        for (int c = 0; c < cols; c++) {
            double xhat = ((double)h[at + c] - mean) * rstd, g = (double)dy[at + c] * (double)gamma[c];
            double dh = (g - plain - xhat * along) * rstd, size = 3e-6 * rstd * (fabs(g) + fabs(plain) + fabs(xhat * along) + 1);
            double dropped = dh * kept(p > 0 ? &d.drop : NULL, r, c) + (rms ? (double)dx0[at + c] : 0);
            check_near(b->name, "dx", (size_t)(at + c), (double)dx[at + c], dropped, 2 * size + 1e-6);
            if (with_residual)
                check_near(b->name, "dresidual", (size_t)(at + c), (double)dres[at + c], dh + (rms ? 0 : (double)dres0[at + c]), size + 1e-6);
            else assert_true(dres[at + c] == dres0[at + c]);
        }
    }
    for (int c = 0; c < cols; c++) {
        check_near(b->name, "dgamma", (size_t)c, (double)dgamma[c], sums[c], 3e-5);
        if (!rms) check_near(b->name, "dbeta", (size_t)c, (double)dbeta[c], sums[cols + c], 1e-5);
    }
    free(sums);
    check_free(&m);
}

static void test_norm(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t c = 0; c < COUNT(col_counts); c++)
                for (int variant = 0; variant < 8; variant++)
                    norm_case(b, row_counts[r], col_counts[c], variant & 1, variant >> 1 & 1, variant & 4 ? 0.1 : 0);
}

/* Far from zero a one-pass variance would lose every digit. */
static void test_norm_far_from_zero(void **state) {
    (void)state;
    FOR_EACH_TABLE(b) {
        at_real x[100], gamma[100], h[100], y[100], stats[2];
        for (int c = 0; c < 100; c++) {
            x[c] = (at_real)(10000 + c % 2);
            gamma[c] = 1;
        }
        b->norm(x, NULL, NULL, gamma, NULL, 0, 0, h, stats, y, 1, 100);
        for (int c = 0; c < 100; c++) check_near(b->name, "y", (size_t)c, (double)y[c], c % 2 ? 1 : -1, 5e-3);
    }
}

static void cross_entropy_case(const at_backend *b, int rows, int cols, int weighted, double smoothing, double size) {
    check_memory m = {.n = 0};
    const size_t n = (size_t)rows * (size_t)cols;
    at_real *x = check_normal(&m, n, 1), *weight = check_normal(&m, (size_t)cols, 2), *d = check_normal(&m, n, 3);
    int32_t *target = check_bytes(&m, (size_t)rows * sizeof *target);
    double *loss = check_bytes(&m, (size_t)rows * sizeof *loss), *only = check_bytes(&m, (size_t)rows * sizeof *only);
    for (size_t i = 0; i < n; i++) x[i] *= (at_real)size;
    for (int c = 0; c < cols; c++) weight[c] = (at_real)fabs((double)weight[c]);
    for (int r = 0; r < rows; r++) target[r] = r % 4 == 3 ? -100 : (r * 37) % cols;
    const at_real *w = weighted ? weight : NULL;
    const double scale = 0.25, s = (double)(at_real)smoothing;
    b->cross_entropy(x, target, w, (at_real)smoothing, (at_real)scale, loss, d, rows, cols);
    b->cross_entropy(x, target, w, (at_real)smoothing, (at_real)scale, only, NULL, rows, cols);
    for (int r = 0; r < rows; r++) {
        const at_real *row = x + (size_t)r * (size_t)cols;
        double largest = -INFINITY, sum = 0, expected = 0, total = 0;
        for (int c = 0; c < cols; c++) largest = fmax(largest, (double)row[c]);
        for (int c = 0; c < cols; c++) sum += exp((double)row[c] - largest);
        for (int c = 0; c < cols; c++) {
            double q = ((c == target[r] ? 1 - s : 0) + s / cols) * (w ? (double)w[c] : 1);
            if (target[r] < 0) q = 0;
            expected -= q * ((double)row[c] - largest - log(sum));
            total += q;
        }
        check_near(b->name, "loss", (size_t)r, loss[r], expected, 1e-6 * (1 + fabs(expected) + size));
        assert_true(loss[r] == only[r]);
        for (int c = 0; c < cols; c++) {
            double q = target[r] < 0 ? 0 : ((c == target[r] ? 1 - s : 0) + s / cols) * (w ? (double)w[c] : 1);
            double p = exp((double)row[c] - largest) / sum;
            check_near(b->name, "dlogits", (size_t)(r * cols + c), (double)d[r * cols + c], scale * (total * p - q), 1e-6 * (total + 0.01));
        }
    }
    check_free(&m);
}

static void test_cross_entropy(void **state) {
    (void)state;
    const int cols[] = {1, 2, 3, 16, 17, 100, 5000};
    FOR_EACH_TABLE(b)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            for (size_t c = 0; c < COUNT(cols); c++)
                for (int variant = 0; variant < 4; variant++)
                    cross_entropy_case(b, row_counts[r], cols[c], variant & 1, variant & 2 ? 0.1 : 0, variant == 3 ? 60 : 2);
}

static void test_softmax(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t c = 0; c < COUNT(col_counts); c++) {
            check_memory m = {.n = 0};
            const int rows = 5, cols = col_counts[c];
            at_real *x = check_normal(&m, (size_t)(rows * cols), 1), *y = check_copy(&m, x, (size_t)(rows * cols));
            y[0] = x[0] = 3000; /* must not overflow */
            b->softmax(y, rows, cols);
            for (int r = 0; r < rows; r++) {
                double largest = -INFINITY, sum = 0;
                for (int i = 0; i < cols; i++) largest = fmax(largest, (double)x[r * cols + i]);
                for (int i = 0; i < cols; i++) sum += exp((double)x[r * cols + i] - largest);
                for (int i = 0; i < cols; i++) {
                    double p = exp((double)x[r * cols + i] - largest) / sum;
                    check_near(b->name, "p", (size_t)(r * cols + i), (double)y[r * cols + i], p, 1e-6 * p + 1e-37);
                }
            }
            check_free(&m);
        }
}

static void test_scale_add(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (size_t n = 0; n < 70; n++) {
            check_memory m = {.n = 0};
            at_real *x = check_normal(&m, n, 1), *y = check_normal(&m, n, 2), *z = check_copy(&m, y, n), *y0 = check_copy(&m, y, n);
            b->scale_add((at_real)0.3, x, y, 1, n);
            b->scale_add((at_real)0.3, x, z, 0, n);
            for (size_t i = 0; i < n; i++) {
                double a = (double)(at_real)0.3 * (double)x[i];
                check_near(b->name, "sum", i, (double)y[i], (double)y0[i] + a, 2e-7 * (fabs((double)y0[i]) + fabs(a)));
                assert_true(z[i] == (at_real)0.3 * x[i]);
            }
            check_free(&m);
        }
}

/* ((0+1)+(2+3)) + ((4+5)+6): what the contract says, in the arithmetic of at_real; bits must agree. */
static at_real tree(at_real *const *lanes, int from, int n, size_t i) {
    if (n == 1) return lanes[from][i];
    int half = 1;
    while (2 * half < n) half *= 2;
    return tree(lanes, from, half, i) + tree(lanes, from + half, n - half, i);
}

static void test_reduce(void **state) {
    (void)state;
    const size_t counts[] = {0, 1, 15, 16, 17, 200};
    FOR_EACH_TABLE(b)
        for (int n_lanes = 1; n_lanes <= 9; n_lanes++)
            for (size_t c = 0; c < COUNT(counts); c++) {
                check_memory m = {.n = 0};
                at_real *lanes[9], *expected = check_zeros(&m, counts[c]);
                double squares = 0;
                for (int l = 0; l < n_lanes; l++) lanes[l] = check_normal(&m, counts[c], (uint64_t)(l + 1));
                for (size_t i = 0; i < counts[c]; i++) {
                    expected[i] = tree(lanes, 0, n_lanes, i);
                    squares += (double)expected[i] * (double)expected[i];
                }
                double got = b->reduce(lanes, n_lanes, lanes[0], counts[c]); /* into the first lane, in place */
                check_near(b->name, "squares", counts[c], got, squares, 1e-12 * squares);
                assert_memory_equal(lanes[0], expected, counts[c] * sizeof *expected);
                check_free(&m);
            }
}

static void test_adamw(void **state) {
    (void)state;
    const size_t counts[] = {0, 1, 16, 31, 100};
    FOR_EACH_TABLE(b)
        for (size_t c = 0; c < COUNT(counts); c++) {
            check_memory memory = {.n = 0};
            const size_t n = counts[c];
            at_real *w = check_normal(&memory, n, 1), *g = check_normal(&memory, n, 2), *m = check_zeros(&memory, n), *v = check_zeros(&memory, n);
            double *wd = calloc(3 * n + 1, sizeof *wd), *md = wd + n, *vd = md + n;
            for (size_t i = 0; i < n; i++) wd[i] = (double)w[i];
            for (int t = 1; t <= 6; t++) {
                const at_adamw s = {.learning_rate = 1e-3 * t, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1,
                                    .correction1 = 1 - pow(0.9, t), .correction2 = 1 - pow(0.999, t), .gradient_scale = 0.5};
                const int without = t == 4; /* a step without a gradient */
                for (size_t i = 0; i < n; i++) {
                    double gd = without ? 0 : 0.5 * (double)g[i] * t;
                    wd[i] *= 1 - s.learning_rate * s.weight_decay;
                    md[i] = 0.9 * md[i] + 0.1 * gd;
                    vd[i] = 0.999 * vd[i] + 0.001 * gd * gd;
                    wd[i] -= s.learning_rate / s.correction1 * md[i] / (sqrt(vd[i]) / sqrt(s.correction2) + s.epsilon);
                }
                at_real *gt = check_zeros(&memory, n);
                for (size_t i = 0; i < n; i++) gt[i] = g[i] * (at_real)t;
                b->adamw(&s, w, without ? NULL : gt, m, v, n);
            }
            for (size_t i = 0; i < n; i++) {
                check_near(b->name, "w", i, (double)w[i], wd[i], 1e-6 * (fabs(wd[i]) + 0.01));
                check_near(b->name, "m", i, (double)m[i], md[i], 1e-6 * fabs(md[i]));
                check_near(b->name, "v", i, (double)v[i], vd[i], 1e-6 * vd[i]); /* 1 - beta2 in float is off by 5e-8 of it */
            }
            free(wd);
            check_free(&memory);
        }
}

static double slope(at_activation act, double x) {
    double phi = exp(-0.5 * x * x) * 0.39894228040143267794, sigma = 1 / (1 + exp(-x));
    double inner = 0.79788456080286535588 * (x + 0.044715 * x * x * x), t = tanh(inner);
    switch (act) {
    case AT_ACT_GELU: return 0.5 * erfc(-x * 0.70710678118654752440) + x * phi;
    case AT_ACT_GELU_TANH: return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.79788456080286535588 * (1 + 3 * 0.044715 * x * x);
    case AT_ACT_RELU: return x > 0;
    case AT_ACT_SILU: return sigma * (1 + x * (1 - sigma));
    case AT_ACT_TANH: return 1 - tanh(x) * tanh(x);
    case AT_ACT_NONE: break;
    }
    return 1;
}

static void test_activation_gradients(void **state) {
    (void)state;
    FOR_EACH_TABLE(b)
        for (int act = AT_ACT_NONE; act <= AT_ACT_TANH; act++)
            for (size_t c = 0; c < COUNT(col_counts); c++) {
                check_memory m = {.n = 0};
                const int rows = 3, cols = col_counts[c], ld = cols + 2;
                at_real *pre = check_normal(&m, (size_t)(rows * ld), 1), *dy = check_normal(&m, (size_t)(rows * ld), 2);
                for (int i = 0; i < rows * ld; i++) pre[i] *= 3;
                at_real *d = check_copy(&m, dy, (size_t)(rows * ld));
                b->act_backward((at_activation)act, pre, d, d, rows, cols, ld);
                for (int i = 0; i < rows * ld; i++) {
                    double expected = (double)dy[i] * (i % ld < cols ? slope((at_activation)act, (double)pre[i]) : 1);
                    check_near(b->name, "dpre", (size_t)i, (double)d[i], expected, 1e-6 * fabs((double)dy[i]));
                }
                check_free(&m);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropout_is_the_documented_one), cmocka_unit_test(test_norm), cmocka_unit_test(test_norm_far_from_zero),
        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_softmax), cmocka_unit_test(test_scale_add),
        cmocka_unit_test(test_reduce), cmocka_unit_test(test_adamw), cmocka_unit_test(test_activation_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
