/* What metrics of classes, labels and tags share: precision, recall and F1, their averages, and the interval of a micro F1. */
#ifndef AT_TASK_METRIC_SCORES_H
#define AT_TASK_METRIC_SCORES_H

#include <jansson.h>

#include "base/arena.h"

typedef struct at_class_scores {
    double precision, recall, f1;
    long support, predicted;
} at_class_scores;

static inline double at_ratio(double a, double b) { return b > 0 ? a / b : 0; }

/* Adds a share of the scores to a mean. */
static inline void at_scores_add(at_class_scores *mean, const at_class_scores *s, double share) {
    mean->precision += share * s->precision;
    mean->recall += share * s->recall;
    mean->f1 += share * s->f1;
}

json_t *at_scores_json(const at_class_scores *scores); /* precision, recall, f1, support */

/* What one row, or one sentence, has right. */
typedef struct at_hit_counts {
    int hits, predicted, support;
} at_hit_counts;

/* 95% interval of the micro F1 over n rows: percentile bootstrap with a fixed seed, 1,000 draws, or 200 where there are more than `many`.
 */
at_status at_micro_f1_interval(const at_hit_counts *row, long n, long many, at_arena *arena, double *low, double *high, at_error *err);

/* Sorts the draws of a bootstrap and reads the ends of the middle 95% off them. */
void at_percentiles(double *draw, int n, double *low, double *high);

#endif
