#include "tensor/half_copies.h"

#include <stdlib.h>

#include "base/arena.h"

static int has_copy(const at_weight *w) { return w->kind == AT_WEIGHT_LINEAR && !w->is_head; }

static size_t copies_size(const at_params *p, int backward) {
    size_t size = 0;
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        if (has_copy(w)) size += at_half_panels_size(w->in, w->out) * (backward ? 2 : 1);
    }
    return size;
}

size_t at_half_copies_bytes(const at_params *p, const at_half *half, int backward) {
    return half ? copies_size(p, backward) * sizeof(uint16_t) : 0;
}

static void place(at_half_copies *c, const at_params *p, int backward) {
    size_t next = 0;
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        size_t size = at_half_panels_size(w->in, w->out);
        int has = has_copy(w);
        c->forward[i] = has ? next : AT_NO_GRADIENT;
        c->backward[i] = has && backward ? next + size : AT_NO_GRADIENT;
        if (has) next += backward ? 2 * size : size;
    }
}

at_status at_half_copies_open(at_half_copies **out, const at_params *p, const at_half *half, int backward, at_error *err) {
    *out = NULL;
    if (!half) return AT_OK;
    at_half_copies *c = calloc(1, sizeof *c);
    if (!c) return at_fail_memory(err, sizeof *c);
    *c = (at_half_copies){.half = half, .bytes = at_half_copies_bytes(p, half, backward) + 64, .weights = p->weights, .n = p->n};
    c->forward = calloc((size_t)p->n + 1, sizeof *c->forward);
    c->backward = calloc((size_t)p->n + 1, sizeof *c->backward);
    c->values = at_pages_take(c->bytes);
    if (!c->forward || !c->backward || !c->values) {
        size_t bytes = c->bytes;
        at_half_copies_close(c);
        return at_fail_memory(err, bytes);
    }
    place(c, p, backward);
    *out = c;
    return AT_OK;
}

void at_half_copies_close(at_half_copies *c) {
    if (!c) return;
    at_pages_return(c->values, c->bytes);
    free(c->forward);
    free(c->backward);
    free(c);
}

typedef struct refresh_job {
    at_half_copies *copies;
    const at_params *params;
    int only_trainable;
} refresh_job;

static void refresh_weight(void *context, int i) {
    const refresh_job *job = context;
    at_half_copies *c = job->copies;
    const at_weight *w = &job->params->weights[i];
    if (c->forward[i] == AT_NO_GRADIENT || (job->only_trainable && w->moments == AT_NO_GRADIENT)) return;
    c->half->pack(at_weight_values(job->params, w), w->out, w->in, c->values + c->forward[i],
                  c->backward[i] == AT_NO_GRADIENT ? NULL : c->values + c->backward[i]);
}

void at_half_copies_refresh(at_half_copies *c, const at_params *p, int only_trainable, at_pool *pool) {
    if (c) at_pool_run(pool, refresh_weight, &(refresh_job){c, p, only_trainable}, p->n);
}
