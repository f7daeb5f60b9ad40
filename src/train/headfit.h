/* Fits a new network on cached features of the frozen body: to convergence (L-BFGS on the task's own loss), with an L2
 * penalty on its matrices chosen by cross-validation. Works for every task whose head reads features of the
 * frozen body, a row an output. */
#ifndef AT_TRAIN_HEADFIT_H
#define AT_TRAIN_HEADFIT_H

#include "train/task.h"

typedef struct at_head_problem {
    const at_arch *arch;
    at_head_kind kind;
    const at_task_state *state;
    const at_dataset *data;
    const float *features;     /* [outputs of data, arch->hidden]: what this kind of head reads */
    const at_backend *backend;
    uint64_t seed;             /* of the start */
    int (*stop)(void *context);/* asked between chunks of outputs, by one thread at a time; 1 ends with AT_STOPPED; may be NULL */
    void *stop_context;
} at_head_problem;

typedef struct at_head_choice {
    double penalty;            /* the best of the path: lambda of  mean loss + lambda / 2 * |W|^2 */
    double loss;               /* out-of-fold, mean */
    int n_folds;
    float *output_loss;        /* [outputs of data] out-of-fold loss of each output; NaN outside every fold */
    double *fold_main;         /* [n_folds] main score of each fold at that penalty */
    float *logits;             /* [outputs of data, n_out] out-of-fold at that penalty; rows outside every fold are 0 */
} at_head_choice;

/* fold[i] in 0..n_folds-1: the fold that holds example i out; -1: example i is not used. */
at_status at_head_choose(const at_head_problem *problem, const int8_t *fold, int n_folds, at_pool *pool, at_arena *arena,
                         at_head_choice *choice, at_error *err);

/* The two heads on the same folds, example by example: *gain is the mean of a's out-of-fold losses less b's, *error the standard error of
 * that mean (infinite where it cannot be known). 1 where b is better by more than the error. */
int at_head_compare(const at_head_choice *a, const at_head_choice *b, int n, double *gain, double *error);

/* Fits on all examples and puts the weights into the model's head (same kind, n_out and hidden). */
at_status at_head_fit(const at_head_problem *problem, double penalty, at_model *model, double *loss, at_error *err);

/* Stratified folds by counter-based shuffling: every class spread evenly (tasks without one class an example: plain). All examples of a
 * row of the table are in the same fold. */
void at_folds(const at_dataset *data, int n_folds, uint64_t seed, int8_t *fold);

#endif
