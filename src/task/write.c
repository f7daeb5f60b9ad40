/* Text to text: a model with an encoder and a decoder learns to write the target to a source: summaries, translations, answers.
 *
 * An example is the source's tokens and, behind them, the decoder's: its start token and the target but for its last token, each of which
 * is asked for the token of the target that follows. A prediction writes token by token (infer/writing.h). */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "task/judge.h"
#include "task/lint.h"
#include "task/metric_rouge.h"
#include "task/tasks.h"
#include "train/dataset_build.h"

/* ---- columns ---- */

static const char *const PAIRS[][2] = {{"source", "target"},      {"src", "tgt"},         {"source_text", "target_text"},
                                       {"input", "output"},       {"inputs", "targets"},  {"input_text", "target_text"},
                                       {"document", "summary"},   {"article", "summary"}, {"article", "highlights"},
                                       {"dialogue", "summary"},   {"body", "summary"},    {"text", "summary"},
                                       {NULL, NULL}};

static at_status named(const at_table *t, const char *name, int *column, at_error *err) {
    if (!name) return AT_OK;
    *column = at_table_column(t, name);
    if (*column >= 0) return AT_OK;
    const char *near = at_nearest(name, t->column, t->n_columns);
    return at_fail(err, AT_USAGE, "%s: there is no column '%s'.%s%s%s", t->path, name, near ? " Did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

static int find_pair(const at_table *t, int *source, int *target) {
    for (int i = 0; PAIRS[i][0]; i++) {
        int a = at_table_column(t, PAIRS[i][0]), b = at_table_column(t, PAIRS[i][1]);
        if (a < 0 || b < 0) continue;
        *source = a;
        *target = b;
        return 1;
    }
    return 0;
}

static int usual(const at_table *t, int side) {
    for (int i = 0; PAIRS[i][0]; i++)
        if (at_table_column(t, PAIRS[i][side]) >= 0) return at_table_column(t, PAIRS[i][side]);
    return -1;
}

/* By their names, by usual names in pairs, by a usual name of either; of two columns the other. */
static at_status find_columns(const at_table *t, const at_columns *wanted, int need_target, int *source, int *target, at_error *err) {
    *source = *target = -1;
    AT_TRY(named(t, wanted->text, source, err));
    if (need_target) AT_TRY(named(t, wanted->label, target, err));
    else if (wanted->label) *target = at_table_column(t, wanted->label);
    if (*source < 0 && *target < 0) find_pair(t, source, target);
    if (*source < 0) *source = usual(t, 0);
    if (*target < 0) *target = usual(t, 1);
    if (*source < 0 && t->n_columns == 1) *source = 0;
    if (*source < 0 && t->n_columns == 2 && *target >= 0) *source = 1 - *target;
    if (*target < 0 && t->n_columns == 2 && *source >= 0) *target = 1 - *source;
    if (*source < 0) return at_fail(err, AT_USAGE, "%s: no column looks like a text to read; name it with --text-column", t->path);
    if (!need_target) return AT_OK;
    if (*target < 0) return at_fail(err, AT_USAGE, "%s: no column looks like a text to write; name it with --label-column", t->path);
    if (*target == *source) return at_fail(err, AT_USAGE, "%s: column '%s' cannot be both read and written", t->path, t->column[*source]);
    return AT_OK;
}

/* Classes may have these names too: targets are texts where half of them have a space. */
static int write_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    int source, target, texts = 0;
    if ((wanted && (wanted->text || wanted->text2 || wanted->label)) || !find_pair(t, &source, &target)) return 0;
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, target);
        texts += cell.len && memchr(cell.text, ' ', cell.len);
    }
    *why = at_format(arena, "texts of '%s' to those of '%s'", t->column[target], t->column[source]);
    return t->n_rows > 0 && 2 * texts >= t->n_rows;
}

static at_status write_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    static const at_columns NONE = {0};
    int source, target;
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    AT_TRY(find_columns(t, wanted ? wanted : &NONE, !known, &source, &target, err));
    s->columns = (at_columns){at_strdup(&s->arena, t->column[source]), NULL, target < 0 ? NULL : at_strdup(&s->arena, t->column[target])};
    s->why = target < 0 ? at_format(&s->arena, "texts to those of column '%s'", s->columns.text)
                        : at_format(&s->arena, "column '%s' is written to column '%s'", s->columns.label, s->columns.text);
    if (!s->columns.text || !s->why || (target >= 0 && !s->columns.label)) return at_fail_memory(err, 0);
    s->n_out = AT_VOCABULARY_ANSWERS;
    return AT_OK;
}

/* ---- examples ---- */

static at_status check_targets(const at_table *t, int target, at_error *err) {
    for (int r = 0; r < t->n_rows; r++)
        if (!at_table_cell(t, r, target).len)
            return at_fail(err, AT_BAD_DATA, "%s:%u: the text to write (column '%s') is empty", t->path, (unsigned)t->line[r],
                           t->column[target]);
    return AT_OK;
}

/* Sources and targets, encoded apart, as examples of both. */
typedef struct joining {
    const at_dataset *source, *target; /* target NULL: there are sources alone */
    at_dataset *d;
    int32_t *ids;   /* of the longest decoder part */
    uint8_t *types; /* 0 */
} joining;

static at_status make_room(joining *j, at_arena *scratch, at_error *err) {
    at_dataset *d = j->d;
    uint64_t outputs = j->target ? j->target->token_at[j->target->n] : 0;
    size_t longest = (size_t)(j->target ? j->target->longest : 0) + 1;
    d->source = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, outputs + 1);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, outputs + 1);
    j->ids = AT_NEW_ARRAY(scratch, int32_t, longest);
    j->types = AT_NEW_ARRAY(scratch, uint8_t, longest);
    return d->source && d->place_at && d->place && d->label && j->ids && j->types ? AT_OK : at_fail_memory(err, outputs * 8);
}

static at_status join_example(joining *j, int i, int start_id, at_error *err) {
    at_dataset *d = j->d;
    const at_dataset *s = j->source, *t = j->target;
    int n_source = at_dataset_length(s, i), n = t ? at_dataset_length(t, i) : 0;
    const int32_t *target = t ? t->ids + t->token_at[i] : NULL;
    uint64_t at = d->place_at[i];
    for (int k = 0; k < n; k++) {
        j->ids[k] = k ? target[k - 1] : start_id;
        d->place[at + (uint64_t)k] = (uint32_t)k;
        d->label[at + (uint64_t)k] = target[k];
    }
    d->source[i] = (uint32_t)n_source;
    d->place_at[i + 1] = at + (uint64_t)n;
    d->token_at[i + 1] = d->token_at[i] + (uint64_t)(n_source + n);
    d->line[i] = s->line[i];
    AT_TRY(at_dataset_add_tokens(d, s->ids + s->token_at[i], s->types + s->token_at[i], (size_t)n_source, err));
    return at_dataset_add_tokens(d, j->ids, j->types, (size_t)n, err);
}

static at_status join(joining *j, const at_table *table, int start_id, int max_tokens, at_error *err) {
    at_arena scratch = {0};
    at_status st = at_dataset_new(j->source->path, j->source->n, &j->d, err);
    if (!st) st = make_room(j, &scratch, err);
    for (int i = 0; i < j->source->n && !st; i++) st = join_example(j, i, start_id, err);
    at_arena_free(&scratch);
    if (st) return st;
    j->d->table = table;
    j->d->max_tokens = max_tokens;
    j->d->n_cut_examples = j->source->n_cut_examples + (j->target ? j->target->n_cut_examples : 0);
    j->d->n_cut_tokens = j->source->n_cut_tokens + (j->target ? j->target->n_cut_tokens : 0);
    if (j->target && j->target->max_id > j->d->max_id) j->d->max_id = j->target->max_id; /* the last of a target is only asked for */
    return at_dataset_seal(j->d, err);
}

static at_status write_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                              at_pool *pool, at_dataset **dataset, at_error *err) {
    int source, target;
    at_dataset *texts[2] = {NULL, NULL};
    *dataset = NULL;
    if (s->long_texts == AT_LONG_WINDOW) return at_fail(err, AT_USAGE, "--long window: the task write has one answer a text");
    AT_TRY(find_columns(t, &s->columns, need_labels, &source, &target, err));
    if (need_labels) AT_TRY(check_targets(t, target, err));
    at_status st = at_dataset_encode_long(t, source, -1, tokenizer, max_tokens, s->long_texts, pool, &texts[0], err);
    if (!st && need_labels) st = at_dataset_encode(t, target, -1, tokenizer, max_tokens, pool, &texts[1], err);
    joining j = {.source = texts[0], .target = texts[1]};
    if (!st) st = join(&j, t, s->start_id, max_tokens, err);
    for (int i = 0; i < 2; i++) at_dataset_close(texts[i]);
    if (st) at_dataset_close(j.d);
    else *dataset = j.d;
    return st;
}

/* ---- loss and score ---- */

static at_tensor *write_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *features, const at_batch *batch,
                             const at_dataset *d, double norm) {
    (void)s, (void)d;
    const at_classifier c = at_head_classifier(model);
    return at_op_vocabulary_cross_entropy(tape, features, &c, batch->label, norm);
}

static double write_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s;
    return d->label[output] >= 0;
}

static const char *const SMALLER[] = {"loss", "perplexity", NULL};

static at_status write_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    size_t outputs = at_dataset_outputs(d);
    double sum = 0, n = 0, right = 0;
    *score = (at_score){0};
    for (size_t i = 0; i < outputs; i++) {
        const float *answer = logits + i * AT_VOCABULARY_ANSWERS;
        if (d->label[i] < 0) continue;
        sum += (double)answer[0];
        right += (int32_t)answer[1] == d->label[i];
        n++;
    }
    if (!(n > 0)) return at_fail(err, AT_BAD_DATA, "%s: there is nothing to write", d->path);
    score->loss = sum / n;
    double perplexity = exp(score->loss);
    score->values = json_pack("{s:f, s:o, s:f, s:I, s:i}", "loss", score->loss, "perplexity",
                              isfinite(perplexity) ? json_real(perplexity) : json_null(), "token_accuracy", right / n, "tokens",
                              (json_int_t)n, "examples", d->n);
    if (!score->values) return at_fail_memory(err, 0);
    return at_score_choose(s, "loss", SMALLER, score, err);
}

/* Sums over texts, then means. */
typedef struct likeness {
    double exact, one, two, longest;
    int n;
} likeness;

static at_cell trimmed(const char *text, size_t len) {
    while (len && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    while (len && isspace((unsigned char)text[len - 1])) len--;
    return (at_cell){text, (uint32_t)len};
}

static at_status compare(likeness *l, at_cell right, const char *text, size_t len, at_error *err) {
    at_rouge rouge;
    at_cell a = trimmed(right.text ? right.text : "", right.len), b = trimmed(text, len);
    AT_TRY(at_metric_rouge(a.text, a.len, b.text, b.len, &rouge, err));
    l->exact += a.len == b.len && !memcmp(a.text, b.text, a.len);
    l->one += rouge.one;
    l->two += rouge.two;
    l->longest += rouge.longest;
    l->n++;
    return AT_OK;
}

/* Adds the means to a score and makes the longest subsequence its main number. */
static at_status put_means(const at_task_state *s, const likeness *l, at_score *score, at_error *err) {
    double n = l->n ? l->n : 1;
    json_t *means = json_pack("{s:f, s:f, s:f, s:f}", "rougeL", l->longest / n, "rouge1", l->one / n, "rouge2", l->two / n, "exact_match",
                              l->exact / n);
    int failed = !means || (score->values ? json_object_update(score->values, means) : !(score->values = json_incref(means)));
    json_decref(means);
    return failed ? at_fail_memory(err, 0) : at_score_choose(s, "rougeL", SMALLER, score, err);
}

static at_status write_score_written(const at_task_state *s, const at_dataset *d, const at_written *written, at_score *score,
                                     at_error *err) {
    likeness l = {0};
    int source, target;
    AT_TRY(find_columns(d->table, &s->columns, 1, &source, &target, err));
    for (int i = 0; i < d->n; i++) AT_TRY(compare(&l, at_table_cell(d->table, i, target), written[i].text, written[i].len, err));
    return put_means(s, &l, score, err);
}

static at_status write_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                             at_score *score, at_error *err) {
    static const char *const USUAL[] = {"output", "predicted_output", "generated_text", "summary_text", NULL};
    likeness l = {0};
    int source, target, answer;
    *score = (at_score){.low = NAN, .high = NAN};
    if (right->n_columns == 1) target = 0;
    else AT_TRY(find_columns(right, wanted, 1, &source, &target, err));
    AT_TRY(at_judge_answer_column(answers, column, USUAL, right->n_columns > 1 ? right->column[target] : NULL, &answer, err));
    for (int r = 0; r < right->n_rows; r++) {
        at_cell cell = at_table_cell(answers, r, answer);
        AT_TRY(compare(&l, at_table_cell(right, r, target), cell.text ? cell.text : "", cell.len, err));
    }
    return put_means(s, &l, score, err);
}

/* ---- answers ---- */

static json_t *write_answer(const at_task_state *s, const at_answered *row) {
    (void)s;
    return json_pack("{s:o}", "output", json_stringn(row->written->text, row->written->len));
}

/* A person's line is the text alone. */
static at_status write_line(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                            const void *answer, at_str *to, at_error *err) {
    (void)s, (void)format, (void)t, (void)row, (void)err;
    if (part != AT_ANSWER_ROW) return AT_OK;
    size_t from = to->len;
    at_str_add(to, json_string_value(json_object_get((const json_t *)answer, "output")));
    for (size_t i = from; i < to->len; i++)
        if ((unsigned char)to->text[i] < 0x20) to->text[i] = ' ';
    at_str_add(to, "\n");
    return AT_OK;
}

static at_status write_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    (void)s;
    AT_TRY(at_lint_texts(lint, err));
    return at_lint_encoding(lint, err);
}

static const char USE[] = "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n\n"
                          "tokenizer = AutoTokenizer.from_pretrained(FOLDER)\n"
                          "model = AutoModelForSeq2SeqLM.from_pretrained(FOLDER)\n"
                          "ids = model.generate(**tokenizer(\"a text\", return_tensors=\"pt\"), max_new_tokens=128)\n"
                          "print(tokenizer.decode(ids[0], skip_special_tokens=True))\n";

static const at_head_kind HEADS[] = {AT_HEAD_LM, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"output", AT_FIELD_TEXT, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"loss", "perplexity", "token_accuracy", "rougeL", "rouge1", "rouge2", "exact_match", NULL};

const at_task at_task_write = {
    .name = "write",
    .summary = "a text to a text: summaries, translations; for models with an encoder and a decoder",
    .noun = "model that writes",
    .pipeline = "text2text-generation",
    .use = USE,
    .heads = HEADS,
    .full_only = 1,
    .two_stacks = 1,
    .rate_share = 2, /* T5 and BART were tuned with rates above BERT's */
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = write_recognise,
    .bind = write_bind,
    .encode = write_encode,
    .loss = write_loss,
    .weight = write_weight,
    .score = write_score,
    .score_written = write_score_written,
    .judge = write_judge,
    .answer = write_answer,
    .formats = 1u << AT_ANSWER_TEXT,
    .write = write_line,
    .lint = write_lint,
};
