/* What a model's file holds that nothing reads. */
#ifndef AT_RUN_UNREAD_H
#define AT_RUN_UNREAD_H

#include "model/model.h"
#include "run/events.h"

/* The tensors of blocks that the file has and the model, as its config describes it, has no use for: how many, and the first. A head or a pooler that
 * another program needs is none; one inside a block says that file and config do not belong together. */
int at_model_unread(const at_model *model, const char **first);
void at_tell_unread(const at_listener *listener, const at_model *model); /* a warning, where there are any */

#endif
