#include "infer/generator.h"

#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "tensor/workspace.h"

struct at_generator {
    const at_model *model;
    at_model writer;    /* the same, whose head gives logits whatever it was opened for */
    at_team *team;
    at_cache cache;
    size_t cache_bytes; /* of the keys, and of the values */
    at_workspace workspace;
    at_tape tape;
    int chunk;          /* rows at a time at most */
    /* Of a model with an encoder; else most_source is 0. */
    int most_source, source_cu[2];
    at_batch source;    /* the text that was read */
    size_t source_bytes;
};

/* Of the stack that writes. */
static int writing_layers(const at_arch *a) { return a->decoder.layers ? a->decoder.layers : a->layers; }
static int key_cols(const at_arch *a) { return a->decoder.layers ? a->decoder.heads * a->decoder.head_dim : a->kv_heads * a->head_dim; }

static size_t side_bytes(const at_model *m, int tokens) {
    /* The last row is read in whole vectors. */
    return (size_t)writing_layers(&m->arch) * (size_t)tokens * (size_t)key_cols(&m->arch) * sizeof(at_real) + AT_ALIGN;
}

size_t at_generator_cache_bytes(const at_model *model, int tokens) { return 2 * side_bytes(model, tokens); }

/* One sequence whose last row is asked for the next word, from position `first` on. Memory from `arena`. */
static at_status make_batch(at_arena *arena, const int32_t *ids, int n, int first, const at_cache *cache, at_batch *batch, at_error *err) {
    int *cu = AT_NEW_ARRAY(arena, int, 2);
    int32_t *positions = AT_NEW_ARRAY(arena, int32_t, n), *place = AT_NEW_ARRAY(arena, int32_t, 1), *output = AT_NEW_ARRAY(arena, int32_t, 1);
    int32_t *own = AT_NEW_ARRAY(arena, int32_t, n);
    uint8_t *types = AT_NEW_ARRAY(arena, uint8_t, n);
    uint64_t *row_id = AT_NEW_ARRAY(arena, uint64_t, n), *one = AT_NEW_ARRAY(arena, uint64_t, 1);
    uint32_t *seq_id = AT_NEW_ARRAY(arena, uint32_t, 1);
    if (!cu || !positions || !place || !output || !own || !types || !row_id || !one || !seq_id) return at_fail_memory(err, (size_t)n * 17);
    cu[1] = n;
    place[0] = n - 1;
    for (int r = 0; r < n; r++) {
        own[r] = ids ? ids[r] : 0;
        positions[r] = first + r;
        row_id[r] = (uint64_t)positions[r];
    }
    *batch = (at_batch){.rows = n, .n_seq = 1, .max_len = n, .cu_seqlens = cu, .ids = own, .types = types, .positions = positions,
                        .row_id = row_id, .seq_row = one, .seq_id = seq_id, .n_outputs = 1, .place = place, .output = output,
                        .output_row = one, .cache = cache};
    return AT_OK;
}

/* The text's rows through the encoder; of them each layer of the decoder keeps its keys and values. */
static at_status read_source(at_generator *g, at_tape *t, const at_batch *batch) {
    at_tensor *encoded = at_body_encode(t, g->model, batch);
    size_t each = (size_t)batch->rows * 2 * (size_t)g->cache.cols;
    for (int l = 0; l < g->cache.layers && !at_tape_status(t); l++) {
        at_mark mark = at_arena_mark(t->arena);
        at_tensor *keys = at_body_source(t, g->model, l, encoded);
        if (keys && !t->dry) memcpy(g->cache.source_keys + (size_t)l * each, keys->data, each * sizeof(at_real));
        at_arena_rewind(t->arena, mark);
    }
    return at_tape_status(t);
}

static at_status write_chunk(at_generator *g, at_tape *t, const at_batch *batch, at_tensor **answer) {
    at_tensor *hidden = at_body_forward(t, g->model, batch);
    if (answer) *answer = at_head_forward(t, g->model, hidden, batch);
    return at_tape_status(t);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* What a dry run of the encoder (reads 1) or of the largest chunk with the longest past takes. */
static at_status measure(at_generator *g, int reads, at_workspace_size *most, at_error *err) {
    at_workspace workspace;
    at_batch batch;
    at_tensor *answer;
    AT_TRY(at_workspace_measure(&workspace, err));
    at_tape tape = g->tape;
    tape.err = err;
    tape.dry = 1;
    at_workspace_lend(&workspace, &tape);
    at_tape_begin(&tape);
    int n = reads ? g->most_source : g->chunk;
    g->cache.length = g->cache.cap - g->chunk;
    at_status st = make_batch(&workspace.objects, NULL, n, reads ? 0 : g->cache.length, reads ? NULL : &g->cache, &batch, err);
    if (!st) st = reads ? read_source(g, &tape, &batch) : write_chunk(g, &tape, &batch, &answer);
    g->cache.length = 0;
    at_workspace_size one = at_workspace_peak(&workspace);
    *most = (at_workspace_size){larger(most->arena, one.arena), larger(most->pool, one.pool), larger(most->scratch, one.scratch),
                                larger(most->objects, one.objects)};
    at_workspace_close(&workspace);
    return st;
}

static void set_source(at_generator *g, int n) {
    g->source_cu[1] = n;
    g->source = (at_batch){.rows = n, .n_seq = 1, .max_len = n, .cu_seqlens = g->source_cu};
}

static at_status take_cache(at_generator *g, int tokens, at_error *err) {
    const at_arch *a = &g->model->arch;
    g->cache_bytes = side_bytes(g->model, tokens);
    g->cache = (at_cache){.keys = at_pages_take(g->cache_bytes), .values = at_pages_take(g->cache_bytes), .layers = writing_layers(a),
                          .cap = tokens, .cols = key_cols(a)};
    if (!g->cache.keys || !g->cache.values) return at_fail_memory(err, 2 * g->cache_bytes);
    if (!g->most_source) return AT_OK;
    g->source_bytes = 2 * side_bytes(g->model, g->most_source);
    g->cache.source_keys = at_pages_take(g->source_bytes);
    g->cache.source = &g->source;
    set_source(g, g->most_source);
    return g->cache.source_keys ? AT_OK : at_fail_memory(err, g->source_bytes);
}

static at_status prepare(at_generator *g, const at_backend *backend, int n_threads, int most_tokens, at_error *err) {
    const at_model *m = g->model;
    int can = m->arch.decoder.layers ? g->most_source > 0 : m->arch.causal && !g->most_source;
    if (m->head.kind != AT_HEAD_LM || !can) return at_fail(err, AT_BUG, "generation with the head %s", at_head_name(m->head.kind));
    int most = most_tokens > g->most_source ? most_tokens : g->most_source;
    if (most_tokens < 1 || most > m->arch.max_positions)
        return at_fail(err, AT_USAGE, "%d tokens are asked for; the model has %d positions", most, m->arch.max_positions);
    AT_TRY(take_cache(g, most_tokens, err));
    AT_TRY(at_team_open(&g->team, n_threads, err));
    g->chunk = most_tokens < backend->chunk_rows ? most_tokens : backend->chunk_rows;
    g->tape = (at_tape){.backend = backend, .params = (at_params *)(uintptr_t)&m->params, /* without gradients nothing writes to it */
                        .team = g->team};
    at_workspace_size size = {0};
    AT_TRY(measure(g, 0, &size, err));
    if (g->most_source) AT_TRY(measure(g, 1, &size, err));
    AT_TRY(at_workspace_open(&g->workspace, size, err));
    at_workspace_lend(&g->workspace, &g->tape);
    return AT_OK;
}

at_status at_generator_open(const at_model *model, const at_backend *backend, int n_threads, int most_tokens, at_generator **generator,
                            at_error *err) {
    return at_generator_open_source(model, backend, n_threads, 0, most_tokens, generator, err);
}

at_status at_generator_open_source(const at_model *model, const at_backend *backend, int n_threads, int most_source, int most_tokens,
                                   at_generator **generator, at_error *err) {
    *generator = NULL;
    at_generator *g = calloc(1, sizeof *g);
    if (!g) return at_fail_memory(err, sizeof *g);
    g->writer = *model;
    g->writer.head.n_out = model->arch.vocab_size;
    g->model = &g->writer;
    g->most_source = most_source;
    at_status st = prepare(g, backend, n_threads, most_tokens, err);
    if (st) at_generator_close(g);
    else *generator = g;
    return st;
}

void at_generator_close(at_generator *g) {
    if (!g) return;
    at_team_close(g->team);
    at_workspace_close(&g->workspace);
    if (g->cache.keys) at_pages_return(g->cache.keys, g->cache_bytes);
    if (g->cache.values) at_pages_return(g->cache.values, g->cache_bytes);
    if (g->cache.source_keys) at_pages_return(g->cache.source_keys, g->source_bytes);
    free(g);
}

static at_tape *begin(at_generator *g, at_error *err) {
    at_workspace_rewind(&g->workspace);
    g->tape.err = err;
    at_tape_begin(&g->tape);
    return &g->tape;
}

/* logits NULL: of no interest. */
static at_status feed_chunk(at_generator *g, const int32_t *ids, int n, at_real **logits, at_error *err) {
    at_batch batch;
    at_tape *t = begin(g, err);
    at_tensor *answer;
    AT_TRY(make_batch(&g->workspace.objects, ids, n, g->cache.length, &g->cache, &batch, err));
    AT_TRY(write_chunk(g, t, &batch, logits ? &answer : NULL));
    if (logits) *logits = answer->data;
    g->cache.length += n;
    return AT_OK;
}

at_status at_generator_read(at_generator *g, const int32_t *ids, int n, at_error *err) {
    at_batch batch;
    if (n < 1 || n > g->most_source) return at_fail(err, AT_BUG, "a text of %d tokens, with room for %d", n, g->most_source);
    at_tape *t = begin(g, err);
    AT_TRY(make_batch(&g->workspace.objects, ids, n, 0, NULL, &batch, err));
    AT_TRY(read_source(g, t, &batch));
    set_source(g, n);
    g->cache.length = 0;
    return AT_OK;
}

at_status at_generator_feed(at_generator *g, const int32_t *ids, int n, at_real **logits, at_error *err) {
    int room = g->cache.cap - g->cache.length;
    if (n < 1 || n > room) return at_fail(err, AT_BUG, "%d tokens behind %d, with room for %d", n, g->cache.length, g->cache.cap);
    for (int from = 0; from < n; from += g->chunk) {
        int rows = n - from < g->chunk ? n - from : g->chunk;
        AT_TRY(feed_chunk(g, ids + from, rows, from + rows == n ? logits : NULL, err));
    }
    return AT_OK;
}

int at_generator_length(const at_generator *g) { return g->cache.length; }

void at_generator_forget(at_generator *g, int length) {
    if (length >= 0 && length < g->cache.length) g->cache.length = length;
}
