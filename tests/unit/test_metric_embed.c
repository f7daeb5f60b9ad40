/* How well texts are found, against recorded values (tests/oracle/make_metrics_embed.py); and the list of the nearest. */
#include "check.h"

#include <math.h>

#include "base/json.h"
#include "infer/products.h"
#include "task/metric_embed.h"

static void near(int i, const char *name, double got, double want) {
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want)))) fail_msg("case %d: %s is %.12g, recorded %.12g", i, name, got, want);
}

/* Vectors are signs over the root of the width; products of them are exact. */
static float *vectors_of(const json_t *c, at_arena *arena, int width, int *n) {
    const char *signs = json_string_value(json_object_get(c, "vectors"));
    size_t cells = strlen(signs);
    float *x = AT_NEW_ARRAY(arena, float, cells);
    *n = (int)cells / width;
    for (size_t i = 0; i < cells; i++) x[i] = (float)((signs[i] == '+' ? 1 : -1) / sqrt(width));
    return x;
}

static void check_case(int i, const json_t *c, const json_t *order) {
    at_arena arena = {0};
    at_error err;
    int n, width = (int)json_integer_value(json_object_get(c, "width"));
    at_retrieval r = {.width = width};
    at_retrieval_metrics m;
    r.vector = vectors_of(c, &arena, width, &n);
    uint32_t *rows = AT_NEW_ARRAY(&arena, uint32_t, n), *at = AT_NEW_ARRAY(&arena, uint32_t, n + 1), *relevant = AT_NEW_ARRAY(&arena, uint32_t, 20 * n);
    int32_t *label = AT_NEW_ARRAY(&arena, int32_t, n);
    const json_t *labels = json_object_get(c, "labels"), *right = json_object_get(c, "right"), *means = json_object_get(c, "means");
    for (int k = 0; k < n; k++) rows[k] = (uint32_t)k;
    r.query = r.candidate = rows;
    r.n_queries = r.n_candidates = n;
    for (int k = 0; labels && k < n; k++) label[k] = (int32_t)json_integer_value(json_array_get(labels, (size_t)k));
    r.class_of = label;
    if (right) {
        r.n_queries = (int)json_array_size(right);
        r.n_candidates = n - r.n_queries;
        r.candidate = rows + r.n_queries;
        for (int q = 0; q < r.n_queries; q++) {
            const json_t *list = json_array_get(right, (size_t)q);
            at[q + 1] = at[q];
            for (size_t k = 0; k < json_array_size(list); k++) relevant[at[q + 1]++] = (uint32_t)json_integer_value(json_array_get(list, k));
        }
        r.relevant_at = at;
        r.relevant = relevant;
    }
    check_ok(at_metrics_retrieval(&r, &m, &err), &err);
    assert_int_equal(m.queries, json_integer_value(json_object_get(c, "queries")));
    const double got[] = {m.accuracy_at_1, m.recall_at_1, m.recall_at_5, m.recall_at_10, m.mrr_at_10, m.ndcg_at_10, m.loss};
    for (size_t k = 0; k < 7; k++) {
        const char *name = json_string_value(json_array_get(order, k));
        if (json_is_null(means)) assert_true(isnan(got[k]));
        else if (k < 6) near(i, name, got[k], json_number_value(json_array_get(means, k)));
        else assert_true(fabs(got[k] - json_number_value(json_array_get(means, k))) < 1e-5); /* products are float */
    }
    at_arena_free(&arena);
}

static void retrieval_is_the_reference(void **state) {
    (void)state;
    at_error err;
    json_t *root;
    check_ok(at_json_load(check_source("unit/data/metrics_embed.json"), 4 << 20, AT_BAD_DATA, &root, &err), &err);
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 200);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case((int)i, json_array_get(cases, i), json_object_get(root, "order"));
    json_decref(root);
}

static void the_best_are_kept_in_order(void **state) {
    (void)state;
    at_hit hit[3];
    int n = 0;
    const float scores[] = {0.1f, 0.5f, 0.5f, -1, 0.9f, 0.5f};
    for (int i = 0; i < 6; i++) at_hits_add(hit, &n, 3, scores[i], i);
    assert_int_equal(n, 3);
    assert_int_equal(hit[0].row, 4);
    assert_int_equal(hit[1].row, 1);
    assert_int_equal(hit[2].row, 2);
    float x[] = {3, 4, 0, 0};
    at_rows_to_unit(x, 2, 2);
    assert_true(fabs((double)x[0] - 0.6) < 1e-7 && fabs((double)x[1] - 0.8) < 1e-7 && x[2] == 0);
}

/* More rows than a block and more queries than a part: as one product after the other. */
static void sum_up(void *context, int q, int64_t first, const float *products, int n) {
    double *seen = context;
    for (int i = 0; i < n; i++) seen[q] += (double)products[i] * (double)(first + i + 1);
}

static void blocks_do_not_show(void **state) {
    (void)state;
    enum { ROWS = AT_PRODUCTS_ROWS + 37, QUERIES = AT_PRODUCTS_QUERIES + 3, WIDTH = 7 };
    at_error err;
    at_pool *pool;
    float *rows = calloc(ROWS * WIDTH, sizeof *rows), *queries = calloc(QUERIES * WIDTH, sizeof *queries);
    double seen[QUERIES] = {0};
    for (int i = 0; i < ROWS * WIDTH; i++) rows[i] = (float)(i * 37 % 11 - 5);
    for (int i = 0; i < QUERIES * WIDTH; i++) queries[i] = (float)(i * 13 % 7 - 3);
    at_products p = {.queries = queries, .n_queries = QUERIES, .width = WIDTH, .context = seen, .see = sum_up};
    check_ok(at_backend_choose(NULL, &p.backend, &err), &err);
    check_ok(at_pool_open(&pool, 3, &err), &err);
    p.pool = pool;
    check_ok(at_products_look(&p, rows, 0, ROWS, &err), &err);
    for (int q = 0; q < QUERIES; q++) {
        double want = 0;
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < WIDTH; c++) want += (double)queries[q * WIDTH + c] * (double)rows[r * WIDTH + c] * (r + 1);
        assert_true(fabs(seen[q] - want) < 1e-6 * fmax(1, fabs(want)));
    }
    at_pool_close(pool);
    free(rows);
    free(queries);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(retrieval_is_the_reference), cmocka_unit_test(the_best_are_kept_in_order),
                                       cmocka_unit_test(blocks_do_not_show)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
