/* What a folder or a person forbids and forces in a text that is written: on the scores of its next word, for one text and for beams
 * alike. */
#ifndef AT_INFER_RULES_H
#define AT_INFER_RULES_H

#include "infer/continue.h"

/* text [n_prompt + n]: the prompt and n new tokens. Scores [n_scores] of what must not come become `never`: an end before least_new tokens,
 * and what would make a run of no_repeat tokens that is there already. */
void at_rules_forbid(const at_continuation_options *o, const int32_t *text, int n_prompt, int n, at_real never, at_real *scores,
                     int n_scores);
/* The token that has to come as the n-th new one, or NULL. */
const int32_t *at_rules_forced(const at_continuation_options *o, int n);
int at_rules_ends(const at_continuation_options *o, int32_t id);

#endif
