/* How long a training will take, before anything of it ran: by the speed of one product of the body's size. */
#include "base/machine.h"
#include "run/train_run.h"

enum { ROWS = 192, REPEATS = 3 };

/* Share of that speed that a whole forward pass reaches: attention, norms and activations stand beside its products. */
static const double SHARE = 0.6;

/* Multiplications and additions of a token: the products of a block and, by the mean length, its attention. */
static double work_of(const at_arch *a, double mean_tokens) {
    double heads = (double)a->heads * a->head_dim, keys = (double)a->kv_heads * a->head_dim;
    double products = a->hidden * (2 * heads + 2 * keys) + (a->gated ? 3.0 : 2.0) * a->hidden * a->intermediate;
    return 2 * at_arch_depth(a) * (products + 2 * mean_tokens * heads);
}

/* Operations a second of one thread, the best of a few times: the first pays for cold memory. */
static double speed_of(const at_backend *backend, const at_arch *a) {
    at_arena scratch = {0};
    int in = a->hidden, out = a->intermediate;
    at_real *x = AT_NEW_ARRAY(&scratch, at_real, (size_t)ROWS * (size_t)in), *y = AT_NEW_ARRAY(&scratch, at_real, (size_t)ROWS * (size_t)out);
    at_real *weight = AT_NEW_ARRAY(&scratch, at_real, at_packed_size(out, in));
    double best = 0;
    for (int i = 0; i < REPEATS && x && y && weight; i++) {
        double began = at_seconds();
        backend->linear(x, in, weight, NULL, AT_ACT_NONE, NULL, y, out, ROWS, in, out);
        double speed = 2.0 * ROWS * in * out / (at_seconds() - began + 1e-9);
        if (speed > best) best = speed;
    }
    at_arena_free(&scratch);
    return best;
}

double at_train_guess_rate(const at_train_run *run, const at_arch *a, int threads) {
    double mean = (double)run->train->token_at[run->train->n] / run->train->n;
    return SHARE * threads * speed_of(run->backend, a) / work_of(a, mean);
}
