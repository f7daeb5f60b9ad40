/* Whole models against what transformers computed in float64 (tests/oracle/make_golden.py, make_golden_families.py): hidden states, logits,
 * loss, every parameter's gradient, 10 or 20 AdamW steps. Every folder of golden/data is one. And that the comparison would notice:
 * every switch of the arch that is flipped makes it fail. Compiled for both at_reals: in double the bound is that of the
 * recorded float32 values. */
#include "check.h"

#include "base/file.h"
#include "golden/compare.h"
#include "golden/folders.h"

#ifdef AT_DOUBLE
static const double LOSS = 1e-9, STEPS = 1e-9;
#else
static const double LOSS = 1e-4, STEPS = 1e-4;
#endif

static golden_folders folders = {.root = "golden/data"};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    json_t *numbers;
    at_error err;
} golden;

static const char *path_in(const char *folder, const char *name) { return golden_path(&folders, folder, name); }

static int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, 3);
}

static void open_golden(golden *g, const char *name) {
    at_model_options options = {.keep_head = 1};
    char folder[4096], batch[4096];
    snprintf(folder, sizeof folder, "%s", path_in(name, ""));
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, folder, &options, batch, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_json_load(path_in(name, "expected.json"), 1 << 20, AT_BAD_DATA, &g->numbers, &g->err), &g->err);
    assert_true(g->h.model->trained_head);
    harness_pack(&g->h, 0, 1);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
    json_decref(g->numbers);
}

/* How far the model is from the reference, in bounds; `say` names what is beyond. */
static double from_reference(golden *g, int say) {
    check_ok(harness_run(&g->h, 1), &g->err);
    return whole_distance(&g->h, g->expected, json_real_value(json_object_get(g->numbers, "loss")), LOSS, say);
}

/* By every set of kernels that this machine runs. */
static void models_equal_the_reference(void **state) {
    (void)state;
    static const char *const kernels[] = {"portable", "avx2", "avx512"};
    int bad = 0, runs = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        for (int k = 0; k < 3; k++) {
            if (at_backend_choose(kernels[k], &g.h.tape.backend, &g.err)) continue;
            double worst = from_reference(&g, 1);
            print_message("%s, %s: %.3g of the bound\n", folders.name[i], kernels[k], worst);
            bad += !(worst < 1);
            runs++;
        }
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
    assert_true(runs >= folders.n);
}

static void adamw_steps_give_the_same_losses(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        size_t n = g.h.model->params.n_moments;
        at_real *m = AT_NEW_ARRAY(&g.h.memory, at_real, n), *v = AT_NEW_ARRAY(&g.h.memory, at_real, n);
        const json_t *losses = json_object_get(g.numbers, "adamw_losses");
        int steps = (int)json_array_size(losses);
        double worst = 0;
        for (int step = 0; step < steps; step++) {
            double want = json_real_value(json_array_get(losses, (size_t)step));
            harness_pack(&g.h, step % 3, 3);
            check_ok(harness_run(&g.h, 1), &g.err);
            harness_adamw(&g.h, m, v, step + 1, 2e-4);
            worst = fmax(worst, fabs((double)g.h.loss->data[0] - want) / want);
        }
        print_message("%s: worst relative difference of %d losses %.2g\n", folders.name[i], steps, worst);
        if (!(worst < STEPS)) fail_msg("%s: the losses of the training differ", folders.name[i]);
        assert_true(steps >= 10);
        close_golden(&g);
    }
}

/* --- switches: each returns 0 where the model has nothing to flip --- */

static int flip_relu(at_model *m) {
    m->arch.activation = m->arch.activation == AT_ACT_RELU ? AT_ACT_SILU : AT_ACT_RELU;
    return 1;
}
static int flip_epsilon(at_model *m) {
    m->arch.norm_epsilon = 4 * m->arch.norm_epsilon + 1e-5;
    return 1;
}
static int flip_types(at_model *m) {
    int had = m->arch.type_vocab;
    m->arch.type_vocab = 0;
    return had;
}
static int flip_causal(at_model *m) {
    m->arch.causal = !m->arch.causal;
    return 1;
}
static int flip_layers(at_model *m) {
    m->arch.layers--;
    return 1;
}
static int flip_heads(at_model *m) {
    if (m->arch.heads != m->arch.kv_heads || m->arch.heads == 1 || m->arch.relative_buckets || m->arch.position == AT_POSITION_ROTARY)
        return 0; /* their shapes say it */
    m->arch.head_dim *= m->arch.heads;
    m->arch.heads = m->arch.kv_heads = 1;
    return 1;
}
static int flip_groups(at_model *m) { /* query heads read other key-value heads: exchange the first two groups */
    int group = m->arch.heads / m->arch.kv_heads;
    if (group < 2 || m->arch.kv_heads < 2) return 0;
    const at_weight *w = m->body.layer[0].qkv[0];
    size_t n = (size_t)m->arch.head_dim * (size_t)w->in;
    float *rows = calloc((size_t)w->out * (size_t)w->in, sizeof *rows), *held = calloc(n, sizeof *held);
    at_weight_get(&m->params, w, rows);
    memcpy(held, rows, n * sizeof *rows);
    memcpy(rows, rows + (size_t)group * n, n * sizeof *rows);
    memcpy(rows + (size_t)group * n, held, n * sizeof *rows);
    at_weight_put(&m->params, w, rows);
    free(rows);
    free(held);
    return 1;
}
static int flip_pooling(at_model *m) {
    at_pooling *how = &m->arch.head.pooling;
    if (m->head.kind == AT_HEAD_MEAN) return 0;
    *how = *how == AT_POOL_CLS ? AT_POOL_MEAN : AT_POOL_CLS;
    return 1;
}
static int flip_pad(at_model *m) { /* known by position, or by the token that is read */
    int had = m->arch.pad_id, last = m->arch.head.pooling == AT_POOL_LAST;
    m->arch.pad_id = -1;
    return had >= 0 && !m->arch.head.at_end && (last || m->arch.position_offset) && !strstr(m->folder, "camembert");
}
static int flip_end(at_model *m) { /* the last token in place of the last that ends a text */
    m->arch.decoder.end_id = -1;
    return m->arch.head.at_end;
}
static int flip_start(at_model *m) {
    m->arch.decoder.start_id = !m->arch.decoder.start_id;
    return m->arch.decoder.layers;
}
static int flip_decoder_layers(at_model *m) { return m->arch.decoder.layers ? m->arch.decoder.layers-- : 0; }
static int flip_still_row(at_model *m) {
    int padded = m->body.token->still_row >= 0 && m->arch.position_offset && !strstr(m->folder, "camembert");
    m->body.token->still_row = -1;
    return padded;
}
static int flip_head_activation(at_model *m) {
    at_activation *act = &m->arch.head.activation;
    if (!m->head.dense) return 0;
    *act = *act == AT_ACT_TANH ? AT_ACT_GELU : *act == AT_ACT_GELU ? AT_ACT_GELU_TANH : AT_ACT_GELU;
    return 1;
}
static int flip_head_layer(at_model *m) {
    int had = m->head.dense != NULL;
    m->head.dense = NULL;
    return had;
}
static int flip_head_norm(at_model *m) {
    int had = m->head.norm != NULL;
    m->head.norm = NULL;
    return had;
}
static int flip_project(at_model *m) {
    int had = m->body.project && m->arch.embedding == m->arch.hidden;
    if (had) m->body.project = NULL;
    return had;
}
static int flip_sets(at_model *m) {
    if (!m->arch.layer_set) return 0;
    m->body.layer[m->arch.layers - 2] = m->body.layer[0];
    return 1;
}
static int flip_relative(at_model *m) {
    int had = m->body.relative && !m->arch.position_keys && !m->arch.position_queries;
    m->body.relative = NULL;
    return had;
}
static int flip_relative_distance(at_model *m) {
    int had = m->body.relative && (m->arch.position_buckets || !m->arch.position_keys);
    m->arch.relative_distance /= 2;
    return had;
}
static int flip_position_keys(at_model *m) {
    int had = m->arch.position_keys;
    m->arch.position_keys = 0;
    return had && m->arch.position_queries;
}
static int flip_position_queries(at_model *m) {
    int had = m->arch.position_queries;
    m->arch.position_queries = 0;
    return had && m->arch.position_keys;
}
static int flip_position_projections(at_model *m) {
    int had = m->body.layer[1].position_key != NULL;
    m->body.layer[1].position_key = NULL;
    return had;
}
static int flip_position_buckets(at_model *m) {
    int had = m->arch.position_buckets;
    m->arch.position_buckets = 0;
    return had;
}
static int flip_relative_norm(at_model *m) {
    int had = m->body.relative_norm != NULL;
    m->body.relative_norm = NULL;
    return had;
}
static int flip_conv(at_model *m) {
    int had = m->body.conv != NULL;
    m->body.conv = NULL;
    return had;
}
static int flip_conv_activation(at_model *m) {
    m->arch.conv_activation = AT_ACT_RELU;
    return m->arch.conv_width;
}
static int flip_conv_bias(at_model *m) {
    m->body.conv_bias = NULL;
    return m->arch.conv_width;
}
static int flip_conv_norm(at_model *m) {
    m->body.conv_norm = NULL;
    return m->arch.conv_width;
}
static int flip_window(at_model *m) {
    int had = m->arch.window;
    m->arch.window = 0;
    return had;
}
static int flip_window_size(at_model *m) { return m->arch.window ? m->arch.window++ : 0; }
static int flip_local(at_model *m) {
    int had = m->arch.local && m->arch.window;
    m->arch.local = NULL;
    return had;
}
static int flip_local_rope(at_model *m) { /* local layers turn as the others do */
    at_rope *rope = m->arch.rope;
    if (!m->arch.local || !m->arch.window || (rope[0].inverse && rope[0].inverse[1] == rope[1].inverse[1])) return 0;
    rope[1] = rope[0];
    return rope[0].dim;
}
static int flip_rope(at_model *m) {
    static double other[64];
    at_rope *rope = m->arch.rope;
    for (int i = 0; i < rope->dim / 2; i++) other[i] = rope->inverse[i] * (i ? 1.1 : 1);
    rope->inverse = other;
    return rope->dim;
}
static int flip_rope_width(at_model *m) {
    int part = m->arch.rope[0].dim && m->arch.rope[0].dim < m->arch.head_dim;
    m->arch.rope[0].dim -= 2;
    return part && m->arch.rope[0].dim > 0;
}
static int flip_rope_factor(at_model *m) {
    int had = m->arch.rope[0].dim && m->arch.rope[0].factor != 1;
    m->arch.rope[0].factor = 1;
    return had;
}
static int flip_stretch(at_model *m) { /* of texts longer than usual */
    at_rope *rope = m->arch.rope;
    int had = rope->stretch > 0;
    rope->stretch = 0;
    return had;
}
static int flip_usual(at_model *m) { return m->arch.rope[0].stretch > 0 ? m->arch.rope[0].usual++ : 0; }
static int flip_scale_by_depth(at_model *m) {
    int had = m->arch.scale_by_depth;
    m->arch.scale_by_depth = 0;
    return had;
}
static int flip_soft_cap(at_model *m) {
    int had = m->arch.soft_cap > 0;
    m->arch.soft_cap = 0;
    return had;
}
static int flip_gated(at_model *m) { /* gate and up exchanged */
    if (!m->arch.gated) return 0;
    for (int l = 0; l < m->arch.layers; l++) {
        at_layer *layer = &m->body.layer[l];
        at_weight *gate = layer->gate, *bias = layer->gate_bias;
        layer->gate = layer->up;
        layer->gate_bias = layer->up_bias;
        layer->up = gate;
        layer->up_bias = bias;
    }
    return 1;
}
static int flip_embedding_scale(at_model *m) {
    int had = m->arch.embedding_scale != 1;
    m->arch.embedding_scale = 1;
    return had;
}
#define FLIP_LAYER_PART(name, field)                       \
    static int name(at_model *m) {                         \
        int had = m->body.layer[1].field != NULL;          \
        m->body.layer[1].field = NULL;                     \
        return had;                                        \
    }
FLIP_LAYER_PART(flip_query_bias, qkv_bias[0])
FLIP_LAYER_PART(flip_value_bias, qkv_bias[2])
FLIP_LAYER_PART(flip_out_bias, out_bias)
FLIP_LAYER_PART(flip_up_bias, up_bias)
FLIP_LAYER_PART(flip_down_bias, down_bias)
FLIP_LAYER_PART(flip_query_norm, query_norm)
FLIP_LAYER_PART(flip_attention_norm, attention_norm)
FLIP_LAYER_PART(flip_attention_norm_bias, attention_norm_bias)
FLIP_LAYER_PART(flip_attention_after, attention_after)
FLIP_LAYER_PART(flip_output_norm, output_norm)
FLIP_LAYER_PART(flip_output_after, output_after)
static int flip_key_norm(at_model *m) {
    int had = m->body.layer[1].key_norm != NULL;
    m->body.layer[1].key_norm = NULL;
    return had;
}
static int flip_final_norm(at_model *m) {
    int had = m->body.final_norm != NULL;
    m->body.final_norm = NULL;
    return had;
}
static int flip_embed_norm(at_model *m) {
    int had = m->body.embed_norm != NULL;
    m->body.embed_norm = NULL;
    return had;
}

static const struct {
    const char *name;
    int (*flip)(at_model *m);
} SWITCHES[] = {
    {"activation", flip_activation},
    {"activation to relu", flip_relu},
    {"epsilon of the norms", flip_epsilon},
    {"token types", flip_types},
    {"positions", flip_positions},
    {"offset of the positions", flip_offset},
    {"causal", flip_causal},
    {"kind of the block", flip_block},
    {"kind of the norms", flip_norm},
    {"scale", flip_scale},
    {"layers", flip_layers},
    {"heads", flip_heads},
    {"groups of heads", flip_groups},
    {"pooling", flip_pooling},
    {"padding", flip_pad},
    {"end of the text", flip_end},
    {"start of the decoder", flip_start},
    {"layers of the decoder", flip_decoder_layers},
    {"embedding of the padding", flip_still_row},
    {"activation of the head", flip_head_activation},
    {"layer of the head", flip_head_layer},
    {"norm of the head", flip_head_norm},
    {"projection of the embeddings", flip_project},
    {"layers that share weights", flip_sets},
    {"relative bias", flip_relative},
    {"reach of the relative bias", flip_relative_distance},
    {"content to position", flip_position_keys},
    {"position to content", flip_position_queries},
    {"projections of positions", flip_position_projections},
    {"buckets of positions", flip_position_buckets},
    {"norm of positions", flip_relative_norm},
    {"convolution", flip_conv},
    {"activation of the convolution", flip_conv_activation},
    {"bias of the convolution", flip_conv_bias},
    {"norm of the convolution", flip_conv_norm},
    {"window", flip_window},
    {"size of the window", flip_window_size},
    {"local layers", flip_local},
    {"frequencies of local layers", flip_local_rope},
    {"frequencies", flip_rope},
    {"turned columns", flip_rope_width},
    {"factor of the angles", flip_rope_factor},
    {"slower turns of long texts", flip_stretch},
    {"length of the usual ones", flip_usual},
    {"soft cap", flip_soft_cap},
    {"scale by depth", flip_scale_by_depth},
    {"gate", flip_gated},
    {"scale of the embeddings", flip_embedding_scale},
    {"bias of the queries", flip_query_bias},
    {"bias of the values", flip_value_bias},
    {"bias of the attention", flip_out_bias},
    {"bias of the feed-forward", flip_up_bias},
    {"bias of its second layer", flip_down_bias},
    {"norm of the queries", flip_query_norm},
    {"norm of the keys", flip_key_norm},
    {"norm of the attention", flip_attention_norm},
    {"bias of that norm", flip_attention_norm_bias},
    {"norm after the attention", flip_attention_after},
    {"norm of the feed-forward", flip_output_norm},
    {"norm after the feed-forward", flip_output_after},
    {"final norm", flip_final_norm},
    {"norm of the embeddings", flip_embed_norm},
};

static void every_flipped_switch_is_noticed(void **state) {
    (void)state;
    int unnoticed = 0;
    for (int i = 0; i < folders.n; i++) {
        int flipped = 0;
        for (size_t s = 0; s < sizeof SWITCHES / sizeof *SWITCHES; s++) {
            golden g = {0};
            open_golden(&g, folders.name[i]);
            if (SWITCHES[s].flip(g.h.model)) {
                double d = from_reference(&g, 0);
                if (d <= 2) print_error("%s: flipping %s goes unnoticed: %.3g of the bound\n", folders.name[i], SWITCHES[s].name, d);
                unnoticed += d <= 2;
                flipped++;
            }
            close_golden(&g);
        }
        assert_true(flipped >= 10);
    }
    assert_int_equal(unnoticed, 0);
}

/* A batch of one sequence gives what the packed batch gives for it: nothing leaks between neighbours. */
static void sequences_do_not_see_their_neighbours(void **state) {
    (void)state;
    golden g = {0};
    open_golden(&g, "pooler");
    check_ok(harness_run(&g.h, 0), &g.err);
    int n = g.h.logits->rows, cols = g.h.logits->cols;
    at_real *packed = AT_NEW_ARRAY(&g.h.memory, at_real, n * cols);
    memcpy(packed, g.h.logits->data, (size_t)(n * cols) * sizeof *packed);
    for (int s = 0; s < n; s++) {
        harness_pack(&g.h, s, g.h.n_seq);
        check_ok(harness_run(&g.h, 0), &g.err);
        for (int c = 0; c < cols; c++)
            assert_true(fabs((double)(g.h.logits->data[c] - packed[s * cols + c])) < 1e-5);
    }
    close_golden(&g);
}

/* What the head reads, of a training with dropout: out of all rows, or of a body whose last block has no others. */
static at_real *features_of(golden *g, int all, int *n) {
    at_tape *t = &g->h.tape;
    const at_model *m = g->h.model;
    for (int i = 0; i < HARNESS_ARENAS; i++) at_arena_rewind(&g->h.step[i], (at_mark){0});
    at_gradients_clear(&g->h.gradients);
    t->gradients = &g->h.gradients;
    t->training = 1;
    at_tape_begin(t);
    at_tensor *x = all ? at_head_pool(t, m, m->head.kind, at_body_forward(t, m, &g->h.batch), &g->h.batch)
                       : at_model_features(t, m, m->head.kind, &g->h.batch);
    check_ok(at_tape_status(t), &g->err);
    *n = x->rows * x->cols;
    at_real *values = AT_NEW_ARRAY(&g->h.memory, at_real, *n);
    memcpy(values, x->data, (size_t)*n * sizeof *values);
    return values;
}

static void rows_that_nobody_reads_change_nothing(void **state) {
    (void)state;
    for (int f = 0; f < folders.n; f++) {
        golden g = {0};
        int n, n_all;
        open_golden(&g, folders.name[f]);
        at_arch *a = &g.h.model->arch;
        a->hidden_dropout = a->output_dropout = a->attention_dropout = 0.3;
        const at_real *all = features_of(&g, 1, &n_all), *read = features_of(&g, 0, &n);
        double worst = 0, largest = 0;
        assert_int_equal(n, n_all);
        for (int i = 0; i < n; i++) {
            worst = fmax(worst, fabs((double)(read[i] - all[i])));
            largest = fmax(largest, fabs((double)all[i]));
        }
        if (!(worst <= 1e-5 * largest)) print_error("%s: %g of %g\n", folders.name[f], worst, largest);
        assert_true(worst <= 1e-5 * largest);
        close_golden(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_equal_the_reference),
        cmocka_unit_test(adamw_steps_give_the_same_losses),
        cmocka_unit_test(every_flipped_switch_is_noticed),
        cmocka_unit_test(sequences_do_not_see_their_neighbours),
        cmocka_unit_test(rows_that_nobody_reads_change_nothing),
    };
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
