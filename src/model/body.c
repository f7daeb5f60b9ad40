/* The body: embeddings and blocks. A block is the variant that the arch names; a frozen block keeps nothing but its output. */
#include "op/op.h"
#include "model/model.h"

static at_tensor *norm(at_tape *t, const at_model *m, at_tensor *x, at_tensor *residual, double p, const at_batch *b,
                       at_weight *gain, at_weight *bias) {
    return at_op_norm(t, x, residual, p, b->row_id, gain, bias, m->arch.norm_epsilon, m->arch.rms);
}

static at_tensor *attend(at_tape *t, const at_model *m, const at_layer *l, at_tensor *x, const at_batch *b) {
    const at_arch *a = &m->arch;
    at_attention form = {.heads = a->heads, .kv_heads = a->kv_heads, .head_dim = a->head_dim, .causal = a->causal,
                         .scale = (at_real)a->attention_scale};
    at_tensor *qkv = at_op_linear(t, x, l->qkv, l->qkv_bias, 3, AT_ACT_NONE);
    at_tensor *y = at_op_attention(t, qkv, b, &form, a->attention_dropout);
    return at_op_linear(t, y, &l->out, &l->out_bias, 1, AT_ACT_NONE);
}

static at_tensor *feed_forward(at_tape *t, const at_model *m, const at_layer *l, at_tensor *x) {
    at_tensor *up = at_op_linear(t, x, &l->up, &l->up_bias, 1, m->arch.activation);
    return at_op_linear(t, up, &l->down, &l->down_bias, 1, AT_ACT_NONE);
}

/* x = norm(x + dropout(attention(x)));  x = norm(x + dropout(ffn(x)))   (Vaswani et al. 2017; BERT) */
static at_tensor *block_post(at_tape *t, const at_model *m, const at_layer *l, at_tensor *x, const at_batch *b) {
    double p = m->arch.hidden_dropout;
    x = norm(t, m, attend(t, m, l, x, b), x, p, b, l->attention_norm, l->attention_norm_bias);
    return norm(t, m, feed_forward(t, m, l, x), x, p, b, l->output_norm, l->output_norm_bias);
}

/* x = x + dropout(attention(norm(x)));  x = x + dropout(ffn(norm(x)))   (GPT-2) */
static at_tensor *block_pre(at_tape *t, const at_model *m, const at_layer *l, at_tensor *x, const at_batch *b) {
    double p = m->arch.hidden_dropout;
    at_tensor *y = norm(t, m, x, NULL, 0, b, l->attention_norm, l->attention_norm_bias);
    x = at_op_add(t, x, at_op_dropout(t, attend(t, m, l, y, b), p, b->row_id));
    y = norm(t, m, x, NULL, 0, b, l->output_norm, l->output_norm_bias);
    return at_op_add(t, x, at_op_dropout(t, feed_forward(t, m, l, y), p, b->row_id));
}

static at_tensor *embed(at_tape *t, const at_model *m, const at_batch *b) {
    const at_body *body = &m->body;
    at_weight *position = m->arch.position == AT_POSITION_LEARNED ? body->position : NULL;
    at_tensor *x = at_op_embed(t, b, body->token, position, m->arch.type_vocab ? body->type : NULL);
    if (body->embed_norm) x = norm(t, m, x, NULL, 0, b, body->embed_norm, body->embed_norm_bias);
    return at_op_dropout(t, x, m->arch.hidden_dropout, b->row_id);
}

at_tensor *at_body_forward(at_tape *t, const at_model *m, const at_batch *b) {
    at_tensor *(*block)(at_tape *, const at_model *, const at_layer *, at_tensor *, const at_batch *) =
        m->arch.norm_place == AT_NORM_PRE ? block_pre : block_post;
    at_tensor *x = embed(t, m, b);
    for (int l = 0; l < m->arch.layers && !at_tape_status(t); l++) {
        at_mark mark = at_arena_mark(t->arena);
        at_tensor *y = block(t, m, &m->body.layer[l], x, b);
        x = at_tape_keep(t, mark, x, y);
    }
    return x;
}
