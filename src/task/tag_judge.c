/* Tags that any program answered against the right ones: sentence by sentence, word by word. */
#include <string.h>

#include "task/judge.h"
#include "task/metric_tag.h"
#include "task/tag.h"

typedef struct judging {
    const at_table *right, *answers;
    at_sentence_columns from, to; /* to: only `form`, `text` and `label` */
    const char **truth, **answer; /* [words] */
    uint64_t *at;                 /* [rows + 1] */
    uint64_t cap;
    at_arena arena;
} judging;

/* ---- the tags of an answer ---- */

typedef struct tag_list {
    const char **tag;
    int n;
} tag_list;

static at_status tags_of_list(const judging *j, int row, json_t *list, at_arena *arena, tag_list *tags, at_error *err) {
    size_t i;
    const json_t *item;
    const at_table *t = j->answers;
    tags->tag = AT_NEW_ARRAY(arena, const char *, json_array_size(list));
    if (!tags->tag) return at_fail_memory(err, json_array_size(list) * sizeof *tags->tag);
    json_array_foreach(list, i, item) {
        const char *text = json_is_integer(item) ? at_format(arena, "%lld", (long long)json_integer_value(item))
                           : json_string_value(item) ? at_strdup(arena, json_string_value(item)) : NULL;
        if (!text)
            return at_fail(err, AT_BAD_DATA, "%s:%u: tag %zu of '%s' is neither a text nor a whole number", t->path, (unsigned)t->line[row],
                           i + 1, t->column[j->to.label]);
        tags->tag[tags->n++] = text;
    }
    return AT_OK;
}

static at_status cut_tags(at_cell cell, const char *between, at_arena *arena, tag_list *tags, at_error *err) {
    char *copy = at_strndup(arena, cell.text ? cell.text : "", cell.len), *rest = NULL;
    *tags = (tag_list){AT_NEW_ARRAY(arena, const char *, cell.len / 2 + 1), 0};
    if (!copy || !tags->tag) return at_fail_memory(err, cell.len);
    for (char *p = strtok_r(copy, between, &rest); p; p = strtok_r(NULL, between, &rest)) tags->tag[tags->n++] = p;
    return AT_OK;
}

/* A JSON list; else between newlines (CoNLL), or what cuts the cell into n: commas, blanks, or '|' where a tag is a comma. */
static at_status read_tags(const judging *j, int row, int n, at_arena *arena, tag_list *tags, at_error *err) {
    at_cell cell = at_table_cell(j->answers, row, j->to.label);
    *tags = (tag_list){0};
    if (cell.len && *cell.text == '[') {
        json_t *list = json_loadb(cell.text, cell.len, 0, NULL);
        at_status st = json_is_array(list) ? tags_of_list(j, row, list, arena, tags, err)
                                           : at_fail(err, AT_BAD_DATA, "%s:%u: '%s' is not a list", j->answers->path,
                                                     (unsigned)j->answers->line[row], j->answers->column[j->to.label]);
        json_decref(list);
        return st;
    }
    if (j->answers->format == AT_TABLE_CONLL) return cut_tags(cell, "\n", arena, tags, err);
    int comma = cell.len && memchr(cell.text, ',', cell.len);
    AT_TRY(cut_tags(cell, comma ? "," : " \t", arena, tags, err));
    tag_list other = {0};
    if (tags->n != n) AT_TRY(cut_tags(cell, "|", arena, &other, err));
    if (tags->n != n && other.n == n) *tags = other;
    return AT_OK;
}

static uint32_t token_line(const at_table *t, int row, int token) {
    return t->token_line ? t->token_line[t->token_at[row] + (uint64_t)token] : t->line[row];
}

/* Both files have the words: they must be the same. */
static at_status compare_words(const judging *j, int row, const at_sentence *s, at_error *err) {
    at_sentence other;
    at_arena scratch = {0};
    at_sentence_columns c = {.form = j->to.form, .text = j->to.text, .label = -1};
    at_status st = at_sentence_read(j->answers, row, &c, 0, &scratch, &other, err);
    for (int i = 0; !st && i < s->n && i < other.n; i++)
        if (s->word[i].len != other.word[i].len || memcmp(s->word[i].text, other.word[i].text, s->word[i].len))
            st = at_fail(err, AT_BAD_DATA, "%s:%u: the word is '%.*s', but in %s:%u it is '%.*s'; the rows do not match", j->answers->path,
                         (unsigned)token_line(j->answers, row, i), (int)(other.word[i].len < 60 ? other.word[i].len : 60),
                         other.word[i].text, j->right->path, (unsigned)s->word[i].line, (int)(s->word[i].len < 60 ? s->word[i].len : 60),
                         s->word[i].text);
    at_arena_free(&scratch);
    return st;
}

static at_status read_answer(const judging *j, int row, const at_sentence *s, at_arena *arena, tag_list *tags, at_error *err) {
    if (j->to.form == AT_FORM_SPANS) {
        at_sentence other;
        AT_TRY(at_sentence_read(j->answers, row, &j->to, 1, arena, &other, err));
        *tags = (tag_list){other.tag, other.n};
    } else {
        if (j->to.text >= 0) AT_TRY(compare_words(j, row, s, err));
        AT_TRY(read_tags(j, row, s->n, arena, tags, err));
    }
    if (tags->n == s->n) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s:%u: %d tags, but %s:%u has %d words", j->answers->path, (unsigned)j->answers->line[row], tags->n,
                   j->right->path, (unsigned)j->right->line[row], s->n);
}

/* ---- columns ---- */

/* The words of the answers are read where they are given as those of the right answers are. */
static at_status find_columns(judging *j, const at_columns *wanted, const char *column, at_error *err) {
    static const char *const TAGS[] = {"predicted_tags", "predictions", "tags", "ner_tags", "pos_tags", "labels", NULL};
    static const char *const SPANS[] = {"predicted_entities", "predicted_spans", "entities", "spans", NULL};
    const at_table *t = j->answers;
    AT_TRY(at_sentence_find_columns(j->right, wanted, 1, &j->arena, &j->from, NULL, err));
    j->to = (at_sentence_columns){.form = j->from.form, .fine = j->from.fine, .text = at_table_column(t, j->right->column[j->from.text])};
    if (t->format == AT_TABLE_CONLL && !column && t->n_columns > 1) {
        j->to.label = t->n_columns - 1;
        if (j->right->format != AT_TABLE_CONLL) j->to.text = -1;
        return AT_OK;
    }
    const char *name = j->right->format == AT_TABLE_CONLL ? NULL : j->right->column[j->from.label];
    AT_TRY(at_judge_answer_column(t, column, j->from.form == AT_FORM_SPANS ? SPANS : TAGS, name, &j->to.label, err));
    if (t->format != j->right->format) j->to.text = -1;
    if (j->from.form == AT_FORM_SPANS && j->to.text < 0)
        return at_fail(err, AT_USAGE, "%s: there is no column '%s' with the text that the spans are of", t->path,
                       j->right->column[j->from.text]);
    return AT_OK;
}

/* ---- all of them ---- */

static at_status reserve(judging *j, uint64_t n, at_error *err) {
    if (n <= j->cap) return AT_OK;
    uint64_t cap = 2 * n + 1024;
    const char ***const lists[] = {&j->truth, &j->answer};
    for (int i = 0; i < 2; i++) {
        const char **more = AT_NEW_ARRAY(&j->arena, const char *, cap);
        if (!more) return at_fail_memory(err, cap * sizeof *more);
        if (j->cap) memcpy(more, *lists[i], j->cap * sizeof *more);
        *lists[i] = more;
    }
    j->cap = cap;
    return AT_OK;
}

static at_status read_rows(judging *j, at_error *err) {
    int n = j->right->n_rows;
    j->at = AT_NEW_ARRAY(&j->arena, uint64_t, n + 1);
    if (!j->at) return at_fail_memory(err, (size_t)n * 8);
    for (int r = 0; r < n; r++) {
        at_sentence s;
        tag_list tags;
        AT_TRY(at_sentence_read(j->right, r, &j->from, 1, &j->arena, &s, err));
        AT_TRY(read_answer(j, r, &s, &j->arena, &tags, err));
        AT_TRY(reserve(j, j->at[r] + (uint64_t)s.n, err));
        for (int i = 0; i < s.n; i++) {
            j->truth[j->at[r] + (uint64_t)i] = s.tag[i];
            j->answer[j->at[r] + (uint64_t)i] = tags.tag[i];
        }
        j->at[r + 1] = j->at[r] + (uint64_t)s.n;
    }
    return AT_OK;
}

/* ---- answers in another scheme ---- */

static int has_prefix(const char *const *tag, uint64_t n, const char *prefixes) {
    for (uint64_t i = 0; i < n; i++)
        if (*tag[i] && strchr(prefixes, *tag[i]) && tag[i][1] == '-') return 1;
    return 0;
}

/* The scheme of the answers, where it marks parts by other letters than the right ones: some that these never have, or none of their ends. Else theirs. */
static at_scheme scheme_of_answers(const judging *j, at_scheme scheme) {
    uint64_t n = j->at[j->right->n_rows];
    at_scheme found = at_scheme_detect(j->answer, j->at, j->right->n_rows);
    if (found == AT_SCHEME_PLAIN || scheme == AT_SCHEME_PLAIN || !strcmp(at_scheme_prefixes(found), at_scheme_prefixes(scheme))) return scheme;
    const char *theirs = at_scheme_prefixes(found), *ends = at_scheme_prefixes(scheme) + 2;
    int other_letters = has_prefix(j->answer, n, theirs + 2), no_ends = !theirs[2] && has_prefix(j->truth, n, ends);
    return other_letters || no_ends ? found : scheme;
}

/* The same parts as the right answers would mark them. */
static at_status write_answers_again(judging *j, at_scheme from, at_scheme to, at_error *err) {
    at_reading how = from == AT_SCHEME_BILOU ? AT_READ_LENIENT_BILOU : AT_READ_LENIENT;
    for (int r = 0; r < j->right->n_rows; r++) {
        const char **tag = j->answer + j->at[r];
        int n = (int)(j->at[r + 1] - j->at[r]);
        at_entity *e = AT_NEW_ARRAY(&j->arena, at_entity, 2 * n + 2);
        const char **again = e ? at_scheme_write(e, at_entities(tag, n, from, how, e), n, to, &j->arena) : NULL;
        if (!again) return at_fail_memory(err, (size_t)n * sizeof *e);
        if (n) memcpy(tag, again, (size_t)n * sizeof *tag);
    }
    return AT_OK;
}

/* Not where the user says how all tags are to be read. */
static at_status choose_scheme(judging *j, at_task_state *s, at_scheme *scheme, at_scheme *of_answers, at_error *err) {
    int said = at_scheme_find(s->scheme, scheme);
    if (!said) *scheme = at_scheme_detect(j->truth, j->at, j->right->n_rows);
    *of_answers = said ? *scheme : scheme_of_answers(j, *scheme);
    if (*of_answers == *scheme) return AT_OK;
    s->why = at_format(&s->arena, "%s: the tags are %s, those of %s are %s: the same parts are compared.", j->answers->path, at_scheme_name(*of_answers),
                       j->right->path, at_scheme_name(*scheme));
    return s->why ? write_answers_again(j, *of_answers, *scheme, err) : at_fail_memory(err, 0);
}

at_status at_tag_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                       at_score *score, at_error *err) {
    static const char *const NONE[] = {NULL};
    judging j = {.right = right, .answers = answers};
    at_tag_metrics m;
    at_scheme scheme = AT_SCHEME_PLAIN, of_answers = scheme;
    *score = (at_score){0};
    at_status st = find_columns(&j, wanted, column, err);
    if (!st) st = read_rows(&j, err);
    if (!st) st = choose_scheme(&j, s, &scheme, &of_answers, err);
    if (!st) {
        st = at_metrics_tag(j.truth, j.answer, j.at, right->n_rows, scheme, scheme == AT_SCHEME_BILOU ? AT_READ_STRICT : AT_READ_LENIENT,
                            &j.arena, &m, err);
    }
    if (!st) {
        score->values = at_metrics_tag_json(&m, scheme);
        if (score->values) json_object_set_new(score->values, "scheme", json_string(at_scheme_name(scheme)));
        if (score->values && of_answers != scheme) json_object_set_new(score->values, "scheme_of_answers", json_string(at_scheme_name(of_answers)));
        st = score->values ? at_score_choose(s, scheme == AT_SCHEME_PLAIN ? "accuracy" : "f1", NONE, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&j.arena);
    return st;
}
