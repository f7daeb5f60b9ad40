/* The arenas that one walk of a chunk through a model needs, measured by a dry run and then of fixed size. */
#ifndef AT_TENSOR_WORKSPACE_H
#define AT_TENSOR_WORKSPACE_H

#include "tensor/batch.h"
#include "tensor/tape.h"

typedef struct at_workspace {
    at_arena arena, pool, scratch, objects; /* see tape.h; the packed batch lies in objects too */
} at_workspace;

typedef struct at_workspace_size {
    size_t arena, pool, scratch, objects; /* bytes */
} at_workspace_size;

at_status at_workspace_measure(at_workspace *w, at_error *err); /* for a dry tape */
at_workspace_size at_workspace_peak(const at_workspace *w);
static inline size_t at_workspace_bytes(at_workspace_size s) { return s.arena + s.pool + s.scratch + s.objects; }
at_status at_workspace_open(at_workspace *w, at_workspace_size size, at_error *err);
void at_workspace_close(at_workspace *w);
void at_workspace_rewind(at_workspace *w); /* to empty: before every chunk */
void at_workspace_lend(at_workspace *w, at_tape *tape); /* sets the tape's arenas */

typedef struct at_batch_size {
    int rows, n_seq, max_len;
    int n_places; /* answers at tokens; 0: one a sequence */
    int decoder_rows, decoder_len; /* of a decoder's rows beside these, and the longest sequence of them; 0: none */
} at_batch_size;

/* A batch for dry runs that is at least as large as every batch with at most so many rows, sequences, tokens a sequence and places:
 * ids, types 0, positions from 0. Memory from `arena`, which must be real. */
at_status at_batch_largest(at_arena *arena, at_batch_size size, at_batch *batch, at_error *err);

#endif
