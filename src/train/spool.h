/* A spool: bytes that are added at the end and then read as one array. Small ones stay in memory; a large one moves to a file
 * without a name, which is mapped at the end, so that private memory does not grow with the data. */
#ifndef AT_TRAIN_SPOOL_H
#define AT_TRAIN_SPOOL_H

#include "base/err.h"

typedef struct at_spool at_spool;

/* Beyond `memory_bytes` the bytes go to a file in $TMPDIR, else /var/tmp; where that fails they stay in memory. */
at_status at_spool_open(size_t memory_bytes, at_spool **spool, at_error *err);
at_status at_spool_add(at_spool *spool, const void *bytes, size_t len, at_error *err);
/* Nothing is added any more; *bytes lives as long as the spool. */
at_status at_spool_seal(at_spool *spool, const void **bytes, at_error *err);
void at_spool_idle(const at_spool *spool); /* the pages of its file need not be resident, for now */
void at_spool_close(at_spool *spool);

#endif
