/* Which columns of a table are texts and which is the label: by the user's word, by usual names, by shape. */
#ifndef AT_TASK_COLUMNS_H
#define AT_TASK_COLUMNS_H

#include "train/task.h"

typedef struct at_found_columns {
    int text, text2, label; /* indices, -1: none */
} at_found_columns;

/* text2 "none": there is one text. need_label 0: a table without a label is fine. *why gets one sentence in the arena. A column that was named and is not there:
 * AT_USAGE with the columns that are there and the nearest. */
at_status at_columns_find(const at_table *table, const at_columns *wanted, int need_label, at_arena *arena,
                          at_found_columns *found, const char **why, at_error *err);

/* Their names, with commas between, in the arena. */
const char *at_columns_list(const at_table *table, at_arena *arena);
/* Whether a column of this name usually holds texts: "text", "premise", ... */
int at_columns_is_text(const char *name);
enum { AT_QUESTION_NAME = 96 };
/* "question 'ID': ", by which messages name a row beside its line, into `name`; "" where there is no id (column -1: no such column). */
const char *at_question_name(const at_table *table, int row, int column, char name[AT_QUESTION_NAME]);
/* White space: Unicode's, and what is below it in ASCII. */
int at_is_white(uint32_t cp);
/* Nothing but white space: such a text is empty, for training and for the lint. */
int at_cell_is_blank(at_cell cell);
/* Empty, or a word for no number ("nan", "inf", "NA", ...). */
int at_cell_no_number(at_cell cell);
/* The number in a cell, or AT_BAD_DATA with its line. */
at_status at_column_number(const at_table *table, int row, int column, double *value, at_error *err);

#endif
