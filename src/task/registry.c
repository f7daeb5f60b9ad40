#include <string.h>

#include "base/str.h"
#include "task/tasks.h"

static const at_task *const TASKS[] = {&at_task_classify, NULL};

const at_task *at_task_find(const char *name) {
    for (int i = 0; TASKS[i]; i++)
        if (!at_word_index(name, (const char *const[]){TASKS[i]->name, NULL})) return TASKS[i];
    return NULL;
}

const at_task *at_task_of_problem(const char *problem_type) {
    for (int i = 0; TASKS[i]; i++)
        if (!strcmp(TASKS[i]->problem_type, problem_type ? problem_type : "single_label_classification")) return TASKS[i];
    return NULL;
}

const char *const *at_task_names(void) {
    static const char *const NAMES[] = {"classify", NULL};
    return NAMES;
}

at_status at_task_recognise(const at_table *table, const at_columns *wanted, at_arena *arena, const at_task **task,
                            const char **why, at_error *err) {
    at_found_columns found;
    AT_TRY(at_columns_find(table, wanted, 1, arena, &found, why, err));
    *task = &at_task_classify;
    return AT_OK;
}

void at_score_free(at_score *score) {
    json_decref(score->values);
    *score = (at_score){0};
}
