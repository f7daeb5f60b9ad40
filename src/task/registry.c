#include <string.h>

#include "base/str.h"
#include "task/tasks.h"

/* In the order in which data and models are asked whether they are theirs; what takes any two columns comes last. */
static const at_task *const TASKS[] = {&at_task_answer,      &at_task_write,   &at_task_embed,    &at_task_tag, &at_task_mask,     &at_task_language,
                                       &at_task_multi_label, &at_task_regress, &at_task_classify, NULL};

const at_task *at_task_find(const char *name) {
    for (int i = 0; TASKS[i]; i++)
        if (!strcmp(TASKS[i]->name, name)) return TASKS[i];
    return NULL;
}

/* transformers' own rule where no problem_type is given: one output is a number, several are classes. */
static const char *problem_of(const at_model *m) {
    if (m->problem_type) return m->problem_type;
    return m->head.n_out == 1 ? "regression" : "single_label_classification";
}

static int fits(const at_task *task, const at_model *m) {
    int writes = m->arch.decoder.layers > 0 && m->head.kind == AT_HEAD_LM;
    return task->two_stacks == writes && at_task_has_head(task, m->head.kind);
}

const at_task *at_task_of_model(const at_model *m) {
    const char *name = json_string_value(json_object_get(json_object_get(m->config, "attune"), "task"));
    const at_task *task = name ? at_task_find(name) : NULL;
    if (task && fits(task, m)) return task;
    for (int i = 0; TASKS[i]; i++)
        if (fits(TASKS[i], m) && (!TASKS[i]->problem_type || !strcmp(TASKS[i]->problem_type, problem_of(m))))
            return TASKS[i];
    return NULL;
}

const at_task *at_task_of_stacks(int two) {
    for (int i = 0; TASKS[i]; i++)
        if (TASKS[i]->two_stacks == two) return TASKS[i];
    return NULL;
}

const char *const *at_task_names(void) {
    static const char *const NAMES[] = {"classify", "regress", "multi-label", "tag", "mask", "language", "answer", "embed", "write", NULL};
    return NAMES;
}

at_status at_task_recognise(const at_table *table, const at_columns *wanted, at_arena *arena, const at_task **task,
                            const char **why, at_error *err) {
    at_found_columns found;
    for (int i = 0; TASKS[i]; i++) {
        if (!TASKS[i]->recognise || !TASKS[i]->recognise(table, wanted, arena, why)) continue;
        *task = TASKS[i];
        return *why ? AT_OK : at_fail_memory(err, 0);
    }
    AT_TRY(at_columns_find(table, wanted, 1, arena, &found, why, err));
    *task = &at_task_classify;
    return AT_OK;
}
