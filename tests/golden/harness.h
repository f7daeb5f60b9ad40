/* A model, a batch and a tape for tests: what a trainer is for a run. Fails the running test by itself (at_tests_fail). */
#ifndef AT_TESTS_HARNESS_H
#define AT_TESTS_HARNESS_H

#include <math.h>
#include <string.h>

#include "io/safetensors.h"
#include "model/model.h"

enum { HARNESS_ARENAS = 4 };

typedef struct harness {
    at_model *model;
    at_arena memory;                 /* of the batch file and the gradients */
    at_arena step[HARNESS_ARENAS];   /* arena, pool, scratch, objects */
    int n_seq;                       /* of the file */
    int32_t *ids, *cu, *label;
    uint8_t *types;
    at_batch batch;                  /* the sequences packed last */
    int32_t *target;                 /* [batch.n_seq] */
    at_gradients gradients;
    at_tape tape;
    at_tensor *hidden, *logits, *loss;
} harness;

static inline at_status harness_read(at_arena *arena, const at_safetensors *file, const char *name, void **bytes, int *n,
                                     at_error *err) {
    const at_stored_tensor *t = at_safetensors_find(file, name);
    if (!t) return at_fail(err, AT_BAD_DATA, "no tensor %s in the batch", name);
    *bytes = at_alloc(arena, t->bytes, 1);
    if (n) *n = (int)t->count;
    return at_safetensors_read_raw(file, t, *bytes, err);
}

/* A batch file: ids I32 [rows], types U8 [rows], cu_seqlens I32 [n_seq + 1], labels I32 [n_seq]. */
static inline at_status harness_batch(harness *h, const char *path, at_error *err) {
    at_safetensors *file;
    AT_TRY(at_safetensors_open(path, &file, err));
    at_status st = harness_read(&h->memory, file, "ids", (void **)&h->ids, NULL, err);
    if (!st) st = harness_read(&h->memory, file, "types", (void **)&h->types, NULL, err);
    if (!st) st = harness_read(&h->memory, file, "cu_seqlens", (void **)&h->cu, NULL, err);
    if (!st) st = harness_read(&h->memory, file, "labels", (void **)&h->label, &h->n_seq, err);
    at_safetensors_close(file);
    return st;
}

/* Opens the folder; every weight is trainable. */
static inline at_status harness_open(harness *h, const char *folder, const at_model_options *options, const char *batch,
                                     at_error *err) {
    *h = (harness){0};
    AT_TRY(at_model_open(folder, options, &h->model, err));
    AT_TRY(harness_batch(h, batch, err));
    unsigned char *all = at_alloc(&h->memory, (size_t)h->model->params.n, 1);
    memset(all, 1, (size_t)h->model->params.n);
    at_params_set_trainable(&h->model->params, all);
    AT_TRY(at_gradients_make(&h->gradients, &h->memory, &h->model->params, h->cu[h->n_seq], err));
    h->tape = (at_tape){.params = &h->model->params, .arena = &h->step[0], .pool = &h->step[1], .scratch = &h->step[2],
                        .objects = &h->step[3], .seed = 1, .err = err};
    return at_backend_choose(NULL, &h->tape.backend, err);
}

static inline void harness_close(harness *h) {
    at_model_close(h->model);
    for (int i = 0; i < HARNESS_ARENAS; i++) at_arena_free(&h->step[i]);
    at_arena_free(&h->memory);
}

/* Packs sequences first, first + stride, ... of the file. */
static inline void harness_pack(harness *h, int first, int stride) {
    size_t rows = (size_t)h->cu[h->n_seq], n = (size_t)h->n_seq;
    at_arena *a = &h->memory;
    int32_t *ids = AT_NEW_ARRAY(a, int32_t, rows), *positions = AT_NEW_ARRAY(a, int32_t, rows);
    uint8_t *types = AT_NEW_ARRAY(a, uint8_t, rows);
    uint64_t *row_id = AT_NEW_ARRAY(a, uint64_t, rows), *seq_row = AT_NEW_ARRAY(a, uint64_t, n);
    uint32_t *seq_id = AT_NEW_ARRAY(a, uint32_t, n);
    int *cu = AT_NEW_ARRAY(a, int, n + 1);
    at_batch b = {0};
    h->target = AT_NEW_ARRAY(a, int32_t, n);
    for (int s = first; s < h->n_seq; s += stride, b.n_seq++) {
        seq_id[b.n_seq] = (uint32_t)b.n_seq;
        seq_row[b.n_seq] = (uint64_t)b.n_seq << 32;
        h->target[b.n_seq] = h->label[s];
        for (int r = h->cu[s]; r < h->cu[s + 1]; r++, b.rows++) {
            ids[b.rows] = h->ids[r];
            types[b.rows] = h->types[r];
            positions[b.rows] = r - h->cu[s];
            row_id[b.rows] = seq_row[b.n_seq] | (uint64_t)positions[b.rows];
        }
        cu[b.n_seq + 1] = b.rows;
        if (h->cu[s + 1] - h->cu[s] > b.max_len) b.max_len = h->cu[s + 1] - h->cu[s];
    }
    uint64_t *output_row = seq_row;
    int32_t *output = AT_NEW_ARRAY(a, int32_t, n);
    for (int s = 0; s < b.n_seq; s++) output[s] = s;
    h->batch = (at_batch){.rows = b.rows, .n_seq = b.n_seq, .max_len = b.max_len, .cu_seqlens = cu, .ids = ids, .types = types,
                          .positions = positions, .row_id = row_id, .seq_row = seq_row, .seq_id = seq_id,
                          .n_outputs = b.n_seq, .output = output, .output_row = output_row};
}

/* Forward over the packed batch: hidden states and what the head makes of them. Recorded, with cleared gradients, where `backward`. */
static inline void harness_forward(harness *h, int backward) {
    at_tape *t = &h->tape;
    for (int i = 0; i < HARNESS_ARENAS; i++) at_arena_rewind(&h->step[i], (at_mark){0});
    at_gradients_clear(&h->gradients);
    t->gradients = backward ? &h->gradients : NULL;
    at_tape_begin(t);
    h->hidden = at_body_forward(t, h->model, &h->batch);
    at_tape_begin(t); /* all rows were for looking at; what is trained computes those that the head reads */
    h->logits = at_model_forward(t, h->model, &h->batch);
}

/* The same with the loss of a classifier, and backward where asked. */
static inline at_status harness_run(harness *h, int backward) {
    at_tape *t = &h->tape;
    harness_forward(h, backward);
    h->loss = at_op_cross_entropy(t, h->logits, h->target, NULL, 0, h->batch.n_seq);
    if (backward && h->loss) return at_tape_backward(t, h->loss);
    return at_tape_status(t);
}

/* The gradient of a weight in the file's layout [out, in]. */
static inline void harness_gradient(const harness *h, const at_weight *w, float *values) {
    at_params view = h->model->params;
    at_weight at_zero = *w;
    at_zero.offset = 0;
    if (w->kind != AT_WEIGHT_TABLE) {
        view.values = h->gradients.dense + w->gradient;
        at_weight_get(&view, &at_zero, values);
        return;
    }
    const at_table_gradient *table = &h->gradients.tables[w->gradient];
    memset(values, 0, w->size * sizeof(float));
    for (int s = 0; s < table->n; s++)
        for (int c = 0; c < w->in; c++)
            values[(size_t)table->row[s] * (size_t)w->in + (size_t)c] =
                (float)table->values[(size_t)s * (size_t)w->in + (size_t)c];
}

/* The gradient of the tensor in which weight i lies, as the file has it; the caller asks for the first that lies in it. */
static inline void harness_tensor_gradient(harness *h, int i, float *values) {
    const at_place *place = h->model->place;
    for (int k = i; k < h->model->params.n; k++) {
        const at_weight *w = &h->model->params.weights[k];
        if (strcmp(place[k].name, place[i].name)) continue;
        float *rows = AT_NEW_ARRAY(&h->memory, float, (size_t)w->out * (size_t)w->in);
        harness_gradient(h, w, rows);
        at_place_give(&place[k], w, rows, values);
    }
}

/* The tensor of the model's own files in which our weight lies. */
static inline const at_stored_tensor *harness_find(const harness *h, const at_safetensors *file, const at_weight *w) {
    const at_place *place = &h->model->place[w - h->model->params.weights];
    const at_stored_tensor *t = at_safetensors_find(file, place->name);
    if (!t) t = at_safetensors_find(file, place->bare);
    if (!t && w == h->model->head.classifier) t = at_safetensors_find(file, "linear.weight");
    if (!t && w == h->model->head.classifier_bias) t = at_safetensors_find(file, "linear.bias");
    return t;
}

/* One AdamW step (decay on what decays, gradient clipped to norm 1) with moments m, v [params.n_moments]; returns the norm. */
static inline double harness_adamw(harness *h, at_real *m, at_real *v, int step, double learning_rate) {
    at_params *p = &h->model->params;
    double squares = 0;
    for (size_t i = 0; i < h->gradients.n_dense; i++) squares += (double)h->gradients.dense[i] * (double)h->gradients.dense[i];
    for (int i = 0; i < h->gradients.n_tables; i++) {
        const at_table_gradient *t = &h->gradients.tables[i];
        for (size_t e = 0; e < (size_t)t->n * (size_t)t->weight->in; e++) squares += (double)t->values[e] * (double)t->values[e];
    }
    double norm = sqrt(squares), clip = 1 / (norm + 1e-6);
    at_adamw a = {.learning_rate = learning_rate, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8,
                  .correction1 = 1 - pow(0.9, step), .correction2 = 1 - pow(0.999, step), .gradient_scale = clip < 1 ? clip : 1};
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        if (w->gradient == AT_NO_GRADIENT) continue;
        a.weight_decay = w->decay ? 0.01 : 0;
        at_real *values = at_weight_values(p, w);
        if (w->kind != AT_WEIGHT_TABLE) {
            h->tape.backend->adamw(&a, values, h->gradients.dense + w->gradient, m + w->moments, v + w->moments, w->size);
            continue;
        }
        const at_table_gradient *t = &h->gradients.tables[w->gradient];
        size_t cols = (size_t)w->in;
        for (size_t r = 0; r < (size_t)w->out; r++) {
            const at_real *g = t->slot[r] < 0 ? NULL : t->values + (size_t)t->slot[r] * cols;
            h->tape.backend->adamw(&a, values + r * cols, g, m + w->moments + r * cols, v + w->moments + r * cols, cols);
        }
    }
    return norm;
}

#endif
