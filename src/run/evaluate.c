/* attune eval: metrics with intervals, confusion matrix, the most confident mistakes; with an output folder, files of all of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/answers.h"
#include "run/label_names.h"
#include "run/score_text.h"
#include "run/unread.h"
#include "train/long_text.h"

typedef struct evaluation {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    at_session session;
    at_table *table;
    at_dataset *data;
    float *logits; /* [outputs of data, n_out] */
    at_written *written; /* [data->n] of a task that writes, else NULL */
    at_score score;
} evaluation;

/* ---- mistakes ---- */

typedef struct listed {
    at_mistake m;
    int row;
} listed;

static int by_confidence(const void *a, const void *b) {
    const listed *x = a, *y = b;
    if (x->m.confidence != y->m.confidence) return x->m.confidence < y->m.confidence ? 1 : -1;
    return x->row - y->row;
}

static void tell_mistake(evaluation *e, const listed *l) {
    const char *column = e->session.state.columns.text;
    int index = column ? at_table_column(e->table, column) : -1;
    at_cell cell = index >= 0 ? at_table_cell(e->table, l->row, index) : (at_cell){0};
    const at_mistake *m = &l->m;
    char *text = at_shortened(&e->arena, cell.text ? cell.text : "", cell.len, 90);
    at_tell(e->listener, "mistake",
            json_pack("{s:s, s:I, s:s, s:s, s:f, s:s%}", "file", e->table->path, "line",
                      (json_int_t)e->table->line[l->row], "label", m->right, "answer", m->answer, "score",
                      m->confidence, "text", cell.text ? cell.text : "", (size_t)cell.len),
            "%s:%u: labelled %s, answered %s (%.3f): %s", e->table->path, e->table->line[l->row], m->right, m->answer,
            m->confidence, text ? text : "");
}

static at_status tell_mistakes(evaluation *e, at_error *err) {
    long long wanted = at_options_int(e->options, "mistakes", 10);
    const at_task_state *state = &e->session.state;
    listed *all = AT_NEW_ARRAY(&e->arena, listed, e->table->n_rows);
    int n = 0;
    if (!all) return at_fail_memory(err, (size_t)e->table->n_rows * sizeof *all);
    for (at_row_outputs r = {0}; state->task->mistaken && at_dataset_next_row(e->data, &r);) {
        at_answered row = {e->table, (int)r.row, e->logits + r.output * (size_t)state->n_out, r.n_outputs, e->data, r.output, NULL};
        listed l = {.row = (int)r.row};
        if (!state->task->mistaken(state, &row, &e->arena, &l.m)) continue;
        if (!l.m.right || !l.m.answer) return at_fail_memory(err, 0);
        all[n++] = l;
    }
    qsort(all, (size_t)n, sizeof *all, by_confidence);
    if (n && wanted)
        at_tell(e->listener, "table", NULL, "\n%s (%lld of %d)",
                state->task->mistakes ? state->task->mistakes : "Most confident mistakes", wanted < n ? wanted : n, n);
    for (int i = 0; i < n && i < wanted; i++) tell_mistake(e, &all[i]);
    return AT_OK;
}

/* ---- telling ---- */

static void tell_doubt(void *listener, const char *sentence) { at_tell_warning(listener, "%s", sentence); }

static at_status tell_score(evaluation *e, at_error *err) {
    const at_score *s = &e->score;
    const at_labels *labels = &e->session.state.labels;
    char *metrics = at_score_metrics_text(&e->arena, s), *confusion = at_score_confusion_text(&e->arena, s, labels);
    if (!metrics) return at_fail_memory(err, 0);
    at_tell_text(e->listener, "eval",
                 json_pack("{s:s, s:s, s:o, s:O}", "data", e->table->path, "metric", s->main_name, "main", at_json_number(s->main),
                           "values", s->values),
                 metrics);
    if (confusion) at_tell(e->listener, "table", NULL, "\n%s", confusion);
    if (json_object_get(s->values, "confusion_matrix")) at_score_doubts(s, labels, tell_doubt, (void *)e->listener);
    return tell_mistakes(e, err);
}

/* ---- files ---- */

/* eval_results.json has what was found; all_results.json keeps what other evaluations put there. */
static at_status save_results(const evaluation *e, const char *folder, at_error *err) {
    at_arena scratch = {0};
    char *eval = at_path_join(&scratch, folder, "eval_results.json"), *all = at_path_join(&scratch, folder, "all_results.json");
    json_t *found = json_object(), *merged = NULL, *value;
    const char *key;
    json_object_foreach(e->score.values, key, value) {
        char *name = at_format(&scratch, "eval_%s", key);
        if (name) json_object_set(found, name, value);
    }
    json_object_set_new(found, "eval_samples", json_integer(e->data->n));
    json_object_set_new(found, "eval_cut_rows", json_integer(e->data->n_cut_examples));
    json_object_set_new(found, "eval_cut_tokens", json_integer((json_int_t)e->data->n_cut_tokens));
    at_status st = eval && all && found ? at_json_save(eval, found, err) : at_fail_memory(err, 0);
    if (!st && at_file_exists(all)) st = at_json_load(all, AT_JSON_CONFIG_BYTES, AT_BAD_DATA, &merged, err);
    if (!st && !merged) merged = json_object();
    if (!st && json_object_update(merged, found)) st = at_fail(err, AT_BAD_DATA, "%s: is not a JSON object", all);
    if (!st) st = at_json_save(all, merged, err);
    json_decref(found);
    json_decref(merged);
    at_arena_free(&scratch);
    return st;
}

static at_status save_predictions(const evaluation *e, const char *folder, at_error *err) {
    const at_task_state *state = &e->session.state;
    const at_table *t = e->table;
    at_answers answers = {0};
    at_status st = at_answers_open_in(&answers, &e->session, e->listener, folder, t, err);
    for (at_row_outputs r = {0}; !st && at_dataset_next_row(e->data, &r);) {
        at_answered row = {t, (int)r.row, e->logits + r.output * (size_t)state->n_out, r.n_outputs, e->data, r.output,
                           e->written ? &e->written[r.example] : NULL};
        st = at_answers_add(&answers, &row, err);
    }
    if (!st) st = at_answers_commit(&answers, err);
    at_answers_close(&answers);
    return st;
}

static at_status save(const evaluation *e, at_error *err) {
    const char *folder = at_options_text(e->options, "output", NULL);
    if (!folder) return AT_OK;
    AT_TRY(at_folder_make(folder, err));
    AT_TRY(save_results(e, folder, err));
    return save_predictions(e, folder, err);
}

/* ---- the order ---- */

static at_status open_all(evaluation *e, at_error *err) {
    const at_options *o = e->options;
    const char *path = at_options_text(o, "data", NULL);
    if (!path) return at_fail(err, AT_USAGE, "the file to evaluate on is missing: attune eval --model FOLDER FILE");
    const char *folder = at_options_text(o, "output", NULL);
    if (folder && at_file_exists(folder) && !at_is_folder(folder)) return at_fail(err, AT_USAGE, "%s: is a file; --output names a folder", folder);
    at_table_options table_options = at_settings_table(o);
    at_columns wanted = at_settings_columns(o);
    AT_TRY(at_session_open_options(&e->session, o, err));
    e->session.listener = e->listener;
    at_tell_unread(e->listener, e->session.model);
    AT_TRY(at_settings_long_check(o, e->session.state.task, err));
    at_settings_task(o, &e->session.state);
    AT_TRY(at_settings_label_names(o, &e->session.state, err));
    table_options.plain_lines |= e->session.state.task->plain_texts;
    AT_TRY(at_table_read(path, &table_options, &e->table, err));
    AT_TRY(at_take_label_names(&e->session.state, e->session.model, e->table, &wanted, 0, e->listener, err));
    AT_TRY(e->session.state.task->bind(&e->session.state, e->table, &wanted, 1, err));
    AT_TRY(at_tell_remark(&e->session.state, e->table, e->listener, err));
    at_tell(e->listener, "task", json_pack("{s:s, s:s, s:i}", "task", e->session.state.task->name, "why", e->session.state.why, "labels",
            e->session.state.labels.n), "%s: %d rows, %s; at most %d tokens (%s).", path, e->table->n_rows, e->session.state.why,
            e->session.max_tokens, e->session.max_source);
    return AT_OK;
}

static void tell_cut(const evaluation *e) {
    const at_dataset *d = e->data;
    double tokens = (double)d->token_at[d->n], cut = (double)d->n_cut_tokens;
    if (d->n_cut_examples)
        at_tell_warning(e->listener, "%s: %d of %d texts are longer than %d tokens%s; %.0f tokens are lost (%.1f%% of all)", e->table->path,
                        d->n_cut_examples, d->draw == AT_DRAW_ROWS ? d->n : e->table->n_rows, e->session.max_tokens, at_long_words(e->session.state.long_texts), cut,
                        100 * cut / (tokens + cut));
    if (d->row && d->draw != AT_DRAW_ROWS && d->n > e->table->n_rows) /* else a row has several texts */
        at_tell_note(e->listener, "%s: texts that are longer than %d tokens are read in overlapping windows (%d examples of %d rows).",
                     e->table->path, e->session.max_tokens, d->n, e->table->n_rows);
}

/* What the model writes by itself, beside how well it foretells what others wrote. */
static at_status write_texts(evaluation *e, at_error *err) {
    at_session *s = &e->session;
    at_dataset *sources = NULL;
    if (!s->state.task->score_written) return AT_OK;
    const at_writing_wishes wishes = at_settings_wishes(e->options);
    AT_TRY(at_session_write(s, e->table, 0, e->table->n_rows, &wishes, e->listener, &e->arena, &e->written, &sources, err));
    at_dataset_close(sources);
    return s->state.task->score_written(&s->state, e->data, e->written, &e->score, err);
}

static at_status evaluate(evaluation *e, at_error *err) {
    AT_TRY(open_all(e, err));
    if (at_asked_to_stop(e->listener)) return at_fail(err, AT_STOPPED, "stopped");
    AT_TRY(at_session_logits(&e->session, e->table, 0, e->table->n_rows, 1, &e->arena, &e->logits, &e->data, err));
    AT_TRY(e->session.state.task->score(&e->session.state, e->data, e->logits, &e->score, err));
    AT_TRY(write_texts(e, err));
    tell_cut(e);
    AT_TRY(tell_score(e, err));
    AT_TRY(save(e, err));
    const char *folder = at_options_text(e->options, "output", NULL);
    at_tell(e->listener, "done", json_pack("{s:s?, s:s, s:o}", "output", folder, "metric", e->score.main_name, "main",
                                           at_json_number(e->score.main)),
            folder ? "\nResults and predictions are in %s." : NULL, folder ? folder : "");
    double least = at_options_real(e->options, "min_score", -INFINITY);
    if (e->score.main < least) return at_fail(err, AT_BELOW, "%s %.4f is below --min-score %.4f", e->score.main_name, e->score.main, least);
    return AT_OK;
}

at_status at_evaluate(const at_options *options, const at_listener *listener, at_error *err) {
    evaluation *e = calloc(1, sizeof *e);
    if (!e) return at_fail_memory(err, sizeof *e);
    e->options = options;
    e->listener = listener;
    at_status st = evaluate(e, err);
    at_score_free(&e->score);
    at_dataset_close(e->data);
    at_table_close(e->table);
    at_session_close(&e->session);
    at_arena_free(&e->arena);
    free(e);
    return st;
}
