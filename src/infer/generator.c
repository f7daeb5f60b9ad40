#include "infer/generator.h"

#include <stdlib.h>

#include "base/team.h"
#include "tensor/workspace.h"

struct at_generator {
    const at_model *model;
    at_team *team;
    at_cache cache;
    size_t cache_bytes; /* of the keys, and of the values */
    at_workspace workspace;
    at_tape tape;
    int chunk;          /* rows at a time at most */
};

static size_t side_bytes(const at_model *m, int tokens) {
    /* The last row is read in whole vectors. */
    size_t row = (size_t)m->arch.kv_heads * (size_t)m->arch.head_dim * sizeof(at_real);
    return (size_t)m->arch.layers * (size_t)tokens * row + AT_ALIGN;
}

size_t at_generator_cache_bytes(const at_model *model, int tokens) { return 2 * side_bytes(model, tokens); }

/* One sequence whose last row is asked for the next word. Memory from `arena`. */
static at_status make_batch(const at_generator *g, at_arena *arena, const int32_t *ids, int n, at_batch *batch, at_error *err) {
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
        positions[r] = g->cache.length + r;
        row_id[r] = (uint64_t)positions[r];
    }
    *batch = (at_batch){.rows = n, .n_seq = 1, .max_len = n, .cu_seqlens = cu, .ids = own, .types = types, .positions = positions,
                        .row_id = row_id, .seq_row = one, .seq_id = seq_id, .n_outputs = 1, .place = place, .output = output,
                        .output_row = one, .cache = &g->cache};
    return AT_OK;
}

/* What the largest chunk with the longest past takes. */
static at_status measure(at_generator *g, at_workspace_size *size, at_error *err) {
    at_workspace workspace;
    at_batch batch;
    AT_TRY(at_workspace_measure(&workspace, err));
    at_tape tape = g->tape;
    tape.err = err;
    tape.dry = 1;
    at_workspace_lend(&workspace, &tape);
    at_tape_begin(&tape);
    g->cache.length = g->cache.cap - g->chunk;
    at_status st = make_batch(g, &workspace.objects, NULL, g->chunk, &batch, err);
    if (!st) {
        at_head_forward(&tape, g->model, at_body_forward(&tape, g->model, &batch), &batch);
        st = at_tape_status(&tape);
    }
    g->cache.length = 0;
    *size = at_workspace_peak(&workspace);
    at_workspace_close(&workspace);
    return st;
}

static at_status take_cache(at_generator *g, int tokens, at_error *err) {
    const at_arch *a = &g->model->arch;
    g->cache_bytes = side_bytes(g->model, tokens);
    g->cache = (at_cache){.keys = at_pages_take(g->cache_bytes), .values = at_pages_take(g->cache_bytes), .layers = a->layers, .cap = tokens,
                          .cols = a->kv_heads * a->head_dim};
    return g->cache.keys && g->cache.values ? AT_OK : at_fail_memory(err, 2 * g->cache_bytes);
}

static at_status prepare(at_generator *g, const at_backend *backend, int n_threads, int most_tokens, at_error *err) {
    const at_model *m = g->model;
    if (m->head.kind != AT_HEAD_LM || !m->arch.causal) return at_fail(err, AT_BUG, "generation with the head %s", at_head_name(m->head.kind));
    if (most_tokens < 1 || most_tokens > m->arch.max_positions)
        return at_fail(err, AT_USAGE, "%d tokens are asked for; the model has %d positions", most_tokens, m->arch.max_positions);
    AT_TRY(take_cache(g, most_tokens, err));
    AT_TRY(at_team_open(&g->team, n_threads, err));
    g->chunk = most_tokens < backend->chunk_rows ? most_tokens : backend->chunk_rows;
    g->tape = (at_tape){.backend = backend, .params = (at_params *)(uintptr_t)&m->params, /* without gradients nothing writes to it */
                        .team = g->team};
    at_workspace_size size;
    AT_TRY(measure(g, &size, err));
    AT_TRY(at_workspace_open(&g->workspace, size, err));
    at_workspace_lend(&g->workspace, &g->tape);
    return AT_OK;
}

at_status at_generator_open(const at_model *model, const at_backend *backend, int n_threads, int most_tokens, at_generator **generator,
                            at_error *err) {
    *generator = NULL;
    at_generator *g = calloc(1, sizeof *g);
    if (!g) return at_fail_memory(err, sizeof *g);
    g->model = model;
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
    free(g);
}

/* logits NULL: of no interest. */
static at_status feed_chunk(at_generator *g, const int32_t *ids, int n, at_real **logits, at_error *err) {
    at_batch batch;
    at_tape *t = &g->tape;
    at_workspace_rewind(&g->workspace);
    t->err = err;
    at_tape_begin(t);
    AT_TRY(make_batch(g, &g->workspace.objects, ids, n, &batch, err));
    at_tensor *hidden = at_body_forward(t, g->model, &batch);
    at_tensor *answer = logits ? at_head_forward(t, g->model, hidden, &batch) : NULL;
    AT_TRY(at_tape_status(t));
    if (logits) *logits = answer->data;
    g->cache.length += n;
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
