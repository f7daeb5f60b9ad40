#include "infer/generator.h"

#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "tensor/workspace.h"

struct at_generator {
    const at_model *model;
    at_model writer;    /* the same, whose head gives logits whatever it was opened for */
    at_team *team;
    at_arena memory;
    at_cache cache;
    size_t cache_bytes; /* of the keys, and of the values */
    at_workspace workspace;
    at_tape tape;
    int chunk;          /* rows at a time at most */
    /* Texts that are written at once. Each lies in a slot of the cache. */
    int n_texts, *slot, *next_slot; /* [slots] of a text; next_slot: scratch */
    int *owner;                     /* [slots] scratch */
    int32_t *tokens;                /* [slots][cap] what the keys and values of a slot were made of */
    int *filled;                    /* [slots] how many of them */
    /* Of a model with an encoder; else most_source is 0. */
    int most_source, source_cu[2];
    at_batch source;    /* the text that was read */
    size_t source_bytes;
};

/* Of the stack that writes. */
static int writing_layers(const at_arch *a) { return a->decoder.layers ? a->decoder.layers : a->layers; }
static int key_cols(const at_arch *a) { return a->decoder.layers ? a->decoder.heads * a->decoder.head_dim : a->kv_heads * a->head_dim; }

static size_t side_bytes(const at_model *m, size_t tokens) {
    /* The last row is read in whole vectors. */
    return (size_t)writing_layers(&m->arch) * tokens * (size_t)key_cols(&m->arch) * sizeof(at_real) + AT_ALIGN;
}

size_t at_generator_cache_bytes(const at_model *model, int tokens) { return 2 * side_bytes(model, (size_t)tokens); }

/* n rows: `texts` sequences, of all rows or of a row each, from position `first` on; the last row of each is asked for the next word.
 * Memory from `arena`. */
static at_status make_batch(at_arena *arena, const int32_t *ids, int n, int texts, int first, const at_cache *cache, at_batch *batch,
                            at_error *err) {
    int each = n / texts, *cu = AT_NEW_ARRAY(arena, int, texts + 1);
    int32_t *positions = AT_NEW_ARRAY(arena, int32_t, n), *place = AT_NEW_ARRAY(arena, int32_t, texts);
    int32_t *own = AT_NEW_ARRAY(arena, int32_t, n), *output = AT_NEW_ARRAY(arena, int32_t, texts);
    uint8_t *types = AT_NEW_ARRAY(arena, uint8_t, n);
    uint64_t *row_id = AT_NEW_ARRAY(arena, uint64_t, n), *seq_row = AT_NEW_ARRAY(arena, uint64_t, texts);
    uint32_t *seq_id = AT_NEW_ARRAY(arena, uint32_t, texts);
    if (!cu || !positions || !place || !output || !own || !types || !row_id || !seq_row || !seq_id)
        return at_fail_memory(err, (size_t)n * 17);
    for (int s = 0; s < texts; s++) {
        cu[s + 1] = cu[s] + each;
        place[s] = cu[s + 1] - 1;
    }
    for (int r = 0; r < n; r++) {
        own[r] = ids ? ids[r] : 0;
        positions[r] = first + r % each;
        row_id[r] = (uint64_t)positions[r];
    }
    *batch = (at_batch){.rows = n, .n_seq = texts, .max_len = each, .cu_seqlens = cu, .ids = own, .types = types, .positions = positions,
                        .row_id = row_id, .seq_row = seq_row, .seq_id = seq_id, .n_outputs = texts, .place = place, .output = output,
                        .output_row = seq_row, .cache = cache};
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
    at_tensor *read = at_model_features(t, g->model, g->model->head.kind, batch);
    if (answer) *answer = at_head_from_features(t, g->model, read, batch);
    return at_tape_status(t);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* What a dry run takes: of the encoder (`reads`), or of the largest chunk of one text or a step of several, with the longest past. */
static at_status measure(at_generator *g, int reads, int texts, at_workspace_size *most, at_error *err) {
    at_workspace workspace;
    at_batch batch;
    at_tensor *answer;
    AT_TRY(at_workspace_measure(&workspace, err));
    at_tape tape = g->tape;
    tape.err = err;
    tape.dry = 1;
    at_workspace_lend(&workspace, &tape);
    at_tape_begin(&tape);
    int n = reads ? g->most_source : texts > 1 ? texts : g->chunk;
    g->cache.length = g->cache.cap - (texts > 1 ? 1 : g->chunk);
    g->cache.slot = texts > 1 ? g->slot : NULL;
    at_status st = make_batch(&workspace.objects, NULL, n, texts, reads ? 0 : g->cache.length, reads ? NULL : &g->cache, &batch, err);
    if (!st) st = reads ? read_source(g, &tape, &batch) : write_chunk(g, &tape, &batch, &answer);
    g->cache.length = 0;
    g->cache.slot = NULL;
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

static at_status take_cache(at_generator *g, int tokens, int texts, at_error *err) {
    const at_arch *a = &g->model->arch;
    size_t slots = (size_t)texts;
    g->cache_bytes = side_bytes(g->model, slots * (size_t)tokens);
    g->cache = (at_cache){.keys = at_pages_take(g->cache_bytes), .values = at_pages_take(g->cache_bytes), .layers = writing_layers(a),
                          .slots = texts, .cap = tokens, .cols = key_cols(a)};
    if (!g->cache.keys || !g->cache.values) return at_fail_memory(err, 2 * g->cache_bytes);
    g->slot = AT_NEW_ARRAY(&g->memory, int, slots);
    g->next_slot = AT_NEW_ARRAY(&g->memory, int, slots);
    g->owner = AT_NEW_ARRAY(&g->memory, int, slots);
    g->filled = AT_NEW_ARRAY(&g->memory, int, slots);
    g->tokens = AT_NEW_ARRAY(&g->memory, int32_t, slots * (size_t)tokens);
    if (!g->slot || !g->next_slot || !g->owner || !g->filled || !g->tokens)
        return at_fail_memory(err, slots * (size_t)tokens * sizeof *g->tokens);
    g->n_texts = 1;
    if (!g->most_source) return AT_OK;
    g->source_bytes = 2 * side_bytes(g->model, (size_t)g->most_source);
    g->cache.source_keys = at_pages_take(g->source_bytes);
    g->cache.source = &g->source;
    set_source(g, g->most_source);
    return g->cache.source_keys ? AT_OK : at_fail_memory(err, g->source_bytes);
}

static at_status prepare(at_generator *g, const at_backend *backend, int n_threads, at_generator_room room, at_error *err) {
    const at_model *m = g->model;
    int most_tokens = room.tokens;
    int can = m->arch.decoder.layers ? g->most_source > 0 : m->arch.causal && !g->most_source;
    if (m->head.kind != AT_HEAD_LM || !can) return at_fail(err, AT_BUG, "generation with the head %s", at_head_name(m->head.kind));
    int most = most_tokens > g->most_source ? most_tokens : g->most_source;
    if (room.texts < 1) return at_fail(err, AT_BUG, "room for %d texts", room.texts);
    if (most_tokens < 1 || most > m->arch.max_positions)
        return at_fail(err, AT_USAGE, "%d tokens are asked for; the model has %d positions", most, m->arch.max_positions);
    AT_TRY(take_cache(g, most_tokens, room.texts, err));
    AT_TRY(at_team_open(&g->team, n_threads, err));
    g->chunk = most_tokens < backend->chunk_rows ? most_tokens : backend->chunk_rows;
    g->tape = (at_tape){.backend = backend, .params = (at_params *)(uintptr_t)&m->params, /* without gradients nothing writes to it */
                        .team = g->team};
    at_workspace_size size = {0};
    AT_TRY(measure(g, 0, 1, &size, err));
    if (room.texts > 1) AT_TRY(measure(g, 0, room.texts, &size, err));
    if (g->most_source) AT_TRY(measure(g, 1, 1, &size, err));
    AT_TRY(at_workspace_open(&g->workspace, size, err));
    at_workspace_lend(&g->workspace, &g->tape);
    return AT_OK;
}

at_status at_generator_open(const at_model *model, const at_backend *backend, int n_threads, int most_tokens, at_generator **generator,
                            at_error *err) {
    return at_generator_open_room(model, backend, n_threads, (at_generator_room){0, most_tokens, 1}, generator, err);
}

at_status at_generator_open_source(const at_model *model, const at_backend *backend, int n_threads, int most_source, int most_tokens,
                                   at_generator **generator, at_error *err) {
    return at_generator_open_room(model, backend, n_threads, (at_generator_room){most_source, most_tokens, 1}, generator, err);
}

at_status at_generator_open_room(const at_model *model, const at_backend *backend, int n_threads, at_generator_room room,
                                 at_generator **generator, at_error *err) {
    *generator = NULL;
    at_generator *g = calloc(1, sizeof *g);
    if (!g) return at_fail_memory(err, sizeof *g);
    g->writer = *model;
    g->writer.head.n_out = model->arch.vocab_size;
    g->model = &g->writer;
    g->most_source = room.source;
    at_status st = prepare(g, backend, n_threads, room, err);
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
    at_arena_free(&g->memory);
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
    AT_TRY(make_batch(&g->workspace.objects, ids, n, 1, g->cache.length, &g->cache, &batch, err));
    AT_TRY(write_chunk(g, t, &batch, logits ? &answer : NULL));
    if (logits) *logits = answer->data;
    memcpy(g->tokens + g->cache.length, ids, (size_t)n * sizeof *ids);
    g->filled[0] = g->cache.length += n;
    return AT_OK;
}

/* One text is left, and it lies in slot 0. */
static void keep_first(at_generator *g) {
    g->n_texts = 1;
    g->slot[0] = 0;
    g->cache.slot = NULL;
}

at_status at_generator_read(at_generator *g, const int32_t *ids, int n, at_error *err) {
    at_batch batch;
    if (n < 1 || n > g->most_source) return at_fail(err, AT_BUG, "a text of %d tokens, with room for %d", n, g->most_source);
    at_tape *t = begin(g, err);
    AT_TRY(make_batch(&g->workspace.objects, ids, n, 1, 0, NULL, &batch, err));
    AT_TRY(read_source(g, t, &batch));
    set_source(g, n);
    g->cache.length = 0;
    memset(g->filled, 0, (size_t)g->cache.slots * sizeof *g->filled); /* they were made with the other source */
    keep_first(g);
    return AT_OK;
}

at_status at_generator_feed(at_generator *g, const int32_t *ids, int n, at_real **logits, at_error *err) {
    int room = g->cache.cap - g->cache.length;
    if (g->cache.slot) return at_fail(err, AT_BUG, "%d texts are written; one is fed", g->n_texts);
    if (n < 1 || n > room) return at_fail(err, AT_BUG, "%d tokens behind %d, with room for %d", n, g->cache.length, g->cache.cap);
    for (int from = 0; from < n; from += g->chunk) {
        int rows = n - from < g->chunk ? n - from : g->chunk;
        AT_TRY(feed_chunk(g, ids + from, rows, from + rows == n ? logits : NULL, err));
    }
    return AT_OK;
}

int at_generator_length(const at_generator *g) { return g->cache.length; }

void at_generator_forget(at_generator *g, int length) {
    if (length < 0 || length >= g->cache.length) return;
    g->cache.length = g->cache.slot ? 0 : length;
    keep_first(g);
}

/* ---- several texts at once ---- */

/* How many tokens at the beginning two slots have in common. */
static int common(const at_generator *g, int a, int b) {
    const int32_t *x = g->tokens + (size_t)a * (size_t)g->cache.cap, *y = g->tokens + (size_t)b * (size_t)g->cache.cap;
    int n = 0, most = g->filled[a] < g->filled[b] ? g->filled[a] : g->filled[b];
    if (most > g->cache.length) most = g->cache.length;
    while (n < most && x[n] == y[n]) n++;
    return n;
}

static void copy_slot(at_generator *g, int from, int to) {
    const at_cache *c = &g->cache;
    int same = common(g, from, to);
    size_t room = (size_t)c->cap * (size_t)c->cols, first = (size_t)same * (size_t)c->cols;
    size_t n = (size_t)(c->length - same) * (size_t)c->cols;
    for (int l = 0; l < c->layers; l++) {
        size_t source = ((size_t)l * (size_t)c->slots + (size_t)from) * room + first;
        size_t target = ((size_t)l * (size_t)c->slots + (size_t)to) * room + first;
        memcpy(c->keys + target, c->keys + source, n * sizeof *c->keys);
        memcpy(c->values + target, c->values + source, n * sizeof *c->values);
    }
    memcpy(g->tokens + (size_t)to * (size_t)c->cap + same, g->tokens + (size_t)from * (size_t)c->cap + same,
           (size_t)(c->length - same) * sizeof *g->tokens);
    g->filled[to] = c->length;
}

/* The slot without an heir that has most in common with `from`. */
static int free_slot(const at_generator *g, int from) {
    int best = -1, most = -1;
    for (int s = 0; s < g->cache.slots; s++) {
        int same = g->owner[s] < 0 ? common(g, from, s) : -1;
        if (same <= most) continue;
        most = same;
        best = s;
    }
    return best;
}

/* The first heir of a text takes its slot, others get copies. */
static void inherit(at_generator *g, const int *parent, int n) {
    for (int s = 0; s < g->cache.slots; s++) g->owner[s] = -1;
    for (int i = 0; i < n; i++) {
        int s = g->slot[parent[i]];
        g->next_slot[i] = g->owner[s] < 0 ? s : -1;
        if (g->owner[s] < 0) g->owner[s] = i;
    }
    for (int i = 0; i < n; i++) {
        if (g->next_slot[i] >= 0) continue;
        int from = g->slot[parent[i]], to = free_slot(g, from);
        copy_slot(g, from, to);
        g->owner[to] = i;
        g->next_slot[i] = to;
    }
    memcpy(g->slot, g->next_slot, (size_t)n * sizeof *g->slot);
    g->n_texts = n;
}

at_status at_generator_branch(at_generator *g, const int *parent, const int32_t *ids, int n, at_real **logits, at_error *err) {
    at_batch batch;
    at_tensor *answer;
    at_cache *c = &g->cache;
    if (n < 1 || n > c->slots || c->length < 1 || c->length >= c->cap)
        return at_fail(err, AT_BUG, "%d texts behind %d tokens, with room for %d of %d", n, c->length, c->slots, c->cap);
    for (int i = 0; i < n; i++)
        if (parent[i] < 0 || parent[i] >= g->n_texts) return at_fail(err, AT_BUG, "text %d of %d goes on", parent[i], g->n_texts);
    inherit(g, parent, n);
    c->slot = g->slot;
    at_tape *t = begin(g, err);
    AT_TRY(make_batch(&g->workspace.objects, ids, n, n, c->length, c, &batch, err));
    AT_TRY(write_chunk(g, t, &batch, &answer));
    *logits = answer->data;
    for (int i = 0; i < n; i++) {
        g->tokens[(size_t)g->slot[i] * (size_t)c->cap + (size_t)c->length] = ids[i];
        g->filled[g->slot[i]] = c->length + 1;
    }
    c->length++;
    return AT_OK;
}
