/* A finished model, opened to answer or to be judged: model, tokenizer, task, threads, kernels, in one handle. */
#ifndef AT_RUN_SESSION_H
#define AT_RUN_SESSION_H

#include "backend/half.h"
#include "infer/wishes.h"
#include "run/events.h"
#include "run/settings.h"
#include "task/tasks.h"

typedef struct at_session {
    at_arena arena;
    at_model *model;
    at_tokenizer *tokenizer;
    at_pool *pool;
    at_kernels kernels;
    const at_backend *backend; /* kernels.table */
    at_task_state state;
    int max_tokens;
    const char *max_source; /* who said so */
    const at_listener *listener; /* asked to stop between chunks, by who opened the session; NULL: nobody */
} at_session;

/* threads 0: every core; cpu NULL: the best kernels; max_length 0: what the folder asks for. A folder without a trained head is
 * AT_BAD_MODEL with what to do. Close it in every case. */
at_status at_session_open(at_session *session, const char *folder, int threads, const char *cpu, at_precision precision, int max_length,
                          at_error *err);
void at_session_close(at_session *session);

/* The same from the settings model, threads, cpu, precision, max_length. */
at_status at_session_open_options(at_session *session, const at_options *options, at_error *err);

/* Any encoder, to make vectors with (run/vectors.h): pooling and unit as in at_model_options. There is no task; state.n_out is the
 * width. */
typedef struct at_vectors_options {
    int threads;             /* 0: every core */
    const char *cpu;         /* NULL: the best kernels */
    at_precision precision;
    int max_length;          /* 0: what the folder asks for */
    int pooling, unit;
    at_long long_texts;      /* AT_LONG_AUTO: as the folder's own training had it */
} at_vectors_options;
at_status at_session_open_vectors(at_session *session, const char *folder, const at_vectors_options *options, at_error *err);

/* The longest input: `given` (> 0) or what the folder's files say, within the model's positions. */
at_status at_session_choose_length(const at_tokenizer *tokenizer, const at_arch *arch, long long given, int *max_tokens,
                                   const char **source, at_error *err);

/* Logits of rows first .. first + n - 1 of a table, [outputs, n_out], in the arena, and what was encoded, to be closed by the caller. The
 * state must know the columns (bind). need_labels 0: unlabelled rows are fine. */
at_status at_session_logits(const at_session *session, const at_table *table, int first, int n, int need_labels, at_arena *arena,
                            float **logits, at_dataset **data, at_error *err);

/* Of a task that writes: the texts to those rows, one an example of what was encoded. */
at_status at_session_write(const at_session *session, const at_table *table, int first, int n, const at_writing_wishes *wishes,
                           const at_listener *listener, at_arena *arena, at_written **written, at_dataset **data, at_error *err);

/* The settings max_new_tokens, num_beams, length_penalty, early_stopping, no_repeat_ngram_size */
at_writing_wishes at_settings_wishes(const at_options *options);
at_table_options at_settings_table(const at_options *options); /* input_format, no_header */
/* AT_USAGE where another format is asked for than a text a line, which is what standard input has. */
at_status at_settings_stream(const at_options *options, at_error *err);
/* --label-names, for a task that is known; AT_USAGE where its labels have no names. */
at_status at_settings_label_names(const at_options *options, at_task_state *state, at_error *err);
void at_settings_task(const at_options *options, at_task_state *state); /* label_separator, scheme, where the command has them */
/* Notes what the task does to the labels of a table that it is judged by (at_task.remark). */
at_status at_tell_remark(const at_task_state *state, const at_table *table, const at_listener *listener, at_error *err);
/* AT_USAGE where --long says nothing to it */
at_status at_settings_long_check(const at_options *options, const at_task *task, at_error *err);
at_columns at_settings_columns(const at_options *options);     /* text_column, text2_column and, where the command has it, label_column */

#endif
