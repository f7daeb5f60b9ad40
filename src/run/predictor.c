/* Prediction inside a program: the same path as for files, over a table made of the caller's texts. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "run/session.h"
#include "task/texts.h"

struct at_predictor {
    at_session session;
    at_arena call; /* what the last call's predictions point into */
};

at_status at_predictor_open(const char *folder, int n_threads, at_predictor **predictor, at_error *err) {
    *predictor = NULL;
    if (n_threads < 0) return at_fail(err, AT_USAGE, "%d threads: give 0 (every core) or more", n_threads);
    at_predictor *p = calloc(1, sizeof *p);
    if (!p) return at_fail_memory(err, sizeof *p);
    at_status st = at_session_open(&p->session, folder, n_threads, getenv("ATTUNE_CPU"), AT_PRECISION_FP32, 0, err);
    if (st) at_predictor_close(p);
    else *predictor = p;
    return st;
}

void at_predictor_close(at_predictor *p) {
    if (!p) return;
    at_session_close(&p->session);
    at_arena_free(&p->call);
    free(p);
}

int at_predictor_labels(const at_predictor *p, const char *const **names) {
    if (names) *names = p->session.state.labels.name;
    return p->session.state.labels.n;
}

static at_status fill_cell(at_cell *cell, const char *text, int i, at_error *err) {
    size_t len = text ? strlen(text) : 0, valid = text ? at_utf8_check(text, len) : 0;
    if (!text) return at_fail(err, AT_USAGE, "text %d is NULL", i + 1);
    if (len >= UINT32_MAX) return at_fail(err, AT_BAD_DATA, "text %d is too long", i + 1);
    if (valid != len) return at_fail(err, AT_BAD_DATA, "text %d: byte %zu is not valid UTF-8", i + 1, valid + 1);
    *cell = (at_cell){text, (uint32_t)len};
    return AT_OK;
}

static at_status make_table(at_arena *arena, const char *const *texts, const char *const *seconds, int n, at_table *t, at_error *err) {
    const char **names = AT_NEW_ARRAY(arena, const char *, 2);
    if (!names) return at_fail_memory(err, 0);
    names[0] = "text";
    names[1] = "text2";
    *t = (at_table){.path = "texts", .column = names, .n_columns = seconds ? 2 : 1, .n_rows = n};
    t->cells = AT_NEW_ARRAY(arena, at_cell, (size_t)n * (size_t)t->n_columns);
    t->line = AT_NEW_ARRAY(arena, uint32_t, n);
    if (!t->cells || !t->line) return at_fail_memory(err, (size_t)n * sizeof *t->cells);
    for (int i = 0; i < n; i++) {
        t->line[i] = (uint32_t)i + 1;
        AT_TRY(fill_cell(&t->cells[i * t->n_columns], texts[i], i, err));
        if (seconds) AT_TRY(fill_cell(&t->cells[i * t->n_columns + 1], seconds[i], i, err));
    }
    return AT_OK;
}

static at_status rank_rows(at_predictor *p, const at_dataset *d, const float *logits, at_prediction *predictions, at_error *err) {
    const at_task_state *state = &p->session.state;
    size_t width = (size_t)state->n_out;
    at_pooled rows;
    AT_TRY(at_texts_pool(d, logits, width, &p->call, &rows, err));
    float *numbers = AT_NEW_ARRAY(&p->call, float, (size_t)rows.n * width);
    if (!numbers) return at_fail_memory(err, (size_t)rows.n * width * sizeof(float));
    for (int i = 0; i < rows.n; i++) {
        float *row = numbers + (size_t)i * width;
        int best = state->task->rank(state, rows.logits + (size_t)i * width, row);
        predictions[i] = (at_prediction){state->labels.name[best], best, (double)row[best], row};
    }
    return AT_OK;
}

at_status at_predict(at_predictor *p, const char *const *texts, const char *const *seconds, int n, at_prediction *predictions,
                     at_error *err) {
    if (n <= 0) return n ? at_fail(err, AT_USAGE, "%d texts: the number is negative", n) : AT_OK;
    at_table table;
    float *logits;
    at_dataset *data;
    at_task_state *state = &p->session.state;
    if (!state->task->rank)
        return at_fail(err, AT_USAGE, "a model of the task %s does not give one answer a text: use at_predict_texts", state->task->name);
    at_arena_free(&p->call);
    AT_TRY(make_table(&p->call, texts, seconds, n, &table, err));
    state->columns = (at_columns){"text", seconds ? "text2" : NULL, NULL};
    AT_TRY(at_session_logits(&p->session, &table, 0, n, 0, &p->call, &logits, &data, err));
    at_status st = rank_rows(p, data, logits, predictions, err);
    at_dataset_close(data);
    return st;
}
