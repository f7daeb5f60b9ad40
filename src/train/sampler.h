/* Which examples a step takes (as at_dataset.draw says), and how they are dealt to lanes and chunks. All of it is a function of the data's
 * lengths, the seed and the numbers of the plan: never of threads. A sequence's number for dropout is its place in the
 * step, so the deal does not change masks. */
#ifndef AT_TRAIN_SAMPLER_H
#define AT_TRAIN_SAMPLER_H

#include "train/dataset.h"

typedef struct at_step_chunk {
    int start, n; /* in at_step_plan.dealt */
} at_step_chunk;

/* The work of one step. */
typedef struct at_step_plan {
    int n, tokens;          /* sequences and tokens of the step */
    const uint32_t *example;/* [n] in the order of the step */
    uint32_t *dealt;        /* [n] the same by lane and, within a lane, longest first */
    uint32_t *seq_id;       /* [n] place in the step of dealt[i] */
    int lanes, n_chunks;
    at_step_chunk *chunk;   /* [n_chunks] */
    int *chunk_at;          /* [lanes + 1] a lane's chunks */
    int *lane_rows;         /* [lanes] tokens */
    uint64_t *sorted;       /* [n] private */
} at_step_plan;

/* The most of everything in any step: what memory must serve. */
typedef struct at_step_bounds {
    int rows, n_seq, max_len; /* of a chunk */
    int n_places;             /* of a chunk: answers at tokens; 0: one a sequence */
    int decoder_rows, decoder_len; /* of a chunk: a decoder's rows, the longest of its sequences; then rows and max_len are the encoder's */
    int lane_rows, n_chunks;  /* of a lane, of a step */
    int step_seq;             /* sequences of a step */
} at_step_bounds;

typedef struct at_sampler {
    const at_dataset *d;
    int n_units;      /* what is drawn: examples or rows */
    int batch_size, lanes, chunk_rows, steps_per_epoch; /* batch_size in units */
    uint64_t seed;
    int epoch;        /* whose order is in `order`; -1: none yet */
    uint32_t *order;  /* [n_units] */
    uint32_t *first;  /* [n_units + 1] first example of each row; NULL: units are examples */
    uint32_t *step;   /* the examples of the step where units are rows */
    uint32_t *drawn, *same_label, *label_at; /* AT_DRAW_LABELS: scratch */
    at_step_plan plan;
} at_sampler;

/* Memory from the arena. */
at_status at_sampler_init(at_sampler *s, const at_dataset *d, int batch_size, int lanes, int chunk_rows, uint64_t seed,
                          at_arena *arena, at_error *err);
/* The plan of a step (counted from 0 over all epochs); valid until the next call. Allocates nothing. */
const at_step_plan *at_sampler_step(at_sampler *s, int step);
/* The most of everything in steps 0 .. n_steps-1. */
at_step_bounds at_sampler_bounds(at_sampler *s, int n_steps);

/* For a step of given examples (at most n of at_step_plan_init). */
at_status at_step_plan_init(at_step_plan *plan, int n, int lanes, at_arena *arena, at_error *err);
void at_step_plan_deal(at_step_plan *plan, const at_dataset *d, const uint32_t *example, int n, int chunk_rows);
void at_step_bounds_add(at_step_bounds *bounds, const at_step_plan *plan, const at_dataset *d);

#endif
