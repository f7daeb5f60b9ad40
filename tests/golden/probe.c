/* What the oracles in tests/oracle ask a model for, without a tokenizer:
 *   attune_probe FOLDER BATCH OUT [FOLDER_TO_SAVE]
 * runs the batch file (see harness.h) through the folder's own head and writes OUT, a safetensors file with logits, loss and the
 * gradient of every weight under our names; with a fourth argument it saves the model there. */
#include <stdio.h>

#include "golden/harness.h"

typedef struct answers {
    harness *h;
    int *weight; /* [2 ..] the first that lies in each tensor */
} answers;

static at_status fill(void *context, int i, void *bytes, at_error *err) {
    (void)err;
    const answers *a = context;
    harness *h = a->h;
    float *values = bytes;
    if (i == 0)
        for (int e = 0; e < h->logits->rows * h->logits->cols; e++) values[e] = (float)h->logits->data[e];
    else if (i == 1) values[0] = (float)h->loss->data[0];
    else harness_tensor_gradient(h, a->weight[i], values);
    return AT_OK;
}

static at_status write_answers(harness *h, const char *path, at_error *err) {
    const at_params *p = &h->model->params;
    at_arena arena = {0};
    at_tensor_out *out = AT_NEW_ARRAY(&arena, at_tensor_out, p->n + 2);
    answers a = {h, AT_NEW_ARRAY(&arena, int, p->n + 2)};
    out[0] = (at_tensor_out){.name = "logits", .dtype = AT_F32, .n_dims = 2, .shape = {h->logits->rows, h->logits->cols}};
    out[1] = (at_tensor_out){.name = "loss", .dtype = AT_F32, .n_dims = 1, .shape = {1}};
    int n = 2;
    for (int i = 0; i < p->n; i++) {
        const at_place *place = &h->model->place[i];
        if (place->first > 0) continue;
        out[n] = (at_tensor_out){.name = place->bare, .dtype = AT_F32};
        out[n].n_dims = at_place_shape(place, &p->weights[i], out[n].shape);
        a.weight[n++] = i;
    }
    at_status st = at_safetensors_write(path, out, n, NULL, fill, &a, err);
    at_arena_free(&arena);
    return st;
}

int main(int argc, char **argv) {
    if (argc < 4) return AT_USAGE;
    harness h;
    at_error err = {0};
    at_model_options options = {.keep_head = 1};
    at_status st = harness_open(&h, argv[1], &options, argv[2], &err);
    if (!st) harness_pack(&h, 0, 1);
    if (!st) st = harness_run(&h, 1);
    if (!st) st = write_answers(&h, argv[3], &err);
    if (!st && argc > 4) st = at_model_save(h.model, NULL, argv[4], &err);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    harness_close(&h);
    return (int)st;
}
