/* attention and its backward of every table against the plain formula in double. Bounds: 2e-6 of the sum of the sizes
 * of the terms that make an element up (a float product of a few hundred terms, and exp to within 2 ulp). */
#include "../backend_check.h"

typedef struct form {
    int heads, kv_heads, head_dim, causal, window;
    double soft_cap, dropout;
} form;

enum { MOST_ROWS = 600, GAP = 5 };

/* One sequence's probabilities and what backward needs of them, in double. */
static int sees(const at_attention *a, int i, int j, int n_q, int n_k) {
    int at = i + n_k - n_q;
    if (a->causal && j > at) return 0;
    if (a->window > 0 && abs(at - j) > a->window) return 0;
    return 1;
}

static double score_of(const at_attention *a, const at_real *q, const at_real *k, double *slope) {
    double s = 0;
    for (int c = 0; c < a->head_dim; c++) s += (double)q[c] * (double)k[c];
    s *= (double)a->scale;
    *slope = 1;
    if (a->soft_cap > 0) {
        double t = tanh(s / (double)a->soft_cap);
        *slope = 1 - t * t;
        s = (double)a->soft_cap * t;
    }
    return s;
}

static double keep_of(const at_attention *a, int s, int head, int i, int j) {
    if (!a->dropout_threshold) return 1;
    uint64_t row = at_random_row(a->dropout_key, (uint64_t)a->seq_id[s] << 32 | (uint64_t)head << 20 | (uint64_t)i);
    return at_dropout_keeps(row, (uint32_t)j, a->dropout_threshold) ? 65536.0 / (65536.0 - a->dropout_threshold) : 0;
}

typedef struct io {
    int ldq, ldk, ldo;
    const at_real *q, *k, *v, *dout;
    double *out, *out_size, *lse, *dq, *dk, *dv, *dq_size, *dk_size, *dv_size;
} io;

static void reference_query(const at_attention *a, const io *x, int s, int head, int i) {
    const int q0 = a->cu_q[s], k0 = a->cu_k[s], n_q = a->cu_q[s + 1] - q0, n_k = a->cu_k[s + 1] - k0, d = a->head_dim;
    const int kv = head / (a->heads / a->kv_heads), rows = a->cu_q[a->n_seq];
    const at_real *q = x->q + (q0 + i) * x->ldq + head * d, *dout = x->dout + (q0 + i) * x->ldo + head * d;
    double p[MOST_ROWS], slope[MOST_ROWS], largest = -INFINITY, sum = 0, along = 0;
    for (int j = 0; j < n_k; j++) {
        p[j] = sees(a, i, j, n_q, n_k) ? score_of(a, q, x->k + (k0 + j) * x->ldk + kv * d, &slope[j]) : -INFINITY;
        if (p[j] > largest) largest = p[j];
    }
    for (int j = 0; j < n_k; j++) {
        p[j] = p[j] > -INFINITY ? exp(p[j] - largest) : 0;
        sum += p[j];
    }
    x->lse[head * rows + q0 + i] = sum > 0 ? largest + log(sum) : -INFINITY;
    for (int j = 0; j < n_k; j++) {
        double kept = (p[j] = sum > 0 ? p[j] / sum : 0) * keep_of(a, s, head, i, j), dp = 0;
        for (int c = 0; c < d; c++) {
            double v = (double)x->v[(k0 + j) * x->ldk + kv * d + c];
            x->out[(q0 + i) * x->ldo + head * d + c] += kept * v;
            x->out_size[(q0 + i) * x->ldo + head * d + c] += fabs(kept * v);
            x->dv[(k0 + j) * x->ldk + kv * d + c] += kept * (double)dout[c];
            x->dv_size[(k0 + j) * x->ldk + kv * d + c] += fabs(kept * (double)dout[c]);
            dp += (double)dout[c] * v;
        }
        along += kept * dp;
    }
    for (int j = 0; j < n_k; j++) {
        if (p[j] == 0) continue;
        double dp = 0, dp_size = 0;
        for (int c = 0; c < d; c++) {
            double term = (double)dout[c] * (double)x->v[(k0 + j) * x->ldk + kv * d + c];
            dp += term;
            dp_size += fabs(term);
        }
        double keep = keep_of(a, s, head, i, j), factor = p[j] * slope[j] * (double)a->scale;
        double ds = factor * (dp * keep - along), ds_size = factor * (dp_size * (keep + 1) + fabs(along) + 1);
        for (int c = 0; c < d; c++) {
            double k = (double)x->k[(k0 + j) * x->ldk + kv * d + c];
            x->dq[(q0 + i) * x->ldq + head * d + c] += ds * k;
            x->dq_size[(q0 + i) * x->ldq + head * d + c] += fabs(ds_size * k);
            x->dk[(k0 + j) * x->ldk + kv * d + c] += ds * (double)q[c];
            x->dk_size[(k0 + j) * x->ldk + kv * d + c] += fabs(ds_size * (double)q[c]);
        }
    }
}

static void compare(const char *table, const char *what, const at_real *got, const double *expected, const double *size, size_t n) {
    for (size_t i = 0; i < n; i++) check_near(table, what, i, (double)got[i], expected[i], 2e-6 * size[i] + 1e-9);
}

static void attention_case(const at_backend *b, form f, int n_seq, const int *n_q, const int *n_k) {
    check_memory m = {.n = 0};
    int cu_q[16] = {0}, cu_k[16] = {0};
    uint32_t seq_id[16];
    for (int s = 0; s < n_seq; s++) {
        cu_q[s + 1] = cu_q[s] + n_q[s];
        cu_k[s + 1] = cu_k[s] + n_k[s];
        seq_id[s] = (uint32_t)(100 + 7 * s);
    }
    const at_attention a = {.n_seq = n_seq, .heads = f.heads, .kv_heads = f.kv_heads, .head_dim = f.head_dim,
                            .causal = f.causal, .window = f.window, .scale = (at_real)(1 / sqrt(f.head_dim)),
                            .soft_cap = (at_real)f.soft_cap, .cu_q = cu_q, .cu_k = cu_k, .seq_id = seq_id,
                            .dropout_threshold = (uint32_t)lround(f.dropout * 65536), .dropout_key = 12345};
    const int ldq = f.heads * f.head_dim + GAP, ldk = f.kv_heads * f.head_dim + GAP, ldo = ldq;
    const size_t n_out = (size_t)cu_q[n_seq] * (size_t)ldq, n_in = (size_t)cu_k[n_seq] * (size_t)ldk;
    const size_t n_lse = (size_t)cu_q[n_seq] * (size_t)f.heads;
    at_real *q = check_normal(&m, n_out, 1), *k = check_normal(&m, n_in, 2), *v = check_normal(&m, n_in, 3);
    at_real *dout = check_normal(&m, n_out, 4), *out = check_zeros(&m, n_out), *lse = check_normal(&m, n_lse, 6);
    at_real *dq = check_zeros(&m, n_out), *dk = check_zeros(&m, n_in), *dv = check_zeros(&m, n_in);
    at_real *scratch = check_normal(&m, b->attention_scratch(&a), 7);
    for (size_t i = 0; i < n_out; i++)
        if ((int)(i % (size_t)ldq) < f.heads * f.head_dim) out[i] = dq[i] = 55; /* assigned everywhere, nothing between rows */
    for (size_t i = 0; i < n_in; i++)
        if ((int)(i % (size_t)ldk) < f.kv_heads * f.head_dim) dk[i] = dv[i] = 55;
    double *sums[9];
    const size_t counts[9] = {n_out, n_out, n_lse, n_out, n_in, n_in, n_out, n_in, n_in};
    for (int i = 0; i < 9; i++) sums[i] = calloc(counts[i] + 1, sizeof(double));
    io x = {ldq, ldk, ldo, q, k, v, dout, sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7], sums[8]};
    for (int s = 0; s < n_seq; s++)
        for (int head = 0; head < f.heads; head++)
            for (int i = 0; i < n_q[s]; i++) reference_query(&a, &x, s, head, i);
    b->attention(&a, q, ldq, k, ldk, v, ldk, out, ldo, lse, scratch);
    b->attention_backward(&a, q, ldq, k, ldk, v, ldk, out, dout, ldo, lse, dq, ldq, dk, ldk, dv, ldk, scratch);
    for (size_t i = 0; i < n_lse; i++)
        if (x.lse[i] == -INFINITY) assert_true(lse[i] == -(at_real)INFINITY);
        else check_near(b->name, "lse", i, (double)lse[i], x.lse[i], 2e-6 * (1 + fabs(x.lse[i])));
    compare(b->name, "out", out, x.out, x.out_size, n_out);
    compare(b->name, "dq", dq, x.dq, x.dq_size, n_out);
    compare(b->name, "dk", dk, x.dk, x.dk_size, n_in);
    compare(b->name, "dv", dv, x.dv, x.dv_size, n_in);
    for (int i = 0; i < 9; i++) free(sums[i]);
    check_free(&m);
}

static const int lengths[] = {0, 1, 2, 17, 64, 100, 130};

static void test_self_attention(void **state) {
    (void)state;
    const int dims[] = {8, 20, 32, 64};
    FOR_EACH_TABLE(b)
        for (int d = 0; d < 4; d++)
            for (int variant = 0; variant < 4; variant++) {
                form f = {.heads = 2, .kv_heads = 2, .head_dim = dims[d], .causal = variant & 1, .dropout = variant & 2 ? 0.1 : 0};
                attention_case(b, f, 7, lengths, lengths);
            }
}

static void test_windows_groups_caps(void **state) {
    (void)state;
    const int long_ones[] = {513, 33, 250};
    FOR_EACH_TABLE(b) {
        attention_case(b, (form){2, 1, 16, 0, 40, 0, 0.2}, 3, long_ones, long_ones);
        attention_case(b, (form){2, 1, 16, 1, 120, 0, 0}, 3, long_ones, long_ones);
        attention_case(b, (form){2, 2, 16, 1, 0, 0, 0.1}, 3, long_ones, long_ones);
        attention_case(b, (form){1, 1, 16, 0, 0, 0, 0}, 3, long_ones, long_ones);
        attention_case(b, (form){4, 2, 24, 0, 0, 3.0, 0.1}, 7, lengths, lengths);
        attention_case(b, (form){1, 1, 1, 0, 0, 0, 0}, 7, lengths, lengths);
        attention_case(b, (form){1, 1, 256, 1, 3, 1.5, 0.5}, 7, lengths, lengths);
    }
}

static void test_cross_attention(void **state) {
    (void)state;
    const int n_q[] = {1, 5, 0, 40, 33, 9}, n_k[] = {200, 5, 7, 3, 0, 250};
    FOR_EACH_TABLE(b) {
        attention_case(b, (form){2, 2, 20, 0, 0, 0, 0.1}, 6, n_q, n_k);
        attention_case(b, (form){2, 1, 20, 1, 0, 0, 0}, 6, n_q, n_k); /* causal: queries before the first key see none */
    }
}

/* The same sequence in another batch, beside others, gives the same bits. */
static void test_sequences_are_independent(void **state) {
    (void)state;
    enum { HEADS = 2, DIM = 32, N = 45, LD = HEADS * DIM };
    FOR_EACH_TABLE(b) {
        check_memory m = {.n = 0};
        const int alone_cu[] = {0, N}, both_cu[] = {0, 70, 70 + N};
        const uint32_t alone_id[] = {3}, both_id[] = {1, 3};
        at_attention a = {.n_seq = 2, .heads = HEADS, .kv_heads = HEADS, .head_dim = DIM, .scale = (at_real)0.2, .cu_q = both_cu,
                          .cu_k = both_cu, .seq_id = both_id, .dropout_threshold = 6554, .dropout_key = 9};
        at_real *q = check_normal(&m, (70 + N) * LD, 1), *k = check_normal(&m, (70 + N) * LD, 2), *v = check_normal(&m, (70 + N) * LD, 3);
        at_real *out = check_zeros(&m, (70 + N) * LD), *alone = check_zeros(&m, N * LD), *lse = check_zeros(&m, HEADS * (70 + N));
        at_real *scratch = check_zeros(&m, b->attention_scratch(&a));
        b->attention(&a, q, LD, k, LD, v, LD, out, LD, lse, scratch);
        a.n_seq = 1;
        a.cu_q = a.cu_k = alone_cu;
        a.seq_id = alone_id;
        b->attention(&a, q + 70 * LD, LD, k + 70 * LD, LD, v + 70 * LD, LD, alone, LD, lse, scratch);
        assert_memory_equal(alone, out + 70 * LD, N * LD * sizeof *out);
        check_free(&m);
    }
}

static void test_scratch_is_linear(void **state) {
    (void)state;
    FOR_EACH_TABLE(b) {
        size_t at[3];
        for (int i = 0; i < 3; i++) {
            const int cu[] = {0, 960 << i};
            const at_attention a = {.n_seq = 1, .heads = 12, .kv_heads = 12, .head_dim = 32, .cu_q = cu, .cu_k = cu};
            at[i] = b->attention_scratch(&a);
        }
        assert_true(at[2] - at[1] == 2 * (at[1] - at[0]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_attention), cmocka_unit_test(test_windows_groups_caps), cmocka_unit_test(test_cross_attention),
        cmocka_unit_test(test_sequences_are_independent), cmocka_unit_test(test_scratch_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
