#include "task/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kind_facts {
    const char *name;
    at_severity severity;
    const char *plural, *advice;
} kind_facts;

static const kind_facts KINDS[AT_LINT_KINDS] = {
    [AT_LINT_BAD_ROW] = {"bad_row", AT_SEVERE_ERROR, "rows that cannot be read", "Correct them, or remove them from the file."},
    [AT_LINT_NO_ROWS] = {"no_rows", AT_SEVERE_ERROR, "files without a row", NULL},
    [AT_LINT_HEADER] = {"header_is_row", AT_SEVERE_WARNING, "header lines that look like rows",
                        "If the file has no header, say --no-header."},
    [AT_LINT_EMPTY_TEXT] = {"empty_text", AT_SEVERE_ERROR, "rows with an empty text", "Fill them in or remove the rows."},
    [AT_LINT_BAD_LABEL] = {"bad_label", AT_SEVERE_ERROR, "labels that cannot be read", "Correct them or remove the rows."},
    [AT_LINT_SCHEME] = {"scheme", AT_SEVERE_WARNING, "tags that their scheme does not allow there",
                        "Correct them, or name the scheme with --scheme."},
    [AT_LINT_ANSWER_PLACE] = {"answer_place", AT_SEVERE_ERROR, "answers that are not at their offset",
                              "Offsets count characters of the text from 0; correct them."},
    [AT_LINT_CONTRADICTION] = {"contradiction", AT_SEVERE_WARNING, "questions with and without an answer",
                               "They are learned as questions without an answer: remove the answer, or say is_impossible: false."},
    [AT_LINT_ID_TWICE] = {"id_twice", AT_SEVERE_WARNING, "ids that are there twice",
                          "Answers are brought together with their questions by id: give each its own."},
    [AT_LINT_UNANSWERABLE] = {"unanswerable", AT_SEVERE_NOTE, "files with questions without an answer", NULL},
    [AT_LINT_OVERLAP] = {"overlap", AT_SEVERE_ERROR, "spans that overlap", "A word has one tag: keep one of them, or shorten one."},
    [AT_LINT_RANGE] = {"range", AT_SEVERE_ERROR, "numbers out of the declared range",
                       "Correct them, or declare another range with --score-range."},
    [AT_LINT_CUT_WORD] = {"cut_word", AT_SEVERE_WARNING, "spans that cut a word",
                          "Look whether their offsets are right; they count characters from 0."},
    [AT_LINT_EMPTY_LABEL] = {"empty_label", AT_SEVERE_ERROR, "rows with an empty label", "Fill them in or remove the rows."},
    [AT_LINT_NO_LABELS] = {"no_labels", AT_SEVERE_ERROR, "files whose labels cannot be learned", NULL},
    [AT_LINT_UNKNOWN_LABEL] = {"unknown_label", AT_SEVERE_ERROR, "unknown labels",
                               "A model can only answer with the labels of its training data."},
    [AT_LINT_TWO_LABELS] = {"two_labels", AT_SEVERE_WARNING, "texts with two labels", "Decide on one label for each, or remove the rows."},
    [AT_LINT_BOTH_SPLITS] =
        {"both_splits", AT_SEVERE_WARNING, "texts in two files",
         "What was trained on cannot be a test: remove the rows from the training file, or the score will look better than it is."},
    [AT_LINT_LABEL_SPELLING] = {"label_spelling", AT_SEVERE_WARNING, "labels spelled in several ways",
                                "Write them alike, or they are learned as different labels."},
    [AT_LINT_LABEL_TEXT] = {"label_text", AT_SEVERE_WARNING, "labels that read like texts",
                            "A comma without quotes around the text, or a wrong label column?"},
    [AT_LINT_LABEL_MISSING] = {"label_missing", AT_SEVERE_WARNING, "labels missing from a file",
                               "Nothing is learned about a label that is not trained on, nothing is known of one that is not tested."},
    [AT_LINT_RARE_LABEL] = {"rare_label", AT_SEVERE_WARNING, "rare labels", "Add examples of them, or join them with another label."},
    [AT_LINT_IMBALANCE] = {"imbalance", AT_SEVERE_WARNING, "files whose labels are far from balanced",
                           "Judge by the macro F1 rather than the accuracy (--metric f1), and try --class-weights balanced."},
    [AT_LINT_DUPLICATE] = {"duplicate", AT_SEVERE_WARNING, "repeated texts",
                           "Keep one of each: a part that is cut off for evaluation would hold texts that were trained on."},
    [AT_LINT_NEAR] = {"near_duplicate", AT_SEVERE_NOTE, "texts that are nearly the same",
                      "Across files the score will look better than it is; within one they count as one text or two, as you see fit."},
    [AT_LINT_SHARED] = {"shared_context", AT_SEVERE_NOTE, "files that ask about the same texts", NULL},
    [AT_LINT_MOJIBAKE] = {"mojibake", AT_SEVERE_WARNING, "texts with garbled letters",
                          "The file was once read in a wrong encoding: export it again, as UTF-8."},
    [AT_LINT_REPLACEMENT] = {"replacement_character", AT_SEVERE_WARNING, "texts with the replacement character U+FFFD",
                             "Letters were lost in a conversion: export the file again from its source, as UTF-8."},
    [AT_LINT_CONTROL] = {"control_character", AT_SEVERE_WARNING, "texts with control characters",
                         "Remove them; a model does not know them."},
    [AT_LINT_CUT] = {"cut_text", AT_SEVERE_NOTE, "texts longer than the model reads", NULL},
    [AT_LINT_CUT_SHARE] = {"cut_share", AT_SEVERE_NOTE, "files with texts that are cut",
                           "Split long texts, put what matters first, or raise --max-length where the model allows it."},
    [AT_LINT_WINDOWS] = {"read_in_windows", AT_SEVERE_NOTE, "files with texts that are read in windows", NULL},
    [AT_LINT_HTML] = {"html", AT_SEVERE_NOTE, "texts with pieces of HTML",
                      "Turn entities into characters and remove the tags, here and in what will be predicted."},
    [AT_LINT_SHORT_TEXT] = {"short_text", AT_SEVERE_NOTE, "very short texts", "Is the whole text there?"},
};

const char *at_lint_kind_name(at_lint_kind kind) { return KINDS[kind].name; }
const char *at_lint_kind_plural(at_lint_kind kind) { return KINDS[kind].plural; }
const char *at_lint_kind_advice(at_lint_kind kind) { return KINDS[kind].advice; }

const char *at_severity_name(at_severity severity) {
    static const char *const NAMES[] = {"error", "warning", "note"};
    return NAMES[severity];
}

/* A place for one more; the array doubles, what it grew out of stays in the arena. */
static at_finding *next(at_lint *lint) {
    if (lint->n == lint->cap) {
        size_t cap = lint->cap ? 2 * lint->cap : 64;
        at_finding *more = at_alloc_raw(lint->arena, cap, sizeof *more);
        if (!more) return NULL;
        if (lint->n) memcpy(more, lint->finding, lint->n * sizeof *more);
        lint->finding = more;
        lint->cap = cap;
    }
    return &lint->finding[lint->n];
}

static at_finding *add(at_lint *lint, at_lint_kind kind, const char *file, uint32_t line, const char *text) {
    at_finding *f = text ? next(lint) : NULL;
    if (!f) {
        lint->failed = 1;
        return NULL;
    }
    *f = (at_finding){.kind = kind, .severity = KINDS[kind].severity, .file = file, .line = line, .text = text, .order = lint->n++};
    return f;
}

/* "file:line: " before the words, in the arena. */
static char *sentence(at_lint *lint, const char *file, uint32_t line, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    size_t room = strlen(file) + 16 + (n > 0 ? (size_t)n : 0);
    char *text = at_alloc_raw(lint->arena, room, 1);
    if (text) {
        int at = line ? snprintf(text, room, "%s:%u: ", file, (unsigned)line) : snprintf(text, room, "%s: ", file);
        vsnprintf(text + at, room - (size_t)at, fmt, again);
    }
    va_end(again);
    return text;
}

at_finding *at_lint_add(at_lint *lint, at_lint_kind kind, const char *file, uint32_t line, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *text = sentence(lint, file, line, fmt, args);
    va_end(args);
    return add(lint, kind, file, line, text);
}

void at_lint_sentence(at_lint *lint, at_lint_kind kind, const char *file, uint32_t line, const char *sentence) {
    add(lint, kind, file, line, at_strdup(lint->arena, sentence));
}

void at_lint_bad_row(at_lint *lint, const char *file, uint32_t line, const char *sentence) {
    at_lint_sentence(lint, AT_LINT_BAD_ROW, file, line, sentence);
}

const char *at_lint_who(at_lint *lint, const at_lint_split *split, int row) {
    char name[AT_QUESTION_NAME];
    const char *text = at_strdup(lint->arena, at_question_name(split->table, row, split->question_id - 1, name));
    lint->failed |= !text;
    return text ? text : "";
}

const char *at_lint_whom(at_lint *lint, const at_lint_split *split, int row) {
    const char *who = at_lint_who(lint, split, row);
    const char *text = *who ? at_format(lint->arena, ", %.*s", (int)strlen(who) - 2, who) : ""; /* without ": " */
    lint->failed |= !text;
    return text ? text : "";
}

void at_lint_numbers(at_lint *lint, const at_lint_split *split) {
    const at_table *t = split->table;
    int column = split->columns.label;
    at_error err;
    double value;
    if (column < 0) return;
    lint->range_used = 1;
    for (int r = 0; r < t->n_rows; r++) {
        if (at_column_number(t, r, column, &value, &err)) at_lint_sentence(lint, AT_LINT_BAD_LABEL, t->path, t->line[r], err.text);
        else if (lint->has_range && (value < lint->low || value > lint->high))
            at_lint_add(lint, AT_LINT_RANGE, t->path, t->line[r], "%.12g (column '%s') is not from %.12g to %.12g", value, t->column[column],
                        lint->low, lint->high);
    }
}

void at_lint_rare(at_lint *lint, const char *file, uint32_t line, const char *name, int count, const char *unit) {
    if (count > 0 && count < AT_LINT_FEW)
        at_lint_add(lint, AT_LINT_RARE_LABEL, file, line, "label %s has only %d %s%s",
                    at_lint_quote(lint, (at_cell){name, (uint32_t)strlen(name)}), count, unit, count == 1 ? "" : "s");
}

at_cell at_lint_label(const at_lint_split *split, int row) {
    return split->columns.label < 0 ? (at_cell){0} : at_table_cell(split->table, row, split->columns.label);
}

/* Bytes of the longest beginning of at most `most` bytes that does not cut a character. */
static size_t whole_characters(const char *text, size_t len, size_t most) {
    if (len <= most) return len;
    while (most && ((unsigned char)text[most] & 0xc0) == 0x80) most--;
    return most;
}

const char *at_lint_quote(at_lint *lint, at_cell cell) {
    enum { MOST = 64 };
    at_str quote = {.arena = lint->arena};
    size_t n = whole_characters(cell.text, cell.len, MOST);
    at_str_add(&quote, "'");
    for (size_t i = 0; i < n; i++) {
        char c = cell.text[i];
        at_str_add_bytes(&quote, (unsigned char)c < ' ' || c == 0x7f ? " " : &c, 1);
    }
    at_str_add(&quote, n < cell.len ? "...'" : "'");
    lint->failed |= quote.failed;
    return quote.failed ? "" : quote.text;
}

static int by_kind(const void *a, const void *b) {
    const at_finding *x = a, *y = b;
    if (x->severity != y->severity) return x->severity < y->severity ? -1 : 1;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void at_lint_sort(at_lint *lint) {
    if (lint->n) qsort(lint->finding, lint->n, sizeof *lint->finding, by_kind);
}
