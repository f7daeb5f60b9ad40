#include "task/lint.h"

static const double MANY_CUT = 0.05; /* of the texts, from where on it is a warning */

typedef struct cut_count {
    long texts, tokens, all;
} cut_count;

/* What becomes of the tokens beyond the limit; of windows there is nothing to say of a single text. */
static void tell_text(at_lint *lint, const at_table *t, int row, int tokens, int limit, at_long how) {
    uint32_t line = t->line[row];
    int cut = tokens - limit;
    if (how == AT_LONG_HEAD)
        at_lint_add(lint, AT_LINT_CUT, t->path, line, "%d tokens, of which the model reads %d: the first %d would be cut", tokens, limit, cut);
    else if (how == AT_LONG_MIDDLE)
        at_lint_add(lint, AT_LINT_CUT, t->path, line, "%d tokens, of which the model reads %d: %d in the middle would be cut", tokens, limit, cut);
    else if (how == AT_LONG_ERROR) {
        at_finding *f = at_lint_add(lint, AT_LINT_CUT, t->path, line, "%d tokens, of which the model reads %d: --long error ends a run here", tokens,
                                    limit);
        if (f) f->severity = AT_SEVERE_ERROR;
    } else if (how != AT_LONG_WINDOW)
        at_lint_add(lint, AT_LINT_CUT, t->path, line, "%d tokens, of which the model reads %d: the last %d would be cut", tokens, limit, cut);
}

static void tell_share(at_lint *lint, const at_table *t, const cut_count *count, int limit, at_long how) {
    if (how == AT_LONG_ERROR) return;
    if (how == AT_LONG_WINDOW) {
        at_lint_add(lint, AT_LINT_WINDOWS, t->path, 0, "%ld of %d texts are longer than %d tokens: they are read in windows, nothing of them is cut",
                    count->texts, t->n_rows, limit);
        return;
    }
    at_finding *f = at_lint_add(lint, AT_LINT_CUT_SHARE, t->path, 0, "%ld of %d texts are longer than %d tokens; %.1f%% of all tokens would be cut",
                                count->texts, t->n_rows, limit, 100.0 * (double)count->tokens / (double)count->all);
    if (f && (double)count->texts > MANY_CUT * t->n_rows) f->severity = AT_SEVERE_WARNING;
}

at_status at_lint_lengths(at_lint *lint, int split, const int *tokens, int limit, at_long how, at_error *err) {
    const at_table *t = lint->split[split].table;
    cut_count count = {0};
    for (int r = 0; r < t->n_rows; r++) {
        count.all += tokens[r];
        if (tokens[r] <= limit) continue;
        count.texts++;
        count.tokens += tokens[r] - limit;
        tell_text(lint, t, r, tokens[r], limit, how);
    }
    if (count.texts) tell_share(lint, t, &count, limit, how);
    return lint->failed ? at_fail_memory(err, 0) : AT_OK;
}
