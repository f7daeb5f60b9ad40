/* A dataset as a file: everything that encoding a table gave, so that a later start of the same run maps it instead of tokenising again,
 * and no example lies in private memory. The file belongs to the machine that wrote it (byte order) and is checked as a whole by XXH3-128
 * before anything of it is used. */
#ifndef AT_TRAIN_DATASET_FILE_H
#define AT_TRAIN_DATASET_FILE_H

#include "train/dataset.h"

/* Writes it atomically. `key` says what it was made from: a run's settings and the contents of its files. */
at_status at_dataset_store(const at_dataset *d, const char *path, uint64_t key, at_error *err);
/* The dataset of that key, mapped; *dataset NULL where there is none, or none that is whole. `table` as in at_dataset, kept where the
 * stored one had a table; user_path is what messages call the user's file. */
at_status at_dataset_load(const char *path, uint64_t key, const char *user_path, const at_table *table, at_dataset **dataset,
                          at_error *err);

#endif
