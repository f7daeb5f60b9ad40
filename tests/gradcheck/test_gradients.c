/* Every op's backward against differences of its forward, in double.
 *
 * A case is data: an op, shapes, switches. Of each case is checked, for every input and every weight (packing padding included):
 *   - the gradient, against a five-point difference: worst relative error below 1e-6;
 *   - that a second backward adds to the gradients of weights;
 *   - that a frozen weight gets no gradient and an input that needs none gets none;
 *   - that a dry run takes exactly the memory of the real run.
 * Every op that op.h declares must have a case. */
#include "check.h"

#include <ctype.h>
#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "op/op.h"

enum { MAX_WEIGHTS = 6, MAX_ROWS = 64, ARENA_BYTES = 8 << 20 };
enum { BIAS = 1, RESIDUAL = 2, RMS = 4, TWICE = 8, STILL_X = 16, STILL_X2 = 32, NO_POSITION = 64, NO_TYPE = 128,
       CLASS_WEIGHTS = 256, IGNORE_SOME = 512, SAME = 1024, GROUPS = 2048, PLUS_ONE = 4096, NO_BIAS = 8192, APART = 16384,
       RELATIVE = 32768, POSITIONS = 65536, MATRIX = 131072, SOURCE = 262144 };

typedef struct grad_case {
    const char *op, *what;
    int len[6];          /* lengths of the sequences, 0 ends */
    int cols;            /* of x; for attention: derived */
    int out[3];          /* rows of the linear's segments */
    int flags;
    unsigned frozen;     /* bit i: weight i gets no gradient */
    double p;            /* dropout */
    int variant;         /* activation or pooling */
    at_attention form;
    double smoothing;
} grad_case;

#define LENS {3, 1, 5}
static const grad_case CASES[] = {
    {"embed", "all tables", LENS, .cols = 6},
    {"embed", "no type, twice", LENS, .cols = 5, .flags = NO_TYPE | TWICE},
    {"embed", "token alone, one token", {1}, .cols = 1, .flags = NO_TYPE | NO_POSITION},
    {"embed", "token frozen", LENS, .cols = 4, .frozen = 1},
    {"linear", "one column", {1}, .cols = 1, .out = {1}},
    {"linear", "plain", LENS, .cols = 7, .out = {5}},
    {"linear", "bias, beyond a panel", LENS, .cols = 6, .out = {50}, .flags = BIAS},
    {"linear", "gelu", LENS, .cols = 5, .out = {9}, .flags = BIAS, .variant = AT_ACT_GELU},
    {"linear", "gelu tanh", LENS, .cols = 5, .out = {9}, .flags = BIAS, .variant = AT_ACT_GELU_TANH},
    {"linear", "silu, no bias", LENS, .cols = 5, .out = {4}, .variant = AT_ACT_SILU},
    {"linear", "tanh, twice", LENS, .cols = 5, .out = {4}, .flags = BIAS | TWICE, .variant = AT_ACT_TANH},
    {"linear", "relu", LENS, .cols = 5, .out = {4}, .flags = BIAS, .variant = AT_ACT_RELU},
    {"linear", "three segments", LENS, .cols = 6, .out = {6, 50, 3}, .flags = BIAS},
    {"linear", "three segments, middle frozen, activation", LENS, .cols = 6, .out = {6, 5, 3}, .flags = BIAS, .frozen = 2 | 16, .variant = AT_ACT_GELU},
    {"linear", "weights frozen, input not", LENS, .cols = 6, .out = {6, 5}, .flags = BIAS, .frozen = 1 | 2 | 8 | 16},
    {"linear", "bias alone trained", LENS, .cols = 6, .out = {6}, .flags = BIAS | STILL_X, .frozen = 1},
    {"linear", "input still, twice", LENS, .cols = 6, .out = {7}, .flags = BIAS | STILL_X | TWICE},
    {"norm", "plain", LENS, .cols = 7},
    {"norm", "one token", {1}, .cols = 5, .flags = RESIDUAL},
    {"norm", "residual", LENS, .cols = 8, .flags = RESIDUAL},
    {"norm", "residual and dropout", LENS, .cols = 40, .flags = RESIDUAL, .p = 0.3},
    {"norm", "dropout without residual, twice", LENS, .cols = 40, .flags = TWICE, .p = 0.2},
    {"norm", "residual, twice", LENS, .cols = 6, .flags = RESIDUAL | TWICE, .p = 0.1},
    {"norm", "gain and bias frozen", LENS, .cols = 6, .flags = RESIDUAL, .frozen = 3, .p = 0.1},
    {"norm", "x still", LENS, .cols = 6, .flags = RESIDUAL | STILL_X, .p = 0.1},
    {"norm", "residual still", LENS, .cols = 6, .flags = RESIDUAL | STILL_X2, .frozen = 2},
    {"norm", "rms", LENS, .cols = 6, .flags = RMS | RESIDUAL, .p = 0.1},
    {"norm", "rms, plain, twice", LENS, .cols = 6, .flags = RMS | TWICE},
    {"norm", "rms with one more than the gain", LENS, .cols = 6, .flags = RMS | PLUS_ONE | RESIDUAL, .p = 0.1},
    {"norm", "rms by groups", LENS, .cols = 12, .flags = RMS | GROUPS},
    {"norm", "rms by groups, one more than the gain, twice", LENS, .cols = 12, .flags = RMS | GROUPS | PLUS_ONE | TWICE},
    {"norm", "no bias", LENS, .cols = 7, .flags = NO_BIAS | RESIDUAL},
    {"attention", "one token", {1}, .form = {.heads = 1, .kv_heads = 1, .head_dim = 1, .scale = 1}},
    {"attention", "two heads", LENS, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention", "long", {33, 2, 17}, .form = {.heads = 1, .kv_heads = 1, .head_dim = 5, .scale = 0.9}},
    {"attention", "groups of key-value heads", LENS, .form = {.heads = 4, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention", "one key-value head", LENS, .form = {.heads = 3, .kv_heads = 1, .head_dim = 2, .scale = 0.7}},
    {"attention", "causal", LENS, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .causal = 1, .scale = 0.7}},
    {"attention", "window", {9, 1, 4}, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .window = 2, .scale = 0.7}},
    {"attention", "causal window, groups", {9, 1, 4},
     .form = {.heads = 2, .kv_heads = 1, .head_dim = 3, .causal = 1, .window = 3, .scale = 0.7}},
    {"attention", "soft cap", LENS, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7, .soft_cap = 1.5}},
    {"attention", "dropout", {9, 1, 4}, .p = 0.3, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention", "dropout, soft cap, causal, groups, twice", {9, 1, 4}, .p = 0.2, .flags = TWICE,
     .form = {.heads = 4, .kv_heads = 2, .head_dim = 2, .causal = 1, .scale = 0.7, .soft_cap = 2}},
    {"attention_with", "apart, groups", {9, 1, 4}, .flags = APART, .form = {.heads = 4, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "apart, twice, causal", LENS, .flags = APART | TWICE,
     .form = {.heads = 2, .kv_heads = 1, .head_dim = 3, .causal = 1, .scale = 0.7}},
    {"attention_with", "relative", {9, 1, 4}, .flags = RELATIVE, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "relative, many keys", {33, 3}, .flags = RELATIVE, .form = {.heads = 2, .kv_heads = 1, .head_dim = 2, .scale = 0.7}},
    {"attention_with", "relative, window, soft cap, dropout, twice", {9, 1, 4}, .flags = RELATIVE | TWICE, .p = 0.2,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .window = 3, .scale = 0.7, .soft_cap = 2}},
    {"attention_with", "relative alone trained", {9, 4}, .flags = RELATIVE | STILL_X,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .causal = 1, .scale = 0.7}},
    {"attention_with", "relative frozen", {9, 4}, .flags = RELATIVE, .frozen = 1,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "relative, causal, twice", {17, 1, 4}, .flags = RELATIVE | TWICE,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .causal = 1, .scale = 1}},
    {"attention_with", "another batch's keys", {3, 9, 1}, .flags = SOURCE, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "another batch's keys, groups, dropout, soft cap, twice", {7, 1, 4}, .p = 0.2, .flags = SOURCE | TWICE,
     .form = {.heads = 4, .kv_heads = 2, .head_dim = 3, .scale = 0.7, .soft_cap = 1.5}},
    {"attention_with", "another batch's keys, queries still", {3, 9}, .flags = SOURCE | STILL_X,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "another batch's keys, which are still", {3, 9}, .flags = SOURCE | STILL_X2,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.7}},
    {"attention_with", "disentangled", {9, 1, 4}, .flags = POSITIONS, .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.5}},
    {"attention_with", "disentangled, long, twice", {37}, .flags = POSITIONS | TWICE, .form = {.heads = 1, .kv_heads = 1, .head_dim = 2, .scale = 0.5}},
    {"attention_with", "disentangled, keys alone, dropout", {9, 1, 4}, .p = 0.2, .flags = POSITIONS, .variant = 1,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.5}},
    {"attention_with", "disentangled, queries alone", {9, 1, 4}, .flags = POSITIONS, .variant = 2,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.5}},
    {"attention_with", "disentangled, positions alone trained", {9, 4}, .flags = POSITIONS | STILL_X,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.5}},
    {"attention_with", "disentangled, positions frozen", {9, 4}, .flags = POSITIONS, .frozen = 3,
     .form = {.heads = 2, .kv_heads = 2, .head_dim = 3, .scale = 0.5}},
    {"rows", "some of them", LENS, .cols = 4},
    {"rows", "twice", LENS, .cols = 4, .flags = TWICE},
    {"rotary", "whole heads", LENS, .cols = 12, .variant = 4},
    {"rotary", "a part of each head, columns behind them", LENS, .cols = 17, .variant = 4, .flags = GROUPS},
    {"rotary", "long heads, twice", {3, 2}, .cols = 72, .variant = 36, .flags = TWICE},
    {"gated", "silu", LENS, .cols = 6, .variant = AT_ACT_SILU},
    {"gated", "gelu, twice", LENS, .cols = 10, .variant = AT_ACT_GELU, .flags = TWICE},
    {"gated", "gelu tanh", LENS, .cols = 38, .variant = AT_ACT_GELU_TANH},
    {"gated", "relu", LENS, .cols = 2, .variant = AT_ACT_RELU},
    {"neighbours", "three", LENS, .cols = 5, .variant = 3},
    {"neighbours", "more than a text has, twice", LENS, .cols = 4, .variant = 7, .flags = TWICE},
    {"neighbours", "itself alone", {1}, .cols = 1, .variant = 1},
    {"scale", "plain", LENS, .cols = 5},
    {"scale", "twice", LENS, .cols = 5, .flags = TWICE},
    {"dropout", "plain", LENS, .cols = 40, .p = 0.4},
    {"dropout", "twice", LENS, .cols = 33, .p = 0.1, .flags = TWICE},
    {"dropout", "of probability 0", LENS, .cols = 5},
    {"activation", "gelu", LENS, .cols = 7, .variant = AT_ACT_GELU},
    {"activation", "gelu tanh, twice", LENS, .cols = 7, .variant = AT_ACT_GELU_TANH, .flags = TWICE},
    {"activation", "relu", LENS, .cols = 7, .variant = AT_ACT_RELU},
    {"activation", "silu", LENS, .cols = 7, .variant = AT_ACT_SILU},
    {"activation", "tanh", {1}, .cols = 1, .variant = AT_ACT_TANH},
    {"activation", "none", LENS, .cols = 3, .variant = AT_ACT_NONE},
    {"add", "two tensors", LENS, .cols = 5},
    {"add", "a tensor to itself", LENS, .cols = 5, .flags = SAME | TWICE},
    {"add", "one still", LENS, .cols = 5, .flags = STILL_X},
    {"pool", "first", LENS, .cols = 5, .variant = AT_POOL_CLS},
    {"pool", "mean", LENS, .cols = 5, .variant = AT_POOL_MEAN},
    {"pool", "maximum", LENS, .cols = 5, .variant = AT_POOL_MAX},
    {"pool", "last", LENS, .cols = 5, .variant = AT_POOL_LAST},
    {"pool", "mean, twice", LENS, .cols = 5, .variant = AT_POOL_MEAN, .flags = TWICE},
    {"pool", "maximum, twice", LENS, .cols = 5, .variant = AT_POOL_MAX, .flags = TWICE},
    {"gather", "rows that repeat", LENS, .cols = 5},
    {"gather", "twice", LENS, .cols = 5, .flags = TWICE},
    {"unit", "plain", LENS, .cols = 5},
    {"unit", "twice, one column", LENS, .cols = 1, .flags = TWICE},
    {"cross_entropy", "plain", LENS, .cols = 4},
    {"cross_entropy", "smoothing", LENS, .cols = 4, .smoothing = 0.2},
    {"cross_entropy", "ignored rows, class weights", LENS, .cols = 4, .flags = CLASS_WEIGHTS | IGNORE_SOME},
    {"cross_entropy", "class weights and smoothing, twice", LENS, .cols = 3, .flags = CLASS_WEIGHTS | TWICE, .smoothing = 0.1},
    {"cross_entropy", "one row, two classes", {1}, .cols = 2},
    {"tied_cross_entropy", "plain", LENS, .cols = 3},
    {"tied_cross_entropy", "ignored rows, twice", LENS, .cols = 4, .flags = IGNORE_SOME | TWICE},
    {"tied_cross_entropy", "table frozen", LENS, .cols = 4, .frozen = 1},
    {"tied_cross_entropy", "bias alone", LENS, .cols = 4, .frozen = 1, .flags = STILL_X},
    {"vocabulary_cross_entropy", "plain", LENS, .cols = 3},
    {"vocabulary_cross_entropy", "ignored rows, twice", LENS, .cols = 4, .flags = IGNORE_SOME | TWICE},
    {"vocabulary_cross_entropy", "softly capped", LENS, .cols = 4, .smoothing = 1.5},
    {"vocabulary_cross_entropy", "weight frozen", LENS, .cols = 4, .frozen = 1},
    {"vocabulary_cross_entropy", "bias alone", LENS, .cols = 4, .frozen = 1, .flags = STILL_X},
    {"embed", "a matrix that is the classifier too", LENS, .cols = 4, .flags = MATRIX},
    {"mse", "plain", LENS, .cols = 3},
    {"mse", "twice", {1}, .cols = 1, .flags = TWICE},
    {"given", "plain", LENS, .cols = 5},
    {"row_product", "rows that repeat", LENS, .cols = 5},
    {"row_product", "twice", LENS, .cols = 3, .flags = TWICE},
    {"contrastive", "pairs", LENS, .cols = 5},
    {"contrastive", "labels, twice", LENS, .cols = 4, .flags = SAME | TWICE},
    {"contrastive", "more queries than are worked on at once", {40, 20}, .cols = 3, .flags = SAME},
    {"cosent", "plain", LENS, .cols = 1},
    {"cosent", "twice", LENS, .cols = 1, .flags = TWICE},
    {"triplet", "some beyond the margin", LENS, .cols = 3},
    {"triplet", "twice", LENS, .cols = 5, .flags = TWICE},
    {"span_cross_entropy", "plain", LENS, .cols = 2},
    {"span_cross_entropy", "smoothing, twice", LENS, .cols = 2, .flags = TWICE, .smoothing = 0.2},
    {"span_cross_entropy", "one token", {1}, .cols = 2},
    {"binary_cross_entropy", "plain", LENS, .cols = 3},
    {"binary_cross_entropy", "positive weights, ignored cells, twice", LENS, 3,
     .flags = CLASS_WEIGHTS | IGNORE_SOME | TWICE},
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

typedef struct context {
    const grad_case *c;
    at_arena memory, arena, pool, scratch, objects;
    at_params params;
    at_weight *w[MAX_WEIGHTS];
    int n_inputs, rows, cols, width[2];
    at_real *x[2], *x_gradient[2];
    at_real *target, *column_weight;
    int32_t ids[MAX_ROWS], positions[MAX_ROWS], label[MAX_ROWS];
    uint8_t types[MAX_ROWS];
    uint64_t row_id[MAX_ROWS], seq_row[6];
    uint32_t seq_id[6];
    int cu[7];
    at_batch batch;
    at_gradients gradients;
    at_tape tape;
    at_tensor *input[2];
    at_error err;
} context;

static at_real draw(uint64_t what, uint64_t i) { return (at_real)at_random_normal(at_mix64(what), i); }

static at_real *draw_array(context *x, uint64_t what, size_t n) {
    at_real *values = AT_NEW_ARRAY(&x->memory, at_real, n);
    for (size_t i = 0; i < n; i++) values[i] = draw(what, i);
    return values;
}

static void make_batch(context *x) {
    at_batch *b = &x->batch;
    for (; b->n_seq < 6 && x->c->len[b->n_seq]; b->n_seq++) {
        int s = b->n_seq, n = x->c->len[s];
        x->seq_id[s] = (uint32_t)(7 * s + 2);
        x->seq_row[s] = (uint64_t)x->seq_id[s] << 32;
        for (int i = 0; i < n; i++, b->rows++) {
            x->ids[b->rows] = (b->rows * 5 + 1) % 7;
            x->positions[b->rows] = i;
            x->types[b->rows] = (uint8_t)(i > 1);
            x->row_id[b->rows] = x->seq_row[s] | (uint64_t)i;
            x->label[b->rows] = (b->rows * 3) % (x->c->cols ? x->c->cols : 1);
        }
        x->cu[s + 1] = b->rows;
        if (n > b->max_len) b->max_len = n;
    }
    b->cu_seqlens = x->cu;
    b->ids = x->ids;
    b->types = x->types;
    b->positions = x->positions;
    b->row_id = x->row_id;
    b->seq_row = x->seq_row;
    b->seq_id = x->seq_id;
}

static void add_weight(context *x, int i, at_weight_kind kind, int out, int in) {
    char name[16];
    snprintf(name, sizeof name, "w%d", i);
    check_ok(at_params_add(&x->params, &x->memory, name, kind, out, in, 0, 1, &x->w[i], &x->err), &x->err);
}

static void make_weights(context *x) {
    const grad_case *c = x->c;
    check_ok(at_params_init(&x->params, &x->memory, MAX_WEIGHTS, &x->err), &x->err);
    if (!strcmp(c->op, "embed")) {
        add_weight(x, 0, c->flags & MATRIX ? AT_WEIGHT_MATRIX : AT_WEIGHT_TABLE, 7, c->cols);
        if (!(c->flags & NO_POSITION)) add_weight(x, 1, AT_WEIGHT_TABLE, 40, c->cols);
        if (!(c->flags & NO_TYPE)) add_weight(x, 2, AT_WEIGHT_TABLE, 2, c->cols);
    } else if (!strcmp(c->op, "linear")) {
        int n = 0;
        while (n < 3 && c->out[n]) n++;
        for (int s = 0; s < n; s++) add_weight(x, s, AT_WEIGHT_LINEAR, c->out[s], c->cols);
        for (int s = 0; s < n && c->flags & BIAS; s++) add_weight(x, 3 + s, AT_WEIGHT_VECTOR, c->out[s], 1);
    } else if (!strcmp(c->op, "vocabulary_cross_entropy")) {
        add_weight(x, 0, AT_WEIGHT_LINEAR, 50, c->cols);
        add_weight(x, 1, AT_WEIGHT_VECTOR, 50, 1);
    } else if (!strcmp(c->op, "tied_cross_entropy")) {
        add_weight(x, 0, AT_WEIGHT_MATRIX, 50, c->cols);
        add_weight(x, 1, AT_WEIGHT_VECTOR, 50, 1);
    } else if (c->flags & POSITIONS) {
        for (int i = 0; i < 2; i++) add_weight(x, i, AT_WEIGHT_MATRIX, 9, c->form.heads * c->form.head_dim);
    } else if (!strcmp(c->op, "rows")) {
        add_weight(x, 0, AT_WEIGHT_MATRIX, 20, c->cols);
    } else if (c->flags & RELATIVE) {
        add_weight(x, 0, AT_WEIGHT_MATRIX, 8, c->form.heads);
    } else if (!strcmp(c->op, "norm")) {
        add_weight(x, 0, AT_WEIGHT_VECTOR, c->flags & GROUPS ? c->cols / 3 : c->cols, 1);
        if (!(c->flags & (RMS | NO_BIAS))) add_weight(x, 1, AT_WEIGHT_VECTOR, c->cols, 1);
    }
    check_ok(at_params_allocate(&x->params, &x->err), &x->err);
    unsigned char trainable[MAX_WEIGHTS] = {0};
    for (int i = 0; i < x->params.n; i++) {
        at_weight_init_normal(&x->params, &x->params.weights[i], 0.8, 5);
        trainable[i] = 1;
    }
    for (int i = 0; i < MAX_WEIGHTS; i++)
        if (x->w[i] && c->frozen >> i & 1) trainable[x->w[i] - x->params.weights] = 0;
    at_params_set_trainable(&x->params, trainable);
    check_ok(at_gradients_make(&x->gradients, &x->memory, &x->params, 2 * MAX_ROWS, &x->err), &x->err);
}

static void make_inputs(context *x) {
    const grad_case *c = x->c;
    int apart = c->flags & (APART | SOURCE), two = apart || (!strcmp(c->op, "norm") && c->flags & RESIDUAL) || (!strcmp(c->op, "add") && !(c->flags & SAME));
    x->n_inputs = !strcmp(c->op, "embed") || !strcmp(c->op, "rows") ? 0 : two ? 2 : 1;
    x->rows = x->batch.rows;
    x->cols = c->form.heads ? (c->form.heads + 2 * c->form.kv_heads) * c->form.head_dim : c->cols;
    x->width[0] = apart ? c->form.heads * c->form.head_dim : x->cols;
    x->width[1] = apart ? (c->flags & SOURCE ? 2 : 1) * c->form.kv_heads * c->form.head_dim : x->cols;
    for (int i = 0; i < x->n_inputs; i++) {
        size_t n = (size_t)x->rows * (size_t)x->width[i];
        x->x[i] = draw_array(x, (uint64_t)i + 10, n);
        x->x_gradient[i] = AT_NEW_ARRAY(&x->memory, at_real, n);
    }
    x->target = draw_array(x, 20, (size_t)MAX_ROWS * 256);
    x->column_weight = draw_array(x, 21, (size_t)x->cols);
    for (int i = 0; i < x->cols; i++) x->column_weight[i] = (at_real)(0.5 + fabs(x->column_weight[i]));
    for (int r = 0; r < x->rows && c->flags & IGNORE_SOME; r += 2) x->label[r] = -100;
}

/* --- one function an op: how a case calls it --- */

static at_tensor *run_embed(context *x, at_tape *t) { return at_op_embed(t, &x->batch, x->w[0], x->w[1], x->w[2]); }

static at_tensor *run_linear(context *x, at_tape *t) {
    int n = 0;
    while (n < 3 && x->c->out[n]) n++;
    return at_op_linear(t, x->input[0], x->w, x->c->flags & BIAS ? x->w + 3 : NULL, n, (at_activation)x->c->variant);
}

static at_tensor *run_norm(context *x, at_tape *t) {
    at_norm_kind kind = !(x->c->flags & RMS) ? AT_NORM_LAYER : x->c->flags & PLUS_ONE ? AT_NORM_RMS_ONE : AT_NORM_RMS;
    return at_op_norm(t, x->input[0], x->input[1], x->c->p, x->row_id, x->w[0], x->w[1], 1e-5, kind);
}

static at_tensor *run_attention(context *x, at_tape *t) {
    return at_op_attention(t, x->input[0], &x->batch, &x->c->form, x->c->p);
}

/* Apart: one input gives the queries, the other the keys and, through another op, the values: it gets its gradient from two sides. */
static at_tensor *run_attention_with(context *x, at_tape *t) {
    const at_attention *form = &x->c->form;
    at_tensor *in = x->input[0];
    at_attention_inputs inputs = {.q = in, .k = in, .v = in, .distance = 6};
    int bucket[2 * MAX_ROWS], *kept = at_alloc(t->objects, 2 * MAX_ROWS, sizeof *kept);
    for (int d = 0; d < 2 * x->batch.max_len - 1; d++) bucket[d] = (d + 3) % 5 + (d > 6 ? 3 : 0);
    inputs.bucket = memcpy(kept, bucket, sizeof bucket);
    if (x->c->flags & RELATIVE) inputs.relative = x->w[0];
    if (x->c->flags & POSITIONS) { /* variant: 1 keys alone, 2 queries alone */
        if (x->c->variant != 2) inputs.position_key = at_op_rows(t, x->w[0], 1, 8);
        if (x->c->variant != 1) inputs.position_query = at_op_rows(t, x->w[1], 0, 8);
    }
    if (x->c->flags & APART) {
        inputs.k = x->input[1];
        inputs.v = at_op_activation(t, x->input[1], AT_ACT_TANH);
    }
    if (x->c->flags & SOURCE) { /* as many rows in all, in other lengths: each sequence reads what one of the others is long */
        int n = x->batch.n_seq, *cu = at_alloc(t->objects, (size_t)n + 1, sizeof *cu);
        at_batch *source = at_alloc(t->objects, 1, sizeof *source);
        for (int s = 0; s < n; s++) cu[s + 1] = cu[s] + x->c->len[(s + 1) % n];
        *source = (at_batch){.rows = x->batch.rows, .n_seq = n, .max_len = x->batch.max_len, .cu_seqlens = cu};
        inputs.source = source;
        inputs.k = inputs.v = x->input[1];
    }
    return at_op_attention_with(t, &inputs, &x->batch, form, x->c->p);
}

static at_tensor *run_rotary(context *x, at_tape *t) {
    static const double inverse[18] = {1, 0.3, 0.11, 0.05, 0.02, 0.7, 0.5, 0.4, 0.2, 0.15, 0.9, 0.8, 0.6, 0.35, 0.25, 0.17, 0.13, 0.12};
    int head_dim = x->c->variant;
    at_rope rope = {.dim = x->c->flags & GROUPS ? head_dim / 2 : head_dim, .inverse = inverse, .factor = 1.3};
    at_rope_table table;
    at_rope_prepare(t, &x->batch, &rope, &table);
    return at_op_rotary(t, x->input[0], &table, x->cols / head_dim - ((x->c->flags & GROUPS) != 0), head_dim);
}

static at_tensor *run_rows(context *x, at_tape *t) { return at_op_rows(t, x->w[0], 2, 9); }

static at_tensor *run_gated(context *x, at_tape *t) { return at_op_gated(t, x->input[0], (at_activation)x->c->variant); }

static at_tensor *run_neighbours(context *x, at_tape *t) { return at_op_neighbours(t, x->input[0], &x->batch, x->c->variant); }

static at_tensor *run_scale(context *x, at_tape *t) { return at_op_scale(t, x->input[0], -2.5); }

static at_tensor *run_dropout(context *x, at_tape *t) { return at_op_dropout(t, x->input[0], x->c->p, x->row_id); }

static at_tensor *run_activation(context *x, at_tape *t) {
    return at_op_activation(t, x->input[0], (at_activation)x->c->variant);
}

static at_tensor *run_add(context *x, at_tape *t) {
    return at_op_add(t, x->input[0], x->c->flags & SAME ? x->input[0] : x->input[1]);
}

static at_tensor *run_pool(context *x, at_tape *t) {
    return at_op_pool(t, x->input[0], &x->batch, (at_pooling)x->c->variant);
}

static at_tensor *run_gather(context *x, at_tape *t) {
    static const int32_t index[4] = {2, 0, 2, 8};
    return at_op_gather(t, x->input[0], index, 4, AT_SPACE_SEQUENCES);
}

static at_tensor *run_unit(context *x, at_tape *t) { return at_op_unit(t, x->input[0]); }

static at_tensor *run_cross_entropy(context *x, at_tape *t) {
    return at_op_cross_entropy(t, x->input[0], x->label, x->c->flags & CLASS_WEIGHTS ? x->column_weight : NULL,
                               x->c->smoothing, 3.5);
}

static at_tensor *run_tied(context *x, at_tape *t) { return at_op_tied_cross_entropy(t, x->input[0], x->w[0], x->w[1], x->label, 3.5); }

/* `smoothing` is the cap. */
static at_tensor *run_vocabulary(context *x, at_tape *t) {
    const at_classifier c = {x->w[0], x->w[1], x->c->smoothing};
    return at_op_vocabulary_cross_entropy(t, x->input[0], &c, x->label, 3.5);
}

static at_tensor *run_span_cross_entropy(context *x, at_tape *t) {
    int32_t *target = at_alloc(x->tape.objects, (size_t)(x->batch.n_seq * x->cols), sizeof *target);
    for (int s = 0; s < x->batch.n_seq; s++) /* the first token of a run, and the last */
        for (int c = 0; c < x->cols; c++) target[s * x->cols + c] = c ? x->batch.cu_seqlens[s + 1] - 1 : x->batch.cu_seqlens[s];
    return at_op_span_cross_entropy(t, x->input[0], x->batch.cu_seqlens, x->batch.n_seq, target, x->c->smoothing, 2.5);
}

static at_tensor *run_mse(context *x, at_tape *t) { return at_op_mse(t, x->input[0], x->target, 2.5); }

/* Its value means nothing: the squared distance that follows makes it a case like the others'. */
static at_tensor *run_given(context *x, at_tape *t) {
    at_real *gradient = at_alloc(x->tape.objects, (size_t)x->rows * (size_t)x->cols, sizeof *gradient);
    uint32_t *index = at_alloc(x->tape.objects, (size_t)x->rows, sizeof *index);
    at_tensor *in = x->input[0];
    for (int i = 0; i < x->rows; i++) index[i] = (uint32_t)(x->rows - 1 - i);
    double sum = 0;
    for (int i = 0; i < x->rows * x->cols && !t->dry; i++) {
        int there = (x->rows - 1 - i / x->cols) * x->cols + i % x->cols;
        gradient[there] = 2 * (in->data[i] - x->target[i]);
        sum += (double)((in->data[i] - x->target[i]) * (in->data[i] - x->target[i]));
    }
    at_tensor *y = at_op_given(t, in, gradient, index);
    if (y && !t->dry) y->data[0] = (at_real)sum; /* whose gradient it was given */
    return y;
}

static at_tensor *run_row_product(context *x, at_tape *t) {
    static const int32_t a[5] = {2, 0, 2, 8, 4}, b[5] = {1, 3, 2, 0, 8};
    return at_op_row_product(t, x->input[0], a, b, 5);
}

/* Anchors 0, 1, 2 and their positives 3, 4, 5, then negatives; or everything with everything by labels, one of which is alone. */
static at_tensor *run_contrastive(context *x, at_tape *t) {
    int32_t *row = at_alloc(x->tape.objects, 2 * (size_t)x->rows, sizeof *row), *kind = row + x->rows;
    for (int i = 0; i < x->rows; i++) {
        row[i] = i;
        kind[i] = x->c->flags & SAME ? (i + 1 == x->rows ? 77 : i % 3) : i < 6 ? i % 3 : -1;
    }
    at_contrast pairs = {row, kind, row + 3, kind + 3, 3, x->rows - 3}, all = {row, kind, row, kind, x->rows, x->rows};
    return at_op_contrastive(t, x->input[0], x->c->flags & SAME ? &all : &pairs, 1.7, 2.5);
}

static at_tensor *run_cosent(context *x, at_tape *t) {
    static const at_real target[] = {1, 5, 2, 2, 0, 4, 3, 5, 1};
    return at_op_cosent(t, x->input[0], target, 1.5);
}

static at_tensor *run_triplet(context *x, at_tape *t) {
    static const int32_t row[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 0, 2, 7, 3};
    return at_op_triplet(t, x->input[0], row, 5, 0.3, 2.5);
}

static at_tensor *run_binary_cross_entropy(context *x, at_tape *t) {
    at_real *target = at_tape_save(t, (size_t)x->rows * (size_t)x->cols, sizeof(at_real));
    for (int i = 0; i < x->rows * x->cols && !t->dry; i++)
        target[i] = x->c->flags & IGNORE_SOME && i % 3 == 0 ? (at_real)NAN : (at_real)(1 / (1 + exp(-x->target[i])));
    return at_op_binary_cross_entropy(t, x->input[0], target, x->c->flags & CLASS_WEIGHTS ? x->column_weight : NULL, 4.5);
}

static const struct {
    const char *name;
    at_tensor *(*run)(context *, at_tape *);
} OPS[] = {{"embed", run_embed}, {"linear", run_linear}, {"norm", run_norm}, {"attention", run_attention},
           {"attention_with", run_attention_with}, {"rotary", run_rotary}, {"gated", run_gated}, {"neighbours", run_neighbours}, {"scale", run_scale}, {"rows", run_rows},
           {"dropout", run_dropout}, {"activation", run_activation}, {"add", run_add}, {"pool", run_pool},
           {"gather", run_gather}, {"unit", run_unit}, {"cross_entropy", run_cross_entropy}, {"tied_cross_entropy", run_tied},
           {"vocabulary_cross_entropy", run_vocabulary},
           {"span_cross_entropy", run_span_cross_entropy}, {"mse", run_mse},
           {"given", run_given}, {"row_product", run_row_product}, {"contrastive", run_contrastive}, {"cosent", run_cosent}, {"triplet", run_triplet},
           {"binary_cross_entropy", run_binary_cross_entropy}};

static at_tensor *run_op(context *x, at_tape *t) {
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
        if (!strcmp(OPS[i].name, x->c->op)) return OPS[i].run(x, t);
    fail_msg("no op %s", x->c->op);
    return NULL;
}

/* The case as a scalar: its own loss, else the squared distance to a target. */
static at_tensor *forward(context *x) {
    at_tape *t = &x->tape;
    at_tape_begin(t);
    x->input[0] = x->input[1] = NULL;
    for (int i = 0; i < x->n_inputs; i++) {
        x->input[i] = at_tape_constant(t, AT_SPACE_TOKENS, x->rows, x->width[i], x->x[i]);
        x->input[i]->needs_grad = !(x->c->flags & (i ? STILL_X2 : STILL_X));
    }
    at_tensor *y = run_op(x, t);
    if (x->c->flags & TWICE) {
        at_tensor *again = run_op(x, t);
        y = y && again ? at_op_add(t, y, again) : NULL;
    }
    if (y && y->space != AT_SPACE_SCALAR) y = at_op_mse(t, y, x->target, 3);
    return y;
}

static void rewind_all(context *x) {
    at_arena *arenas[4] = {&x->arena, &x->pool, &x->scratch, &x->objects};
    for (int i = 0; i < 4; i++) at_arena_rewind(arenas[i], (at_mark){0});
}

static double value(context *x) {
    rewind_all(x);
    x->tape.gradients = NULL;
    at_tensor *loss = forward(x);
    if (!loss) fail_msg("%s, %s: %s", x->c->op, x->c->what, x->err.text);
    return (double)loss->data[0];
}

static void gradients(context *x) {
    rewind_all(x);
    x->tape.gradients = &x->gradients;
    at_tensor *loss = forward(x);
    if (!loss || at_tape_backward(&x->tape, loss)) fail_msg("%s, %s: %s", x->c->op, x->c->what, x->err.text);
    for (int i = 0; i < x->n_inputs; i++) {
        if (!x->input[i]->needs_grad) assert_null(x->input[i]->grad);
        else memcpy(x->x_gradient[i], x->input[i]->grad, (size_t)x->rows * (size_t)x->width[i] * sizeof(at_real));
    }
}

static double difference(context *x, at_real *at) {
    const double h = 1e-4;
    at_real here = *at;
    double f[4];
    static const int step[4] = {-2, -1, 1, 2};
    for (int i = 0; i < 4; i++) {
        *at = (at_real)(here + step[i] * h);
        f[i] = value(x);
    }
    *at = here;
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
}

/* The worst relative error over n elements; elements far below the largest are measured against a thousandth of it. */
static double worst_error(context *x, at_real *values, const at_real *analytic, size_t n) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)analytic[i]));
    for (size_t i = 0; i < n; i++) {
        double d = difference(x, &values[i]), a = (double)analytic[i];
        double scale = fmax(fmax(fabs(d), fabs(a)), fmax(1e-3 * largest, 1e-6));
        worst = fmax(worst, fabs(d - a) / scale);
    }
    return worst;
}

/* A weight's gradient as a copy in its home layout. */
static at_real *weight_gradient(context *x, const at_weight *w) {
    at_real *copy = AT_NEW_ARRAY(&x->memory, at_real, w->size);
    if (w->kind != AT_WEIGHT_TABLE) return memcpy(copy, x->gradients.dense + w->gradient, w->size * sizeof(at_real));
    const at_table_gradient *table = &x->gradients.tables[w->gradient];
    for (int s = 0; s < table->n; s++)
        memcpy(copy + table->row[s] * w->in, table->values + s * w->in, (size_t)w->in * sizeof(at_real));
    return copy;
}

static double check_weight(context *x, const at_weight *w) {
    at_gradients_clear(&x->gradients);
    gradients(x);
    at_real *once = weight_gradient(x, w);
    gradients(x);
    at_real *twice = weight_gradient(x, w);
    for (size_t i = 0; i < w->size; i++)
        if (fabs((double)(twice[i] - 2 * once[i])) > 1e-9 * (1 + fabs((double)once[i])))
            fail_msg("%s, %s: %s does not add to its gradient", x->c->op, x->c->what, w->name);
    return worst_error(x, at_weight_values(&x->params, w), once, w->size);
}

static void check_dry_run(context *x) {
    at_arena *arena[3] = {&x->arena, &x->pool, &x->scratch};
    size_t real[3];
    for (int i = 0; i < 3; i++) arena[i]->peak = 0;
    gradients(x);
    for (int i = 0; i < 3; i++) real[i] = at_arena_peak(arena[i]);
    rewind_all(x);
    at_arena measure[3];
    for (int i = 0; i < 3; i++) check_ok(at_arena_measure(&measure[i], &x->err), &x->err);
    at_gradients plan;
    check_ok(at_gradients_plan(&plan, &x->memory, &x->params, &x->err), &x->err);
    at_tape saved = x->tape;
    x->tape.arena = &measure[0];
    x->tape.pool = &measure[1];
    x->tape.scratch = &measure[2];
    x->tape.gradients = &plan;
    x->tape.dry = 1;
    at_tensor *loss = forward(x);
    if (!loss || at_tape_backward(&x->tape, loss)) fail_msg("%s, %s, dry: %s", x->c->op, x->c->what, x->err.text);
    x->tape = saved;
    for (int i = 0; i < 3; i++) {
        if (at_arena_peak(&measure[i]) != real[i])
            fail_msg("%s, %s: arena %d dry %zu, real %zu", x->c->op, x->c->what, i, at_arena_peak(&measure[i]), real[i]);
        at_arena_free(&measure[i]);
    }
}

static double check_case(const grad_case *c) {
    context *x = calloc(1, sizeof *x);
    x->c = c;
    at_arena *fixed[4] = {&x->arena, &x->pool, &x->scratch, &x->objects};
    for (int i = 0; i < 4; i++) check_ok(at_arena_fixed(fixed[i], ARENA_BYTES, &x->err), &x->err);
    make_batch(x);
    make_weights(x);
    make_inputs(x);
    x->tape = (at_tape){.params = &x->params, .arena = &x->arena, .pool = &x->pool, .scratch = &x->scratch,
                        .objects = &x->objects, .training = 1, .seed = 3, .step = 11, .err = &x->err};
    check_ok(at_backend_choose(NULL, &x->tape.backend, &x->err), &x->err);
    double worst = 0;
    check_dry_run(x);
    gradients(x);
    for (int i = 0; i < x->n_inputs; i++)
        if (x->input[i]->needs_grad)
            worst = fmax(worst, worst_error(x, x->x[i], x->x_gradient[i], (size_t)x->rows * (size_t)x->width[i]));
    for (int i = 0; i < x->params.n; i++)
        if (x->params.weights[i].gradient != AT_NO_GRADIENT) worst = fmax(worst, check_weight(x, &x->params.weights[i]));
    at_params_free(&x->params);
    for (int i = 0; i < 4; i++) at_arena_free(fixed[i]);
    at_arena_free(&x->memory);
    free(x);
    return worst;
}

static void every_case_agrees_with_differences(void **state) {
    (void)state;
    double worst = 0;
    int bad = 0;
    for (int i = 0; i < N_CASES; i++) {
        double error = check_case(&CASES[i]);
        worst = fmax(worst, error);
        if (error < 1e-6) continue;
        print_error("%s, %s: relative error %.2g\n", CASES[i].op, CASES[i].what, error);
        bad++;
    }
    print_message("%d cases, worst relative error %.2g\n", (int)N_CASES, worst);
    assert_int_equal(bad, 0);
}

static void every_op_of_the_header_has_a_case(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, check_source("../src/op/op.h"), 1 << 20, AT_BAD_DATA, &text, &len, &err), &err);
    int found = 0;
    for (char *at = text; (at = strstr(at, "*at_op_")) != NULL; found++) {
        at += strlen("*at_op_");
        int n = 0, has = 0;
        while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
        for (int i = 0; i < N_CASES; i++) has |= (int)strlen(CASES[i].op) == n && !strncmp(CASES[i].op, at, (size_t)n);
        if (!has) fail_msg("at_op_%.*s has no gradient case", n, at);
    }
    assert_true(found >= 13);
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_of_the_header_has_a_case),
        cmocka_unit_test(every_case_agrees_with_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
