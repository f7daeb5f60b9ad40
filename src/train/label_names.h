/* What a finished model calls the whole numbers among the labels of data. */
#ifndef AT_TRAIN_LABEL_NAMES_H
#define AT_TRAIN_LABEL_NAMES_H

#include "model/model.h"

/* As its training was told (config.json, attune.label_names); of a model from elsewhere its id2label, where that has names. n 0: none. Copied to the arena. */
at_status at_task_names_of_numbers(const at_model *model, at_arena *arena, at_labels *names, at_error *err);

#endif
