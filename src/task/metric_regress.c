#include "task/metric_regress.h"

#include <math.h>
#include <stdlib.h>

static int is_constant(const double *x, long n) {
    for (long i = 1; i < n; i++)
        if (x[i] != x[0]) return 0;
    return 1;
}

static double mean_of(const double *x, long n) {
    double sum = 0;
    for (long i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static double pearson(const double *x, const double *y, long n) {
    if (n < 2 || is_constant(x, n) || is_constant(y, n)) return NAN;
    double mx = mean_of(x, n), my = mean_of(y, n), xx = 0, yy = 0, xy = 0;
    for (long i = 0; i < n; i++) {
        double a = x[i] - mx, b = y[i] - my;
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    return fmax(-1, fmin(1, xy / (sqrt(xx) * sqrt(yy))));
}

/* ---- ranks ---- */

typedef struct placed {
    double value;
    long at;
} placed;

static int by_value(const void *a, const void *b) {
    const placed *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Ranks from 1; equal values share the mean of theirs. */
static int rank(const double *x, long n, placed *work, double *ranks) {
    for (long i = 0; i < n; i++) work[i] = (placed){x[i], i};
    qsort(work, (size_t)n, sizeof *work, by_value);
    for (long i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && work[end].value == work[i].value;) end++;
        for (long k = i; k < end; k++) ranks[work[k].at] = (double)(i + end + 1) / 2;
    }
    return 1;
}

static at_status spearman(const double *x, const double *y, long n, double *r, at_error *err) {
    placed *work = malloc((size_t)(n + 1) * sizeof *work);
    double *ranks = malloc((size_t)(n + 1) * 2 * sizeof *ranks);
    int ok = work && ranks && rank(x, n, work, ranks) && rank(y, n, work, ranks + n);
    *r = ok ? pearson(ranks, ranks + n, n) : NAN;
    free(work);
    free(ranks);
    return ok ? AT_OK : at_fail_memory(err, (size_t)n * sizeof *work);
}

static void interval(double r, double factor, long n, double *low, double *high) {
    *low = *high = NAN;
    if (isnan(r) || n < 4) return;
    double z = atanh(fmax(-1 + 1e-15, fmin(1 - 1e-15, r))), half = 1.959963984540054 * factor / sqrt((double)n - 3);
    *low = fmin(tanh(z - half), r); /* r itself where it is 1 */
    *high = fmax(tanh(z + half), r);
}

static void add_errors(const double *truth, const double *answer, long n, at_regress_metrics *m) {
    double squares = 0, absolute = 0, spread = 0, mean = n ? mean_of(truth, n) : 0;
    for (long i = 0; i < n; i++) {
        double e = answer[i] - truth[i], d = truth[i] - mean;
        squares += e * e;
        absolute += fabs(e);
        spread += d * d;
    }
    m->mse = squares / (double)n;
    m->rmse = sqrt(m->mse);
    m->mae = absolute / (double)n;
    m->r2 = n > 1 && !is_constant(truth, n) ? 1 - squares / spread : NAN;
}

at_status at_metrics_regress(const double *truth, const double *answer, long count, at_regress_metrics *m, at_error *err) {
    double *x = calloc((size_t)(count + 1) * 2, sizeof *x), *y;
    long n = 0;
    *m = (at_regress_metrics){0};
    if (!x) return at_fail_memory(err, (size_t)count * 16);
    y = x + count + 1;
    for (long i = 0; i < count; i++) {
        if (isnan(truth[i])) continue;
        x[n] = truth[i];
        y[n++] = answer[i];
    }
    m->n = n;
    m->pearson = pearson(x, y, n);
    add_errors(x, y, n, m);
    at_status st = spearman(x, y, n, &m->spearman, err);
    interval(m->pearson, 1, n, &m->pearson_low, &m->pearson_high);
    interval(m->spearman, sqrt(1 + m->spearman * m->spearman / 2), n, &m->spearman_low, &m->spearman_high);
    free(x);
    return st;
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void add_correlation(json_t *all, const char *name, const char *interval_name, double r, double low, double high) {
    json_object_set_new(all, name, number(r));
    if (isfinite(low)) json_object_set_new(all, interval_name, json_pack("[f, f]", low, high));
}

json_t *at_metrics_regress_json(const at_regress_metrics *m) {
    json_t *all = json_object();
    add_correlation(all, "pearson", "pearson_interval", m->pearson, m->pearson_low, m->pearson_high);
    add_correlation(all, "spearman", "spearman_interval", m->spearman, m->spearman_low, m->spearman_high);
    json_object_set_new(all, "mse", number(m->mse));
    json_object_set_new(all, "rmse", number(m->rmse));
    json_object_set_new(all, "mae", number(m->mae));
    json_object_set_new(all, "r2", number(m->r2));
    json_object_set_new(all, "examples", json_integer((json_int_t)m->n));
    return all;
}
