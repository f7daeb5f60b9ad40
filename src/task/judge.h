/* Judging answers that any program gave: what the tasks' `judge` share. */
#ifndef AT_TASK_JUDGE_H
#define AT_TASK_JUDGE_H

#include "train/task.h"

/* Names that answers go by, where attune or another program wrote them; NULL ends them. */
extern const char *const at_judge_names[];

/* Where the right answers and those to be judged stand. right: the column named by `wanted`, the only one, or that of a label; answers:
 * `column`, predicted_NAME (attune's own, NAME being the right answers' column), one of `usual`, one of at_judge_names, NAME, or the only
 * one. AT_USAGE with the columns that there are. */
at_status at_judge_columns(const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                           const char *const *usual, int *right_column, int *answer_column, at_error *err);
/* The second half of it. */
at_status at_judge_answer_column(const at_table *answers, const char *column, const char *const *usual, const char *right_name,
                                 int *answer_column, at_error *err);

/* A label of a row; an empty cell is AT_BAD_DATA. `what` in words: "answer". */
at_status at_judge_label(const at_table *table, int row, int column, const char *what, const char **label, at_error *err);

/* The labels that the answers' probabilities are of, in the arena; *n is 0 where there are none. */
at_status at_judge_probable(const at_table *answers, at_arena *arena, const char ***name, int *n, at_error *err);
/* The probabilities of the labels, [labels->n], from a JSON object `probabilities` or columns probability_LABEL; returns 1 where all are
 * there. */
int at_judge_probabilities(const at_table *answers, int row, const at_labels *labels, double *probability);

#endif
