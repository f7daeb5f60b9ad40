/* The graph of a model, for any number of texts of any length.
 *
 * Inputs, as transformers' exporters name them: input_ids, attention_mask, and token_type_ids where the model tells segments apart, all
 * int64 [batch, sequence], padded on the right. Outputs: logits [batch, labels], [batch, sequence, labels] of a head at tokens, [batch,
 * sequence, words] of masked language; start_logits and end_logits [batch, sequence] of answers;
 * token_embeddings and sentence_embedding [batch, hidden] of vectors of texts; last_hidden_state [batch, sequence, hidden] of a body.
 *
 * This is the walk of model/body.c and model/head.c once more, in nodes: x is [batch, sequence, cols], heads are [batch, heads, sequence,
 * head_dim], and what keeps padding out is one boolean matrix a kind of layer. Variants come from the arch alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "export/export.h"
#include "io/onnx.h"
#include "model/gguf.h"

static const float HIDDEN_SCORE = -3.0e38f; /* of keys that are not seen; finite, so that a row of padding stays a number */

typedef struct walk {
    at_arena *arena;
    at_onnx *g;
    const at_model *m;
    const at_arch *a;
    const char *ids, *mask, *types;  /* the inputs */
    const char *order, *order_row;   /* [sequence] 0, 1, ...; the same [1, sequence] */
    const char *distance;            /* [sequence, sequence] key minus query */
    const char *seen[2];             /* boolean, of layers that see everything, of local layers; broadcasts over the scores */
    const char *cos[2], *sin[2];     /* [sequence, dim / 2] */
    const char *bias;                /* [1, heads, sequence, sequence] by distance, or NULL */
    const char *positions;           /* [buckets, hidden] rows of disentangled attention, or NULL */
    const char *bucket;              /* [sequence, sequence] the row of query minus key */
} walk;

/* ---- words of the graph ---- */

static const char *scalar(walk *w, double value) {
    float v = (float)value;
    return at_onnx_floats(w->g, &v, 0, NULL);
}

static const char *whole(walk *w, int64_t value) { return at_onnx_int64s(w->g, &value, 0, NULL); }

static const char *list(walk *w, int n, const int64_t *values) {
    int64_t dims[1] = {n};
    return at_onnx_int64s(w->g, values, 1, dims);
}

static const char *one(walk *w, const char *op, const char *x) { return at_onnx_node(w->g, op, 1, x); }
static const char *two(walk *w, const char *op, const char *x, const char *y) { return at_onnx_node(w->g, op, 2, x, y); }
static const char *add(walk *w, const char *x, const char *y) { return two(w, "Add", x, y); }
static const char *multiply(walk *w, const char *x, const char *y) { return two(w, "Mul", x, y); }

static const char *cast(walk *w, const char *x, at_onnx_type type) {
    at_onnx_attribute_int(w->g, "to", type);
    return one(w, "Cast", x);
}

static const char *gather(walk *w, const char *x, const char *index, int axis) {
    at_onnx_attribute_int(w->g, "axis", axis);
    return two(w, "Gather", x, index);
}

static const char *unsqueeze(walk *w, const char *x, int n, const int64_t *axes) { return two(w, "Unsqueeze", x, list(w, n, axes)); }

/* Elements from .. to-1 of an axis; to 0: to its end. */
static const char *slice_of(walk *w, int64_t axis, const char *x, int64_t from, int64_t to) {
    int64_t begin[1] = {from}, end[1] = {to ? to : INT64_MAX}, axes[1] = {axis};
    return at_onnx_node(w->g, "Slice", 4, x, list(w, 1, begin), list(w, 1, end), list(w, 1, axes));
}

static const char *slice(walk *w, const char *x, int64_t from, int64_t to) { return slice_of(w, -1, x, from, to); }

static const char *transpose(walk *w, const char *x, int n, const int64_t *order) {
    at_onnx_attribute_ints(w->g, "perm", order, n);
    return one(w, "Transpose", x);
}

/* A weight as its home has it, [out, in] or [out]; fill knows it by its number. */
static const char *weight(walk *w, const at_weight *of) {
    int64_t dims[2] = {of->out, of->in};
    return at_onnx_tensor(w->g, of->name, (int)(of - w->m->params.weights) * 2, of->kind == AT_WEIGHT_VECTOR ? 1 : 2, dims);
}

/* The same turned, [in, out], as products want it. */
static const char *turned(walk *w, const at_weight *of) {
    int64_t dims[2] = {of->in, of->out};
    const char *name = at_format(w->arena, "%s.T", of->name);
    return name ? at_onnx_tensor(w->g, name, (int)(of - w->m->params.weights) * 2 + 1, 2, dims) : NULL;
}

static const char *linear(walk *w, const char *x, const at_weight *of, const at_weight *bias) {
    const char *y = two(w, "MatMul", x, turned(w, of));
    return bias ? add(w, y, weight(w, bias)) : y;
}

/* ---- functions of an element, norms ---- */

static const char *gelu(walk *w, const char *x) {
    const char *half = multiply(w, x, scalar(w, 0.5)), *turn = one(w, "Erf", multiply(w, x, scalar(w, 0.70710678118654752)));
    return multiply(w, half, add(w, turn, scalar(w, 1)));
}

/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static const char *gelu_tanh(walk *w, const char *x) {
    const char *cube = multiply(w, multiply(w, multiply(w, x, x), x), scalar(w, 0.044715));
    const char *turn = one(w, "Tanh", multiply(w, add(w, x, cube), scalar(w, 0.79788456080286536)));
    return multiply(w, multiply(w, x, scalar(w, 0.5)), add(w, turn, scalar(w, 1)));
}

static const char *activate(walk *w, const char *x, at_activation how) {
    switch (how) {
    case AT_ACT_NONE: return x;
    case AT_ACT_GELU: return gelu(w, x);
    case AT_ACT_GELU_TANH: return gelu_tanh(w, x);
    case AT_ACT_RELU: return one(w, "Relu", x);
    case AT_ACT_SILU: return multiply(w, x, one(w, "Sigmoid", x));
    case AT_ACT_TANH: return one(w, "Tanh", x);
    }
    return NULL;
}

static const char *rms_norm(walk *w, const char *x, const at_weight *gain) {
    int64_t last[1] = {-1};
    const char *square = multiply(w, x, x), *by = weight(w, gain);
    at_onnx_attribute_ints(w->g, "axes", last, 1);
    const char *size = one(w, "Sqrt", add(w, one(w, "ReduceMean", square), scalar(w, w->a->norm_epsilon)));
    if (w->a->norm == AT_NORM_RMS_ONE) by = add(w, by, scalar(w, 1));
    return multiply(w, two(w, "Div", x, size), by);
}

/* Without a gain there is no norm. */
static const char *norm(walk *w, const char *x, const at_weight *gain, const at_weight *shift) {
    if (!gain) return x;
    if (w->a->norm != AT_NORM_LAYER) return rms_norm(w, x, gain);
    const char *by = weight(w, gain), *plus = shift ? weight(w, shift) : NULL;
    at_onnx_attribute_int(w->g, "axis", -1);
    at_onnx_attribute_float(w->g, "epsilon", (float)w->a->norm_epsilon);
    return plus ? at_onnx_node(w->g, "LayerNormalization", 3, x, by, plus) : two(w, "LayerNormalization", x, by);
}

/* ---- what the layers share ---- */

static int sees_window(const at_arch *a, int layer) { return a->window > 0 && (!a->local || a->local[layer]); }
static int rope_of(const at_arch *a, int layer) { return a->local && a->local[layer]; }

static const char *sequence_length(walk *w) {
    at_onnx_attribute_int(w->g, "start", 1);
    at_onnx_attribute_int(w->g, "end", 2);
    return one(w, "Squeeze", one(w, "Shape", w->ids));
}

static void prepare_masks(walk *w) {
    static const int64_t KEYS[] = {1, 2}, FRONT[] = {0}, BACK[] = {1};
    const at_arch *a = w->a;
    w->order = at_onnx_node(w->g, "Range", 3, whole(w, 0), sequence_length(w), whole(w, 1));
    w->order_row = unsqueeze(w, w->order, 1, FRONT);
    w->distance = two(w, "Sub", w->order_row, unsqueeze(w, w->order, 1, BACK));
    w->seen[0] = unsqueeze(w, cast(w, w->mask, AT_ONNX_BOOL), 2, KEYS);
    if (a->causal) w->seen[0] = two(w, "And", w->seen[0], two(w, "LessOrEqual", w->distance, whole(w, 0)));
    w->seen[1] = w->seen[0];
    if (a->window > 0) w->seen[1] = two(w, "And", w->seen[0], two(w, "LessOrEqual", one(w, "Abs", w->distance), whole(w, a->window)));
}

/* How fast each column turns, [half]; [batch, 1, 1, half] where longer texts than usual turn more slowly (op/op.h). */
static const char *speeds(walk *w, const at_rope *rope) {
    static const int64_t SEQUENCE_AXIS[] = {1}, FRONT[] = {1, 2};
    int64_t dims[1] = {rope->dim / 2};
    const char *by = at_onnx_doubles(w->g, rope->inverse, 1, dims);
    if (!(rope->stretch > 0)) return by;
    double *power = at_alloc(w->arena, (size_t)dims[0], sizeof *power), slope = rope->stretch / rope->usual, rest = 1 - rope->stretch, one_time = 1;
    if (!power) return NULL;
    for (int64_t i = 0; i < dims[0]; i++) power[i] = -2.0 * (double)i / (rope->dim - 2);
    const char *length = cast(w, two(w, "ReduceSum", w->mask, list(w, 1, SEQUENCE_AXIS)), AT_ONNX_DOUBLE);
    const char *times = add(w, multiply(w, length, at_onnx_doubles(w->g, &slope, 0, NULL)), at_onnx_doubles(w->g, &rest, 0, NULL));
    const char *log = one(w, "Log", two(w, "Max", times, at_onnx_doubles(w->g, &one_time, 0, NULL)));
    by = multiply(w, by, one(w, "Exp", multiply(w, log, at_onnx_doubles(w->g, power, 1, dims))));
    return unsqueeze(w, by, 2, FRONT);
}

/* Angles in double and within one turn, so that far positions lose nothing. */
static void prepare_rotary(walk *w, int kind) {
    static const int64_t BACK[] = {1};
    const at_rope *rope = &w->a->rope[kind];
    double turn = 2 * 3.14159265358979323846;
    const char *full = at_onnx_doubles(w->g, &turn, 0, NULL);
    const char *angle = multiply(w, unsqueeze(w, cast(w, w->order, AT_ONNX_DOUBLE), 1, BACK), speeds(w, rope));
    const char *turns = one(w, "Floor", two(w, "Div", angle, full));
    const char *rest = cast(w, two(w, "Sub", angle, multiply(w, turns, full)), AT_ONNX_FLOAT);
    w->cos[kind] = multiply(w, one(w, "Cos", rest), scalar(w, rope->factor));
    w->sin[kind] = multiply(w, one(w, "Sin", rest), scalar(w, rope->factor));
}

/* A table of what each distance means, -(longest-1) .. longest-1, in the graph; and the entry of every pair. What is further apart means what the
 * longest distance does. */
static const char *by_distance(walk *w, const char *distance, int64_t longest, int (*meaning)(const at_arch *a, int distance)) {
    int64_t dims[1] = {2 * longest - 1};
    if (longest < w->a->max_positions) distance = two(w, "Max", two(w, "Min", distance, whole(w, longest - 1)), whole(w, 1 - longest));
    int64_t *table = malloc((size_t)dims[0] * sizeof *table);
    if (!table) return NULL;
    for (int64_t d = 0; d < dims[0]; d++) table[d] = meaning(w->a, (int)(d - longest + 1));
    const char *name = at_onnx_int64s(w->g, table, 1, dims);
    free(table);
    return gather(w, name, add(w, distance, whole(w, longest - 1)), 0);
}

static int bias_bucket(const at_arch *a, int key_minus_query) {
    return at_relative_bucket(key_minus_query, a->relative_buckets, a->relative_distance, 0);
}

static void prepare_positions(walk *w) {
    static const int64_t HEADS_FIRST[] = {2, 0, 1}, FRONT[] = {0};
    const at_arch *a = w->a;
    const at_body *b = &w->m->body;
    if (a->position == AT_POSITION_ROTARY) {
        prepare_rotary(w, 0);
        w->cos[1] = w->cos[0];
        w->sin[1] = w->sin[0];
        if (a->local && a->rope[1].inverse != a->rope[0].inverse) prepare_rotary(w, 1);
    }
    if (a->position_keys || a->position_queries) {
        w->bucket = by_distance(w, one(w, "Neg", w->distance), a->max_positions, at_position_bucket);
        w->positions = norm(w, weight(w, b->relative), b->relative_norm, b->relative_norm_bias);
    } else if (b->relative) {
        int64_t longest = a->relative_distance < a->max_positions ? a->relative_distance + 1 : a->max_positions;
        const char *bias = gather(w, weight(w, b->relative), by_distance(w, w->distance, longest, bias_bucket), 0);
        w->bias = unsqueeze(w, transpose(w, bias, 3, HEADS_FIRST), 1, FRONT);
    }
}

/* ---- embeddings ---- */

/* Tables that begin later: padding stands at its own row and is not counted. */
static const char *shifted_positions(walk *w) {
    const char *text = one(w, "Not", two(w, "Equal", w->ids, whole(w, w->a->pad_id))), *count = cast(w, text, AT_ONNX_INT64);
    const char *place = multiply(w, two(w, "CumSum", count, whole(w, 1)), count);
    return add(w, place, whole(w, w->a->position_offset - 1));
}

static const char *embed(walk *w) {
    const at_arch *a = w->a;
    const at_body *b = &w->m->body;
    at_onnx_scope(w->g, "/embeddings/");
    const char *x = gather(w, weight(w, b->token), w->ids, 0);
    if (a->type_vocab && b->type) x = add(w, x, gather(w, weight(w, b->type), w->types ? w->types : whole(w, 0), 0));
    if (a->position == AT_POSITION_LEARNED)
        x = add(w, x, gather(w, weight(w, b->position), a->position_offset ? shifted_positions(w) : w->order_row, 0));
    if (a->embedding_scale != 1) x = multiply(w, x, scalar(w, a->embedding_scale));
    x = norm(w, x, b->embed_norm, b->embed_norm_bias);
    return b->project ? linear(w, x, b->project, b->project_bias) : x;
}

/* ---- attention ---- */

/* [.., heads*head_dim] -> [.., heads, head_dim]; of a matrix without a batch, too. */
static const char *divide_heads(walk *w, const char *x, int heads) {
    int64_t shape[4] = {0, 0, heads, w->a->head_dim};
    return two(w, "Reshape", x, list(w, 4, shape));
}

static const char *rotate(walk *w, const char *x, int kind) {
    int dim = w->a->rope[kind].dim;
    const char *a = slice(w, x, 0, dim / 2), *b = slice(w, x, dim / 2, dim), *c = w->cos[kind], *s = w->sin[kind];
    const char *first = two(w, "Sub", multiply(w, a, c), multiply(w, b, s)), *second = add(w, multiply(w, b, c), multiply(w, a, s));
    const char *rest = dim < w->a->head_dim ? slice(w, x, dim, 0) : NULL;
    at_onnx_attribute_int(w->g, "axis", -1);
    return rest ? at_onnx_node(w->g, "Concat", 3, first, second, rest) : two(w, "Concat", first, second);
}

/* Each head of keys and values serves several of queries: [batch, kv_heads, ..] -> [batch, heads, ..]. */
static const char *repeat_heads(walk *w, const char *x) {
    static const int64_t GROUP[] = {2};
    const at_arch *a = w->a;
    int64_t copies[5] = {1, 1, a->heads / a->kv_heads, 1, 1}, shape[4] = {0, a->heads, -1, a->head_dim};
    if (a->kv_heads == a->heads) return x;
    return two(w, "Reshape", two(w, "Expand", unsqueeze(w, x, 1, GROUP), list(w, 5, copies)), list(w, 4, shape));
}

/* Part 0, 1, 2: queries, keys, values, [batch, heads, sequence, head_dim]. */
static const char *project(walk *w, int layer, const char *x, int part) {
    static const int64_t HEADS_FIRST[] = {0, 2, 1, 3};
    const at_arch *a = w->a;
    const at_layer *l = &w->m->body.layer[layer];
    const at_weight *gain = part == 0 ? l->query_norm : part == 1 ? l->key_norm : NULL;
    int by_head = gain && gain->out == a->head_dim;
    x = linear(w, x, l->qkv[part], l->qkv_bias[part]);
    if (!by_head) x = norm(w, x, gain, NULL);
    x = divide_heads(w, x, part ? a->kv_heads : a->heads);
    if (by_head) x = norm(w, x, gain, NULL);
    x = transpose(w, x, 4, HEADS_FIRST);
    if (part < 2 && a->position == AT_POSITION_ROTARY) x = rotate(w, x, rope_of(a, layer));
    return part ? repeat_heads(w, x) : x;
}

/* The rows of positions through a projection: [heads, head_dim, buckets]. */
static const char *position_rows(walk *w, const at_weight *own, const at_weight *own_bias, const at_weight *shared,
                                 const at_weight *shared_bias) {
    static const int64_t HEADS_FIRST[] = {1, 2, 0};
    int64_t shape[3] = {0, w->a->heads, w->a->head_dim};
    const char *rows = linear(w, w->positions, own ? own : shared, own ? own_bias : shared_bias);
    return transpose(w, two(w, "Reshape", rows, list(w, 3, shape)), 3, HEADS_FIRST);
}

/* Of every row i and j of products [batch, heads, i, buckets] the one of their distance. */
static const char *pick(walk *w, const char *products, const char *bucket) {
    static const int64_t ANY[] = {1, 1};
    at_onnx_attribute_int(w->g, "start", 0);
    at_onnx_attribute_int(w->g, "end", 2);
    const char *batch_heads = one(w, "Shape", products), *any = list(w, 2, ANY);
    at_onnx_attribute_int(w->g, "axis", 0);
    const char *index = two(w, "Expand", bucket, two(w, "Concat", batch_heads, any));
    at_onnx_attribute_int(w->g, "axis", 3);
    return two(w, "GatherElements", products, index);
}

/* Contents and positions: q_i . position_key[b(i - j)] + k_j . position_query[b(i - j)] (DeBERTa). */
static const char *add_disentangled(walk *w, int layer, const char *scores, const char *q, const char *k) {
    static const int64_t SWAP[] = {1, 0}, SWAP_LAST[] = {0, 1, 3, 2};
    const at_layer *l = &w->m->body.layer[layer];
    if (w->a->position_keys) {
        const char *rows = position_rows(w, l->position_key, l->position_key_bias, l->qkv[1], l->qkv_bias[1]);
        scores = add(w, scores, pick(w, two(w, "MatMul", q, rows), w->bucket));
    }
    if (w->a->position_queries) {
        const char *rows = position_rows(w, l->position_query, l->position_query_bias, l->qkv[0], l->qkv_bias[0]);
        const char *by_key = pick(w, two(w, "MatMul", k, rows), transpose(w, w->bucket, 2, SWAP));
        scores = add(w, scores, transpose(w, by_key, 4, SWAP_LAST));
    }
    return scores;
}

static const char *attend(walk *w, int layer, const char *x) {
    static const int64_t KEYS_LAST[] = {0, 1, 3, 2}, HEADS_BACK[] = {0, 2, 1, 3};
    const at_arch *a = w->a;
    const at_layer *l = &w->m->body.layer[layer];
    at_onnx_scope(w->g, "/layer.%d/attention/", layer);
    const char *q = project(w, layer, x, 0), *k = project(w, layer, x, 1), *v = project(w, layer, x, 2);
    const char *scores = two(w, "MatMul", q, transpose(w, k, 4, KEYS_LAST));
    if (w->positions) scores = add_disentangled(w, layer, scores, q, k);
    scores = multiply(w, scores, scalar(w, at_arch_scale(a, a->attention_scale, layer)));
    if (w->bias) scores = add(w, scores, w->bias);
    if (a->soft_cap > 0) scores = multiply(w, one(w, "Tanh", multiply(w, scores, scalar(w, 1 / a->soft_cap))), scalar(w, a->soft_cap));
    scores = at_onnx_node(w->g, "Where", 3, w->seen[sees_window(a, layer)], scores, scalar(w, HIDDEN_SCORE));
    at_onnx_attribute_int(w->g, "axis", -1);
    const char *y = two(w, "MatMul", one(w, "Softmax", scores), v);
    int64_t shape[3] = {0, 0, (int64_t)a->heads * a->head_dim};
    y = two(w, "Reshape", transpose(w, y, 4, HEADS_BACK), list(w, 3, shape));
    return linear(w, y, l->out, l->out_bias);
}

/* ---- blocks ---- */

static const char *feed_forward(walk *w, int layer, const char *x) {
    const at_layer *l = &w->m->body.layer[layer];
    at_onnx_scope(w->g, "/layer.%d/feed_forward/", layer);
    const char *up = linear(w, x, l->up, l->up_bias);
    if (w->a->gated) up = multiply(w, activate(w, linear(w, x, l->gate, l->gate_bias), w->a->activation), up);
    else up = activate(w, up, w->a->activation);
    return linear(w, up, l->down, l->down_bias);
}

static const char *block_post(walk *w, int layer, const char *x) {
    const at_layer *l = &w->m->body.layer[layer];
    x = norm(w, add(w, attend(w, layer, x), x), l->attention_norm, l->attention_norm_bias);
    return norm(w, add(w, feed_forward(w, layer, x), x), l->output_norm, l->output_norm_bias);
}

static const char *block_residual(walk *w, int layer, const char *x) {
    const at_layer *l = &w->m->body.layer[layer];
    const char *y = attend(w, layer, norm(w, x, l->attention_norm, l->attention_norm_bias));
    x = add(w, x, norm(w, y, l->attention_after, NULL));
    y = feed_forward(w, layer, norm(w, x, l->output_norm, l->output_norm_bias));
    return add(w, x, norm(w, y, l->output_after, NULL));
}

static const char *block_parallel(walk *w, int layer, const char *x) {
    const at_layer *l = &w->m->body.layer[layer];
    const char *y = attend(w, layer, norm(w, x, l->attention_norm, l->attention_norm_bias));
    const char *z = feed_forward(w, layer, norm(w, x, l->output_norm, l->output_norm_bias));
    return add(w, add(w, x, y), z);
}

/* Each token's columns beside those of its neighbours, as at_op_neighbours; what pads a text is as if it were not there. */
static const char *neighbours(walk *w, const char *x) {
    static const int64_t LAST[] = {-1};
    int width = w->a->conv_width;
    int64_t pads[6] = {0, width / 2, 0, 0, width / 2, 0}, shape[3] = {0, 0, (int64_t)w->a->hidden * width};
    const char *of_texts = multiply(w, x, unsqueeze(w, cast(w, w->mask, AT_ONNX_FLOAT), 1, LAST)), *all = NULL;
    const char *padded = two(w, "Pad", of_texts, list(w, 6, pads));
    for (int tap = 0; tap < width; tap++) {
        const char *one_of_them = unsqueeze(w, slice_of(w, 1, padded, tap, tap - (width - 1)), 1, LAST);
        if (all) at_onnx_attribute_int(w->g, "axis", -1);
        all = all ? two(w, "Concat", all, one_of_them) : one_of_them;
    }
    return two(w, "Reshape", all, list(w, 3, shape));
}

static const char *add_neighbours(walk *w, const char *x, const char *y) {
    const at_body *b = &w->m->body;
    at_onnx_scope(w->g, "/convolution/");
    const char *z = activate(w, linear(w, neighbours(w, x), b->conv, b->conv_bias), w->a->conv_activation);
    return norm(w, add(w, y, z), b->conv_norm, b->conv_norm_bias);
}

static const char *body(walk *w) {
    static const char *(*const blocks[])(walk *, int, const char *) = {
        [AT_BLOCK_POST] = block_post, [AT_BLOCK_RESIDUAL] = block_residual, [AT_BLOCK_PARALLEL] = block_parallel};
    at_onnx_scope(w->g, "/positions/");
    prepare_masks(w);
    prepare_positions(w);
    const char *x = embed(w);
    for (int l = 0; l < w->a->layers; l++) {
        const char *y = blocks[w->a->block](w, l, x);
        x = l == 0 && w->m->body.conv ? add_neighbours(w, x, y) : y;
    }
    at_onnx_scope(w->g, "/head/");
    return norm(w, x, w->m->body.final_norm, w->m->body.final_norm_bias);
}

/* ---- heads ---- */

static const char *pool_mean(walk *w, const char *x) {
    static const int64_t LAST[] = {-1};
    int64_t tokens[1] = {1};
    const char *share = unsqueeze(w, cast(w, w->mask, AT_ONNX_FLOAT), 1, LAST), *axis = list(w, 1, tokens);
    const char *of_texts = multiply(w, x, share);
    at_onnx_attribute_int(w->g, "keepdims", 0);
    const char *sum = two(w, "ReduceSum", of_texts, axis);
    at_onnx_attribute_int(w->g, "keepdims", 0);
    return two(w, "Div", sum, two(w, "ReduceSum", share, axis));
}

/* The last token that is no padding: the largest number among those of texts. */
static const char *pool_last(walk *w, const char *x) {
    static const int64_t SEQUENCE[] = {1}, LAST[] = {-1};
    const char *text = cast(w, w->mask, AT_ONNX_BOOL);
    if (w->a->pad_id >= 0) text = two(w, "And", text, one(w, "Not", two(w, "Equal", w->ids, whole(w, w->a->pad_id))));
    const char *number = multiply(w, cast(w, text, AT_ONNX_INT64), w->order_row);
    at_onnx_attribute_ints(w->g, "axes", SEQUENCE, 1);
    const char *place = one(w, "ReduceMax", number); /* [batch, 1] */
    const char *index = unsqueeze(w, place, 1, LAST);
    at_onnx_attribute_int(w->g, "batch_dims", 1);
    const char *rows = two(w, "GatherND", x, index); /* [batch, 1, hidden] */
    return two(w, "Squeeze", rows, list(w, 1, SEQUENCE));
}

static const char *pool_max(walk *w, const char *x) {
    static const int64_t TOKENS[] = {1}, LAST[] = {-1};
    const char *text = unsqueeze(w, cast(w, w->mask, AT_ONNX_BOOL), 1, LAST);
    const char *seen = at_onnx_node(w->g, "Where", 3, text, x, scalar(w, HIDDEN_SCORE));
    at_onnx_attribute_ints(w->g, "axes", TOKENS, 1);
    at_onnx_attribute_int(w->g, "keepdims", 0);
    return one(w, "ReduceMax", seen);
}

static const char *pool(walk *w, const char *x) {
    const at_head *h = &w->m->head;
    at_pooling how = h->kind == AT_HEAD_MEAN ? AT_POOL_MEAN : h->kind == AT_HEAD_EMBED ? h->pooling : w->a->head.pooling;
    if (how == AT_POOL_MEAN) return pool_mean(w, x);
    if (how == AT_POOL_MAX) return pool_max(w, x);
    return how == AT_POOL_LAST ? pool_last(w, x) : gather(w, x, whole(w, 0), 1);
}

static const at_onnx_dim BATCH = {"batch_size", 0}, SEQUENCE = {"sequence_length", 0};

static void name_output(walk *w, const char *name, const char *x, const at_onnx_dim *dims, int n_dims) {
    at_onnx_scope(w->g, "/output/");
    at_onnx_node_named(w->g, "Identity", name, x);
    at_onnx_output(w->g, name, AT_ONNX_FLOAT, dims, n_dims);
}

/* Begin and end of an answer are the two columns. */
static void span_outputs(walk *w, const char *x) {
    const at_onnx_dim dims[2] = {BATCH, SEQUENCE};
    name_output(w, "start_logits", gather(w, x, whole(w, 0), 2), dims, 2);
    name_output(w, "end_logits", gather(w, x, whole(w, 1), 2), dims, 2);
}

/* The table of words is the classifier, and in the file once. */
static const char *words(walk *w, const char *x) {
    static const int64_t SWAP[] = {1, 0};
    const at_weight *bias = w->m->head.classifier_bias;
    const char *y = two(w, "MatMul", x, transpose(w, weight(w, w->m->body.token), 2, SWAP));
    return bias ? add(w, y, weight(w, bias)) : y;
}

/* x / max(|x|, 1e-12) a row */
static const char *unit(walk *w, const char *x) {
    static const int64_t COLUMNS[] = {-1};
    const char *size = one(w, "Sqrt", two(w, "ReduceSum", multiply(w, x, x), list(w, 1, COLUMNS)));
    return two(w, "Div", x, two(w, "Max", size, scalar(w, 1e-12)));
}

static void head(walk *w, const char *x) {
    const at_head *h = &w->m->head;
    at_onnx_dim each[3] = {BATCH, SEQUENCE, {NULL, h->kind == AT_HEAD_NONE ? w->a->hidden : h->kind == AT_HEAD_MASK ? w->a->vocab_size
                                             : h->n_out}};
    at_onnx_dim pooled[2] = {BATCH, each[2]};
    if (h->kind == AT_HEAD_NONE) {
        name_output(w, "last_hidden_state", x, each, 3);
        return;
    }
    if (h->kind == AT_HEAD_EMBED) {
        name_output(w, "token_embeddings", x, each, 3);
        x = pool(w, x);
        for (int i = 0; i < h->n_projections; i++)
            x = activate(w, linear(w, x, h->projection[i].weight, h->projection[i].bias), h->projection[i].activation);
        name_output(w, "sentence_embedding", h->unit ? unit(w, x) : x, pooled, 2);
        return;
    }
    int of_text = h->kind == AT_HEAD_POOLER || h->kind == AT_HEAD_MEAN;
    if (of_text) x = pool(w, x);
    if (h->dense)
        x = activate(w, linear(w, x, h->dense, h->dense_bias), h->kind == AT_HEAD_MASK ? w->a->words_activation : w->a->head.activation);
    x = norm(w, x, h->norm, h->norm_bias);
    x = h->kind == AT_HEAD_MASK ? words(w, x) : linear(w, x, h->classifier, h->classifier_bias);
    if (h->kind == AT_HEAD_SPAN) span_outputs(w, x);
    else name_output(w, "logits", x, of_text ? pooled : each, of_text ? 2 : 3);
}

/* ---- the whole ---- */

static void inputs(walk *w) {
    const at_onnx_dim dims[2] = {BATCH, SEQUENCE};
    w->ids = "input_ids";
    w->mask = "attention_mask";
    w->types = w->a->type_vocab > 1 ? "token_type_ids" : NULL;
    at_onnx_input(w->g, w->ids, AT_ONNX_INT64, dims, 2);
    at_onnx_input(w->g, w->mask, AT_ONNX_INT64, dims, 2);
    if (w->types) at_onnx_input(w->g, w->types, AT_ONNX_INT64, dims, 2);
}

/* The tokens of a text that predicting takes: what the folder asks for, within the positions. */
static int longest(const walk *w) {
    at_tokenizer *tokenizer;
    int limit = 0;
    if (!at_model_tokenizer_open(w->m->folder, &tokenizer, NULL)) limit = at_tokenizer_max_length(tokenizer, NULL);
    at_tokenizer_close(tokenizer);
    return limit > 0 && limit < w->a->max_positions ? limit : w->a->max_positions;
}

/* Labels and family, for who has the file alone. */
static void describe(walk *w) {
    char number[16];
    snprintf(number, sizeof number, "%d", longest(w));
    at_onnx_metadata(w->g, "model_type", w->a->family);
    at_onnx_metadata(w->g, "max_length", number);
    json_t *labels = json_array();
    for (int i = 0; i < w->m->labels.n; i++) json_array_append_new(labels, json_string(w->m->labels.name[i]));
    char *text = json_array_size(labels) ? json_dumps(labels, JSON_COMPACT) : NULL;
    if (text) at_onnx_metadata(w->g, "labels", text);
    free(text);
    json_decref(labels);
}

static at_status fill(void *context, int index, float *values, at_error *err) {
    const at_model *m = context;
    const at_weight *of = &m->params.weights[index / 2];
    size_t out = (size_t)of->out, in = (size_t)of->in;
    if (index % 2 == 0) {
        at_weight_get(&m->params, of, values);
        return AT_OK;
    }
    float *rows = malloc(out * in * sizeof *rows);
    if (!rows) return at_fail_memory(err, out * in * sizeof *rows);
    at_weight_get(&m->params, of, rows);
    for (size_t r = 0; r < out; r++)
        for (size_t c = 0; c < in; c++) values[c * out + r] = rows[r * in + c];
    free(rows);
    return AT_OK;
}

at_status at_export_onnx(const at_model *model, const char *path, at_error *err) {
    if (model->head.kind > AT_HEAD_EMBED || model->arch.decoder.layers)
        return at_fail(err, AT_USAGE, "ONNX of a %s with the head '%s' is not written", model->arch.family, at_head_name(model->head.kind));
    at_arena arena = {0};
    walk w = {.arena = &arena, .g = at_onnx_new(&arena), .m = model, .a = &model->arch};
    at_status st = AT_OK;
    if (w.g) {
        inputs(&w);
        head(&w, body(&w));
        describe(&w);
        st = at_onnx_write(w.g, path, "attune", fill, (void *)(uintptr_t)model, err);
    } else {
        st = at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}
