/* Batched prediction: batches by length, no gradient state, the same kernels. Logits come back in the dataset's order. */
#ifndef AT_INFER_PREDICT_H
#define AT_INFER_PREDICT_H

#include "train/forward.h"

/* logits [at_dataset_outputs(d), head.n_out], float. */
at_status at_predict_logits(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                            float *logits, at_error *err);
/* The same, watched: progress (may be NULL) as below. */
at_status at_predict_logits_watched(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool, float *logits,
                                    int (*progress)(void *context, int done), void *context, at_error *err);
/* The heads' inputs, dropout off: the frozen body's answer, for several kinds of heads in one pass. progress (may be NULL) is called with
 * examples done; returning 1 stops with AT_STOPPED. */
at_status at_predict_features(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                              const at_feature_set *sets, int n_sets, int (*progress)(void *context, int done), void *context,
                              at_error *err);

#endif
