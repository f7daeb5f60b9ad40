/* Model folders: what is used, dropped and new; saving and opening again; what a broken folder is told. */
#include "check.h"

#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/random.h"
#include "base/str.h"
#include "golden/harness.h"

static char temporary[64];

static int make_temporary(void **state) {
    (void)state;
    strcpy(temporary, "/tmp/attune-model-XXXXXX");
    return mkdtemp(temporary) ? 0 : -1;
}

static int remove_temporary(void **state) {
    (void)state;
    return (int)at_folder_remove(temporary, NULL);
}

static const char *golden_folder(const char *name) {
    static char relative[256];
    snprintf(relative, sizeof relative, "golden/data/%s", name);
    return check_source(relative);
}

static const char *in_temporary(const char *name) {
    static char path[4][4096];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[0], "%s/%s", temporary, name);
    return path[turn];
}

static int has(const char **names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return 1;
    return 0;
}

static at_model *must_open(const char *folder, at_model_options options) {
    at_model *m;
    at_error err;
    check_ok(at_model_open(folder, &options, &m, &err), &err);
    return m;
}

static void same_weights(const at_model *a, const at_model *b) {
    assert_int_equal(a->params.n, b->params.n);
    for (int i = 0; i < a->params.n; i++) {
        const at_weight *w = &a->params.weights[i], *other = at_params_find(&b->params, w->name);
        assert_non_null(other);
        assert_int_equal(w->size, other->size);
        if (memcmp(at_weight_values(&a->params, w), at_weight_values(&b->params, other), w->size * sizeof(at_real)))
            fail_msg("%s differs", w->name);
    }
}

static void a_finished_classifier_is_opened_with_its_head(void **state) {
    (void)state;
    at_model *m = must_open(golden_folder("pooler"), (at_model_options){0});
    assert_true(m->trained_head);
    assert_int_equal(m->head.kind, AT_HEAD_POOLER);
    assert_int_equal(m->labels.n, 3);
    assert_string_equal(m->labels.name[2], "class c");
    assert_string_equal(m->problem_type, "single_label_classification");
    assert_int_equal(m->report.n_used, m->params.n);
    assert_int_equal(m->report.n_dropped + m->report.n_fresh, 0);
    at_model_close(m);
    m = must_open(golden_folder("mean"), (at_model_options){0});
    assert_true(m->trained_head);
    assert_int_equal(m->head.kind, AT_HEAD_MEAN);
    assert_string_equal(m->labels.name[1], "class b");
    at_model_close(m);
}

static void a_new_head_drops_the_old_one_and_starts_at_random(void **state) {
    (void)state;
    at_model_options options = {.head = AT_HEAD_MEAN, .n_out = 5, .keep_head = 1, .seed = 7};
    at_model *m = must_open(golden_folder("pooler"), options);
    assert_false(m->trained_head);
    assert_int_equal(m->labels.n, 0);
    assert_int_equal(m->report.n_fresh, 2);
    assert_true(has(m->report.fresh, m->report.n_fresh, "classifier.weight"));
    assert_true(has(m->report.dropped, m->report.n_dropped, "classifier.weight"));
    assert_true(has(m->report.dropped, m->report.n_dropped, "bert.pooler.dense.weight"));
    assert_true(m->head.classifier->is_head && m->head.classifier->depth == m->arch.layers + 1);
    at_model *same = must_open(golden_folder("pooler"), options);
    same_weights(m, same);
    float drawn[5 * 32], other[5 * 32];
    at_weight_get(&m->params, m->head.classifier, drawn);
    options.seed = 8;
    at_model *another = must_open(golden_folder("pooler"), options);
    at_weight_get(&another->params, another->head.classifier, other);
    assert_memory_not_equal(drawn, other, sizeof drawn);
    double squares = 0;
    for (int i = 0; i < 5 * 32; i++) squares += (double)drawn[i] * (double)drawn[i];
    assert_true(fabs(sqrt(squares / (5 * 32)) - m->arch.initializer_range) < 0.3 * m->arch.initializer_range);
    at_model_close(m);
    at_model_close(same);
    at_model_close(another);
    m = must_open(golden_folder("pooler"), (at_model_options){.head = AT_HEAD_POOLER, .n_out = 3});
    assert_false(m->trained_head); /* same kind and size, but the folder's head was not asked for */
    assert_int_equal(m->report.n_fresh, 2);
    at_model_close(m);
}

static void what_is_saved_opens_again_bit_for_bit(void **state) {
    (void)state;
    at_error err;
    static const char *const names[] = {"pooler", "mean"};
    for (int i = 0; i < 2; i++) {
        at_model *m = must_open(golden_folder(names[i]), (at_model_options){0});
        check_ok(at_model_save(m, NULL, in_temporary(names[i]), &err), &err);
        at_model *again = must_open(in_temporary(names[i]), (at_model_options){0});
        same_weights(m, again);
        assert_true(again->trained_head && again->head.kind == m->head.kind);
        assert_int_equal(again->labels.n, m->labels.n);
        assert_string_equal(again->labels.name[0], m->labels.name[0]);
        json_t *kept = json_object_get(json_object_get(again->config, "a_key_of_tomorrow"), "kept");
        assert_true(json_is_true(kept));
        const char *class = json_string_value(json_array_get(json_object_get(again->config, "architectures"), 0));
        assert_string_equal(class, i ? "BertModel" : "BertForSequenceClassification");
        at_model_close(m);
        at_model_close(again);
    }
    assert_true(at_file_exists(in_temporary("mean/2_Dense/model.safetensors")));
    assert_true(at_file_exists(in_temporary("mean/modules.json")));
}

static void new_labels_are_saved(void **state) {
    (void)state;
    at_error err;
    const char *names[] = {"négatif", "b\"c"};
    at_labels labels = {names, 2};
    at_model *m = must_open(golden_folder("pooler"), (at_model_options){.head = AT_HEAD_POOLER, .n_out = 2});
    m->problem_type = "single_label_classification";
    check_ok(at_model_save(m, &labels, in_temporary("labels"), &err), &err);
    at_model_close(m);
    m = must_open(in_temporary("labels"), (at_model_options){0});
    assert_int_equal(m->labels.n, 2);
    assert_string_equal(m->labels.name[0], "négatif");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(m->config, "label2id"), "b\"c")), 1);
    labels.n = 1;
    check_fails(at_model_save(m, &labels, in_temporary("labels"), &err), AT_BUG, &err, "1 labels for 2 outputs");
    at_model_close(m);
}

/* What was a classifier and becomes an encoder names no labels any more. */
static void an_encoder_has_no_labels(void **state) {
    (void)state;
    static const char *const KEYS[] = {"id2label", "label2id", "num_labels"};
    at_error err;
    at_model *m = must_open(golden_folder("mean"), (at_model_options){.head = AT_HEAD_EMBED, .pooling = 1 + AT_POOL_MEAN});
    assert_non_null(json_object_get(m->config, "id2label"));
    check_ok(at_model_save(m, NULL, in_temporary("encoder"), &err), &err);
    at_model_close(m);
    m = must_open(in_temporary("encoder"), (at_model_options){0});
    assert_int_equal(m->head.kind, AT_HEAD_EMBED);
    for (int i = 0; i < 3; i++) assert_null(json_object_get(m->config, KEYS[i]));
    assert_true(json_is_true(json_object_get(json_object_get(m->config, "a_key_of_tomorrow"), "kept")));
    at_model_close(m);
}

/* --- folders made from the golden one by a change --- */

typedef struct copying {
    const at_model *model;
    at_tensor_out *tensor;
    float poison; /* set as the last value of tensor `poisoned` */
    int poisoned;
} copying;

static at_status fill_copy(void *context, int i, void *bytes, at_error *err) {
    (void)err;
    const copying *c = context;
    at_weight_get(&c->model->params, &c->model->params.weights[i], bytes);
    const at_weight *w = &c->model->params.weights[i];
    if (i == c->poisoned) ((float *)bytes)[w->out * w->in - 1] = c->poison;
    return AT_OK;
}

/* The pooler model's tensors, each name given by `rename` (NULL: left out). */
static void write_copy(const char *folder, const char *(*rename)(at_arena *, const char *), copying *c) {
    at_arena arena = {0};
    at_error err;
    at_model *m = must_open(golden_folder("pooler"), (at_model_options){0});
    c->model = m;
    at_tensor_out *out = AT_NEW_ARRAY(&arena, at_tensor_out, m->params.n);
    int n = 0;
    for (; n < m->params.n; n++) {
        const at_weight *w = &m->params.weights[n];
        out[n] = (at_tensor_out){.name = rename(&arena, w->name), .dtype = AT_F32,
                                 .n_dims = w->kind == AT_WEIGHT_VECTOR ? 1 : 2, .shape = {w->out, w->in}};
    }
    check_ok(at_folder_make(folder, &err), &err);
    char to[4200];
    snprintf(to, sizeof to, "%s/model.safetensors", folder);
    check_ok(at_safetensors_write(to, out, n, NULL, fill_copy, c, &err), &err);
    char from[4200];
    snprintf(from, sizeof from, "%s/config.json", golden_folder("pooler"));
    snprintf(to, sizeof to, "%s/config.json", folder);
    check_ok(at_file_copy(from, to, &err), &err);
    at_model_close(m);
    at_arena_free(&arena);
}

static const char *old_names(at_arena *arena, const char *name) {
    const char *at = strstr(name, "LayerNorm.");
    if (!at) return at_strdup(arena, name);
    return at_format(arena, "%.*sLayerNorm.%s", (int)(at - name), name, strstr(at, "weight") ? "gamma" : "beta");
}
static const char *same_names(at_arena *arena, const char *name) {
    return at_format(arena, "%s%s", strstr(name, "classifier") ? "" : "bert.", name);
}
static const char *without_value_bias(at_arena *arena, const char *name) {
    return strstr(name, "layer.1.attention.self.value.bias") ? "other" : at_strdup(arena, name);
}

/* Whatever file the tokenizer is: what is saved opens with it. */
static void every_tokenizer_file_goes_with_the_model(void **state) {
    (void)state;
    static const char *const NAMES[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
                                        "tokenizer.model", "spiece.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm.model", "chat_template.jinja", NULL};
    copying c = {.poisoned = -1};
    at_error err;
    char path[4200];
    write_copy(in_temporary("files"), same_names, &c);
    for (int i = 0; NAMES[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", in_temporary("files"), NAMES[i]);
        check_ok(at_file_write(path, NAMES[i], strlen(NAMES[i]), &err), &err);
    }
    at_model *m = must_open(in_temporary("files"), (at_model_options){0});
    check_ok(at_model_save(m, NULL, in_temporary("copied"), &err), &err);
    for (int i = 0; NAMES[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", in_temporary("copied"), NAMES[i]);
        if (!at_file_exists(path) || !at_model_saves(NAMES[i])) fail_msg("%s is lost", NAMES[i]);
    }
    at_model_close(m);
}

static void old_spelling_without_prefix_is_read(void **state) {
    (void)state;
    copying c = {.poisoned = -1};
    write_copy(in_temporary("old"), old_names, &c);
    at_model *old = must_open(in_temporary("old"), (at_model_options){0});
    at_model *now = must_open(golden_folder("pooler"), (at_model_options){0});
    same_weights(now, old);
    assert_true(has(old->report.used, old->report.n_used, "embeddings.LayerNorm.gamma"));
    at_model_close(old);
    at_model_close(now);
}

static void refuse(const char *folder, at_status status, const char *words) {
    at_model *m;
    at_error err;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    at_status got = at_model_open(folder, &(at_model_options){0}, &m, &err);
    if (got == AT_OK) fail_msg("%s opens, though it should say \"%s\"", folder, words);
    check_fails(got, status, &err, words);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_null(m);
    assert_true(end.tv_sec - begin.tv_sec < 2);
}

static void broken_weights_are_named(void **state) {
    (void)state;
    copying c = {.poisoned = 0, .poison = (float)NAN};
    write_copy(in_temporary("nan"), same_names, &c);
    refuse(in_temporary("nan"), AT_BAD_MODEL, "embeddings.word_embeddings.weight");
    c.poisoned = -1;
    write_copy(in_temporary("missing"), without_value_bias, &c);
    refuse(in_temporary("missing"), AT_BAD_MODEL, "no tensor encoder.layer.1.attention.self.value.bias");
    refuse(in_temporary("nothing"), AT_BAD_MODEL, "no such model folder");
    refuse(temporary, AT_BAD_MODEL, "no config.json");
    assert_int_equal(mkdir(in_temporary("adapter"), 0777), 0);
    const char *adapter = "{\"base_model_name_or_path\": \"meta/base\", \"peft_type\": \"LORA\"}";
    check_write(in_temporary("adapter/adapter_config.json"), adapter, strlen(adapter));
    refuse(in_temporary("adapter"), AT_BAD_MODEL, "no config.json");
    check_write(in_temporary("adapter/adapter_model.safetensors"), "x", 1);
    refuse(in_temporary("adapter"), AT_BAD_MODEL, "has an adapter (adapter_config.json) of meta/base");
}

static const struct {
    const char *key, *value; /* JSON; NULL removes the key */
    const char *words;
} CONFIGS[] = {
    {"model_type", "\"xlnet\"", "'xlnet' is not one that attune knows: bert, roberta, "},
    {"model_type", "\"brt\"", "Did you mean 'bert'?"},
    {"model_type", "\"gemma3\"", "Did you mean 'gemma3_text'?"},
    {"use_magic", "true", "'use_magic' is true, a switch that attune does not know for this family"},
    {"hidden_size", "33", "'hidden_size' 33 is not a multiple of 'num_attention_heads' 4"},
    {"hidden_size", "64", "is [40, 32], but config.json asks for [40, 64]"},
    {"hidden_size", "-1", "'hidden_size' is -1, not a whole number from 1"},
    {"hidden_size", "1e300", "'hidden_size' is 1.0000000000000001e300, not a whole number"},
    {"hidden_size", "null", "'hidden_size' is null"},
    {"hidden_size", NULL, "has no 'hidden_size'"},
    {"hidden_size", "65536", "config.json asks for [40, 65536]"},
    {"vocab_size", "1000000", "config.json asks for [1000000, 32]"},
    {"num_hidden_layers", "1024", "no tensor encoder.layer.2."},
    {"num_hidden_layers", "2000000000", "'num_hidden_layers' is 2000000000"},
    {"intermediate_size", "262144", "config.json asks for [262144, 32]"},
    {"hidden_act", "\"gelu_neu\"", "Did you mean 'gelu_new'?"},
    {"hidden_act", "3", "has no text 'hidden_act'"},
    {"layer_norm_eps", "\"small\"", "'layer_norm_eps' is not a number"},
    {"position_embedding_type", "\"relative_key\"", "only 'absolute' is supported"},
    {"id2label", "{\"0\": \"a\"}", "names 1 labels, the classifier has 3 outputs"},
    {"id2label", "{\"0\": \"a\", \"1\": \"b\", \"3\": \"c\"}", "no name for '2'"},
};

/* The config of a recorded folder with another value (JSON; NULL removes the key), beside the weights that lie in the folder "config". */
static void refuse_changed(const char *name, const char *key, const char *value, const char *words) {
    char from[4200];
    json_t *config;
    at_error err;
    snprintf(from, sizeof from, "%s/config.json", golden_folder(name));
    check_ok(at_json_load(from, 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    if (value) json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else json_object_del(config, key);
    check_ok(at_json_save(in_temporary("config/config.json"), config, &err), &err);
    json_decref(config);
    refuse(in_temporary("config"), AT_BAD_MODEL, words);
}

static void absurd_configs_are_refused_at_once(void **state) {
    (void)state;
    copying c = {.poisoned = -1};
    write_copy(in_temporary("config"), same_names, &c);
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) refuse_changed("pooler", CONFIGS[i].key, CONFIGS[i].value, CONFIGS[i].words);
    refuse_changed("deberta-v2-conv", "conv_groups", "2", "'conv_groups' is 2; a convolution of one group is supported");
    refuse_changed("deberta-v2-conv", "conv_kernel_size", "4", "'conv_kernel_size' 4 is even");
    refuse_changed("deberta-v2-conv", "conv_act", "\"gelo\"", "Did you mean 'gelu'?");
    refuse_changed("albert-inner", "inner_group_num", "0", "'inner_group_num' is 0, not a whole number from 1");
    refuse_changed("bart", "is_encoder_decoder", "false", "'is_encoder_decoder' is false; a BART of one stack is not supported");
    refuse_changed("albert-inner", "inner_group_num", "1000", "'inner_group_num' is 1000, not a whole number from 1 to 341");
}

/* Of the body alone: a head on single rows makes less of the last block. */
static size_t peak_of_body(harness *h, int layers, at_error *err) {
    h->model->arch.layers = layers;
    for (int i = 0; i < HARNESS_ARENAS; i++) at_arena_rewind(&h->step[i], (at_mark){0});
    h->step[0].peak = 0;
    at_tape_begin(&h->tape);
    assert_non_null(at_body_forward(&h->tape, h->model, &h->batch));
    check_ok(at_tape_status(&h->tape), err);
    return h->step[0].peak;
}

/* A frozen prefix and a prediction keep one activation: memory does not grow with the layers. */
static void frozen_layers_keep_nothing(void **state) {
    (void)state;
    harness h;
    at_error err;
    char batch[4096];
    snprintf(batch, sizeof batch, "%s/batch.safetensors", golden_folder("pooler"));
    at_model_options options = {0};
    check_ok(harness_open(&h, golden_folder("pooler"), &options, batch, &err), &err);
    harness_pack(&h, 0, 1);
    check_ok(harness_run(&h, 1), &err);
    size_t all = h.step[0].peak;
    at_real loss = h.loss->data[0];
    unsigned char trainable[64] = {0};
    for (int i = 0; i < h.model->params.n; i++) trainable[i] = (unsigned char)h.model->params.weights[i].is_head;
    at_params_set_trainable(&h.model->params, trainable);
    check_ok(at_gradients_make(&h.gradients, &h.memory, &h.model->params, h.batch.rows, &err), &err);
    for (int i = 0; i < 3; i++) h.step[i].peak = 0;
    check_ok(harness_run(&h, 1), &err);
    assert_true(h.step[0].peak < all / 2);
    assert_true(h.loss->data[0] == loss);
    assert_int_equal(h.gradients.n_tables, 0);
    int layers = h.model->arch.layers;
    size_t frozen = peak_of_body(&h, layers, &err);
    assert_true(layers > 1);
    assert_int_equal(peak_of_body(&h, 1, &err), frozen);
    harness_close(&h);
}

static void errors_of_ops_stick(void **state) {
    (void)state;
    harness h;
    at_error err;
    char batch[4096];
    snprintf(batch, sizeof batch, "%s/batch.safetensors", golden_folder("pooler"));
    check_ok(harness_open(&h, golden_folder("pooler"), &(at_model_options){0}, batch, &err), &err);
    harness_pack(&h, 0, 1);
    int32_t *ids = (int32_t *)(uintptr_t)h.batch.ids;
    ids[3] = 40;
    check_fails(harness_run(&h, 1), AT_BAD_MODEL, &err, "token id 40 is beyond the model's 40");
    ids[3] = 1;
    h.target[1] = 3;
    check_fails(harness_run(&h, 1), AT_BUG, &err, "target 3 of 3 classes");
    harness_close(&h);
}

static void open_in_training(harness *h, at_error *err) {
    char batch[4096];
    snprintf(batch, sizeof batch, "%s/batch.safetensors", golden_folder("pooler"));
    check_ok(harness_open(h, golden_folder("pooler"), &(at_model_options){0}, batch, err), err);
    harness_pack(h, 0, 1);
    h->tape.training = 1;
}

static double share_of_zeros(const at_tensor *x) {
    int zeros = 0;
    for (int i = 0; i < x->rows * x->cols; i++) zeros += x->data[i] == 0;
    return (double)zeros / (x->rows * x->cols);
}

static void dropout_acts_at_every_place_with_a_mask_of_its_own(void **state) {
    (void)state;
    harness h;
    at_error err;
    open_in_training(&h, &err);
    at_arch_set_dropout(&h.model->arch, 0, 0);
    h.model->arch.classifier_dropout = 0;
    check_ok(harness_run(&h, 1), &err);
    at_real loss = h.loss->data[0];
    double *place[5] = {&h.model->arch.hidden_dropout, &h.model->arch.output_dropout, &h.model->arch.embedding_dropout,
                        &h.model->arch.attention_dropout, &h.model->arch.classifier_dropout};
    for (int i = 0; i < 5; i++) {
        *place[i] = 0.3;
        check_ok(harness_run(&h, 1), &err);
        at_real dropped = h.loss->data[0];
        assert_true(dropped != loss);
        check_ok(harness_run(&h, 1), &err);
        assert_true(h.loss->data[0] == dropped); /* the same step draws the same masks */
        h.tape.step++;
        check_ok(harness_run(&h, 1), &err);
        assert_true(h.loss->data[0] != dropped);
        *place[i] = 0;
    }
    assert_int_equal(h.tape.site, 2 + 3 * h.model->arch.layers + 1); /* embeddings, blocks, head */
    h.model->arch.embedding_dropout = 0.5;
    h.model->arch.layers = 0; /* what the embeddings give is dropped too */
    check_ok(harness_run(&h, 0), &err);
    assert_true(fabs(share_of_zeros(h.hidden) - 0.5) < 0.06);
    at_tensor *again = at_op_dropout(&h.tape, h.hidden, 0.5, h.batch.row_id);
    assert_true(fabs(share_of_zeros(again) - 0.75) < 0.06);
    harness_close(&h);
}

/* What transformers' classes of each family drop before the classifiers of texts, tags and answers; the numbers are the keys' own. */
static const struct {
    const char *family, *changes;
    double text, tag, answer;
} HEAD_DROPOUTS[] = {
    {"pooler", "{\"hidden_dropout_prob\": 0.3}", 0.3, 0.3, 0},
    {"pooler", "{\"hidden_dropout_prob\": 0.3, \"classifier_dropout\": 0.4}", 0.4, 0.4, 0},
    {"distilbert", "{\"dropout\": 0.3, \"seq_classif_dropout\": 0.4, \"qa_dropout\": 0.5}", 0.4, 0.3, 0.5},
    {"distilbert", "{\"qa_dropout\": null}", 0.2, 0.1, 0.1},
    {"deberta-v2", "{\"hidden_dropout_prob\": 0.3, \"cls_dropout\": 0.4}", 0.4, 0.3, 0},
    {"modernbert", "{\"classifier_dropout\": 0.4}", 0.4, 0.4, 0.4},
    {"gpt2", "{}", 0, 0.1, 0},
    {"gpt2", "{\"classifier_dropout\": 0.4}", 0, 0.4, 0},
    {"gpt_neox", "{\"classifier_dropout\": 0.4}", 0, 0.4, 0},
    {"llama", "{}", 0, 0.1, 0},
    {"qwen3", "{\"hidden_dropout\": 0.3}", 0, 0.3, 0},
};

static void each_head_has_the_dropout_that_its_class_has(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof HEAD_DROPOUTS / sizeof *HEAD_DROPOUTS; i++) {
        char from[4200];
        json_t *config, *changes = json_loads(HEAD_DROPOUTS[i].changes, 0, NULL);
        at_arena arena = {0};
        at_arch arch;
        at_error err;
        snprintf(from, sizeof from, "%s/config.json", golden_folder(HEAD_DROPOUTS[i].family));
        check_ok(at_json_load(from, 1 << 20, AT_BAD_MODEL, &config, &err), &err);
        json_object_update(config, changes);
        check_ok(at_arch_read(config, from, &arena, &arch, &err), &err);
        assert_true(arch.classifier_dropout == HEAD_DROPOUTS[i].text);
        assert_true(arch.tag_dropout == HEAD_DROPOUTS[i].tag);
        assert_true(arch.answer_dropout == HEAD_DROPOUTS[i].answer);
        at_arch_set_head_dropout(&arch, 0);
        assert_true(arch.classifier_dropout == 0 && arch.tag_dropout == 0 && arch.answer_dropout == 0);
        json_decref(config);
        json_decref(changes);
        at_arena_free(&arena);
    }
}

static void read_changed(const char *family, const char *changes, at_arena *arena, at_arch *arch, at_status status, const char *words) {
    json_t *config, *more = json_loads(changes, 0, NULL);
    at_error err;
    char from[4200];
    snprintf(from, sizeof from, "%s/config.json", golden_folder(family));
    check_ok(at_json_load(from, 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    json_object_update(config, more);
    at_status got = at_arch_read(config, from, arena, arch, &err);
    if (words) check_fails(got, status, &err, words);
    else check_ok(got, &err);
    json_decref(config);
    json_decref(more);
}

static void marks_of_other_trainers_change_nothing(void **state) {
    (void)state;
    at_arena arena = {0};
    at_arch arch;
    read_changed("xlm-roberta", "{\"add_pooling_layer\": true, \"output_hidden_states\": true, \"use_flash_attn\": true, \"trust_remote_code\": true}", &arena, &arch, AT_OK,
                 NULL);
    read_changed("llama", "{\"use_flash_attention_2\": true, \"predict_special_tokens\": true, \"reference_compile\": true}", &arena, &arch, AT_OK, NULL);
    read_changed("xlm-roberta", "{\"normalize_before\": true}", &arena, &arch, AT_BAD_MODEL, "'normalize_before' is true, a switch that attune does not know");
    read_changed("llama", "{\"is_llama_config\": true, \"rope_interleaved\": false, \"unsloth_fixed\": true}", &arena, &arch, AT_OK, NULL);
    read_changed("qwen2", "{\"_attn_implementation_autoset\": true}", &arena, &arch, AT_OK, NULL);
    read_changed("llama", "{\"rope_interleaved\": true}", &arena, &arch, AT_BAD_MODEL, "'rope_interleaved' is true");
    read_changed("gpt2", "{\"is_llama_config\": true}", &arena, &arch, AT_BAD_MODEL, "'is_llama_config' is true");
    at_arena_free(&arena);
}

/* What transformers' class of the family does not read, or reads otherwise: numbers would be those of another model. */
static void what_a_family_has_no_place_for_is_refused(void **state) {
    (void)state;
    at_arena arena = {0};
    at_arch arch;
    read_changed("llama", "{\"partial_rotary_factor\": 0.5}", &arena, &arch, AT_BAD_MODEL, "a part of 0.5 of each head turns ('partial_rotary_factor')");
    read_changed("qwen3", "{\"rope_parameters\": {\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}}", &arena, &arch, AT_BAD_MODEL, "whole heads do");
    read_changed("llama", "{\"partial_rotary_factor\": 1.0}", &arena, &arch, AT_OK, NULL);
    read_changed("llama", "{\"is_causal\": false}", &arena, &arch, AT_BAD_MODEL, "'is_causal' is false; only causal attention");
    read_changed("bart", "{\"is_causal\": false}", &arena, &arch, AT_BAD_MODEL, "'is_causal' is false");
    read_changed("llama", "{\"is_causal\": true}", &arena, &arch, AT_OK, NULL);
    read_changed("roberta", "{\"is_causal\": false}", &arena, &arch, AT_OK, NULL);
    read_changed("llama", "{\"layer_types\": [\"full_attention\", \"sliding_attention\"]}", &arena, &arch, AT_BAD_MODEL,
                 "'layer_types' has 'sliding_attention'; in this family every layer is of 'full_attention'");
    read_changed("llama", "{\"layer_types\": [\"full_attention\", \"full_attention\"]}", &arena, &arch, AT_OK, NULL);
    read_changed("mistral", "{\"layer_types\": [\"full_attention\", \"full_attention\"]}", &arena, &arch, AT_BAD_MODEL, "every layer is of 'sliding_attention'");
    at_arena_free(&arena);
}

#define NOMIC(more) \
    "{\"model_type\": \"nomic_bert\", \"activation_function\": \"swiglu\", \"causal\": false, \"fused_bias_fc\": true, \"fused_dropout_add_ln\": true, " \
    "\"layer_norm_epsilon\": 1e-12, \"mlp_fc1_bias\": false, \"mlp_fc2_bias\": false, \"n_embd\": 768, \"n_head\": 12, \"n_inner\": 3072, \"n_layer\": 12, " \
    "\"n_positions\": 8192, \"pad_vocab_size_multiple\": 64, \"prenorm\": false, \"qkv_proj_bias\": false, \"rotary_emb_base\": 1000, " \
    "\"rotary_emb_fraction\": 1.0, \"rotary_emb_interleaved\": false, \"rotary_emb_scale_base\": null, \"scale_attn_weights\": true, " \
    "\"summary_use_proj\": true, \"use_flash_attn\": true, \"use_rms_norm\": false, \"use_xentropy\": true, \"vocab_size\": 30528" more "}"

static void the_config_of_nomic_berts_makers_is_read(void **state) {
    (void)state;
    static const struct { const char *config, *refused; } CASES[] = {
        {NOMIC(""), NULL},
        {NOMIC(", \"prenorm\": true"), "'prenorm' is true; this form of Nomic BERT is not supported"},
        {NOMIC(", \"hidden_size\": 384"), "'n_embd' is 768, but 'hidden_size' is 384 for transformers"},
        {NOMIC(", \"rotary_emb_base\": 10000"), "'rotary_emb_base' is not a number from 1000"},
        {NOMIC(", \"activation_function\": \"gelu\""), "only 'swiglu' is supported"},
        {NOMIC(", \"moe_every_n_layers\": 2"), "'moe_every_n_layers' is not a number"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        at_arena arena = {0};
        at_arch arch;
        at_error err;
        json_t *config = json_loads(CASES[i].config, 0, NULL);
        at_status got = at_arch_read(config, "x", &arena, &arch, &err);
        if (CASES[i].refused) check_fails(got, AT_BAD_MODEL, &err, CASES[i].refused);
        else {
            check_ok(got, &err);
            assert_true(arch.hidden == 768 && arch.layers == 12 && arch.heads == 12 && arch.intermediate == 3072 && arch.max_positions == 2048);
            assert_true(arch.norm_epsilon == 1e-12 && arch.hidden_dropout == 0 && arch.gated && arch.activation == AT_ACT_SILU);
            assert_true(fabs(arch.rope[0].inverse[1] - pow(1000, -2.0 / 64)) < 1e-12);
        }
        json_decref(config);
        at_arena_free(&arena);
    }
}

/* As T5Config: what stands there by itself counts. */
static void t5_obeys_what_is_said_of_its_feed_forward(void **state) {
    (void)state;
    at_arena arena = {0};
    at_arch arch;
    read_changed("t5", "{\"feed_forward_proj\": \"relu\", \"dense_act_fn\": \"silu\", \"is_gated_act\": true}", &arena, &arch, AT_OK, NULL);
    assert_true(arch.activation == AT_ACT_SILU && arch.gated && !arch.plain);
    read_changed("t5", "{\"feed_forward_proj\": \"gated-gelu\", \"dense_act_fn\": null, \"is_gated_act\": null}", &arena, &arch, AT_OK, NULL);
    assert_true(arch.activation == AT_ACT_GELU_TANH && arch.gated && !arch.plain);
    read_changed("t5", "{\"dense_act_fn\": \"gelo\"}", &arena, &arch, AT_BAD_MODEL, "'dense_act_fn' is 'gelo'");
    at_arena_free(&arena);
}

static void no_wrong_family_is_put_forward(void **state) {
    (void)state;
    static const char *const TYPES[] = {"llama4", "mixtral", "gemma3n"};
    for (int i = 0; i < 3; i++) {
        at_arena arena = {0};
        at_arch arch;
        at_error err;
        json_t *config = json_pack("{s:s}", "model_type", TYPES[i]);
        check_fails(at_arch_read(config, "x", &arena, &arch, &err), AT_BAD_MODEL, &err, "is not one that attune knows");
        assert_null(strstr(err.text, "Did you mean"));
        json_decref(config);
        at_arena_free(&arena);
    }
}

static void new_weights_do_not_depend_on_their_layout(void **state) {
    (void)state;
    at_arena arena = {0};
    at_params params[2];
    at_weight *w[2];
    at_error err;
    static const at_weight_kind kinds[2] = {AT_WEIGHT_LINEAR, AT_WEIGHT_TABLE};
    float values[2][50 * 7];
    for (int i = 0; i < 2; i++) {
        check_ok(at_params_init(&params[i], &arena, 2, &err), &err);
        at_weight *other;
        if (i) check_ok(at_params_add(&params[i], &arena, "first", AT_WEIGHT_VECTOR, 3, 1, 0, 0, &other, &err), &err);
        check_ok(at_params_add(&params[i], &arena, "w", kinds[i], 50, 7, 0, 1, &w[i], &err), &err);
        check_ok(at_params_allocate(&params[i], &err), &err);
        at_weight_init_normal(&params[i], w[i], 0.5, 42);
        at_weight_get(&params[i], w[i], values[i]);
    }
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    assert_true((float)(0.5 * at_random_normal(at_random_key(42, AT_SITE_INIT, 0xaf63ea4c86020456u), 9)) == values[0][9]);
    at_real *packed = at_weight_values(&params[0], w[0]);
    for (size_t i = 0; i < w[0]->size; i++) /* padding of the last panel */
        if (i >= (size_t)AT_PANEL * 7 && i % AT_PANEL >= 2) assert_true(packed[i] == 0);
    at_weight_put(&params[0], w[0], values[1]);
    at_weight_get(&params[0], w[0], values[0]);
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    at_params_free(&params[0]);
    at_params_free(&params[1]);
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_classifier_is_opened_with_its_head),
        cmocka_unit_test(a_new_head_drops_the_old_one_and_starts_at_random),
        cmocka_unit_test(what_is_saved_opens_again_bit_for_bit),
        cmocka_unit_test(new_labels_are_saved), cmocka_unit_test(an_encoder_has_no_labels),
        cmocka_unit_test(old_spelling_without_prefix_is_read), cmocka_unit_test(every_tokenizer_file_goes_with_the_model),
        cmocka_unit_test(broken_weights_are_named),
        cmocka_unit_test(absurd_configs_are_refused_at_once),
        cmocka_unit_test(frozen_layers_keep_nothing),
        cmocka_unit_test(errors_of_ops_stick),
        cmocka_unit_test(dropout_acts_at_every_place_with_a_mask_of_its_own),
        cmocka_unit_test(each_head_has_the_dropout_that_its_class_has),
        cmocka_unit_test(marks_of_other_trainers_change_nothing),
        cmocka_unit_test(what_a_family_has_no_place_for_is_refused),
        cmocka_unit_test(the_config_of_nomic_berts_makers_is_read),
        cmocka_unit_test(t5_obeys_what_is_said_of_its_feed_forward),
        cmocka_unit_test(no_wrong_family_is_put_forward),
        cmocka_unit_test(new_weights_do_not_depend_on_their_layout),
    };
    return cmocka_run_group_tests(tests, make_temporary, remove_temporary);
}
