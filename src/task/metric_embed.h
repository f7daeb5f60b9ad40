/* How well texts are found by their vectors, as sentence-transformers' InformationRetrievalEvaluator counts it. */
#ifndef AT_TASK_METRIC_EMBED_H
#define AT_TASK_METRIC_EMBED_H

#include <jansson.h>

#include "base/arena.h"

enum { AT_RETRIEVED = 10 };

/* Queries and candidates are rows of `vector`. What is right for a query: relevant[relevant_at[q] .. relevant_at[q + 1] - 1], candidates in
 * ascending order; or, where `relevant_at` is NULL, every candidate of the query's class but the query itself. */
typedef struct at_retrieval {
    const float *vector;        /* rows of length 1 */
    int width;
    const uint32_t *query, *candidate;
    int n_queries, n_candidates;
    const uint32_t *relevant_at, *relevant;
    const int32_t *class_of;    /* of rows of `vector` */
} at_retrieval;

typedef struct at_retrieval_metrics {
    long queries;               /* that have anything right; the others are left out */
    double accuracy_at_1;       /* share whose first candidate is right */
    double recall_at_1, recall_at_5, recall_at_10; /* mean share of what is right among the first */
    double mrr_at_10;           /* mean of 1 / rank of the first right one, 0 beyond */
    double ndcg_at_10;
    double loss;                /* mean of log sum_k exp(scale s_k) - mean of the right ones' scale s, scale 20 (at_op_contrastive) */
} at_retrieval_metrics;

/* Candidates of equal products rank in their order. */
at_status at_metrics_retrieval(const at_retrieval *what, at_retrieval_metrics *metrics, at_error *err);
/* Adds them to an object, with Wilson's interval of accuracy_at_1. NaN as null. */
void at_metrics_retrieval_json(const at_retrieval_metrics *metrics, json_t *into);

/* A share and Wilson's 95% interval of it: "name", "name_interval"; null where n is 0. */
void at_metrics_add_share(json_t *into, const char *name, double right, double n);

#endif
