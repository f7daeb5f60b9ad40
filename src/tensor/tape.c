#include "tensor/tape.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/random.h"

/* A gradient buffer that waits for the next activation of its shape. Buffers of one size but other spaces are kept apart: rows that are as
 * many in a dry run need not be as many in a step. */
typedef struct at_free_gradient at_free_gradient;
struct at_free_gradient {
    at_free_gradient *next;
    at_real *data;
    at_space space;
    int rows, cols;
};

void at_tape_begin(at_tape *tape) {
    tape->last = NULL;
    tape->free_list = NULL;
    tape->site = 0;
    tape->status = AT_OK;
}

at_status at_tape_status(const at_tape *tape) { return tape->status; }

at_tensor *at_tape_fail(at_tape *tape, at_status code, const char *fmt, ...) {
    if (tape->status) return NULL; /* the first error is the one that explains the others */
    tape->status = code;
    if (!tape->err) return NULL;
    char sentence[sizeof tape->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    at_fail(tape->err, code, "%s", sentence);
    return NULL;
}

/* Memory from one of the tape's arenas; its end is a sticky error. */
static void *take(at_tape *tape, at_arena *arena, size_t count, size_t size) {
    if (tape->status) return NULL;
    void *result = at_alloc_raw(arena, count, size);
    if (!result) at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for a step: %zu x %zu bytes more", count, size);
    return result;
}

static at_tensor *new_tensor(at_tape *tape, at_space space, int rows, int cols) {
    if (rows < 0 || cols <= 0) return at_tape_fail(tape, AT_BUG, "a tensor of [%d, %d]", rows, cols);
    at_tensor *x = take(tape, tape->objects, 1, sizeof *x);
    if (x) *x = (at_tensor){.rows = rows, .cols = cols, .space = space};
    return x;
}

at_tensor *at_tape_tensor(at_tape *tape, at_space space, int rows, int cols) {
    at_tensor *x = new_tensor(tape, space, rows, cols);
    if (!x) return NULL;
    x->data = take(tape, tape->arena, (size_t)rows * (size_t)cols, sizeof(at_real));
    return x->data ? x : NULL;
}

at_tensor *at_tape_constant(at_tape *tape, at_space space, int rows, int cols, at_real *data) {
    at_tensor *x = new_tensor(tape, space, rows, cols);
    if (x) x->data = data;
    return x;
}

void *at_tape_save(at_tape *tape, size_t count, size_t size) { return take(tape, tape->arena, count, size); }

at_real *at_tape_scratch(at_tape *tape, size_t count) { return take(tape, tape->scratch, count, sizeof(at_real)); }

at_node *at_tape_push(at_tape *tape, size_t size, at_tensor *y, void (*backward)(at_tape *, at_node *)) {
    if (tape->status) return NULL;
    at_node *node = at_alloc(tape->objects, 1, size);
    if (!node) {
        at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for a node of %zu bytes", size);
        return NULL;
    }
    node->before = tape->last;
    node->backward = backward;
    node->y = y;
    y->needs_grad = 1;
    tape->last = node;
    return node;
}

uint64_t at_tape_dropout_key(at_tape *tape) {
    return at_random_key(tape->seed, (uint64_t)AT_SITE_DROPOUT + (uint64_t)tape->site++, tape->step);
}

int at_tape_records(const at_tape *tape, const at_tensor *x) { return tape->gradients && x->needs_grad; }

int at_weight_records(const at_tape *tape, const at_weight *w) {
    return tape->gradients && w && w->gradient != AT_NO_GRADIENT;
}

at_real *at_tape_weight_gradient(at_tape *tape, const at_weight *w) {
    if (!at_weight_records(tape, w) || tape->dry) return NULL;
    return tape->gradients->dense + w->gradient;
}

at_tensor *at_tape_keep(at_tape *tape, at_mark mark, at_tensor *x, at_tensor *y) {
    if (tape->status || y->needs_grad || x->space != y->space || x->rows != y->rows || x->cols != y->cols) return y;
    if (!tape->dry) tape->backend->scale_add(1, y->data, x->data, 0, (size_t)x->rows * (size_t)x->cols);
    at_arena_rewind(tape->arena, mark);
    return x;
}

static at_real *pool_take(at_tape *tape, const at_tensor *x) {
    for (at_free_gradient **link = &tape->free_list; *link; link = &(*link)->next) {
        if ((*link)->space != x->space || (*link)->rows != x->rows || (*link)->cols != x->cols) continue;
        at_real *data = (*link)->data;
        *link = (*link)->next;
        return data;
    }
    return take(tape, tape->pool, (size_t)x->rows * (size_t)x->cols, sizeof(at_real));
}

static void pool_return(at_tape *tape, at_tensor *x) {
    at_free_gradient *entry = take(tape, tape->objects, 1, sizeof *entry);
    if (!entry) return;
    *entry = (at_free_gradient){tape->free_list, x->grad, x->space, x->rows, x->cols};
    tape->free_list = entry;
    x->grad = NULL;
}

at_real *at_tape_gradient(at_tape *tape, at_tensor *x, int *accumulate) {
    *accumulate = x->grad != NULL;
    if (!x->grad) x->grad = pool_take(tape, x);
    return x->grad;
}

at_status at_tape_backward(at_tape *tape, at_tensor *loss) {
    if (tape->status) return tape->status;
    if (loss->rows != 1 || loss->cols != 1 || !loss->needs_grad) {
        at_tape_fail(tape, AT_BUG, "backward begins at a [1, 1] loss that needs a gradient, not at [%d, %d]", loss->rows,
                     loss->cols);
        return tape->status;
    }
    int accumulate;
    at_real *one = at_tape_gradient(tape, loss, &accumulate);
    if (one && !tape->dry) *one = 1;
    for (at_node *node = tape->last; node && !tape->status; node = node->before) {
        if (!node->y->grad) continue; /* nothing that leads to the loss used it */
        node->backward(tape, node);
        pool_return(tape, node->y);
    }
    return tape->status;
}
