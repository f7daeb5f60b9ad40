/* The lanes of a step: each walks its sequences in chunks through the whole model, forward and backward, and gathers gradients of its
 * own. A lane is worked on by one thread at a time; the arenas belong to the thread that works, the gradients to the lane.
 *
 * A coupled task's loss needs the whole step's outputs (at_task.coupled). A step then is: forward over all chunks; the loss and its
 * gradient on the outputs, on a tape of their own; backward over all chunks. Where memory allows, the chunks' tapes wait in between; where
 * it does not, each chunk's forward pass is done again before its backward pass (gradient caching: Gao et al. 2021, "Scaling deep
 * contrastive learning batch size under memory limited setup"), so that a step may be larger than what memory holds of it. Masks of dropout
 * are named by step and sequence, so that both ways give the same bits. */
#ifndef AT_TRAIN_LANES_H
#define AT_TRAIN_LANES_H

#include "tensor/workspace.h"
#include "train/sampler.h"
#include "train/task.h"

typedef struct at_lanes_setup {
    const at_model *model;       /* as the trainer sees it: with its own dropout */
    at_params *params;
    const at_task_state *state;
    const at_dataset *d;
    const at_backend *backend;
    at_pool *pool;
    uint64_t seed;
    int lanes;
    at_step_bounds bounds;
    int gradual;                 /* blocks join from the top: every phase is measured */
    int replay;                  /* coupled: never let tapes wait, whatever memory there is */
} at_lanes_setup;

typedef struct at_lanes at_lanes;

typedef struct at_lanes_memory {
    at_workspace_size chunk; /* of a chunk's walk */
    int n_workspaces;        /* so many of those: one a thread, or where tapes wait one a chunk */
    int keeps;               /* coupled: tapes wait */
    at_workspace_size step;  /* coupled: of the loss */
    size_t outputs;          /* coupled: elements of the step's outputs */
} at_lanes_memory;

/* What the arenas must hold: a dry run of forward, loss and backward over the largest chunk, with all that will train. Finds every
 * error of shapes. */
at_status at_lanes_measure(const at_lanes_setup *setup, at_lanes_memory *memory, at_error *err);
size_t at_lanes_bytes(const at_lanes_memory *memory);
int at_lanes_threads(const at_lanes_setup *setup); /* lanes that can be worked on at once */
/* Threads beyond one a lane join teams, which share the products of their lane: those of the n-th, at least 1. */
int at_lanes_team(const at_lanes_setup *setup, int lane);

at_status at_lanes_open(const at_lanes_setup *setup, at_lanes **lanes, at_error *err);
void at_lanes_close(at_lanes *lanes);

typedef struct at_lanes_result {
    double loss;             /* of the step: chunks added in order */
    const double *chunk_loss;/* [plan->n_chunks] */
} at_lanes_result;

/* Losses and gradients of a step: `step` counts from 0 and names the dropout masks. Allocates nothing. */
at_status at_lanes_run(at_lanes *lanes, const at_step_plan *plan, int step, at_lanes_result *result, at_error *err);
at_gradients *at_lanes_gradients(at_lanes *lanes); /* [lanes] */
at_workspace_size at_lanes_peak(const at_lanes *lanes); /* the most that any thread's arenas held so far */

#endif
