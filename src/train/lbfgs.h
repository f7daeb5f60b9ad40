/* Limited-memory BFGS (Nocedal 1980; Liu, Nocedal 1989) with a backtracking line search, for small smooth problems such as
 * fitting a head on cached features. Full-batch and deterministic. */
#ifndef AT_TRAIN_LBFGS_H
#define AT_TRAIN_LBFGS_H

#include "base/arena.h"

/* Value at x [n]; writes the gradient [n]. */
typedef double at_objective(void *context, const double *x, double *gradient);

typedef struct at_lbfgs_options {
    int max_iterations;
    double gradient_tolerance; /* stop where the largest |gradient| is below tolerance * max(1, |value|) */
    double value_tolerance;    /* stop where the value fell by less than tolerance * |value| in an iteration, twice in a row */
} at_lbfgs_options;

/* Minimises in place from x. *iterations may be NULL. Memory: 2 * 10 + 4 vectors of n doubles, from the arena. */
at_status at_lbfgs(at_objective *objective, void *context, double *x, size_t n, const at_lbfgs_options *options,
                   at_arena *arena, int *iterations, double *value, at_error *err);

#endif
