#include "task/metric_tag.h"

#include <stdlib.h>
#include <string.h>

enum { MANY_SENTENCES = 5000 };

/* ---- types ---- */

typedef struct tally {
    const char *name;
    long hits, predicted, support;
} tally;

typedef struct tallies {
    tally *of;  /* [n] */
    int n, cap;
    at_arena *arena;
    tally nowhere; /* where memory ran out */
    int failed;
} tallies;

/* The tally of a name; the one before is the likeliest. */
static tally *find(tallies *t, const char *name, int *last) {
    if (*last < t->n && !strcmp(t->of[*last].name, name)) return &t->of[*last];
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->of[i].name, name)) return &t->of[*last = i];
    if (t->n == t->cap) {
        int cap = 2 * t->cap + 32;
        tally *more = AT_NEW_ARRAY(t->arena, tally, cap);
        if (!more) {
            t->failed = 1;
            return &t->nowhere;
        }
        if (t->n) memcpy(more, t->of, (size_t)t->n * sizeof *more);
        t->of = more;
        t->cap = cap;
    }
    *last = t->n;
    t->of[t->n] = (tally){.name = name};
    return &t->of[t->n++];
}

/* ---- a sentence ---- */

static int by_place(const void *a, const void *b) {
    const at_entity *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->type, y->type);
}

/* Sorted, each once. */
static int tidy(at_entity *e, int n) {
    int kept = 0;
    if (n) qsort(e, (size_t)n, sizeof *e, by_place);
    for (int i = 0; i < n; i++)
        if (!kept || by_place(&e[kept - 1], &e[i])) e[kept++] = e[i];
    return kept;
}

static at_hit_counts compare_parts(tallies *t, at_entity *truth, int n_truth, at_entity *answer, int n_answer) {
    at_hit_counts c = {0};
    int last = 0;
    c.support = n_truth = tidy(truth, n_truth);
    c.predicted = n_answer = tidy(answer, n_answer);
    for (int i = 0; i < n_truth; i++) find(t, truth[i].type, &last)->support++;
    for (int i = 0; i < n_answer; i++) find(t, answer[i].type, &last)->predicted++;
    for (int i = 0, k = 0; i < n_truth && k < n_answer;) {
        int order = by_place(&truth[i], &answer[k]);
        if (!order) {
            find(t, truth[i].type, &last)->hits++;
            c.hits++;
        }
        i += order <= 0;
        k += order >= 0;
    }
    return c;
}

static at_hit_counts compare_tags(tallies *t, const char *const *truth, const char *const *answer, int n) {
    at_hit_counts c = {.predicted = n, .support = n};
    int last = 0;
    for (int i = 0; i < n; i++) {
        int hit = !strcmp(truth[i], answer[i]);
        find(t, truth[i], &last)->support++;
        find(t, answer[i], &last)->predicted++;
        if (hit) find(t, truth[i], &last)->hits++;
        c.hits += hit;
    }
    return c;
}

/* ---- all sentences ---- */

static int by_name(const void *a, const void *b) { return strcmp(((const tally *)a)->name, ((const tally *)b)->name); }

static at_class_scores scores_of(double hits, double predicted, double support) {
    double p = at_ratio(hits, predicted), r = at_ratio(hits, support);
    return (at_class_scores){
        .precision = p, .recall = r, .f1 = at_ratio(2 * p * r, p + r), .support = (long)support, .predicted = (long)predicted};
}

static at_status summarise(at_tag_metrics *m, tallies *t, at_arena *arena, at_error *err) {
    double hits = 0, predicted = 0, support = 0;
    m->type = AT_NEW_ARRAY(arena, at_type_scores, t->n);
    if (!m->type || t->failed) return at_fail_memory(err, (size_t)t->n * sizeof *m->type);
    if (t->n) qsort(t->of, (size_t)t->n, sizeof *t->of, by_name);
    m->n_types = t->n;
    for (int i = 0; i < t->n; i++) {
        const tally *x = &t->of[i];
        m->type[i] = (at_type_scores){x->name, scores_of((double)x->hits, (double)x->predicted, (double)x->support)};
        hits += (double)x->hits;
        predicted += (double)x->predicted;
        support += (double)x->support;
    }
    m->micro = scores_of(hits, predicted, support);
    for (int i = 0; i < t->n; i++) {
        const at_class_scores *s = &m->type[i].scores;
        double share = at_ratio((double)s->support, support), each = 1.0 / t->n;
        at_scores_add(&m->macro, s, each);
        at_scores_add(&m->weighted, s, share);
    }
    return AT_OK;
}

static int longest(const uint64_t *at, int n) {
    uint64_t most = 0;
    for (int s = 0; s < n; s++)
        if (at[s + 1] - at[s] > most) most = at[s + 1] - at[s];
    return (int)most;
}

at_status at_metrics_tag(const char *const *truth, const char *const *answer, const uint64_t *at, int n_sentences, at_scheme scheme,
                         at_reading reading, at_arena *arena, at_tag_metrics *m, at_error *err) {
    size_t room = 2 * (size_t)longest(at, n_sentences) + 2;
    at_entity *x = AT_NEW_ARRAY(arena, at_entity, room), *y = AT_NEW_ARRAY(arena, at_entity, room);
    at_hit_counts *sentence = AT_NEW_ARRAY(arena, at_hit_counts, n_sentences);
    tallies t = {.arena = arena};
    long right = 0;
    *m = (at_tag_metrics){.sentences = n_sentences, .tokens = n_sentences ? (long)at[n_sentences] : 0};
    if (!x || !y || !sentence) return at_fail_memory(err, room * sizeof *x);
    for (int s = 0; s < n_sentences; s++) {
        const char *const *u = truth + at[s], *const *v = answer + at[s];
        int n = (int)(at[s + 1] - at[s]);
        for (int i = 0; i < n; i++) right += !strcmp(u[i], v[i]);
        if (scheme == AT_SCHEME_PLAIN) sentence[s] = compare_tags(&t, u, v, n);
        else sentence[s] = compare_parts(&t, x, at_entities(u, n, scheme, reading, x), y, at_entities(v, n, scheme, reading, y));
    }
    m->accuracy = at_ratio((double)right, (double)m->tokens);
    AT_TRY(summarise(m, &t, arena, err));
    return n_sentences ? at_micro_f1_interval(sentence, n_sentences, MANY_SENTENCES, arena, &m->f1_low, &m->f1_high, err) : AT_OK;
}

/* ---- JSON ---- */

json_t *at_metrics_tag_json(const at_tag_metrics *m, at_scheme scheme) {
    json_t *types = json_object();
    for (int i = 0; i < m->n_types; i++) json_object_set_new(types, m->type[i].type, at_scores_json(&m->type[i].scores));
    json_t *interval = json_pack("[f, f]", m->f1_low, m->f1_high);
    if (scheme == AT_SCHEME_PLAIN)
        return json_pack("{s:f, s:o, s:f, s:f, s:I, s:I, s:o}", "accuracy", m->accuracy, "accuracy_interval", interval, "f1_macro",
                         m->macro.f1, "f1_weighted", m->weighted.f1, "tokens", (json_int_t)m->tokens, "examples", (json_int_t)m->sentences,
                         "per_class", types);
    return json_pack("{s:f, s:o, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o}", "f1", m->micro.f1, "f1_interval", interval, "precision",
                     m->micro.precision, "recall", m->micro.recall, "f1_macro", m->macro.f1, "f1_weighted", m->weighted.f1, "accuracy",
                     m->accuracy, "tokens", (json_int_t)m->tokens, "examples", (json_int_t)m->sentences, "per_class", types);
}
