#include "infer/rules.h"

#include <string.h>

/* Every run of no_repeat - 1 tokens that is where the text ends now forbids what came behind it before. */
static void forbid_repeats(int no_repeat, const int32_t *text, int n, at_real never, at_real *scores) {
    int run = no_repeat - 1;
    if (run < 0 || n < run) return;
    for (int i = 0; i + run < n; i++)
        if (!memcmp(text + i, text + n - run, (size_t)run * sizeof *text)) scores[text[i + run]] = never;
}

void at_rules_forbid(const at_continuation_options *o, const int32_t *text, int n_prompt, int n, at_real never, at_real *scores,
                     int n_scores) {
    for (int i = 0; n < o->least_new && i < o->n_end; i++)
        if (o->end[i] >= 0 && o->end[i] < n_scores) scores[o->end[i]] = never;
    forbid_repeats(o->no_repeat, text, n_prompt + n, never, scores);
}

const int32_t *at_rules_forced(const at_continuation_options *o, int n) {
    if (n == o->most_new - 1 && o->forced_last) return o->forced_last;
    return n ? NULL : o->forced_first;
}

int at_rules_ends(const at_continuation_options *o, int32_t id) {
    for (int i = 0; i < o->n_end; i++)
        if (o->end[i] == id) return 1;
    return 0;
}
