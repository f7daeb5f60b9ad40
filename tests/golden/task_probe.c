/* What tests/oracle/live_tasks.py asks a task for, without a tokenizer:
 *   attune_task_probe FOLDER BATCH OUT TASK
 * runs the batch through the folder's own head and the task's own loss and writes OUT, a safetensors file with logits, loss and the gradient of
 * every weight. BATCH: ids I32 and types U8 [rows], cu_seqlens I32 [n_seq + 1]; and labels I32 [rows] for tag (negative: no place), else
 * targets F32 [n_seq, width]. */
#include <stdio.h>

#include "golden/harness.h"
#include "train/task.h"

typedef struct task_probe {
    harness h;
    at_dataset d;
    at_task_state state;
    int32_t *label;
    int rows;
} task_probe;

static at_status read_batch(task_probe *p, const char *path, at_error *err) {
    at_safetensors *file;
    harness *h = &p->h;
    int n = 0, cells = 0;
    AT_TRY(at_safetensors_open(path, &file, err));
    at_status st = harness_read(&h->memory, file, "ids", (void **)&h->ids, &p->rows, err);
    if (!st) st = harness_read(&h->memory, file, "types", (void **)&h->types, NULL, err);
    if (!st) st = harness_read(&h->memory, file, "cu_seqlens", (void **)&h->cu, &n, err);
    h->n_seq = n - 1;
    if (!st && at_safetensors_find(file, "labels")) st = harness_read(&h->memory, file, "labels", (void **)&p->label, NULL, err);
    else if (!st) st = harness_read(&h->memory, file, "targets", (void **)&p->d.target, &cells, err);
    if (h->n_seq > 0) p->d.target_width = cells / h->n_seq;
    at_safetensors_close(file);
    return st;
}

static void fill_dataset(task_probe *p) {
    harness *h = &p->h;
    at_dataset *d = &p->d;
    d->path = "batch";
    d->n = h->n_seq;
    d->ids = h->ids;
    d->types = h->types;
    d->token_at = AT_NEW_ARRAY(&h->memory, uint64_t, d->n + 1);
    d->line = AT_NEW_ARRAY(&h->memory, uint32_t, d->n);
    for (int i = 0; i <= d->n; i++) d->token_at[i] = (uint64_t)h->cu[i];
    if (!p->label) return;
    uint64_t n = 0;
    d->place_at = AT_NEW_ARRAY(&h->memory, uint64_t, d->n + 1);
    d->place = AT_NEW_ARRAY(&h->memory, uint32_t, p->rows);
    d->label = AT_NEW_ARRAY(&h->memory, int32_t, p->rows);
    for (int s = 0; s < d->n; s++) {
        for (int r = h->cu[s]; r < h->cu[s + 1]; r++) {
            if (p->label[r] < 0) continue;
            d->place[n] = (uint32_t)(r - h->cu[s]);
            d->label[n++] = p->label[r];
        }
        d->place_at[s + 1] = n;
    }
}

static at_status run(task_probe *p, at_error *err) {
    harness *h = &p->h;
    at_tape *t = &h->tape;
    uint32_t *index = AT_NEW_ARRAY(&h->memory, uint32_t, p->d.n);
    for (int i = 0; i < p->d.n; i++) index[i] = (uint32_t)i;
    unsigned char *all = at_alloc(&h->memory, (size_t)h->model->params.n, 1);
    memset(all, 1, (size_t)h->model->params.n);
    at_params_set_trainable(&h->model->params, all);
    AT_TRY(at_gradients_make(&h->gradients, &h->memory, &h->model->params, p->rows, err));
    *t = (at_tape){.params = &h->model->params, .arena = &h->step[0], .pool = &h->step[1], .scratch = &h->step[2], .objects = &h->step[3],
                   .seed = 1, .gradients = &h->gradients, .err = err};
    AT_TRY(at_backend_choose(NULL, &t->backend, err));
    AT_TRY(at_dataset_pack(&p->d, index, NULL, p->d.n, &h->memory, &h->batch, err));
    at_gradients_clear(&h->gradients);
    at_tape_begin(t);
    h->hidden = at_body_forward(t, h->model, &h->batch);
    at_tape_begin(t); /* all rows were for looking at; what is trained computes those that the head reads */
    h->logits = at_model_forward(t, h->model, &h->batch);
    AT_TRY(at_tape_status(t));
    h->loss = p->state.task->loss(&p->state, t, h->model, h->logits, &h->batch, &p->d, at_task_norm(&p->state, &p->d, index, p->d.n));
    return h->loss ? at_tape_backward(t, h->loss) : at_tape_status(t);
}

static at_status fill(void *context, int i, void *bytes, at_error *err) {
    (void)err;
    const harness *h = context;
    float *values = bytes;
    if (i == 0)
        for (int e = 0; e < h->logits->rows * h->logits->cols; e++) values[e] = (float)h->logits->data[e];
    else if (i == 1) values[0] = (float)h->loss->data[0];
    else harness_gradient(h, &h->model->params.weights[i - 2], values);
    return AT_OK;
}

static at_status write_answers(harness *h, const char *path, at_error *err) {
    const at_params *p = &h->model->params;
    at_tensor_out *out = AT_NEW_ARRAY(&h->memory, at_tensor_out, p->n + 2);
    out[0] = (at_tensor_out){.name = "logits", .dtype = AT_F32, .n_dims = 2, .shape = {h->logits->rows, h->logits->cols}};
    out[1] = (at_tensor_out){.name = "loss", .dtype = AT_F32, .n_dims = 1, .shape = {1}};
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        out[i + 2] = (at_tensor_out){.name = w->name, .dtype = AT_F32, .n_dims = w->kind == AT_WEIGHT_VECTOR ? 1 : 2, .shape = {w->out, w->in}};
    }
    return at_safetensors_write(path, out, p->n + 2, NULL, fill, h, err);
}

int main(int argc, char **argv) {
    if (argc < 5) return AT_USAGE;
    task_probe p = {0};
    at_error err = {0};
    at_model_options options = {.keep_head = 1};
    p.state.task = at_task_find(argv[4]);
    if (!p.state.task) return AT_USAGE;
    at_status st = at_model_open(argv[1], &options, &p.h.model, &err);
    if (!st) st = at_task_adopt(&p.state, p.h.model, &err);
    if (!st) st = read_batch(&p, argv[2], &err);
    if (!st) fill_dataset(&p);
    if (!st) st = run(&p, &err);
    if (!st) st = write_answers(&p.h, argv[3], &err);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    at_task_close(&p.state);
    harness_close(&p.h);
    return (int)st;
}
