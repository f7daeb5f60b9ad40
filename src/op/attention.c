/* Over each sequence and head: S = scale · Q Kᵀ (biased by distance, capped, masked), P = softmax(S), y = dropout(P) V.
 * Saved: y and lse = log Σ exp S a row, from which backward makes P anew (FlashAttention: Dao et al. 2022):
 * dV = dropout(P)ᵀ dy;  dP = dropout(dy Vᵀ);  dS = P ⊙ (dP - rowsum(dy ⊙ y));  dQ = scale · dS K;  dK = scale · dSᵀ Q.
 * Biases: a table by bucket is spread over the distances before the kernel, and their gradients are summed by bucket after it. */
#include <limits.h>
#include <string.h>

#include "op/share.h"
#include "op/shape.h"

typedef struct attention_node {
    at_node node;
    at_tensor *x[3]; /* q, k, v; all three the same where they lie side by side */
    at_tensor *position[2]; /* of keys, of queries; or NULL */
    at_weight *relative;
    int max_distance, reach;
    at_real *distance; /* [heads, 2*reach - 1], or NULL */
    at_real *lse;      /* [heads, rows] */
    at_attention form;
    /* The sequences that each thread of a team takes; parts 1: all of them, and the rest is not there. */
    int parts, *first; /* [parts + 1] sequence */
    int *cu[2];        /* of queries and of keys: cu_seqlens of every part from 0, that of part p from cu + first[p] + p */
} attention_node;

static int query_cols(const at_attention *a) { return a->heads * a->head_dim; }
static int key_cols(const at_attention *a) { return a->kv_heads * a->head_dim; }
static int is_fused(at_tensor *const *x) { return x[0] == x[1] && x[1] == x[2]; }
static int is_pair(at_tensor *const *x) { return x[0] != x[1] && x[1] == x[2]; }

/* Column at which q, k, v begin in their tensors. */
static int begin_of(const attention_node *n, int i) {
    const at_attention *a = &n->form;
    if (is_fused(n->x)) return i == 0 ? 0 : i == 1 ? query_cols(a) : query_cols(a) + key_cols(a);
    return i == 2 && is_pair(n->x) ? key_cols(a) : 0;
}

/* ---- a team ---- */

/* Grows with queries times keys and with the queries. */
static double work_of(const at_attention *a, int s) {
    return (double)(a->cu_q[s + 1] - a->cu_q[s]) * (a->cu_k[s + 1] - a->cu_k[s] + 64);
}

/* Sequences in as many runs as there are threads, of about the same work. */
static void deal(attention_node *n) {
    const int *at[2] = {n->form.cu_q, n->form.cu_k};
    double total = 0, before = 0;
    for (int s = 0; s < n->form.n_seq; s++) total += work_of(&n->form, s);
    int p = 0;
    for (int s = 0; s < n->form.n_seq; s++) {
        while (p < n->parts && before >= total * p / n->parts) n->first[p++] = s;
        before += work_of(&n->form, s);
    }
    while (p <= n->parts) n->first[p++] = n->form.n_seq;
    for (int i = 0; i < 2; i++)
        for (p = 0; p < n->parts; p++)
            for (int s = n->first[p]; s <= n->first[p + 1]; s++) n->cu[i][s + p] = at[i][s] - at[i][n->first[p]];
}

/* While training; a prediction shares heads. Gradients that all sequences add to cannot be shared. */
static int prepare_parts(at_tape *t, attention_node *n) {
    int can = t->training && !n->relative && !n->form.bucket && n->form.n_seq > 1;
    n->parts = can ? at_share_parts(t) : 1;
    if (n->parts == 1) return 1;
    n->first = at_alloc(t->objects, (size_t)n->parts + 1, sizeof(int));
    for (int i = 0; i < 2; i++) n->cu[i] = at_alloc(t->objects, (size_t)(n->form.n_seq + n->parts), sizeof(int));
    if (!n->first || !n->cu[0] || !n->cu[1]) {
        at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d sequences", n->form.n_seq);
        return 0;
    }
    deal(n);
    return 1;
}

/* One part's sequences as if there were no others, and the rows at which their queries, keys and values begin. */
static at_attention part_of(const attention_node *n, int p, size_t row[3]) {
    at_attention a = n->form;
    row[0] = row[1] = row[2] = 0;
    if (n->parts == 1) return a;
    int s = n->first[p];
    row[0] = (size_t)n->form.cu_q[s];
    row[1] = row[2] = (size_t)n->form.cu_k[s];
    a.n_seq = n->first[p + 1] - s;
    a.cu_q = n->cu[0] + s + p;
    a.cu_k = n->cu[1] + s + p;
    a.seq_id += s;
    return a;
}

typedef struct team_job {
    at_tape *t;
    attention_node *n;
    at_real *y, *scratch;
    size_t scratch_size;
    at_real *const *dx;
} team_job;

/* ---- biases by distance ---- */

int at_relative_bucket(int key_minus_query, int buckets, int distance, int causal) {
    int half = causal ? buckets : buckets / 2, exact = half / 2, bucket = key_minus_query > 0 && !causal ? half : 0;
    int n = key_minus_query < 0 ? -key_minus_query : causal ? 0 : key_minus_query;
    if (n < exact) return bucket + n;
    /* In float, as the models were trained. */
    float share = logf((float)n / (float)exact) / (float)log((double)distance / exact);
    int large = exact + (int)(share * (float)(half - exact));
    return bucket + (large < half - 1 ? large : half - 1);
}

static size_t distances(const attention_node *n) { return (size_t)n->form.heads * (size_t)(2 * n->reach - 1); }

/* First element of the weight [buckets, heads] that stands at distance index d. */
static size_t bias_at(const attention_node *n, int d) {
    int bucket = at_relative_bucket(d - n->reach + 1, n->relative->out, n->max_distance, n->form.causal);
    return (size_t)bucket * (size_t)n->form.heads;
}

static void spread(at_tape *t, const attention_node *n) {
    const at_real *values = at_weight_values(t->params, n->relative);
    int width = 2 * n->reach - 1;
    for (int d = 0; d < width; d++) {
        const at_real *bias = values + bias_at(n, d);
        for (int h = 0; h < n->form.heads; h++) n->distance[(size_t)h * (size_t)width + (size_t)d] = bias[h];
    }
}

static void gather(const attention_node *n, const at_real *ddistance, at_real *drelative) {
    int width = 2 * n->reach - 1;
    for (int d = 0; d < width; d++) {
        at_real *bias = drelative + bias_at(n, d);
        for (int h = 0; h < n->form.heads; h++) bias[h] += ddistance[(size_t)h * (size_t)width + (size_t)d];
    }
}

/* ---- backward ---- */

static void backward_part(void *context, int p, int parts) {
    (void)parts;
    const team_job *j = context;
    attention_node *n = j->n;
    at_tensor *y = n->node.y, *const *x = n->x;
    size_t row[3], at[3];
    const at_attention a = part_of(n, p, row);
    if (!a.n_seq) return;
    for (int i = 0; i < 3; i++) at[i] = row[i] * (size_t)x[i]->cols + (size_t)begin_of(n, i);
    size_t out = row[0] * (size_t)y->cols;
    j->t->backend->attention_backward(&a, x[0]->data + at[0], x[0]->cols, x[1]->data + at[1], x[1]->cols, x[2]->data + at[2], x[2]->cols,
                                      y->data + out, y->grad + out, y->cols, n->lse + row[0] * (size_t)a.heads,
                                      j->dx[0] + at[0], x[0]->cols, j->dx[1] + at[1], x[1]->cols, j->dx[2] + at[2], x[2]->cols,
                                      j->scratch + (size_t)p * j->scratch_size);
}

static void run_backward(at_tape *t, attention_node *n, at_real *const *dx, at_real *scratch) {
    team_job j = {t, n, NULL, scratch, t->backend->attention_scratch(&n->form), dx};
    at_team_run(n->parts > 1 ? t->team : NULL, backward_part, &j);
}

/* The gradients of the positions' projections, which the kernel adds to. */
static void prepare_positions(at_tape *t, attention_node *n) {
    at_real *d[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        int accumulate;
        if (!n->position[i] || !n->position[i]->needs_grad) continue;
        d[i] = at_tape_gradient(t, n->position[i], &accumulate);
        if (d[i] && !accumulate && !t->dry) memset(d[i], 0, at_elements(n->position[i]) * sizeof *d[i]);
    }
    n->form.dposition_key = d[0];
    n->form.dposition_query = d[1];
}

/* Where the kernel, which assigns, may write the gradients: into them, or where another consumer already wrote, into scratch. */
static void prepare_gradients(at_tape *t, const attention_node *n, at_real **dx, at_real **add_to) {
    for (int i = 0; i < 3; i++) {
        int accumulate = 0;
        add_to[i] = NULL;
        if (i && n->x[i] == n->x[i - 1]) { /* side by side in one tensor */
            dx[i] = dx[i - 1];
            continue;
        }
        at_real *own = n->x[i]->needs_grad ? at_tape_gradient(t, n->x[i], &accumulate) : NULL;
        dx[i] = own && !accumulate ? own : at_tape_scratch(t, at_elements(n->x[i]));
        if (accumulate) add_to[i] = own;
    }
}

static void attention_backward(at_tape *t, at_node *node) {
    attention_node *n = (attention_node *)node;
    at_real *dx[3], *add_to[3];
    at_mark mark = at_arena_mark(t->scratch);
    at_real *scratch = at_tape_scratch(t, (size_t)n->parts * t->backend->attention_scratch(&n->form));
    prepare_gradients(t, n, dx, add_to);
    prepare_positions(t, n);
    int wants_bias = at_weight_records(t, n->relative);
    at_real *ddistance = n->form.ddistance = wants_bias ? at_tape_scratch(t, distances(n)) : NULL;
    if (!t->status && !t->dry) {
        if (ddistance) memset(ddistance, 0, distances(n) * sizeof *ddistance);
        run_backward(t, n, dx, scratch);
        if (ddistance) gather(n, ddistance, at_tape_weight_gradient(t, n->relative));
        for (int i = 0; i < 3; i++)
            if (add_to[i]) t->backend->scale_add(1, dx[i], add_to[i], 1, at_elements(n->x[i]));
    }
    at_arena_rewind(t->scratch, mark);
}

/* ---- forward ---- */

static int check_tensors(at_tape *t, const at_attention_inputs *in, const at_batch *b, const at_attention *a) {
    at_tensor *const x[3] = {in->q, in->k, in->v};
    for (int i = 0; i < 3 && !t->status; i++) {
        int want = is_fused(x) ? query_cols(a) + 2 * key_cols(a) : !i ? query_cols(a) : is_pair(x) ? 2 * key_cols(a) : key_cols(a);
        const at_batch *own = i && in->source ? in->source : b;
        int fits = in->source && !i ? x[i]->rows == own->rows : at_is_tokens(x[i], own); /* who reads others may be a row a sequence */
        if (!fits || x[i]->cols != want)
            at_tape_fail(t, AT_BUG, "attention: its input is [%d, %d], the batch has %d rows and the heads need %d columns", x[i]->rows,
                         x[i]->cols, own->rows, want);
    }
    const at_weight *w = in->relative;
    if (w && (w->in != a->heads || w->out < 4 || w->kind != AT_WEIGHT_MATRIX || in->distance <= w->out / (a->causal ? 2 : 4) || in->source))
        at_tape_fail(t, AT_BUG, "attention: %s is [%d, %d] for %d heads", w->name, w->out, w->in, a->heads);
    const at_tensor *const position[2] = {in->position_key, in->position_query};
    for (int i = 0; i < 2; i++)
        if (position[i] && (position[i]->cols != query_cols(a) || a->heads != a->kv_heads || !in->bucket))
            at_tape_fail(t, AT_BUG, "attention: positions of [%d, %d] for %d heads", position[i]->rows, position[i]->cols, a->heads);
    if (position[0] && position[1] && position[0]->rows != position[1]->rows)
        at_tape_fail(t, AT_BUG, "attention: %d and %d buckets", position[0]->rows, position[1]->rows);
    return !t->status;
}

static int check(at_tape *t, const at_attention_inputs *in, const at_batch *b, const at_attention *a, double p) {
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads)
        at_tape_fail(t, AT_BUG, "attention: %d heads on %d key-value heads of %d", a->heads, a->kv_heads, a->head_dim);
    else if (in->source && (in->source->n_seq != b->n_seq || in->past_keys || a->causal || a->window || in->position_key ||
                            in->position_query))
        at_tape_fail(t, AT_BUG, "attention: %d sequences read %d others", b->n_seq, in->source->n_seq);
    else if (b->cu_seqlens[0] != 0 || b->cu_seqlens[b->n_seq] != b->rows)
        at_tape_fail(t, AT_BUG, "attention: the sequences cover rows %d to %d of %d", b->cu_seqlens[0],
                     b->cu_seqlens[b->n_seq], b->rows);
    else if (!at_is_probability(p)) at_tape_fail(t, AT_BUG, "attention: dropout of %g", p);
    return !t->status;
}

/* Returns whether one of them needs a gradient. */
static int set_positions(const at_tape *t, at_attention *a, const at_attention_inputs *in) {
    const at_tensor *key = in->position_key, *query = in->position_query;
    a->bucket = key || query ? in->bucket : NULL;
    a->buckets = key ? key->rows : query ? query->rows : 0;
    a->position_key = key ? key->data : NULL;
    a->position_query = query ? query->data : NULL;
    return (key && at_tape_records(t, key)) || (query && at_tape_records(t, query));
}

/* A forward pass for a team: each takes some of the key-value heads, with scratch of its own. */
typedef struct forward_job {
    at_tape *t;
    attention_node *n;
    const at_real *k, *v;
    int ldk, ldv;
    at_real *y, *scratch;
    size_t scratch_each;
    int texts;         /* sequences that are worked on one by one, each behind keys of its own; else 1 */
    const int *slot;   /* where their keys and values lie, in steps of `room`; or NULL */
    size_t room;
} forward_job;

static size_t past_at(const forward_job *j, int text) { return j->slot ? (size_t)j->slot[text] * j->room : 0; }

static void forward_part(void *context, int part, int parts) {
    const forward_job *j = context;
    const attention_node *n = j->n;
    int first = n->form.kv_heads * part / parts, last = n->form.kv_heads * (part + 1) / parts, group = n->form.heads / n->form.kv_heads;
    at_attention form = n->form;
    form.kv_heads = last - first;
    form.heads = form.kv_heads * group;
    if (form.distance) form.distance += (size_t)first * (size_t)group * (size_t)(2 * form.reach - 1);
    size_t q = (size_t)first * (size_t)group * (size_t)form.head_dim, k = (size_t)first * (size_t)form.head_dim;
    if (first == last) return;
    for (int s = 0; s < j->texts; s++) {
        size_t row = (size_t)(n->x[0]->rows / j->texts) * (size_t)s, past = past_at(j, s);
        j->t->backend->attention(&form, n->x[0]->data + row * (size_t)n->x[0]->cols + q, n->x[0]->cols, j->k + past + k, j->ldk,
                                 j->v + past + k, j->ldv, j->y + row * (size_t)query_cols(&n->form) + q, query_cols(&n->form),
                                 n->lse + (size_t)first * (size_t)group * (size_t)n->x[0]->rows,
                                 j->scratch + (size_t)part * j->scratch_each);
    }
}

/* Biases by position are of all heads, and dropout counts them, so these are worked on by one. */
static int parts_of(const at_tape *t, const at_attention_inputs *in) {
    return in->bucket || t->training ? 1 : at_team_parts(t->team);
}

static void copy_rows(const at_tensor *x, int first, int n, int col, at_real *to, int cols) {
    for (int r = 0; r < n; r++)
        memcpy(to + (size_t)r * (size_t)cols, x->data + (size_t)(first + r) * (size_t)x->cols + col, (size_t)cols * sizeof *to);
}

/* The batch's own keys and values go behind those before them, and all of them are seen. */
static void append(forward_job *j, const at_attention_inputs *in) {
    const attention_node *n = j->n;
    int cols = key_cols(&n->form), rows = n->x[1]->rows / j->texts;
    for (int s = 0; s < j->texts; s++) {
        size_t behind = past_at(j, s) + (size_t)in->n_past * (size_t)cols;
        copy_rows(n->x[1], s * rows, rows, begin_of(n, 1), in->past_keys + behind, cols);
        copy_rows(n->x[2], s * rows, rows, begin_of(n, 2), in->past_values + behind, cols);
    }
    j->k = in->past_keys;
    j->v = in->past_values;
    j->ldk = j->ldv = cols;
}

static void attend_part(void *context, int p, int parts) {
    (void)parts;
    const team_job *j = context;
    const attention_node *n = j->n;
    at_tensor *const *x = n->x;
    size_t row[3], at[3];
    const at_attention a = part_of(n, p, row);
    if (!a.n_seq) return;
    for (int i = 0; i < 3; i++) at[i] = row[i] * (size_t)x[i]->cols + (size_t)begin_of(n, i);
    j->t->backend->attention(&a, x[0]->data + at[0], x[0]->cols, x[1]->data + at[1], x[1]->cols, x[2]->data + at[2], x[2]->cols,
                             j->y + row[0] * (size_t)query_cols(&a), query_cols(&a), n->lse + row[0] * (size_t)a.heads,
                             j->scratch + (size_t)p * j->scratch_size);
}

static void run_forward(at_tape *t, attention_node *n, const at_attention_inputs *in, int texts, at_real *y, at_real *scratch,
                        size_t scratch_each) {
    at_tensor *const *x = n->x;
    forward_job job = {.t = t, .n = n, .k = x[1]->data + begin_of(n, 1), .ldk = x[1]->cols, .v = x[2]->data + begin_of(n, 2),
                       .ldv = x[2]->cols, .y = y, .scratch = scratch, .scratch_each = scratch_each, .texts = texts, .slot = in->past_slot,
                       .room = in->past_room};
    if (n->distance) spread(t, n);
    if (in->past_keys) append(&job, in);
    if (n->parts > 1) at_team_run(t->team, attend_part, &(team_job){t, n, y, scratch, scratch_each, NULL});
    else at_team_run(parts_of(t, in) > 1 ? t->team : NULL, forward_part, &job);
}

/* With keys from before: where they end. Returns how many sequences are worked on one by one, each as if it were alone; 0: failed. */
static int set_past(at_tape *t, at_attention *a, const at_attention_inputs *in, const at_batch *b, int records) {
    if (!in->past_keys) return 1;
    int fits = in->past_slot ? b->n_seq == b->rows : b->n_seq == 1;
    if (!fits || records || in->bucket || in->n_past < 0 || in->n_past > INT_MAX - b->rows) {
        at_tape_fail(t, AT_BUG, "attention: %d sequences of %d rows behind %d cached keys", b->n_seq, b->rows, in->n_past);
        return 0;
    }
    int *cu = at_alloc(t->objects, 4, sizeof *cu);
    if (!cu) return at_tape_fail(t, AT_NO_MEMORY, "not enough memory for a sequence"), 0;
    cu[1] = b->rows / b->n_seq;
    cu[3] = in->n_past + cu[1];
    a->n_seq = 1;
    a->cu_q = cu;
    a->cu_k = cu + 2;
    return b->n_seq;
}

at_tensor *at_op_attention_with(at_tape *t, const at_attention_inputs *in, const at_batch *b, const at_attention *form, double p) {
    if (t->status || !check(t, in, b, form, p) || !check_tensors(t, in, b, form)) return NULL;
    attention_node n = {.x = {in->q, in->k, in->v}, .position = {in->position_key, in->position_query}, .relative = in->relative,
                        .max_distance = in->distance, .reach = b->max_len + (in->past_keys ? in->n_past : 0), .form = *form};
    at_attention *a = &n.form;
    at_dropout drop = at_next_dropout(t, p, NULL);
    a->n_seq = b->n_seq;
    a->cu_q = b->cu_seqlens;
    a->cu_k = in->source ? in->source->cu_seqlens : b->cu_seqlens;
    a->seq_id = b->seq_id;
    a->dropout_threshold = drop.threshold;
    a->dropout_key = drop.key;
    int records = set_positions(t, a, in) | at_tape_records(t, in->q) | at_tape_records(t, in->k) | at_tape_records(t, in->v) |
                  at_weight_records(t, in->relative);
    at_tensor *y = at_tape_tensor(t, in->q->space, in->q->rows, query_cols(a));
    int texts = y ? set_past(t, a, in, b, records) : 0;
    if (!texts) return NULL;
    at_mark mark = at_arena_mark(t->scratch);
    size_t n_lse = (size_t)a->heads * (size_t)in->q->rows;
    n.lse = records ? at_tape_save(t, n_lse, sizeof(at_real)) : at_tape_scratch(t, n_lse);
    if (n.relative) n.distance = records ? at_tape_save(t, distances(&n), sizeof(at_real)) : at_tape_scratch(t, distances(&n));
    a->reach = n.reach;
    a->distance = n.distance;
    size_t each = (t->backend->attention_scratch(a) + 15) / 16 * 16;
    int parts = prepare_parts(t, &n) && n.parts > 1 ? n.parts : parts_of(t, in);
    at_real *scratch = at_tape_scratch(t, each * (size_t)parts);
    if (t->status) return NULL;
    if (!t->dry) run_forward(t, &n, in, texts, y->data, scratch, each);
    at_arena_rewind(t->scratch, mark);
    if (!records) return y;
    attention_node *node = (attention_node *)at_tape_push(t, sizeof *node, y, attention_backward);
    if (!node) return NULL;
    n.node = node->node;
    *node = n;
    return y;
}

at_tensor *at_op_attention(at_tape *t, at_tensor *qkv, const at_batch *b, const at_attention *form, double p) {
    const at_attention_inputs in = {.q = qkv, .k = qkv, .v = qkv};
    return at_op_attention_with(t, &in, b, form, p);
}
