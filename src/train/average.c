/* The mean of the weights over the last part of a training. While the rate falls the weights wander about what the examples agree on; their mean lies
 * nearer to it than the last of them (Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization").
 *
 * It is made where a best state would be kept. Steps that follow each other differ little and every one that is taken is a pass over all weights, so only
 * some are: which ones follows from the step's number alone, and a run that goes on has the same mean. */
#include <string.h>

#include "train/training.h"

enum { SAMPLES = 64 }; /* at least, where there are so many steps */

static int first_step(const at_training *r) { return r->n_steps - (int)(r->h.average * r->n_steps); }

static int stride(const at_training *r) {
    int apart = (r->n_steps - first_step(r)) / SAMPLES;
    return apart > 1 ? apart : 1;
}

/* Of the steps after the first one those that are a multiple of the stride before the end; how many were up to the present one. */
static int samples(const at_training *r) {
    int left = r->n_steps - r->now.step, all = r->n_steps - first_step(r);
    if (!(r->h.average > 0) || left >= all) return 0;
    return (all - 1) / stride(r) + 1 - (left > 0 ? (left - 1) / stride(r) + 1 : 0);
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

int at_training_has_mean(const at_training *r) { return samples(r) > 0; }

void at_training_average(at_training *r) {
    int n = samples(r);
    if (!n || (r->n_steps - r->now.step) % stride(r)) return;
    if (n == 1) {
        at_training_keep_weights(r);
        return;
    }
    average_job job = {r, (at_real)(1.0 / n)};
    at_pool_run(r->setup->pool, average_weight, &job, r->params->n);
    r->best.copied = r->now.step;
}

void at_training_swap_mean(at_training *r) { at_pool_run(r->setup->pool, swap_weight, &(average_job){r, 0}, r->params->n); }
