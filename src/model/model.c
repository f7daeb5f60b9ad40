/* Opening a model folder: config.json -> arch -> declared weights -> their tensors in the files, shapes checked -> memory ->
 * every tensor read into its packed home. Shapes come before memory, so that a config with absurd sizes costs nothing. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/folder.h"
#include "model/gguf.h"
#include "model/names.h"
#include "model/ties.h"

/* Where a weight comes from; neither tensor nor packed: it is new. */
typedef struct source {
    const at_safetensors *file;
    const at_stored_tensor *tensor;
    const at_gguf_tensor *packed; /* of a GGUF file, in place of the two */
} source;

static const char *source_name(const source *s) { return s->tensor ? s->tensor->name : s->packed ? s->packed->name : NULL; }

typedef struct opening {
    at_model *model;
    const at_model_options *options;
    const at_family *family;
    at_safetensors *file;
    at_gguf *gguf;        /* or this */
    const at_gguf_arch *layout;
    at_folder_head found; /* the folder's own head */
    source *sources;      /* [params.n] */
    at_status *status;    /* [params.n] of reading */
    at_error *err;
} opening;

/* Weights in packages of a few bits are other tensors; F8 with scales is read (io/safetensors.h). */
static at_status check_quantization(const json_t *config, const char *path, at_error *err) {
    const json_t *how = json_object_get(config, "quantization_config");
    const char *method = json_string_value(json_object_get(how, "quant_method"));
    if (!how || (method && (!strcmp(method, "fp8") || !strcmp(method, "compressed-tensors")))) return AT_OK;
    return at_fail(err, AT_BAD_MODEL, "%s: the weights are packed by '%s' (quantization_config), which is not read here; take the model's unpacked weights, or its GGUF file",
                   path, method ? method : "an unnamed method");
}

/* Changes of another model's weights (LoRA and its like, as peft saves them) are no model: alone they have no body, and beside weights transformers
 * adds them to those of the model that they name. */
static at_status check_adapter(at_model *m, const char *folder, at_error *err) {
    const char *path = at_path_join(&m->arena, folder, "adapter_config.json"), *weights = at_path_join(&m->arena, folder, "adapter_model.safetensors");
    json_t *config = NULL;
    if (!path || !weights) return at_fail_memory(err, strlen(folder));
    if (!at_file_exists(path) || !at_file_exists(weights)) return AT_OK;
    AT_TRY(at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &config, err));
    const char *base = json_string_value(json_object_get(config, "base_model_name_or_path"));
    at_fail(err, AT_BAD_MODEL, "%s: has an adapter (adapter_config.json) of %.200s, which is not read here; merge the two, for example with peft's merge_and_unload, "
            "and take the folder that this saves", folder, base ? base : "another model");
    json_decref(config);
    return AT_BAD_MODEL;
}

static at_status read_folder_config(at_model *m, const char *folder, at_error *err) {
    const char *path = at_path_join(&m->arena, folder, "config.json");
    if (!path) return at_fail_memory(err, strlen(folder));
    if (!at_is_folder(folder)) return at_fail(err, AT_BAD_MODEL, "%s: no such model folder", folder);
    AT_TRY(check_adapter(m, folder, err));
    if (!at_file_exists(path))
        return at_fail(err, AT_BAD_MODEL, "%s: not a model folder: it has no config.json", folder);
    AT_TRY(at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &m->config, err));
    AT_TRY(check_quantization(m->config, path, err));
    return at_arch_read(m->config, path, &m->arena, &m->arch, err);
}

static at_status read_config(opening *o, const char *folder) {
    at_model *m = o->model;
    m->folder = at_strdup(&m->arena, folder);
    if (!m->folder) return at_fail_memory(o->err, strlen(folder));
    if (!at_gguf_is(folder)) return read_folder_config(m, folder, o->err);
    AT_TRY(at_gguf_open(folder, &o->gguf, o->err));
    AT_TRY(at_gguf_config(o->gguf, &m->config, o->err));
    o->layout = at_gguf_arch_find(at_gguf_text(o->gguf, "general.architecture"));
    at_status st = at_arch_read(m->config, folder, &m->arena, &m->arch, o->err);
    if (st) at_gguf_say_keys(o->gguf, o->err);
    return st;
}

static void choose_head(opening *o) {
    const at_model_options *want = o->options;
    at_head *head = &o->model->head;
    const at_folder_head *found = &o->found;
    int asks = want->head != AT_HEAD_NONE;
    head->kind = asks ? want->head : found->kind;
    int same = found->kind != AT_HEAD_NONE && found->kind == head->kind && (want->n_out == 0 || want->n_out == found->n_out);
    o->model->trained_head = same && (want->keep_head || !asks);
    if (head->kind == AT_HEAD_EMBED && found->kind == AT_HEAD_EMBED && !want->pooling) {
        head->n_projections = found->n_dense;
        for (int i = 0; i < found->n_dense; i++) head->projection[i] = found->dense[i].form;
    }
    head->n_out = head->n_projections ? found->n_out : head->kind == AT_HEAD_EMBED ? o->model->arch.hidden : o->model->trained_head ? found->n_out : want->n_out;
    if (!o->model->trained_head) return;
    o->model->labels = found->labels;
    o->model->problem_type = found->problem_type;
}

/* The body's vectors as the folder's modules make them, unless others are asked for. */
static at_status choose_pooling(opening *o) {
    const at_model_options *want = o->options;
    const at_folder_head *found = &o->found;
    at_head *head = &o->model->head;
    if (head->kind != AT_HEAD_EMBED) return AT_OK;
    if (found->strange && !want->pooling)
        return at_fail(o->err, AT_BAD_MODEL, "%s: modules.json: %s is not known here, so that vectors would not be those of sentence-transformers; "
                       "with --pooling the body's own are taken", o->model->folder, found->strange);
    head->pooling = (at_pooling)((want->pooling ? want->pooling : found->pooling ? found->pooling : 1 + AT_POOL_MEAN) - 1);
    head->unit = want->unit ? want->unit > 0 : found->unit;
    return AT_OK;
}

/* Of two stacks the encoder alone, where the folder has no other or the head reads no other. */
static at_status choose_stacks(opening *o) {
    at_model *m = o->model;
    const char *own = json_string_value(json_array_get(json_object_get(m->config, "architectures"), 0)), *encoder = o->family->encoder_class;
    int has_no_other = encoder && own && !strcmp(own, encoder);
    int reads_no_other = at_names_takes_encoder(o->family, m->head.kind) || (has_no_other && m->head.kind == AT_HEAD_NONE);
    if (has_no_other && !reads_no_other)
        return at_fail(o->err, AT_USAGE, "%s: %s is an encoder alone, for labels of words (tag) and vectors (embed)", m->folder, encoder);
    if (!reads_no_other) return AT_OK;
    m->arch.decoder = (at_decoder_arch){0};
    if (json_object_get(m->config, "is_encoder_decoder")) json_object_set_new(m->config, "is_encoder_decoder", json_false());
    return AT_OK;
}

/* A language model's head is what the folder has. */
static void choose_lm(opening *o) {
    const at_arch *a = &o->model->arch;
    int n_out = o->options->head == AT_HEAD_LM ? o->options->n_out : o->found.n_out;
    o->model->head = (at_head){.kind = AT_HEAD_LM, .n_out = n_out ? n_out : a->vocab_size};
    o->model->trained_head = 1;
}

/* A classifier on the last token needs a padding token, or transformers refuses more than one text at a time: where the config names none,
 * a new one takes the end of the text, and says so in the config that is saved. */
static void choose_padding(opening *o) {
    at_model *m = o->model;
    if (m->head.kind != AT_HEAD_POOLER || m->trained_head || m->arch.head.pooling != AT_POOL_LAST || m->arch.pad_id >= 0) return;
    const json_t *end = json_object_get(m->config, "eos_token_id");
    if (json_is_array(end)) end = json_array_get(end, 0);
    json_int_t id = json_is_integer(end) ? json_integer_value(end) : -1;
    if (id < 0 || id >= m->arch.vocab_size) return;
    m->arch.pad_id = (int)id;
    json_object_set_new(m->config, "pad_token_id", json_integer(id));
}

static at_status check_head(const opening *o) {
    const at_head *head = &o->model->head;
    const at_arch *a = &o->model->arch;
    if (head->kind == AT_HEAD_LM && head->n_out == AT_VOCABULARY_ANSWERS && !a->causal && !a->decoder.layers)
        return at_fail(o->err, AT_USAGE, "the task language is for decoders; a %s does not go on with a text", a->family);
    if (head->kind == AT_HEAD_NONE || head->n_out > 0) return AT_OK;
    return at_fail(o->err, AT_USAGE, "%s: a new head needs the number of its outputs", o->model->folder);
}

/* "[384, 1536]" */
static const char *shape_text(at_arena *arena, const int64_t *shape, int n_dims) {
    at_str s = {.arena = arena};
    for (int i = 0; i < n_dims; i++) at_str_addf(&s, "%s%lld", i ? ", " : "[", (long long)shape[i]);
    at_str_add(&s, n_dims ? "]" : "a scalar");
    return s.text ? s.text : "?";
}

/* Shape of the tensor in its file, as transformers counts dimensions; returns how many. */
static int stored_shape(const source *from, int64_t shape[8]) {
    int n = from->tensor ? from->tensor->n_dims : from->packed->n_dims;
    for (int i = 0; i < n; i++) shape[i] = from->tensor ? from->tensor->shape[i] : (int64_t)from->packed->dims[n - 1 - i];
    return n;
}

/* Where weight i lies in its file. */
static at_place place_in(const opening *o, int i) {
    const at_place *place = &o->model->place[i];
    return o->gguf ? at_gguf_place(place, &o->model->params.weights[i]) : *place;
}

static at_status check_shape(const opening *o, int i, const source *from) {
    int64_t want[AT_PLACE_DIMS], got[8] = {0};
    at_place place = place_in(o, i);
    int n_dims = at_place_shape(&place, &o->model->params.weights[i], want), n = stored_shape(from, got);
    int fits = n == n_dims;
    for (int d = 0; d < n_dims; d++) fits = fits && got[d] == want[d];
    if (fits) return AT_OK;
    at_arena *arena = &o->model->arena;
    return at_fail(o->err, AT_BAD_MODEL, "%s: tensor %s is %s, but %s asks for %s",
                   o->gguf ? o->model->folder : at_safetensors_path(from->file, from->tensor), source_name(from), shape_text(arena, got, n),
                   o->gguf ? "the metadata" : "config.json", shape_text(arena, want, n_dims));
}

/* A head over classes has no place in GGUF files. */
static source find_packed(const opening *o, int i) {
    char name[AT_GGUF_NAME_SIZE];
    source from = {0};
    if (at_gguf_name_of(o->layout, o->model->place[i].bare, name)) from.packed = at_gguf_find(o->gguf, name);
    return from;
}

static source in_dense(const at_folder_dense *dense, const char *name) {
    return (source){dense->file, at_safetensors_find(dense->file, name), NULL};
}

/* The weight of a Dense module; 0: it is none. */
static int find_in_modules(const opening *o, const at_weight *w, source *from) {
    const at_head *h = &o->model->head;
    int classifies = w == h->classifier || w == h->classifier_bias;
    if (classifies && h->kind == AT_HEAD_MEAN && o->found.n_dense)
        *from = in_dense(&o->found.dense[0], w == h->classifier ? "linear.weight" : "linear.bias");
    for (int i = 0; i < h->n_projections; i++)
        if (w == h->projection[i].weight || w == h->projection[i].bias)
            *from = in_dense(&o->found.dense[i], w == h->projection[i].weight ? "linear.weight" : "linear.bias");
    return from->tensor != NULL;
}

static source find_source(const opening *o, int i) {
    const at_head *h = &o->model->head;
    const at_weight *w = &o->model->params.weights[i];
    source from = {o->file, NULL, NULL};
    if (o->gguf) return find_packed(o, i);
    int is_classifier = w == h->classifier || w == h->classifier_bias;
    if (is_classifier && !o->model->trained_head && h->kind != AT_HEAD_MASK) return from;
    if (find_in_modules(o, w, &from)) return from;
    from.tensor = at_names_lookup(o->family, o->file, &o->model->place[i]);
    if (!from.tensor && w == o->model->body.token && w == h->classifier) /* one table, stored under its other name */
        from.tensor = at_safetensors_find(o->file, o->family->lm[0].name);
    return from;
}

/* What weight i is called there. */
static const char *name_in(const opening *o, int i, char theirs[AT_GGUF_NAME_SIZE]) {
    const char *bare = o->model->place[i].bare;
    return o->gguf && at_gguf_name_of(o->layout, bare, theirs) ? theirs : bare;
}

static at_status find_sources(opening *o) {
    at_model *m = o->model;
    char theirs[AT_GGUF_NAME_SIZE];
    o->sources = AT_NEW_ARRAY(&m->arena, source, m->params.n);
    o->status = AT_NEW_ARRAY(&m->arena, at_status, m->params.n);
    if (!o->sources || !o->status) return at_fail_memory(o->err, (size_t)m->params.n * sizeof(source));
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        o->sources[i] = find_source(o, i);
        if (source_name(&o->sources[i])) AT_TRY(check_shape(o, i, &o->sources[i]));
        else if (!w->constant && (!w->is_head || m->head.kind == AT_HEAD_LM))
            return at_fail(o->err, AT_BAD_MODEL, "%s: the weights have no tensor %s, which %s (%s) asks for", m->folder, name_in(o, i, theirs),
                           o->gguf ? "the metadata" : "config.json", m->arch.family);
    }
    return AT_OK;
}

/* What the file keeps a weight as. */
static at_form stored_form(const source *from) {
    if (from->packed) return from->packed->type == AT_GGUF_BF16 ? AT_FORM_BF16 : from->packed->type == AT_GGUF_Q8_0 ? AT_FORM_Q8_0 : AT_FORM_FP32;
    return from->tensor && from->tensor->dtype == AT_BF16 ? AT_FORM_BF16 : AT_FORM_FP32;
}

/* Matrices of products, and the table of words. */
static at_status choose_forms(opening *o) {
    static const at_form FORM[] = {[AT_WEIGHTS_FP32] = AT_FORM_FP32, [AT_WEIGHTS_BF16] = AT_FORM_BF16, [AT_WEIGHTS_Q8_0] = AT_FORM_Q8_0};
    at_model *m = o->model;
    at_weights choice = o->options->weights;
    if (choice == AT_WEIGHTS_FP32) return AT_OK;
    at_form *form = AT_NEW_ARRAY(&m->arena, at_form, m->params.n);
    if (!form) return at_fail_memory(o->err, (size_t)m->params.n * sizeof *form);
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        if (w->kind == AT_WEIGHT_LINEAR || w == m->body.token) form[i] = choice == AT_WEIGHTS_AUTO ? stored_form(&o->sources[i]) : FORM[choice];
    }
    return at_params_choose_forms(&m->params, form, o->err);
}

/* As a GGUF file has it, then as ours. */
static at_status read_packed(const opening *o, int i, at_error *err) {
    at_params *p = &o->model->params;
    const at_weight *w = &p->weights[i];
    at_place place = place_in(o, i);
    at_arena scratch = {0};
    size_t rows = (size_t)place.total, cols = (size_t)w->in, count = rows * cols, own = (size_t)w->out * cols;
    float *values = at_alloc_raw(&scratch, count + own, sizeof(float));
    at_status st = values ? at_gguf_read(o->gguf, o->sources[i].packed, values, err) : at_fail_memory(err, (count + own) * sizeof(float));
    if (!st) st = at_gguf_turn(o->layout, &o->model->arch, place.bare, values, rows, cols, 0, err);
    if (!st) {
        at_place_take(&place, w, values, values + count);
        at_weight_put(p, w, values + count);
    }
    at_arena_free(&scratch);
    return st;
}

static int has_place_alone(const at_place *place, const at_weight *w) { return place->total == w->out && !place->transposed; }

/* The table of words and the classifier over them, the largest of all, some rows at a time, so that no second copy is in memory. */
static at_status read_words(const opening *o, int i, at_error *err) {
    enum { ROWS = 16 * AT_PANEL };
    at_params *p = &o->model->params;
    const at_weight *w = &p->weights[i];
    const source *from = &o->sources[i];
    at_arena scratch = {0};
    size_t in = (size_t)w->in;
    float *rows = at_alloc_raw(&scratch, ROWS * in, sizeof(float));
    at_status st = rows ? AT_OK : at_fail_memory(err, ROWS * in * sizeof(float));
    for (int first = 0; first < w->out && !st; first += ROWS) {
        int n = w->out - first < ROWS ? w->out - first : ROWS;
        size_t begin = (size_t)first * in, count = (size_t)n * in;
        st = from->packed ? at_gguf_read_part(o->gguf, from->packed, begin, count, rows, err)
                          : at_safetensors_read_part(from->file, from->tensor, begin, count, rows, 0, err);
        if (!st) at_weight_put_rows(p, w, first, n, rows);
    }
    at_arena_free(&scratch);
    return st;
}

/* A packed weight, or one that shares its tensor, is read in the file's layout first; where the home has that layout, it is read
 * straight into it. */
static at_status read_weight(const opening *o, int i, at_error *err) {
    at_params *p = &o->model->params;
    const at_weight *w = &p->weights[i];
    const at_place *place = &o->model->place[i];
    const source *from = &o->sources[i];
    int whole = has_place_alone(place, w), in_home = w->kind != AT_WEIGHT_LINEAR && w->form == AT_FORM_FP32 && whole && !from->packed;
    if (!in_home && whole && (w == o->model->body.token || w == o->model->head.classifier)) return read_words(o, i, err);
    if (from->packed) return read_packed(o, i, err);
#ifndef AT_DOUBLE
    if (in_home)
        return at_safetensors_read_f32(from->file, from->tensor, at_weight_values(p, w), 0, err);
#endif
    at_arena scratch = {0};
    size_t count = (size_t)place->total * (size_t)w->in, own = whole ? 0 : (size_t)w->out * (size_t)w->in;
    float *values = at_alloc_raw(&scratch, count + own, sizeof(float)), *rows = whole ? values : values + count;
    at_status st = values ? at_safetensors_read_f32(from->file, from->tensor, values, 0, err)
                          : at_fail_memory(err, (count + own) * sizeof(float));
    if (!st && !whole) at_place_take(place, w, values, rows);
    if (!st) at_weight_put(p, w, rows);
    at_arena_free(&scratch);
    return st;
}

static void read_task(void *context, int i) {
    opening *o = context;
    if (source_name(&o->sources[i])) o->status[i] = read_weight(o, i, NULL);
}

static at_status read_weights(opening *o) {
    at_model *m = o->model;
    if (o->options->sizes_only) return AT_OK;
    AT_TRY(at_params_allocate(&m->params, o->err));
    at_pool_run(o->options->pool, read_task, o, m->params.n);
    for (int i = 0; i < m->params.n; i++) {
        at_weight *w = &m->params.weights[i];
        if (o->status[i]) AT_TRY(read_weight(o, i, o->err)); /* once more, for the sentence */
        if (source_name(&o->sources[i])) continue;
        if (w->kind == AT_WEIGHT_VECTOR) at_weight_fill(&m->params, w, w == m->head.norm ? 1 : 0);
        else at_weight_init_normal(&m->params, w, m->arch.initializer_range, o->options->seed);
    }
    return AT_OK;
}

static int is_used(const opening *o, const char *stored) {
    for (int i = 0; i < o->model->params.n; i++) {
        const char *name = source_name(&o->sources[i]);
        if (name && !strcmp(name, stored)) return 1;
    }
    return 0;
}

static const char *stored_name(const opening *o, int i) { return o->gguf ? at_gguf_at(o->gguf, i)->name : at_safetensors_at(o->file, i)->name; }

static at_status report(opening *o) {
    at_model *m = o->model;
    at_load_report *r = &m->report;
    int n_file = o->gguf ? at_gguf_count(o->gguf) : at_safetensors_count(o->file), n = m->params.n;
    r->used = AT_NEW_ARRAY(&m->arena, const char *, n);
    r->fresh = AT_NEW_ARRAY(&m->arena, const char *, n);
    r->dropped = AT_NEW_ARRAY(&m->arena, const char *, n_file);
    if (!r->used || !r->fresh || !r->dropped) return at_fail_memory(o->err, (size_t)(n + n_file) * sizeof(char *));
    for (int i = 0; i < n; i++) {
        const char *name = source_name(&o->sources[i]);
        if (!name) r->fresh[r->n_fresh++] = m->params.weights[i].name;
        else if (m->place[i].first > 0) continue; /* told with the first that lies in its tensor */
        else if (!(r->used[r->n_used++] = at_strdup(&m->arena, name))) return at_fail_memory(o->err, 0);
    }
    for (int i = 0; i < n_file; i++) {
        const char *name = stored_name(o, i);
        if (at_names_is_buffer(o->family, name) || is_used(o, name)) continue;
        if (o->file && at_safetensors_is_scale(o->file, at_safetensors_at(o->file, i))) continue;
        if (!(r->dropped[r->n_dropped++] = at_strdup(&m->arena, name))) return at_fail_memory(o->err, 0);
    }
    return AT_OK;
}

static at_status open_files(opening *o, const char *folder) {
    at_model *m = o->model;
    if (o->gguf) { /* a decoder there is a language model */
        if (m->arch.causal && o->family->lm) o->found = (at_folder_head){.kind = AT_HEAD_LM, .n_out = AT_VOCABULARY_ANSWERS};
        return AT_OK;
    }
    AT_TRY(at_safetensors_open_folder(folder, &o->file, o->err));
    return at_folder_find_head(folder, m->config, o->family, &m->arch, o->file, &m->arena, &o->found, o->err);
}

static at_status open_all(opening *o, const char *folder) {
    at_model *m = o->model;
    AT_TRY(read_config(o, folder));
    o->family = at_family_find(m->arch.family);
    AT_TRY(open_files(o, folder));
    choose_head(o);
    if (m->head.kind == AT_HEAD_LM) choose_lm(o);
    if (m->head.kind == AT_HEAD_LM && o->file) AT_TRY(at_ties_settle(o->family, o->file, &m->arch, o->err));
    AT_TRY(choose_stacks(o));
    choose_padding(o);
    AT_TRY(check_head(o));
    AT_TRY(at_names_declare(o->family, m, o->err));
    AT_TRY(choose_pooling(o));
    AT_TRY(find_sources(o));
    AT_TRY(choose_forms(o));
    AT_TRY(read_weights(o));
    return report(o);
}

at_status at_model_open(const char *folder, const at_model_options *options, at_model **model, at_error *err) {
    *model = NULL;
    at_model *m = calloc(1, sizeof *m);
    if (!m) return at_fail_memory(err, sizeof *m);
    opening o = {.model = m, .options = options, .err = err};
    at_status st = open_all(&o, folder);
    at_safetensors_close(o.file);
    for (int i = 0; i < o.found.n_dense; i++) at_safetensors_close(o.found.dense[i].file);
    at_gguf_close(o.gguf);
    if (st) at_model_close(m);
    else *model = m;
    return st;
}

void at_model_close(at_model *model) {
    if (!model) return;
    at_half_copies_close(model->half);
    at_params_free(&model->params);
    json_decref(model->config);
    at_arena_free(&model->arena);
    free(model);
}
