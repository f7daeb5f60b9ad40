#include "task/texts.h"

#include <string.h>

#include "base/str.h"

/* ---- pairs ---- */

const char *const *at_texts_pair(const at_task_state *s, const char *pair[2]) {
    const json_t *names = json_object_get(s->own, "pair");
    for (int i = 0; i < 2; i++)
        if (!(pair[i] = json_string_value(json_array_get(names, (size_t)i)))) return NULL;
    return pair;
}

/* A model of pairs would read one text as it never read any. */
static at_status refuse_single(const at_table *t, const char *const pair[2], const at_found_columns *found, at_arena *arena, at_error *err) {
    int first = at_table_column(t, pair[0]) >= 0;
    const char *lost = pair[first], *near = at_nearest(lost, t->column, t->n_columns);
    if (near && !strcmp(near, t->column[found->text])) near = NULL;
    return at_fail(err, AT_USAGE, "%s: the model was trained on pairs of texts ('%s' and '%s'); there is no column '%s', the columns are %s.%s%s%s Name both with "
                   "--text-column and --text2-column (--text2-column none: single texts all the same)", t->path, pair[0], pair[1], lost,
                   at_columns_list(t, arena), near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

at_status at_texts_bind(at_task_state *s, const at_table *t, const at_columns *asked, int need_label, at_found_columns *found,
                        at_error *err) {
    const char *name[2];
    const char *const *pair = at_texts_pair(s, name);
    at_columns wanted = asked ? *asked : (at_columns){0};
    if (pair && !wanted.text && !wanted.text2 && at_table_column(t, pair[0]) >= 0 && at_table_column(t, pair[1]) >= 0)
        wanted.text = pair[0], wanted.text2 = pair[1];
    AT_TRY(at_columns_find(t, &wanted, need_label, &s->arena, found, &s->why, err));
    if (pair && found->text2 < 0 && !wanted.text2) return refuse_single(t, pair, found, &s->arena, err);
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns =
        (at_columns){at_strdup(&s->arena, t->column[found->text]), found->text2 < 0 ? NULL : at_strdup(&s->arena, t->column[found->text2]),
                     found->label < 0 ? NULL : at_strdup(&s->arena, t->column[found->label])};
    return AT_OK;
}

static at_status texts_are_there(const at_table *t, int column, at_error *err) {
    for (int r = 0; column >= 0 && r < t->n_rows; r++)
        if (at_cell_is_blank(at_table_cell(t, r, column)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: the text (column '%s') is empty; fill it in or remove the row",
                           t->path, t->line[r], t->column[column]);
    return AT_OK;
}

at_status at_texts_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                          at_pool *pool, at_found_columns *found, at_dataset **dataset, at_error *err) {
    at_arena scratch = {0};
    at_columns wanted = s->columns;
    if (!need_labels && wanted.label && at_table_column(t, wanted.label) < 0) wanted.label = NULL;
    at_status st = at_columns_find(t, &wanted, need_labels && wanted.label, &scratch, found, NULL, err);
    at_arena_free(&scratch);
    if (st) return st;
    if (need_labels) {
        AT_TRY(texts_are_there(t, found->text, err));
        AT_TRY(texts_are_there(t, found->text2, err));
    }
    return at_dataset_encode_long(t, found->text, found->text2, tokenizer, max_tokens, s->long_texts, pool, dataset, err);
}

/* ---- windows of a row ---- */

static void add_mean(const float *logits, size_t n, size_t width, float *mean) {
    for (size_t c = 0; c < width; c++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)logits[i * width + c];
        mean[c] = (float)(sum / (double)n);
    }
}

const float *at_texts_mean(const float *logits, size_t n, size_t width, at_arena *arena) {
    if (n <= 1) return logits;
    float *mean = AT_NEW_ARRAY(arena, float, width);
    if (mean) add_mean(logits, n, width, mean);
    return mean;
}

at_status at_texts_pool(const at_dataset *d, const float *logits, size_t width, at_arena *arena, at_pooled *p, at_error *err) {
    *p = (at_pooled){.logits = logits, .n = d->n};
    size_t *first = AT_NEW_ARRAY(arena, size_t, d->n);
    float *means = d->row ? AT_NEW_ARRAY(arena, float, (size_t)d->n * width) : NULL;
    if (!first || (d->row && !means)) return at_fail_memory(err, (size_t)d->n * width * sizeof *means);
    p->output = first;
    if (d->row) {
        p->logits = means;
        p->n = 0;
    }
    for (int i = 0; !d->row && i < d->n; i++) first[i] = (size_t)i;
    for (at_row_outputs r = {0}; d->row && at_dataset_next_row(d, &r);) {
        add_mean(logits + r.output * width, r.n_outputs, width, means + (size_t)p->n * width);
        first[p->n++] = r.output;
    }
    return AT_OK;
}
