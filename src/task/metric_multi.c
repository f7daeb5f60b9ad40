#include "task/metric_multi.h"

#include <math.h>
#include <stdlib.h>

enum { MANY_ROWS = 20000 };

double at_sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static at_class_scores scores_of(double hits, double predicted, double support) {
    return (at_class_scores){.precision = at_ratio(hits, predicted),
                             .recall = at_ratio(hits, support),
                             .f1 = at_ratio(2 * hits, predicted + support),
                             .support = (long)support,
                             .predicted = (long)predicted};
}

/* ---- a row ---- */

static at_hit_counts count_row(const float *logits, const float *truth, const double *threshold, int k) {
    at_hit_counts r = {0};
    for (int c = 0; c < k; c++) {
        int yes = at_sigmoid((double)logits[c]) >= threshold[c], right = truth[c] > 0.5f;
        r.hits += yes && right;
        r.predicted += yes;
        r.support += right;
    }
    return r;
}

/* Mean over the row's labels of the share of its labels among all that are ranked as high; 1 where none or all are its labels. */
static double ranking_precision(const float *logits, const float *truth, int k) {
    int support = 0;
    double sum = 0;
    for (int c = 0; c < k; c++) support += truth[c] > 0.5f;
    if (!support || support == k) return 1;
    for (int c = 0; c < k; c++) {
        if (truth[c] <= 0.5f) continue;
        int above = 0, relevant = 0;
        for (int j = 0; j < k; j++) {
            if (logits[j] < logits[c]) continue;
            above++;
            relevant += truth[j] > 0.5f;
        }
        sum += (double)relevant / above;
    }
    return sum / support;
}

static double row_loss(const float *logits, const float *truth, int k) {
    double sum = 0;
    for (int c = 0; c < k; c++) {
        double x = (double)logits[c], y = (double)truth[c];
        sum += (x > 0 ? x : 0) - x * y + log1p(exp(-fabs(x)));
    }
    return sum;
}

/* ---- all rows ---- */

static void add_samples(at_multi_metrics *m, at_hit_counts r) {
    m->samples.precision += at_ratio(r.hits, r.predicted);
    m->samples.recall += at_ratio(r.hits, r.support);
    m->samples.f1 += at_ratio(2.0 * r.hits, r.predicted + r.support);
}

static void count_labels(at_multi_metrics *m, const float *logits, const float *truth, const double *threshold) {
    int k = m->n_labels;
    double all_hits = 0, all_predicted = 0, all_support = 0;
    for (int c = 0; c < k; c++) {
        double hits = 0, predicted = 0, support = 0;
        for (long i = 0; i < m->n; i++) {
            size_t at = (size_t)i * (size_t)k + (size_t)c;
            int yes = at_sigmoid((double)logits[at]) >= threshold[c], right = truth[at] > 0.5f;
            hits += yes && right;
            predicted += yes;
            support += right;
        }
        m->per_label[c] = scores_of(hits, predicted, support);
        all_hits += hits;
        all_predicted += predicted;
        all_support += support;
    }
    m->micro = scores_of(all_hits, all_predicted, all_support);
}

static void average_labels(at_multi_metrics *m) {
    for (int c = 0; c < m->n_labels; c++) {
        const at_class_scores *s = &m->per_label[c];
        double share = at_ratio((double)s->support, (double)m->micro.support), each = 1.0 / m->n_labels;
        at_scores_add(&m->macro, s, each);
        at_scores_add(&m->weighted, s, share);
    }
}

at_status at_metrics_multi(const float *logits, const float *truth, const double *threshold, long n, int k, at_arena *arena,
                           at_multi_metrics *m, at_error *err) {
    *m = (at_multi_metrics){.n_labels = k, .n = n, .per_label = AT_NEW_ARRAY(arena, at_class_scores, k)};
    at_hit_counts *rows = AT_NEW_ARRAY(arena, at_hit_counts, n);
    double exact = 0, wrong = 0;
    if (!m->per_label || !rows) return at_fail_memory(err, (size_t)n * sizeof *rows);
    for (long i = 0; i < n; i++) {
        const float *x = logits + (size_t)i * (size_t)k, *y = truth + (size_t)i * (size_t)k;
        at_hit_counts r = rows[i] = count_row(x, y, threshold, k);
        int mistakes = r.predicted + r.support - 2 * r.hits;
        exact += !mistakes;
        wrong += mistakes;
        add_samples(m, r);
        m->ranking_precision += ranking_precision(x, y, k);
        m->loss += row_loss(x, y, k);
    }
    double rows_n = n ? (double)n : 1, cells = rows_n * k;
    m->samples.precision /= rows_n;
    m->samples.recall /= rows_n;
    m->samples.f1 /= rows_n;
    m->subset_accuracy = exact / rows_n;
    m->hamming_loss = wrong / cells;
    m->ranking_precision /= rows_n;
    m->loss /= cells;
    count_labels(m, logits, truth, threshold);
    average_labels(m);
    return n ? at_micro_f1_interval(rows, n, MANY_ROWS, arena, &m->f1_low, &m->f1_high, err) : AT_OK;
}

/* ---- thresholds ---- */

typedef struct scored {
    double probability;
    int right;
} scored;

static int by_probability(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return (x->probability < y->probability) - (x->probability > y->probability);
}

at_status at_threshold_best(const float *logits, const float *truth, long n, int stride, int fewest, double *threshold, at_error *err) {
    scored *all = malloc((size_t)(n + 1) * sizeof *all);
    double support = 0, hits = 0, best, usual_hits = 0, usual_predicted = 0;
    *threshold = 0.5;
    if (!all) return at_fail_memory(err, (size_t)n * sizeof *all);
    for (long i = 0; i < n; i++) {
        all[i] = (scored){at_sigmoid((double)logits[i * stride]), truth[i * stride] > 0.5f};
        support += all[i].right;
        usual_predicted += all[i].probability >= 0.5;
        usual_hits += all[i].right && all[i].probability >= 0.5;
    }
    best = at_ratio(2 * usual_hits, usual_predicted + support);
    qsort(all, (size_t)n, sizeof *all, by_probability);
    for (long i = 0; i < n && support >= fewest; i++) {
        hits += all[i].right;
        if (i + 1 < n && all[i + 1].probability == all[i].probability) continue;
        double f1 = at_ratio(2 * hits, (double)(i + 1) + support), next = i + 1 < n ? all[i + 1].probability : 0;
        if (!(f1 > best + 1e-12)) continue;
        best = f1;
        *threshold = (all[i].probability + next) / 2;
    }
    free(all);
    return AT_OK;
}

/* ---- JSON ---- */

json_t *at_metrics_multi_json(const at_multi_metrics *m, const char *const *names) {
    json_t *per_class = json_object();
    for (int c = 0; c < m->n_labels; c++) json_object_set_new(per_class, names[c], at_scores_json(&m->per_label[c]));
    json_t *loss = isfinite(m->loss) ? json_real(m->loss) : json_null();
    return json_pack("{s:o, s:f, s:[f,f], s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "loss", loss, "f1_micro",
                     m->micro.f1, "f1_micro_interval", m->f1_low, m->f1_high, "precision_micro", m->micro.precision, "recall_micro",
                     m->micro.recall, "f1_macro", m->macro.f1, "precision_macro", m->macro.precision, "recall_macro", m->macro.recall,
                     "f1_weighted", m->weighted.f1, "f1_samples", m->samples.f1, "precision_samples", m->samples.precision,
                     "recall_samples", m->samples.recall, "subset_accuracy", m->subset_accuracy, "hamming_loss", m->hamming_loss,
                     "ranking_precision", m->ranking_precision, "examples", (json_int_t)m->n, "per_class", per_class);
}
