/* From logits of begin and end to the best answers of a row. */
#include <math.h>
#include <string.h>

#include "task/answer.h"
#include "task/window_list.h"

/* The outputs of a window with the largest logits of a column, best first, the earlier of equals before the later; returns how many. */
static int largest(const at_dataset *d, const float *logits, size_t first, size_t end, int column, size_t *best) {
    int n = 0;
    for (size_t o = first; o < end; o++) {
        int32_t at = d->span[2 * o];
        float value = logits[2 * o + (size_t)column];
        if (at == -1 || (!column && at < 0) || (n == AT_ANSWER_BEST && !(value > logits[2 * best[n - 1] + (size_t)column]))) continue;
        int k = n < AT_ANSWER_BEST ? n++ : n - 1;
        for (; k && value > logits[2 * best[k - 1] + (size_t)column]; k--) best[k] = best[k - 1];
        best[k] = o;
    }
    return n;
}

static void keep(at_best *best, at_candidate c) {
    for (int i = 0; i < best->n; i++) /* windows may find the same part of the text */
        if (best->of[i].start == c.start && best->of[i].end == c.end) {
            if (best->of[i].logit >= c.logit) return;
            memmove(&best->of[i], &best->of[i + 1], (size_t)(--best->n - i) * sizeof c);
        }
    if (best->n == AT_ANSWER_BEST && !(c.logit > best->of[best->n - 1].logit)) return;
    int k = best->n < AT_ANSWER_BEST ? best->n++ : best->n - 1;
    for (; k && c.logit > best->of[k - 1].logit; k--) best->of[k] = best->of[k - 1];
    best->of[k] = c;
}

/* logits: of the first output of the dataset on. */
static void look_at_window(const at_dataset *d, const float *logits, int example, at_best *best) {
    size_t begin[AT_ANSWER_BEST], end[AT_ANSWER_BEST], first = at_dataset_output_at(d, example),
                                                       stop = at_dataset_output_at(d, example + 1);
    int n = largest(d, logits, first, stop, 0, begin), m = largest(d, logits, first, stop, 1, end);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m; k++) {
            if (end[k] < begin[i] || end[k] - begin[i] >= AT_ANSWER_TOKENS) continue;
            keep(best, (at_candidate){d->span[2 * begin[i]], d->span[2 * end[k] + 1],
                                      (double)logits[2 * begin[i]] + (double)logits[2 * end[k] + 1], 0});
        }
    best->null_score = fmin(best->null_score, (double)logits[2 * first] + (double)logits[2 * first + 1]);
}

void at_answer_best(const at_dataset *d, const at_row_outputs *r, const float *logits, int null, at_best *best) {
    *best = (at_best){.null_score = INFINITY};
    for (int i = 0; i < r->n_examples; i++) {
        look_at_window(d, logits, r->example + i, best);
        if (i % AT_IDLE_WINDOWS == AT_IDLE_WINDOWS - 1) at_dataset_idle(d);
    }
    double most = null ? best->null_score : -INFINITY, sum = 0;
    for (int i = 0; i < best->n; i++) most = fmax(most, best->of[i].logit);
    for (int i = 0; i < best->n; i++) sum += best->of[i].probability = exp(best->of[i].logit - most);
    if (null) sum += best->null_probability = exp(best->null_score - most);
    for (int i = 0; i < best->n; i++) best->of[i].probability /= sum;
    if (null) best->null_probability /= sum;
}
