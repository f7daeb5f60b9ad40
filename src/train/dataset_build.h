/* How a dataset is built: private to dataset.c and encode_dataset.c. New, then token_at and line filled and tokens added, then sealed. */
#ifndef AT_TRAIN_DATASET_BUILD_H
#define AT_TRAIN_DATASET_BUILD_H

#include "train/dataset.h"

at_status at_dataset_new(const char *path, int n, at_dataset **dataset, at_error *err); /* close it also after a failure */
at_status at_dataset_add_tokens(at_dataset *d, const int32_t *ids, const uint8_t *types, size_t n, at_error *err);
at_status at_dataset_seal(at_dataset *d, at_error *err); /* token_at must be whole */

#endif
