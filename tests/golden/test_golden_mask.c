/* Masked language against what transformers' ...ForMaskedLM of every family of encoders computed in float64 (tests/oracle/make_golden_mask.py):
 * logits at the hidden tokens, loss, every gradient, that of the tied table among them; the answers of evaluation against these logits; the
 * folder saved and opened again; and that a switch that is flipped is noticed. */
#include "check.h"

#include <stdlib.h>

#include "base/file.h"
#include "golden/compare.h"
#include "golden/folders.h"

static golden_folders folders = {.root = "golden/mask"};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    at_error err;
    char folder[4096];
} golden;

static const char *path_in(const char *folder, const char *name) { return golden_path(&folders, folder, name); }

static int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, 11);
}

/* The places of the batch are the rows with a target. */
static void ask_hidden(golden *g, const int32_t *wanted) {
    harness *h = &g->h;
    at_batch *b = &h->batch;
    int32_t *place = AT_NEW_ARRAY(&h->memory, int32_t, b->rows), *output = AT_NEW_ARRAY(&h->memory, int32_t, b->rows);
    uint64_t *row = AT_NEW_ARRAY(&h->memory, uint64_t, b->rows);
    h->target = AT_NEW_ARRAY(&h->memory, int32_t, b->rows);
    b->n_outputs = 0;
    for (int r = 0; r < b->rows; r++) {
        if (wanted[r] < 0) continue;
        int n = b->n_outputs++;
        place[n] = r;
        output[n] = n;
        row[n] = b->row_id[r];
        h->target[n] = wanted[r];
    }
    b->place = place;
    b->output = output;
    b->output_row = row;
    b->label = h->target;
}

static void open_folder(golden *g, const char *folder, const char *name) {
    at_model_options options = {.keep_head = 1};
    char batch[4096];
    void *wanted = NULL;
    at_safetensors *file;
    snprintf(g->folder, sizeof g->folder, "%s", folder);
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, g->folder, &options, batch, &g->err), &g->err);
    assert_true(g->h.model->trained_head && g->h.model->head.kind == AT_HEAD_MASK);
    assert_int_equal(g->h.model->report.n_dropped + g->h.model->report.n_fresh, 0);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_safetensors_open(batch, &file, &g->err), &g->err);
    check_ok(harness_read(&g->h.memory, file, "targets", &wanted, NULL, &g->err), &g->err);
    at_safetensors_close(file);
    harness_pack(&g->h, 0, 1);
    ask_hidden(g, wanted);
}

static void open_golden(golden *g, const char *name) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%.4000s", path_in(name, ""));
    open_folder(g, folder, name);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
}

/* Recording: what the classifier reads, and the loss of it; else the answers of evaluation. */
static void forward(golden *g, int trains) {
    harness *h = &g->h;
    at_tape *t = &h->tape;
    harness_forward(h, trains);
    const at_weight *table = h->model->body.token, *bias = h->model->head.classifier_bias;
    if (trains) h->loss = at_op_tied_cross_entropy(t, h->logits, table, bias, h->target, h->batch.n_outputs);
    check_ok(at_tape_status(t), &g->err);
    if (trains) check_ok(at_tape_backward(t, h->loss), &g->err);
}

/* What the classifier reads, times the table of words. */
static float *logits_of(golden *g) {
    const at_model *m = g->h.model;
    const at_tensor *x = g->h.logits;
    size_t words = (size_t)m->arch.vocab_size, width = (size_t)x->cols, n = (size_t)x->rows;
    const at_weight *own = m->head.classifier_bias;
    const at_real *table = at_weight_values(&m->params, m->body.token), *bias = own ? at_weight_values(&m->params, own) : NULL;
    float *got = AT_NEW_ARRAY(&g->h.memory, float, n * words);
    for (size_t r = 0; r < n; r++)
        for (size_t w = 0; w < words; w++) {
            double sum = bias ? (double)bias[w] : 0;
            for (size_t k = 0; k < width; k++) sum += (double)x->data[r * width + k] * (double)table[w * width + k];
            got[r * words + w] = (float)sum;
        }
    return got;
}

static const float *expected(golden *g, const char *name) {
    return expected_values(&g->h, g->expected, at_safetensors_find(g->expected, name));
}

/* The worst of logits, loss and gradients, in bounds; `say` names what is beyond. */
static double from_reference(golden *g, int say) {
    static const char *const what[3] = {"logits", "loss", "gradients"};
    forward(g, 1);
    size_t n = (size_t)g->h.batch.n_outputs * (size_t)g->h.model->arch.vocab_size;
    float loss = (float)g->h.loss->data[0];
    double d[3] = {distance(logits_of(g), expected(g, "logits"), n, 0), distance(&loss, expected(g, "loss"), 1, 0),
                   gradients_distance(&g->h, g->expected, 0, say)};
    return worst_distance(&g->h, what, d, 3, say);
}

static void models_equal_the_reference(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        double worst = from_reference(&g, 1);
        print_message("%s: %.3g of the bound\n", folders.name[i], worst);
        bad += !(worst < 1);
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
}

/* An answer of evaluation against the reference's logits of its place. */
static void check_answer(const at_real *answer, const float *row, size_t words, int32_t wanted) {
    double sum = 0;
    for (size_t w = 0; w < words; w++) sum += exp((double)row[w]);
    assert_true(fabs((double)answer[0] - (log(sum) - (double)row[wanted])) < 1e-3);
    for (int k = 0; k < AT_MASK_BEST; k++) {
        int word = (int)answer[1 + k], larger = 0;
        for (size_t w = 0; w < words; w++) larger += row[w] > row[word];
        assert_int_equal(larger, k);
        assert_true(fabs((double)answer[1 + AT_MASK_BEST + k] - exp((double)row[word]) / sum) < 1e-4);
    }
}

static void answers_follow_from_the_logits(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        forward(&g, 0);
        size_t words = (size_t)g.h.model->arch.vocab_size;
        const float *logits = expected(&g, "logits");
        assert_int_equal(g.h.logits->cols, AT_MASK_ANSWERS);
        for (int r = 0; r < g.h.batch.n_outputs; r++)
            check_answer(g.h.logits->data + (size_t)r * AT_MASK_ANSWERS, logits + (size_t)r * words, words, g.h.target[r]);
        close_golden(&g);
    }
}

#ifndef AT_DOUBLE /* its library has no tokenizers, which saving copies */
static void a_saved_model_is_the_same(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0}, again = {0};
        char folder[] = "/tmp/attune-mask-XXXXXX";
        assert_non_null(mkdtemp(folder));
        open_golden(&g, folders.name[i]);
        check_ok(at_model_save(g.h.model, NULL, folder, &g.err), &g.err);
        open_folder(&again, folder, folders.name[i]);
        golden_same_tensors(g.folder, folder);
        assert_true(from_reference(&again, 1) < 1);
        close_golden(&g);
        close_golden(&again);
        at_folder_remove(folder, NULL);
    }
}
#endif

/* --- switches: each returns 0 where the model has nothing to flip --- */

static int flip_words_activation(at_model *m) {
    at_activation *act = &m->arch.words_activation;
    *act = *act == AT_ACT_GELU ? AT_ACT_GELU_TANH : *act == AT_ACT_RELU ? AT_ACT_SILU : AT_ACT_GELU;
    return 1;
}
static int flip_epsilon(at_model *m) {
    m->arch.norm_epsilon = 4 * m->arch.norm_epsilon + 1e-4;
    return 1;
}
static int flip_layers(at_model *m) { return m->arch.layers--; }
static int drop(at_weight **w) {
    int had = *w != NULL;
    *w = NULL;
    return had;
}
static int flip_dense_bias(at_model *m) { return drop(&m->head.dense_bias); }
static int flip_norm_bias(at_model *m) { return drop(&m->head.norm_bias); }
static int flip_words_bias(at_model *m) { return drop(&m->head.classifier_bias); }

static const struct {
    const char *name;
    int (*flip)(at_model *m);
} SWITCHES[] = {
    {"activation of the head", flip_words_activation}, {"activation", flip_activation}, {"epsilon of the norms", flip_epsilon},
    {"kind of the norms", flip_norm}, {"layers", flip_layers}, {"bias of the head", flip_dense_bias}, {"bias of its norm", flip_norm_bias},
    {"bias of the words", flip_words_bias}, {"positions", flip_positions}, {"offset of the positions", flip_offset}, {"scale", flip_scale},
};

static void every_flipped_switch_is_noticed(void **state) {
    (void)state;
    int unnoticed = 0;
    for (int i = 0; i < folders.n; i++)
        for (size_t s = 0; s < sizeof SWITCHES / sizeof *SWITCHES; s++) {
            golden g = {0};
            open_golden(&g, folders.name[i]);
            if (SWITCHES[s].flip(g.h.model)) {
                double d = from_reference(&g, 0);
                if (d <= 2) print_error("%s: flipping %s goes unnoticed: %.3g of the bound\n", folders.name[i], SWITCHES[s].name, d);
                unnoticed += d <= 2;
            }
            close_golden(&g);
        }
    assert_int_equal(unnoticed, 0);
}

/* ---- a classifier beside the words ---- */

enum { MOST_TENSORS = 128 };

typedef struct tables {
    at_safetensors *from;
    int n, other; /* tensors of the golden model; the one behind them is the table of words again, or other by a bit */
} tables;

static at_status fill_from(void *context, int i, void *bytes, at_error *err) {
    const tables *t = context;
    if (i < t->n) return at_safetensors_read_raw(t->from, at_safetensors_at(t->from, i), bytes, err);
    at_status st = at_safetensors_read_raw(t->from, at_safetensors_find(t->from, "bert.embeddings.word_embeddings.weight"), bytes, err);
    *(unsigned char *)bytes ^= (unsigned char)t->other;
    return st;
}

static at_head_kind kind_with_table(int other) {
    at_arena memory = {0};
    at_error err = {0};
    at_model *model;
    at_tensor_out out[MOST_TENSORS];
    tables t = {.other = other};
    char folder[] = "/tmp/attune-mask-XXXXXX";
    json_t *config;
    assert_non_null(mkdtemp(folder));
    check_ok(at_json_load(path_in("bert", "config.json"), 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    assert_int_equal(json_dump_file(config, at_path_join(&memory, folder, "config.json"), 0), 0);
    json_decref(config);
    check_ok(at_safetensors_open_folder(path_in("bert", ""), &t.from, &err), &err);
    t.n = at_safetensors_count(t.from);
    for (int i = 0; i <= t.n; i++) {
        const at_stored_tensor *from = i < t.n ? at_safetensors_at(t.from, i) : at_safetensors_find(t.from, "bert.embeddings.word_embeddings.weight");
        out[i] = (at_tensor_out){i < t.n ? from->name : "cls.predictions.decoder.weight", from->dtype, from->n_dims, {0}};
        memcpy(out[i].shape, from->shape, sizeof from->shape);
    }
    check_ok(at_safetensors_write(at_path_join(&memory, folder, "model.safetensors"), out, t.n + 1, NULL, fill_from, &t, &err), &err);
    at_safetensors_close(t.from);
    check_ok(at_model_open(folder, &(at_model_options){0}, &model, &err), &err);
    at_head_kind kind = model->head.kind;
    at_model_close(model);
    check_ok(at_folder_remove(folder, &err), &err);
    at_arena_free(&memory);
    return kind;
}

/* Its answers would be those of the wrong table: the body alone is what can be taken of such a folder. */
static void a_head_with_a_table_of_its_own_is_none_of_ours(void **state) {
    (void)state;
    assert_int_equal(kind_with_table(0), AT_HEAD_MASK);
    assert_int_equal(kind_with_table(1), AT_HEAD_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_equal_the_reference), cmocka_unit_test(answers_follow_from_the_logits),
        cmocka_unit_test(every_flipped_switch_is_noticed),
        cmocka_unit_test(a_head_with_a_table_of_its_own_is_none_of_ours),
#ifndef AT_DOUBLE
        cmocka_unit_test(a_saved_model_is_the_same),
#endif
    };
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
