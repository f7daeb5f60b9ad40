/* The mean of the weights over the last part of a training. While the rate falls the weights wander about what the examples agree on; their mean lies
 * nearer to it than the last of them (Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization").
 *
 * It is made where a best state would be kept. Steps that follow each other differ little and every one that is taken is a pass over all weights, so only
 * some are, by the step's number, and a run that goes on has the same mean. */
#include <math.h>

#include "train/training.h"

enum { SAMPLES = 64 }; /* at least, where there are so many steps */

/* Steps that the mean is of, the last ones. */
static int last_steps(const at_training *r) {
    int n = (int)lround(r->h.average * r->n_steps);
    return n > 1 ? n : 1;
}

static int is_due(const at_training *r) {
    int last = last_steps(r), left = r->n_steps - r->now.step, apart = last / SAMPLES > 1 ? last / SAMPLES : 1;
    return r->h.average > 0 && left < last && left % apart == 0;
}

typedef struct average_job {
    at_training *r;
    at_real share; /* of the new sample */
} average_job;

static void average_weight(void *context, int i) {
    const average_job *job = context;
    const at_training *r = job->r;
    const at_weight *w = &r->params->weights[i];
    if (!at_optimizer_owns(&r->optimizer, i)) return;
    at_real *live = at_weight_values(r->params, w), *mean = r->best.copy + w->moments, share = job->share;
    for (size_t e = 0; e < w->size; e++) mean[e] += share * (live[e] - mean[e]);
}

static void swap_weight(void *context, int i) {
    const average_job *job = context;
    const at_training *r = job->r;
    const at_weight *w = &r->params->weights[i];
    if (!at_optimizer_owns(&r->optimizer, i)) return;
    at_real *live = at_weight_values(r->params, w), *mean = r->best.copy + w->moments;
    for (size_t e = 0; e < w->size; e++) {
        at_real x = live[e];
        live[e] = mean[e];
        mean[e] = x;
    }
}

int at_training_has_mean(const at_training *r) { return r->now.averaged > 0; }

/* Not after a step that was not taken: what broke it may lie in the weights. */
void at_training_average(at_training *r) {
    if (!is_due(r) || r->now.bad) return;
    if (r->now.averaged++ == 0) {
        at_training_keep_weights(r);
        return;
    }
    average_job job = {r, (at_real)(1.0 / r->now.averaged)};
    at_pool_run(r->setup->pool, average_weight, &job, r->params->n);
    r->best.copied = r->now.step;
}

void at_training_swap_mean(at_training *r) { at_pool_run(r->setup->pool, swap_weight, &(average_job){r, 0}, r->params->n); }
