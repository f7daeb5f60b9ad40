/* Opening a model folder: config.json -> arch -> declared weights -> their tensors in the files, shapes checked -> memory ->
 * every tensor read into its packed home. Shapes come before memory, so that a config with absurd sizes costs nothing. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/folder.h"
#include "model/names.h"

/* Where a weight comes from; tensor NULL: it is new. */
typedef struct source {
    const at_safetensors *file;
    const at_stored_tensor *tensor;
} source;

typedef struct opening {
    at_model *model;
    const at_model_options *options;
    const at_family *family;
    at_safetensors *file;
    at_folder_head found; /* the folder's own head */
    source *sources;      /* [params.n] */
    at_status *status;    /* [params.n] of reading */
    at_error *err;
} opening;

static at_status read_config(at_model *m, const char *folder, at_error *err) {
    m->folder = at_strdup(&m->arena, folder);
    const char *path = at_path_join(&m->arena, folder, "config.json");
    if (!m->folder || !path) return at_fail_memory(err, strlen(folder));
    if (!at_is_folder(folder)) return at_fail(err, AT_BAD_MODEL, "%s: no such model folder", folder);
    if (!at_file_exists(path))
        return at_fail(err, AT_BAD_MODEL, "%s: not a model folder: it has no config.json", folder);
    AT_TRY(at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &m->config, err));
    return at_arch_read(m->config, path, &m->arena, &m->arch, err);
}

static void choose_head(opening *o) {
    const at_model_options *want = o->options;
    at_head *head = &o->model->head;
    const at_folder_head *found = &o->found;
    int asks = want->head != AT_HEAD_NONE;
    head->kind = asks ? want->head : found->kind;
    int same = found->kind != AT_HEAD_NONE && found->kind == head->kind && (want->n_out == 0 || want->n_out == found->n_out);
    o->model->trained_head = same && (want->keep_head || !asks);
    head->n_out = head->kind == AT_HEAD_EMBED ? o->model->arch.hidden : o->model->trained_head ? found->n_out : want->n_out;
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

/* A language model's head is what the folder has. */
static void choose_lm(opening *o) {
    o->model->head = (at_head){.kind = AT_HEAD_LM, .n_out = o->model->arch.vocab_size};
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

static at_status check_shape(const opening *o, int i, const source *from) {
    const at_model *m = o->model;
    const at_stored_tensor *t = from->tensor;
    int64_t want[2];
    int n_dims = at_place_shape(&m->place[i], &m->params.weights[i], want);
    int fits = t->n_dims == n_dims && t->shape[0] == want[0] && (n_dims == 1 || t->shape[1] == want[1]);
    if (fits) return AT_OK;
    at_arena *arena = &o->model->arena;
    return at_fail(o->err, AT_BAD_MODEL, "%s: tensor %s is %s, but config.json asks for %s",
                   at_safetensors_path(from->file, t), t->name, shape_text(arena, t->shape, t->n_dims),
                   shape_text(arena, want, n_dims));
}

static source find_source(const opening *o, int i) {
    const at_head *h = &o->model->head;
    const at_weight *w = &o->model->params.weights[i];
    source from = {o->file, NULL};
    int is_classifier = w == h->classifier || w == h->classifier_bias;
    if (is_classifier && !o->model->trained_head && h->kind != AT_HEAD_MASK) return from;
    if (is_classifier && o->found.dense) {
        from.file = o->found.dense;
        from.tensor = at_safetensors_find(from.file, w == h->classifier ? "linear.weight" : "linear.bias");
        return from;
    }
    from.tensor = at_names_lookup(o->file, &o->model->place[i]);
    return from;
}

static at_status find_sources(opening *o) {
    at_model *m = o->model;
    o->sources = AT_NEW_ARRAY(&m->arena, source, m->params.n);
    o->status = AT_NEW_ARRAY(&m->arena, at_status, m->params.n);
    if (!o->sources || !o->status) return at_fail_memory(o->err, (size_t)m->params.n * sizeof(source));
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        o->sources[i] = find_source(o, i);
        if (o->sources[i].tensor) AT_TRY(check_shape(o, i, &o->sources[i]));
        else if (!w->is_head || m->head.kind == AT_HEAD_LM)
            return at_fail(o->err, AT_BAD_MODEL, "%s: the weights have no tensor %s, which config.json (%s) asks for", m->folder,
                           m->place[i].bare, m->arch.family);
    }
    return AT_OK;
}

/* A packed weight, or one that shares its tensor, is read in the file's layout first; where the home has that layout, it is read
 * straight into it. */
static at_status read_weight(const opening *o, int i, at_error *err) {
    at_params *p = &o->model->params;
    const at_weight *w = &p->weights[i];
    const at_place *place = &o->model->place[i];
    const source *from = &o->sources[i];
    int whole = place->total == w->out && !place->transposed;
#ifndef AT_DOUBLE
    if (w->kind != AT_WEIGHT_LINEAR && whole)
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
    if (o->sources[i].tensor) o->status[i] = read_weight(o, i, NULL);
}

static at_status read_weights(opening *o) {
    at_model *m = o->model;
    if (o->options->sizes_only) return AT_OK;
    AT_TRY(at_params_allocate(&m->params, o->err));
    at_pool_run(o->options->pool, read_task, o, m->params.n);
    for (int i = 0; i < m->params.n; i++) {
        at_weight *w = &m->params.weights[i];
        if (o->status[i]) AT_TRY(read_weight(o, i, o->err)); /* once more, for the sentence */
        if (o->sources[i].tensor) continue;
        if (w->kind == AT_WEIGHT_VECTOR) at_weight_fill(&m->params, w, w == m->head.norm ? 1 : 0);
        else at_weight_init_normal(&m->params, w, m->arch.initializer_range, o->options->seed);
    }
    return AT_OK;
}

static int is_used(const opening *o, const at_stored_tensor *t) {
    for (int i = 0; i < o->model->params.n; i++)
        if (o->sources[i].tensor == t) return 1;
    return 0;
}

static at_status report(opening *o) {
    at_model *m = o->model;
    at_load_report *r = &m->report;
    int n_file = at_safetensors_count(o->file), n = m->params.n;
    r->used = AT_NEW_ARRAY(&m->arena, const char *, n);
    r->fresh = AT_NEW_ARRAY(&m->arena, const char *, n);
    r->dropped = AT_NEW_ARRAY(&m->arena, const char *, n_file);
    if (!r->used || !r->fresh || !r->dropped) return at_fail_memory(o->err, (size_t)(n + n_file) * sizeof(char *));
    for (int i = 0; i < n; i++) {
        if (!o->sources[i].tensor) r->fresh[r->n_fresh++] = m->params.weights[i].name;
        else if (m->place[i].first > 0) continue; /* told with the first that lies in its tensor */
        else if (!(r->used[r->n_used++] = at_strdup(&m->arena, o->sources[i].tensor->name))) return at_fail_memory(o->err, 0);
    }
    for (int i = 0; i < n_file; i++) {
        const at_stored_tensor *t = at_safetensors_at(o->file, i);
        if (at_names_is_buffer(o->family, t->name) || is_used(o, t)) continue;
        if (!(r->dropped[r->n_dropped++] = at_strdup(&m->arena, t->name))) return at_fail_memory(o->err, 0);
    }
    return AT_OK;
}

static at_status open_all(opening *o, const char *folder) {
    at_model *m = o->model;
    AT_TRY(read_config(m, folder, o->err));
    o->family = at_family_find(m->arch.family);
    AT_TRY(at_safetensors_open_folder(folder, &o->file, o->err));
    AT_TRY(at_folder_find_head(folder, m->config, o->family, &m->arch, o->file, &m->arena, &o->found, o->err));
    if (o->options->head == AT_HEAD_LM) choose_lm(o);
    else choose_head(o);
    choose_padding(o);
    AT_TRY(check_head(o));
    AT_TRY(at_names_declare(o->family, m, o->err));
    AT_TRY(choose_pooling(o));
    AT_TRY(find_sources(o));
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
    at_safetensors_close(o.found.dense);
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
