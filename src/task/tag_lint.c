/* Data lint of tags: what cannot be read, tags against their scheme, spans that cut words, tags that the training data do not have. */
#include <string.h>

#include "task/labels.h"
#include "task/lint.h"
#include "task/tag.h"
#include "text/unicode.h"

typedef struct tag_pass {
    const at_task_state *state;
    at_lint *lint;
    at_scheme scheme, here;    /* of the first split, and of that which is looked at */
    at_labels labels;          /* of the first split */
    at_label_index *index;
    at_arena arena;
} tag_pass;

/* Of a split in another scheme the type is what has to be known: training marks its parts in the scheme of the first. */
static int is_known(tag_pass *p, const char *tag) {
    char name[200];
    if (!p->index) return 1;
    if (p->here == p->scheme || !strcmp(tag, at_tag_no_part)) return at_label_index_find(p->index, tag) >= 0;
    snprintf(name, sizeof name, "%c%.190s", at_scheme_prefixes(p->scheme)[0], *tag ? tag + 1 : "");
    return at_label_index_find(p->index, name) >= 0;
}

static void look_at_tag(tag_pass *p, const at_table *t, const at_sentence *s, int i) {
    const at_word *w = &s->word[i];
    const char *expected = at_scheme_expected(s->tag, i, s->n, p->here, &p->arena);
    const char *quote = at_lint_quote(p->lint, (at_cell){w->text, w->len});
    char before[80] = "";
    if (i) snprintf(before, sizeof before, " after %.60s", s->tag[i - 1]);
    else snprintf(before, sizeof before, " at the beginning");
    if (expected)
        at_lint_add(p->lint, AT_LINT_SCHEME, t->path, w->line, "token %d, %s, has the tag %.60s%s%s; %s expects %s", i + 1, quote,
                    s->tag[i], before, i == s->n - 1 ? " and is the last" : "", at_scheme_name(p->here), expected);
    if (!is_known(p, s->tag[i]))
        at_lint_add(p->lint, AT_LINT_UNKNOWN_LABEL, t->path, w->line, "token %d, %s, has the tag %.60s, which %s does not have", i + 1,
                    quote, s->tag[i], p->lint->split[0].table->path);
}

/* A span that begins or ends between two letters or digits of one word. */
static int cuts_word(const char *text, size_t len, int at) {
    int n = 0;
    uint32_t before = ' ', cp = ' ';
    for (size_t i = 0; i < len; n++) {
        int width = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        if (n == at) return (at_cp_flags(before) & AT_CP_WORD) && (at_cp_flags(cp) & AT_CP_WORD);
        before = cp;
        i += width > 0 ? (size_t)width : 1;
    }
    return 0;
}

/* Returns how many overlap another one. */
static int look_at_spans(tag_pass *p, const at_table *t, int row, const at_sentence_columns *c) {
    at_span *span;
    int n, overlaps = 0;
    if (c->form != AT_FORM_SPANS || at_sentence_spans(t, row, c, &p->arena, &span, &n, NULL)) return 0;
    at_cell text = at_table_cell(t, row, c->text);
    for (int i = 0; i < n; i++) {
        if (cuts_word(text.text, text.len, span[i].start) || cuts_word(text.text, text.len, span[i].end))
            at_lint_add(p->lint, AT_LINT_CUT_WORD, t->path, t->line[row],
                        "span %d (%s, %d to %d) begins or ends inside a word; the whole word is tagged", i + 1, span[i].label,
                        span[i].start, span[i].end);
        for (int k = 0; k < i; k++) {
            if (span[i].start >= span[k].end || span[k].start >= span[i].end) continue;
            at_lint_add(p->lint, AT_LINT_OVERLAP, t->path, t->line[row], "span %d (%s, %d to %d) overlaps span %d (%s, %d to %d)", i + 1,
                        span[i].label, span[i].start, span[i].end, k + 1, span[k].label, span[k].start, span[k].end);
            overlaps++;
        }
    }
    return overlaps;
}

static void look_at_row(tag_pass *p, const at_table *t, int row, const at_sentence_columns *c) {
    at_sentence s;
    at_error why;
    int overlaps = look_at_spans(p, t, row, c);
    if (at_sentence_read(t, row, c, 1, &p->arena, &s, &why)) {
        if (!overlaps) at_lint_sentence(p->lint, AT_LINT_BAD_LABEL, t->path, t->line[row], why.text);
        return;
    }
    if (!s.n && c->form != AT_FORM_SPANS)
        at_lint_add(p->lint, AT_LINT_EMPTY_TEXT, t->path, t->line[row], "there is no word (column '%s')", t->column[c->text]);
    for (int i = 0; s.tag && i < s.n; i++) look_at_tag(p, t, &s, i);
}

/* ---- what occurs seldom ---- */

typedef struct counted {
    const char *name;
    int n;
    uint32_t line; /* of the first */
} counted;

static void count(counted *all, int *n, const char *name, uint32_t line) {
    int i = 0;
    while (i < *n && strcmp(all[i].name, name)) i++;
    if (i == *n) all[(*n)++] = (counted){name, 0, line};
    all[i].n++;
}

/* Types of marked parts, or plain tags, of the first split. */
static void look_for_rare(tag_pass *p, const at_table *t, const char *const *tag, const uint32_t *line, const uint64_t *at, int rows) {
    at_arena scratch = {0};
    uint64_t longest = 0;
    int n = 0;
    for (int r = 0; r < rows; r++) longest = at[r + 1] - at[r] > longest ? at[r + 1] - at[r] : longest;
    counted *all = AT_NEW_ARRAY(&scratch, counted, at[rows] + 1);
    at_entity *e = AT_NEW_ARRAY(&scratch, at_entity, 2 * longest + 2);
    p->lint->failed |= !all || !e;
    for (int r = 0; all && e && r < rows; r++) {
        int words = (int)(at[r + 1] - at[r]), found = at_entities(tag + at[r], words, p->scheme, AT_READ_LENIENT_BILOU, e);
        for (int i = 0; i < found; i++) count(all, &n, e[i].type, line[at[r] + (uint64_t)e[i].start]);
        for (int i = 0; p->scheme == AT_SCHEME_PLAIN && i < words; i++) count(all, &n, tag[at[r] + (uint64_t)i], line[at[r] + (uint64_t)i]);
    }
    for (int i = 0; i < n; i++) at_lint_rare(p->lint, t->path, all[i].n == 1 ? all[i].line : 0, all[i].name, all[i].n, p->scheme == AT_SCHEME_PLAIN ? "word" : "part");
    at_arena_free(&scratch);
}

/* What can be read of a table. */
typedef struct readable {
    const char **tag;
    uint32_t *line; /* of each */
    uint64_t *at;   /* [rows + 1] */
    int rows;
} readable;

static int read_table(tag_pass *p, const at_table *t, const at_sentence_columns *c, readable *all) {
    at_sentence s;
    uint64_t cap = 0;
    *all = (readable){.at = AT_NEW_ARRAY(&p->arena, uint64_t, t->n_rows + 1)};
    uint64_t *at = all->at;
    for (int r = 0; at && r < t->n_rows; r++) {
        int rows = all->rows;
        if (at_sentence_read(t, r, c, 1, &p->arena, &s, NULL) || !s.tag) continue;
        if (at[rows] + (uint64_t)s.n > cap) {
            cap = 2 * (at[rows] + (uint64_t)s.n) + 1024;
            const char **more = AT_NEW_ARRAY(&p->arena, const char *, cap);
            uint32_t *lines = AT_NEW_ARRAY(&p->arena, uint32_t, cap);
            if (more && lines && at[rows]) {
                memcpy(more, all->tag, at[rows] * sizeof *all->tag);
                memcpy(lines, all->line, at[rows] * sizeof *lines);
            }
            all->line = lines;
            if (!(all->tag = lines ? more : NULL)) break;
        }
        if (s.n) memcpy(all->tag + at[rows], s.tag, (size_t)s.n * sizeof *all->tag);
        for (int i = 0; i < s.n; i++) all->line[at[rows] + (uint64_t)i] = s.word[i].line;
        at[rows + 1] = at[rows] + (uint64_t)s.n;
        all->rows++;
    }
    return at && all->tag;
}

/* Scheme and labels from the first split; of another its own scheme, as training converts it. */
static void learn(tag_pass *p, const at_table *t, const at_sentence_columns *c, int first) {
    readable all;
    int known = read_table(p, t, c, &all);
    if (!first) {
        at_scheme own = known && !p->state->scheme ? at_scheme_detect(all.tag, all.at, all.rows) : AT_SCHEME_PLAIN;
        p->here = own == AT_SCHEME_PLAIN || p->scheme == AT_SCHEME_PLAIN ? p->scheme : own;
        return;
    }
    if (!known) return;
    if (!at_scheme_find(p->state->scheme, &p->scheme)) p->scheme = at_scheme_detect(all.tag, all.at, all.rows);
    p->here = p->scheme;
    look_for_rare(p, t, all.tag, all.line, all.at, all.rows);
    p->lint->failed |= at_labels_collect(all.tag, all.at[all.rows], &p->arena, &p->labels, NULL) ||
                       at_scheme_complete(&p->labels, p->scheme, &p->arena, NULL);
    p->index = at_label_index_make(&p->labels, &p->arena);
}

at_status at_tag_lint(const at_task_state *state, at_lint *lint, at_error *err) {
    tag_pass p = {.state = state, .lint = lint};
    at_status st = AT_OK;
    for (int i = 0; i < lint->n_splits && !st; i++) {
        const at_table *t = lint->split[i].table;
        at_sentence_columns c;
        st = at_sentence_find_columns(t, &state->columns, 1, &p.arena, &c, NULL, err);
        c.names = &state->label_names;
        if (!st) learn(&p, t, &c, !i);
        if (!st) lint->split[i].columns = (at_found_columns){c.text, -1, c.label};
        for (int r = 0; !st && r < t->n_rows; r++) look_at_row(&p, t, r, &c);
    }
    lint->words = 1;
    if (!st) st = at_lint_texts(lint, err);
    if (!st) st = at_lint_near(lint, err);
    if (!st) st = at_lint_encoding(lint, err);
    int failed = lint->failed;
    at_arena_free(&p.arena);
    return st ? st : failed ? at_fail_memory(err, 0) : AT_OK;
}
