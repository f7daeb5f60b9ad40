/* Tagging: a tag for every word of a text (named entities, slots, part of speech). Cross-entropy at the first piece of each word. */
#include "task/tag.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/room.h"
#include "io/table_write.h"
#include "task/labels.h"
#include "task/metric_tag.h"
#include "task/tasks.h"
#include "task/windows.h"

const char *const at_tag_no_part = "O";

/* ---- binding ---- */

at_status at_tag_columns(const at_task_state *s, const at_table *t, int need_labels, at_sentence_columns *c, at_error *err) {
    at_columns wanted = s->columns;
    if (wanted.text && at_table_column(t, wanted.text) < 0 && !need_labels) wanted.text = NULL;
    if (wanted.label && at_table_column(t, wanted.label) < 0 && !need_labels) wanted.label = NULL;
    AT_TRY(at_sentence_find_columns(t, &wanted, need_labels, NULL, c, NULL, err));
    if (c->form == AT_FORM_TEXT && s->data) c->fine = at_tag_of(s)->fine;
    c->names = &s->label_names;
    return AT_OK;
}

at_reading at_tag_reading(const at_tag_state *tag) { return tag->scheme == AT_SCHEME_BILOU ? AT_READ_LENIENT_BILOU : AT_READ_LENIENT; }

/* All tags of a table, sentence by sentence. */
typedef struct all_tags {
    const char **tag;
    uint64_t *at; /* [rows + 1] */
    at_arena arena;
} all_tags;

static at_status read_tags(const at_table *t, const at_sentence_columns *c, all_tags *all, at_error *err) {
    at_sentence *s = AT_NEW_ARRAY(&all->arena, at_sentence, t->n_rows);
    all->at = AT_NEW_ARRAY(&all->arena, uint64_t, t->n_rows + 1);
    if (!s || !all->at) return at_fail_memory(err, (size_t)t->n_rows * sizeof *s);
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_sentence_read(t, r, c, 1, &all->arena, &s[r], err));
        all->at[r + 1] = all->at[r] + (uint64_t)s[r].n;
    }
    all->tag = AT_NEW_ARRAY(&all->arena, const char *, all->at[t->n_rows]);
    if (!all->tag) return at_fail_memory(err, all->at[t->n_rows] * sizeof *all->tag);
    for (int r = 0; r < t->n_rows; r++)
        if (s[r].n) memcpy(all->tag + all->at[r], s[r].tag, (size_t)s[r].n * sizeof *all->tag);
    return AT_OK;
}

/* The scheme of a table, where it marks the same parts by other tags than the model does; else the model's. Not where the user said how tags are
 * to be read, and IOB1 and IOB2 have the same tags: which of them a model from elsewhere was trained on is not known. */
static at_scheme scheme_of(const at_task_state *s, const char *const *tag, const uint64_t *at, int n_rows) {
    const at_tag_state *own = at_tag_of(s);
    if (s->scheme || own->scheme == AT_SCHEME_PLAIN) return own->scheme;
    at_scheme found = at_scheme_detect(tag, at, n_rows);
    int same_tags = !strcmp(at_scheme_prefixes(found), at_scheme_prefixes(own->scheme));
    return found == AT_SCHEME_PLAIN || (same_tags && own->foreign) ? own->scheme : found;
}

/* The same parts by the model's tags. */
static at_status write_again(const at_task_state *s, at_scheme from, at_sentence *x, at_arena *arena, at_error *err) {
    at_entity *e = at_alloc_raw(arena, 2 * (size_t)x->n + 2, sizeof *e);
    at_reading how = from == AT_SCHEME_BILOU ? AT_READ_LENIENT_BILOU : AT_READ_LENIENT;
    if (e) x->tag = at_scheme_write(e, at_entities(x->tag, x->n, from, how, e), x->n, at_tag_of(s)->scheme, arena);
    return e && x->tag ? AT_OK : at_fail_memory(err, (size_t)x->n * sizeof *e);
}

static at_status convert_tags(const at_task_state *s, at_sentence *sentence, int n, at_arena *arena, at_error *err) {
    uint64_t *at = AT_NEW_ARRAY(arena, uint64_t, n + 1);
    for (int r = 0; at && r < n; r++) at[r + 1] = at[r] + (uint64_t)sentence[r].n;
    const char **tag = at ? at_alloc_raw(arena, at[n] + 1, sizeof *tag) : NULL;
    if (!tag) return at_fail_memory(err, (size_t)n * 16);
    for (int r = 0; r < n; r++)
        if (sentence[r].n) memcpy(tag + at[r], sentence[r].tag, (size_t)sentence[r].n * sizeof *tag);
    at_scheme from = scheme_of(s, tag, at, n);
    for (int r = 0; r < n && from != at_tag_of(s)->scheme; r++) AT_TRY(write_again(s, from, &sentence[r], arena, err));
    return AT_OK;
}

static at_status tag_remark(const at_task_state *s, const at_table *t, at_arena *arena, const char **sentence, at_error *err) {
    all_tags all = {0};
    at_sentence_columns c;
    *sentence = NULL;
    AT_TRY(at_tag_columns(s, t, 1, &c, err));
    at_status st = read_tags(t, &c, &all, err);
    at_scheme own = at_tag_of(s)->scheme, from = st ? own : scheme_of(s, all.tag, all.at, t->n_rows);
    at_arena_free(&all.arena);
    if (st || from == own) return st;
    *sentence = at_format(arena, "%s: the tags are %s, the model's are %s: the same parts are marked in its way.", t->path, at_scheme_name(from),
                          at_scheme_name(own));
    return *sentence ? AT_OK : at_fail_memory(err, 0);
}

static at_status remember(at_task_state *s, at_error *err) {
    const at_tag_state *tag = at_tag_of(s);
    json_decref(s->own);
    s->own = json_pack("{s:s, s:s}", "scheme", at_scheme_name(tag->scheme), "words", tag->fine ? "fine" : "given");
    return s->own ? AT_OK : at_fail_memory(err, 0);
}

/* A scheme that the user names has all the tags. */
static at_status check_scheme(const at_task_state *s, at_scheme scheme, at_scheme looks_like, const char *path, at_error *err) {
    for (int i = 0; i < s->labels.n; i++)
        if (!at_scheme_has(scheme, s->labels.name[i]))
            return at_fail(err, AT_BAD_DATA, "%s: the tag '%.80s' is none of the scheme %s; the tags look like %s", path, s->labels.name[i],
                           at_scheme_name(scheme), at_scheme_name(looks_like));
    return AT_OK;
}

/* What the data's numbers are called comes first, in its order. */
static at_status collect(at_task_state *s, const all_tags *all, uint64_t n, int *found, at_error *err) {
    at_labels there, names = s->label_names;
    AT_TRY(at_labels_collect(all->tag, n, &s->arena, &there, err));
    *found = there.n;
    s->labels = (at_labels){0};
    AT_TRY(at_labels_append(&s->labels, names.name, names.n, &s->arena, err));
    return at_labels_append(&s->labels, there.name, there.n, &s->arena, err);
}

static at_status learn_labels(at_task_state *s, const at_table *t, const at_sentence_columns *c, at_error *err) {
    all_tags all = {0};
    at_tag_state *tag = at_tag_of(s);
    at_scheme looks_like = AT_SCHEME_PLAIN;
    int found = 0;
    at_status st = read_tags(t, c, &all, err);
    if (!st) looks_like = at_scheme_detect(all.tag, all.at, t->n_rows);
    if (!st && !at_scheme_find(s->scheme, &tag->scheme)) tag->scheme = looks_like;
    if (!st) st = collect(s, &all, all.at[t->n_rows], &found, err);
    at_arena_free(&all.arena);
    if (!st) st = check_scheme(s, tag->scheme, looks_like, t->path, err);
    if (st) return st;
    AT_TRY(at_scheme_complete(&s->labels, tag->scheme, &s->arena, err));
    s->n_out = s->labels.n;
    if (found < 2)
        return at_fail(err, AT_BAD_DATA, "%s: every word has the tag '%s' (column '%s'); there is nothing to learn", t->path,
                       s->labels.n ? s->labels.name[0] : "", t->column[c->label]);
    s->why = at_format(&s->arena, "%s; scheme %s%s", s->why, at_scheme_name(tag->scheme),
                       at_labels_are_numbers(&s->labels) ? ", for the tags are numbers: what they mean is said by --label-names O,B-PER,I-PER,..., from 0 on" : "");
    tag->fine = c->fine;
    return s->why ? remember(s, err) : at_fail_memory(err, 0);
}

static at_status tag_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    if (!s->data && !(s->data = AT_NEW(&s->arena, at_tag_state))) return at_fail_memory(err, sizeof(at_tag_state));
    at_tag_state *tag = at_tag_of(s);
    const char *words = json_string_value(json_object_get(s->own, "words"));
    tag->fine = words && !strcmp(words, "fine");
    if (at_scheme_find(json_string_value(json_object_get(s->own, "scheme")), &tag->scheme)) return AT_OK;
    tag->foreign = 1;
    const uint64_t at[] = {0, (uint64_t)s->labels.n}; /* of another program: by its labels, as if they followed each other */
    tag->scheme = at_scheme_detect(s->labels.name, at, 1);
    if (tag->scheme == AT_SCHEME_IOB1) tag->scheme = AT_SCHEME_IOB2;
    return AT_OK;
}

static at_status tag_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_sentence_columns c;
    if (!s->data && !(s->data = AT_NEW(&s->arena, at_tag_state))) return at_fail_memory(err, sizeof(at_tag_state));
    AT_TRY(at_sentence_find_columns(t, wanted, !known, &s->arena, &c, &s->why, err));
    c.names = &s->label_names;
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){at_strdup(&s->arena, t->column[c.text]), NULL, c.label < 0 ? NULL : at_strdup(&s->arena, t->column[c.label])};
    return known ? AT_OK : learn_labels(s, t, &c, err);
}

static int tag_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_sentence_columns c;
    return !at_sentence_find_columns(t, wanted, 1, arena, &c, why, NULL);
}

/* ---- examples ---- */

static at_status fill_labels(const at_task_state *s, const at_table *t, const at_sentence *sentence, at_dataset *d, at_error *err) {
    at_label_index *index = at_label_index_make(&s->labels, &d->arena);
    size_t n = at_dataset_outputs(d);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, n);
    if (!index || !d->label) return at_fail_memory(err, n * sizeof *d->label);
    for (at_row_outputs r = {0}; at_dataset_next_row(d, &r);) {
        const at_sentence *x = &sentence[r.row];
        for (size_t i = 0; i < r.n_outputs; i++) {
            int32_t id = i < (size_t)x->n ? at_label_index_find(index, x->tag[i]) : -1;
            if (id < 0 && i < (size_t)x->n) return at_label_unknown(&s->labels, t->path, x->word[i].line, x->tag[i], err);
            d->label[r.output + i] = id;
        }
    }
    return AT_OK;
}

static at_status tag_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                            at_pool *pool, at_dataset **dataset, at_error *err) {
    (void)pool;
    at_arena scratch = {.mapped = 1};
    at_sentence_columns c;
    AT_TRY(at_tag_columns(s, t, need_labels, &c, err));
    at_sentence *sentence = AT_NEW_ARRAY(&scratch, at_sentence, t->n_rows);
    at_status st = sentence ? AT_OK : at_fail_memory(err, (size_t)t->n_rows * sizeof *sentence);
    for (int r = 0; r < t->n_rows && !st; r++) {
        st = at_sentence_read(t, r, &c, need_labels, &scratch, &sentence[r], err);
        if (!st && need_labels && !sentence[r].n)
            st = at_fail(err, AT_BAD_DATA, "%s:%u: there is no word (column '%s'); fill it in or remove the row", t->path,
                         (unsigned)t->line[r], t->column[c.text]);
    }
    *dataset = NULL;
    if (!st && need_labels && at_tag_of(s)->scheme != AT_SCHEME_PLAIN) st = convert_tags(s, sentence, t->n_rows, &scratch, err);
    if (!st) st = at_windows_encode(t, sentence, t->n_rows, &scratch, tokenizer, max_tokens, dataset, err);
    if (!st && need_labels) st = fill_labels(s, t, sentence, *dataset, err);
    at_arena_free(&scratch);
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}

/* ---- loss and score ---- */

static at_tensor *tag_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                           const at_dataset *d, double norm) {
    (void)model;
    int32_t *target = at_alloc_raw(tape->objects, (size_t)batch->n_outputs, sizeof *target);
    if (!target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    for (int i = 0; i < batch->n_outputs; i++) target[i] = d->label[batch->output[i]];
    return at_op_cross_entropy(tape, logits, target, s->class_weight, s->label_smoothing, norm);
}

static double tag_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    int32_t label = d->label[output];
    return label < 0 ? 0 : s->class_weight ? (double)s->class_weight[label] : 1;
}

static int best_of(const float *logits, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* The probability of a label, and of the best one where label is -1. */
static double probability(const float *logits, int n, int label) {
    int best = best_of(logits, n);
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[best]);
    return exp((double)logits[label < 0 ? best : label] - (double)logits[best]) / sum;
}

static at_status tag_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", NULL};
    const at_tag_state *tag = at_tag_of(s);
    at_arena arena = {0};
    size_t n = at_dataset_outputs(d), k = (size_t)s->n_out, words = 0;
    const char **truth = AT_NEW_ARRAY(&arena, const char *, n), **answer = AT_NEW_ARRAY(&arena, const char *, n);
    uint64_t *at = AT_NEW_ARRAY(&arena, uint64_t, d->n + 1);
    int sentences = 0;
    double loss = 0;
    at_tag_metrics m;
    *score = (at_score){0};
    at_status st = truth && answer && at ? AT_OK : at_fail_memory(err, n * 16);
    for (at_row_outputs r = {0}; !st && at_dataset_next_row(d, &r); at[++sentences] = words)
        for (size_t o = r.output; o < r.output + r.n_outputs; o++) {
            if (d->label[o] < 0) continue;
            truth[words] = s->labels.name[d->label[o]];
            answer[words++] = s->labels.name[best_of(logits + o * k, s->n_out)];
            loss -= log(fmax(probability(logits + o * k, s->n_out, d->label[o]), 1e-300));
        }
    if (!st)
        st = at_metrics_tag(truth, answer, at, sentences, tag->scheme, tag->scheme == AT_SCHEME_BILOU ? AT_READ_STRICT : AT_READ_LENIENT,
                            &arena, &m, err);
    if (!st) {
        score->loss = words ? loss / (double)words : 0;
        score->values = at_metrics_tag_json(&m, tag->scheme);
        if (!score->values) st = at_fail_memory(err, 0);
        else json_object_set_new(score->values, "loss", isfinite(score->loss) ? json_real(score->loss) : json_null());
    }
    if (!st) st = at_score_choose(s, tag->scheme == AT_SCHEME_PLAIN ? "accuracy" : "f1", SMALLER, score, err);
    at_arena_free(&arena);
    return st;
}

/* ---- answers ---- */

static at_status read_answer(const at_task_state *s, const at_answered *row, at_arena *arena, at_tagged *a, at_error *err) {
    const at_tag_state *tag = at_tag_of(s);
    at_sentence_columns c;
    AT_TRY(at_tag_columns(s, row->table, 0, &c, err));
    AT_TRY(at_sentence_read(row->table, row->row, &c, 0, arena, &a->sentence, err));
    size_t n = (size_t)a->sentence.n < row->n ? (size_t)a->sentence.n : row->n;
    a->tag = at_alloc_raw(arena, n, sizeof *a->tag);
    a->score = at_alloc_raw(arena, n, sizeof *a->score);
    a->entity = at_alloc_raw(arena, 2 * n + 2, sizeof *a->entity);
    if (!a->tag || !a->score || !a->entity) return at_fail_memory(err, n * sizeof *a->entity);
    for (size_t i = 0; i < n; i++) {
        const float *logits = row->logits + i * (size_t)s->n_out;
        a->tag[i] = s->labels.name[best_of(logits, s->n_out)];
        a->score[i] = probability(logits, s->n_out, -1);
        at_arena_pass(arena, i, AT_IDLE_WORDS);
    }
    at_arena_idle(arena);
    a->n = (int)n;
    a->n_entities = at_entities(a->tag, a->n, tag->scheme, at_tag_reading(tag), a->entity);
    return AT_OK;
}

static at_status tag_open_answer(const at_task_state *s, const at_answered *row, at_arena *arena, const void **answer, at_error *err) {
    at_tagged *a = AT_NEW(arena, at_tagged);
    if (!a) return at_fail_memory(err, sizeof *a);
    *answer = a;
    return read_answer(s, row, arena, a, err);
}

double at_tag_entity_score(const at_tagged *a, const at_entity *e) {
    double sum = 0;
    for (int i = e->start; i < e->end; i++) sum += a->score[i];
    return sum / (e->end - e->start);
}

static json_t *entity_json(const at_tagged *a, const at_entity *e) {
    const at_word *first = &a->sentence.word[e->start], *last = &a->sentence.word[e->end - 1];
    return json_pack("{s:s, s:i, s:i, s:s%, s:f}", "label", e->type, "start", first->start, "end", last->end, "text",
                     a->sentence.text + first->at, last->at + last->len - first->at, "score", at_tag_entity_score(a, e));
}

static void put_json(at_str *to, json_t *value) {
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    if (text) at_str_add(to, text);
    else to->failed = 1;
    free(text);
    json_decref(value);
}

enum { FIELD_TOKENS, FIELD_TAGS, FIELD_SCORES, FIELD_ENTITIES };

/* The words that the tags belong to, where the input has not said them: texts, with spans or without. */
static int tag_leaves_out(const at_task_state *s, const at_table *t, int field) {
    at_sentence_columns c;
    if (field != FIELD_TOKENS || at_tag_columns(s, t, 0, &c, NULL)) return 0;
    return c.form == AT_FORM_COLUMNS || c.form == AT_FORM_LISTS;
}

static void tag_put_list(const at_task_state *s, const void *answer, int field, const char *separator, at_str *to) {
    const at_tagged *a = answer;
    int n = field == FIELD_ENTITIES ? a->n_entities : a->n, joined = separator && (field == FIELD_TAGS || !n); /* a word may be any separator */
    (void)s;
    if (!joined) at_str_add(to, "[");
    for (int i = 0; i < n && !to->failed; i++) {
        if (i) at_str_add(to, joined ? separator : ", ");
        if (joined) at_str_add(to, a->tag[i]);
        else if (field == FIELD_TOKENS) at_json_add_string(to, a->sentence.word[i].text, a->sentence.word[i].len);
        else if (field == FIELD_TAGS) put_json(to, json_string(a->tag[i]));
        else if (field == FIELD_SCORES) put_json(to, json_real(a->score[i]));
        else put_json(to, entity_json(a, &a->entity[i]));
    }
    if (!joined) at_str_add(to, "]");
}

static void add_word(at_str *to, const char *tag, const at_word *w) {
    at_str_addf(to, "%s%s:%.*s", to->len ? " " : "", tag, (int)w->len, w->text);
}

/* The words whose tags differ. */
static int tag_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    at_str right = {.arena = arena}, answer = {.arena = arena};
    at_sentence x;
    at_sentence_columns c;
    double surest = 0;
    if (!row->data->label || at_tag_columns(s, row->table, 0, &c, NULL) || at_sentence_read(row->table, row->row, &c, 0, arena, &x, NULL))
        return 0;
    for (size_t i = 0; i < row->n && i < (size_t)x.n; i++) {
        const float *logits = row->logits + i * (size_t)s->n_out;
        int label = row->data->label[row->output + i], best = best_of(logits, s->n_out);
        if (label < 0 || label == best) continue;
        add_word(&right, s->labels.name[label], &x.word[i]);
        add_word(&answer, s->labels.name[best], &x.word[i]);
        surest = fmax(surest, probability(logits, s->n_out, -1));
    }
    *mistake = (at_mistake){surest, right.failed ? NULL : right.text, answer.failed ? NULL : answer.text};
    return right.len > 0;
}

static const at_head_kind HEADS[] = {AT_HEAD_TOKEN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {
    {"tokens", AT_FIELD_LIST, NULL}, {"tags", AT_FIELD_LIST, NULL}, {"scores", AT_FIELD_LIST, NULL}, {"entities", AT_FIELD_LIST, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"f1", "precision", "recall", "accuracy", NULL};

const at_task at_task_tag = {
    .name = "tag",
    .summary = "a tag for every word of a text (named entities, slots, part of speech)",
    .noun = "tagger",
    .pipeline = "token-classification",
    .pipeline_arguments = "aggregation_strategy=\"first\"",
    .labels_note = "Every word gets one of these tags.",
    .heads = HEADS,
    .names_labels = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = tag_recognise,
    .smooths = 1,
    .bind = tag_bind,
    .adopt = tag_adopt,
    .encode = tag_encode,
    .loss = tag_loss,
    .weight = tag_weight,
    .balance = at_labels_balance,
    .score = tag_score,
    .judge = at_tag_judge,
    .in_windows = 1,
    .steps_share = 2, /* of what the body was trained for, a token's kind is farther than what a text is about */
    .fewest_epochs = 5,
    .open_answer = tag_open_answer,
    .put_list = tag_put_list,
    .leaves_out = tag_leaves_out,
    .remark = tag_remark,
    .mistaken = tag_mistaken,
    .formats = 1u << AT_ANSWER_TEXT | 1u << AT_ANSWER_CONLL | 1u << AT_ANSWER_SPANS | 1u << AT_ANSWER_HTML,
    .usual_format = at_tag_usual_format,
    .write = at_tag_write,
    .lint = at_tag_lint,
    .mend = at_tag_mend,
};
