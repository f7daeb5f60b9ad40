#include "train/dataset_build.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/room.h"
#include "train/spool.h"

at_status at_dataset_new(const char *path, int n, at_dataset **out, at_error *err) {
    at_dataset *d = calloc(1, sizeof *d);
    if (!d) return at_fail_memory(err, sizeof *d);
    *out = d;
    d->arena.mapped = 1;
    d->n = n;
    d->path = at_strdup(&d->arena, path ? path : "");
    d->token_at = AT_NEW_ARRAY(&d->arena, uint64_t, n + 1);
    d->line = AT_NEW_ARRAY(&d->arena, uint32_t, n);
    if (!d->path || !d->token_at || !d->line) return at_fail_memory(err, (size_t)n * 12);
    for (int i = 0; i < 2; i++) AT_TRY(at_spool_open(AT_MAPPED_BYTES, &d->spool[i], err));
    return AT_OK;
}

void at_dataset_idle(const at_dataset *d) {
    at_arena_idle(&d->arena);
    for (int i = 0; i < 2; i++)
        if (d->spool[i]) at_spool_idle(d->spool[i]);
}

void at_dataset_close(at_dataset *d) {
    if (!d) return;
    for (int i = 0; i < 2; i++) at_spool_close(d->spool[i]);
    at_pages_return(d->map, d->map_bytes);
    at_arena_free(&d->arena);
    free(d);
}

at_status at_dataset_add_tokens(at_dataset *d, const int32_t *ids, const uint8_t *types, size_t n, at_error *err) {
    AT_TRY(at_spool_add(d->spool[0], ids, n * sizeof *ids, err));
    AT_TRY(at_spool_add(d->spool[1], types, n, err));
    for (size_t i = 0; i < n; i++) {
        if (ids[i] > d->max_id) d->max_id = ids[i];
        if (types[i] > d->max_type) d->max_type = types[i];
    }
    return AT_OK;
}

at_status at_dataset_seal(at_dataset *d, at_error *err) {
    const void *ids, *types;
    AT_TRY(at_spool_seal(d->spool[0], &ids, err));
    AT_TRY(at_spool_seal(d->spool[1], &types, err));
    d->ids = ids;
    d->types = types;
    for (int i = 0; i < d->n; i++)
        if (at_dataset_length(d, i) > d->longest) d->longest = at_dataset_length(d, i);
    return AT_OK;
}

/* ---- subset ---- */

static at_status allocate_answers(const at_dataset *from, at_dataset *d, at_error *err) {
    size_t n = (size_t)d->n, outputs = at_dataset_outputs(d);
    d->target_width = from->target_width;
    if (from->row && !(d->row = at_alloc(&d->arena, n, sizeof *d->row))) return at_fail_memory(err, n * 4);
    if (from->source && !(d->source = at_alloc(&d->arena, n, sizeof *d->source))) return at_fail_memory(err, n * 4);
    if (from->place && !(d->place = at_alloc(&d->arena, outputs, sizeof *d->place))) return at_fail_memory(err, outputs * 4);
    if (from->span && !(d->span = at_alloc(&d->arena, 2 * outputs, sizeof *d->span))) return at_fail_memory(err, outputs * 8);
    if (from->label && !(d->label = at_alloc(&d->arena, outputs, sizeof *d->label))) return at_fail_memory(err, outputs * 4);
    if (from->target && !(d->target = at_alloc(&d->arena, outputs * (size_t)from->target_width, sizeof *d->target)))
        return at_fail_memory(err, outputs * 4);
    return AT_OK;
}

static at_status copy_example(const at_dataset *from, uint32_t source, at_dataset *d, int i, at_error *err) {
    size_t start = from->token_at[source], len = (size_t)at_dataset_length(from, (int)source);
    size_t width = (size_t)from->target_width, n = (size_t)at_dataset_n_outputs(d, i);
    size_t there = at_dataset_output_at(from, (int)source), here = at_dataset_output_at(d, i);
    d->line[i] = from->line[source];
    if (from->row) d->row[i] = from->row[source];
    if (from->source) d->source[i] = from->source[source];
    if (from->place) memcpy(d->place + here, from->place + there, n * sizeof *d->place);
    if (from->span) memcpy(d->span + 2 * here, from->span + 2 * there, 2 * n * sizeof *d->span);
    if (from->label) memcpy(d->label + here, from->label + there, n * sizeof *d->label);
    if (from->target) memcpy(d->target + here * width, from->target + there * width, n * width * sizeof *d->target);
    return at_dataset_add_tokens(d, from->ids + start, from->types + start, len, err);
}

static at_status fill_subset(const at_dataset *from, const uint32_t *index, at_dataset *d, at_error *err) {
    d->max_tokens = from->max_tokens;
    d->table = from->table;
    d->draw = from->draw;
    if (from->place_at && !(d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1))) return at_fail_memory(err, (size_t)d->n * 8);
    for (int i = 0; i < d->n; i++) {
        if (index[i] >= (uint32_t)from->n) return at_fail(err, AT_BUG, "subset: example %u of %d", (unsigned)index[i], from->n);
        d->token_at[i + 1] = d->token_at[i] + (uint64_t)at_dataset_length(from, (int)index[i]);
        if (d->place_at) d->place_at[i + 1] = d->place_at[i] + (uint64_t)at_dataset_n_outputs(from, (int)index[i]);
    }
    AT_TRY(allocate_answers(from, d, err));
    for (int i = 0; i < d->n; i++) AT_TRY(copy_example(from, index[i], d, i, err));
    return at_dataset_seal(d, err);
}

at_status at_dataset_subset(const at_dataset *from, const uint32_t *index, int n, at_dataset **dataset, at_error *err) {
    at_dataset *d = NULL;
    at_status st = at_dataset_new(from->path, n, &d, err);
    if (!st) st = fill_subset(from, index, d, err);
    if (st) at_dataset_close(d);
    else *dataset = d;
    return st;
}

/* ---- outputs ---- */

int at_dataset_example_of(const at_dataset *d, size_t output) {
    int low = 0, high = d->n; /* at_dataset_output_at(low) <= output < at_dataset_output_at(high) */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (at_dataset_output_at(d, middle) <= output) low = middle;
        else high = middle;
    }
    return low;
}

void at_dataset_take_outputs(const at_dataset *d, const uint32_t *index, int n, size_t width, const float *all, float *some) {
    for (int i = 0; i < n; i++) {
        size_t count = (size_t)at_dataset_n_outputs(d, (int)index[i]) * width;
        memcpy(some, all + at_dataset_output_at(d, (int)index[i]) * width, count * sizeof *some);
        some += count;
    }
}

void at_dataset_put_outputs(const at_dataset *d, const uint32_t *index, int n, size_t width, const float *some, float *all) {
    for (int i = 0; i < n; i++) {
        size_t count = (size_t)at_dataset_n_outputs(d, (int)index[i]) * width;
        memcpy(all + at_dataset_output_at(d, (int)index[i]) * width, some, count * sizeof *some);
        some += count;
    }
}

int at_dataset_next_row(const at_dataset *d, at_row_outputs *r) {
    int first = r->example + r->n_examples, end = first + 1;
    if (first >= d->n) return 0;
    while (d->row && end < d->n && d->row[end] == d->row[first]) end++;
    size_t at = at_dataset_output_at(d, first);
    *r = (at_row_outputs){d->row ? d->row[first] : (uint32_t)first, first, end - first, at, at_dataset_output_at(d, end) - at};
    return 1;
}

int at_dataset_units(const at_dataset *d) {
    int n = d->n > 0;
    if (d->draw != AT_DRAW_ROWS) return d->n;
    for (int i = 1; i < d->n; i++) n += d->row[i] != d->row[i - 1];
    return n;
}

/* ---- identity ---- */

uint64_t at_dataset_hash(const at_dataset *d) {
    uint64_t tokens = d->token_at[d->n];
    uint64_t h = XXH3_64bits_withSeed(d->token_at, ((size_t)d->n + 1) * sizeof *d->token_at, 1);
    h = XXH3_64bits_withSeed(d->ids, tokens * sizeof *d->ids, h);
    h = XXH3_64bits_withSeed(d->types, tokens, h);
    size_t outputs = at_dataset_outputs(d);
    if (d->draw == AT_DRAW_ROWS) h = XXH3_64bits_withSeed(d->row, (size_t)d->n * sizeof *d->row, h);
    if (d->source) h = XXH3_64bits_withSeed(d->source, (size_t)d->n * sizeof *d->source, h);
    if (d->place) h = XXH3_64bits_withSeed(d->place, outputs * sizeof *d->place, h);
    if (d->label) h = XXH3_64bits_withSeed(d->label, outputs * sizeof *d->label, h);
    if (d->target) h = XXH3_64bits_withSeed(d->target, outputs * (size_t)d->target_width * sizeof *d->target, h);
    return h;
}

/* Of what a model reads at once: an example, or its parts where a decoder reads the second. */
static int longest_part(const at_dataset *d) {
    int longest = 0;
    for (int i = 0; d->source && i < d->n; i++) {
        int source = at_dataset_source_length(d, i), decoder = at_dataset_decoder_length(d, i);
        if (source > longest) longest = source;
        if (decoder > longest) longest = decoder;
    }
    return d->source ? longest : d->longest;
}

at_status at_dataset_fits(const at_dataset *d, int vocab_size, int type_vocab, int max_positions, at_error *err) {
    if (d->max_id >= vocab_size)
        return at_fail(err, AT_BAD_MODEL, "%s: the tokenizer gives token %d, but the model knows %d tokens", d->path, (int)d->max_id,
                       vocab_size);
    if (type_vocab > 0 && d->max_type >= type_vocab && d->max_type > 0)
        return at_fail(err, AT_BAD_MODEL, "%s: pairs of texts need 2 token types, the model has %d", d->path, type_vocab);
    if (max_positions > 0 && longest_part(d) > max_positions)
        return at_fail(err, AT_BAD_MODEL, "%s: an example has %d tokens, the model takes %d at most", d->path, longest_part(d),
                       max_positions);
    return AT_OK;
}

/* ---- packing ---- */

/* Rows of a batch being packed: all of the examples, the encoder's, or the decoder's. */
typedef struct packed {
    int *cu;
    int32_t *ids, *positions, *example;
    uint8_t *types;
    uint64_t *row_id, *seq_row;
    uint32_t *seq_id;
} packed;

static int pack_allocate(packed *p, at_arena *arena, size_t rows, size_t n_seq) {
    p->cu = at_alloc_raw(arena, n_seq + 1, sizeof *p->cu);
    p->ids = at_alloc_raw(arena, rows, sizeof *p->ids);
    p->types = at_alloc_raw(arena, rows, sizeof *p->types);
    p->positions = at_alloc_raw(arena, rows, sizeof *p->positions);
    p->row_id = at_alloc_raw(arena, rows, sizeof *p->row_id);
    p->seq_row = at_alloc_raw(arena, n_seq, sizeof *p->seq_row);
    p->seq_id = at_alloc_raw(arena, n_seq, sizeof *p->seq_id);
    p->example = at_alloc_raw(arena, n_seq, sizeof *p->example);
    return p->cu && p->ids && p->types && p->positions && p->row_id && p->seq_row && p->seq_id && p->example;
}

static void pack_sequence(const at_dataset *d, size_t from, int len, uint32_t id, int start, packed *p) {
    memcpy(p->ids + start, d->ids + from, (size_t)len * sizeof *p->ids);
    memcpy(p->types + start, d->types + from, (size_t)len);
    for (int i = 0; i < len; i++) {
        p->positions[start + i] = i;
        p->row_id[start + i] = (uint64_t)id << 32 | (uint64_t)i;
    }
}

static int part_length(const at_dataset *d, uint32_t example, int decoder) {
    return decoder ? at_dataset_decoder_length(d, (int)example) : at_dataset_source_length(d, (int)example);
}

static at_status pack_rows(const at_dataset *d, const uint32_t *index, const uint32_t *seq_id, int n, int decoder, at_arena *arena,
                           at_batch *batch, at_error *err) {
    size_t rows = 0;
    int longest = 0;
    packed p;
    for (int i = 0; i < n; i++) {
        int len = part_length(d, index[i], decoder);
        rows += (size_t)len;
        if (len > longest) longest = len;
    }
    if (rows > INT32_MAX || !pack_allocate(&p, arena, rows, (size_t)n)) return at_fail_memory(err, rows * 17);
    p.cu[0] = 0;
    for (int i = 0; i < n; i++) {
        uint32_t id = seq_id ? seq_id[i] : (uint32_t)i;
        int len = part_length(d, index[i], decoder);
        pack_sequence(d, d->token_at[index[i]] + (decoder ? d->source[index[i]] : 0), len, id, p.cu[i], &p);
        p.cu[i + 1] = p.cu[i] + len;
        p.seq_row[i] = (uint64_t)id << 32;
        p.seq_id[i] = id;
        p.example[i] = (int32_t)index[i];
    }
    *batch = (at_batch){.rows = (int)rows, .n_seq = n, .max_len = longest, .cu_seqlens = p.cu, .ids = p.ids, .types = p.types,
                        .positions = p.positions, .row_id = p.row_id, .seq_row = p.seq_row, .seq_id = p.seq_id, .example = p.example};
    return AT_OK;
}

/* The answers of a batch being packed. */
typedef struct packed_answers {
    int32_t *place, *output, *label;
    uint64_t *row;
} packed_answers;

/* Those of one example, whose rows begin at `start`, from the `at`-th on; returns how many. */
static int pack_outputs(const at_dataset *d, uint32_t example, const at_batch *rows, int start, int at, packed_answers *p) {
    size_t first = at_dataset_output_at(d, (int)example);
    int n = at_dataset_n_outputs(d, (int)example);
    for (int k = 0; k < n; k++) {
        p->place[at + k] = start + (d->place ? (int32_t)d->place[first + (size_t)k] : 0);
        p->output[at + k] = (int32_t)(first + (size_t)k);
        p->row[at + k] = rows->row_id[p->place[at + k]];
        p->label[at + k] = d->label ? d->label[first + (size_t)k] : -1;
    }
    return n;
}

static at_status pack_answers(const at_dataset *d, const uint32_t *index, int n, at_arena *arena, at_batch *batch, at_error *err) {
    const at_batch *rows = batch->decoder ? batch->decoder : batch;
    size_t outputs = 0;
    int at = 0;
    for (int i = 0; i < n; i++) outputs += (size_t)at_dataset_n_outputs(d, (int)index[i]);
    packed_answers p = {at_alloc_raw(arena, outputs, sizeof *p.place), at_alloc_raw(arena, outputs, sizeof *p.output),
                        at_alloc_raw(arena, outputs, sizeof *p.label), at_alloc_raw(arena, outputs, sizeof *p.row)};
    if (!p.place || !p.output || !p.label || !p.row) return at_fail_memory(err, outputs * 20);
    for (int i = 0; i < n; i++) at += pack_outputs(d, index[i], rows, rows->cu_seqlens[i], at, &p);
    batch->n_outputs = at;
    batch->place = d->place_at ? p.place : NULL;
    batch->output = p.output;
    batch->output_row = p.row;
    batch->label = d->label ? p.label : NULL;
    return AT_OK;
}

at_status at_dataset_pack(const at_dataset *d, const uint32_t *index, const uint32_t *seq_id, int n, at_arena *arena,
                          at_batch *batch, at_error *err) {
    AT_TRY(pack_rows(d, index, seq_id, n, 0, arena, batch, err));
    if (d->source) {
        at_batch *decoder = AT_NEW_ARRAY(arena, at_batch, 1);
        if (!decoder) return at_fail_memory(err, sizeof *decoder);
        AT_TRY(pack_rows(d, index, seq_id, n, 1, arena, decoder, err));
        batch->decoder = decoder;
    }
    return pack_answers(d, index, n, arena, batch, err);
}
