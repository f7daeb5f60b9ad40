/* dx_i (+)= dloss gradient[index[i]] */
#include <string.h>

#include "op/loss.h"

at_tensor *at_op_given(at_tape *t, at_tensor *x, const at_real *gradient, const uint32_t *index) {
    if (t->status) return NULL;
    at_real *dx = at_loss_gradient(t, x);
    size_t cols = (size_t)x->cols;
    for (int i = 0; dx && i < x->rows && !t->dry; i++) memcpy(dx + (size_t)i * cols, gradient + (size_t)index[i] * cols, cols * sizeof *dx);
    return t->status ? NULL : at_loss_tensor(t, x, 0, dx);
}
