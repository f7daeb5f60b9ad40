/* What a training will take, before anything of it is done; and where that is more than there is, what would fit. */
#include <string.h>

#include "base/machine.h"
#include "base/str.h"
#include "run/train_run.h"

/* A way to the same end that takes less, or nearly the same end. */
typedef struct variant {
    const char *option;
    int one_thread, one_lane, frozen_embeddings;
} variant;

static const variant AS_ASKED = {"", 0, 0, 0};
static const variant LESS[] = {
    {"--threads 1", 1, 0, 0},
    {"--lanes 1", 0, 1, 0},
    {"--freeze embeddings", 0, 0, 1},
    {"--lanes 1 --freeze embeddings", 0, 1, 1},
};
enum { N_LESS = sizeof LESS / sizeof *LESS };

/* Beside what the trainer takes: the start of a mean of both steps, and a fold's model beside the one that is kept. */
static size_t beside(const at_train_run *run, const at_model *m) {
    size_t copies = run->mix < 1 && run->method != AT_METHOD_HEAD;
    int folds = run->recipe.judging == AT_JUDGE_FOLDS && run->recipe.tuned_folds && run->method != AT_METHOD_HEAD;
    return (copies + (size_t)folds) * m->params.total * sizeof(at_real);
}

at_status at_train_memory(const at_train_run *run, at_model *model, const at_hyper *hyper, at_pool *pool,
                          at_memory_plan *plan, at_error *err) {
    at_trainer_setup setup = {.model = model, .state = &run->state, .train = run->train, .eval = run->eval, .hyper = hyper,
                              .backend = run->backend, .pool = pool};
    AT_TRY(at_trainer_plan(&setup, plan, err));
    plan->total += beside(run, model);
    return AT_OK;
}

static at_status measure(const at_train_run *run, at_model *m, const variant *v, size_t *bytes, at_error *err) {
    at_hyper hyper = run->hyper;
    at_memory_plan plan;
    at_arena scratch = {0};
    unsigned char *frozen = AT_NEW_ARRAY(&scratch, unsigned char, m->params.n);
    if (!frozen) return at_fail_memory(err, (size_t)m->params.n);
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        frozen[i] = (run->frozen && run->frozen[i]) || (v->frozen_embeddings && !w->is_head && w->depth == 0);
    }
    hyper.frozen = frozen;
    if (v->one_lane) hyper.lanes = 1;
    at_status st = at_train_memory(run, m, &hyper, v->one_thread ? NULL : run->pool, &plan, err);
    size_t there = plan.data + (run->model->params.values ? plan.weights : 0); /* is taken already */
    *bytes = plan.total > there ? plan.total - there : 0;
    at_arena_free(&scratch);
    return st;
}

static at_status too_much(const at_train_run *run, at_model *m, size_t needed, size_t available, at_error *err) {
    at_arena scratch = {0};
    at_str fits = {.arena = &scratch};
    at_status st = AT_OK;
    for (int i = 0; i < N_LESS && !st; i++) {
        size_t bytes;
        if (fits.len && LESS[i].one_lane && LESS[i].frozen_embeddings) break; /* one of them is enough */
        st = measure(run, m, &LESS[i], &bytes, err);
        if (!st && bytes <= available) at_str_addf(&fits, "%s (%.0f MB), ", LESS[i].option, (double)bytes / 1e6);
    }
    if (!st)
        st = at_fail(err, AT_NO_MEMORY,
                     "the training would take %.0f MB more, %.0f MB are free. What fits: %s--method head; a smaller "
                     "--max-length takes less too",
                     (double)needed / 1e6, (double)available / 1e6, fits.text ? fits.text : "");
    at_arena_free(&scratch);
    return st;
}

at_status at_train_memory_check(at_train_run *run, at_model *sizes, at_error *err) {
    size_t needed = 0, available = at_memory_available();
    if (!available || run->method == AT_METHOD_HEAD) return AT_OK;
    AT_TRY(measure(run, sizes, &AS_ASKED, &needed, err));
    return needed > available ? too_much(run, sizes, needed, available, err) : AT_OK;
}
