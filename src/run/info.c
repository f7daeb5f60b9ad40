/* attune info: what a model folder is. */
#include <stdlib.h>
#include <string.h>

#include "base/machine.h"
#include "base/str.h"
#include "model/gguf.h"
#include "run/models.h"
#include "run/session.h"
#include "run/unread.h"
#include "train/trainer.h"

enum { PLAN_EXAMPLES = 32, SHOWN_LABELS = 50 };

typedef struct about {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    const char *folder;
    at_model *model;
    at_tokenizer *tokenizer; /* where has_tokenizer is 0, a stand-in for the plan */
    int has_tokenizer;
    at_pool *pool;
    at_kernels kernels;
    const at_backend *backend;
    int max_tokens;
    const char *max_source;
    double parameters;
    at_memory_plan plan;
    int planned;
} about;

static double count_parameters(const at_model *m) {
    double n = 0;
    for (int i = 0; i < m->params.n; i++) n += (double)m->params.weights[i].out * m->params.weights[i].in;
    return n;
}

/* As many texts as a batch has, each as long as the model reads: what one step at the worst takes. */
static at_status longest_batch(const about *a, at_dataset **data, at_error *err) {
    const char *names[] = {"text"};
    at_arena scratch = {0};
    at_str text = {.arena = &scratch};
    at_table t = {.path = "longest batch", .column = names, .n_columns = 1, .n_rows = PLAN_EXAMPLES};
    for (int i = 0; i < a->max_tokens; i++) at_str_add(&text, "a ");
    t.cells = AT_NEW_ARRAY(&scratch, at_cell, t.n_rows);
    t.line = AT_NEW_ARRAY(&scratch, uint32_t, t.n_rows);
    at_status st = t.cells && t.line && !text.failed ? AT_OK : at_fail_memory(err, text.len);
    for (int i = 0; i < t.n_rows && !st; i++) t.cells[i] = (at_cell){text.text, (uint32_t)text.len};
    if (!st) st = at_dataset_encode(&t, 0, -1, a->tokenizer, a->max_tokens, a->pool, data, err);
    at_arena_free(&scratch);
    return st;
}

/* An answer at every token, where the head gives such. */
static at_status add_places(at_dataset *d, at_error *err) {
    size_t tokens = d->token_at[d->n];
    d->place_at = d->token_at;
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, tokens);
    if (!d->place) return at_fail_memory(err, tokens * sizeof *d->place);
    for (int i = 0; i < d->n; i++)
        for (int t = 0; t < at_dataset_length(d, i); t++) d->place[d->token_at[i] + (uint64_t)t] = (uint32_t)t;
    return AT_OK;
}

/* Half of the tokens are read, half are written. */
static at_status add_decoder(at_dataset *d, at_error *err) {
    uint64_t *place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    d->source = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, d->token_at[d->n]);
    if (!place_at || !d->source || !d->place) return at_fail_memory(err, d->token_at[d->n] * sizeof *d->place);
    for (int i = 0; i < d->n; i++) {
        d->source[i] = (uint32_t)((at_dataset_length(d, i) + 1) / 2);
        place_at[i + 1] = place_at[i] + (uint64_t)at_dataset_decoder_length(d, i);
        for (uint64_t t = place_at[i]; t < place_at[i + 1]; t++) d->place[t] = (uint32_t)(t - place_at[i]);
    }
    d->place_at = place_at;
    return AT_OK;
}

/* Stands for any task: what is measured does not depend on what is to be predicted. */
static at_tensor *any_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits,
                           const at_batch *batch, const at_dataset *d, double norm) {
    (void)s, (void)d;
    int32_t *target = at_alloc(tape->objects, (size_t)batch->n_outputs, sizeof *target);
    if (!target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    if (model->head.kind != AT_HEAD_LM) return at_op_cross_entropy(tape, logits, target, NULL, 0, norm);
    const at_classifier words = at_head_classifier(model);
    return at_op_vocabulary_cross_entropy(tape, logits, &words, target, norm);
}

static at_status plan_training(about *a, at_model *model, at_error *err) {
    const at_task any = {.name = "any", .loss = any_loss};
    at_task_state state = {.task = &any};
    at_hyper hyper = at_hyper_default();
    at_dataset *data = NULL;
    hyper.batch_size = PLAN_EXAMPLES;
    AT_TRY(longest_batch(a, &data, err));
    int at_tokens = model->head.kind == AT_HEAD_TOKEN || model->head.kind == AT_HEAD_MASK || model->head.kind == AT_HEAD_SPAN || model->head.kind == AT_HEAD_LM;
    int writes = model->arch.decoder.layers && model->head.kind == AT_HEAD_LM;
    at_status st = writes ? add_decoder(data, err) : at_tokens ? add_places(data, err) : AT_OK;
    at_trainer_setup setup = {.model = model, .state = &state, .train = data, .hyper = &hyper, .backend = a->backend, .pool = a->pool};
    if (!st) st = at_trainer_plan(&setup, &a->plan, err);
    at_dataset_close(data);
    a->planned = !st;
    return st;
}

/* A body alone is planned with the head that it would get. */
static at_status plan(about *a, at_error *err) {
    if (a->model->trained_head) return plan_training(a, a->model, err);
    at_model *model = NULL;
    at_model_options options = {.head = AT_HEAD_POOLER, .n_out = 2, .pool = a->pool};
    at_status st = at_model_open(a->folder, &options, &model, err);
    if (!st) st = plan_training(a, model, err);
    at_model_close(model);
    return st;
}

static int is_language_model(const at_model *m) {
    const char *class = json_string_value(json_array_get(json_object_get(m->config, "architectures"), 0));
    return class && (strstr(class, "ForCausalLM") || strstr(class, "LMHeadModel"));
}

/* "Q4_1 210, F32 61": types of a GGUF file's tensors, NULL for a folder. */
static const char *packed_words(const char *path, at_arena *arena) {
    at_gguf *file;
    at_str s = {.arena = arena};
    if (!at_gguf_is(path) || at_gguf_open(path, &file, NULL)) return NULL;
    for (uint32_t type = 0; type < 64; type++) {
        int n = 0;
        for (int i = 0; i < at_gguf_count(file); i++) n += at_gguf_at(file, i)->type == type;
        if (n) at_str_addf(&s, "%s%s %d", s.len ? ", " : "", at_gguf_packing_of(type).name, n);
    }
    at_gguf_close(file);
    return s.text;
}

static const char *head_words(const at_model *m) {
    static const char *const WORDS[] = {"", "pooler (first token, dense layer), classifier", "mean of the tokens, linear",
                                        "each token, linear", "the hidden word, dense layer, table of words",
                                        "each token, linear to begin and end of an answer", "", "each token, linear over the words"};
    static const char *const VECTORS[][2] = {{"vector: first token", "vector: first token, of length 1"},
                                             {"vector: mean of the tokens", "vector: mean of the tokens, of length 1"},
                                             {"vector: maximum of the tokens", "vector: maximum of the tokens, of length 1"},
                                             {"vector: last token", "vector: last token, of length 1"}};
    if ((!m->trained_head && is_language_model(m)) || (m->head.kind == AT_HEAD_LM && !m->arch.decoder.layers))
        return "of a language model: attune generate continues texts; a new one is trained on labels";
    if (!m->trained_head) return "none: a body alone, to be trained";
    if (m->head.kind == AT_HEAD_EMBED) return VECTORS[m->head.pooling][m->head.unit];
    if (m->head.kind != AT_HEAD_POOLER || m->arch.head.pooling != AT_POOL_LAST) return WORDS[m->head.kind];
    return m->arch.head.at_end ? "the decoder where the text ends, dense layer, linear" : "last token, linear";
}

static char *labels_words(const about *a, at_arena *arena) {
    at_str s = {.arena = arena};
    const at_labels *labels = &a->model->labels;
    at_str_addf(&s, "%d:", labels->n);
    for (int i = 0; i < labels->n && i < SHOWN_LABELS; i++) at_str_addf(&s, "%s %s", i ? "," : "", labels->name[i]);
    if (labels->n > SHOWN_LABELS) at_str_add(&s, ", ...");
    return s.failed ? NULL : s.text;
}

static const char *value_words(const json_t *value, at_arena *arena) {
    if (json_is_string(value)) return json_string_value(value);
    if (json_is_boolean(value)) return json_is_true(value) ? "yes" : "no";
    return json_is_number(value) ? at_format(arena, "%.4g", json_number_value(value)) : NULL;
}

/* A list or an object: its first members. */
static void add_members(at_str *s, const json_t *all, at_arena *arena) {
    size_t i;
    int n = 0;
    const char *key, *text;
    json_t *value;
    json_array_foreach(all, i, value)
        if ((text = value_words(value, arena)) && n++ < SHOWN_LABELS) at_str_addf(s, "%s%s", n > 1 ? ", " : "", text);
    json_object_foreach((json_t *)(uintptr_t)all, key, value)
        if ((text = value_words(value, arena)) && n++ < SHOWN_LABELS) at_str_addf(s, "%s%s %s", n > 1 ? ", " : "", key, text);
    if (n > SHOWN_LABELS) at_str_add(s, ", ...");
}

/* What the task, and how long texts are read, keep with the model. */
static void add_own(at_str *s, const about *a, at_arena *arena) {
    const json_t *own = json_object_get(a->model->config, "attune");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)own, key, value) {
        const char *text = value_words(value, arena);
        if (!strcmp(key, "task") || (!text && !json_array_size(value) && !json_object_size(value))) continue;
        at_str_addf(s, "%-11s ", key);
        if (text) at_str_add(s, text);
        else add_members(s, value, arena);
        at_str_add(s, "\n");
    }
}

static char *words(about *a) {
    const at_arch *r = &a->model->arch;
    at_str s = {.arena = &a->arena};
    at_str_addf(&s, "folder      %s\nfamily      %s\n", a->folder, r->family);
    const char *packed = packed_words(a->folder, &a->arena);
    if (packed) at_str_addf(&s, "tensors     %s\n", packed);
    const at_decoder_arch *d = &r->decoder;
    if (d->layers) at_str_addf(&s, "decoder     %d layers, %d heads, %d inside\n", d->layers, d->heads, d->intermediate);
    at_str_addf(&s, "sizes       %d layers of %d, %d heads, %d inside, vocabulary %d, %d positions\n", r->layers, r->hidden, r->heads,
                r->intermediate, r->vocab_size, r->max_positions);
    at_str_addf(&s, "parameters  %.1f M\nhead        %s\n", a->parameters / 1e6, head_words(a->model));
    const at_task *task = a->model->trained_head ? at_task_of_model(a->model) : NULL;
    if (task) at_str_addf(&s, "task        %s: %s\n", task->name, task->summary);
    if (a->model->trained_head && (!task || task->names_labels)) at_str_addf(&s, "labels      %s\n", labels_words(a, &a->arena));
    add_own(&s, a, &a->arena);
    at_str_addf(&s, "longest     %d tokens (%s)\n", a->max_tokens, a->max_source);
    if (!a->has_tokenizer)
        at_str_addf(&s, "tokenizer   none: %s; without it no text can be read\n",
                    packed ? "the file has no vocabulary (tokenizer.ggml.tokens)"
                           : "the folder lacks a tokenizer.json (or tokenizer.model, vocab.json with merges.txt, vocab.txt)");
    at_str_addf(&s, "to run      %.0f MB\n", 4 * a->parameters / 1e6);
    if (a->planned)
        at_str_addf(&s,
                    "to train    %.0f MB with batches of %d texts of %d tokens (weights %.0f, their best state %.0f, "
                    "gradients %.0f in %d lanes, optimiser %.0f, "
                    "activations %.0f); %.0f MB are free\n",
                    (double)a->plan.total / 1e6, PLAN_EXAMPLES, a->max_tokens, (double)a->plan.weights / 1e6,
                    (double)a->plan.best / 1e6, (double)a->plan.gradients / 1e6, a->plan.lanes,
                    (double)a->plan.moments / 1e6, (double)a->plan.activations / 1e6,
                    (double)at_memory_available() / 1e6);
    at_str_addf(&s, "kernels     %s, %d threads", a->backend->name, at_pool_threads(a->pool));
    return s.failed ? NULL : s.text;
}

static json_t *names_json(const at_labels *labels) {
    json_t *list = json_array();
    for (int i = 0; i < labels->n; i++) json_array_append_new(list, json_string(labels->name[i]));
    return list;
}

static json_t *fields(const about *a) {
    const at_model *m = a->model;
    const at_arch *r = &m->arch;
    const char *head = m->trained_head ? at_head_name(m->head.kind) : NULL;
    const at_task *task = m->trained_head ? at_task_of_model(m) : NULL;
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:s?, s:s?, s:o, s:i, s:s, s:b, s:f, s:f, s:s, s:i, s:O*}",
                     "folder", a->folder, "family", r->family, "layers", r->layers, "hidden", r->hidden, "heads",
                     r->heads, "intermediate", r->intermediate, "vocabulary", r->vocab_size, "positions",
                     r->max_positions, "parameters", a->parameters, "head", head, "task", task ? task->name : NULL,
                     "labels", names_json(&m->labels), "max_length", a->max_tokens, "max_length_source", a->max_source,
                     "tokenizer", a->has_tokenizer, "memory_to_run", 4 * a->parameters, "memory_to_train", (double)a->plan.total, "kernels",
                     a->backend->name, "threads", at_pool_threads(a->pool), "own", json_object_get(m->config, "attune"));
}

static int has_vocabulary(const char *path) {
    at_gguf *file;
    if (!at_gguf_is(path) || at_gguf_open(path, &file, NULL)) return at_tokenizer_is_in(path);
    int found = at_gguf_find_value(file, "tokenizer.ggml.tokens") != NULL;
    at_gguf_close(file);
    return found;
}

/* A folder may be weights and sizes alone, and so may a GGUF file; the plan then needs tokens from elsewhere. */
static at_status open_tokenizer(about *a, at_error *err) {
    a->has_tokenizer = has_vocabulary(a->folder);
    if (a->has_tokenizer) return at_model_tokenizer_open(a->folder, &a->tokenizer, err);
    json_t *root = json_pack("{s:{s:s}, s:{s:s, s:s, s:{s:i}}}", "pre_tokenizer", "type", "WhitespaceSplit", "model", "type", "WordLevel", "unk_token", "a", "vocab",
                             "a", 0);
    at_status st = root ? at_tokenizer_open_parsed("stand-in", root, NULL, &a->tokenizer, err) : at_fail_memory(err, 0);
    json_decref(root);
    return st;
}

static at_status inform(about *a, at_error *err) {
    const at_options *o = a->options;
    a->folder = at_options_text(o, "model", NULL);
    if (!a->folder) return at_fail(err, AT_USAGE, "the model folder is missing: attune info FOLDER");
    AT_TRY(at_model_folder_find(&a->arena, a->folder, &a->folder, err));
    AT_TRY(at_kernels_choose(getenv("ATTUNE_CPU"), AT_PRECISION_FP32, &a->kernels, &a->backend, err));
    AT_TRY(at_pool_open(&a->pool, at_cpu_count(), err));
    at_model_options options = {.head = AT_HEAD_NONE, .keep_head = 1, .pool = a->pool};
    AT_TRY(at_model_open(a->folder, &options, &a->model, err));
    at_tell_unread(a->listener, a->model);
    AT_TRY(open_tokenizer(a, err));
    AT_TRY(at_session_choose_length(a->tokenizer, &a->model->arch, at_options_int(o, "max_length", 0), &a->max_tokens,
                                    &a->max_source, err));
    a->parameters = count_parameters(a->model);
    AT_TRY(plan(a, err));
    char *text = words(a);
    if (!text) return at_fail_memory(err, 0);
    at_tell_text(a->listener, "info", fields(a), text);
    return AT_OK;
}

at_status at_info(const at_options *options, const at_listener *listener, at_error *err) {
    about a = {.options = options, .listener = listener};
    at_status st = inform(&a, err);
    at_tokenizer_close(a.tokenizer);
    at_model_close(a.model);
    at_pool_close(a.pool);
    at_arena_free(&a.arena);
    return st;
}
