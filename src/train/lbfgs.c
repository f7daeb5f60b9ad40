#include "train/lbfgs.h"

#include <math.h>
#include <string.h>

enum { HISTORY = 10, MAX_HALVINGS = 25 };

typedef struct history {
    double *s[HISTORY], *y[HISTORY], rho[HISTORY];
    int n; /* pairs ever added */
} history;

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add(double a, const double *x, double *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

/* direction = -H * gradient by the two loops. */
static void two_loops(const history *h, const double *gradient, double *direction, size_t n) {
    double alpha[HISTORY];
    int first = h->n > HISTORY ? h->n - HISTORY : 0;
    for (size_t i = 0; i < n; i++) direction[i] = -gradient[i];
    for (int j = h->n - 1; j >= first; j--) {
        int k = j % HISTORY;
        alpha[k] = h->rho[k] * dot(h->s[k], direction, n);
        add(-alpha[k], h->y[k], direction, n);
    }
    if (h->n) {
        int k = (h->n - 1) % HISTORY;
        double scale = 1 / (h->rho[k] * dot(h->y[k], h->y[k], n));
        for (size_t i = 0; i < n; i++) direction[i] *= scale;
    }
    for (int j = first; j < h->n; j++) {
        int k = j % HISTORY;
        add(alpha[k] - h->rho[k] * dot(h->y[k], direction, n), h->s[k], direction, n);
    }
}

/* Keeps a pair where the curvature is positive. */
static void remember(history *h, const double *x, const double *x_before, const double *g, const double *g_before, size_t n) {
    int k = h->n % HISTORY;
    for (size_t i = 0; i < n; i++) {
        h->s[k][i] = x[i] - x_before[i];
        h->y[k][i] = g[i] - g_before[i];
    }
    double sy = dot(h->s[k], h->y[k], n);
    if (sy <= 1e-12 * dot(h->y[k], h->y[k], n)) return;
    h->rho[k] = 1 / sy;
    h->n++;
}

typedef struct search {
    at_objective *objective;
    void *context;
    double *x, *g, *x_before, *g_before, *direction;
    size_t n;
} search;

/* Armijo backtracking along the direction; 0 where no step lowers the value. */
static int line_search(search *s, double *value, double first_step) {
    double slope = dot(s->g, s->direction, s->n), before = *value, step = first_step;
    if (!(slope < 0)) return 0;
    memcpy(s->x_before, s->x, s->n * sizeof *s->x);
    memcpy(s->g_before, s->g, s->n * sizeof *s->g);
    for (int i = 0; i < MAX_HALVINGS; i++, step *= 0.5) {
        for (size_t j = 0; j < s->n; j++) s->x[j] = s->x_before[j] + step * s->direction[j];
        *value = s->objective(s->context, s->x, s->g);
        if (isfinite(*value) && *value <= before + 1e-4 * step * slope) return 1;
    }
    memcpy(s->x, s->x_before, s->n * sizeof *s->x);
    memcpy(s->g, s->g_before, s->n * sizeof *s->g);
    *value = before;
    return 0;
}

static int take_memory(search *s, history *h, size_t n, at_arena *arena) {
    s->g = AT_NEW_ARRAY(arena, double, n);
    s->x_before = AT_NEW_ARRAY(arena, double, n);
    s->g_before = AT_NEW_ARRAY(arena, double, n);
    s->direction = AT_NEW_ARRAY(arena, double, n);
    int ok = s->g && s->x_before && s->g_before && s->direction;
    for (int i = 0; i < HISTORY; i++) {
        h->s[i] = AT_NEW_ARRAY(arena, double, n);
        h->y[i] = AT_NEW_ARRAY(arena, double, n);
        ok = ok && h->s[i] && h->y[i];
    }
    return ok;
}

at_status at_lbfgs(at_objective *objective, void *context, double *x, size_t n, const at_lbfgs_options *o, at_arena *arena,
                   int *iterations, double *value, at_error *err) {
    history h = {.n = 0};
    search s = {.objective = objective, .context = context, .x = x, .n = n};
    if (!take_memory(&s, &h, n, arena)) return at_fail_memory(err, n * sizeof(double) * (2 * HISTORY + 4));
    double now = objective(context, x, s.g);
    int i = 0, flat = 0;
    for (; i < o->max_iterations && isfinite(now); i++) {
        double steepest = largest(s.g, n), before = now;
        if (steepest <= o->gradient_tolerance * fmax(1, fabs(now))) break;
        two_loops(&h, s.g, s.direction, n);
        if (!line_search(&s, &now, h.n ? 1 : fmin(1, 1 / sqrt(dot(s.g, s.g, n))))) {
            if (!h.n) break;
            h.n = 0; /* a stale curvature: once more from the gradient */
            continue;
        }
        remember(&h, x, s.x_before, s.g, s.g_before, n);
        flat = before - now <= o->value_tolerance * fabs(before) ? flat + 1 : 0;
        if (flat >= 2) break;
    }
    if (iterations) *iterations = i;
    if (value) *value = now;
    return isfinite(now) ? AT_OK : at_fail(err, AT_DIVERGED, "the loss of the head is not finite");
}
