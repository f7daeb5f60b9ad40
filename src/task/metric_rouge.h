/* How much of a text another has: words, pairs of words, the longest common subsequence of words (Lin 2004, ROUGE). Words are runs of letters
 * and digits in lower case: for ASCII those of the package rouge_score (without stemming), other letters are not dropped. */
#ifndef AT_TASK_METRIC_ROUGE_H
#define AT_TASK_METRIC_ROUGE_H

#include "base/arena.h"

typedef struct at_rouge {
    double one, two, longest; /* F1, 0 to 1 */
} at_rouge;

/* Both in UTF-8. */
at_status at_metric_rouge(const char *right, size_t right_len, const char *answer, size_t answer_len, at_rouge *rouge, at_error *err);

#endif
