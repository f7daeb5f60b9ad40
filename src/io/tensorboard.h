/* TensorBoard event files: TFRecord framing (length, masked CRC-32C, bytes, masked CRC-32C) around Event messages of event.proto, with
 * scalars only. Each event is in the file when the call returns; what a crash leaves is read up to its last whole record.
 *
 * A run that goes on starts a new file in the same folder; with first_step > 0 that file tells TensorBoard to forget what
 * earlier files say about that step and later ones. */
#ifndef AT_IO_TENSORBOARD_H
#define AT_IO_TENSORBOARD_H

#include "base/err.h"

typedef struct at_tensorboard at_tensorboard;

/* Makes the folder and a file events.out.tfevents.SECONDS.HOST.PID.N in it. AT_DISK where that fails. */
at_status at_tensorboard_open(const char *folder, int64_t first_step, at_tensorboard **board, at_error *err);
/* Values that are not finite are written as they are. A write that fails leaves the whole records before it. */
at_status at_tensorboard_scalar(at_tensorboard *board, const char *tag, int64_t step, double value, at_error *err);
const char *at_tensorboard_path(const at_tensorboard *board);
void at_tensorboard_close(at_tensorboard *board);

#endif
