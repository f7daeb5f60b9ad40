/* The examples are sorted by length and cut into chunks; threads take chunk after chunk, longest first. Where an answer goes depends
 * on its example alone, so the threads do not show. */
#include "train/forward.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/workspace.h"

typedef struct chunk {
    int start, n; /* in walk.order */
} chunk;

typedef struct walk walk;
struct walk {
    const at_model *model;
    const at_dataset *d;
    const at_backend *backend;
    /* What is wanted: the tensors of one chunk go to their places. */
    void (*forward)(walk *w, at_tape *tape, const at_batch *batch);
    float *logits;
    const at_feature_set *sets;
    int n_sets;
    int (*progress)(void *, int);
    void *context;

    uint32_t *order;
    chunk *chunks;
    int n_chunks;
    at_batch_size most; /* of any chunk */
    at_half_copies *half; /* where the backend has bf16 products */
    at_workspace *workspaces;
    atomic_int next, stop;
    pthread_mutex_t lock; /* guards what follows, and calls of progress */
    int done;
    at_status status;
    at_error *err;
};

/* Longest first; equal lengths in the order of the data. Counting sort. */
static at_status sort_by_length(walk *w, at_arena *arena, at_error *err) {
    const at_dataset *d = w->d;
    uint32_t *at = AT_NEW_ARRAY(arena, uint32_t, d->longest + 2);
    w->order = AT_NEW_ARRAY(arena, uint32_t, d->n);
    if (!at || !w->order) return at_fail_memory(err, (size_t)d->n * sizeof *w->order);
    for (int i = 0; i < d->n; i++) at[d->longest - at_dataset_length(d, i) + 1]++;
    for (int i = 0; i < d->longest + 1; i++) at[i + 1] += at[i];
    for (int i = 0; i < d->n; i++) w->order[at[d->longest - at_dataset_length(d, i)]++] = (uint32_t)i;
    return AT_OK;
}

static int max_int(int a, int b) { return a > b ? a : b; }

static void raise_most(walk *w, const chunk *c) {
    const at_dataset *d = w->d;
    int rows = 0, places = 0, decoder_rows = 0;
    for (int i = c->start; i < c->start + c->n; i++) {
        int example = (int)w->order[i], decoder = at_dataset_decoder_length(d, example);
        rows += at_dataset_source_length(d, example);
        decoder_rows += decoder;
        if (d->place_at) places += at_dataset_n_outputs(d, example);
        w->most.max_len = max_int(w->most.max_len, at_dataset_source_length(d, example));
        w->most.decoder_len = max_int(w->most.decoder_len, decoder);
    }
    w->most.rows = max_int(w->most.rows, rows);
    w->most.decoder_rows = max_int(w->most.decoder_rows, decoder_rows);
    w->most.n_seq = max_int(w->most.n_seq, c->n);
    w->most.n_places = max_int(w->most.n_places, places);
}

static at_status cut_chunks(walk *w, at_arena *arena, at_error *err) {
    const at_dataset *d = w->d;
    w->chunks = AT_NEW_ARRAY(arena, chunk, d->n);
    if (!w->chunks) return at_fail_memory(err, (size_t)d->n * sizeof *w->chunks);
    for (int i = 0; i < d->n; w->n_chunks++) {
        int rows = 0, start = i;
        do rows += at_dataset_length(d, (int)w->order[i++]);
        while (i < d->n && rows + at_dataset_length(d, (int)w->order[i]) <= w->backend->chunk_rows);
        w->chunks[w->n_chunks] = (chunk){start, i - start};
        raise_most(w, &w->chunks[w->n_chunks]);
    }
    return AT_OK;
}

static at_tape make_tape(const walk *w, at_workspace *workspace, at_error *err) {
    at_tape tape = {.backend = w->backend, .half = w->model->half ? w->model->half : w->half, .err = err};
    tape.params = (at_params *)(uintptr_t)&w->model->params; /* without gradients nothing writes to it */
    at_workspace_lend(workspace, &tape);
    return tape;
}

static at_status measure(walk *w, at_workspace_size *size, at_error *err) {
    at_workspace workspace;
    at_batch batch;
    AT_TRY(at_workspace_measure(&workspace, err));
    at_tape tape = make_tape(w, &workspace, err);
    tape.dry = 1;
    at_tape_begin(&tape);
    at_status st = at_batch_largest(&workspace.objects, w->most, &batch, err);
    if (!st) {
        w->forward(w, &tape, &batch);
        st = at_tape_status(&tape);
    }
    *size = at_workspace_peak(&workspace);
    at_workspace_close(&workspace);
    return st;
}

static void fail(walk *w, at_status status, const at_error *why) {
    pthread_mutex_lock(&w->lock);
    if (!w->status) {
        w->status = status;
        if (w->err) *w->err = *why;
    }
    pthread_mutex_unlock(&w->lock);
    atomic_store(&w->stop, 1);
}

static void report(walk *w, int n) {
    pthread_mutex_lock(&w->lock);
    int done = w->done += n, stop = w->progress && w->progress(w->context, done);
    pthread_mutex_unlock(&w->lock);
    if (!stop) return;
    at_error why;
    at_fail(&why, AT_STOPPED, "stopped after %d of %d examples", done, w->d->n);
    fail(w, AT_STOPPED, &why);
}

static at_status predict_chunk(walk *w, const chunk *c, at_tape *tape, at_workspace *workspace, at_error *err) {
    at_batch batch;
    at_workspace_rewind(workspace);
    at_tape_begin(tape);
    AT_TRY(at_dataset_pack(w->d, w->order + c->start, NULL, c->n, &workspace->objects, &batch, err));
    w->forward(w, tape, &batch);
    return at_tape_status(tape);
}

static void worker(void *context, int i) {
    walk *w = context;
    at_error why = {0};
    at_tape tape = make_tape(w, &w->workspaces[i], &why);
    for (int c; !atomic_load(&w->stop) && (c = atomic_fetch_add(&w->next, 1)) < w->n_chunks;) {
        at_status st = predict_chunk(w, &w->chunks[c], &tape, &w->workspaces[i], &why);
        if (st) fail(w, st, &why);
        else report(w, w->chunks[c].n);
    }
}

static at_status run_workers(walk *w, at_pool *pool, at_arena *arena, at_error *err) {
    at_workspace_size size;
    AT_TRY(measure(w, &size, err));
    int n = at_pool_threads(pool) < w->n_chunks ? at_pool_threads(pool) : w->n_chunks, opened = 0;
    w->workspaces = AT_NEW_ARRAY(arena, at_workspace, n);
    if (!w->workspaces) return at_fail_memory(err, 0);
    at_status st = AT_OK;
    for (; opened < n && !st; opened++) st = at_workspace_open(&w->workspaces[opened], size, err);
    if (!st) {
        at_pool_run(pool, worker, w, n);
        st = w->status;
    }
    for (int i = 0; i < opened; i++) at_workspace_close(&w->workspaces[i]);
    return st;
}

static at_status walk_dataset(walk *w, at_pool *pool, at_error *err) {
    const at_arch *arch = &w->model->arch;
    if (w->d->n == 0) return AT_OK;
    AT_TRY(at_dataset_fits(w->d, arch->vocab_size, arch->type_vocab, arch->max_positions, err));
    at_arena arena = {.mapped = 1};
    w->err = err;
    pthread_mutex_init(&w->lock, NULL);
    at_status st = w->model->half ? AT_OK : at_half_copies_open(&w->half, &w->model->params, w->backend->half, 0, err);
    at_half_copies_refresh(w->half, &w->model->params, 0, pool);
    if (!st) st = sort_by_length(w, &arena, err);
    if (!st) st = cut_chunks(w, &arena, err);
    if (!st) st = run_workers(w, pool, &arena, err);
    pthread_mutex_destroy(&w->lock);
    at_half_copies_close(w->half);
    at_arena_free(&arena);
    return st;
}

/* Rows of x to the places of their outputs. */
static void scatter(const at_batch *batch, const at_tensor *x, float *to) {
    size_t cols = (size_t)x->cols;
    for (int i = 0; i < batch->n_outputs; i++)
        for (size_t c = 0; c < cols; c++)
            to[(size_t)batch->output[i] * cols + c] = (float)x->data[(size_t)i * cols + c];
}

static void forward_logits(walk *w, at_tape *tape, const at_batch *batch) {
    at_tensor *logits = at_model_forward(tape, w->model, batch);
    if (!at_tape_status(tape) && !tape->dry) scatter(batch, logits, w->logits);
}

static void forward_features(walk *w, at_tape *tape, const at_batch *batch) {
    at_tensor *hidden = w->n_sets > 1 ? at_body_forward(tape, w->model, batch) : NULL;
    for (int i = 0; i < w->n_sets; i++) {
        at_head_kind kind = w->sets[i].kind;
        at_tensor *features = hidden ? at_head_pool(tape, w->model, kind, hidden, batch) : at_model_features(tape, w->model, kind, batch);
        if (!at_tape_status(tape) && !tape->dry) scatter(batch, features, w->sets[i].features);
    }
}

at_status at_forward_logits(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool, float *logits,
                            int (*progress)(void *context, int done), void *context, at_error *err) {
    walk w = {.model = model, .d = d, .backend = backend, .forward = forward_logits, .logits = logits,
              .progress = progress, .context = context};
    if (model->head.kind == AT_HEAD_NONE) return at_fail(err, AT_BAD_MODEL, "%s: has no head to predict with", model->folder);
    return walk_dataset(&w, pool, err);
}

at_status at_forward_features(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                              const at_feature_set *sets, int n_sets, int (*progress)(void *context, int done), void *context,
                              at_error *err) {
    walk w = {.model = model, .d = d, .backend = backend, .forward = forward_features, .sets = sets, .n_sets = n_sets,
              .progress = progress, .context = context};
    return walk_dataset(&w, pool, err);
}
