/* The rows of a matrix that are nearest to a query: exact, by inner product (of vectors of length 1: the cosine), a block of rows at a time,
 * so that neither all rows nor all products have to be in memory at once. */
#ifndef AT_INFER_PRODUCTS_H
#define AT_INFER_PRODUCTS_H

#include "backend/backend.h"
#include "base/arena.h"
#include "base/thread.h"

typedef struct at_hit {
    float score;
    int64_t row;
} at_hit;

/* Puts a row into a list of the best, best first, at most `most`; of equal scores the lower row is better. */
void at_hits_add(at_hit *hits, int *n, int most, float score, int64_t row);

/* Every row to length 1 (a row of zeros stays). */
void at_rows_to_unit(float *x, size_t rows, int width);

enum { AT_PRODUCTS_ROWS = 1024, AT_PRODUCTS_QUERIES = 64 };

/* Products of queries with the rows of a block, for whoever looks at them: `see` is called for each query with its products with rows
 * first .. first + n - 1. Queries go to threads; calls for one query come in the order of the blocks. */
typedef struct at_products {
    const at_backend *backend;
    at_pool *pool;         /* or NULL */
    const float *queries;  /* [n_queries, width] */
    int n_queries, width;
    void *context;
    void (*see)(void *context, int query, int64_t first, const float *products, int n);
} at_products;

/* rows [n, width]; memory is taken and given back. */
at_status at_products_look(const at_products *nearest, const float *rows, int64_t first, int64_t n, at_error *err);

#endif
