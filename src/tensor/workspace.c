#include "tensor/workspace.h"

at_status at_workspace_measure(at_workspace *w, at_error *err) {
    *w = (at_workspace){0};
    at_status st = at_arena_measure(&w->arena, err);
    if (!st) st = at_arena_measure(&w->pool, err);
    if (!st) st = at_arena_measure(&w->scratch, err);
    if (st) at_workspace_close(w);
    return st;
}

at_workspace_size at_workspace_peak(const at_workspace *w) {
    return (at_workspace_size){at_arena_peak(&w->arena), at_arena_peak(&w->pool), at_arena_peak(&w->scratch),
                               at_arena_peak(&w->objects)};
}

at_status at_workspace_open(at_workspace *w, at_workspace_size size, at_error *err) {
    *w = (at_workspace){0};
    at_status st = at_arena_fixed(&w->arena, size.arena, err);
    if (!st) st = at_arena_fixed(&w->pool, size.pool, err);
    if (!st) st = at_arena_fixed(&w->scratch, size.scratch, err);
    if (!st) st = at_arena_fixed(&w->objects, size.objects, err);
    if (st) at_workspace_close(w);
    return st;
}

void at_workspace_close(at_workspace *w) {
    at_arena_free(&w->arena);
    at_arena_free(&w->pool);
    at_arena_free(&w->scratch);
    at_arena_free(&w->objects);
}

void at_workspace_rewind(at_workspace *w) {
    const at_mark empty = {0};
    at_arena_rewind(&w->arena, empty);
    at_arena_rewind(&w->pool, empty);
    at_arena_rewind(&w->scratch, empty);
    at_arena_rewind(&w->objects, empty);
}

void at_workspace_lend(at_workspace *w, at_tape *tape) {
    tape->arena = &w->arena;
    tape->pool = &w->pool;
    tape->scratch = &w->scratch;
    tape->objects = &w->objects;
}

/* Never as many rows as the encoder's: a buffer that a dry run uses for both would not serve a chunk in which they differ. */
static at_status largest_decoder(at_arena *arena, at_batch_size size, at_batch *batch, at_error *err) {
    at_batch *decoder = AT_NEW_ARRAY(arena, at_batch, 1);
    if (!decoder) return at_fail_memory(err, sizeof *decoder);
    batch->decoder = decoder;
    at_batch_size own = {.rows = size.decoder_rows, .n_seq = size.n_seq, .max_len = size.decoder_len};
    AT_TRY(at_batch_largest(arena, own, decoder, err));
    if (decoder->rows != batch->rows) return AT_OK;
    own.rows = decoder->rows + 1;
    own.max_len++;
    AT_TRY(at_batch_largest(arena, own, decoder, err));
    int32_t *positions = AT_NEW_ARRAY(arena, int32_t, decoder->rows);
    if (!positions) return at_fail_memory(err, (size_t)decoder->rows * sizeof *positions);
    for (int r = 0; r < decoder->rows; r++) /* the row too many stands where the model has a position */
        positions[r] = decoder->positions[r] < size.decoder_len ? decoder->positions[r] : size.decoder_len - 1;
    decoder->positions = positions;
    return AT_OK;
}

at_status at_batch_largest(at_arena *arena, at_batch_size size, at_batch *batch, at_error *err) {
    int rows = size.rows, n_seq = size.n_seq, max_len = size.max_len, n_outputs = size.n_places ? size.n_places : n_seq;
    if (rows < max_len + n_seq - 1) rows = max_len + n_seq - 1;
    int *cu = AT_NEW_ARRAY(arena, int, n_seq + 1);
    int32_t *ids = AT_NEW_ARRAY(arena, int32_t, rows), *positions = AT_NEW_ARRAY(arena, int32_t, rows);
    int32_t *example = AT_NEW_ARRAY(arena, int32_t, n_seq);
    uint8_t *types = AT_NEW_ARRAY(arena, uint8_t, rows);
    uint64_t *row_id = AT_NEW_ARRAY(arena, uint64_t, rows), *seq_row = AT_NEW_ARRAY(arena, uint64_t, n_seq);
    uint32_t *seq_id = AT_NEW_ARRAY(arena, uint32_t, n_seq);
    int32_t *place = AT_NEW_ARRAY(arena, int32_t, n_outputs), *output = AT_NEW_ARRAY(arena, int32_t, n_outputs);
    uint64_t *output_row = AT_NEW_ARRAY(arena, uint64_t, n_outputs);
    int32_t *label = AT_NEW_ARRAY(arena, int32_t, n_outputs);
    if (!label || !cu || !ids || !positions || !example || !types || !row_id || !seq_row || !seq_id || !place || !output || !output_row)
        return at_fail_memory(err, (size_t)rows * 17);
    for (int s = 0, left = rows; s < n_seq; s++) { /* the first as long as may be, the rest shares what is left */
        int after = n_seq - s - 1, len = left - after < max_len ? left - after : max_len;
        cu[s + 1] = cu[s] + len;
        left -= len;
        for (int i = 0; i < len; i++) positions[cu[s] + i] = i;
    }
    *batch = (at_batch){cu[n_seq], n_seq, max_len, cu, ids, types, positions, row_id, seq_row, seq_id, example, n_outputs,
                        size.n_places ? place : NULL, output, output_row, label, NULL, NULL};
    return size.decoder_rows ? largest_decoder(arena, size, batch, err) : AT_OK;
}
