#include "model/gguf.h"
#include "run/session.h"

#include <math.h>
#include <string.h>

#include "base/room.h"
#include "infer/predict.h"
#include "infer/writing.h"
#include "run/models.h"
#include "train/long_text.h"

at_table_options at_settings_table(const at_options *o) {
    const char *name = at_setting_find(at_options_command(o), "task") ? at_options_text(o, "task", NULL) : NULL;
    const at_task *task = name ? at_task_find(name) : NULL;
    return (at_table_options){.format = (at_table_format)at_options_choice(o, "input_format"),
                              .plain_lines = task && task->plain_texts,
                              .separator = at_setting_find(at_options_command(o), "token_separator")
                                               ? at_options_text(o, "token_separator", NULL)
                                               : NULL,
                              .no_header = at_options_flag(o, "no_header")};
}

at_status at_settings_stream(const at_options *o, at_error *err) {
    int choice = at_options_choice(o, "input_format");
    if (choice == AT_TABLE_AUTO || choice == AT_TABLE_LINES) return AT_OK;
    return at_fail(err, AT_USAGE, "--input-format %s: standard input is read as a text a line; save it to a file and name that (--input FILE)",
                   at_options_text(o, "input_format", ""));
}

at_columns at_settings_columns(const at_options *o) {
    int has_label = at_setting_find(at_options_command(o), "label_column") != NULL;
    return (at_columns){at_options_text(o, "text_column", NULL), at_options_text(o, "text2_column", NULL),
                        has_label ? at_options_text(o, "label_column", NULL) : NULL};
}

at_status at_session_choose_length(const at_tokenizer *tokenizer, const at_arch *arch, long long given, int *max_tokens,
                                   const char **source, at_error *err) {
    int positions = arch->max_positions, usual = arch->usual_positions ? arch->usual_positions : positions;
    int asked = at_tokenizer_max_length(tokenizer, source);
    if (given > positions)
        return at_fail(err, AT_USAGE, "--max-length %lld is more than the %d positions of the model", given, positions);
    if (given) *source = "--max-length";
    else if (!asked && usual < positions) *source = "what the model was pre-trained with";
    else if (!asked || asked > positions) *source = "config.json: max_position_embeddings";
    *max_tokens = given ? (int)given : asked && asked < positions ? asked : usual;
    return AT_OK;
}

void at_settings_task(const at_options *o, at_task_state *state) {
    unsigned command = at_options_command(o);
    if (at_setting_find(command, "label_separator")) state->label_separator = at_options_text(o, "label_separator", NULL);
    if (at_setting_find(command, "stride") && !at_options_is_auto(o, "stride")) state->stride = (int)at_options_int(o, "stride", 0);
    if (at_setting_find(command, "long") && at_options_choice(o, "long")) state->long_texts = (at_long)at_options_choice(o, "long");
    if (at_setting_find(command, "scheme")) state->scheme = at_options_text(o, "scheme", NULL);
    if (at_setting_find(command, "loss")) state->loss = at_options_text(o, "loss", NULL);
    if (at_setting_find(command, "negative_column")) state->negative = at_options_text(o, "negative_column", NULL);
    if (at_setting_find(command, "whole_word")) state->whole_word = at_options_flag(o, "whole_word");
    if (at_setting_find(command, "seed")) state->seed = (uint64_t)at_options_int(o, "seed", 42);
}

at_status at_tell_remark(const at_task_state *state, const at_table *t, const at_listener *listener, at_error *err) {
    at_arena scratch = {0};
    const char *sentence = NULL;
    at_status st = state->task->remark ? state->task->remark(state, t, &scratch, &sentence, err) : AT_OK;
    if (!st && sentence) at_tell_note(listener, "%s", sentence);
    at_arena_free(&scratch);
    return st;
}

at_status at_settings_long_check(const at_options *o, const at_task *task, at_error *err) {
    int choice = at_options_choice(o, "long");
    if (choice && task->in_windows)
        return at_fail(err, AT_USAGE, "--long: the task %s reads long texts in overlapping windows by itself, nothing is cut", task->name);
    if (choice == AT_LONG_WINDOW && task->coupled)
        return at_fail(err, AT_USAGE, "--long window: the task %s has one answer a text", task->name);
    return AT_OK;
}

/* The task that a finished model was trained for. */
static at_status find_task(at_session *s, const char *folder, at_error *err) {
    const at_model *m = s->model;
    if (!m->trained_head)
        return at_fail(err, AT_BAD_MODEL,
                       "%s: has no trained prediction network; train one: attune train --model %s --train FILE --output FOLDER",
                       folder, folder);
    return at_task_open(&s->state, m, err);
}

/* bf16 copies of the weights, once for all that is asked of them. */
static at_status make_copies(at_session *s, at_error *err) {
    at_model *m = s->model;
    AT_TRY(at_half_copies_open(&m->half, &m->params, s->backend->half, 0, err));
    at_half_copies_refresh(m->half, &m->params, 0, s->pool);
    return AT_OK;
}

static at_status open_model(at_session *s, const char **folder, at_model_options *model, const at_vectors_options *o, at_error *err) {
    *s = (at_session){0};
    AT_TRY(at_kernels_choose(o->cpu, o->precision, &s->kernels, &s->backend, err));
    AT_TRY(at_pool_open(&s->pool, o->threads ? o->threads : at_cpu_count(), err));
    AT_TRY(at_model_folder_find(&s->arena, *folder, folder, err));
    model->pool = s->pool;
    AT_TRY(at_model_open(*folder, model, &s->model, err));
    return make_copies(s, err);
}

static at_status open_tokenizer(at_session *s, const char *folder, int max_length, at_error *err) {
    AT_TRY(at_model_tokenizer_open(folder, &s->tokenizer, err));
    return at_session_choose_length(s->tokenizer, &s->model->arch, max_length, &s->max_tokens, &s->max_source, err);
}

at_status at_session_open(at_session *s, const char *folder, int threads, const char *cpu, at_precision precision, int max_length,
                          at_error *err) {
    at_model_options model = {.head = AT_HEAD_NONE, .keep_head = 1};
    const at_vectors_options o = {.threads = threads, .cpu = cpu, .precision = precision};
    AT_TRY(open_model(s, &folder, &model, &o, err));
    AT_TRY(find_task(s, folder, err));
    return open_tokenizer(s, folder, max_length, err);
}

at_status at_session_open_vectors(at_session *s, const char *folder, const at_vectors_options *o, at_error *err) {
    at_model_options model = {.head = AT_HEAD_EMBED, .keep_head = 1, .pooling = o->pooling, .unit = o->unit};
    AT_TRY(open_model(s, &folder, &model, o, err));
    s->state.n_out = s->model->head.n_out;
    const char *own = json_string_value(json_object_get(json_object_get(s->model->config, "attune"), "long"));
    s->state.long_texts = o->long_texts ? o->long_texts : at_long_find(own);
    if (s->state.long_texts == AT_LONG_WINDOW) return at_fail(err, AT_USAGE, "--long window: a text has one vector; cut it, or split the text yourself");
    return open_tokenizer(s, folder, o->max_length, err);
}

/* A trained model has its task: who names another one has the wrong folder, or the wrong word. */
static at_status check_task(const at_session *s, const at_options *o, const char *folder, at_error *err) {
    const char *name = at_setting_find(at_options_command(o), "task") ? at_options_text(o, "task", NULL) : NULL;
    const at_task *task = name ? at_task_find(name) : NULL;
    if (!task || task == s->state.task) return AT_OK;
    return at_fail(err, AT_USAGE, "--task %s: %s was trained for the task %s", task->name, folder, s->state.task->name);
}

at_status at_session_open_options(at_session *s, const at_options *o, at_error *err) {
    *s = (at_session){0};
    const char *folder = at_options_text(o, "model", NULL);
    if (!folder) return at_fail(err, AT_USAGE, "--model is missing: the folder of a trained model");
    at_status st = at_session_open(s, folder, (int)at_options_int(o, "threads", 0), at_options_text(o, "cpu", NULL),
                           (at_precision)at_options_choice(o, "precision"), (int)at_options_int(o, "max_length", 0), err);
    return st ? st : check_task(s, o, folder, err);
}

void at_session_close(at_session *s) {
    at_tokenizer_close(s->tokenizer);
    at_model_close(s->model);
    at_pool_close(s->pool);
    at_task_close(&s->state);
    at_arena_free(&s->arena);
    *s = (at_session){0};
}

enum { IDLE_CHUNKS = 16, IDLE_EXAMPLES = 256 };

/* A long document's tokens and answers need not be resident but where they are worked on. */
typedef struct released {
    const at_listener *listener;
    const at_arena *arena;
    const at_dataset *d;
    size_t calls;
} released;

static int release(void *context, int done) {
    released *r = context;
    (void)done;
    if (++r->calls % IDLE_CHUNKS == 0) {
        at_arena_idle(r->arena);
        at_dataset_idle(r->d);
    }
    return at_asked_to_stop(r->listener);
}

/* Finite weights that are absurdly large give answers that are no numbers; an answer made of them would look like one. */
static at_status check_finite(const at_dataset *d, const at_arena *arena, const float *logits, int width, at_error *err) {
    for (int i = 0; i < d->n; i++) {
        size_t k = at_dataset_output_at(d, i) * (size_t)width, end = at_dataset_output_at(d, i + 1) * (size_t)width;
        for (; k < end; k++)
            if (!isfinite(logits[k]))
                return at_fail(err, AT_BAD_MODEL, "%s:%u: the model's answer is not a finite number; its weights are damaged",
                               d->path, d->line[i]);
        at_arena_pass(arena, (size_t)i, IDLE_EXAMPLES);
    }
    at_arena_idle(arena);
    at_dataset_idle(d);
    return AT_OK;
}

static at_status predict(const at_session *s, const at_dataset *d, at_arena *arena, float **logits, at_error *err) {
    const at_arch *arch = &s->model->arch;
    size_t cells = at_dataset_outputs(d) * (size_t)s->state.n_out;
    *logits = AT_NEW_ARRAY(arena, float, cells);
    if (!*logits) return at_fail_memory(err, cells * sizeof(float));
    AT_TRY(at_dataset_fits(d, arch->vocab_size, arch->type_vocab, arch->max_positions, err));
    AT_TRY(at_predict_logits_watched(s->model, d, s->backend, s->pool, *logits, release, &(released){s->listener, arena, d, 0}, err));
    return check_finite(d, arena, *logits, s->state.n_out, err);
}

/* Rows first .. first + n - 1 as examples. */
static at_status encode(const at_session *s, const at_table *table, int first, int n, int need_labels, at_arena *arena, at_dataset **data,
                        at_error *err) {
    at_table *own = AT_NEW(arena, at_table), part = *table; /* a window on the same cells, for as long as the answers */
    *data = NULL;
    if (!own) return at_fail_memory(err, sizeof *own);
    part.cells += (size_t)first * (size_t)table->n_columns;
    if (part.is_json) part.is_json += (size_t)first * (size_t)table->n_columns;
    part.line += first;
    part.n_rows = n;
    if (part.token_at) part.token_at += first;
    *own = part;
    return s->state.task->encode(&s->state, own, s->tokenizer, s->max_tokens, need_labels, s->pool, data, err);
}

at_status at_session_logits(const at_session *s, const at_table *table, int first, int n, int need_labels, at_arena *arena, float **logits,
                            at_dataset **data, at_error *err) {
    AT_TRY(encode(s, table, first, n, need_labels, arena, data, err));
    at_status st = predict(s, *data, arena, logits, err);
    if (!st) return AT_OK;
    at_dataset_close(*data);
    *data = NULL;
    return st;
}

static int watch(void *listener, int done) {
    (void)done;
    return at_asked_to_stop(listener);
}

at_writing_wishes at_settings_wishes(const at_options *o) {
    return (at_writing_wishes){.most_new = (int)at_options_int(o, "max_new_tokens", -1), .beams = (int)at_options_int(o, "num_beams", -1),
                               .no_repeat = (int)at_options_int(o, "no_repeat_ngram_size", -1),
                               .early = at_options_choice(o, "early_stopping") - 1,
                               .length_penalty = at_options_real(o, "length_penalty", (double)NAN)};
}

at_status at_session_write(const at_session *s, const at_table *table, int first, int n, const at_writing_wishes *wishes,
                           const at_listener *listener, at_arena *arena, at_written **written, at_dataset **data, at_error *err) {
    at_write_setup setup = {s->model, s->tokenizer, s->backend, s->pool, *wishes, watch, (void *)(uintptr_t)listener};
    AT_TRY(encode(s, table, first, n, 0, arena, data, err));
    *written = AT_NEW_ARRAY(arena, at_written, (*data)->n);
    at_status st = *written ? at_write_all(&setup, *data, arena, *written, err)
                            : at_fail_memory(err, (size_t)(*data)->n * sizeof **written);
    if (!st) return AT_OK;
    at_dataset_close(*data);
    *data = NULL;
    return st;
}
