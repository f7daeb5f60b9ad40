/* Over each sequence and head: S = scale · Q Kᵀ (capped, masked), P = softmax(S), y = dropout(P) V.
 * Saved: y and lse = log Σ exp S a row, from which backward makes P anew (FlashAttention: Dao et al. 2022):
 * dV = dropout(P)ᵀ dy;  dP = dropout(dy Vᵀ);  dS = P ⊙ (dP - rowsum(dy ⊙ y));  dQ = scale · dS K;  dK = scale · dSᵀ Q. */
#include "op/shape.h"

typedef struct attention_node {
    at_node node;
    at_tensor *qkv;
    at_real *lse; /* [heads, rows] */
    at_attention form;
} attention_node;

static int query_cols(const at_attention *a) { return a->heads * a->head_dim; }
static int key_cols(const at_attention *a) { return a->kv_heads * a->head_dim; }

static void run_backward(at_tape *t, attention_node *n, at_real *dqkv, at_real *scratch) {
    const at_attention *a = &n->form;
    at_tensor *y = n->node.y;
    int ld = n->qkv->cols, k = query_cols(a), v = k + key_cols(a);
    const at_real *q = n->qkv->data;
    t->backend->attention_backward(a, q, ld, q + k, ld, q + v, ld, y->data, y->grad, y->cols, n->lse, dqkv, ld, dqkv + k,
                                   ld, dqkv + v, ld, scratch);
}

static void attention_backward(at_tape *t, at_node *node) {
    attention_node *n = (attention_node *)node;
    int accumulate;
    at_real *dqkv = at_tape_gradient(t, n->qkv, &accumulate);
    at_mark mark = at_arena_mark(t->scratch);
    at_real *scratch = at_tape_scratch(t, t->backend->attention_scratch(&n->form));
    /* The kernel assigns; a second consumer of qkv adds through a buffer. */
    at_real *into = accumulate ? at_tape_scratch(t, at_elements(n->qkv)) : dqkv;
    if (!t->status && !t->dry) {
        run_backward(t, n, into, scratch);
        if (accumulate) t->backend->scale_add(1, into, dqkv, 1, at_elements(n->qkv));
    }
    at_arena_rewind(t->scratch, mark);
}

static int check(at_tape *t, const at_tensor *qkv, const at_batch *b, const at_attention *a, double p) {
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads)
        at_tape_fail(t, AT_BUG, "attention: %d heads on %d key-value heads of %d", a->heads, a->kv_heads, a->head_dim);
    else if (!at_is_tokens(qkv, b) || qkv->cols != query_cols(a) + 2 * key_cols(a))
        at_tape_fail(t, AT_BUG, "attention: qkv is [%d, %d], the batch has %d rows and the heads need %d columns", qkv->rows,
                     qkv->cols, b->rows, query_cols(a) + 2 * key_cols(a));
    else if (b->cu_seqlens[0] != 0 || b->cu_seqlens[b->n_seq] != b->rows)
        at_tape_fail(t, AT_BUG, "attention: the sequences cover rows %d to %d of %d", b->cu_seqlens[0],
                     b->cu_seqlens[b->n_seq], b->rows);
    else if (!at_is_probability(p)) at_tape_fail(t, AT_BUG, "attention: dropout of %g", p);
    return !t->status;
}

at_tensor *at_op_attention(at_tape *t, at_tensor *qkv, const at_batch *b, const at_attention *form, double p) {
    if (t->status || !check(t, qkv, b, form, p)) return NULL;
    at_attention a = *form;
    at_dropout drop = at_next_dropout(t, p, NULL);
    a.n_seq = b->n_seq;
    a.cu_q = a.cu_k = b->cu_seqlens;
    a.seq_id = b->seq_id;
    a.dropout_threshold = drop.threshold;
    a.dropout_key = drop.key;
    int records = at_tape_records(t, qkv), ld = qkv->cols, k = query_cols(&a), v = k + key_cols(&a);
    at_tensor *y = at_tape_tensor(t, qkv->space, qkv->rows, k);
    if (!y) return NULL;
    at_mark mark = at_arena_mark(t->scratch);
    size_t n_lse = (size_t)a.heads * (size_t)qkv->rows;
    at_real *lse = records ? at_tape_save(t, n_lse, sizeof(at_real)) : at_tape_scratch(t, n_lse);
    at_real *scratch = at_tape_scratch(t, t->backend->attention_scratch(&a));
    if (t->status) return NULL;
    const at_real *q = qkv->data;
    if (!t->dry) t->backend->attention(&a, q, ld, q + k, ld, q + v, ld, y->data, k, lse, scratch);
    at_arena_rewind(t->scratch, mark);
    if (!records) return y;
    attention_node *n = (attention_node *)at_tape_push(t, sizeof *n, y, attention_backward);
    if (!n) return NULL;
    n->qkv = qkv;
    n->lse = lse;
    n->form = a;
    return y;
}
