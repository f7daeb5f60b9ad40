/* Questions that are answered with a part of a text (extractive question answering), or with nothing where the text has no answer. Softmax
 * over the tokens of a window for begin and end each; the first token stands for "no answer in this window". */
#include "task/answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/judge.h"
#include "task/metric_answer.h"
#include "task/tasks.h"

static const char *const OUTPUTS[] = {"start", "end"};

/* ---- binding ---- */

static at_status remember(at_task_state *s, at_error *err) {
    const at_answer_state *a = at_answer_of(s);
    json_decref(s->own);
    s->own = json_pack("{s:b, s:f, s:i}", "unanswerable", a->unanswerable, "threshold", a->threshold, "stride", s->stride);
    return s->own ? AT_OK : at_fail_memory(err, 0);
}

static at_status begin(at_task_state *s, at_error *err) {
    if (s->data) return AT_OK;
    s->data = AT_NEW(&s->arena, at_answer_state);
    return s->data ? AT_OK : at_fail_memory(err, sizeof(at_answer_state));
}

static at_status answer_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    AT_TRY(begin(s, err));
    at_answer_state *a = at_answer_of(s);
    const json_t *null = json_object_get(s->own, "unanswerable"), *threshold = json_object_get(s->own, "threshold"),
                 *stride = json_object_get(s->own, "stride");
    if (null) a->unanswerable = json_is_true(null) || a->unanswerable;
    if (json_is_number(threshold) && isfinite(json_number_value(threshold))) a->threshold = json_number_value(threshold);
    if (!s->stride && json_is_integer(stride) && json_integer_value(stride) > 0 && json_integer_value(stride) < INT32_MAX)
        s->stride = (int)json_integer_value(stride);
    return null ? remember(s, err) : AT_OK; /* of another program: the data will tell */
}

/* Rows without an answer. */
static at_status count_unanswerable(const at_table *t, const at_answer_columns *c, int *n, at_error *err) {
    at_arena scratch = {0};
    at_status st = AT_OK;
    *n = 0;
    for (int r = 0; r < t->n_rows && !st; r++) {
        at_mark mark = at_arena_mark(&scratch);
        at_gold *gold;
        int count = 0;
        st = at_answer_gold(t, r, c, &scratch, &gold, &count, err);
        *n += !count;
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    return st;
}

static at_status look_at_answers(at_task_state *s, const at_table *t, const at_answer_columns *c, int known, at_error *err) {
    int none;
    if (c->answers < 0) return AT_OK;
    AT_TRY(count_unanswerable(t, c, &none, err));
    if (none == t->n_rows && !known)
        return at_fail(err, AT_BAD_DATA, "%s: no question has an answer (column '%s')", t->path, t->column[c->answers]);
    if (!known || !json_object_get(s->own, "unanswerable")) at_answer_of(s)->unanswerable = none > 0;
    s->why = none ? at_format(&s->arena, "%s; %d of %d questions have no answer", s->why, none, t->n_rows) : s->why;
    if (!s->why) return at_fail_memory(err, 0);
    return known ? AT_OK : remember(s, err);
}

static at_status answer_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_answer_columns c;
    AT_TRY(begin(s, err));
    AT_TRY(at_answer_find(t, wanted, !known, &c, err));
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){at_strdup(&s->arena, t->column[c.question]), at_strdup(&s->arena, t->column[c.context]),
                              c.answers < 0 ? NULL : at_strdup(&s->arena, t->column[c.answers])};
    s->why = at_format(&s->arena, "question from column '%s', its text from '%s'%s%s%s", t->column[c.question], t->column[c.context],
                       c.answers < 0 ? "" : ", answers from '", c.answers < 0 ? "" : t->column[c.answers], c.answers < 0 ? "" : "'");
    if (!s->columns.text || !s->columns.text2 || !s->why) return at_fail_memory(err, 0);
    if (!known) {
        s->labels = (at_labels){AT_NEW_ARRAY(&s->arena, const char *, 2), 2};
        if (!s->labels.name) return at_fail_memory(err, 0);
        memcpy(s->labels.name, OUTPUTS, sizeof OUTPUTS);
        s->n_out = 2;
    }
    return look_at_answers(s, t, &c, known, err);
}

static int answer_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_answer_columns c;
    if (at_table_column(t, "question") < 0 || at_table_column(t, "context") < 0 || at_answer_find(t, wanted, 1, &c, NULL)) return 0;
    *why = at_format(arena, "columns 'question', 'context' and '%s'", t->column[c.answers]);
    return 1;
}

/* ---- examples ---- */

static at_status check_texts(const at_table *t, int column, at_error *err) {
    char name[AT_QUESTION_NAME];
    for (int r = 0; r < t->n_rows; r++) {
        if (at_cell_is_blank(at_table_cell(t, r, column)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: %sthe text (column '%s') is empty; fill it in or remove the row", t->path,
                           (unsigned)t->line[r], at_answer_name(t, r, name), t->column[column]);
    }
    return AT_OK;
}

static at_status answer_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                               at_pool *pool, at_dataset **dataset, at_error *err) {
    (void)pool;
    at_answer_columns c;
    AT_TRY(at_answer_find(t, &s->columns, need_labels, &c, err));
    if (need_labels) AT_TRY(check_texts(t, c.question, err));
    if (need_labels) AT_TRY(check_texts(t, c.context, err));
    return at_answer_encode(s, t, &c, tokenizer, max_tokens, need_labels, dataset, err);
}

/* ---- loss ---- */

static at_tensor *answer_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                              const at_dataset *d, double norm) {
    (void)model;
    int n = 0, rows = batch->n_outputs;
    int32_t *first = at_alloc_raw(tape->objects, (size_t)rows + 1, sizeof *first),
            *target = at_alloc_raw(tape->objects, 2 * (size_t)rows, sizeof *target);
    if (!first || !target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    for (int i = 0; i < rows; i++) {
        int32_t label = d->label[batch->output[i]];
        if (!i || label & AT_SPAN_FIRST) {
            first[n] = i;
            target[2 * n] = target[2 * n + 1] = i;
            n++;
        }
        if (label & AT_SPAN_BEGIN) target[2 * n - 2] = i;
        if (label & AT_SPAN_END) target[2 * n - 1] = i;
    }
    first[n] = rows;
    return at_op_span_cross_entropy(tape, logits, first, n, target, s->label_smoothing, norm);
}

/* A window counts once. */
static double answer_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s;
    return d->label[output] & AT_SPAN_FIRST ? 1 : 0;
}

/* Of one window: the mean of begin and end. */
static double window_loss(const at_dataset *d, const float *logits, int example) {
    size_t first = at_dataset_output_at(d, example), end = at_dataset_output_at(d, example + 1);
    double loss = 0;
    for (size_t c = 0; c < 2; c++) {
        double most = -INFINITY, sum = 0, at = 0;
        for (size_t o = first; o < end; o++) most = fmax(most, (double)logits[2 * o + c]);
        for (size_t o = first; o < end; o++) {
            sum += exp((double)logits[2 * o + c] - most);
            if (d->label[o] & (c ? AT_SPAN_END : AT_SPAN_BEGIN)) at = (double)logits[2 * o + c] - most;
        }
        loss += (log(sum) - at) / 2;
    }
    return loss;
}

/* ---- score ---- */

/* One row, judged both ways. */
typedef struct judged {
    double exact, f1;            /* of the answer that is given */
    double answered_f1;          /* of the best answer, whatever the threshold */
    double difference;           /* null score less the best answer's */
    int has_answer;
} judged;

typedef struct judging {
    const at_task_state *s;
    const at_dataset *d;
    const float *logits;
    at_answer_columns c;
    at_arena arena;
    int null;                    /* v2.0: "" is an answer */
    judged *row;
    int n;
} judging;

static int says_nothing(const at_answer_state *a, const at_best *best) {
    return !best->n || (a->unanswerable && best->null_score - best->of[0].logit > a->threshold);
}

static at_status judge_row(judging *j, const at_row_outputs *r, judged *to, at_error *err) {
    const at_table *t = j->d->table;
    at_mark mark = at_arena_mark(&j->arena);
    at_best best;
    at_gold *gold;
    int n;
    at_cell context = at_table_cell(t, (int)r->row, j->c.context), cut = {"", 0};
    at_answer_best(j->d, r, j->logits, at_answer_of(j->s)->unanswerable, &best);
    AT_TRY(at_answer_gold(t, (int)r->row, &j->c, &j->arena, &gold, &n, err));
    at_answer_text *right = AT_NEW_ARRAY(&j->arena, at_answer_text, n + 1);
    if (!right) return at_fail_memory(err, (size_t)n * sizeof *right);
    for (int i = 0; i < n; i++) right[i] = (at_answer_text){gold[i].text, gold[i].len};
    if (best.n) cut = at_answer_cut(context, best.of[0].start, best.of[0].end);
    *to = (judged){.has_answer = n > 0, .difference = best.n ? best.null_score - best.of[0].logit : INFINITY};
    double exact;
    AT_TRY(at_metrics_answer((at_answer_text){cut.text, cut.len}, right, n, j->null, &exact, &to->answered_f1, err));
    if (says_nothing(at_answer_of(j->s), &best))
        AT_TRY(at_metrics_answer((at_answer_text){"", 0}, right, n, j->null, &to->exact, &to->f1, err));
    else to->exact = exact, to->f1 = to->answered_f1;
    at_arena_rewind(&j->arena, mark);
    return AT_OK;
}

static at_status judge(judging *j, const at_task_state *s, const at_dataset *d, const float *logits, at_error *err) {
    int rows = 0;
    *j = (judging){.s = s, .d = d, .logits = logits};
    AT_TRY(at_answer_find(d->table, &s->columns, 1, &j->c, err));
    for (at_row_outputs r = {0}; at_dataset_next_row(d, &r);) rows++;
    j->row = AT_NEW_ARRAY(&j->arena, judged, rows);
    if (!j->row) return at_fail_memory(err, (size_t)rows * sizeof(judged));
    j->null = at_answer_of(s)->unanswerable;
    for (at_row_outputs r = {0}; at_dataset_next_row(d, &r);) AT_TRY(judge_row(j, &r, &j->row[j->n++], err));
    return AT_OK;
}

static void add_number(json_t *to, const char *name, double value) {
    json_object_set_new(to, name, isfinite(value) ? json_real(value) : json_null());
}

/* Mean of a number over the rows of a kind (has: 1 with an answer, 0 without, -1 all), and with an interval. */
static void add_mean(const judging *j, json_t *to, const char *name, int f1, int has, int interval) {
    double sum = 0, squares = 0;
    int n = 0;
    for (int i = 0; i < j->n; i++) {
        double x = f1 ? j->row[i].f1 : j->row[i].exact;
        if (has >= 0 && j->row[i].has_answer != has) continue;
        sum += x;
        squares += x * x;
        n++;
    }
    double mean = n ? sum / n : NAN, error = n > 1 ? 1.96 * sqrt(fmax(squares / n - mean * mean, 0) / (n - 1)) : NAN;
    char key[64];
    add_number(to, name, mean);
    if (!interval || !isfinite(error)) return;
    snprintf(key, sizeof key, "%s_interval", name);
    json_object_set_new(to, key, json_pack("[f, f]", fmax(mean - error, 0), fmin(mean + error, 1)));
}

static json_t *values_of(const judging *j, double loss) {
    json_t *v = json_object();
    int without = 0;
    for (int i = 0; i < j->n; i++) without += !j->row[i].has_answer;
    add_mean(j, v, "f1", 1, -1, 1);
    add_mean(j, v, "exact_match", 0, -1, 1);
    if (without) {
        add_mean(j, v, "answerable_f1", 1, 1, 0);
        add_mean(j, v, "answerable_exact", 0, 1, 0);
        add_mean(j, v, "unanswerable_accuracy", 0, 0, 0);
    }
    if (j->s && j->null) add_number(v, "threshold", at_answer_of(j->s)->threshold);
    if (isfinite(loss) || j->s) add_number(v, "loss", loss);
    return v;
}

static at_status answer_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", NULL};
    judging j;
    *score = (at_score){0};
    at_status st = judge(&j, s, d, logits, err);
    for (int i = 0; i < d->n && !st; i++) score->loss += window_loss(d, logits, i) / d->n;
    if (!st) score->values = values_of(&j, score->loss);
    if (!st) st = score->values ? at_score_choose(s, "f1", SMALLER, score, err) : at_fail_memory(err, 0);
    at_arena_free(&j.arena);
    return st;
}

/* ---- judging what any program answered ---- */

/* What a row of any program says: a text, or a list as right answers have it, whose first one is taken; none: that there is no answer. */
static at_status given_answer(const at_table *t, int row, int column, at_arena *arena, at_answer_text *answer, at_error *err) {
    const at_answer_columns c = {.question = -1, .context = -1, .answers = column, .start = -1, .impossible = at_table_column(t, "is_impossible")};
    at_cell cell = at_table_cell(t, row, column);
    int is_json = t->is_json && t->is_json[(size_t)row * (size_t)t->n_columns + (size_t)column];
    at_gold *gold;
    int n;
    *answer = (at_answer_text){cell.text ? cell.text : "", cell.len};
    if (!cell.len || !strchr("[{", *cell.text)) return AT_OK;
    at_status st = at_answer_gold(t, row, &c, arena, &gold, &n, err);
    if (st == AT_BAD_DATA && !is_json) return AT_OK; /* a text that begins so */
    if (!st) *answer = n ? (at_answer_text){gold[0].text, gold[0].len} : (at_answer_text){"", 0};
    return st;
}

static at_status judge_answer(judging *j, const at_table *right, const at_table *answers, int row, int column, at_error *err) {
    at_mark mark = at_arena_mark(&j->arena);
    at_answer_text answer;
    at_gold *gold;
    int n;
    AT_TRY(at_answer_gold(right, row, &j->c, &j->arena, &gold, &n, err));
    at_answer_text *texts = AT_NEW_ARRAY(&j->arena, at_answer_text, n + 1);
    if (!texts) return at_fail_memory(err, (size_t)n * sizeof *texts);
    for (int i = 0; i < n; i++) texts[i] = (at_answer_text){gold[i].text, gold[i].len};
    judged *to = &j->row[j->n++];
    *to = (judged){.has_answer = n > 0};
    AT_TRY(given_answer(answers, row, column, &j->arena, &answer, err));
    AT_TRY(at_metrics_answer(answer, texts, n, j->null, &to->exact, &to->f1, err));
    at_arena_rewind(&j->arena, mark);
    return AT_OK;
}

/* The scripts' own rule: of v2.0 are data with a question that has no answer. */
static at_status judge_answers(judging *j, const at_table *right, const at_table *answers, int column, at_error *err) {
    int without;
    AT_TRY(count_unanswerable(right, &j->c, &without, err));
    j->null = without > 0;
    j->row = AT_NEW_ARRAY(&j->arena, judged, right->n_rows);
    if (!j->row) return at_fail_memory(err, (size_t)right->n_rows * sizeof(judged));
    for (int r = 0; r < right->n_rows; r++) AT_TRY(judge_answer(j, right, answers, r, column, err));
    return AT_OK;
}

static at_status answer_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers,
                              const char *column, at_score *score, at_error *err) {
    static const char *const USUAL[] = {"predicted_answer", "answer", "prediction_text", NULL}, *const NONE[] = {NULL};
    judging j = {.s = NULL};
    int at;
    *score = (at_score){0};
    at_status st = at_answer_find(right, wanted, 1, &j.c, err);
    if (!st) st = at_judge_answer_column(answers, column, USUAL, right->column[j.c.answers], &at, err);
    if (!st) st = judge_answers(&j, right, answers, at, err);
    if (!st) {
        score->values = values_of(&j, (double)NAN);
        st = score->values ? at_score_choose(s, "f1", NONE, score, err) : at_fail_memory(err, 0);
    }
    if (score->values) json_object_set_new(score->values, "examples", json_integer(right->n_rows));
    at_arena_free(&j.arena);
    return st;
}

static at_status answer_tune(at_task_state *s, const at_dataset *d, const float *logits, at_error *err) {
    judging j;
    if (!at_answer_of(s)->unanswerable) return AT_OK;
    at_status st = judge(&j, s, d, logits, err);
    at_null_case *cases = st ? NULL : AT_NEW_ARRAY(&j.arena, at_null_case, j.n);
    int n = 0;
    if (!st && !cases) st = at_fail_memory(err, (size_t)j.n * sizeof *cases);
    for (int i = 0; i < j.n && !st; i++)
        if (isfinite(j.row[i].difference))
            cases[n++] = (at_null_case){j.row[i].difference, j.row[i].has_answer ? j.row[i].answered_f1 : -1};
    if (!st) at_answer_of(s)->threshold = at_threshold_null(cases, n);
    at_arena_free(&j.arena);
    return st ? st : remember(s, err);
}

/* ---- answers ---- */

/* The best answers of a row that is to be put into words. */
static void best_of(const at_task_state *s, const at_answered *row, at_best *best) {
    const at_dataset *d = row->data;
    at_row_outputs r = {.example = at_dataset_example_of(d, row->output), .output = row->output, .n_outputs = row->n};
    while (r.example + r.n_examples < d->n && at_dataset_output_at(d, r.example + r.n_examples) < row->output + row->n) r.n_examples++;
    at_answer_best(d, &r, row->logits - 2 * row->output, at_answer_of(s)->unanswerable, best);
}

static json_t *candidate_json(at_cell context, const at_candidate *c) {
    at_cell cut = at_answer_cut(context, c->start, c->end);
    return json_pack("{s:s%, s:i, s:i, s:f}", "text", cut.text, (size_t)cut.len, "start", c->start, "end", c->end, "score", c->probability);
}

static json_t *answer_answer(const at_task_state *s, const at_answered *row) {
    at_answer_columns c;
    at_best best;
    if (at_answer_find(row->table, &s->columns, 0, &c, NULL)) return NULL;
    at_cell context = at_table_cell(row->table, row->row, c.context), cut = {"", 0};
    const at_answer_state *a = at_answer_of(s);
    best_of(s, row, &best);
    int nothing = says_nothing(a, &best);
    if (!nothing) cut = at_answer_cut(context, best.of[0].start, best.of[0].end);
    json_t *candidates = json_array();
    for (int i = 0; i < best.n; i++) json_array_append_new(candidates, candidate_json(context, &best.of[i]));
    double score = nothing ? a->unanswerable ? best.null_probability : 0 : best.of[0].probability;
    json_t *answer = json_pack("{s:s%, s:f, s:i, s:i, s:o}", "answer", cut.text, (size_t)cut.len, "score", score, "start",
                               nothing ? 0 : best.of[0].start, "end", nothing ? 0 : best.of[0].end, "candidates", candidates);
    if (answer)
        json_object_set_new(answer, "null_difference", json_real(best.n ? fmax(fmin(best.null_score - best.of[0].logit, 1e9), -1e9) : 0));
    return answer;
}

static int answer_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    at_answer_columns c;
    at_best best;
    at_gold *gold;
    int n;
    double exact, f1;
    if (!row->data->label || at_answer_find(row->table, &s->columns, 1, &c, NULL) ||
        at_answer_gold(row->table, row->row, &c, arena, &gold, &n, NULL))
        return 0;
    best_of(s, row, &best);
    int nothing = says_nothing(at_answer_of(s), &best);
    at_cell cut =
        nothing ? (at_cell){"", 0} : at_answer_cut(at_table_cell(row->table, row->row, c.context), best.of[0].start, best.of[0].end);
    at_answer_text *right = AT_NEW_ARRAY(arena, at_answer_text, n + 1);
    for (int i = 0; right && i < n; i++) right[i] = (at_answer_text){gold[i].text, gold[i].len};
    if (!right || at_metrics_answer((at_answer_text){cut.text, cut.len}, right, n, at_answer_of(s)->unanswerable, &exact, &f1, NULL) ||
        f1 > 0)
        return 0;
    *mistake = (at_mistake){nothing ? best.null_probability : best.of[0].probability,
                            at_format(arena, "'%.*s'", n ? (int)gold[0].len : 0, n ? gold[0].text : ""),
                            at_format(arena, "'%.*s'", (int)cut.len, cut.text)};
    return 1;
}

static const at_head_kind HEADS[] = {AT_HEAD_SPAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"answer", AT_FIELD_TEXT, NULL},
                                         {"score", AT_FIELD_NUMBER, NULL},
                                         {"start", AT_FIELD_NUMBER, NULL},
                                         {"end", AT_FIELD_NUMBER, NULL},
                                         {"null_difference", AT_FIELD_NUMBER, NULL},
                                         {"candidates", AT_FIELD_LIST, NULL},
                                         {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"f1", "exact_match", "unanswerable_accuracy", NULL};

/* transformers has no pipeline for it any more. */
static const char USE[] =
    "from transformers import AutoModelForQuestionAnswering, AutoTokenizer\n\n"
    "tokenizer = AutoTokenizer.from_pretrained(FOLDER)\n"
    "model = AutoModelForQuestionAnswering.from_pretrained(FOLDER)\n"
    "inputs = tokenizer(\"a question\", \"a text that may hold the answer\", return_tensors=\"pt\")\n"
    "answer = model(**inputs)\n"
    "begin, end = answer.start_logits.argmax().item(), answer.end_logits.argmax().item()\n"
    "print(tokenizer.decode(inputs[\"input_ids\"][0][begin : end + 1]))  # the first token alone: there is no answer\n";

const at_task at_task_answer = {
    .name = "answer",
    .summary = "the part of a text that answers a question, or that there is none",
    .noun = "question answering model",
    .pipeline = "question-answering",
    .example = "--pairs $'a question\\ta text that may hold the answer'",
    .use = USE,
    .heads = HEADS,
    .whole = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = answer_recognise,
    .smooths = 1,
    .bind = answer_bind,
    .adopt = answer_adopt,
    .encode = answer_encode,
    .loss = answer_loss,
    .weight = answer_weight,
    .score = answer_score,
    .judge = answer_judge,
    .in_windows = 1,
    .tune = answer_tune,
    .answer = answer_answer,
    .mistakes = "Most confident mistakes, without a word in common with a right answer",
    .mistaken = answer_mistaken,
    .formats = 1u << AT_ANSWER_TEXT | 1u << AT_ANSWER_SPANS | 1u << AT_ANSWER_HTML,
    .usual_format = at_answer_usual_format,
    .write = at_answer_write,
    .lint = at_answer_lint,
    .mend = at_answer_mend,
};
