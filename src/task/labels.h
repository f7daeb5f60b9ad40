/* Names of labels: collected from data, looked up, and what is said where one is not known. */
#ifndef AT_TASK_LABELS_H
#define AT_TASK_LABELS_H

#include "train/task.h"

typedef struct at_label_index at_label_index;

/* The different names of all[n], sorted by name, or by value where all are numbers; `all` is reordered. Names are copied to the arena. */
at_status at_labels_collect(const char **all, size_t n, at_arena *arena, at_labels *labels, at_error *err);

/* NULL: no memory. */
/* The labels with those of `more` behind them that they lack, in its order. */
at_status at_labels_append(at_labels *labels, const char *const *more, int n, at_arena *arena, at_error *err);

at_label_index *at_label_index_make(const at_labels *labels, at_arena *arena);
/* The id of a name, or -1. A model whose labels nobody named (LABEL_0 ...) takes data labelled 0, 1, ... */
int32_t at_label_index_find(const at_label_index *index, const char *name);

/* What a label of the data is called: where there are names, a whole number is the place of one of them; else it is called what it is.
 * AT_BAD_DATA for a number without a name. */
at_status at_label_name(const at_labels *names, const char *path, uint32_t line, const char *label, const char **name, at_error *err);
/* 1 where there are labels and all are whole numbers. */
int at_labels_are_numbers(const at_labels *labels);

/* AT_BAD_DATA: "file:line: label 'postive' is not one of ... Did you mean 'positive'?" */
at_status at_label_unknown(const at_labels *labels, const char *path, uint32_t line, const char *name, at_error *err);

/* Class weights n / (classes * count) from the labels of a dataset, as scikit-learn's "balanced". */
at_status at_labels_balance(const at_task_state *state, const at_dataset *dataset, at_real *weight, at_error *err);

#endif
