#include "infer/predict.h"

at_status at_predict_logits(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                            float *logits, at_error *err) {
    return at_forward_logits(model, d, backend, pool, logits, NULL, NULL, err);
}

at_status at_predict_logits_watched(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool, float *logits,
                                    int (*progress)(void *context, int done), void *context, at_error *err) {
    return at_forward_logits(model, d, backend, pool, logits, progress, context, err);
}

at_status at_predict_features(const at_model *model, const at_dataset *d, const at_backend *backend, at_pool *pool,
                              const at_feature_set *sets, int n_sets, int (*progress)(void *context, int done), void *context,
                              at_error *err) {
    return at_forward_features(model, d, backend, pool, sets, n_sets, progress, context, err);
}
