/* The end of a step: two passes over flat arrays, parallel over ranges.
 *
 *   reduce  adds the lanes' gradients in the fixed tree of the kernel table, into the first lane (a table's row: into the first lane
 *           that touched it), and gives the sum of squares: by pieces in double, the pieces added in order;
 *   update  applies the clip's factor and AdamW (as PyTorch's, dense: every weight moves) and clears the gradients for the next step.
 *
 * Pieces are cut by size alone, so threads do not show in the bits. Rows of a table that never had a gradient have zero moments:
 * for them AdamW is the weight decay alone, and their moments are neither read nor written. */
#ifndef AT_TRAIN_OPTIMIZER_H
#define AT_TRAIN_OPTIMIZER_H

#include "base/thread.h"
#include "tensor/tape.h"
#include "train/trainer.h"

enum { AT_MAX_LANES = 64 };
struct at_saved_range;

typedef struct at_piece {
    int weight;
    size_t start, n; /* elements of the weight */
} at_piece;

/* A trainable table at the end of a step. */
typedef struct at_table_state {
    at_weight *weight;
    unsigned char *history; /* [out] the row has moments */
    at_real **gradient;     /* [out] the row's reduced gradient, NULL: not touched in this step */
    int32_t *touched;       /* [n_touched] rows in the order of lanes and first touch */
    int n_touched;
} at_table_state;

typedef struct at_optimizer {
    at_params *params;
    const at_backend *backend;
    at_pool *pool;
    at_arena memory, flat;   /* small things; m and v */
    at_real *m, *v;          /* [params->n_moments] */
    int32_t *updates;        /* [params->n] AdamW steps that a weight has made: t of its bias correction */
    size_t *place;           /* [params->n] the weight's `gradient` while it is active */
    at_adamw *rule;          /* [params->n] of the current step */
    at_piece *pieces;
    int n_pieces, n_tasks;
    int *task_at;            /* [n_tasks + 1] pieces of a task */
    at_table_state *tables;
    int n_tables;
    double *squares;         /* [n_pieces + blocks of tables] */
    at_real *zeros;          /* [widest table] */
    at_gradients *gradients; /* [lanes] lent by the lanes */
    int lanes, n_row_blocks;
} at_optimizer;

/* The weights that at_params_set_trainable made trainable; moments are zero. step_rows: most tokens of a step. */
at_status at_optimizer_open(at_optimizer *o, at_params *params, const at_backend *backend, at_pool *pool, int lanes,
                            int step_rows, at_error *err);
void at_optimizer_close(at_optimizer *o);
/* Bytes of m and v. */
size_t at_optimizer_bytes(const at_params *params);

/* Only weights from this depth on (and the new network) train from now on; moments stay where they are. */
void at_optimizer_activate(at_optimizer *o, int lowest_depth);
static inline int at_optimizer_owns(const at_optimizer *o, int weight) { return o->place[weight] != AT_NO_GRADIENT; }
void at_optimizer_reset(at_optimizer *o);   /* zero moments, no history */
void at_optimizer_recall(at_optimizer *o);  /* after m and v were loaded: which rows have history */

/* The parts of m and v that may be other than zero, ascending, in the arena: all but the rows of tables that have no history. */
at_status at_optimizer_history(const at_optimizer *o, at_arena *arena, struct at_saved_range **ranges, int *n, at_error *err);

/* The norm of the summed gradient; NaN or infinite where it is. */
double at_optimizer_reduce(at_optimizer *o, at_gradients *gradients);
/* One step with the rate of each weight [params->n]; gradient_scale is the clip's factor. */
void at_optimizer_update(at_optimizer *o, const at_hyper *h, const double *rate, double gradient_scale);
/* Throws the gradients away: no step. */
void at_optimizer_discard(at_optimizer *o, at_gradients *gradients);

#endif
