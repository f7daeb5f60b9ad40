/* Where answers go: rows of the input with label, score and every probability added, as text, JSONL, CSV or TSV, into a file (whole or
 * not at all) or as events. A column of the input that has the name of one of the answer's keeps it; the answer's is then predicted_NAME. */
#ifndef AT_RUN_ANSWERS_H
#define AT_RUN_ANSWERS_H

#include "base/file.h"
#include "io/table_write.h"
#include "run/session.h"

typedef enum at_answer_format { AT_ANSWER_AUTO, AT_ANSWER_TEXT, AT_ANSWER_JSONL, AT_ANSWER_CSV, AT_ANSWER_TSV } at_answer_format;

typedef struct at_answers {
    const at_session *session;
    const at_listener *listener;
    at_answer_format format;
    at_arena arena;
    at_arena row;                   /* one row's text, rewound after it */
    at_writer *writer;              /* NULL: events */
    const char *const *column;      /* [n_columns] of the input */
    int n_columns;
    const char *label, *score, *probabilities; /* names of what is added; probabilities in JSONL, else */
    const char **probability;                  /* [labels] */
    int label_width;
    long rows;
} at_answers;

/* path NULL: events. The format auto is settled by the path's ending, then by `like` (the input's format). */
at_status at_answers_open(at_answers *answers, const at_session *session, const at_listener *listener, at_answer_format format,
                          const char *path, at_table_format like, const char *const *column, int n_columns, at_error *err);
at_status at_answers_add(at_answers *answers, const at_cell *cells, const float *logits, at_error *err);
at_status at_answers_commit(at_answers *answers, at_error *err);
void at_answers_close(at_answers *answers); /* what was not committed is gone */

#endif
