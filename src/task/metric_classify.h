/* Metrics of single-label classification, equal to scikit-learn's with zero_division=0. */
#ifndef AT_TASK_METRIC_CLASSIFY_H
#define AT_TASK_METRIC_CLASSIFY_H

#include "task/metric_scores.h"

typedef struct at_classify_metrics {
    int n_classes;
    long n;                      /* examples judged: those with a label */
    double accuracy, balanced_accuracy, matthews;
    at_class_scores macro, micro, weighted;
    at_class_scores *per_class;  /* [n_classes] */
    long *confusion;             /* [n_classes, n_classes] row: true, column: predicted */
    double loss;                 /* mean negative log-likelihood */
    double calibration_error;    /* expected calibration error, 15 equal bins of confidence (Guo et al. 2017) */
    double accuracy_low, accuracy_high; /* Wilson, 95% */
    double f1_low, f1_high;             /* macro F1: percentile bootstrap, 1,000 resamples, fixed seed */
} at_classify_metrics;

/* logits [n, n_classes], label [n] (negative: skipped). Logits that are not finite make the loss so, and nothing else. */
at_status at_metrics_classify(const float *logits, const int32_t *label, int n, int n_classes, at_arena *arena,
                              at_classify_metrics *metrics, at_error *err);
/* Wilson score interval at 95% for `hits` of n. */
void at_wilson(long hits, long n, double *low, double *high);

/* The results as JSON; names [n_classes]. A loss that is not finite is null. */
json_t *at_metrics_classify_json(const at_classify_metrics *metrics, const char *const *names);

#endif
