/* The tasks. A new one is a file, a line here and a line in registry.c. */
#ifndef AT_TASK_TASKS_H
#define AT_TASK_TASKS_H

#include "task/columns.h"

extern const at_task at_task_classify, at_task_regress, at_task_multi_label, at_task_tag, at_task_mask, at_task_language, at_task_answer,
    at_task_embed, at_task_write;

#endif
