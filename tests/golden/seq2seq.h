/* A recorded encoder-decoder (tests/oracle/make_golden_seq2seq.py), its pairs packed, and its forward and backward pass. */
#ifndef AT_TESTS_SEQ2SEQ_H
#define AT_TESTS_SEQ2SEQ_H

#include "check.h"

#include "golden/compare.h"
#include "golden/folders.h"

static golden_folders folders = {.root = "golden/seq2seq"};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    int32_t *decoder_ids, *decoder_cu, *target; /* of the file; h.target is that of the pairs packed last */
    at_batch decoder;
    int asked; /* words of the pairs packed last that are asked for */
    at_error err;
    char folder[4096];
} golden;

static inline const char *path_in(const char *folder, const char *name) { return golden_path(&folders, folder, name); }

static inline int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, 5);
}

/* Pairs first, first + stride, ...: the decoder's rows beside those of harness_pack, every one of them asked for its next word. */
static inline void pack_pairs(golden *g, int first, int stride) {
    harness *h = &g->h;
    at_arena *a = &h->memory;
    size_t rows = (size_t)g->decoder_cu[h->n_seq];
    harness_pack(h, first, stride);
    int32_t *ids = AT_NEW_ARRAY(a, int32_t, rows), *positions = AT_NEW_ARRAY(a, int32_t, rows), *place = AT_NEW_ARRAY(a, int32_t, rows);
    uint64_t *row_id = AT_NEW_ARRAY(a, uint64_t, rows);
    uint8_t *types = AT_NEW_ARRAY(a, uint8_t, rows);
    int *cu = AT_NEW_ARRAY(a, int, h->n_seq + 1);
    at_batch d = {.cu_seqlens = cu, .ids = ids, .types = types, .positions = positions, .row_id = row_id, .seq_row = h->batch.seq_row,
                  .seq_id = h->batch.seq_id};
    h->target = AT_NEW_ARRAY(a, int32_t, rows);
    g->asked = 0;
    for (int s = first; s < h->n_seq; s += stride) {
        int n = g->decoder_cu[s + 1] - g->decoder_cu[s];
        for (int i = 0; i < n; i++, d.rows++) {
            ids[d.rows] = g->decoder_ids[g->decoder_cu[s] + i];
            h->target[d.rows] = g->target[g->decoder_cu[s] + i];
            g->asked += h->target[d.rows] >= 0;
            positions[d.rows] = i;
            place[d.rows] = d.rows;
            row_id[d.rows] = (uint64_t)d.n_seq << 32 | (uint64_t)i;
        }
        if (n > d.max_len) d.max_len = n;
        cu[++d.n_seq] = d.rows;
    }
    g->decoder = d;
    h->batch.decoder = &g->decoder;
    h->batch.place = h->batch.output = place;
    h->batch.output_row = row_id;
    h->batch.n_outputs = d.rows;
}

static inline void open_folder(golden *g, const char *folder, const char *name) {
    at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1};
    char batch[4096];
    at_safetensors *file;
    snprintf(g->folder, sizeof g->folder, "%s", folder);
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, g->folder, &options, batch, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_safetensors_open(batch, &file, &g->err), &g->err);
    check_ok(harness_read(&g->h.memory, file, "decoder_ids", (void **)&g->decoder_ids, NULL, &g->err), &g->err);
    check_ok(harness_read(&g->h.memory, file, "decoder_cu", (void **)&g->decoder_cu, NULL, &g->err), &g->err);
    check_ok(harness_read(&g->h.memory, file, "target", (void **)&g->target, NULL, &g->err), &g->err);
    at_safetensors_close(file);
    /* The decoder's words have rows in the tables' gradients too. */
    int rows = g->h.cu[g->h.n_seq] + g->decoder_cu[g->h.n_seq];
    check_ok(at_gradients_make(&g->h.gradients, &g->h.memory, &g->h.model->params, rows, &g->err), &g->err);
    pack_pairs(g, 0, 1);
}

static inline void open_golden(golden *g, const char *name) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%.4000s", path_in(name, ""));
    open_folder(g, folder, name);
}

static inline void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
}

static inline at_status forward(golden *g, int backward) {
    harness *h = &g->h;
    at_tape *t = &h->tape;
    harness_forward(h, backward);
    h->loss = at_op_cross_entropy(t, h->logits, h->target, NULL, 0, g->asked);
    return backward && h->loss ? at_tape_backward(t, h->loss) : at_tape_status(t);
}

#endif
