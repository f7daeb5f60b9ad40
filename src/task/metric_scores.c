#include "task/metric_scores.h"

#include <stdlib.h>

#include "base/random.h"

json_t *at_scores_json(const at_class_scores *s) {
    return json_pack("{s:f, s:f, s:f, s:I}", "precision", s->precision, "recall", s->recall, "f1", s->f1, "support",
                     (json_int_t)s->support);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void at_percentiles(double *draw, int n, double *low, double *high) {
    qsort(draw, (size_t)n, sizeof *draw, by_value);
    *low = draw[n * 25 / 1000];
    *high = draw[n - 1 - n * 25 / 1000];
}

at_status at_micro_f1_interval(const at_hit_counts *row, long n, long many, at_arena *arena, double *low, double *high, at_error *err) {
    int draws = n > many ? 200 : 1000;
    double *f1 = AT_NEW_ARRAY(arena, double, draws);
    if (!f1) return at_fail_memory(err, (size_t)draws * sizeof *f1);
    for (int r = 0; r < draws; r++) {
        uint64_t key = at_random_key(7, AT_SITE_SPLIT, (uint64_t)r);
        double hits = 0, others = 0;
        for (long i = 0; i < n; i++) {
            const at_hit_counts *c = &row[at_random_below(key, (uint64_t)i, (uint64_t)n)];
            hits += c->hits;
            others += c->predicted + c->support;
        }
        f1[r] = at_ratio(2 * hits, others);
    }
    at_percentiles(f1, draws, low, high);
    return AT_OK;
}
