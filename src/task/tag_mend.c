/* Tags that their scheme does not allow, written again: the parts as seqeval reads them, with the scheme's own letters. */
#include <stdlib.h>
#include <string.h>

#include "task/mend.h"
#include "task/tag.h"

typedef struct repair {
    at_mending *m;
    at_sentence_columns columns;
    at_scheme scheme;
    at_arena scratch;
} repair;

static at_status all_tags(repair *p, const char ***tag, uint64_t **at, at_error *err) {
    const at_table *t = p->m->table;
    at_sentence *s = AT_NEW_ARRAY(&p->scratch, at_sentence, t->n_rows);
    *at = AT_NEW_ARRAY(&p->scratch, uint64_t, t->n_rows + 1);
    if (!s || !*at) return at_fail_memory(err, (size_t)t->n_rows * sizeof *s);
    for (int r = 0; r < t->n_rows; r++) { /* a row that cannot be read has no tags to mend */
        if (at_sentence_read(t, r, &p->columns, 1, &p->scratch, &s[r], NULL) || !s[r].tag) s[r].n = 0;
        (*at)[r + 1] = (*at)[r] + (uint64_t)s[r].n;
    }
    *tag = AT_NEW_ARRAY(&p->scratch, const char *, (*at)[t->n_rows]);
    if (!*tag) return at_fail_memory(err, (*at)[t->n_rows] * sizeof **tag);
    for (int r = 0; r < t->n_rows; r++)
        if (s[r].n) memcpy(*tag + (*at)[r], s[r].tag, (size_t)s[r].n * sizeof **tag);
    return AT_OK;
}

/* As the table has them: between newlines, or a JSON list. */
static int write_cell(repair *p, int row, const char *const *tag, int n) {
    at_str text = {.arena = p->m->arena};
    int list = p->columns.form == AT_FORM_LISTS;
    json_t *array = list ? json_array() : NULL;
    for (int i = 0; i < n; i++) {
        if (list) json_array_append_new(array, json_string(tag[i]));
        else at_str_addf(&text, "%s%s", i ? "\n" : "", tag[i]);
    }
    char *dumped = list ? json_dumps(array, 0) : NULL;
    if (dumped) at_str_add(&text, dumped);
    free(dumped);
    json_decref(array);
    if (text.failed || !text.text) return 0;
    *at_mend_cell(p->m, row, p->columns.label) = (at_cell){text.text, (uint32_t)text.len};
    return 1;
}

static int is_wrong(const char *const *tag, int n, at_scheme scheme, at_arena *arena) {
    for (int i = 0; i < n; i++)
        if (at_scheme_expected(tag, i, n, scheme, arena)) return 1;
    return 0;
}

static at_status mend_row(repair *p, int row, const char *const *tag, int n, at_error *err) {
    const at_table *t = p->m->table;
    at_mark mark = at_arena_mark(&p->scratch);
    at_status st = AT_OK;
    if (is_wrong(tag, n, p->scheme, &p->scratch)) {
        at_entity *e = AT_NEW_ARRAY(&p->scratch, at_entity, 2 * (size_t)n + 2);
        int found = e ? at_entities(tag, n, p->scheme, p->scheme == AT_SCHEME_BILOU ? AT_READ_LENIENT_BILOU : AT_READ_LENIENT, e) : 0;
        const char **now = e ? at_scheme_write(e, found, n, p->scheme, &p->scratch) : NULL;
        for (int i = 0; now && i < n; i++)
            if (strcmp(now[i], tag[i]))
                at_mend_tell(p->m, "tag", row, t->token_line ? t->token_line[t->token_at[row] + (uint64_t)i] : 0,
                             "the tag of token %d, %.60s, is now %.60s", i + 1, tag[i], now[i]);
        if (!now || !write_cell(p, row, now, n)) st = at_fail_memory(err, (size_t)n * sizeof *e);
    }
    at_arena_rewind(&p->scratch, mark);
    return st;
}

at_status at_tag_mend(const at_task_state *s, at_mending *m, at_error *err) {
    repair p = {.m = m};
    const char **tag;
    uint64_t *at;
    at_status st = at_sentence_find_columns(m->table, &s->columns, 1, &p.scratch, &p.columns, NULL, err);
    if (!st && p.columns.form == AT_FORM_SPANS) {
        at_arena_free(&p.scratch);
        return AT_OK;
    }
    if (!st) st = all_tags(&p, &tag, &at, err);
    if (!st && !at_scheme_find(s->scheme, &p.scheme)) p.scheme = at_scheme_detect(tag, at, m->table->n_rows);
    for (int r = 0; !st && p.scheme != AT_SCHEME_PLAIN && r < m->table->n_rows; r++)
        st = mend_row(&p, r, tag + at[r], (int)(at[r + 1] - at[r]), err);
    at_arena_free(&p.scratch);
    return st;
}
