/* Evaluation during a training, and the best state. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/forward.h"
#include "train/training.h"

/* Between the masters and best.copy: one task a weight. */
typedef struct copy_job {
    at_training *r;
    int restore;
} copy_job;

static void copy_weight(void *context, int i) {
    const copy_job *job = context;
    const at_training *r = job->r;
    const at_weight *w = &r->params->weights[i];
    if (!at_optimizer_owns(&r->optimizer, i)) return;
    at_real *live = at_weight_values(r->params, w), *kept = r->best.copy + w->moments;
    if (job->restore) memcpy(live, kept, w->size * sizeof(at_real));
    else memcpy(kept, live, w->size * sizeof(at_real));
}

void at_training_keep_weights(at_training *r) {
    if (r->saver) at_saver_settle(r->saver); /* it may be writing the one that is there */
    at_pool_run(r->setup->pool, copy_weight, &(copy_job){r, 0}, r->params->n);
    r->best.copied = r->now.step;
}

void at_training_restore_weights(at_training *r) {
    if (r->best.copied >= 0) at_pool_run(r->setup->pool, copy_weight, &(copy_job){r, 1}, r->params->n);
}

/* Between two chunks of an evaluation: a pass over a large file may take minutes. */
static int asked_to_stop(void *context, int done) {
    (void)done;
    const at_listener_hooks *hooks = &((const at_training *)context)->setup->hooks;
    return hooks->stop && hooks->stop(hooks->context);
}

static at_status score_eval(at_training *r, at_score *score, at_error *err) {
    const at_trainer_setup *s = r->setup;
    size_t count = at_dataset_outputs(s->eval) * (size_t)s->model->head.n_out;
    float *logits = malloc((count ? count : 1) * sizeof *logits);
    if (!logits) return at_fail_memory(err, count * sizeof *logits);
    at_status st = at_forward_logits(s->model, s->eval, s->backend, s->pool, logits, asked_to_stop, r, err);
    if (!st) st = s->state->task->score(s->state, s->eval, logits, score, err);
    free(logits);
    return st;
}

/* A higher main score; between equal ones the lower loss, which says more on small evaluation sets. */
static int is_better(const at_best *best, const at_score *score) {
    if (!isfinite(score->loss) || isnan(score->main)) return 0;
    if (best->step < 0 || score->main > best->main) return 1;
    return score->main == best->main && score->loss < best->loss;
}

static void keep(at_training *r, const at_score *score) {
    at_best *b = &r->best;
    b->step = r->now.step;
    b->main = score->main;
    b->loss = score->loss;
    b->low = score->low;
    b->high = score->high;
    json_decref(b->values);
    b->values = json_incref(score->values);
    if (r->h.keep_best) at_training_keep_weights(r);
}

at_status at_training_evaluate(at_training *r, at_error *err) {
    at_score score = {0};
    const at_listener_hooks *hooks = &r->setup->hooks;
    int mean = at_training_has_mean(r);
    if (mean) at_training_swap_mean(r);
    at_status st = score_eval(r, &score, err);
    if (mean) at_training_swap_mean(r);
    AT_TRY(st);
    int better = is_better(&r->best, &score);
    int higher = better && (r->best.step < 0 || score.main > r->best.main);
    r->best.no_better = higher ? 0 : r->best.no_better + 1;
    r->best.main_name = score.main_name;
    if (better || r->h.average > 0) keep(r, &score);
    at_log_evaluation(r, &score);
    if (hooks->evaluated) hooks->evaluated(hooks->context, &r->progress, &score, better && r->h.keep_best);
    at_score_free(&score);
    return AT_OK;
}

at_status at_training_best_score(at_training *r, at_score *score, at_error *err) {
    at_best *b = &r->best;
    *score = (at_score){0};
    if (b->step < 0) return AT_OK;
    if (!b->main_name) { /* resumed after the last evaluation: the checkpoint has all but what the task calls it */
        at_score again = {0};
        AT_TRY(score_eval(r, &again, err));
        b->main_name = again.main_name;
        at_score_free(&again);
    }
    *score = (at_score){.values = json_incref(b->values), .main_name = b->main_name, .main = b->main, .loss = b->loss,
                        .low = b->low, .high = b->high};
    return AT_OK;
}
