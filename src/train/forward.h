/* Batched forward passes over a dataset: what evaluation during a training and infer/ have in common. Without gradients; answers are in the
 * dataset's order and do not depend on threads. See infer/predict.h for the arguments. */
#ifndef AT_TRAIN_FORWARD_H
#define AT_TRAIN_FORWARD_H

#include "model/model.h"
#include "train/dataset.h"

/* What a kind of head reads of each output, and where it goes. */
typedef struct at_feature_set {
    at_head_kind kind;
    float *features; /* [outputs, hidden] */
} at_feature_set;

at_status at_forward_logits(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool, float *logits,
                            int (*progress)(void *context, int done), void *context, at_error *err);
at_status at_forward_features(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                              const at_feature_set *sets, int n_sets, int (*progress)(void *context, int done), void *context,
                              at_error *err);

#endif
