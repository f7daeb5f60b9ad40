/* Sentence embeddings: a text becomes a vector, so that texts that mean the same are near each other (Reimers and Gurevych 2019).
 *
 * Losses are those of sentence-transformers, with its defaults:
 *   in-batch  multiple negatives ranking: of all second (and third) texts of the step, the first finds its own; cosine, scale 20. Of labelled
 *             texts, each finds those of its label (Khosla et al. 2020)
 *   cosent    of every two pairs of the step, the one with the higher score is nearer; cosine, scale 20
 *   cosine    the cosine of a pair is its score; mean squared error
 *   triplet   the third text is farther from the first than the second, by 5, by Euclidean distance
 * All but the cosine's compare the texts of a step with each other: the loss is that of the step (coupled). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "infer/products.h"
#include "task/embed.h"
#include "task/metric_embed.h"
#include "task/metric_regress.h"
#include "task/tasks.h"

static const double SCALE = 20, MARGIN = 5;

static const char *const LOSSES[] = {"in-batch", "cosine", "cosent", "triplet", NULL};

static at_embedding *embedding_of(const at_task_state *s) { return s->data; }

/* ---- columns and settings ---- */

static at_status remember(at_task_state *s, at_error *err) {
    const at_embedding *e = embedding_of(s);
    json_decref(s->own);
    s->own = json_pack("{s:s, s:f, s:f}", "loss", LOSSES[e->loss], "low", e->low, "high", e->high);
    return s->own ? AT_OK : at_fail_memory(err, 0);
}

static at_embed_loss usual_loss(const at_embed_columns *c) { return c->n_texts == 2 && c->label >= 0 ? AT_EMBED_COSENT : AT_EMBED_IN_BATCH; }

static int takes(const at_embed_columns *c, at_embed_loss loss) {
    switch (loss) {
    case AT_EMBED_TRIPLET: return c->n_texts == 3;
    case AT_EMBED_IN_BATCH: return c->n_texts == 3 || (c->n_texts == 2) != (c->label >= 0);
    default: return c->n_texts == 2 && c->label >= 0;
    }
}

static at_status choose_loss(at_task_state *s, const at_table *t, const at_embed_columns *c, at_error *err) {
    if (c->n_texts == 1 && c->label < 0)
        return at_embed_refuse_texts(t, err);
    at_embed_loss loss = s->loss ? (at_embed_loss)at_word_index(s->loss, LOSSES) : usual_loss(c);
    if (!takes(c, loss))
        return at_fail(err, AT_USAGE, "--loss %s: these data are %s; %s", LOSSES[loss], at_embed_shape(c),
                       loss == AT_EMBED_TRIPLET    ? "it takes triplets"
                       : loss == AT_EMBED_IN_BATCH ? "it takes pairs without scores (--label-column none), triplets or labelled texts"
                                                   : "it takes pairs with a score");
    embedding_of(s)->loss = loss;
    return AT_OK;
}

static at_status tell_choice(at_task_state *s, const char *columns, int scored, at_error *err) {
    const at_embedding *e = embedding_of(s);
    const char *scale = scored && (e->low != 0 || e->high != 1) ? at_format(&s->arena, ", of which %g to %g are learned as 0 to 1", e->low, e->high) : "";
    s->why = scale ? at_format(&s->arena, "%s%s; loss: %s%s", columns, scale, LOSSES[e->loss], s->loss ? "" : ", the usual one for such data") : NULL;
    return s->why ? remember(s, err) : at_fail_memory(err, 0);
}

static const char *name_of(at_task_state *s, const at_table *t, int column) { return column < 0 ? NULL : at_strdup(&s->arena, t->column[column]); }

static at_status embed_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_embed_columns c;
    const char *columns;
    AT_TRY(at_embed_find(t, wanted, s->negative, 1, &s->arena, &c, &columns, err));
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){name_of(s, t, c.text[0]), name_of(s, t, c.text[1]), c.label < 0 && wanted ? wanted->label : name_of(s, t, c.label)};
    if (c.text[2] >= 0) s->negative = name_of(s, t, c.text[2]);
    s->why = columns;
    if (known) return AT_OK;
    s->data = AT_NEW(&s->arena, at_embedding);
    if (!s->data || !s->columns.text) return at_fail_memory(err, sizeof(at_embedding));
    *embedding_of(s) = (at_embedding){AT_EMBED_IN_BATCH, 0, 1, 0, 1};
    AT_TRY(choose_loss(s, t, &c, err));
    int scored = c.n_texts == 2 && c.label >= 0;
    if (scored) AT_TRY(at_embed_refuse_constant(t, c.label, err));
    if (scored) AT_TRY(at_embed_measure(t, c.label, embedding_of(s), err));
    return tell_choice(s, columns, scored, err);
}

/* A training has its own settings already. */
static at_status embed_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    if (s->data) return remember(s, err);
    const char *name = json_string_value(json_object_get(s->own, "loss"));
    int loss = name ? at_word_index(name, LOSSES) : 0;
    double low = json_number_value(json_object_get(s->own, "low")), high = json_number_value(json_object_get(s->own, "high"));
    s->data = AT_NEW(&s->arena, at_embedding);
    if (!s->data) return at_fail_memory(err, sizeof(at_embedding));
    *embedding_of(s) = (at_embedding){loss > 0 ? (at_embed_loss)loss : AT_EMBED_IN_BATCH, high > low ? low : 0, high > low ? high : 1, 0, 1};
    return AT_OK;
}

static int embed_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_embed_columns c;
    return at_embed_names(t) && !at_embed_find(t, wanted, NULL, 1, arena, &c, why, NULL);
}

/* ---- examples ---- */

/* A file to judge by may have other columns, and another shape, than the one trained on. */
static at_status embed_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels, at_pool *pool,
                              at_dataset **dataset, at_error *err) {
    at_arena scratch = {0};
    at_embed_columns c;
    at_columns wanted = {at_embed_if_there(t, s->columns.text), at_embed_if_there(t, s->columns.text2),
                         at_embed_if_there(t, s->columns.label)};
    *dataset = NULL;
    at_status st = at_embed_find(t, &wanted, need_labels ? at_embed_if_there(t, s->negative) : "none", need_labels, &scratch, &c, NULL, err);
    if (!st && !need_labels && c.n_texts < 2)
        st = at_fail(err, AT_USAGE, "%s: a model of embeddings says how alike two texts are: give pairs (--pairs, or two columns). Vectors of single texts are made by "
                     "attune embed, the texts nearest to another are found by attune search", t->path);
    if (!st && need_labels && c.n_texts == 1 && c.label < 0)
        st = at_fail(err, AT_USAGE, "%s: texts alone say nothing about which of them are alike; needed are pairs, scores, triplets or labels", t->path);
    if (!st) st = at_embed_encode(t, &c, need_labels ? embedding_of(s) : NULL, tokenizer, max_tokens, s->long_texts, pool, dataset, err);
    at_arena_free(&scratch);
    return st;
}

/* ---- loss ---- */

/* The rows of a step: which of its outputs they begin at, those that are whole. */
typedef struct step_rows {
    int32_t *first, *count; /* [n] */
    int n;
    int most, n_texts;      /* texts of a row, and of all rows */
} step_rows;

static int texts_of_a_row(const at_dataset *d) {
    int n = 1;
    while (d->row && n < d->n && d->row[n] == d->row[0]) n++;
    return n;
}

/* Whether outputs i .. end - 1 of a batch are all texts of their row. */
static int is_whole(const at_batch *b, const at_dataset *d, int i, int end) {
    int from = (int)b->output[i], to = (int)b->output[end - 1];
    if (!d->row) return 1;
    return to - from + 1 == end - i && (!from || d->row[from - 1] != d->row[from]) && (to + 1 == d->n || d->row[to + 1] != d->row[to]);
}

static int find_rows(at_arena *arena, const at_batch *b, const at_dataset *d, step_rows *rows) {
    *rows = (step_rows){.first = AT_NEW_ARRAY(arena, int32_t, 2 * b->n_outputs + 1)};
    rows->count = rows->first ? rows->first + b->n_outputs : NULL;
    for (int i = 0, end; rows->first && i < b->n_outputs; i = end) {
        for (end = i + 1; end < b->n_outputs && d->row && d->row[b->output[end]] == d->row[b->output[i]];) end++;
        if (!is_whole(b, d, i, end)) continue;
        rows->first[rows->n] = i;
        rows->count[rows->n++] = end - i;
        rows->n_texts += end - i;
        if (end - i > rows->most) rows->most = end - i;
    }
    return rows->first != NULL;
}

static int rows_differ(const at_dataset *d) {
    int n = texts_of_a_row(d), here = 0;
    for (int i = 0; d->row && i < d->n; i++) {
        here = i && d->row[i] == d->row[i - 1] ? here + 1 : 1;
        int ends = i + 1 == d->n || d->row[i + 1] != d->row[i];
        if (here > n || (ends && here != n)) return 1;
    }
    return 0;
}

/* Memory is planned by the texts of the data's beginning; where rows differ in length another step may have more rows, or more texts to a row: none has as
 * many as this. A dry tape looks at numbers alone. */
static void plan_for_all(step_rows *r, int n, int texts) {
    r->n = n;
    r->most = texts;
    r->n_texts = n * texts;
    for (int i = 0; i < n; i++) r->first[i] = 0, r->count[i] = texts;
}

static at_tensor *no_memory(at_tape *t) { return at_tape_fail(t, AT_NO_MEMORY, "not enough memory for the texts of a step"); }

/* First texts look for their second ones among all second and further ones. */
static at_tensor *rows_in_batch(at_tape *t, at_tensor *unit, const step_rows *r) {
    int n_keys = r->n_texts - r->n, at = 0;
    int32_t *index = AT_NEW_ARRAY(t->objects, int32_t, 2 * (r->n + n_keys) + 1);
    if (!index) return no_memory(t);
    int32_t *query = index, *query_class = query + r->n, *key = query_class + r->n, *key_class = key + n_keys;
    for (int i = 0; i < r->n; i++) {
        query[i] = r->first[i];
        query_class[i] = i;
    }
    for (int k = 1; k < r->most; k++)
        for (int i = 0; i < r->n; i++) {
            if (k >= r->count[i]) continue;
            key[at] = r->first[i] + k;
            key_class[at++] = k == 1 ? i : -1;
        }
    const at_contrast c = {query, query_class, key, key_class, r->n, n_keys};
    return at_op_contrastive(t, unit, &c, SCALE, r->n ? r->n : 1);
}

/* Every text looks for those of its label; one that is alone counts nothing. */
static at_tensor *labels_in_batch(at_tape *t, at_tensor *unit, const at_batch *b, const at_dataset *d) {
    int n = b->n_outputs, looking = 0;
    int32_t *index = AT_NEW_ARRAY(t->objects, int32_t, 2 * n + 1);
    if (!index) return no_memory(t);
    int32_t *label = index + n;
    for (int i = 0; i < n; i++) {
        index[i] = i;
        label[i] = d->label[b->output[i]];
    }
    for (int i = 0; i < n; i++) {
        int other = 0;
        for (int k = 0; k < n && !other; k++) other = k != i && label[k] == label[i];
        looking += other;
    }
    const at_contrast c = {index, label, index, label, n, n};
    return at_op_contrastive(t, unit, &c, SCALE, looking ? looking : 1);
}

static at_tensor *scores(at_tape *t, at_tensor *unit, const at_batch *b, const at_dataset *d, const step_rows *r, at_embed_loss loss) {
    int32_t *second = AT_NEW_ARRAY(t->objects, int32_t, r->n);
    at_real *target = AT_NEW_ARRAY(t->objects, at_real, r->n);
    if (!second || !target) return no_memory(t);
    for (int i = 0; i < r->n; i++) {
        second[i] = r->first[i] + 1;
        target[i] = (at_real)d->target[b->output[r->first[i]]];
    }
    at_tensor *cosine = at_op_row_product(t, unit, r->first, second, r->n);
    if (!cosine) return NULL;
    return loss == AT_EMBED_COSENT ? at_op_cosent(t, cosine, target, SCALE) : at_op_mse(t, cosine, target, r->n ? r->n : 1);
}

/* One with each text that is not like the first. */
static at_tensor *triplets(at_tape *t, at_tensor *x, const step_rows *r) {
    int32_t *text = AT_NEW_ARRAY(t->objects, int32_t, 3 * r->n_texts + 1);
    int n = 0;
    if (!text) return no_memory(t);
    for (int i = 0; i < r->n; i++)
        for (int k = 2; k < r->count[i]; k++, n++)
            for (int c = 0; c < 3; c++) text[3 * n + c] = r->first[i] + (c < 2 ? c : k);
    return at_op_triplet(t, x, text, n, MARGIN, n ? n : 1);
}

static at_tensor *embed_loss(const at_task_state *s, at_tape *t, const at_model *model, at_tensor *x, const at_batch *b, const at_dataset *d, double norm) {
    (void)model, (void)norm; /* which counts rows here, and only the whole ones */
    step_rows rows;
    at_embed_loss loss = embedding_of(s)->loss;
    if (!find_rows(t->objects, b, d, &rows)) return no_memory(t);
    if (t->dry && rows_differ(d)) plan_for_all(&rows, b->n_outputs, loss == AT_EMBED_TRIPLET ? 3 : 2);
    if (loss == AT_EMBED_TRIPLET) return triplets(t, x, &rows);
    at_tensor *unit = at_op_unit(t, x);
    if (!unit) return NULL;
    if (loss != AT_EMBED_IN_BATCH) return scores(t, unit, b, d, &rows, loss);
    return texts_of_a_row(d) > 1 ? rows_in_batch(t, unit, &rows) : labels_in_batch(t, unit, b, d);
}

static double embed_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s, (void)d, (void)output;
    return 1;
}

/* ---- score ---- */

/* The vectors of a dataset, at length 1, and its whole rows. */
typedef struct judging {
    at_arena arena;
    const at_dataset *d;
    float *vector;     /* [d->n, width] */
    int width, most;   /* texts of a row */
    uint32_t *first;   /* [n] examples that rows begin at */
    int *count;        /* [n] */
    int n;
} judging;

static double product(const judging *j, uint32_t a, uint32_t b) {
    const float *x = j->vector + (size_t)a * (size_t)j->width, *y = j->vector + (size_t)b * (size_t)j->width;
    double sum = 0;
    for (int c = 0; c < j->width; c++) sum += (double)x[c] * (double)y[c];
    return sum;
}

static at_status open_judging(judging *j, const at_dataset *d, int width, const float *logits, at_error *err) {
    size_t cells = (size_t)d->n * (size_t)width;
    *j = (judging){.d = d, .width = width};
    j->vector = AT_NEW_ARRAY(&j->arena, float, cells);
    j->first = AT_NEW_ARRAY(&j->arena, uint32_t, d->n);
    j->count = AT_NEW_ARRAY(&j->arena, int, d->n);
    if (!j->vector || !j->first || !j->count) return at_fail_memory(err, cells * sizeof(float));
    memcpy(j->vector, logits, cells * sizeof(float));
    at_rows_to_unit(j->vector, (size_t)d->n, width);
    int fewest = texts_of_a_row(d) > 1 ? 2 : 1;
    for (at_row_outputs r = {0}; at_dataset_next_row(d, &r);) {
        if (r.n_examples < fewest) continue;
        j->first[j->n] = (uint32_t)r.example;
        j->count[j->n++] = r.n_examples;
        if (r.n_examples > j->most) j->most = r.n_examples;
    }
    return AT_OK;
}

/* The first example with the same tokens stands for all of them: texts that are there twice are one candidate. */
typedef struct token_hash {
    uint64_t hash;
    uint32_t example;
} token_hash;

static int by_hash(const void *a, const void *b) {
    const token_hash *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->example < y->example ? -1 : x->example > y->example;
}

static uint32_t *same_texts(judging *j) {
    const at_dataset *d = j->d;
    token_hash *all = AT_NEW_ARRAY(&j->arena, token_hash, d->n);
    uint32_t *same = AT_NEW_ARRAY(&j->arena, uint32_t, d->n);
    if (!all || !same) return NULL;
    for (int i = 0; i < d->n; i++)
        all[i] = (token_hash){XXH3_64bits(d->ids + d->token_at[i], (size_t)at_dataset_length(d, i) * sizeof *d->ids), (uint32_t)i};
    qsort(all, (size_t)d->n, sizeof *all, by_hash);
    for (int i = 0; i < d->n; i++) same[all[i].example] = i && all[i].hash == all[i - 1].hash ? same[all[i - 1].example] : all[i].example;
    return same;
}

static int by_pair(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers the different examples among the i-th texts of the rows, i from `from` to `to`, in their order; returns how many. */
static int number_texts(const judging *j, const uint32_t *same, int from, int to, uint32_t *list, uint32_t *number) {
    int n = 0;
    for (int r = 0; r < j->n; r++)
        for (int k = from; k <= to && k < j->count[r]; k++) {
            uint32_t text = same[j->first[r] + (uint32_t)k];
            if (number[text] != UINT32_MAX) continue;
            number[text] = (uint32_t)n;
            list[n++] = text;
        }
    return n;
}

/* Rows as questions, each with what is right for it. */
static at_status find_relevant(judging *j, const uint32_t *same, at_retrieval *what, at_error *err) {
    size_t n = (size_t)j->d->n;
    uint32_t *query = AT_NEW_ARRAY(&j->arena, uint32_t, n), *candidate = AT_NEW_ARRAY(&j->arena, uint32_t, n);
    uint32_t *query_at = AT_NEW_ARRAY(&j->arena, uint32_t, n), *candidate_at = AT_NEW_ARRAY(&j->arena, uint32_t, n);
    uint32_t *at = AT_NEW_ARRAY(&j->arena, uint32_t, n + 2), *relevant = AT_NEW_ARRAY(&j->arena, uint32_t, n);
    uint64_t *pair = AT_NEW_ARRAY(&j->arena, uint64_t, n);
    if (!query || !candidate || !query_at || !candidate_at || !at || !relevant || !pair) return at_fail_memory(err, n * 32);
    memset(query_at, 0xff, n * sizeof *query_at);
    memset(candidate_at, 0xff, n * sizeof *candidate_at);
    what->n_queries = number_texts(j, same, 0, 0, query, query_at);
    what->n_candidates = number_texts(j, same, 1, j->most - 1, candidate, candidate_at);
    for (int r = 0; r < j->n; r++) pair[r] = (uint64_t)query_at[same[j->first[r]]] << 32 | candidate_at[same[j->first[r] + 1]];
    qsort(pair, (size_t)j->n, sizeof *pair, by_pair);
    uint32_t kept = 0;
    for (int r = 0; r < j->n; r++) {
        if (r && pair[r] == pair[r - 1]) continue;
        relevant[kept++] = (uint32_t)pair[r];
        at[(pair[r] >> 32) + 1] = kept;
    }
    what->query = query;
    what->candidate = candidate;
    what->relevant_at = at;
    what->relevant = relevant;
    return AT_OK;
}

static at_status judge_retrieval(judging *j, at_score *score, at_error *err) {
    at_retrieval what = {.vector = j->vector, .width = j->width, .class_of = j->d->label};
    at_retrieval_metrics m;
    if (j->most <= 1) {
        what.query = what.candidate = j->first;
        what.n_queries = what.n_candidates = j->n;
    } else {
        uint32_t *same = same_texts(j);
        if (!same) return at_fail_memory(err, (size_t)j->d->n * sizeof *same);
        AT_TRY(find_relevant(j, same, &what, err));
    }
    AT_TRY(at_metrics_retrieval(&what, &m, err));
    at_metrics_retrieval_json(&m, score->values);
    score->loss = m.loss;
    return AT_OK;
}

static at_status judge_scores(judging *j, at_score *score, at_error *err) {
    double *truth = AT_NEW_ARRAY(&j->arena, double, j->n), *cosine = AT_NEW_ARRAY(&j->arena, double, j->n);
    at_regress_metrics m;
    if (!truth || !cosine) return at_fail_memory(err, (size_t)j->n * 16);
    for (int i = 0; i < j->n; i++) {
        truth[i] = (double)j->d->target[j->first[i]];
        cosine[i] = product(j, j->first[i], j->first[i] + 1);
    }
    AT_TRY(at_metrics_regress(truth, cosine, j->n, &m, err));
    score->loss = m.mse;
    return at_embed_keep_ranks(score->values, &m, err);
}

static at_status judge_triplets(judging *j, at_score *score, at_error *err) {
    double right = 0;
    int n = 0;
    for (int i = 0; i < j->n; i++)
        for (int k = 2; k < j->count[i]; k++, n++) right += product(j, j->first[i], j->first[i] + 1) > product(j, j->first[i], j->first[i] + (uint32_t)k);
    at_metrics_add_share(score->values, "accuracy", right, n);
    return judge_retrieval(j, score, err);
}

static at_status embed_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", NULL};
    judging j;
    *score = (at_score){.values = json_object()};
    if (!score->values) return at_fail_memory(err, 0);
    at_status st = open_judging(&j, d, s->n_out, logits, err);
    const char *usual = d->target ? "spearman" : j.most >= 3 ? "accuracy" : "ndcg_at_10";
    if (!st) st = d->target ? judge_scores(&j, score, err) : j.most >= 3 ? judge_triplets(&j, score, err) : judge_retrieval(&j, score, err);
    if (!st) {
        json_object_set_new(score->values, "loss", isfinite(score->loss) ? json_real(score->loss) : json_null());
        json_object_set_new(score->values, "examples", json_integer(j.n));
        st = at_score_choose(s, usual, SMALLER, score, err);
    }
    at_arena_free(&j.arena);
    if (st) at_score_free(score);
    return st;
}

/* ---- answers ---- */

static double cosine(const float *x, const float *y, int width) {
    double xy = 0, xx = 0, yy = 0;
    for (int c = 0; c < width; c++) {
        xy += (double)x[c] * (double)y[c];
        xx += (double)x[c] * (double)x[c];
        yy += (double)y[c] * (double)y[c];
    }
    return xy / fmax(sqrt(xx) * sqrt(yy), 1e-12);
}

static json_t *embed_answer(const at_task_state *s, const at_answered *row) {
    if (row->n < 2) return json_object(); /* labelled texts, judged by eval: there is nothing to say of one alone */
    return json_pack("{s:f}", "similarity", cosine(row->logits, row->logits + s->n_out, s->n_out));
}

static int embed_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    if (row->n < 2 || (row->n < 3 && !row->data->target)) return 0;
    double near = cosine(row->logits, row->logits + s->n_out, s->n_out);
    if (row->n >= 3) {
        double far = -1;
        for (size_t k = 2; k < row->n; k++) far = fmax(far, cosine(row->logits, row->logits + k * (size_t)s->n_out, s->n_out));
        *mistake = (at_mistake){far - near, at_strdup(arena, "the second text"), at_strdup(arena, "the third one")};
        return far >= near;
    }
    const at_embedding *e = embedding_of(s); /* in the unit of the file, the cosine, too */
    double span = e->shown_high - e->shown_low, right = e->shown_low + span * (double)row->data->target[row->output];
    near = e->shown_low + span * near;
    *mistake = (at_mistake){fabs(right - near), at_format(arena, "%.3f", right), at_format(arena, "%.3f", near)};
    return right != near;
}

static const at_head_kind HEADS[] = {AT_HEAD_EMBED, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"similarity", AT_FIELD_NUMBER, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"spearman", "accuracy", "ndcg_at_10", "accuracy_at_1", NULL};

const at_task at_task_embed = {
    .name = "embed",
    .summary = "vectors of texts: those that mean the same are near each other",
    .noun = "sentence embedding model",
    .pipeline = "sentence-similarity",
    .heads = HEADS,
    .full_only = 1,
    .coupled = 1,
    .rate_share = 0.25, /* the body's vectors are what is trained, and often good already */
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = embed_recognise,
    .bind = embed_bind,
    .adopt = embed_adopt,
    .encode = embed_encode,
    .loss = embed_loss,
    .weight = embed_weight,
    .score = embed_score,
    .answer = embed_answer,
    .mistakes = "Farthest from right",
    .mistaken = embed_mistaken,
    .judge = at_embed_judge,
    .lint = at_embed_lint,
};
