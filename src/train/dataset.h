/* A dataset: labelled examples, tokenised once, in flat arrays. The token arrays may be a private mapping of a cache file, so that
 * private memory does not grow with the data. */
#ifndef AT_TRAIN_DATASET_H
#define AT_TRAIN_DATASET_H

#include "base/thread.h"
#include "io/table.h"
#include "tensor/batch.h"
#include "text/tokenizer.h"

typedef struct at_dataset {
    at_arena arena;
    const char *path;         /* of the user's file, for messages */
    int n;                    /* examples */
    uint64_t *token_at;       /* [n + 1] */
    const int32_t *ids;       /* [token_at[n]] */
    const uint8_t *types;     /* [token_at[n]] */
    uint32_t *line;           /* [n] 1-based line of the user's file */
    /* What is to be predicted; a task fills what it uses and leaves the rest NULL. */
    int32_t *label;           /* [n] class, or -1: not labelled */
    float *target;            /* [n, target_width] */
    int target_width;
    int32_t *token_label;     /* [token_at[n]]; -100 is ignored */
    /* What the limit did. */
    int max_tokens, n_cut_examples;
    uint64_t n_cut_tokens;
    int longest;              /* tokens of the longest example */
    int32_t max_id;           /* highest token id and type: checked against a model by at_dataset_fits */
    uint8_t max_type;
    struct at_spool *spool[2];/* private: where ids and types live (memory, or mapped from a file that has no name) */
} at_dataset;

/* Encodes columns `first` and (or -1) `second` of the rows of a table in parallel; labels are left to the task. Every example keeps at
 * least one token. Above 64 MB the tokens go to an unlinked file in $TMPDIR (or /var/tmp) that is mapped; where that cannot be
 * written they stay in memory. */
at_status at_dataset_encode(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens,
                            at_pool *pool, at_dataset **dataset, at_error *err);
/* The examples of `index` in that order, as a dataset of its own (tokens are copied). */
at_status at_dataset_subset(const at_dataset *from, const uint32_t *index, int n, at_dataset **dataset, at_error *err);
void at_dataset_close(at_dataset *dataset);
static inline int at_dataset_length(const at_dataset *d, int example) {
    return (int)(d->token_at[example + 1] - d->token_at[example]);
}

/* XXH3 of tokens and what is to be predicted: what a checkpoint was trained on. */
uint64_t at_dataset_hash(const at_dataset *dataset);
/* AT_BAD_MODEL where an example has ids, types or lengths that a model of these sizes does not take. */
at_status at_dataset_fits(const at_dataset *dataset, int vocab_size, int type_vocab, int max_positions, at_error *err);

/* Packs the examples of `index` into one chunk, all arrays from the arena. seq_id NULL: 0, 1, ... */
at_status at_dataset_pack(const at_dataset *d, const uint32_t *index, const uint32_t *seq_id, int n, at_arena *arena,
                          at_batch *batch, at_error *err);
/* Bytes that such a pack takes from an arena. */
size_t at_dataset_pack_bytes(int rows, int n_seq);

#endif
