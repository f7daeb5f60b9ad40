#include "infer/products.h"

#include <math.h>

void at_hits_add(at_hit *hits, int *n, int most, float score, int64_t row) {
    if (!most || (*n == most && !(score > hits[most - 1].score))) return;
    int at = *n < most ? (*n)++ : most - 1;
    for (; at > 0 && score > hits[at - 1].score; at--) hits[at] = hits[at - 1];
    hits[at] = (at_hit){score, row};
}

void at_rows_to_unit(float *x, size_t rows, int width) {
    for (size_t r = 0; r < rows; r++, x += width) {
        double sum = 0;
        for (int c = 0; c < width; c++) sum += (double)x[c] * (double)x[c];
        double scale = 1 / fmax(sqrt(sum), 1e-12);
        for (int c = 0; c < width; c++) x[c] = (float)((double)x[c] * scale);
    }
}

typedef struct look {
    const at_products *nearest;
    const float *packed;
    float *products;  /* [n_queries, n] */
    int64_t first;
    int n;
} look;

static void look_at_block(void *context, int part) {
    const look *l = context;
    const at_products *a = l->nearest;
    int from = part * AT_PRODUCTS_QUERIES, n = a->n_queries - from < AT_PRODUCTS_QUERIES ? a->n_queries - from : AT_PRODUCTS_QUERIES;
    float *products = l->products + (size_t)from * (size_t)l->n;
    a->backend->linear(a->queries + (size_t)from * (size_t)a->width, a->width, l->packed, NULL, AT_ACT_NONE, NULL, products, l->n, n, a->width, l->n);
    for (int q = 0; q < n; q++) a->see(a->context, from + q, l->first, products + (size_t)q * (size_t)l->n, l->n);
}

at_status at_products_look(const at_products *a, const float *rows, int64_t first, int64_t n, at_error *err) {
    at_arena scratch = {0};
    size_t packed = at_packed_size(AT_PRODUCTS_ROWS, a->width), products = (size_t)a->n_queries * AT_PRODUCTS_ROWS;
    float *memory = at_alloc_raw(&scratch, packed + products, sizeof *memory);
    if (!memory) return at_fail_memory(err, (packed + products) * sizeof *memory);
    for (int64_t at = 0; at < n; at += AT_PRODUCTS_ROWS) {
        look l = {a, memory, memory + packed, first + at, n - at < AT_PRODUCTS_ROWS ? (int)(n - at) : AT_PRODUCTS_ROWS};
        at_pack(rows + (size_t)at * (size_t)a->width, memory, l.n, a->width);
        at_pool_run(a->pool, look_at_block, &l, (a->n_queries + AT_PRODUCTS_QUERIES - 1) / AT_PRODUCTS_QUERIES);
    }
    at_arena_free(&scratch);
    return AT_OK;
}
