#include "run/session.h"

#include <math.h>
#include <string.h>

#include "infer/predict.h"
#include "run/models.h"

at_table_options at_settings_table(const at_options *o) {
    return (at_table_options){.format = (at_table_format)at_options_choice(o, "input_format"),
                              .no_header = at_options_flag(o, "no_header")};
}

at_columns at_settings_columns(const at_options *o) {
    int has_label = at_setting_find(at_options_command(o), "label_column") != NULL;
    return (at_columns){at_options_text(o, "text_column", NULL), at_options_text(o, "text2_column", NULL),
                        has_label ? at_options_text(o, "label_column", NULL) : NULL};
}

at_status at_session_choose_length(const at_tokenizer *tokenizer, const at_arch *arch, long long given, int *max_tokens,
                                   const char **source, at_error *err) {
    int positions = arch->max_positions, asked = at_tokenizer_max_length(tokenizer, source);
    if (given > positions)
        return at_fail(err, AT_USAGE, "--max-length %lld is more than the %d positions of the model", given, positions);
    if (given) *source = "--max-length";
    else if (!asked || asked > positions) *source = "config.json: max_position_embeddings";
    *max_tokens = given ? (int)given : asked && asked < positions ? asked : positions;
    return AT_OK;
}

/* The task that a finished model was trained for. */
static at_status find_task(at_session *s, const char *folder, at_error *err) {
    const at_model *m = s->model;
    if (!m->trained_head || !m->labels.n)
        return at_fail(err, AT_BAD_MODEL, "%s: has no trained prediction network; train one: attune train --model %s --train FILE --output FOLDER",
                       folder, folder);
    s->state.task = at_task_of_problem(m->problem_type);
    if (!s->state.task)
        return at_fail(err, AT_BAD_MODEL, "%s: config.json: problem_type '%s' is not known here; known is single_label_classification",
                       folder, m->problem_type);
    s->state.labels = m->labels;
    return AT_OK;
}

at_status at_session_open(at_session *s, const char *folder, int threads, const char *cpu, int max_length, at_error *err) {
    *s = (at_session){0};
    AT_TRY(at_backend_choose(cpu, &s->backend, err));
    AT_TRY(at_pool_open(&s->pool, threads ? threads : at_cpu_count(), err));
    AT_TRY(at_model_folder_find(&s->arena, folder, &folder, err));
    at_model_options options = {.head = AT_HEAD_NONE, .keep_head = 1, .pool = s->pool};
    AT_TRY(at_model_open(folder, &options, &s->model, err));
    AT_TRY(find_task(s, folder, err));
    AT_TRY(at_tokenizer_open(folder, &s->tokenizer, err));
    return at_session_choose_length(s->tokenizer, &s->model->arch, max_length, &s->max_tokens, &s->max_source, err);
}

at_status at_session_open_options(at_session *s, const at_options *o, at_error *err) {
    *s = (at_session){0};
    const char *folder = at_options_text(o, "model", NULL);
    if (!folder) return at_fail(err, AT_USAGE, "--model is missing: the folder of a trained model");
    return at_session_open(s, folder, (int)at_options_int(o, "threads", 0), at_options_text(o, "cpu", NULL),
                           (int)at_options_int(o, "max_length", 0), err);
}

void at_session_close(at_session *s) {
    at_tokenizer_close(s->tokenizer);
    at_model_close(s->model);
    at_pool_close(s->pool);
    at_arena_free(&s->state.arena);
    at_arena_free(&s->arena);
    *s = (at_session){0};
}

/* Finite weights that are absurdly large give answers that are no numbers; an answer made of them would look like one. */
static at_status check_finite(const at_table *rows, const float *logits, int width, at_error *err) {
    for (size_t i = 0; i < (size_t)rows->n_rows * (size_t)width; i++)
        if (!isfinite(logits[i]))
            return at_fail(err, AT_BAD_MODEL, "%s:%u: the model's answer is not a finite number; its weights are damaged", rows->path,
                           rows->line[i / (size_t)width]);
    return AT_OK;
}

at_status at_session_logits(const at_session *s, const at_table *table, int first, int n, at_arena *arena, float **logits,
                            at_dataset **judged, at_error *err) {
    at_table part = *table; /* a window on the same cells */
    part.cells += (size_t)first * (size_t)table->n_columns;
    part.line += first;
    part.n_rows = n;
    size_t cells = (size_t)n * (size_t)s->state.labels.n;
    *logits = AT_NEW_ARRAY(arena, float, cells);
    if (!*logits) return at_fail_memory(err, cells * sizeof(float));
    at_dataset *d = NULL;
    const at_arch *arch = &s->model->arch;
    AT_TRY(s->state.task->encode(&s->state, &part, s->tokenizer, s->max_tokens, judged != NULL, s->pool, &d, err));
    at_status st = at_dataset_fits(d, arch->vocab_size, arch->type_vocab, arch->max_positions, err);
    if (!st) st = at_predict_logits(s->model, d, s->backend, s->pool, *logits, err);
    if (!st) st = check_finite(&part, *logits, s->state.labels.n, err);
    if (!st && judged) *judged = d;
    else at_dataset_close(d);
    return st;
}
