/* Metrics of numbers, equal to SciPy's and scikit-learn's. */
#ifndef AT_TASK_METRIC_REGRESS_H
#define AT_TASK_METRIC_REGRESS_H

#include <jansson.h>

#include "base/arena.h"

typedef struct at_regress_metrics {
    long n;
    double pearson, spearman;    /* NaN where one side is constant, or of fewer than two pairs */
    double pearson_low, pearson_high, spearman_low, spearman_high; /* 95%, Fisher's z (for ranks: Bonett and Wright 2000) */
    double mse, rmse, mae, r2;   /* r2 NaN where the truth is constant */
} at_regress_metrics;

/* truth, answer [n]; pairs whose truth is NaN are left out. */
at_status at_metrics_regress(const double *truth, const double *answer, long n, at_regress_metrics *metrics, at_error *err);
/* NaN as null. */
json_t *at_metrics_regress_json(const at_regress_metrics *metrics);

#endif
