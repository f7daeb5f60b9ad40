#include "task/columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "text/unicode.h"

static const char *const TEXT_NAMES[] = {"text",    "sentence", "message", "content",     "review", "tweet",   "body",
                                         "comment", "document", "query",   "description", "title",  "utterance", NULL};
static const char *const LABEL_NAMES[] = {"label", "labels",  "class",      "category", "target", "sentiment",  "intent",
                                          "y",     "topic",   "gold_label", "rating",   "score",  "similarity", "similarity_score",
                                          "value", "answers", "answer",     "is_duplicate", "quality", NULL};
static const char *const PAIR_NAMES[][2] = {
    {"sentence1", "sentence2"}, {"premise", "hypothesis"}, {"question1", "question2"}, {"text1", "text2"},   {"text_a", "text_b"},
    {"question", "sentence"},   {"question", "context"},   {"question", "passage"},    {"query", "passage"}, {"question", "answer"},
    {"query", "document"},      {NULL, NULL}};

const char *at_columns_list(const at_table *table, at_arena *arena) {
    at_str list = {.arena = arena};
    for (int i = 0; i < table->n_columns; i++) at_str_addf(&list, "%s%s", i ? ", " : "", table->column[i]);
    return list.text ? list.text : "";
}

static at_status named(const at_table *table, const char *name, at_arena *arena, int *index, at_error *err) {
    if (!name) return AT_OK;
    *index = at_table_column(table, name);
    if (*index >= 0) return AT_OK;
    const char *near = at_nearest(name, table->column, table->n_columns);
    return at_fail(err, AT_USAGE, "%s: there is no column '%s'; the columns are %s.%s%s%s", table->path, name,
                   at_columns_list(table, arena), near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int by_usual_name(const at_table *table, const char *const *names) {
    for (int i = 0; names[i]; i++) {
        int index = at_table_column(table, names[i]);
        if (index >= 0) return index;
    }
    return -1;
}

int at_columns_is_text(const char *name) {
    if (at_word_index(name, TEXT_NAMES) >= 0) return 1;
    if (at_word_index(name, LABEL_NAMES) >= 0) return 0; /* an "answer" is rather that */
    for (int i = 0; PAIR_NAMES[i][0]; i++)
        if (!strcmp(name, PAIR_NAMES[i][0]) || !strcmp(name, PAIR_NAMES[i][1])) return 1;
    return 0;
}

static int pair_by_usual_name(const at_table *table, at_found_columns *found) {
    for (int i = 0; PAIR_NAMES[i][0]; i++) {
        int first = at_table_column(table, PAIR_NAMES[i][0]), second = at_table_column(table, PAIR_NAMES[i][1]);
        if (first < 0 || second < 0 || first == found->label || second == found->label) continue;
        found->text = first;
        found->text2 = second;
        return 1;
    }
    return 0;
}

/* Two columns that are nothing but a pair; an "answer" may be the label of its question. */
static int only_a_pair(const at_table *table) {
    at_found_columns pair = {-1, -1, by_usual_name(table, LABEL_NAMES)};
    return table->n_columns == 2 && pair_by_usual_name(table, &pair);
}

/* Without usual names: the column with the longest cells is the text. */
static int longest_column(const at_table *table, int except) {
    int best = -1;
    uint64_t most = 0;
    for (int c = 0; c < table->n_columns; c++) {
        uint64_t bytes = 0;
        for (int r = 0; r < table->n_rows; r++) bytes += at_table_cell(table, r, c).len;
        if (c != except && (best < 0 || bytes > most)) {
            best = c;
            most = bytes;
        }
    }
    return best;
}

static void find_texts(const at_table *table, int alone, at_found_columns *found) {
    if (found->text >= 0 || (found->text2 < 0 && !alone && pair_by_usual_name(table, found))) return;
    found->text = by_usual_name(table, TEXT_NAMES);
    if (found->text < 0 || found->text == found->label) found->text = longest_column(table, found->label);
}

static void find_label(const at_table *table, at_found_columns *found) {
    if (found->label >= 0) return;
    found->label = by_usual_name(table, LABEL_NAMES);
    if (found->label >= 0 || table->n_columns != 2 || found->text2 >= 0 || only_a_pair(table)) return;
    int text = found->text >= 0 ? found->text : by_usual_name(table, TEXT_NAMES);
    found->label = 1 - (text >= 0 ? text : longest_column(table, -1));
}

static at_status check_found(const at_table *table, const at_found_columns *found, int need_label, at_arena *arena,
                             at_error *err) {
    if (found->text < 0)
        return at_fail(err, AT_USAGE, "%s: no column holds a text; the columns are %s. Name it with --text-column",
                       table->path, at_columns_list(table, arena));
    if (need_label && found->label < 0)
        return at_fail(err, AT_USAGE, "%s: no column looks like a label; the columns are %s. Name it with --label-column%s",
                       table->path, at_columns_list(table, arena), only_a_pair(table) ? " (pairs that belong together need none: --task embed)" : "");
    if (found->label >= 0 && (found->label == found->text || found->label == found->text2))
        return at_fail(err, AT_USAGE, "%s: column '%s' cannot be both text and label", table->path,
                       table->column[found->label]);
    return AT_OK;
}

at_status at_columns_find(const at_table *table, const at_columns *wanted, int need_label, at_arena *arena,
                          at_found_columns *found, const char **why, at_error *err) {
    static const at_columns NONE = {0};
    if (!wanted) wanted = &NONE;
    *found = (at_found_columns){-1, -1, -1};
    AT_TRY(named(table, wanted->text, arena, &found->text, err));
    int alone = wanted->text2 && !strcmp(wanted->text2, "none") && at_table_column(table, wanted->text2) < 0;
    if (!alone) AT_TRY(named(table, wanted->text2, arena, &found->text2, err));
    AT_TRY(named(table, wanted->label, arena, &found->label, err));
    if (need_label || table->n_columns > 1) find_label(table, found);
    find_texts(table, alone, found);
    int guessed = !wanted->label && !need_label; /* two columns that are a pair have no label */
    if (guessed && (found->label == found->text || found->label == found->text2)) found->label = -1;
    AT_TRY(check_found(table, found, need_label, arena, err));
    if (!why) return AT_OK;
    const char *second = found->text2 >= 0 ? table->column[found->text2] : NULL;
    *why = at_format(arena, "text from column '%s'%s%s%s%s%s%s", table->column[found->text], second ? " and '" : "",
                     second ? second : "", second ? "'" : "", found->label >= 0 ? ", label from column '" : "",
                     found->label >= 0 ? table->column[found->label] : "", found->label >= 0 ? "'" : "");
    return *why ? AT_OK : at_fail_memory(err, 0);
}

const char *at_question_name(const at_table *t, int row, int column, char name[AT_QUESTION_NAME]) {
    enum { MOST = 60 };
    at_cell id = column < 0 ? (at_cell){0} : at_table_cell(t, row, column);
    uint32_t n = id.len < MOST ? id.len : MOST;
    while (n && n < id.len && ((unsigned char)id.text[n] & 0xc0) == 0x80) n--; /* whole characters */
    if (!n) return "";
    snprintf(name, AT_QUESTION_NAME, "question '%.*s': ", (int)n, id.text);
    return name;
}

int at_is_white(uint32_t cp) { return cp <= ' ' || (at_cp_flags(cp) & AT_CP_SPACE); }

int at_cell_is_blank(at_cell cell) {
    for (uint32_t i = 0; i < cell.len;) {
        uint32_t cp;
        int width = at_utf8_decode((const unsigned char *)cell.text + i, cell.len - i, &cp);
        if (!width || !at_is_white(cp)) return 0;
        i += (uint32_t)width;
    }
    return 1;
}

/* How pandas, R, NumPy and spreadsheets write that there is none, or none that can be learned. */
int at_cell_no_number(at_cell cell) {
    static const char *const WORDS[] = {"nan", "inf", "infinity", "na", "n/a", "#n/a", "null", "none", "<na>", NULL};
    const char *text = cell.len ? cell.text + (*cell.text == '-' || *cell.text == '+') : "";
    if (!cell.len) return 1;
    for (int i = 0; WORDS[i]; i++)
        if (!strcasecmp(text, WORDS[i])) return 1;
    return 0;
}

at_status at_column_number(const at_table *t, int row, int column, double *value, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    if (cell.len && at_parse_double(cell.text, value) && isfinite(*value)) return AT_OK;
    if (!cell.len)
        return at_fail(err, AT_BAD_DATA, "%s:%u: the number (column '%s') is empty; fill it in or remove the row", t->path,
                       (unsigned)t->line[row], t->column[column]);
    const char *comma = strchr(cell.text, ',');
    return at_fail(err, AT_BAD_DATA, "%s:%u: '%.80s' (column '%s') is not a number%s", t->path, (unsigned)t->line[row], cell.text,
                   t->column[column], comma ? "; decimals are written with a point" : at_cell_no_number(cell) ? "; fill it in or remove the row" : "");
}
