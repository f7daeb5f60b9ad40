/* Batched prediction: batches by length, no gradient state, the same kernels. Logits come back in the dataset's order. */
#ifndef AT_INFER_PREDICT_H
#define AT_INFER_PREDICT_H

#include "model/model.h"
#include "train/dataset.h"

/* logits [d->n, head.n_out], float. */
at_status at_predict_logits(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                            float *logits, at_error *err);
/* The head's inputs: features [d->n, hidden] of `kind` (first token or mean of tokens), dropout off: the frozen body's answer. Both kinds in one
 * pass where both pointers are given. progress (may be NULL) is called with examples done; returning 1 stops with AT_STOPPED. */
at_status at_predict_features(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                              float *first_token, float *mean, int (*progress)(void *context, int done), void *context,
                              at_error *err);

#endif
