/* Exact match and F1 of answers, by the definition of the SQuAD evaluation scripts: lower case, no ASCII punctuation, no articles, words
 * between white space. */
#ifndef AT_TASK_METRIC_ANSWER_H
#define AT_TASK_METRIC_ANSWER_H

#include "base/str.h"

/* The normalised text: words with one space between, in the arena; NULL: no memory. */
char *at_answer_normalise(at_arena *arena, const char *text, size_t len);

typedef struct at_answer_text {
    const char *text;
    size_t len;
} at_answer_text;

/* An answer against the right ones: the largest of each. `with_null` 1: v2.0, where an empty answer is right to a question without one
 * (n_right 0, or only texts that normalise to nothing); 0: v1.1. */
at_status at_metrics_answer(at_answer_text answer, const at_answer_text *right, int n_right, int with_null, double *exact, double *f1,
                            at_error *err);

/* The threshold of v2.0's script (find_best_thresh): `gain` is what answering a question gives (its F1, or -1 or 0 where there is no
 * answer), answered where difference <= threshold. */
typedef struct at_null_case {
    double difference, gain;
} at_null_case;
double at_threshold_null(at_null_case *cases, int n); /* sorts */

#endif
