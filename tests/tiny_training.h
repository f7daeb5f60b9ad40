/* A small training for tests: tiny model, tiny data, the classification task, and what became of it. */
#ifndef AT_TESTS_TINY_TRAINING_H
#define AT_TESTS_TINY_TRAINING_H

#include "tiny_data.h"
#include "tiny_model.h"
#include "train/trainer.h"

typedef struct tiny_training {
    const char *model_folder;
    at_head_kind head;
    at_task task;          /* a copy of the classification task, to be changed */
    at_task_state state;
    at_hyper hyper;
    const at_backend *backend;
    const char *run_folder, *fingerprint;
    int threads, examples, no_eval;
    int stop_before;       /* stop is asked for once so many steps of the process are done, also in the evaluation after them; -1: never */
    int stop_at;           /* the n-th question whether to stop (from 0) is answered with yes; -1: never */
    /* Results. */
    at_status status;
    at_error err;
    int asked, trained, evaluations, steps, best_step, resumed_from, warnings;
    double losses[512], best_main;
    char notes[4096];
    json_t *history;
    float *weights;        /* all masters afterwards */
    size_t n_weights;
} tiny_training;

static inline void tiny_progress(void *context, const at_progress *p) {
    tiny_training *t = context;
    t->trained++;
    if (p->step <= 512) t->losses[p->step - 1] = p->loss;
}

static inline void tiny_evaluated(void *context, const at_progress *p, const at_score *score, int is_best) {
    (void)p, (void)score, (void)is_best;
    ((tiny_training *)context)->evaluations++;
}

static inline void tiny_note(void *context, int warning, const char *sentence) {
    tiny_training *t = context;
    t->warnings += warning;
    size_t len = strlen(t->notes);
    snprintf(t->notes + len, sizeof t->notes - len, "%s\n", sentence);
}

static inline int tiny_stop(void *context) {
    tiny_training *t = context;
    return (t->asked++ == t->stop_at) | (t->trained == t->stop_before);
}

static inline tiny_training tiny_training_new(const char *model_folder) {
    static const char *names[] = {"a", "b", "c"};
    tiny_training t = {.model_folder = model_folder, .head = AT_HEAD_POOLER, .hyper = at_hyper_default(), .threads = 1, .examples = 50,
                       .stop_before = -1, .stop_at = -1, .fingerprint = "test"};
    at_error err;
    check_ok(at_backend_choose(NULL, &t.backend, &err), &err);
    t.task = *at_task_find("classify");
    t.state.labels.name = names;
    t.state.labels.n = t.state.n_out = 3;
    t.hyper.learning_rate = 2e-3;
    t.hyper.weight_decay = 0.01;
    t.hyper.batch_size = 8;
    t.hyper.num_train_epochs = 3;
    t.hyper.warmup_ratio = 0.1;
    t.hyper.logging_steps = 3;
    return t;
}

static inline void tiny_training_free(tiny_training *t) {
    json_decref(t->history);
    free(t->weights);
    t->history = NULL;
    t->weights = NULL;
}

static inline void tiny_training_run(tiny_training *t) {
    at_pool *pool;
    at_train_result result = {0};
    at_model *model = tiny_model_open(t->model_folder, t->head);
    at_dataset *train = tiny_dataset(t->examples, 30, TINY_VOCAB, 3), *eval = tiny_dataset(23, 20, TINY_VOCAB, 3);
    check_ok(at_pool_open(&pool, t->threads, &t->err), &t->err);
    tiny_training_free(t);
    t->state.task = &t->task;
    t->asked = t->trained = t->evaluations = t->warnings = 0;
    t->notes[0] = '\0';
    const at_trainer_setup setup = {.model = model, .state = &t->state, .train = train, .eval = t->no_eval ? NULL : eval,
                                    .hyper = &t->hyper, .backend = t->backend, .pool = pool, .folder = t->run_folder,
                                    .fingerprint = t->fingerprint,
                                    .hooks = {t, tiny_progress, tiny_evaluated, tiny_note, tiny_stop}};
    t->status = at_trainer_run(&setup, &result, &t->err);
    t->steps = result.steps;
    t->best_step = result.best_step;
    t->best_main = result.best_main;
    t->resumed_from = result.resumed_from;
    t->history = result.history;
    at_score_free(&result.best);
    t->n_weights = model->params.total;
    t->weights = malloc(t->n_weights * sizeof *t->weights);
    memcpy(t->weights, model->params.values, t->n_weights * sizeof *t->weights);
    at_pool_close(pool);
    at_dataset_close(train);
    at_dataset_close(eval);
    at_model_close(model);
}

/* The log without its last entry, which holds wall-clock times. */
static inline char *tiny_history(const tiny_training *t) {
    json_t *copy = json_deep_copy(t->history);
    json_array_remove(copy, json_array_size(copy) - 1);
    char *text = json_dumps(copy, JSON_COMPACT);
    json_decref(copy);
    return text;
}

static inline void tiny_same_training(const tiny_training *a, const tiny_training *b) {
    if (a->status || b->status) fail_msg("%d %s / %d %s", (int)a->status, a->err.text, (int)b->status, b->err.text);
    assert_memory_equal(a->weights, b->weights, a->n_weights * sizeof *a->weights);
    assert_int_equal(a->steps, b->steps);
    assert_int_equal(a->best_step, b->best_step);
    char *first = tiny_history(a), *second = tiny_history(b);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

#endif
