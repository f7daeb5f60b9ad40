/* What the numbers of a file's labels are called, where a model says it. */
#ifndef AT_RUN_LABEL_NAMES_H
#define AT_RUN_LABEL_NAMES_H

#include "run/events.h"
#include "train/task.h"

/* Into state->label_names, and told, where none are there yet and all labels of the table are whole numbers that a finished model of this task has names
 * for: as its training was told, or by the id2label that it came with (to train on, only where they go up to its last label). */
at_status at_take_label_names(at_task_state *state, const at_model *model, const at_table *table, const at_columns *wanted, int to_train,
                              const at_listener *listener, at_error *err);

#endif
