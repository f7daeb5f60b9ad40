/* The body: embeddings and blocks, once, or twice where a decoder reads what an encoder made. A block is the variant that the arch names; a
 * frozen block keeps nothing but its output. */
#include "op/op.h"
#include "model/model.h"

/* What an encoder and a decoder differ in. */
typedef struct stack {
    const at_layer *layer;
    int layers, causal;
    int heads, kv_heads, head_dim;
    double scale;             /* of the scores */
    at_weight *position, *embed_norm, *embed_norm_bias, *relative, *final_norm, *final_norm_bias;
} stack;

/* What the layers of one walk share. */
typedef struct walk {
    at_tape *t;
    const at_model *m;
    const at_batch *b;
    stack s;
    /* Of a decoder beside an encoder: the encoder's rows, of the batch `source`; NULL: the cache has what is read */
    at_tensor *encoded;
    const at_batch *source, *readers; /* readers: the walk's rows as the sequences that read it */
    at_rope_table rope[2]; /* of layers that see everything, of local ones */
    const at_reads *reads; /* the rows that come out, or NULL: all of them */
    const uint64_t *row_id;/* names of the rows for dropout */
    at_tensor *positions;  /* rows of positions that the batch's distances use, for disentangled attention; else NULL */
    const int *bucket;     /* [2 * max_len - 1] row of each distance */
    const uint64_t *position_row; /* names of the rows for dropout */
} walk;

static stack first_stack(const at_model *m) {
    const at_arch *a = &m->arch;
    const at_body *b = &m->body;
    return (stack){b->layer, a->layers, a->causal, a->heads, a->kv_heads, a->head_dim, a->attention_scale, b->position, b->embed_norm,
                   b->embed_norm_bias, b->relative, b->final_norm, b->final_norm_bias};
}

static stack decoder_stack(const at_model *m) {
    const at_decoder_arch *a = &m->arch.decoder;
    const at_decoder_body *b = &m->body.decoder;
    return (stack){b->layer, a->layers, 1, a->heads, a->heads, a->head_dim, a->attention_scale, b->position, b->embed_norm,
                   b->embed_norm_bias, b->relative, b->final_norm, b->final_norm_bias};
}

/* A norm of the model's kind; without a gain there is none, and x goes on as it is. */
static at_tensor *norm(walk *w, at_tensor *x, at_tensor *residual, double p, at_weight *gain, at_weight *bias) {
    const at_arch *a = &w->m->arch;
    return gain ? at_op_norm(w->t, x, residual, p, w->row_id, gain, bias, a->norm_epsilon, a->norm) : x;
}

/* Behind the last block's attention nothing but the head reads: of the other rows nothing is computed there. */
static int is_narrow(const walk *w, int layer) {
    return w->reads && layer >= 0 && layer == w->s.layers - 1 && !(layer == 0 && w->m->body.conv); /* whose neighbours are wanted, too */
}

static at_tensor *rows_read(walk *w, int layer, at_tensor *x) {
    return is_narrow(w, layer) ? at_op_gather(w->t, x, w->reads->row, w->reads->n, AT_SPACE_SEQUENCES) : x;
}

/* What goes past the attention, from there on. */
static at_tensor *go_on_with_read(walk *w, int layer, at_tensor *x) {
    if (is_narrow(w, layer)) w->row_id = w->reads->row_id;
    return rows_read(w, layer, x);
}

static int is_local(const at_arch *a, int layer) { return a->window > 0 && (!a->local || a->local[layer]); }

static int rope_of(const at_arch *a, int layer) { return a->local && a->local[layer]; }

static at_tensor *project_positions(walk *w, at_tensor *rows, at_weight *own, at_weight *own_bias, at_weight *shared,
                                    at_weight *shared_bias) {
    return at_op_linear(w->t, rows, own ? &own : &shared, own ? &own_bias : &shared_bias, 1, AT_ACT_NONE);
}

/* What the scores have beside queries and keys. */
static void add_positions(walk *w, int layer, at_attention_inputs *in) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    if (!w->positions) {
        in->relative = w->s.relative;
        in->distance = a->relative_distance;
        return;
    }
    at_tensor *rows = at_op_dropout(w->t, w->positions, a->hidden_dropout, w->position_row);
    if (a->position_keys)
        in->position_key = project_positions(w, rows, l->position_key, l->position_key_bias, l->qkv[1], l->qkv_bias[1]);
    if (a->position_queries)
        in->position_query = project_positions(w, rows, l->position_query, l->position_query_bias, l->qkv[0], l->qkv_bias[0]);
    in->bucket = w->bucket;
}

static void add_past(const walk *w, int layer, at_attention_inputs *in) {
    const at_cache *c = w->b->cache;
    if (!c) return;
    in->past_room = (size_t)c->cap * (size_t)c->cols;
    size_t at = (size_t)layer * (size_t)c->slots * in->past_room;
    in->past_keys = c->keys + at;
    in->past_values = c->values + at;
    in->n_past = c->length;
    in->past_slot = c->slot;
}

/* Queries, keys and values apart: each may have its norm before it turns. */
static at_tensor *attend_apart(walk *w, int layer, at_tensor *x, const at_attention *form) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_weight *gain[3] = {l->query_norm, l->key_norm, NULL};
    at_tensor *part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = at_op_linear(w->t, x, &l->qkv[i], &l->qkv_bias[i], 1, AT_ACT_NONE);
        if (gain[i]) part[i] = norm(w, part[i], NULL, 0, gain[i], NULL);
        if (i < 2 && a->position == AT_POSITION_ROTARY)
            part[i] = at_op_rotary(w->t, part[i], &w->rope[rope_of(a, layer)], i ? w->s.kv_heads : w->s.heads, w->s.head_dim);
    }
    at_attention_inputs in = {.q = part[0], .k = part[1], .v = part[2]};
    add_positions(w, layer, &in);
    add_past(w, layer, &in);
    return at_op_attention_with(w->t, &in, w->b, form, a->attention_dropout);
}

/* Where the first row of each sequence is read and nothing depends on distances, only that row asks. */
static int asks_alone(const walk *w, int layer, const at_attention *form) {
    return is_narrow(w, layer) && w->reads->first_each && w->m->arch.position != AT_POSITION_ROTARY && !form->causal && !form->window &&
           !w->s.relative && !w->positions && !w->b->cache;
}

/* The rows read, as sequences of one. */
static const at_batch *as_readers(const walk *w) {
    int n = w->reads->n;
    at_batch *b = at_alloc(w->t->objects, 1, sizeof *b);
    int *cu = at_alloc(w->t->objects, (size_t)n + 1, sizeof *cu);
    if (!b || !cu) {
        at_tape_fail(w->t, AT_NO_MEMORY, "not enough memory for %d texts", n);
        return NULL;
    }
    for (int s = 0; s <= n; s++) cu[s] = s;
    *b = (at_batch){.rows = n, .n_seq = n, .max_len = 1, .cu_seqlens = cu, .row_id = w->reads->row_id, .seq_id = w->b->seq_id};
    return b;
}

static at_tensor *attend_alone(walk *w, int layer, at_tensor *x, const at_attention *form) {
    const at_layer *l = &w->s.layer[layer];
    const at_batch *readers = at_tape_status(w->t) ? NULL : as_readers(w);
    if (!readers) return NULL;
    at_tensor *q = at_op_linear(w->t, rows_read(w, layer, x), l->qkv, l->qkv_bias, 1, AT_ACT_NONE);
    at_tensor *kv = at_op_linear(w->t, x, l->qkv + 1, l->qkv_bias + 1, 2, AT_ACT_NONE);
    at_attention_inputs in = {.q = q, .k = kv, .v = kv, .source = w->b};
    return at_op_attention_with(w->t, &in, readers, form, w->m->arch.attention_dropout);
}

static at_tensor *attend_fused(walk *w, int layer, at_tensor *x, const at_attention *form) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_tensor *qkv = at_op_linear(w->t, x, l->qkv, l->qkv_bias, 3, AT_ACT_NONE);
    if (a->position == AT_POSITION_ROTARY)
        qkv = at_op_rotary(w->t, qkv, &w->rope[rope_of(a, layer)], w->s.heads + w->s.kv_heads, w->s.head_dim);
    at_attention_inputs in = {.q = qkv, .k = qkv, .v = qkv};
    add_positions(w, layer, &in);
    add_past(w, layer, &in);
    return at_op_attention_with(w->t, &in, w->b, form, a->attention_dropout);
}

static at_tensor *attend(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_attention form = {.heads = w->s.heads, .kv_heads = w->s.kv_heads, .head_dim = w->s.head_dim, .causal = w->s.causal,
                         .window = is_local(a, layer) ? a->window : 0, .scale = (at_real)at_arch_scale(a, w->s.scale, layer),
                         .soft_cap = (at_real)a->soft_cap};
    int alone = !l->query_norm && asks_alone(w, layer, &form);
    at_tensor *y = l->query_norm ? attend_apart(w, layer, x, &form)
                   : alone       ? attend_alone(w, layer, x, &form)
                                 : attend_fused(w, layer, x, &form);
    return at_op_linear(w->t, alone ? y : rows_read(w, layer, y), &l->out, &l->out_bias, 1, AT_ACT_NONE);
}

/* Keys and values of the encoder's rows, side by side. */
static at_tensor *source_keys(at_tape *t, const at_layer *l, at_tensor *encoded) {
    return at_op_linear(t, encoded, l->source_kv, l->source_kv_bias, 2, AT_ACT_NONE);
}

static at_tensor *cached_source_keys(const walk *w, int layer) {
    const at_cache *c = w->b->cache;
    size_t each = (size_t)w->source->rows * 2 * (size_t)c->cols;
    return at_tape_constant(w->t, AT_SPACE_TOKENS, w->source->rows, 2 * c->cols, c->source_keys + (size_t)layer * each);
}

/* Texts that are written at once read one source: their rows are one sequence to it. */
static const at_batch *as_one_reader(const walk *w) {
    if (w->b->n_seq == w->source->n_seq || at_tape_status(w->t)) return w->b;
    at_batch *one = at_alloc(w->t->objects, 1, sizeof *one);
    int *cu = at_alloc(w->t->objects, 2, sizeof *cu);
    if (!one || !cu) {
        at_tape_fail(w->t, AT_NO_MEMORY, "not enough memory for %d texts", w->b->n_seq);
        return w->b;
    }
    *one = *w->b;
    cu[1] = one->max_len = one->rows;
    one->n_seq = 1;
    one->cu_seqlens = cu;
    return one;
}

/* Attention of a decoder's rows to the encoder's. */
static at_tensor *attend_source(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_attention form = {.heads = w->s.heads, .kv_heads = w->s.kv_heads, .head_dim = w->s.head_dim, .scale = (at_real)w->s.scale,
                         .soft_cap = (at_real)a->soft_cap};
    at_tensor *q = at_op_linear(w->t, x, &l->source_query, &l->source_query_bias, 1, AT_ACT_NONE);
    at_tensor *kv = w->encoded ? source_keys(w->t, l, w->encoded) : cached_source_keys(w, layer);
    at_attention_inputs in = {.q = q, .k = kv, .v = kv, .source = w->source};
    at_tensor *y = at_op_attention_with(w->t, &in, w->readers, &form, a->attention_dropout);
    return at_op_linear(w->t, y, &l->source_out, &l->source_out_bias, 1, AT_ACT_NONE);
}

static at_tensor *feed_forward(walk *w, int layer, at_tensor *x) {
    const at_layer *l = &w->s.layer[layer];
    at_tensor *up;
    if (w->m->arch.gated) {
        at_weight *weight[2] = {l->gate, l->up}, *bias[2] = {l->gate_bias, l->up_bias};
        up = at_op_gated(w->t, at_op_linear(w->t, x, weight, bias, 2, AT_ACT_NONE), w->m->arch.activation);
    } else {
        up = at_op_linear(w->t, x, &l->up, &l->up_bias, 1, w->m->arch.activation);
    }
    if (w->m->arch.inner_dropout > 0) up = at_op_dropout(w->t, up, w->m->arch.inner_dropout, w->row_id);
    return at_op_linear(w->t, up, &l->down, &l->down_bias, 1, AT_ACT_NONE);
}

/* x = norm(x + dropout(attention(x)));  [the same with the encoder's rows;]  x = norm(x + dropout(ffn(x)))   (Vaswani et al. 2017; BERT,
 * BART) */
static at_tensor *block_post(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_tensor *y = attend(w, layer, x);
    x = norm(w, y, go_on_with_read(w, layer, x), a->hidden_dropout, l->attention_norm, l->attention_norm_bias);
    if (w->source) x = norm(w, attend_source(w, layer, x), x, a->hidden_dropout, l->source_norm, l->source_norm_bias);
    return norm(w, feed_forward(w, layer, x), x, a->output_dropout, l->output_norm, l->output_norm_bias);
}

static at_tensor *drop(walk *w, at_tensor *x, double p) { return at_op_dropout(w->t, x, p, w->row_id); }

/* x = x + dropout(after(attention(before(x))));  [the same with the encoder's rows;]  x = x + dropout(after(ffn(before(x))))
 * (GPT-2, LLaMA, Gemma 2, T5) */
static at_tensor *block_residual(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_tensor *y = attend(w, layer, norm(w, x, NULL, 0, l->attention_norm, l->attention_norm_bias));
    x = go_on_with_read(w, layer, x);
    x = at_op_add(w->t, x, drop(w, norm(w, y, NULL, 0, l->attention_after, NULL), a->hidden_dropout));
    if (w->source) {
        y = attend_source(w, layer, norm(w, x, NULL, 0, l->source_norm, l->source_norm_bias));
        x = at_op_add(w->t, x, drop(w, y, a->hidden_dropout));
    }
    y = feed_forward(w, layer, norm(w, x, NULL, 0, l->output_norm, l->output_norm_bias));
    return at_op_add(w->t, x, drop(w, norm(w, y, NULL, 0, l->output_after, NULL), a->output_dropout));
}

/* x = x + dropout(attention(norm_1(x))) + dropout(ffn(norm_2(x)))   (GPT-NeoX) */
static at_tensor *block_parallel(walk *w, int layer, at_tensor *x) {
    const at_arch *a = &w->m->arch;
    const at_layer *l = &w->s.layer[layer];
    at_tensor *y = attend(w, layer, norm(w, x, NULL, 0, l->attention_norm, l->attention_norm_bias));
    x = go_on_with_read(w, layer, x);
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
            positions[r] = a->counts_padding ? b->positions[r] + a->position_offset
                                             : b->ids[r] == a->pad_id ? a->position_offset - 1 : next++;
    *shifted = *b;
    shifted->positions = positions;
    return shifted;
}

/* x + position[positions], where the words were scaled and positions are not. */
static at_tensor *add_position_rows(at_tape *t, const at_batch *b, at_tensor *x, at_weight *position) {
    at_batch *by_position = at_alloc(t->objects, 1, sizeof *by_position);
    if (!by_position) return at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d positions", b->rows);
    *by_position = *b;
    by_position->ids = b->positions;
    return at_op_add(t, x, at_op_embed(t, by_position, position, NULL, NULL));
}

static at_tensor *embed(walk *w) {
    at_tape *t = w->t;
    const at_arch *a = &w->m->arch;
    const at_body *body = &w->m->body;
    at_weight *position = a->position == AT_POSITION_LEARNED ? w->s.position : NULL;
    const at_batch *b = position && a->position_offset ? shift_positions(t, a, w->b) : w->b;
    int apart = position && a->embedding_scale != 1;
    at_tensor *x = at_op_embed(t, b, body->token, apart ? NULL : position, a->type_vocab ? body->type : NULL);
    if (a->embedding_scale != 1) x = at_op_scale(t, x, a->embedding_scale);
    if (apart) x = add_position_rows(t, b, x, position);
    x = drop(w, norm(w, x, NULL, 0, w->s.embed_norm, w->s.embed_norm_bias), a->embedding_dropout);
    return body->project ? at_op_linear(t, x, &body->project, &body->project_bias, 1, AT_ACT_NONE) : x;
}

/* The rows that the distances of the batch need, from the lowest to the highest, and which row each distance has. */
static void prepare_relative_rows(walk *w) {
    const at_arch *a = &w->m->arch;
    const at_body *body = &w->m->body;
    int reach = w->b->max_len, *bucket = at_alloc(w->t->objects, (size_t)(2 * reach - 1), sizeof *bucket);
    if (!bucket) {
        at_tape_fail(w->t, AT_NO_MEMORY, "not enough memory for %d distances", reach);
        return;
    }
    for (int d = 0; d < 2 * reach - 1; d++) bucket[d] = at_position_bucket(a, d - reach + 1);
    int first = bucket[0], n = bucket[2 * reach - 2] - first + 1;
    uint64_t *row = at_alloc(w->t->objects, (size_t)n, sizeof *row);
    for (int d = 0; d < 2 * reach - 1; d++) bucket[d] -= first;
    for (int r = 0; row && r < n; r++) row[r] = (uint64_t)(first + r);
    if (!row) at_tape_fail(w->t, AT_NO_MEMORY, "not enough memory for %d rows of positions", n);
    w->bucket = bucket;
    w->position_row = row;
    w->positions = norm(w, at_op_rows(w->t, body->relative, first, n), NULL, 0, body->relative_norm, body->relative_norm_bias);
}

static void prepare_positions(walk *w) {
    const at_arch *a = &w->m->arch;
    if (a->position_keys || a->position_queries) prepare_relative_rows(w);
    if (a->position != AT_POSITION_ROTARY) return;
    at_rope_prepare(w->t, w->b, &a->rope[0], &w->rope[0]);
    w->rope[1] = w->rope[0];
    if (a->local && a->rope[1].inverse != a->rope[0].inverse) at_rope_prepare(w->t, w->b, &a->rope[1], &w->rope[1]);
}

/* norm(y + act(dropout(convolution of x))): what the first block made of x, and x's neighbours (DeBERTa v2). */
static at_tensor *add_neighbours(walk *w, at_tensor *x, at_tensor *y) {
    const at_arch *a = &w->m->arch;
    const at_body *body = &w->m->body;
    at_tensor *near = at_op_neighbours(w->t, x, w->b, a->conv_width);
    at_tensor *z = at_op_linear(w->t, near, &body->conv, &body->conv_bias, 1, AT_ACT_NONE);
    z = at_op_activation(w->t, drop(w, z, a->hidden_dropout), a->conv_activation);
    return norm(w, z, y, 0, body->conv_norm, body->conv_norm_bias);
}

/* From words to the last norm of one stack. */
static at_tensor *run(walk *w) {
    static at_tensor *(*const blocks[])(walk *, int, at_tensor *) = {
        [AT_BLOCK_POST] = block_post, [AT_BLOCK_RESIDUAL] = block_residual, [AT_BLOCK_PARALLEL] = block_parallel};
    const at_arch *a = &w->m->arch;
    at_tape *t = w->t;
    w->row_id = w->b->row_id;
    prepare_positions(w);
    at_tensor *x = embed(w);
    for (int l = 0; l < w->s.layers && !at_tape_status(t); l++) {
        at_mark mark = at_arena_mark(t->arena);
        at_tensor *y = blocks[a->block](w, l, x);
        if (l == 0 && w->m->body.conv) y = add_neighbours(w, x, y);
        x = at_tape_keep(t, mark, x, y);
    }
    if (w->reads && !is_narrow(w, w->s.layers - 1)) {
        w->row_id = w->reads->row_id;
        x = at_op_gather(t, x, w->reads->row, w->reads->n, AT_SPACE_SEQUENCES);
    }
    x = norm(w, x, NULL, 0, w->s.final_norm, w->s.final_norm_bias);
    return a->final_dropout > 0 ? drop(w, x, a->final_dropout) : x;
}

at_tensor *at_body_encode(at_tape *t, const at_model *m, const at_batch *b) {
    walk w = {.t = t, .m = m, .b = b, .s = first_stack(m)};
    return run(&w);
}

at_tensor *at_body_source(at_tape *t, const at_model *m, int layer, at_tensor *encoded) {
    return at_tape_status(t) ? NULL : source_keys(t, &m->body.decoder.layer[layer], encoded);
}

/* What a decoder reads where nothing is written: the text itself, one token later, behind the token that begins (transformers'
 * shift_tokens_right). */
static const at_batch *read_again(at_tape *t, const at_arch *a, const at_batch *b) {
    at_batch *again = at_alloc(t->objects, 1, sizeof *again);
    int32_t *ids = at_alloc(t->objects, (size_t)b->rows, sizeof *ids);
    if (!again || !ids) {
        at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d tokens", b->rows);
        return b;
    }
    for (int s = 0; s < b->n_seq; s++)
        for (int r = b->cu_seqlens[s]; r < b->cu_seqlens[s + 1]; r++) ids[r] = r > b->cu_seqlens[s] ? b->ids[r - 1] : a->decoder.start_id;
    *again = *b;
    again->ids = ids;
    return again;
}

at_tensor *at_body_read(at_tape *t, const at_model *m, const at_batch *b, const at_reads *reads) {
    walk w = {.t = t, .m = m, .b = b, .s = first_stack(m), .reads = reads};
    return at_tape_status(t) ? NULL : run(&w);
}

at_tensor *at_body_forward(at_tape *t, const at_model *m, const at_batch *b) {
    if (!m->arch.decoder.layers) return at_body_encode(t, m, b);
    walk w = {.t = t, .m = m, .b = b->cache ? b : b->decoder, .s = decoder_stack(m), .source = b->cache ? b->cache->source : b};
    if (!w.b) w.b = read_again(t, &m->arch, b);
    if (!w.source) return at_tape_fail(t, AT_BUG, "a decoder's cache without the rows that it reads");
    if (!b->cache) w.encoded = at_body_encode(t, m, b);
    w.readers = as_one_reader(&w);
    return at_tape_status(t) ? NULL : run(&w);
}
