/* Encoder-decoders against transformers in float64 (tests/oracle/make_golden_seq2seq.py): hidden states of both stacks, logits, loss, every
 * parameter's gradient, ten AdamW steps; and that the comparison would notice: every switch that is flipped makes it fail. Compiled for
 * both at_reals: in double the bound is that of the recorded float32 values. */
#include "golden/seq2seq.h"

#ifdef AT_DOUBLE
static const double LOSS = 1e-9, STEPS = 1e-9;
#else
static const double LOSS = 1e-5, STEPS = 1e-5;
#endif

static double loss_of(golden *g) {
    double loss;
    check_ok(at_safetensors_read_raw(g->expected, at_safetensors_find(g->expected, "loss"), &loss, &g->err), &g->err);
    return loss;
}

/* How far the model is from the reference, in bounds; `say` names what is beyond. */
static double from_reference(golden *g, int say) {
    check_ok(forward(g, 1), &g->err);
    return whole_distance(&g->h, g->expected, loss_of(g), LOSS, say);
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
            at_tape_begin(&g.h.tape);
            g.h.tape.gradients = NULL;
            double encoder = tensor_distance(&g.h, g.expected, "encoded", at_body_encode(&g.h.tape, g.h.model, &g.h.batch));
            print_message("%s, %s: %.3g of the bound, the encoder %.3g\n", folders.name[i], kernels[k], worst, encoder);
            bad += !(worst < 1) || !(encoder < 1);
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
        const at_stored_tensor *t = at_safetensors_find(g.expected, "adamw_losses");
        double want[32], worst = 0;
        assert_in_range(t->count, 10, 32);
        check_ok(at_safetensors_read_raw(g.expected, t, want, &g.err), &g.err);
        for (int step = 0; step < (int)t->count; step++) {
            pack_pairs(&g, step % 3, 3);
            check_ok(forward(&g, 1), &g.err);
            harness_adamw(&g.h, m, v, step + 1, 2e-4);
            worst = fmax(worst, fabs((double)g.h.loss->data[0] - want[step]) / want[step]);
        }
        print_message("%s: worst relative difference of %d losses %.2g\n", folders.name[i], (int)t->count, worst);
        if (!(worst < STEPS)) fail_msg("%s: the losses of the training differ", folders.name[i]);
        close_golden(&g);
    }
}

/* --- switches: each returns 0 where the model has nothing to flip --- */

static int flip_epsilon(at_model *m) {
    m->arch.norm_epsilon = 4 * m->arch.norm_epsilon + 1e-4;
    return 1;
}
static int flip_causal(at_model *m) { return m->arch.causal = 1; }
static int flip_decoder_scale(at_model *m) { return (m->arch.decoder.attention_scale *= 1.01) > 0; }
static int flip_layers(at_model *m) { return m->arch.layers--; }
static int flip_decoder_layers(at_model *m) { return m->arch.decoder.layers--; }
static int flip_heads(at_model *m) {
    at_decoder_arch *d = &m->arch.decoder;
    if (m->body.relative) return 0; /* its shape says it */
    d->head_dim *= d->heads;
    d->heads = 1;
    return 1;
}
static int flip_decoder_positions(at_model *m) { /* the encoder's in place of the decoder's */
    m->body.decoder.position = m->body.position;
    return m->body.position != NULL;
}
static int flip_padding(at_model *m) { return m->arch.position_offset ? m->arch.counts_padding-- : 0; }
static int flip_still_row(at_model *m) {
    int *row = &m->body.token->still_row, had = *row >= 0;
    *row = had ? -1 : m->arch.pad_id;
    return had || m->head.classifier != m->body.token || m->body.token->kind != AT_WEIGHT_TABLE;
}
static int flip_embedding_scale(at_model *m) {
    m->arch.embedding_scale *= 1.01;
    return 1;
}
static int flip_answer_scale(at_model *m) {
    m->arch.answer_scale *= 1.01;
    return 1;
}
static int flip_relative(at_model *m) {
    int had = m->body.relative != NULL;
    m->body.relative = NULL;
    return had;
}
static int flip_decoder_relative(at_model *m) {
    int had = m->body.decoder.relative != NULL;
    m->body.decoder.relative = m->body.relative;
    return had;
}
static int flip_relative_distance(at_model *m) {
    m->arch.relative_distance *= 2;
    return m->body.relative != NULL;
}
static int flip_gate(at_model *m) {
    if (!m->arch.gated) return 0;
    for (int l = 0; l < m->arch.decoder.layers; l++) {
        at_layer *layer = &m->body.decoder.layer[l];
        at_weight *gate = layer->gate;
        layer->gate = layer->up;
        layer->up = gate;
    }
    return 1;
}
static int flip_answer_bias(at_model *m) {
    int had = m->head.classifier_bias != NULL;
    m->head.classifier_bias = NULL;
    return had;
}
static int flip_classifier(at_model *m) { /* tied instead of its own */
    int own = m->head.classifier != m->body.token;
    if (own) at_weight_init_normal(&m->params, m->head.classifier, 0.3, 3);
    return own;
}
#define FLIP(name, field)                      \
    static int name(at_model *m) {             \
        int had = m->body.field != NULL;       \
        m->body.field = NULL;                  \
        return had;                            \
    }
FLIP(flip_embed_norm, embed_norm)
FLIP(flip_decoder_embed_norm, decoder.embed_norm)
FLIP(flip_final_norm, final_norm)
FLIP(flip_decoder_final_norm, decoder.final_norm)
FLIP(flip_query_bias, decoder.layer[1].qkv_bias[0])
FLIP(flip_source_norm, decoder.layer[1].source_norm)
FLIP(flip_source_norm_bias, decoder.layer[1].source_norm_bias)
FLIP(flip_source_query_bias, decoder.layer[1].source_query_bias)
FLIP(flip_source_value_bias, decoder.layer[1].source_kv_bias[1])
FLIP(flip_source_out_bias, decoder.layer[1].source_out_bias)
FLIP(flip_decoder_attention_norm, decoder.layer[1].attention_norm)
FLIP(flip_decoder_output_norm, decoder.layer[1].output_norm)
FLIP(flip_decoder_up_bias, decoder.layer[1].up_bias)
static int flip_source(at_model *m) { /* keys and values exchanged */
    at_layer *l = &m->body.decoder.layer[1];
    at_weight *key = l->source_kv[0];
    l->source_kv[0] = l->source_kv[1];
    l->source_kv[1] = key;
    return 1;
}

static const struct {
    const char *name;
    int (*flip)(at_model *m);
} SWITCHES[] = {
    {"activation", flip_activation},
    {"epsilon of the norms", flip_epsilon},
    {"kind of the norms", flip_norm},
    {"kind of the block", flip_block},
    {"causal encoder", flip_causal},
    {"scale", flip_scale},
    {"scale of the decoder", flip_decoder_scale},
    {"layers", flip_layers},
    {"layers of the decoder", flip_decoder_layers},
    {"heads of the decoder", flip_heads},
    {"positions", flip_positions},
    {"positions of the decoder", flip_decoder_positions},
    {"offset of the positions", flip_offset},
    {"padding has a position", flip_padding},
    {"embedding of the padding", flip_still_row},
    {"scale of the embeddings", flip_embedding_scale},
    {"scale of the answers", flip_answer_scale},
    {"relative bias", flip_relative},
    {"relative bias of the decoder", flip_decoder_relative},
    {"reach of the relative bias", flip_relative_distance},
    {"gate", flip_gate},
    {"bias of the answers", flip_answer_bias},
    {"classifier", flip_classifier},
    {"norm of the embeddings", flip_embed_norm},
    {"norm of the decoder's embeddings", flip_decoder_embed_norm},
    {"final norm", flip_final_norm},
    {"final norm of the decoder", flip_decoder_final_norm},
    {"bias of the queries", flip_query_bias},
    {"norm of the attention to the source", flip_source_norm},
    {"bias of that norm", flip_source_norm_bias},
    {"bias of the queries to the source", flip_source_query_bias},
    {"bias of the source's values", flip_source_value_bias},
    {"bias of the attention to the source", flip_source_out_bias},
    {"norm of the decoder's attention", flip_decoder_attention_norm},
    {"norm of the decoder's feed-forward", flip_decoder_output_norm},
    {"bias of the decoder's feed-forward", flip_decoder_up_bias},
    {"keys and values of the source", flip_source},
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
        assert_true(flipped >= 15);
    }
    assert_int_equal(unnoticed, 0);
}

/* A batch of one pair gives what the packed batch gives for it: nothing leaks between neighbours. */
static void pairs_do_not_see_their_neighbours(void **state) {
    (void)state;
    golden g = {0};
    open_golden(&g, folders.name[0]);
    check_ok(forward(&g, 0), &g.err);
    int n = g.h.logits->rows, cols = g.h.logits->cols;
    at_real *packed = AT_NEW_ARRAY(&g.h.memory, at_real, n * cols);
    memcpy(packed, g.h.logits->data, (size_t)(n * cols) * sizeof *packed);
    for (int s = 0; s < g.h.n_seq; s++) {
        pack_pairs(&g, s, g.h.n_seq);
        check_ok(forward(&g, 0), &g.err);
        for (int c = 0; c < g.h.logits->rows * cols; c++)
            assert_true(fabs((double)(g.h.logits->data[c] - packed[g.decoder_cu[s] * cols + c])) < 1e-5);
    }
    close_golden(&g);
}

/* Whatever is asked to be trained. */
static void constants_are_not_trained(void **state) {
    (void)state;
    golden g = {0};
    open_golden(&g, "bart");
    assert_true(g.h.model->head.classifier_bias->constant);
    assert_true(g.h.model->head.classifier_bias->gradient == AT_NO_GRADIENT);
    close_golden(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_equal_the_reference),     cmocka_unit_test(adamw_steps_give_the_same_losses),
        cmocka_unit_test(every_flipped_switch_is_noticed), cmocka_unit_test(pairs_do_not_see_their_neighbours),
        cmocka_unit_test(constants_are_not_trained),
    };
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
