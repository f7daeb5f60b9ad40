/* What the files of the task multi-label share. */
#ifndef AT_TASK_MULTI_LABEL_H
#define AT_TASK_MULTI_LABEL_H

#include "task/columns.h"

struct at_lint;

typedef struct at_multi {
    int by_columns;          /* labels are columns */
    const char *separator;   /* in one cell; NULL: a JSON list */
    double *threshold;       /* [labels.n] */
} at_multi;
static inline at_multi *at_multi_of(const at_task_state *s) { return s->data; }

int at_multi_yes_or_no(at_cell cell);                   /* 0 or 1; -1: neither */
int at_multi_is_list(const at_table *t, int column);    /* most cells are JSON lists */
int at_multi_any_cell_has(const at_table *t, int column, const char *separator);
/* What stands between the labels of a cell, where that leaves fewer names than cells; NULL: nothing that is usual. */
const char *at_multi_usual_separator(const at_table *t, int column);
/* Columns of 0 and 1 beside the text, as a list of names with commas; NULL: fewer than two. */
const char *at_multi_flag_columns(const at_table *t, const at_found_columns *found, at_arena *arena);
at_columns at_multi_texts_only(const at_columns *wanted);
int at_multi_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why);

/* How the labels stand in this table: into the state's at_multi, its columns.label and why; where they are columns of the first table, its
 * labels. */
at_status at_multi_choose_form(at_task_state *s, const at_table *t, const at_columns *wanted, const at_found_columns *texts, int known,
                               at_error *err);
int at_multi_has_columns(const at_task_state *s, const at_table *t); /* one for each label */
/* The state as it reads this table, whose labels may stand in another form than in the first one. Its arena is the caller's to free, after a failure, too. */
at_status at_multi_form_of(const at_task_state *s, const at_table *t, at_task_state *form, at_error *err);
/* d->target of 0 and 1 for the d->n examples. AT_BAD_DATA with the line. */
at_status at_multi_fill(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err);

at_status at_multi_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err);
at_status at_multi_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                         at_score *score, at_error *err);
at_status at_multi_lint(const at_task_state *bound, struct at_lint *lint, at_error *err);

#endif
