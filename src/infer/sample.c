#include "infer/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

at_status at_chooser_make(at_chooser *s, at_arena *arena, const at_sampling *how, int n, at_error *err) {
    *s = (at_chooser){.how = *how, .n = n, .candidate = AT_NEW_ARRAY(arena, at_candidate_token, n),
                      .seen = AT_NEW_ARRAY(arena, unsigned char, n)};
    return s->candidate && s->seen ? AT_OK : at_fail_memory(err, (size_t)n * sizeof *s->candidate);
}

void at_chooser_see(at_chooser *s, const int32_t *ids, int n) {
    for (int i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < s->n) s->seen[ids[i]] = 1;
}

void at_chooser_forget(at_chooser *s) { memset(s->seen, 0, (size_t)s->n); }

static void penalise(const at_chooser *s, at_real *logits) {
    at_real by = (at_real)s->how.repetition_penalty;
    if (s->how.repetition_penalty == 1) return;
    for (int i = 0; i < s->n; i++)
        if (s->seen[i]) logits[i] = logits[i] < 0 ? logits[i] * by : logits[i] / by;
}

/* Falling logits; of equal ones the lower id first. */
static int by_logit(const void *left, const void *right) {
    const at_candidate_token *a = left, *b = right;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The k-th largest logit, by a heap of the k largest whose root is the smallest of them. */
static at_real kth_largest(const at_real *logits, int n, int k, at_candidate_token *heap) {
    for (int i = 0; i < n; i++) {
        int at;
        if (i < k) { /* rises from the end */
            for (at = i; at && heap[(at - 1) / 2].logit > logits[i]; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
            heap[at].logit = logits[i];
        } else if (logits[i] > heap[0].logit) { /* sinks from the root */
            for (at = 0;;) {
                int child = 2 * at + 1;
                if (child + 1 < k && heap[child + 1].logit < heap[child].logit) child++;
                if (child >= k || heap[child].logit >= logits[i]) break;
                heap[at] = heap[child];
                at = child;
            }
            heap[at].logit = logits[i];
        }
    }
    return heap[0].logit;
}

static void keep_best(at_chooser *s, const at_real *logits) {
    int best = 0;
    for (int i = 1; i < s->n; i++)
        if (logits[i] > logits[best]) best = i;
    s->candidate[0] = (at_candidate_token){1, logits[best], best};
    s->kept = 1;
}

static void keep_from(at_chooser *s, const at_real *logits, at_real least) {
    s->kept = 0;
    for (int i = 0; i < s->n; i++)
        if (logits[i] >= least) s->candidate[s->kept++] = (at_candidate_token){0, logits[i], i};
}

static void softmax(at_chooser *s) {
    double largest = (double)s->candidate[0].logit, sum = 0;
    for (int i = 0; i < s->kept; i++) sum += s->candidate[i].probability = exp((double)s->candidate[i].logit - largest);
    for (int i = 0; i < s->kept; i++) s->candidate[i].probability /= sum;
}

/* The fewest that reach p: a token stays where those before it have not reached it. */
static void cut_top_p(at_chooser *s) {
    double before = 0;
    int n = 0;
    if (s->how.top_p >= 1) return;
    while (n < s->kept && (n == 0 || before < s->how.top_p)) before += s->candidate[n++].probability;
    s->kept = n;
    softmax(s);
}

static void cut_min_p(at_chooser *s) {
    double least = s->how.min_p * s->candidate[0].probability;
    int n = 1;
    if (s->how.min_p <= 0) return;
    while (n < s->kept && s->candidate[n].probability >= least) n++;
    s->kept = n;
    softmax(s);
}

at_status at_logits_check(const at_real *logits, int n, at_error *err) {
    for (int i = 0; i < n; i++)
        if (!isfinite(logits[i]))
            return at_fail(err, AT_BAD_MODEL, "the model's logit of token %d is not a finite number; its weights are damaged", i);
    return AT_OK;
}

at_status at_chooser_filter(at_chooser *s, at_real *logits, at_error *err) {
    const at_sampling *how = &s->how;
    AT_TRY(at_logits_check(logits, s->n, err));
    penalise(s, logits);
    if (how->temperature <= 0) {
        keep_best(s, logits);
        return AT_OK;
    }
    for (int i = 0; i < s->n; i++) logits[i] = (at_real)((double)logits[i] / how->temperature);
    int k = how->top_k > 0 && how->top_k < s->n ? how->top_k : 0;
    keep_from(s, logits, k ? kth_largest(logits, s->n, k, s->candidate) : -(at_real)INFINITY);
    qsort(s->candidate, (size_t)s->kept, sizeof *s->candidate, by_logit);
    softmax(s);
    cut_top_p(s);
    cut_min_p(s);
    return AT_OK;
}

int32_t at_chooser_draw(const at_chooser *s, uint64_t step) {
    double u = at_random_uniform(at_random_key(s->how.seed, AT_SITE_SAMPLE, step), 0), sum = 0;
    for (int i = 0; i < s->kept - 1; i++) {
        sum += s->candidate[i].probability;
        if (u < sum) return s->candidate[i].id;
    }
    return s->candidate[s->kept - 1].id;
}
