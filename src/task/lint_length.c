#include "task/lint.h"

static const double MANY_CUT = 0.05; /* of the texts, from where on it is a warning */

typedef struct cut_count {
    long texts, tokens, all;
} cut_count;

static void look_at(at_lint *lint, const at_table *t, int row, int tokens, int limit, cut_count *count) {
    count->all += tokens;
    if (tokens <= limit) return;
    count->texts++;
    count->tokens += tokens - limit;
    at_lint_add(lint, AT_LINT_CUT, t->path, t->line[row], "%d tokens, of which the model reads %d: the last %d would be cut", tokens, limit,
                tokens - limit);
}

at_status at_lint_lengths(at_lint *lint, int split, const int *tokens, int limit, at_error *err) {
    const at_table *t = lint->split[split].table;
    cut_count count = {0};
    for (int r = 0; r < t->n_rows; r++) look_at(lint, t, r, tokens[r], limit, &count);
    if (count.texts) {
        at_finding *f =
            at_lint_add(lint, AT_LINT_CUT_SHARE, t->path, 0, "%ld of %d texts are longer than %d tokens; %.1f%% of all tokens would be cut",
                        count.texts, t->n_rows, limit, 100.0 * (double)count.tokens / (double)count.all);
        if (f && (double)count.texts > MANY_CUT * t->n_rows) f->severity = AT_SEVERE_WARNING;
    }
    return lint->failed ? at_fail_memory(err, 0) : AT_OK;
}
