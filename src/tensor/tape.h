/* The tape: a model is a C function that calls ops; an op computes at once and, where one of its inputs
 * needs a gradient, pushes a node that knows its backward. Backward walks the nodes in reverse.
 *
 * Memory. Activations and what ops save come from the step arena `arena`. Gradients of activations come
 * from `pool`, by size, and go back to it when the backward of the op that made the activation has run. What kernels need
 * for the time of a call comes from `scratch`. These three may be measuring arenas (base/arena.h): then `dry` is set, ops do
 * all but touch numbers, and the arenas' peaks say what the real run takes. Tensors and nodes themselves (some hundred bytes
 * an op) lie in `objects`, which is always real memory. Every shape is checked in the same place, so a dry run finds every
 * error before step 1.
 *
 * Errors stick: after the first one every op returns NULL at once, at_tape_status says what happened. */
#ifndef AT_TENSOR_TAPE_H
#define AT_TENSOR_TAPE_H

#include "base/arena.h"
#include "base/team.h"
#include "backend/backend.h"
#include "tensor/half_copies.h"
#include "tensor/weight.h"

typedef enum at_space { AT_SPACE_TOKENS, AT_SPACE_SEQUENCES, AT_SPACE_SCALAR, AT_SPACE_TABLE } at_space;

typedef struct at_tensor {
    at_real *data;       /* [rows, cols] contiguous */
    at_real *grad;       /* NULL until a consumer's backward wrote it */
    int rows, cols;
    at_space space;      /* which row space the rows belong to */
    int needs_grad;
} at_tensor;

typedef struct at_tape at_tape;
typedef struct at_node at_node;
struct at_node {
    at_node *before;
    void (*backward)(at_tape *tape, at_node *node);
    at_tensor *y;        /* what the op made: its grad is given back after backward */
    /* an op's own struct begins with an at_node */
};

/* Gradient of a table: the rows that a lane's sequences touched. */
typedef struct at_table_gradient {
    at_weight *weight;
    int32_t *slot;       /* [out] slot of a row, or -1 */
    int32_t *row;        /* [cap] row of a slot, in order of first touch */
    at_real *values;     /* [cap, in] */
    int n, cap;          /* cap is enough for a step: min(out, rows of a lane's step + 1) */
} at_table_gradient;

/* Where a lane gathers the gradients of weights. */
typedef struct at_gradients {
    at_real *dense;              /* [params->n_gradient] */
    at_table_gradient *tables;   /* [params->n_tables] */
    int n_tables;
    size_t n_dense;
} at_gradients;

/* The gradients of the weights that are trainable now, cleared, for steps of at most `rows` tokens a lane. `arena` must not be
 * a measuring one; for a dry run at_gradients_plan makes the same without the memory of the numbers. */
at_status at_gradients_make(at_gradients *g, at_arena *arena, const at_params *p, int rows, at_error *err);
at_status at_gradients_plan(at_gradients *g, at_arena *arena, const at_params *p, at_error *err);
size_t at_gradients_bytes(const at_params *p, int rows);
void at_gradients_clear(at_gradients *g);
/* The row of a table's gradient to add to; a row not yet touched starts at zero. NULL where more than cap rows were touched. */
at_real *at_table_gradient_row(at_table_gradient *table, int32_t row);

struct at_tape {
    const at_backend *backend;
    at_params *params;
    const at_half_copies *half;  /* NULL: every product is fp32 */
    at_gradients *gradients;     /* NULL: nothing is recorded, nothing needs a gradient (prediction) */
    at_arena *arena, *pool, *scratch, *objects;
    at_team *team;               /* threads that share each product, or NULL; changes no bit */
    int dry_team;                /* of a dry tape: threads of the team that the real one will have */
    int training;                /* dropout acts */
    int dry;
    uint64_t seed, step;         /* of the random keys */
    int site;                    /* next dropout site: counted by at_tape_dropout_key, restarts at 0 with the forward */
    at_node *last;
    struct at_free_gradient *free_list;
    at_status status;
    at_error *err;
};

/* Ready for a forward pass: no nodes, arenas rewound to empty by the caller. */
void at_tape_begin(at_tape *tape);
at_status at_tape_status(const at_tape *tape);
/* For ops: sets the sticky error and returns NULL. */
at_tensor *at_tape_fail(at_tape *tape, at_status code, const char *fmt, ...) AT_PRINTF(3, 4);

/* For ops: a result (uninitialised), a node of `size` bytes if record, the memory an op saves, scratch, the next dropout key. */
at_tensor *at_tape_tensor(at_tape *tape, at_space space, int rows, int cols);
at_tensor *at_tape_constant(at_tape *tape, at_space space, int rows, int cols, at_real *data); /* borrows data */
void *at_tape_save(at_tape *tape, size_t count, size_t size);
at_real *at_tape_scratch(at_tape *tape, size_t count); /* the caller rewinds tape->scratch to its own mark */
at_node *at_tape_push(at_tape *tape, size_t size, at_tensor *y, void (*backward)(at_tape *, at_node *));
uint64_t at_tape_dropout_key(at_tape *tape);
int at_tape_records(const at_tape *tape, const at_tensor *x);      /* x needs a gradient and the tape keeps any */
int at_weight_records(const at_tape *tape, const at_weight *w);    /* w is trainable and the tape keeps any */
at_real *at_tape_weight_gradient(at_tape *tape, const at_weight *w); /* dense, of this lane; NULL if frozen */

/* x takes over y's numbers (same shape) and the arena is rewound to `mark`, where y records nothing: a frozen prefix and a
 * prediction keep one activation. Returns x then, else y. */
at_tensor *at_tape_keep(at_tape *tape, at_mark mark, at_tensor *x, at_tensor *y);

/* For backwards: x->grad to be written, taken from the pool at the first call; *accumulate is 0 then and 1 later. */
at_real *at_tape_gradient(at_tape *tape, at_tensor *x, int *accumulate);

/* loss is [1, 1]; its gradient is 1. Walks to the first node. Scalars of several losses are added by at_op_add. */
at_status at_tape_backward(at_tape *tape, at_tensor *loss);

#endif
