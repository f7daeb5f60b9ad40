/* Weights: the parameters of a model in one flat array, each in the layout that its products like.
 *
 * One master per weight. Its gradient and its optimiser state lie in the same layout at the same kind of
 * offset, so that clearing, reducing and AdamW are passes over flat arrays. The layout of files exists
 * only while opening and saving (at_weight_put, at_weight_get). */
#ifndef AT_TENSOR_WEIGHT_H
#define AT_TENSOR_WEIGHT_H

#include "backend/compact.h"
#include "base/arena.h"

typedef enum at_weight_kind {
    AT_WEIGHT_LINEAR, /* [out, in], packed; see backend.h */
    AT_WEIGHT_VECTOR, /* [out], in = 1: biases, norms */
    AT_WEIGHT_TABLE,  /* [out, in] row-major: embeddings; its gradient is kept by touched rows */
    AT_WEIGHT_MATRIX  /* [out, in] row-major, its gradient is dense: biases by distance, a table that is a classifier too */
} at_weight_kind;

#define AT_NO_GRADIENT ((size_t)-1)

typedef struct at_weight {
    const char *name;   /* our name, as in the file of the family (model/names.c) */
    at_weight_kind kind;
    int out, in;
    at_form form;       /* AT_FORM_FP32, or as what its numbers are kept: read only, never trained */
    size_t offset;      /* of the master in at_params.values, in elements; in another form, in at_params.compact, in bytes */
    size_t size;        /* elements of the master with padding; 0 in another form */
    size_t gradient;    /* offset in a lane's dense gradients and in the moments; AT_NO_GRADIENT: frozen. For a table: index
                           in the lane's tables, moments at table_moments */
    size_t moments;     /* offset of the optimiser state */
    int depth;          /* 0 embeddings, 1.. layers, then the head: for freezing, unfreezing, layer-wise rates */
    int decay;          /* 1 where weight decay applies: not on biases and norms */
    int is_head;        /* part of the new network */
    int constant;       /* no parameter: never trained, whatever is asked for */
    int still_row;      /* of a table: this row gets no gradient (the padding's, as PyTorch's padding_idx); -1: none */
    float rate_scale;   /* multiplies the learning rate */
} at_weight;

typedef struct at_params {
    at_weight *weights;
    int n, cap;
    at_real *values;       /* the masters, at_params_total elements, 64-byte aligned */
    size_t total;          /* elements of values */
    unsigned char *compact; /* the weights that are kept in another form (backend/compact.h) */
    size_t compact_bytes;
    size_t n_gradient;     /* elements of dense gradients of one lane (trainable linear and vector weights) */
    size_t n_moments;      /* elements of m, and of v (trainable weights of every kind) */
    int n_tables;          /* trainable tables */
} at_params;

/* Declares a weight; the pointer stays valid (capacity is given at at_params_init). Sizes are checked for overflow. */
at_status at_params_init(at_params *p, at_arena *arena, int max_weights, at_error *err);
at_status at_params_add(at_params *p, at_arena *arena, const char *name, at_weight_kind kind, int out, int in, int depth,
                        int decay, at_weight **weight, at_error *err);
/* Instead of fp32, before the memory is taken: form [n], for weights of the kinds linear and table. */
at_status at_params_choose_forms(at_params *p, const at_form *form, at_error *err);
/* After the last at_params_add: takes the memory of the masters (its own mapping; at_params_free returns it). */
at_status at_params_allocate(at_params *p, at_error *err);
void at_params_free(at_params *p);
at_weight *at_params_find(const at_params *p, const char *name);

static inline at_real *at_weight_values(const at_params *p, const at_weight *w) { return p->values + w->offset; }

static inline const void *at_weight_compact(const at_params *p, const at_weight *w) { return p->compact + w->offset; }
/* Bytes that all weights take. */
static inline size_t at_params_bytes(const at_params *p) { return p->total * sizeof(at_real) + p->compact_bytes; }

/* Element-wise between the file's layout [out, in] and the home. Put: n rows from `first`, a multiple of AT_PANEL; get: all. */
void at_weight_put(at_params *p, const at_weight *w, const float *file_values);
void at_weight_put_rows(at_params *p, const at_weight *w, int first, int n, const float *rows);
void at_weight_get(const at_params *p, const at_weight *w, float *file_values);
/* N(0, deviation) drawn by (seed, AT_SITE_INIT, hash of the name, element): the same for every layout. */
void at_weight_init_normal(at_params *p, const at_weight *w, double deviation, uint64_t seed);
void at_weight_fill(at_params *p, const at_weight *w, at_real value);

/* Gives trainable[i] != 0 weights their places in gradients and moments, the others AT_NO_GRADIENT. */
void at_params_set_trainable(at_params *p, const unsigned char *trainable);

#endif
