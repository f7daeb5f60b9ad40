#include "infer/beam.h"

#include <math.h>
#include <string.h>

#include "infer/rules.h"

/* transformers' word for "not there", in the float32 that it reckons with: texts that do not count lose as much as no text can be worth. */
static const float LOST = -1e9F;

/* One of the best continuations of a step. */
typedef struct candidate {
    float score; /* the sum of the logarithms */
    int parent;  /* of the running texts */
    int32_t id;
    int stops;   /* an end, or the last token that there is room for */
} candidate;

typedef struct text {
    int32_t *ids; /* [n_prompt + most_new] */
    int n;        /* new ones */
    float score;  /* of a finished text: divided by its length's power */
    int done;     /* of a finished one: it is a text, and not a place for one */
} text;

typedef struct searching {
    const at_beam_search *s;
    int beams, keep;            /* keep: candidates of a step */
    text *running, *finished, *spare; /* [beams] each */
    candidate *best;            /* [keep], the best first */
    int n_best;
    int *order;                 /* [beams + keep] */
    float *rank;                /* [beams + keep] what `order` sorts */
    at_real *scores;            /* [n_words] */
    unsigned char *seen;        /* [n_words] 0 between calls */
    int *parent;                /* [beams] */
    int32_t *next;              /* [beams] */
    int improvable;             /* a running text may still become better than the finished ones */
} searching;

/* ---- memory ---- */

static int make_texts(const searching *r, at_arena *arena, text **texts) {
    *texts = AT_NEW_ARRAY(arena, text, r->beams);
    for (int i = 0; *texts && i < r->beams; i++) {
        int32_t *ids = (*texts)[i].ids = AT_NEW_ARRAY(arena, int32_t, r->s->n_prompt + r->s->options->most_new);
        if (!ids) return 0;
        memcpy(ids, r->s->prompt, (size_t)r->s->n_prompt * sizeof *ids);
        (*texts)[i].score = LOST;
    }
    return *texts != NULL;
}

/* So many candidates that as many texts as there are beams go on, whatever ends the others. */
static int candidates_of(const at_beam_search *s) {
    int each = 1 + s->options->n_end;
    if (each < 2) each = 2;
    return each < s->n_words ? each * s->options->beams.n : s->n_words * s->options->beams.n;
}

static at_status start(searching *r, at_arena *arena, at_error *err) {
    const at_beam_search *s = r->s;
    r->beams = s->options->beams.n;
    r->keep = candidates_of(s);
    r->best = AT_NEW_ARRAY(arena, candidate, r->keep);
    r->order = AT_NEW_ARRAY(arena, int, r->beams + r->keep);
    r->rank = AT_NEW_ARRAY(arena, float, r->beams + r->keep);
    r->scores = AT_NEW_ARRAY(arena, at_real, s->n_words);
    r->seen = AT_NEW_ARRAY(arena, unsigned char, s->n_words);
    r->parent = AT_NEW_ARRAY(arena, int, r->beams);
    r->next = AT_NEW_ARRAY(arena, int32_t, r->beams);
    int texts = make_texts(r, arena, &r->running) && make_texts(r, arena, &r->finished) && make_texts(r, arena, &r->spare);
    if (!texts || !r->best || !r->order || !r->rank || !r->scores || !r->seen || !r->parent || !r->next)
        return at_fail_memory(err, (size_t)s->n_words * sizeof *r->scores);
    r->running[0].score = 0; /* all are the prompt; one of them counts */
    r->improvable = 1;
    return AT_OK;
}

/* ---- scores of the next words ---- */

static void take_logarithms(const at_real *logits, int n, at_real *scores) {
    at_real largest = logits[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > largest) largest = logits[i];
    for (int i = 0; i < n; i++) sum += exp((double)(logits[i] - largest));
    double all = (double)largest + log(sum);
    for (int i = 0; i < n; i++) scores[i] = (at_real)((double)logits[i] - all);
}

/* Each token of the text once. */
static void penalise(const searching *r, const text *t) {
    double by = r->s->repetition_penalty;
    int n = r->s->n_prompt + t->n;
    if (by == 1) return;
    for (int i = 0; i < n; i++) {
        at_real *score = &r->scores[t->ids[i]];
        if (!r->seen[t->ids[i]]) *score = (at_real)((double)*score * (*score < 0 ? by : 1 / by));
        r->seen[t->ids[i]] = 1;
    }
    for (int i = 0; i < n; i++) r->seen[t->ids[i]] = 0;
}

static void score_words(const searching *r, const text *t, const at_real *logits) {
    const at_beam_search *s = r->s;
    const at_real never = -(at_real)INFINITY;
    const int32_t *forced = at_rules_forced(s->options, t->n);
    take_logarithms(logits, s->n_words, r->scores);
    penalise(r, t);
    at_rules_forbid(s->options, t->ids, s->n_prompt, t->n, never, r->scores, s->n_words);
    if (!forced) return;
    for (int i = 0; i < s->n_words; i++) r->scores[i] = i == *forced ? 0 : never;
}

/* ---- the best continuations ---- */

/* Into the list of the best; of equal ones the earlier is better. */
static void add_candidate(searching *r, candidate c) {
    int at = r->n_best;
    if (at == r->keep && !(c.score > r->best[at - 1].score)) return;
    if (at == r->keep) at--;
    else r->n_best++;
    for (; at && c.score > r->best[at - 1].score; at--) r->best[at] = r->best[at - 1];
    r->best[at] = c;
}

/* `one`: all running texts are the prompt, whose logits are there once. */
static at_status find_best(searching *r, const at_real *logits, int one, at_error *err) {
    const at_beam_search *s = r->s;
    r->n_best = 0;
    for (int b = 0; b < r->beams; b++) {
        const text *t = &r->running[b];
        const at_real *own = logits + (one ? 0 : (size_t)b * (size_t)s->n_words);
        AT_TRY(at_logits_check(own, s->n_words, err));
        score_words(r, t, own);
        for (int32_t i = 0; i < s->n_words; i++) add_candidate(r, (candidate){(float)r->scores[i] + t->score, b, i, 0});
    }
    int last = r->running[0].n + 1 == s->options->most_new;
    for (int k = 0; k < r->n_best; k++) r->best[k].stops = last || at_rules_ends(s->options, r->best[k].id);
    return AT_OK;
}

/* The indices of the `beams` largest of rank [n]; of equal ones the first. */
static void choose(searching *r, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        int at = kept;
        if (kept == r->beams && !(r->rank[i] > r->rank[r->order[kept - 1]])) continue;
        if (kept == r->beams) at--;
        else kept++;
        for (; at && r->rank[i] > r->rank[r->order[at - 1]]; at--) r->order[at] = r->order[at - 1];
        r->order[at] = i;
    }
}

static void extend(const searching *r, text *to, const candidate *c, float score, int done) {
    const text *from = &r->running[c->parent];
    size_t n = (size_t)(r->s->n_prompt + from->n);
    memcpy(to->ids, from->ids, n * sizeof *to->ids);
    to->ids[n] = c->id;
    to->n = from->n + 1;
    to->score = score;
    to->done = done;
}

/* The texts that go on: the best that do not stop. */
static void go_on(searching *r) {
    for (int k = 0; k < r->n_best; k++) r->rank[k] = r->best[k].score + (r->best[k].stops ? LOST : 0);
    choose(r, r->n_best);
    for (int b = 0; b < r->beams; b++) {
        const candidate *c = &r->best[r->order[b]];
        extend(r, &r->spare[b], c, r->rank[r->order[b]], 0);
        r->parent[b] = c->parent;
        r->next[b] = c->id;
    }
    text *before = r->running;
    r->running = r->spare;
    r->spare = before;
}

static int all_done(const searching *r) {
    int done = 0;
    for (int b = 0; b < r->beams; b++) done += r->finished[b].done;
    return done == r->beams;
}

static float of_length(const searching *r, int n) { return (float)pow(n, r->s->options->beams.length_penalty); }

/* The best of the finished texts and of those that stop now; only the first candidates may. */
static void settle(searching *r) {
    int full = all_done(r) && r->s->options->beams.early == AT_EARLY_YES;
    float length = of_length(r, r->running[0].n + 1);
    for (int b = 0; b < r->beams; b++) r->rank[b] = r->finished[b].score;
    for (int k = 0; k < r->n_best; k++) {
        float score = r->best[k].score / length;
        if (full) score += LOST;
        if (!r->improvable) score += LOST;
        if (k >= r->beams || !r->best[k].stops) score += LOST;
        r->rank[r->beams + k] = score;
    }
    choose(r, r->beams + r->n_best);
    for (int b = 0; b < r->beams; b++) {
        int from = r->order[b], k = from - r->beams;
        if (k >= 0) extend(r, &r->spare[b], &r->best[k], r->rank[from], k < r->beams && r->best[k].stops);
        else {
            text *to = &r->spare[b], own = *to;
            *to = r->finished[from];
            to->ids = own.ids;
            memcpy(to->ids, r->finished[from].ids, (size_t)(r->s->n_prompt + to->n) * sizeof *to->ids);
        }
    }
    text *before = r->finished;
    r->finished = r->spare;
    r->spare = before;
}

/* ---- when to stop ---- */

/* What the best running text can become at most, as `early` has it, against the worst finished one. */
static int may_improve(const searching *r) {
    const at_beams *how = &r->s->options->beams;
    int longest = how->early == AT_EARLY_NEVER && how->length_penalty > 0;
    float possible = r->running[0].score / of_length(r, longest ? r->s->options->most_new : r->running[0].n), worst = r->finished[0].score;
    int any = 0;
    for (int b = 1; b < r->beams; b++)
        if (r->finished[b].score < worst) worst = r->finished[b].score;
    for (int b = 0; b < r->beams; b++) any |= possible > (r->finished[b].done ? worst : LOST);
    return any;
}

static int is_over(searching *r) {
    int stops = 0;
    for (int k = 0; k < r->n_best; k++) stops += r->best[k].stops;
    r->improvable = r->improvable && may_improve(r);
    return !r->improvable || stops == r->n_best || (all_done(r) && r->s->options->beams.early == AT_EARLY_YES);
}

static void give(const searching *r, int32_t *ids, int *n, at_finish *finish) {
    const text *t = &r->finished[0];
    const int32_t *own = t->ids + r->s->n_prompt;
    int ended = t->n > 0 && at_rules_ends(r->s->options, own[t->n - 1]);
    *finish = ended ? AT_FINISH_END : AT_FINISH_LENGTH;
    *n = t->n - ended;
    memcpy(ids, own, (size_t)*n * sizeof *ids);
}

static int is_asked_to_end(const at_continuation_options *o) { return o->listen && o->listen(o->context, "", 0); }

at_status at_beam_search_run(const at_beam_search *s, const at_real *logits, at_arena *arena, int32_t *ids, int *n, at_finish *finish,
                             at_error *err) {
    searching r = {.s = s};
    AT_TRY(start(&r, arena, err));
    for (int first = 1;; first = 0) {
        at_real *next;
        AT_TRY(find_best(&r, logits, first, err));
        settle(&r); /* reads the running texts, so before they go on */
        go_on(&r);
        if (is_over(&r)) break;
        if (is_asked_to_end(s->options)) {
            *finish = AT_FINISH_ASKED;
            *n = 0;
            return AT_OK;
        }
        for (int b = 0; b < r.beams && first; b++) r.parent[b] = 0;
        AT_TRY(at_generator_branch(s->generator, r.parent, r.next, r.beams, &next, err));
        logits = next;
    }
    give(&r, ids, n, finish);
    return AT_OK;
}
