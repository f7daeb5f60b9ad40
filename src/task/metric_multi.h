/* Metrics of several labels at once, equal to scikit-learn's with zero_division=0. */
#ifndef AT_TASK_METRIC_MULTI_H
#define AT_TASK_METRIC_MULTI_H

#include "task/metric_classify.h"

typedef struct at_multi_metrics {
    int n_labels;
    long n;                      /* rows */
    at_class_scores micro, macro, weighted, samples; /* samples: means over the rows */
    at_class_scores *per_label;  /* [n_labels] */
    double subset_accuracy;      /* all labels of a row right */
    double hamming_loss;         /* share of single answers that are wrong */
    double ranking_precision;    /* label ranking average precision */
    double loss;                 /* mean binary cross-entropy of a single answer */
    double f1_low, f1_high;      /* micro F1: percentile bootstrap over rows, fixed seed */
} at_multi_metrics;

/* logits [n, n_labels], truth [n, n_labels] of 0 and 1, threshold [n_labels] of probabilities (answered from there on). */
at_status at_metrics_multi(const float *logits, const float *truth, const double *threshold, long n, int n_labels, at_arena *arena,
                           at_multi_metrics *metrics, at_error *err);
json_t *at_metrics_multi_json(const at_multi_metrics *metrics, const char *const *names);

double at_sigmoid(double x);

/* The threshold with the best F1 of one label: values are truth[i * stride], logits[i * stride], i < n. 0.5 where there are fewer than
 * `fewest` positive rows, or nothing is better. */
at_status at_threshold_best(const float *logits, const float *truth, long n, int stride, int fewest, double *threshold, at_error *err);

#endif
