/* Saving a model folder that other tools open.
 *
 *   pooler: the family's classifier, for BERT BertForSequenceClassification: model.safetensors with bert.* and classifier.*, config.json
 *   token:  BertForTokenClassification: the same without a pooler
 *   mask:   BertForMaskedLM; the classifier's weight is that of the words and not written again
 *   span:   BertForQuestionAnswering: the same with qa_outputs
 *   lm:     LlamaForCausalLM and its like; a classifier that is the table of words is not written again
 *   mean:   sentence-transformers: BertModel in the root, modules.json = Transformer, 1_Pooling (mean), 2_Dense (the logits);
 *           our labels stand in config.json, from which at_model_open knows the head again
 *   embed:  the same with modules.json = Transformer, 1_Pooling, 2_Dense, 3_Dense ... where the source had some, and behind them Normalize
 *           where vectors have length 1
 *   none:   BertModel
 *
 * Weights that share a tensor (fused projections) are written as that tensor; weights that layers share are written once.
 *
 * Each file is written whole and atomically; config.json comes last, so a folder without it is an unfinished one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/half.h"
#include "model/gguf.h"
#include "model/modules.h"
#include "model/names.h"

/* Made by tokenizers of every family; what is not there is not copied. */
static const char *const TOKENIZER_FILES[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                              "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model",
                                              "spiece.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm.model",
                                              "chat_template.jinja", NULL};

static const char GENERATION_FILE[] = "generation_config.json"; /* of language models */

/* The rest of what is written here, but for weights in parts. */
static const char *const OTHER_FILES[] = {"config.json", "model.safetensors", "modules.json", "sentence_bert_config.json",
                                          "config_sentence_transformers.json", GENERATION_FILE, NULL};

/* Kinds of the folders "1_Pooling" ... */
static const char *const MODULES[] = {"Pooling", "Dense", "Normalize", NULL};

typedef struct saving {
    const at_model *model;
    const at_family *family;
    const at_labels *labels;
    const char *folder;
    at_saved_form form;
    at_arena arena;
    at_error *err;
} saving;

/* A file of safetensors being written: which weights, under which names. */
typedef struct weights_out {
    const at_model *model;
    const at_weight **weight; /* the first of each tensor; those that share it follow it in the model */
    at_tensor_out *tensor;
    int n;
    at_saved_form form;
} weights_out;

static at_status give(const at_model *m, const at_weight *w, float *tensor, at_error *err) {
    size_t count = (size_t)w->out * (size_t)w->in;
    float *rows = malloc(count * sizeof *rows);
    if (!rows) return at_fail_memory(err, count * sizeof *rows);
    at_weight_get(&m->params, w, rows);
    at_place_give(&m->place[w - m->params.weights], w, rows, tensor);
    free(rows);
    return AT_OK;
}

/* The tensor in 32 bits. */
static at_status fill_whole(const weights_out *out, int i, float *bytes, at_error *err) {
    const at_model *m = out->model;
    int first = (int)(out->weight[i] - m->params.weights);
    const at_place *place = m->place;
    if (place[first].total == out->weight[i]->out && !place[first].transposed) {
        at_weight_get(&m->params, out->weight[i], bytes);
        return AT_OK;
    }
    for (int k = first; k < m->params.n; k++)
        if (!strcmp(place[k].name, place[first].name)) AT_TRY(give(m, &m->params.weights[k], bytes, err));
    return AT_OK;
}

static at_status fill_half(const weights_out *out, int i, uint16_t *half, at_error *err) {
    const at_tensor_out *t = &out->tensor[i];
    size_t count = 1;
    for (int d = 0; d < t->n_dims; d++) count *= (size_t)t->shape[d];
    float *whole = malloc(count * sizeof *whole + 1);
    at_status st = whole ? fill_whole(out, i, whole, err) : at_fail_memory(err, count * sizeof *whole);
    for (size_t k = 0; k < count && !st; k++) {
        half[k] = out->form == AT_SAVED_F16 ? at_to_f16(whole[k]) : at_to_bf16(whole[k]);
        if (out->form == AT_SAVED_F16 && isfinite(whole[k]) && !isfinite(at_from_f16(half[k])))
            st = at_fail(err, AT_USAGE, "%s: %g in tensor %s is beyond what f16 holds; bf16 holds it", out->model->folder, (double)whole[k], t->name);
    }
    free(whole);
    return st;
}

static at_status fill(void *context, int i, void *bytes, at_error *err) {
    const weights_out *out = context;
    return out->form == AT_SAVED_F32 ? fill_whole(out, i, bytes, err) : fill_half(out, i, bytes, err);
}

static at_status add_tensor(saving *s, weights_out *out, const at_weight *w, const char *name) {
    const at_place *place = &s->model->place[w - s->model->params.weights];
    if (place->first > 0) return AT_OK; /* written with the first of its tensor */
    at_tensor_out *t = &out->tensor[out->n];
    static const at_dtype DTYPE[] = {[AT_SAVED_F32] = AT_F32, [AT_SAVED_F16] = AT_F16, [AT_SAVED_BF16] = AT_BF16};
    *t = (at_tensor_out){.name = name, .dtype = DTYPE[s->form]};
    t->n_dims = at_place_shape(place, w, t->shape);
    out->weight[out->n++] = w;
    return AT_OK;
}

static at_status begin_weights(saving *s, weights_out *out) {
    int n = s->model->params.n;
    *out = (weights_out){.model = s->model, .form = s->form, .weight = AT_NEW_ARRAY(&s->arena, const at_weight *, n),
                         .tensor = AT_NEW_ARRAY(&s->arena, at_tensor_out, n)};
    return out->weight && out->tensor ? AT_OK : at_fail_memory(s->err, (size_t)n * sizeof(at_tensor_out));
}

static at_status write_weights(saving *s, weights_out *out, const char *path) {
    static const char *const metadata[] = {"format", "pt", NULL};
    if (!path) return at_fail_memory(s->err, strlen(s->folder));
    return at_safetensors_write(path, out->tensor, out->n, metadata, fill, out, s->err);
}

/* The root's model.safetensors: everything where transformers has a class for body and head, else the body alone. */
static at_status save_body(saving *s) {
    const at_model *m = s->model;
    int whole = m->head.kind != AT_HEAD_NONE && m->head.kind != AT_HEAD_MEAN && m->head.kind != AT_HEAD_EMBED;
    weights_out out;
    AT_TRY(begin_weights(s, &out));
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        if (w->is_head && !whole) continue;
        AT_TRY(add_tensor(s, &out, w, whole ? m->place[i].name : m->place[i].bare));
    }
    return write_weights(s, &out, at_path_join(&s->arena, s->folder, "model.safetensors"));
}

/* Owns `root`. */
static at_status save_json(saving *s, const char *folder, const char *name, json_t *root) {
    const char *path = at_path_join(&s->arena, folder, name);
    at_status st = !root || !path ? at_fail_memory(s->err, 0) : at_json_save(path, root, s->err);
    json_decref(root);
    return st;
}

static json_t *module(at_arena *arena, int index, const char *path, const char *type) {
    const char *name = at_format(arena, "%d", index);
    return name ? json_pack("{s:i, s:s, s:s, s:s+}", "idx", index, "name", name, "path", path, "type", "sentence_transformers.models.", type) : NULL;
}

/* A module folder, and its place in the list: "2_Dense". *folder is its path. */
static at_status begin_module(saving *s, json_t *modules, const char *kind, const char **folder) {
    size_t index = json_array_size(modules);
    const char *name = at_format(&s->arena, "%zu_%s", index, kind);
    if (!name || !(*folder = at_path_join(&s->arena, s->folder, name))) return at_fail_memory(s->err, strlen(s->folder));
    if (json_array_append_new(modules, module(&s->arena, (int)index, name, kind))) return at_fail_memory(s->err, 0);
    return at_folder_make(*folder, s->err);
}

static at_status save_dense(saving *s, json_t *modules, const at_projection *p) {
    const char *folder;
    weights_out out;
    AT_TRY(begin_module(s, modules, "Dense", &folder));
    AT_TRY(begin_weights(s, &out));
    AT_TRY(add_tensor(s, &out, p->weight, "linear.weight"));
    if (p->bias) AT_TRY(add_tensor(s, &out, p->bias, "linear.bias"));
    AT_TRY(write_weights(s, &out, at_path_join(&s->arena, folder, "model.safetensors")));
    json_t *config = json_pack("{s:i, s:i, s:b, s:s}", "in_features", p->weight->in, "out_features", p->weight->out, "bias", p->bias != NULL,
                               "activation_function", at_modules_activation(p->activation));
    return save_json(s, folder, "config.json", config);
}

static at_status save_pooling(saving *s, json_t *modules) {
    at_pooling how = s->model->head.kind == AT_HEAD_EMBED ? s->model->head.pooling : AT_POOL_MEAN;
    const char *folder;
    AT_TRY(begin_module(s, modules, "Pooling", &folder));
    json_t *config = json_pack("{s:i, s:b, s:b, s:b, s:b, s:b}", "word_embedding_dimension", s->model->arch.hidden,
                               "pooling_mode_cls_token", how == AT_POOL_CLS, "pooling_mode_mean_tokens", how == AT_POOL_MEAN, "pooling_mode_max_tokens",
                               how == AT_POOL_MAX, "pooling_mode_mean_sqrt_len_tokens", 0, "pooling_mode_lasttoken", how == AT_POOL_LAST);
    return save_json(s, folder, "config.json", config);
}

/* The source's sentence_bert_config.json with its limit on the length, else one with the model's. Our folder has no pooler, and
 * model_args keeps BertModel and its like from making one. */
static at_status save_transformer_config(saving *s) {
    const at_arch *a = &s->model->arch;
    json_t *config = NULL;
    const char *source = at_path_join(&s->arena, s->model->folder, "sentence_bert_config.json");
    if (source && at_file_exists(source)) at_json_load(source, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &config, NULL);
    if (!json_is_object(config)) {
        json_decref(config);
        config = json_pack("{s:i, s:b}", "max_seq_length", a->usual_positions ? a->usual_positions : a->max_positions, "do_lower_case", 0);
    }
    if (config && s->family->pools) json_object_set_new(config, "model_args", json_pack("{s:b}", "add_pooling_layer", 0));
    return save_json(s, s->folder, "sentence_bert_config.json", config);
}

/* What follows the Transformer; the Dense of a mean head is its classifier. */
static at_status save_module_folders(saving *s, json_t *modules) {
    const at_head *h = &s->model->head;
    const at_projection classifier = {.weight = h->classifier, .bias = h->classifier_bias};
    const char *empty;
    AT_TRY(save_pooling(s, modules));
    if (h->kind == AT_HEAD_MEAN) AT_TRY(save_dense(s, modules, &classifier));
    for (int i = 0; i < h->n_projections; i++) AT_TRY(save_dense(s, modules, &h->projection[i]));
    return h->unit ? begin_module(s, modules, "Normalize", &empty) : AT_OK;
}

static at_status save_modules(saving *s) {
    AT_TRY(save_transformer_config(s));
    AT_TRY(save_json(s, s->folder, "config_sentence_transformers.json",
                     json_pack("{s:{}, s:{}, s:n, s:n}", "__version__", "prompts", "default_prompt_name", "similarity_fn_name")));
    json_t *modules = json_pack("[o]", module(&s->arena, 0, "", "Transformer"));
    at_status st = modules ? save_module_folders(s, modules) : at_fail_memory(s->err, 0);
    if (!st) return save_json(s, s->folder, "modules.json", modules);
    json_decref(modules);
    return st;
}

/* A GGUF file's tokenizer as the files of a folder. */
static at_status write_tokenizer(saving *s) {
    at_gguf *file;
    json_t *tokenizer, *config;
    AT_TRY(at_gguf_open(s->model->folder, &file, s->err));
    at_status st = at_gguf_tokenizer(file, &tokenizer, &config, s->err);
    at_gguf_close(file);
    if (st) return st;
    st = save_json(s, s->folder, "tokenizer.json", tokenizer);
    if (!st) return save_json(s, s->folder, "tokenizer_config.json", config);
    json_decref(config);
    return st;
}

static at_status copy_tokenizer(saving *s) {
    if (at_gguf_is(s->model->folder)) return write_tokenizer(s);
    struct stat from_folder, to_folder;
    if (!stat(s->model->folder, &from_folder) && !stat(s->folder, &to_folder) && from_folder.st_ino == to_folder.st_ino &&
        from_folder.st_dev == to_folder.st_dev)
        return AT_OK;
    for (int i = 0; TOKENIZER_FILES[i]; i++) {
        const char *from = at_path_join(&s->arena, s->model->folder, TOKENIZER_FILES[i]);
        const char *to = at_path_join(&s->arena, s->folder, TOKENIZER_FILES[i]);
        if (!from || !to) return at_fail_memory(s->err, strlen(s->folder));
        if (at_file_exists(from)) AT_TRY(at_file_copy(from, to, s->err));
    }
    if (s->model->head.kind != AT_HEAD_LM) return AT_OK;
    const char *from = at_path_join(&s->arena, s->model->folder, GENERATION_FILE), *to = at_path_join(&s->arena, s->folder, GENERATION_FILE);
    if (!from || !to) return at_fail_memory(s->err, strlen(s->folder));
    return at_file_exists(from) ? at_file_copy(from, to, s->err) : AT_OK;
}

static void set_labels(json_t *config, const at_labels *labels) {
    json_t *names = json_object(), *ids = json_object();
    for (int i = 0; i < labels->n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        json_object_set_new(names, id, json_string(labels->name[i]));
        json_object_set_new(ids, labels->name[i], json_integer(i));
    }
    json_object_set_new(config, "id2label", names);
    json_object_set_new(config, "label2id", ids);
    json_object_del(config, "num_labels"); /* of old configs; would contradict id2label */
    json_object_del(config, "_num_labels");
}

/* Vectors have no labels: those of the classifier that the body was before would be wrong. */
static void drop_labels(json_t *config) {
    static const char *const KEYS[] = {"id2label", "label2id", "num_labels", "_num_labels"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) json_object_del(config, KEYS[i]);
}

/* transformers opens a folder in the type that its config names, and in 32 bits where it names none. */
static void set_dtype(json_t *config, at_saved_form form) {
    static const char *const TYPES[] = {"torch_dtype", "dtype"},
                      *const NAMES[] = {[AT_SAVED_F32] = "float32", [AT_SAVED_F16] = "float16", [AT_SAVED_BF16] = "bfloat16"};
    int named = 0;
    for (int i = 0; i < 2; i++) {
        if (!json_object_get(config, TYPES[i])) continue;
        json_object_set_new(config, TYPES[i], json_string(NAMES[form]));
        named = 1;
    }
    if (!named && form != AT_SAVED_F32) json_object_set_new(config, "torch_dtype", json_string(NAMES[form]));
}

/* Every key of the source that we do not know stays as it is. */
static at_status save_config(saving *s) {
    const at_model *m = s->model;
    json_t *config = json_deep_copy(m->config);
    if (!config) return at_fail_memory(s->err, 0);
    json_object_set_new(config, "architectures", json_pack("[s]", at_names_class(s->family, &s->arena, m->head.kind)));
    json_object_set_new(config, "model_type", json_string(m->arch.family));
    set_dtype(config, s->form);
    json_object_del(config, "quantization_config"); /* the weights are whole numbers of their type again */
    if (m->head.kind != AT_HEAD_NONE && m->head.kind != AT_HEAD_EMBED && s->labels) set_labels(config, s->labels);
    if (m->head.kind == AT_HEAD_EMBED) drop_labels(config);
    if (m->head.kind == AT_HEAD_MASK) json_object_set_new(config, "tie_word_embeddings", json_true());
    if (m->head.kind == AT_HEAD_LM && !s->family->lm_by_file) json_object_set_new(config, "tie_word_embeddings", json_boolean(m->arch.tied));
    if (m->problem_type) json_object_set_new(config, "problem_type", json_string(m->problem_type));
    else json_object_del(config, "problem_type");
    return save_json(s, s->folder, "config.json", config);
}

static at_status save_all(saving *s) {
    const at_head *h = &s->model->head;
    if (h->kind != AT_HEAD_NONE && s->labels && s->labels->n != h->n_out)
        return at_fail(s->err, AT_BUG, "%d labels for %d outputs", s->labels->n, h->n_out);
    AT_TRY(at_folder_make(s->folder, s->err));
    AT_TRY(save_body(s));
    if (h->kind == AT_HEAD_MEAN || h->kind == AT_HEAD_EMBED) AT_TRY(save_modules(s));
    AT_TRY(copy_tokenizer(s));
    AT_TRY(save_config(s));
    return at_folder_sync(s->folder, s->err);
}

static int is_one_of(const char *const *names, const char *name) {
    for (; *names; names++)
        if (!strcmp(*names, name)) return 1;
    return 0;
}

static int is_module_folder(const char *name) {
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits < 3 && name[digits] == '_' && is_one_of(MODULES, name + digits + 1);
}

int at_model_saves(const char *name) { return is_one_of(TOKENIZER_FILES, name) || is_one_of(OTHER_FILES, name) || is_module_folder(name); }

static at_status save(const at_model *model, const at_labels *labels, at_saved_form form, const char *folder, at_error *err) {
    saving s = {.model = model, .family = at_family_find(model->arch.family), .folder = folder, .form = form, .err = err};
    s.labels = labels && labels->n ? labels : model->labels.n ? &model->labels : NULL;
    at_status st = save_all(&s);
    at_arena_free(&s.arena);
    return st;
}

at_status at_model_save(const at_model *model, const at_labels *labels, const char *folder, at_error *err) {
    return save(model, labels, AT_SAVED_F32, folder, err);
}

at_status at_model_save_as(const at_model *model, at_saved_form form, const char *folder, at_error *err) {
    const at_head *h = &model->head;
    if (form != AT_SAVED_F32 && (h->kind == AT_HEAD_MEAN || h->n_projections))
        return at_fail(err, AT_USAGE, "%s: a Dense module stands behind the body, and sentence-transformers reads that in 32 bits only: --type f32", model->folder);
    return save(model, NULL, form, folder, err);
}
