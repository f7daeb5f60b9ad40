/* Texts that are empty, very short, or there more than once. Every text is folded (lower case, single spaces) and its
 * 128-bit hash looked up in one table over all files; at that width two different texts do not meet by chance. */
#include <string.h>

#include <utf8proc.h>
#include <xxhash.h>

#include "task/lint.h"

typedef struct seen {
    XXH128_hash_t hash;
    int first[AT_LINT_SPLITS]; /* row + 1, 0: not seen in that file */
} seen;

typedef struct text_pass {
    at_lint *lint;
    seen *slot;
    size_t mask;
    at_str key, other;
} text_pass;

static uint32_t lower(uint32_t cp) {
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

/* Appends the folded text to the key. */
static void fold_more(at_str *key, const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;
    int space = 0, begun = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        char bytes[4];
        int n = at_utf8_decode(p + i, len - i, &cp);
        if (!n) { /* cannot be, in a table; kept as it is */
            cp = p[i];
            n = 1;
        }
        i += (size_t)n;
        if (at_is_white(cp)) {
            space = begun;
            continue;
        }
        if (space) at_str_add_bytes(key, " ", 1);
        at_str_add_bytes(key, bytes, (size_t)at_utf8_encode(lower(cp), bytes));
        space = 0;
        begun = 1;
    }
}

void at_lint_fold(at_str *key, const char *text, size_t len) {
    at_str_clear(key);
    fold_more(key, text, len);
}

/* Letters and digits, counted up to `most`. */
static int count_letters(const at_str *key, int most) {
    int letters = 0;
    for (size_t i = 0; i < key->len && letters < most;) {
        uint32_t cp;
        int n = at_utf8_decode((const unsigned char *)key->text + i, key->len - i, &cp);
        if (!n) break;
        i += (size_t)n;
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        letters += (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
    }
    return letters;
}

static int same_label(text_pass *p, const at_lint_split *s, int row, const at_lint_split *o, int first) {
    at_cell a = at_lint_label(s, row), b = at_lint_label(o, first);
    if (p->lint->same_labels) return p->lint->same_labels(p->lint->same_labels_of, s, row, o, first);
    if (!a.len || !b.len) return 1; /* an empty label is a finding of its own */
    at_lint_fold(&p->key, a.text, a.len);
    at_lint_fold(&p->other, b.text, b.len);
    return p->key.len == p->other.len && !memcmp(p->key.text, p->other.text, p->key.len);
}

static void tell_other_place(at_finding *f, const at_table *other, int row) {
    if (!f) return;
    f->file2 = other->path;
    f->line2 = other->line[row];
}

static void tell_again(text_pass *p, const at_lint_split *s, int row, int first) {
    const at_table *t = s->table;
    at_cell here = at_lint_label(s, row), there = at_lint_label(s, first);
    const char *quote = at_lint_quote(p->lint, at_table_cell(t, row, s->columns.text));
    const char *who = at_lint_who(p->lint, s, row), *whom = at_lint_whom(p->lint, s, first);
    at_finding *f;
    if (same_label(p, s, row, s, first))
        f = at_lint_add(p->lint, AT_LINT_DUPLICATE, t->path, t->line[row], "%sthe same text as in line %u%s: %s", who,
                        (unsigned)t->line[first], whom, quote);
    else if (s->columns.label < 0)
        f = at_lint_add(p->lint, AT_LINT_TWO_LABELS, t->path, t->line[row], "%sthe same text as in line %u%s, with other labels: %s", who, (unsigned)t->line[first],
                        whom, quote);
    else
        f = at_lint_add(p->lint, AT_LINT_TWO_LABELS, t->path, t->line[row],
                        "%sthe same text as in line %u%s, labelled %s there and %s here: %s", who, (unsigned)t->line[first], whom,
                        at_lint_quote(p->lint, there), at_lint_quote(p->lint, here), quote);
    tell_other_place(f, t, first);
}

static void tell_elsewhere(text_pass *p, const at_lint_split *s, int row, const at_lint_split *o, int first) {
    const at_table *t = s->table, *other = o->table;
    at_cell here = at_lint_label(s, row), there = at_lint_label(o, first);
    const char *quote = at_lint_quote(p->lint, at_table_cell(t, row, s->columns.text));
    int same = same_label(p, s, row, o, first), unlike = !same && (s->columns.label < 0 || o->columns.label < 0);
    if (unlike) same = 1; /* columns of 0 and 1: there is no cell to be quoted */
    at_finding *f = at_lint_add(p->lint, AT_LINT_BOTH_SPLITS, t->path, t->line[row], "%sthe same text as in %s:%u%s%s%s%s%s%s%s: %s",
                                at_lint_who(p->lint, s, row), other->path, (unsigned)other->line[first], at_lint_whom(p->lint, o, first),
                                same ? "" : ", labelled ", same ? "" : at_lint_quote(p->lint, there),
                                same ? "" : " there and ", same ? "" : at_lint_quote(p->lint, here), same ? "" : " here", unlike ? ", with other labels" : "", quote);
    tell_other_place(f, other, first);
}

static seen *find(text_pass *p) {
    XXH128_hash_t hash = XXH3_128bits(p->key.text, p->key.len);
    for (size_t i = (size_t)hash.low64 & p->mask;; i = (i + 1) & p->mask) {
        seen *slot = &p->slot[i];
        int used = slot->first[0] | slot->first[1] | slot->first[2];
        if (!used) slot->hash = hash;
        if (!used || XXH128_isEqual(slot->hash, hash)) return slot;
    }
}

static void compare(text_pass *p, int split, int row) {
    const at_lint *lint = p->lint;
    seen *slot = find(p);
    if (slot->first[split]) {
        tell_again(p, &lint->split[split], row, slot->first[split] - 1);
        return;
    }
    slot->first[split] = row + 1;
    for (int o = 0; o < split; o++)
        if (slot->first[o]) tell_elsewhere(p, &lint->split[split], row, &lint->split[o], slot->first[o] - 1);
}

/* The folded text (or pair) of a row into the key; 0 where a text is empty, which is a finding. */
static int fold_row(text_pass *p, const at_lint_split *s, int row) {
    const int column[] = {s->columns.text, s->columns.text2, s->text3 - 1};
    at_str_clear(&p->key);
    for (int i = 0; i < 3; i++) {
        if (column[i] < 0) continue;
        at_cell cell = at_table_cell(s->table, row, column[i]);
        if (i) at_str_add_bytes(&p->key, "\x1f", 1);
        size_t before = p->key.len;
        fold_more(&p->key, cell.text, cell.len);
        if (p->key.len > before) continue;
        if (!p->lint->blank_ok)
            at_lint_add(p->lint, AT_LINT_EMPTY_TEXT, s->table->path, s->table->line[row], "%sthe text (column '%s') is empty",
                        at_lint_who(p->lint, s, row), s->table->column[column[i]]);
        return 0;
    }
    return 1;
}

static void look_at(text_pass *p, int split, int row) {
    const at_lint_split *s = &p->lint->split[split];
    if (!fold_row(p, s, row)) return;
    if (!p->lint->words && count_letters(&p->key, 2) < 2)
        at_lint_add(p->lint, AT_LINT_SHORT_TEXT, s->table->path, s->table->line[row], "%sthe text has hardly a letter: %s",
                    at_lint_who(p->lint, s, row), at_lint_quote(p->lint, at_table_cell(s->table, row, s->columns.text)));
    compare(p, split, row);
}

at_status at_lint_texts(at_lint *lint, at_error *err) {
    at_arena scratch = {0};
    size_t rows = 0, slots = 64;
    for (int s = 0; s < lint->n_splits; s++) rows += (size_t)lint->split[s].table->n_rows;
    while (slots < 2 * rows) slots *= 2;
    text_pass p = {.lint = lint,
                   .slot = AT_NEW_ARRAY(&scratch, seen, slots),
                   .mask = slots - 1,
                   .key = {.arena = &scratch},
                   .other = {.arena = &scratch}};
    for (int s = 0; s < lint->n_splits && p.slot; s++)
        for (int r = 0; r < lint->split[s].table->n_rows; r++) look_at(&p, s, r);
    int failed = !p.slot || p.key.failed || p.other.failed || lint->failed;
    at_arena_free(&scratch);
    return failed ? at_fail_memory(err, slots * sizeof *p.slot) : AT_OK;
}
