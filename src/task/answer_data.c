/* Questions, contexts and right answers as tables have them. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "task/answer.h"

static const char *const QUESTIONS[] = {"question", "query", "text", NULL}, *const CONTEXTS[] = {"context",  "passage", "paragraph",
                                                                                                 "document", "text2",   NULL},
                         *const ANSWERS[] = {"answers", "answer", NULL};

static int by_usual_name(const at_table *t, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (at_table_column(t, names[i]) >= 0) return at_table_column(t, names[i]);
    return -1;
}

static at_status find_one(const at_table *t, const char *wanted, const char *const *usual, const char *what, const char *option,
                          int *column, at_error *err) {
    *column = wanted ? at_table_column(t, wanted) : -1;
    if (*column < 0) *column = by_usual_name(t, usual);
    if (*column >= 0) return AT_OK;
    const char *near = wanted ? at_nearest(wanted, t->column, t->n_columns) : NULL;
    return at_fail(err, AT_USAGE, "%s: there is no column '%s' with the %s; name it with %s.%s%s%s", t->path, wanted ? wanted : usual[0],
                   what, option, near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

at_status at_answer_find(const at_table *t, const at_columns *wanted, int need_answers, at_answer_columns *c, at_error *err) {
    static const at_columns NONE = {0};
    if (!wanted) wanted = &NONE;
    AT_TRY(find_one(t, wanted->text, QUESTIONS, "question", "--text-column", &c->question, err));
    AT_TRY(find_one(t, wanted->text2, CONTEXTS, "text that is answered from",
                    "--text2-column (lines and arguments: --pairs, question and text with a tab between)", &c->context, err));
    at_status st = find_one(t, wanted->label, ANSWERS, "answers", "--label-column", &c->answers, need_answers ? err : NULL);
    c->start = at_table_column(t, "answer_start");
    c->impossible = at_table_column(t, "is_impossible");
    return need_answers ? st : AT_OK;
}

const char *at_answer_name(const at_table *t, int row, char name[AT_QUESTION_NAME]) {
    return at_question_name(t, row, at_table_column(t, "id"), name);
}

/* ---- right answers ---- */

static at_status bad(const at_table *t, int row, const char *what, at_error *err) {
    char name[AT_QUESTION_NAME];
    return at_fail(
        err, AT_BAD_DATA,
        "%s:%u: %sthe answers %s; expected: [{\"text\": \"...\", \"answer_start\": 0}] or {\"text\": [...], \"answer_start\": [...]}",
        t->path, (unsigned)t->line[row], at_answer_name(t, row, name), what);
}

static at_status take(const at_table *t, int row, const json_t *text, const json_t *start, at_arena *arena, at_gold *gold, at_error *err) {
    if (!json_is_string(text)) return bad(t, row, "have no 'text'", err);
    if (start && (!json_is_integer(start) || json_integer_value(start) < 0))
        return bad(t, row, "have an 'answer_start' that is no whole number from 0 on", err);
    *gold = (at_gold){at_strdup(arena, json_string_value(text)), json_string_length(text), start ? json_integer_value(start) : -1};
    return gold->text ? AT_OK : at_fail_memory(err, gold->len);
}

static at_status take_lists(const at_table *t, int row, const json_t *object, at_arena *arena, at_gold **gold, int *n, at_error *err) {
    const json_t *text = json_object_get(object, "text"), *start = json_object_get(object, "answer_start");
    int lists = json_is_array(text);
    size_t count = lists ? json_array_size(text) : 1;
    if (start && json_is_array(start) != lists) return bad(t, row, "have one 'text' and a list 'answer_start', or the other way", err);
    if (lists && start && json_array_size(start) != count)
        return bad(t, row, "have lists 'text' and 'answer_start' of different lengths", err);
    *gold = AT_NEW_ARRAY(arena, at_gold, count);
    if (!*gold) return at_fail_memory(err, count * sizeof **gold);
    for (size_t i = 0; i < count; i++)
        AT_TRY(take(t, row, lists ? json_array_get(text, i) : text, lists ? json_array_get(start, i) : start, arena, *gold + i, err));
    *n = (int)count;
    return AT_OK;
}

static at_status take_array(const at_table *t, int row, const json_t *list, at_arena *arena, at_gold **gold, int *n, at_error *err) {
    size_t i, count = json_array_size(list);
    const json_t *item;
    *gold = AT_NEW_ARRAY(arena, at_gold, count);
    if (!*gold) return at_fail_memory(err, count * sizeof **gold);
    json_array_foreach(list, i, item) AT_TRY(take(t, row, json_is_string(item) ? item : json_object_get(item, "text"),
                                                  json_object_get(item, "answer_start"), arena, *gold + i, err));
    *n = (int)count;
    return AT_OK;
}

static at_status take_text(const at_table *t, int row, const at_answer_columns *c, at_cell cell, at_arena *arena, at_gold **gold, int *n,
                           at_error *err) {
    at_cell start = c->start >= 0 ? at_table_cell(t, row, c->start) : (at_cell){0};
    long long at = -1;
    char name[AT_QUESTION_NAME];
    if (start.len && (!at_parse_int(start.text, &at) || at < 0))
        return at_fail(err, AT_BAD_DATA, "%s:%u: %s'%.40s' (column '%s') is no whole number from 0 on", t->path, (unsigned)t->line[row],
                       at_answer_name(t, row, name), start.text, t->column[c->start]);
    *gold = AT_NEW(arena, at_gold);
    if (!*gold) return at_fail_memory(err, sizeof **gold);
    **gold = (at_gold){cell.text, cell.len, at};
    *n = 1;
    return AT_OK;
}

int at_answer_impossible(const at_table *t, int row, const at_answer_columns *c) {
    static const char *const YES[] = {"true", "True", "TRUE", "1", NULL};
    at_cell cell = c->impossible >= 0 ? at_table_cell(t, row, c->impossible) : (at_cell){0};
    return cell.len && at_word_index(cell.text, YES) >= 0;
}

at_status at_answer_gold(const at_table *t, int row, const at_answer_columns *c, at_arena *arena, at_gold **gold, int *n, at_error *err) {
    at_cell cell = c->answers >= 0 ? at_table_cell(t, row, c->answers) : (at_cell){0};
    int is_json = t->is_json ? c->answers >= 0 && t->is_json[(size_t)row * (size_t)t->n_columns + (size_t)c->answers]
                             : cell.len && strchr("[{", *cell.text);
    *n = 0;
    *gold = NULL;
    if (!cell.len || at_answer_impossible(t, row, c)) return AT_OK;
    if (!is_json) return take_text(t, row, c, cell, arena, gold, n, err);
    json_t *root = json_loadb(cell.text, cell.len, JSON_DECODE_ANY, NULL);
    at_status st = json_is_object(root)  ? take_lists(t, row, root, arena, gold, n, err)
                   : json_is_array(root) ? take_array(t, row, root, arena, gold, n, err)
                                         : bad(t, row, "are neither a list nor an object", err);
    json_decref(root);
    return st;
}

/* ---- places ---- */

static size_t next_character(at_cell text, size_t byte) {
    for (byte++; byte < text.len && ((unsigned char)text.text[byte] & 0xC0) == 0x80;) byte++;
    return byte;
}

at_cell at_answer_cut(at_cell context, int start, int end) {
    size_t byte = 0, from;
    int at = 0;
    for (; at < start && byte < context.len; at++) byte = next_character(context, byte);
    for (from = byte; at < end && byte < context.len; at++) byte = next_character(context, byte);
    return (at_cell){context.text + from, (uint32_t)(byte - from)};
}

/* The place of the answer that is nearest to `wanted`, in characters; -1: it is nowhere. */
static long long nearest_place(at_cell context, const at_gold *gold, long long wanted) {
    long long best = -1, at = 0;
    for (size_t byte = 0; byte + gold->len <= context.len; byte = next_character(context, byte), at++) {
        if (memcmp(context.text + byte, gold->text, gold->len)) continue;
        if (best < 0 || llabs(at - wanted) < llabs(best - wanted)) best = at;
    }
    return best;
}

long long at_answer_only_place(at_cell context, const at_gold *gold) {
    if (!context.len || !gold->len) return -1;
    long long first = nearest_place(context, gold, 0), last = nearest_place(context, gold, INT32_MAX);
    return first == last ? first : -1;
}

at_status at_answer_place(const at_table *t, int row, const at_answer_columns *c, at_gold *gold, at_error *err) {
    at_cell context = at_table_cell(t, row, c->context);
    unsigned line = t->line[row];
    char name[AT_QUESTION_NAME];
    const char *who = at_answer_name(t, row, name);
    int given = gold->start >= 0, shown = gold->len < 60 ? (int)gold->len : 60;
    while (shown && (size_t)shown < gold->len && ((unsigned char)gold->text[shown] & 0xC0) == 0x80) shown--; /* whole characters */
    if (!gold->len)
        return at_fail(err, AT_BAD_DATA, "%s:%u: %san answer is empty; a question without an answer has an empty list of answers", t->path,
                       line, who);
    if (given && gold->start < INT32_MAX) {
        at_cell from = at_answer_cut(context, (int)gold->start, INT32_MAX);
        if (from.len >= gold->len && !memcmp(from.text, gold->text, gold->len)) return AT_OK;
    }
    long long found = context.text ? nearest_place(context, gold, given ? gold->start : 0) : -1;
    if (found < 0) return at_fail(err, AT_BAD_DATA, "%s:%u: %sthe answer '%.*s' is nowhere in its text", t->path, line, who, shown, gold->text);
    if (given)
        return at_fail(err, AT_BAD_DATA, "%s:%u: %sthe answer '%.*s' is not at character %lld of its text; it is at %lld", t->path, line,
                       who, shown, gold->text, gold->start, found);
    gold->start = found;
    return AT_OK;
}
