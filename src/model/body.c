/* The body: embeddings and blocks. A block is the variant that the arch names; a frozen block keeps nothing but its output. */
#include "op/op.h"
#include "model/model.h"

/* What the layers of one walk share. */
typedef struct walk {
    at_tape *t;
    const at_model *m;
    const at_batch *b;
    at_rope_table rope[2]; /* of layers that see everything, of local ones */
} walk;

/* A norm of the model's kind; without a gain there is none, and x goes on as it is. */
static at_tensor *norm(walk *w, at_tensor *x, at_tensor *residual, double p, at_weight *gain, at_weight *bias) {
    const at_arch *a = &w->m->arch;
    return gain ? at_op_norm(w->t, x, residual, p, w->b->row_id, gain, bias, a->norm_epsilon, a->norm) : x;
}

static int is_local(const at_arch *a, int layer) { return a->window > 0 && (!a->local || a->local[layer]); }

static int rope_of(const at_arch *a, int layer) { return a->local && a->local[layer]; }

/* Queries, keys and values apart: each may have its norm before it turns. */
static at_tensor *attend_apart(walk *w, int layer, at_tensor *x, const at_attention *form) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    at_weight *gain[3] = {l->query_norm, l->key_norm, NULL};
    at_tensor *part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = at_op_linear(w->t, x, &l->qkv[i], &l->qkv_bias[i], 1, AT_ACT_NONE);
        if (gain[i]) part[i] = norm(w, part[i], NULL, 0, gain[i], NULL);
        if (i < 2 && a->position == AT_POSITION_ROTARY)
            part[i] = at_op_rotary(w->t, part[i], &w->rope[rope_of(a, layer)], i ? a->kv_heads : a->heads, a->head_dim);
    }
    const at_attention_inputs in = {part[0], part[1], part[2], w->m->body.relative, a->relative_distance};
    return at_op_attention_with(w->t, &in, w->b, form, a->attention_dropout);
}

static at_tensor *attend_fused(walk *w, int layer, at_tensor *x, const at_attention *form) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    at_tensor *qkv = at_op_linear(w->t, x, l->qkv, l->qkv_bias, 3, AT_ACT_NONE);
    if (a->position == AT_POSITION_ROTARY)
        qkv = at_op_rotary(w->t, qkv, &w->rope[rope_of(a, layer)], a->heads + a->kv_heads, a->head_dim);
    const at_attention_inputs in = {qkv, qkv, qkv, w->m->body.relative, a->relative_distance};
    return at_op_attention_with(w->t, &in, w->b, form, a->attention_dropout);
}

static at_tensor *attend(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    at_attention form = {.heads = a->heads, .kv_heads = a->kv_heads, .head_dim = a->head_dim, .causal = a->causal,
                         .window = is_local(a, layer) ? a->window : 0, .scale = (at_real)a->attention_scale,
                         .soft_cap = (at_real)a->soft_cap};
    at_tensor *y = l->query_norm ? attend_apart(w, layer, x, &form) : attend_fused(w, layer, x, &form);
    return at_op_linear(w->t, y, &l->out, &l->out_bias, 1, AT_ACT_NONE);
}

static at_tensor *feed_forward(walk *w, int layer, at_tensor *x) {
    const at_layer *l = &w->m->body.layer[layer];
    at_tensor *up;
    if (w->m->arch.gated) {
        at_weight *weight[2] = {l->gate, l->up}, *bias[2] = {l->gate_bias, l->up_bias};
        up = at_op_gated(w->t, at_op_linear(w->t, x, weight, bias, 2, AT_ACT_NONE), w->m->arch.activation);
    } else {
        up = at_op_linear(w->t, x, &l->up, &l->up_bias, 1, w->m->arch.activation);
    }
    if (w->m->arch.inner_dropout > 0) up = at_op_dropout(w->t, up, w->m->arch.inner_dropout, w->b->row_id);
    return at_op_linear(w->t, up, &l->down, &l->down_bias, 1, AT_ACT_NONE);
}

/* x = norm(x + dropout(attention(x)));  x = norm(x + dropout(ffn(x)))   (Vaswani et al. 2017; BERT) */
static at_tensor *block_post(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    x = norm(w, attend(w, layer, x), x, a->hidden_dropout, l->attention_norm, l->attention_norm_bias);
    return norm(w, feed_forward(w, layer, x), x, a->output_dropout, l->output_norm, l->output_norm_bias);
}

static at_tensor *drop(walk *w, at_tensor *x, double p) { return at_op_dropout(w->t, x, p, w->b->row_id); }

/* x = x + dropout(after(attention(before(x))));  x = x + dropout(after(ffn(before(x))))   (GPT-2, LLaMA, Gemma 2) */
static at_tensor *block_residual(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    at_tensor *y = attend(w, layer, norm(w, x, NULL, 0, l->attention_norm, l->attention_norm_bias));
    x = at_op_add(w->t, x, drop(w, norm(w, y, NULL, 0, l->attention_after, NULL), a->hidden_dropout));
    y = feed_forward(w, layer, norm(w, x, NULL, 0, l->output_norm, l->output_norm_bias));
    return at_op_add(w->t, x, drop(w, norm(w, y, NULL, 0, l->output_after, NULL), a->output_dropout));
}

/* x = x + dropout(attention(norm_1(x))) + dropout(ffn(norm_2(x)))   (GPT-NeoX) */
static at_tensor *block_parallel(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->m->body.layer[layer];
    at_tensor *y = attend(w, layer, norm(w, x, NULL, 0, l->attention_norm, l->attention_norm_bias));
    at_tensor *z = feed_forward(w, layer, norm(w, x, NULL, 0, l->output_norm, l->output_norm_bias));
    x = at_op_add(w->t, x, drop(w, y, a->hidden_dropout));
    return at_op_add(w->t, x, drop(w, z, a->output_dropout));
}

/* Tables of positions that begin later. A padding token within a text stands at the padding's own row and is not counted, as
 * transformers' create_position_ids_from_input_ids has it. */
static const at_batch *shift_positions(at_tape *t, const at_arch *a, const at_batch *b) {
    at_batch *shifted = at_alloc(t->objects, 1, sizeof *shifted);
    int32_t *positions = at_alloc(t->objects, (size_t)b->rows, sizeof *positions);
    if (!shifted || !positions) {
        at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d positions", b->rows);
        return b;
    }
    for (int s = 0; s < b->n_seq; s++)
        for (int r = b->cu_seqlens[s], next = a->position_offset; r < b->cu_seqlens[s + 1]; r++)
            positions[r] = b->ids[r] == a->pad_id ? a->position_offset - 1 : next++;
    *shifted = *b;
    shifted->positions = positions;
    return shifted;
}

static at_tensor *embed(walk *w) {
    at_tape *t = w->t;
    const at_arch *a = &w->m->arch;
    const at_body *body = &w->m->body;
    at_weight *position = a->position == AT_POSITION_LEARNED ? body->position : NULL;
    const at_batch *b = position && a->position_offset ? shift_positions(t, a, w->b) : w->b;
    at_tensor *x = at_op_embed(t, b, body->token, position, a->type_vocab ? body->type : NULL);
    if (a->embedding_scale != 1) x = at_op_scale(t, x, a->embedding_scale);
    x = drop(w, norm(w, x, NULL, 0, body->embed_norm, body->embed_norm_bias), a->embedding_dropout);
    return body->project ? at_op_linear(t, x, &body->project, &body->project_bias, 1, AT_ACT_NONE) : x;
}

static void prepare_positions(walk *w) {
    const at_arch *a = &w->m->arch;
    if (a->position != AT_POSITION_ROTARY) return;
    at_rope_prepare(w->t, w->b, &a->rope[0], &w->rope[0]);
    w->rope[1] = w->rope[0];
    if (a->local && a->rope[1].inverse != a->rope[0].inverse) at_rope_prepare(w->t, w->b, &a->rope[1], &w->rope[1]);
}

at_tensor *at_body_forward(at_tape *t, const at_model *m, const at_batch *b) {
    static at_tensor *(*const blocks[])(walk *, int, at_tensor *) = {
        [AT_BLOCK_POST] = block_post, [AT_BLOCK_RESIDUAL] = block_residual, [AT_BLOCK_PARALLEL] = block_parallel};
    walk w = {.t = t, .m = m, .b = b};
    prepare_positions(&w);
    at_tensor *x = embed(&w);
    for (int l = 0; l < m->arch.layers && !at_tape_status(t); l++) {
        at_mark mark = at_arena_mark(t->arena);
        at_tensor *y = blocks[m->arch.block](&w, l, x);
        x = at_tape_keep(t, mark, x, y);
    }
    return norm(&w, x, NULL, 0, m->body.final_norm, m->body.final_norm_bias);
}
