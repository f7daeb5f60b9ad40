#include "task/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "base/room.h"
#include "task/columns.h"
#include "task/labels.h"
#include "text/unicode.h"

static const char *const TOKENS[] = {"tokens", "words", NULL}, *const TAGS[] = {"ner_tags", "tags", "pos_tags", "labels", "ner", NULL};
static const char *const TEXTS[] = {"text", "sentence", "content", "data", NULL}, *const SPANS[] = {"entities", "spans", "label", "labels",
                                                                                                    NULL};

/* ---- columns ---- */

static int by_name(const at_table *t, const char *const *names, char first) {
    for (int i = 0; names[i]; i++) {
        int c = at_table_column(t, names[i]);
        if (c >= 0 && (!first || (t->n_rows && at_table_cell(t, 0, c).len && at_table_cell(t, 0, c).text[0] == first))) return c;
    }
    return -1;
}

static at_status named(const at_table *t, const char *name, int *column, at_error *err) {
    *column = name ? at_table_column(t, name) : -1;
    if (!name || *column >= 0) return AT_OK;
    const char *near = at_nearest(name, t->column, t->n_columns);
    return at_fail(err, AT_USAGE, "%s: there is no column '%s'; there are %d, from %s to %s.%s%s%s", t->path, name, t->n_columns,
                   t->column[0], t->column[t->n_columns - 1], near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Words in the first column and tags in the last; CoNLL-U: form and part of speech. */
static void conll_columns(const at_table *t, at_sentence_columns *c) {
    int universal = t->n_columns == 10;
    c->form = AT_FORM_COLUMNS;
    if (c->text < 0) c->text = universal ? 1 : 0;
    if (c->label < 0 && t->n_columns > 1) c->label = universal ? 3 : t->n_columns - 1;
    if (c->label == c->text) c->label = -1;
}

static int starts_with(const at_table *t, int column, char c) {
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        if (cell.len) return cell.text[0] == c;
    }
    return 0;
}

/* Whether the first list that is not empty has spans in it: objects or arrays with start, end and label. */
static int holds_spans(const at_table *t, int column) {
    int yes = 0;
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        json_t *list = cell.len && cell.text[0] == '[' ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
        const json_t *item = json_array_get(list, 0);
        yes = json_object_get(item, "start") || json_object_get(item, "start_offset") ||
              (json_array_size(item) == 3 && json_is_integer(json_array_get(item, 0)));
        int known = item != NULL;
        json_decref(list);
        if (known) break;
    }
    return yes;
}

static int spans_column(const at_table *t) {
    for (int i = 0; SPANS[i]; i++) {
        int c = at_table_column(t, SPANS[i]);
        if (c >= 0 && holds_spans(t, c)) return c;
    }
    return -1;
}

static void other_columns(const at_table *t, at_sentence_columns *c) {
    int tokens = c->text >= 0 ? c->text : by_name(t, TOKENS, '[');
    if (t->format == AT_TABLE_JSONL && tokens >= 0 && starts_with(t, tokens, '[')) {
        c->form = AT_FORM_LISTS;
        c->text = tokens;
        if (c->label < 0) c->label = by_name(t, TAGS, '[');
        return;
    }
    if (c->text < 0) c->text = by_name(t, TEXTS, 0);
    if (c->text < 0 && t->n_columns == 1) c->text = 0;
    if (c->label < 0 && t->format == AT_TABLE_JSONL) c->label = spans_column(t);
    c->form = c->label >= 0 && t->format == AT_TABLE_JSONL ? AT_FORM_SPANS : AT_FORM_TEXT;
    c->fine = c->form == AT_FORM_SPANS;
}

/* CSV cannot hold sentences of words; what is often tried is a word a line. */
static const char *word_a_line(const at_table *t) {
    return t->format == AT_TABLE_CSV || t->format == AT_TABLE_TSV
               ? " (--input-format conll: one word a line, no header, an empty line after each sentence)" : "";
}

at_status at_sentence_find_columns(const at_table *t, const at_columns *wanted, int need_label, at_arena *arena, at_sentence_columns *c,
                                   const char **why, at_error *err) {
    *c = (at_sentence_columns){.text = -1, .label = -1};
    AT_TRY(named(t, wanted ? wanted->text : NULL, &c->text, err));
    AT_TRY(named(t, wanted ? wanted->label : NULL, &c->label, err));
    if (t->format == AT_TABLE_CONLL) conll_columns(t, c);
    else other_columns(t, c);
    if (c->text < 0)
        return at_fail(err, AT_USAGE, "%s: no column holds words (a list called tokens) or a text; name it with --text-column%s%s", t->path,
                       *word_a_line(t) ? ". A word a line is read as CoNLL columns" : "", word_a_line(t));
    if (need_label && (c->label < 0 || c->form == AT_FORM_TEXT))
        return at_fail(err, AT_USAGE,
                       "%s: no column holds tags or marked spans; name it with --label-column. Known are CoNLL columns%s, JSONL with lists "
                       "(tokens, ner_tags) "
                       "and JSONL with a text and spans ({\"start\": 0, \"end\": 5, \"label\": \"PER\"})",
                       t->path, word_a_line(t));
    if (!why) return AT_OK;
    at_str words = {.arena = arena};
    char first[200];
    snprintf(first, sizeof first, "%.120s", t->column[c->text]);
    if (c->form == AT_FORM_COLUMNS) at_str_addf(&words, "CoNLL columns: words from %s", first);
    else if (c->form == AT_FORM_LISTS) at_str_addf(&words, "tokens from '%s'", first);
    else at_str_addf(&words, "text from '%s'", first);
    if (c->label >= 0) at_str_addf(&words, ", %s from %s", c->form == AT_FORM_SPANS ? "spans" : "tags", t->column[c->label]);
    *why = words.failed ? NULL : words.text;
    return *why ? AT_OK : at_fail_memory(err, 0);
}

/* ---- words that are given ---- */

static int characters(const char *text, size_t len) {
    int n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static int add_word(at_sentence *s, at_str *text, int *at, const char *word, size_t len, uint32_t line) {
    if (s->n) {
        at_str_add(text, " ");
        ++*at;
    }
    at_str_add_bytes(text, word, len);
    int chars = characters(word, len);
    s->word[s->n++] = (at_word){word, (uint32_t)len, *at, *at + chars, text->len - len, line};
    *at += chars;
    return !text->failed;
}

static int count_lines(at_cell cell) {
    int n = 1;
    for (uint32_t i = 0; i < cell.len; i++) n += cell.text[i] == '\n';
    return n;
}

static at_status read_columns(const at_table *t, int row, const at_sentence_columns *c, int tags, at_arena *arena, at_sentence *s,
                              at_error *err) {
    at_cell words = at_table_cell(t, row, c->text), marks = tags ? at_table_cell(t, row, c->label) : (at_cell){0};
    int n = count_lines(words), at = 0;
    at_str text = {.arena = arena};
    s->word = AT_NEW_ARRAY(arena, at_word, n);
    s->tag = tags ? AT_NEW_ARRAY(arena, const char *, n) : NULL;
    if (!s->word || (tags && !s->tag)) return at_fail_memory(err, (size_t)n * sizeof *s->word);
    const char *p = words.text, *m = marks.text;
    for (int i = 0; i < n; i++) {
        const char *end = i + 1 < n ? strchr(p, '\n') : words.text + words.len;
        uint32_t line = t->token_line ? t->token_line[t->token_at[row] + (uint64_t)i] : t->line[row];
        if (!add_word(s, &text, &at, p, (size_t)(end - p), line)) return at_fail_memory(err, text.len);
        p = end + 1;
        if (!tags) continue;
        const char *mark_end = i + 1 < n ? strchr(m, '\n') : marks.text + marks.len;
        s->tag[i] = at_strndup(arena, m, (size_t)(mark_end - m));
        if (!s->tag[i]) return at_fail_memory(err, 0);
        if (mark_end == m) return at_fail(err, AT_BAD_DATA, "%s:%u: the tag is empty", t->path, (unsigned)line);
        if (c->names) AT_TRY(at_label_name(c->names, t->path, line, s->tag[i], &s->tag[i], err));
        m = mark_end + 1;
    }
    s->text = text.text;
    s->len = text.len;
    return AT_OK;
}

static at_status load_list(const at_table *t, int row, int column, json_t **list, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    *list = cell.len ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
    if (json_is_array(*list)) return AT_OK;
    json_decref(*list);
    *list = NULL;
    return at_fail(err, AT_BAD_DATA, "%s:%u: '%s' is not a list", t->path, (unsigned)t->line[row], t->column[column]);
}

static char *text_of(const json_t *item, at_arena *arena) {
    if (json_is_string(item)) return at_strndup(arena, json_string_value(item), json_string_length(item));
    return json_is_integer(item) ? at_format(arena, "%lld", (long long)json_integer_value(item)) : NULL;
}

static at_status fill_lists(const at_table *t, int row, const json_t *tokens, const json_t *tags, const at_labels *names, at_arena *arena,
                            at_sentence *s, at_error *err) {
    size_t n = json_array_size(tokens);
    at_str text = {.arena = arena};
    int at = 0;
    unsigned line = t->line[row];
    if (tags && json_array_size(tags) != n)
        return at_fail(err, AT_BAD_DATA, "%s:%u: %zu tokens and %zu tags", t->path, line, n, json_array_size(tags));
    s->word = AT_NEW_ARRAY(arena, at_word, n);
    s->tag = tags ? AT_NEW_ARRAY(arena, const char *, n) : NULL;
    if (!s->word || (tags && !s->tag)) return at_fail_memory(err, n * sizeof *s->word);
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_array_get(tokens, i), *tag = json_array_get(tags, i);
        char *word = text_of(token, arena);
        if (!word) return at_fail(err, AT_BAD_DATA, "%s:%u: token %zu is not a text", t->path, line, i + 1);
        if (!add_word(s, &text, &at, word, strlen(word), t->line[row])) return at_fail_memory(err, text.len);
        if (tags && !(s->tag[i] = text_of(tag, arena)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: tag %zu is neither a text nor a whole number", t->path, line, i + 1);
        if (tags && !*s->tag[i]) return at_fail(err, AT_BAD_DATA, "%s:%u: tag %zu is empty", t->path, line, i + 1);
        if (tags && names) AT_TRY(at_label_name(names, t->path, line, s->tag[i], &s->tag[i], err));
    }
    s->text = text.text ? text.text : "";
    s->len = text.len;
    return AT_OK;
}

static at_status read_lists(const at_table *t, int row, const at_sentence_columns *c, int tags, at_arena *arena, at_sentence *s,
                            at_error *err) {
    json_t *tokens = NULL, *marks = NULL;
    at_status st = load_list(t, row, c->text, &tokens, err);
    if (!st && tags) st = load_list(t, row, c->label, &marks, err);
    if (!st) st = fill_lists(t, row, tokens, marks, c->names, arena, s, err);
    json_decref(tokens);
    json_decref(marks);
    return st;
}

/* ---- words of a text ---- */

static int is_punctuation(uint32_t cp) { return (at_cp_flags(cp) & AT_CP_PUNCT) != 0; }

/* A place in a text. */
typedef struct place {
    const char *text;
    size_t len, at; /* bytes */
    int character;
} place;

static uint32_t next_letter(place *p) {
    uint32_t cp = 0;
    int width = at_utf8_decode((const unsigned char *)p->text + p->at, p->len - p->at, &cp);
    p->at += width > 0 ? (size_t)width : 1;
    p->character++;
    return cp;
}

/* The end of the word that begins at `from`: one punctuation character, or all up to a space without the punctuation at its end (fine: up to
 * any punctuation). */
static place word_end(place from, int fine) {
    place p = from;
    uint32_t cp = next_letter(&p);
    place end = p;
    for (int stop = is_punctuation(cp); !stop && p.at < p.len;) {
        cp = next_letter(&p);
        int breaks = is_punctuation(cp);
        stop = at_is_white(cp) || (breaks && fine);
        if (!stop && !breaks) end = p;
    }
    return end;
}

/* Words in their order, into word (of the arena) where it is not NULL; how many. */
static int list_words(const char *text, size_t len, int fine, uint32_t line, const at_arena *arena, at_word *word) {
    int n = 0;
    for (place p = {text, len, 0, 0}; p.at < len;) {
        place next = p;
        if (at_is_white(next_letter(&next))) {
            p = next;
            continue;
        }
        next = word_end(p, fine);
        if (word) word[n] = (at_word){text + p.at, (uint32_t)(next.at - p.at), p.character, next.character, p.at, line};
        at_arena_pass(arena, (size_t)n++, AT_IDLE_WORDS);
        p = next;
    }
    return n;
}

static at_status split_text(const char *text, size_t len, int fine, uint32_t line, at_arena *arena, at_sentence *s, at_error *err) {
    int n = list_words(text, len, fine, line, arena, NULL);
    s->word = AT_NEW_ARRAY(arena, at_word, n);
    if (!s->word) return at_fail_memory(err, (size_t)n * sizeof *s->word);
    s->text = text;
    s->len = len;
    s->n = list_words(text, len, fine, line, arena, s->word);
    return AT_OK;
}

/* ---- spans ---- */

static at_status span_of(const at_table *t, int row, size_t number, const json_t *item, int chars, at_arena *arena, at_span *span,
                         at_error *err) {
    const json_t *start, *end, *label;
    unsigned line = t->line[row];
    if (json_is_array(item)) {
        start = json_array_get(item, 0);
        end = json_array_get(item, 1);
        label = json_array_get(item, 2);
    } else {
        start = json_object_get(item, "start");
        end = json_object_get(item, "end");
        label = json_object_get(item, "label");
        if (!start) start = json_object_get(item, "start_offset");
        if (!end) end = json_object_get(item, "end_offset");
        if (!label) label = json_object_get(item, "type");
    }
    if (!json_is_integer(start) || !json_is_integer(end) || !json_is_string(label) || !json_string_length(label))
        return at_fail(err, AT_BAD_DATA, "%s:%u: span %zu has no start, end and label", t->path, line, number);
    json_int_t a = json_integer_value(start), b = json_integer_value(end);
    if (a < 0 || b <= a || b > chars)
        return at_fail(err, AT_BAD_DATA, "%s:%u: span %zu goes from %lld to %lld, the text has %d characters", t->path, line, number,
                       (long long)a, (long long)b, chars);
    *span = (at_span){(int)a, (int)b, at_strdup(arena, json_string_value(label))};
    return span->label ? AT_OK : at_fail_memory(err, 0);
}

at_status at_sentence_spans(const at_table *t, int row, const at_sentence_columns *c, at_arena *arena, at_span **span, int *n,
                            at_error *err) {
    at_cell text = at_table_cell(t, row, c->text);
    json_t *list = NULL, *item;
    size_t i;
    *n = 0;
    AT_TRY(load_list(t, row, c->label, &list, err));
    *span = AT_NEW_ARRAY(arena, at_span, json_array_size(list));
    at_status st = *span ? AT_OK : at_fail_memory(err, json_array_size(list) * sizeof **span);
    int chars = characters(text.text ? text.text : "", text.len);
    json_array_foreach(list, i, item)
        if (!st) st = span_of(t, row, i + 1, item, chars, arena, &(*span)[(*n)++], err);
    json_decref(list);
    return st;
}

/* Words that a span covers, wholly or in part, get its tags; a word belongs to one span only. */
static at_status mark_words(const at_table *t, int row, const at_span *span, int n_spans, at_arena *arena, at_sentence *s, at_error *err) {
    s->tag = AT_NEW_ARRAY(arena, const char *, s->n);
    if (!s->tag) return at_fail_memory(err, (size_t)s->n * sizeof *s->tag);
    for (int k = 0; k < n_spans; k++) {
        int first = 1;
        for (int i = 0; i < s->n; i++) {
            if (s->word[i].end <= span[k].start || s->word[i].start >= span[k].end) continue;
            if (s->tag[i])
                return at_fail(err, AT_BAD_DATA, "%s:%u: span %d (%s, %d to %d) overlaps another one; a word has one tag", t->path,
                               (unsigned)t->line[row], k + 1, span[k].label, span[k].start, span[k].end);
            s->tag[i] = at_format(arena, "%c-%s", first ? 'B' : 'I', span[k].label);
            if (!s->tag[i]) return at_fail_memory(err, 0);
            first = 0;
        }
    }
    for (int i = 0; i < s->n; i++)
        if (!s->tag[i]) s->tag[i] = "O";
    return AT_OK;
}

at_status at_sentence_read(const at_table *t, int row, const at_sentence_columns *c, int need_tags, at_arena *arena, at_sentence *s,
                           at_error *err) {
    int tags = need_tags && c->label >= 0;
    *s = (at_sentence){.text = ""};
    if (c->form == AT_FORM_COLUMNS) return read_columns(t, row, c, tags, arena, s, err);
    if (c->form == AT_FORM_LISTS) return read_lists(t, row, c, tags, arena, s, err);
    at_cell text = at_table_cell(t, row, c->text);
    AT_TRY(split_text(text.text ? text.text : "", text.len, c->fine, t->line[row], arena, s, err));
    if (!tags || c->form != AT_FORM_SPANS) return AT_OK;
    at_span *span;
    int n;
    AT_TRY(at_sentence_spans(t, row, c, arena, &span, &n, err));
    return mark_words(t, row, span, n, arena, s, err);
}
