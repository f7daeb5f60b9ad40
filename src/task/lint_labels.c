/* Labels: which there are in which file and how often, and what that means for training and judging. The first file (the
 * training data, where it is given) is what the others are compared with. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "task/lint.h"

enum { TEXT_BYTES = 60, TEXT_SPACES = 6, COLUMN_LABELS = 50 };
static const double FAR_RATIO = 10, SOME_RATIO = 4;

typedef struct word {
    at_cell name;
    const char *folded;
    int count[AT_LINT_SPLITS], first[AT_LINT_SPLITS]; /* rows, and the first of them */
} word;

typedef struct label_pass {
    at_lint *lint;
    at_arena scratch;
    word *word; /* [n] in the order of their first rows */
    int n;
    int *slot;  /* word + 1 */
    size_t mask;
} label_pass;

/* ---- counting ---- */

static word *find(label_pass *p, at_cell cell) {
    for (size_t i = (size_t)XXH3_64bits(cell.text, cell.len) & p->mask;; i = (i + 1) & p->mask) {
        if (!p->slot[i]) {
            p->word[p->n].name = cell;
            p->slot[i] = ++p->n;
        }
        word *w = &p->word[p->slot[i] - 1];
        if (w->name.len == cell.len && !memcmp(w->name.text, cell.text, cell.len)) return w;
    }
}

static void count_row(label_pass *p, int split, int row) {
    const at_lint_split *s = &p->lint->split[split];
    at_cell cell = at_lint_label(s, row);
    if (!cell.len) {
        at_lint_add(p->lint, AT_LINT_EMPTY_LABEL, s->table->path, s->table->line[row], "the label (column '%s') is empty",
                    s->table->column[s->columns.label]);
        return;
    }
    word *w = find(p, cell);
    if (!w->count[split]++) w->first[split] = row;
}

static int is_labelled(const at_lint_split *s) { return s->columns.label >= 0 && s->table->n_rows > 0; }

static int count_all(label_pass *p) {
    size_t rows = 0, slots = 64;
    const at_lint *lint = p->lint;
    for (int s = 0; s < lint->n_splits; s++) rows += is_labelled(&lint->split[s]) ? (size_t)lint->split[s].table->n_rows : 0;
    while (slots < 2 * rows) slots *= 2;
    p->word = AT_NEW_ARRAY(&p->scratch, word, rows);
    p->slot = AT_NEW_ARRAY(&p->scratch, int, slots);
    p->mask = slots - 1;
    if (!p->word || !p->slot) return 0;
    for (int s = 0; s < lint->n_splits; s++)
        for (int r = 0; is_labelled(&lint->split[s]) && r < lint->split[s].table->n_rows; r++) count_row(p, s, r);
    return 1;
}

static uint32_t first_line(const label_pass *p, const word *w, int split) { return p->lint->split[split].table->line[w->first[split]]; }

static const char *quote(const label_pass *p, const word *w) { return at_lint_quote(p->lint, w->name); }

/* ---- the training data by itself ---- */

static int different(const label_pass *p) {
    int n = 0;
    for (int i = 0; i < p->n; i++) n += p->word[i].count[0] > 0;
    return n;
}

/* The same bounds as a training has; 0 where there is nothing more to say about labels. */
static int can_be_learned(label_pass *p) {
    const at_lint_split *s = &p->lint->split[0];
    const at_table *t = s->table;
    const char *column = t->column[s->columns.label];
    int n = different(p);
    if (n > COLUMN_LABELS && n * 2L > t->n_rows) {
        at_lint_add(p->lint, AT_LINT_NO_LABELS, t->path, 0,
                    "column '%s' has %d different values in %d rows: it does not look like a label. "
                    "Name the right one with --label-column",
                    column, n, t->n_rows);
        return 0;
    }
    if (n == 1)
        at_lint_add(p->lint, AT_LINT_NO_LABELS, t->path, t->line[0],
                    "every row has the label %s (column '%s'); a classifier needs at least two", quote(p, &p->word[0]), column);
    if (n > 1 && t->n_rows <= n)
        at_lint_add(p->lint, AT_LINT_NO_LABELS, t->path, 0,
                    "%d rows for %d different labels (column '%s'); at least two of each are needed", t->n_rows, n, column);
    return n > 0;
}

static void look_for_rare(label_pass *p, const word *w) {
    if (w->count[0] > 0 && w->count[0] < AT_LINT_FEW)
        at_lint_add(p->lint, AT_LINT_RARE_LABEL, p->lint->split[0].table->path, first_line(p, w, 0), "label %s has only %d row%s",
                    quote(p, w), w->count[0], w->count[0] == 1 ? "" : "s");
}

static void look_for_text(label_pass *p, const word *w) {
    int spaces = 0;
    for (uint32_t i = 0; i < w->name.len; i++) spaces += w->name.text[i] == ' ';
    if (w->count[0] > 0 && (w->name.len > TEXT_BYTES || spaces >= TEXT_SPACES))
        at_lint_add(p->lint, AT_LINT_LABEL_TEXT, p->lint->split[0].table->path, first_line(p, w, 0), "label %s reads like a text",
                    quote(p, w));
}

static void look_for_imbalance(label_pass *p) {
    const word *most = NULL, *least = NULL;
    for (int i = 0; i < p->n; i++) {
        const word *w = &p->word[i];
        if (!w->count[0]) continue;
        if (!most || w->count[0] > most->count[0]) most = w;
        if (!least || w->count[0] < least->count[0]) least = w;
    }
    if (!most || most->count[0] < SOME_RATIO * least->count[0]) return;
    double ratio = (double)most->count[0] / least->count[0];
    at_finding *f = at_lint_add(p->lint, AT_LINT_IMBALANCE, p->lint->split[0].table->path, first_line(p, least, 0),
                                "label %s has %d row%s, %s has %d: %.0f times as many", quote(p, least), least->count[0],
                                least->count[0] == 1 ? "" : "s", quote(p, most), most->count[0], ratio);
    if (f && ratio < FAR_RATIO) f->severity = AT_SEVERE_NOTE;
}

/* A column called 'ham' among whose labels is 'ham': the first row was taken for a header. */
static void look_for_header(label_pass *p, int split) {
    const at_lint_split *s = &p->lint->split[split];
    const char *column = s->table->column[s->columns.label];
    at_cell name = {column, (uint32_t)strlen(column)};
    for (int i = 0; i < p->n && s->table->has_header; i++) {
        const word *w = &p->word[i];
        if (!w->count[split] || w->name.len != name.len || memcmp(w->name.text, column, name.len)) continue;
        at_lint_add(p->lint, AT_LINT_HEADER, s->table->path, 1,
                    "the label column is called %s, as one of its labels is: is the first line a row, not a header?", quote(p, w));
    }
}

static int by_folded(const void *a, const void *b) {
    const word *x = *(const word *const *)a, *y = *(const word *const *)b;
    int order = strcmp(x->folded, y->folded);
    return order ? order : (x->first[0] > y->first[0]) - (x->first[0] < y->first[0]);
}

static const char *folded(label_pass *p, const word *w) {
    at_str key = {.arena = &p->scratch};
    at_lint_fold(&key, w->name.text, w->name.len);
    p->lint->failed |= key.failed;
    return key.text ? key.text : "";
}

/* Labels of the training data sorted by what they are when folded: those that are spelled differently stand together. */
static void look_for_spellings(label_pass *p) {
    word **sorted = AT_NEW_ARRAY(&p->scratch, word *, p->n);
    int n = 0;
    for (int i = 0; i < p->n && sorted; i++)
        if (p->word[i].count[0]) {
            p->word[i].folded = folded(p, &p->word[i]);
            sorted[n++] = &p->word[i];
        }
    if (!sorted) p->lint->failed = 1;
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, by_folded);
    for (int i = 1, group = 0; i < n; i++) {
        if (strcmp(sorted[i]->folded, sorted[group]->folded)) {
            group = i;
            continue;
        }
        const at_table *t = p->lint->split[0].table;
        uint32_t line = first_line(p, sorted[i], 0), other = first_line(p, sorted[group], 0);
        at_finding *f = at_lint_add(p->lint, AT_LINT_LABEL_SPELLING, t->path, line,
                                    "label %s (%d row%s) differs from %s (line %u, %d row%s) by case or spaces only", quote(p, sorted[i]),
                                    sorted[i]->count[0], sorted[i]->count[0] == 1 ? "" : "s", quote(p, sorted[group]), (unsigned)other,
                                    sorted[group]->count[0], sorted[group]->count[0] == 1 ? "" : "s");
        if (!f) return;
        f->file2 = t->path;
        f->line2 = other;
    }
}

/* ---- the other files beside it ---- */

/* The labels of the first file, for suggestions. */
static const char **known_names(label_pass *p, int *n) {
    const char **names = AT_NEW_ARRAY(&p->scratch, const char *, p->n + 1);
    *n = 0;
    for (int i = 0; i < p->n && names; i++)
        if (p->word[i].count[0]) names[(*n)++] = p->word[i].name.text;
    return names;
}

static const char *list_of(label_pass *p) {
    enum { SHOWN = 8 };
    at_str list = {.arena = &p->scratch};
    int shown = 0, n = different(p);
    for (int i = 0; i < p->n && shown < SHOWN; i++)
        if (p->word[i].count[0]) at_str_addf(&list, "%s%s", shown++ ? ", " : "", quote(p, &p->word[i]));
    if (n > shown) at_str_addf(&list, " and %d more", n - shown);
    p->lint->failed |= list.failed;
    return list.failed ? "" : list.text;
}

static void tell_unknown(label_pass *p, const word *w, int split) {
    const at_table *t = p->lint->split[split].table;
    int n;
    const char **names = known_names(p, &n);
    const char *near = names ? at_nearest(w->name.text, names, n) : NULL;
    at_lint_add(p->lint, AT_LINT_UNKNOWN_LABEL, t->path, first_line(p, w, split),
                "label %s (%d row%s) is not one of %s, the labels of %s.%s%s%s", quote(p, w), w->count[split],
                w->count[split] == 1 ? "" : "s", list_of(p), p->lint->split[0].table->path, near ? " Did you mean '" : "", near ? near : "",
                near ? "'?" : "");
}

static void tell_missing(label_pass *p, const word *w, int there, int missing) {
    const at_table *t = p->lint->split[there].table;
    at_finding *f =
        at_lint_add(p->lint, AT_LINT_LABEL_MISSING, t->path, first_line(p, w, there), "label %s (%d row%s) does not occur in %s",
                    quote(p, w), w->count[there], w->count[there] == 1 ? "" : "s", p->lint->split[missing].table->path);
    if (f) f->file2 = p->lint->split[missing].table->path;
}

static void compare(label_pass *p, int split) {
    int trained = !strcmp(p->lint->split[0].name, "train");
    for (int i = 0; i < p->n; i++) {
        const word *w = &p->word[i];
        if (w->count[0] && !w->count[split]) tell_missing(p, w, 0, split);
        if (w->count[0] || !w->count[split]) continue;
        if (trained) tell_unknown(p, w, split);
        else tell_missing(p, w, split, 0);
    }
}

static void look_at_all(label_pass *p) {
    const at_lint *lint = p->lint;
    for (int s = 0; s < lint->n_splits; s++)
        if (is_labelled(&lint->split[s])) look_for_header(p, s);
    if (!lint->n_splits || !is_labelled(&lint->split[0]) || !can_be_learned(p)) return;
    look_for_imbalance(p);
    look_for_spellings(p);
    for (int i = 0; i < p->n; i++) {
        look_for_rare(p, &p->word[i]);
        look_for_text(p, &p->word[i]);
    }
    for (int s = 1; s < lint->n_splits; s++)
        if (is_labelled(&lint->split[s])) compare(p, s);
}

at_status at_lint_labels(at_lint *lint, at_error *err) {
    label_pass p = {.lint = lint};
    int counted = count_all(&p);
    if (counted) look_at_all(&p);
    at_arena_free(&p.scratch);
    return counted && !lint->failed ? AT_OK : at_fail_memory(err, 0);
}
