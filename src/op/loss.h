/* What the losses share: a scalar whose gradient with respect to its input was made in the forward pass. Private to src/op. */
#ifndef AT_OP_LOSS_H
#define AT_OP_LOSS_H

#include "op/shape.h"

/* The loss [1, 1] of `value`, and where x records, a node that gives x the gradient dloss * dx. dx [elements of x] is saved memory
 * of the tape, NULL where x does not record. */
at_tensor *at_loss_tensor(at_tape *t, at_tensor *x, double value, const at_real *dx);

/* Saved memory for dx where x records, else NULL; a failure is sticky. */
at_real *at_loss_gradient(at_tape *t, const at_tensor *x);

#endif
