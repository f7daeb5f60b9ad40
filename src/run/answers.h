/* Where answers go: rows of the input with the task's answer added, as text, JSONL, CSV, TSV or a form of the task's own, into a file
 * (whole or not at all) or as events. A column of the input that has the name of one of the answer's keeps it; the answer's is then
 * predicted_NAME. */
#ifndef AT_RUN_ANSWERS_H
#define AT_RUN_ANSWERS_H

#include "base/file.h"
#include "io/table_write.h"
#include "run/session.h"

enum { AT_ANSWER_FIELDS = 8 };

typedef struct at_answers {
    const at_session *session;
    const at_listener *listener;
    at_answer_format format;
    at_arena arena;
    at_arena row;                   /* one row's text, rewound after it */
    at_writer *writer;              /* NULL: events */
    const at_table *like;           /* its columns and its format are the input's */
    const char *name[AT_ANSWER_FIELDS]; /* of the task's fields, as they are written */
    int left_out[AT_ANSWER_FIELDS];     /* 1: the input has it already */
    const char **label;             /* [labels] names of the columns of a field of labels where a table is flat */
    int width;                      /* of a label in the lines for a person */
    at_writing_wishes wishes;       /* of a text that is written */
    long rows, cut_rows;            /* answered; of them too long, so that a part was not read */
    long unanswered;                /* of them, those with nothing to answer (at_task.unanswered) */
    uint64_t cut_tokens;
} at_answers;

/* path NULL: events. The format auto is settled by the path's ending, then by the task and by `like`, which must live as long as the
 * answers. AT_USAGE for a format that the task does not have. */
at_status at_answers_open(at_answers *answers, const at_session *session, const at_listener *listener, at_answer_format format,
                          const char *path, const at_table *like, at_error *err);
/* Into folder/predictions.ENDING, in the format of the table. */
at_status at_answers_open_in(at_answers *answers, const at_session *session, const at_listener *listener, const char *folder,
                             const at_table *like, at_error *err);
at_status at_answers_add(at_answers *answers, const at_answered *row, at_error *err);
at_status at_answers_commit(at_answers *answers, at_error *err);
void at_answers_close(at_answers *answers); /* what was not committed is gone */

#endif
