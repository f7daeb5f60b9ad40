/* Encoding goes in waves of blocks: the blocks of a wave are encoded in parallel, each into its own buffers, and then added in order, so
 * that the result does not depend on the threads and only one wave is held twice. */
#include <stdlib.h>
#include <string.h>

#include "train/dataset_build.h"
#include "train/long_text.h"

enum { BLOCK_ROWS = 128, WAVE_BLOCKS = 64 };

typedef struct block {
    at_examples out;      /* of its rows */
    int n_cut_examples;
    uint64_t n_cut_tokens;
    at_encoding encoding; /* kept for the next wave */
    at_long_text whole;
    at_status status;
    at_error err;
} block;

typedef struct encode_job {
    const at_table *table;
    const at_tokenizer *tokenizer;
    at_dataset *d;
    int first, second, wave_row; /* first row of the wave */
    at_long how;
    at_encode_options options;
    int32_t stand_in;     /* for a text that gives no token at all */
    block *blocks;
    at_examples all;      /* lengths and rows alone */
} encode_job;

/* The tokenizer itself cuts as it is asked to. */
static int cuts_itself(const encode_job *job) {
    return job->how == AT_LONG_AUTO || (job->how == AT_LONG_TAIL && !at_tokenizer_asks(job->tokenizer)->truncate_left);
}

static at_status add_plain(const encode_job *job, block *b, int row) {
    const at_encoding *e = &b->encoding;
    if (e->n) return at_examples_add(&b->out, row, e->ids, e->types, e->n, &b->err);
    return at_examples_add(&b->out, row, &job->stand_in, &(uint8_t){0}, 1, &b->err);
}

static at_status encode_row(const encode_job *job, block *b, int row) {
    at_cell first = at_table_cell(job->table, row, job->first), second = {0};
    if (job->second >= 0) second = at_table_cell(job->table, row, job->second);
    const at_text_pair text = {first.text ? first.text : "",
                               job->second < 0 ? NULL
                               : second.text   ? second.text
                                               : "",
                               first.len, second.len};
    at_encoding *e = &b->encoding;
    at_status st = at_encode(job->tokenizer, text.first, text.first_len, text.second, text.second_len, &job->options, e, &b->err);
    int cut = e->n_cut;
    if (!st && (cut <= 0 || cuts_itself(job))) st = add_plain(job, b, row);
    else if (!st && job->how == AT_LONG_ERROR)
        st = at_fail(&b->err, AT_BAD_DATA, "%d tokens, %d more than the model reads (--long error)", e->n + cut, cut);
    else if (!st) st = at_long_text_cut(&b->whole, job->tokenizer, &text, job->options.max_tokens, job->how, row, &b->out, &cut, &b->err);
    if (cut > 0) {
        b->n_cut_examples++;
        b->n_cut_tokens += (uint64_t)cut;
    }
    return st ? at_fail_prefix(&b->err, "%s:%u", job->table->path, (unsigned)job->table->line[row]) : AT_OK;
}

static void encode_block(void *context, int i) {
    encode_job *job = context;
    block *b = &job->blocks[i];
    b->out.n = 0;
    b->out.n_tokens = 0;
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
        AT_TRY(at_dataset_add_tokens(job->d, b->out.ids, b->out.types, b->out.n_tokens, err));
        AT_TRY(at_examples_note(&job->all, &b->out, err));
    }
    return AT_OK;
}

/* Rows that became several examples need more room than one each. */
static at_status number_examples(encode_job *job, at_error *err) {
    at_dataset *d = job->d;
    const at_examples *all = &job->all;
    if (all->n > d->n) {
        d->token_at = AT_NEW_ARRAY(&d->arena, uint64_t, all->n + 1);
        d->line = AT_NEW_ARRAY(&d->arena, uint32_t, all->n);
        d->row = AT_NEW_ARRAY(&d->arena, uint32_t, all->n);
        if (!d->token_at || !d->line || !d->row) return at_fail_memory(err, (size_t)all->n * 16);
    }
    d->n = all->n;
    for (int i = 0; i < d->n; i++) {
        d->token_at[i + 1] = d->token_at[i] + (uint64_t)all->length[i];
        d->line[i] = job->table->line[all->row[i]];
        if (d->row) d->row[i] = all->row[i];
    }
    return AT_OK;
}

static at_status encode_all(encode_job *job, at_pool *pool, at_error *err) {
    at_dataset *d = job->d;
    for (; job->wave_row < job->table->n_rows; job->wave_row += WAVE_BLOCKS * BLOCK_ROWS) AT_TRY(encode_wave(job, pool, err));
    AT_TRY(number_examples(job, err));
    for (int i = 0; i < WAVE_BLOCKS; i++) {
        d->n_cut_examples += job->blocks[i].n_cut_examples;
        d->n_cut_tokens += job->blocks[i].n_cut_tokens;
    }
    return at_dataset_seal(d, err);
}

static void blocks_free(block *blocks) {
    if (!blocks) return;
    for (int i = 0; i < WAVE_BLOCKS; i++) {
        at_examples_free(&blocks[i].out);
        at_encoding_free(&blocks[i].encoding);
        at_long_text_free(&blocks[i].whole);
    }
    free(blocks);
}

static int32_t stand_in_token(const at_tokenizer *t) {
    static const char *const roles[] = {"unk", "cls", "pad"};
    for (int i = 0; i < 3; i++)
        if (at_tokenizer_special(t, roles[i]) >= 0) return at_tokenizer_special(t, roles[i]);
    return 0;
}

at_status at_dataset_encode_long(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens, at_long how,
                                 at_pool *pool, at_dataset **dataset, at_error *err) {
    int least = second < 0 ? 3 : 5; /* the special tokens and one of each text */
    if (max_tokens > 0 && max_tokens < least)
        return at_fail(err, AT_USAGE, "a limit of %d tokens leaves no room for the text; it must be at least %d", max_tokens, least);
    encode_job job = {.table = table, .tokenizer = tokenizer, .first = first, .second = second, .how = how};
    job.options.max_tokens = max_tokens;
    job.stand_in = stand_in_token(tokenizer);
    job.blocks = calloc(WAVE_BLOCKS, sizeof *job.blocks);
    at_status st = job.blocks ? at_dataset_new(table->path, table->n_rows, &job.d, err) : at_fail_memory(err, 0);
    if (!st) {
        job.d->max_tokens = max_tokens;
        st = encode_all(&job, pool, err);
    }
    blocks_free(job.blocks);
    at_examples_free(&job.all);
    if (st) at_dataset_close(job.d);
    else *dataset = job.d;
    return st;
}

at_status at_dataset_encode(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens, at_pool *pool,
                            at_dataset **dataset, at_error *err) {
    return at_dataset_encode_long(table, first, second, tokenizer, max_tokens, AT_LONG_AUTO, pool, dataset, err);
}
