/* Encoding goes in waves of blocks: the blocks of a wave are encoded in parallel, each into its own buffers, and then added in order, so
 * that the result does not depend on the threads and only one wave is held twice. */
#include "train/dataset_build.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 128, WAVE_BLOCKS = 64 };

typedef struct block {
    int32_t *ids;
    uint8_t *types;
    size_t n, cap;
    int n_cut_examples;
    uint64_t n_cut_tokens;
    at_encoding encoding; /* kept for the next wave */
    at_status status;
    at_error err;
} block;

typedef struct encode_job {
    const at_table *table;
    const at_tokenizer *tokenizer;
    at_dataset *d;
    int first, second, wave_row; /* first row of the wave */
    at_encode_options options;
    int32_t stand_in; /* for a text that gives no token at all */
    block *blocks;
} encode_job;

static at_status block_add(block *b, const int32_t *ids, const uint8_t *types, size_t n) {
    if (b->n + n > b->cap) {
        size_t cap = 2 * (b->n + n) + 1024;
        int32_t *more_ids = realloc(b->ids, cap * sizeof *more_ids);
        if (more_ids) b->ids = more_ids;
        uint8_t *more_types = more_ids ? realloc(b->types, cap) : NULL;
        if (!more_types) return at_fail_memory(&b->err, cap * 5);
        b->types = more_types;
        b->cap = cap;
    }
    memcpy(b->ids + b->n, ids, n * sizeof *ids);
    memcpy(b->types + b->n, types, n);
    b->n += n;
    return AT_OK;
}

static at_status encode_row(const encode_job *job, block *b, int row) {
    at_cell first = at_table_cell(job->table, row, job->first), second = {0};
    if (job->second >= 0) second = at_table_cell(job->table, row, job->second);
    const char *other = job->second < 0 ? NULL : second.text ? second.text : "";
    at_encoding *e = &b->encoding;
    if (at_encode(job->tokenizer, first.text ? first.text : "", first.len, other, second.len, &job->options, e, &b->err))
        return at_fail_prefix(&b->err, "%s:%u", job->table->path, (unsigned)job->table->line[row]);
    if (e->n_cut > 0) {
        b->n_cut_examples++;
        b->n_cut_tokens += (uint64_t)e->n_cut;
    }
    job->d->token_at[row + 1] = e->n ? (uint64_t)e->n : 1;
    return e->n ? block_add(b, e->ids, e->types, (size_t)e->n) : block_add(b, &job->stand_in, &(uint8_t){0}, 1);
}

static void encode_block(void *context, int i) {
    encode_job *job = context;
    block *b = &job->blocks[i];
    b->n = 0;
    int row = job->wave_row + i * BLOCK_ROWS, end = row + BLOCK_ROWS;
    if (end > job->table->n_rows) end = job->table->n_rows;
    for (; row < end && !b->status; row++) b->status = encode_row(job, b, row);
}

static at_status encode_wave(encode_job *job, at_pool *pool, at_error *err) {
    int left = job->table->n_rows - job->wave_row, n = (left + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (n > WAVE_BLOCKS) n = WAVE_BLOCKS;
    at_pool_run(pool, encode_block, job, n);
    for (int i = 0; i < n; i++) {
        block *b = &job->blocks[i];
        if (b->status) return at_fail(err, b->status, "%s", b->err.text);
        AT_TRY(at_dataset_add_tokens(job->d, b->ids, b->types, b->n, err));
    }
    return AT_OK;
}

static at_status encode_all(encode_job *job, at_pool *pool, at_error *err) {
    at_dataset *d = job->d;
    for (; job->wave_row < job->table->n_rows; job->wave_row += WAVE_BLOCKS * BLOCK_ROWS) AT_TRY(encode_wave(job, pool, err));
    uint64_t *at = d->token_at;
    for (int i = 0; i < d->n; i++) {
        at[i + 1] += at[i];
        d->line[i] = job->table->line[i];
    }
    for (int i = 0; i < WAVE_BLOCKS; i++) {
        d->n_cut_examples += job->blocks[i].n_cut_examples;
        d->n_cut_tokens += job->blocks[i].n_cut_tokens;
    }
    return at_dataset_seal(d, err);
}

static void blocks_free(block *blocks) {
    if (!blocks) return;
    for (int i = 0; i < WAVE_BLOCKS; i++) {
        free(blocks[i].ids);
        free(blocks[i].types);
        at_encoding_free(&blocks[i].encoding);
    }
    free(blocks);
}

static int32_t stand_in_token(const at_tokenizer *t) {
    static const char *const roles[] = {"unk", "cls", "pad"};
    for (int i = 0; i < 3; i++)
        if (at_tokenizer_special(t, roles[i]) >= 0) return at_tokenizer_special(t, roles[i]);
    return 0;
}

at_status at_dataset_encode(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens,
                            at_pool *pool, at_dataset **dataset, at_error *err) {
    int least = second < 0 ? 3 : 5; /* the special tokens and one of each text */
    if (max_tokens > 0 && max_tokens < least)
        return at_fail(err, AT_USAGE, "a limit of %d tokens leaves no room for the text; it must be at least %d", max_tokens, least);
    encode_job job = {.table = table, .tokenizer = tokenizer, .first = first, .second = second};
    job.options.max_tokens = max_tokens;
    job.stand_in = stand_in_token(tokenizer);
    job.blocks = calloc(WAVE_BLOCKS, sizeof *job.blocks);
    at_status st = job.blocks ? at_dataset_new(table->path, table->n_rows, &job.d, err) : at_fail_memory(err, 0);
    if (!st) {
        job.d->max_tokens = max_tokens;
        st = encode_all(&job, pool, err);
    }
    blocks_free(job.blocks);
    if (st) at_dataset_close(job.d);
    else *dataset = job.d;
    return st;
}
