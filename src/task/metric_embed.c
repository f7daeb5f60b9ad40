#include "task/metric_embed.h"

#include <math.h>
#include <string.h>

#include "infer/products.h"

static const double SCALE = 20;

/* One query's way through the candidates. */
typedef struct found {
    at_hit hit[AT_RETRIEVED];
    int n;
    double sum;    /* of exp(scale (s - 1)) */
    double right;  /* sum of the right ones' products */
    long n_right;
    uint32_t next; /* of relevant[] */
} found;

typedef struct retrieval_walk {
    const at_retrieval *what;
    found *found; /* [n_queries] */
} retrieval_walk;

static int is_self(const at_retrieval *r, int q, int64_t c) { return !r->relevant_at && r->query[q] == r->candidate[c]; }

static int same_class(const at_retrieval *r, int q, int64_t c) {
    return r->class_of[r->query[q]] >= 0 && r->class_of[r->query[q]] == r->class_of[r->candidate[c]];
}

static void add_right(found *f, float score) {
    f->right += (double)score;
    f->n_right++;
}

static void see(void *context, int q, int64_t first, const float *products, int n) {
    const retrieval_walk *w = context;
    const at_retrieval *r = w->what;
    found *f = &w->found[q];
    for (int i = 0; i < n; i++) {
        if (is_self(r, q, first + i)) continue;
        at_hits_add(f->hit, &f->n, AT_RETRIEVED, products[i], first + i);
        f->sum += exp(SCALE * ((double)products[i] - 1));
        if (!r->relevant_at && same_class(r, q, first + i)) add_right(f, products[i]);
    }
    for (; r->relevant_at && r->relevant_at[q] + f->next < r->relevant_at[q + 1]; f->next++) {
        int64_t at = (int64_t)r->relevant[r->relevant_at[q] + f->next] - first;
        if (at >= n) return;
        add_right(f, products[at]);
    }
}

static int is_right(const at_retrieval *r, int q, int64_t c) {
    if (!r->relevant_at) return same_class(r, q, c);
    for (uint32_t i = r->relevant_at[q]; i < r->relevant_at[q + 1]; i++)
        if ((int64_t)r->relevant[i] == c) return 1;
    return 0;
}

static void count(const at_retrieval *r, int q, const found *f, at_retrieval_metrics *m) {
    double gain = 0, best = 0, reciprocal = 0;
    int right[AT_RETRIEVED + 1] = {0}; /* among the first so many */
    for (int i = 0; i < AT_RETRIEVED; i++) {
        int yes = i < f->n && is_right(r, q, f->hit[i].row);
        right[i + 1] = right[i] + yes;
        gain += yes / log2(i + 2);
        if (i < f->n_right) best += 1 / log2(i + 2);
        if (yes && !(reciprocal > 0)) reciprocal = 1.0 / (i + 1);
    }
    m->queries++;
    m->accuracy_at_1 += right[1];
    m->recall_at_1 += (double)right[1] / (double)f->n_right;
    m->recall_at_5 += (double)right[5] / (double)f->n_right;
    m->recall_at_10 += (double)right[10] / (double)f->n_right;
    m->mrr_at_10 += reciprocal;
    m->ndcg_at_10 += gain / best;
    m->loss += log(f->sum) + SCALE - SCALE * f->right / (double)f->n_right;
}

static at_status walk(retrieval_walk *w, const float *queries, float *rows, at_error *err) {
    const at_retrieval *r = w->what;
    size_t width = (size_t)r->width;
    at_products nearest = {.queries = queries, .n_queries = r->n_queries, .width = r->width, .context = w, .see = see};
    AT_TRY(at_backend_choose(NULL, &nearest.backend, err));
    for (int from = 0; from < r->n_candidates; from += AT_PRODUCTS_ROWS) {
        int n = r->n_candidates - from < AT_PRODUCTS_ROWS ? r->n_candidates - from : AT_PRODUCTS_ROWS;
        for (int i = 0; i < n; i++) memcpy(rows + (size_t)i * width, r->vector + (size_t)r->candidate[from + i] * width, width * sizeof *rows);
        AT_TRY(at_products_look(&nearest, rows, from, n, err));
    }
    return AT_OK;
}

at_status at_metrics_retrieval(const at_retrieval *r, at_retrieval_metrics *m, at_error *err) {
    at_arena arena = {0};
    size_t width = (size_t)r->width;
    retrieval_walk w = {r, AT_NEW_ARRAY(&arena, found, r->n_queries)};
    float *queries = AT_NEW_ARRAY(&arena, float, (size_t)r->n_queries * width), *rows = AT_NEW_ARRAY(&arena, float, AT_PRODUCTS_ROWS * width);
    *m = (at_retrieval_metrics){0};
    at_status st = w.found && queries && rows ? AT_OK : at_fail_memory(err, (size_t)r->n_queries * width * sizeof *queries);
    for (int q = 0; q < r->n_queries && !st; q++)
        memcpy(queries + (size_t)q * width, r->vector + (size_t)r->query[q] * width, width * sizeof *queries);
    if (!st) st = walk(&w, queries, rows, err);
    for (int q = 0; q < r->n_queries && !st; q++)
        if (w.found[q].n_right) count(r, q, &w.found[q], m);
    double *const means[] = {&m->accuracy_at_1, &m->recall_at_1, &m->recall_at_5, &m->recall_at_10, &m->mrr_at_10, &m->ndcg_at_10, &m->loss};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) *means[i] = m->queries ? *means[i] / (double)m->queries : NAN;
    at_arena_free(&arena);
    return st;
}

/* ---- words ---- */

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

void at_metrics_add_share(json_t *into, const char *name, double right, double n) {
    const double z = 1.959963984540054;
    char interval[64];
    double p = right / n, middle = p + z * z / (2 * n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
    json_object_set_new(into, name, n > 0 ? json_real(p) : json_null());
    snprintf(interval, sizeof interval, "%s_interval", name);
    if (n > 0) json_object_set_new(into, interval, json_pack("[f, f]", fmax(0, (middle - half) / scale), fmin(1, (middle + half) / scale)));
}

void at_metrics_retrieval_json(const at_retrieval_metrics *m, json_t *into) {
    json_object_set_new(into, "ndcg_at_10", number(m->ndcg_at_10));
    json_object_set_new(into, "mrr_at_10", number(m->mrr_at_10));
    at_metrics_add_share(into, "accuracy_at_1", m->accuracy_at_1 * (double)m->queries, (double)m->queries);
    json_object_set_new(into, "recall_at_1", number(m->recall_at_1));
    json_object_set_new(into, "recall_at_5", number(m->recall_at_5));
    json_object_set_new(into, "recall_at_10", number(m->recall_at_10));
    json_object_set_new(into, "queries", json_integer((json_int_t)m->queries));
}
