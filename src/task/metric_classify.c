#include "task/metric_classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { BINS = 15, RESAMPLES = 1000 };

void at_wilson(long hits, long n, double *low, double *high) {
    const double z = 1.959963984540054;
    if (n <= 0) {
        *low = 0;
        *high = 1;
        return;
    }
    double count = (double)n, p = (double)hits / count, zz = z * z;
    double middle = (p + zz / (2 * count)) / (1 + zz / count);
    double half = z / (1 + zz / count) * sqrt(p * (1 - p) / count + zz / (4 * count * count));
    *low = hits == 0 ? 0 : middle - half; /* exactly 0 and 1 at the ends, whatever the rounding */
    *high = hits == n ? 1 : middle + half;
}

/* Fills everything that follows from the confusion matrix. */
static void from_confusion(at_classify_metrics *m) {
    int k = m->n_classes;
    long hits = 0;
    int present = 0, seen = 0;
    double recalls = 0;
    m->n = 0;
    for (int c = 0; c < k; c++) {
        at_class_scores *s = &m->per_class[c];
        *s = (at_class_scores){0};
        for (int other = 0; other < k; other++) {
            s->support += m->confusion[(size_t)c * (size_t)k + (size_t)other];
            s->predicted += m->confusion[(size_t)other * (size_t)k + (size_t)c];
        }
        double hit = (double)m->confusion[(size_t)c * (size_t)k + (size_t)c];
        s->precision = at_ratio(hit, (double)s->predicted);
        s->recall = at_ratio(hit, (double)s->support);
        /* 2tp / (2tp + fp + fn), as scikit-learn computes it */
        s->f1 = at_ratio(2 * hit, (double)(s->support + s->predicted));
        m->n += s->support;
        hits += (long)hit;
        present += s->support > 0;
        recalls += s->support > 0 ? s->recall : 0;
    }
    m->macro = m->weighted = (at_class_scores){0};
    for (int c = 0; c < k; c++) {
        const at_class_scores *s = &m->per_class[c];
        if (!s->support && !s->predicted) continue; /* scikit-learn averages over the labels that occur */
        double share = at_ratio((double)s->support, (double)m->n);
        seen++;
        at_scores_add(&m->macro, s, 1);
        at_scores_add(&m->weighted, s, share);
    }
    m->macro.precision = at_ratio(m->macro.precision, seen);
    m->macro.recall = at_ratio(m->macro.recall, seen);
    m->macro.f1 = at_ratio(m->macro.f1, seen);
    m->macro.support = m->weighted.support = m->micro.support = m->n;
    m->accuracy = at_ratio((double)hits, (double)m->n);
    m->micro.precision = m->micro.recall = m->micro.f1 = m->accuracy;
    m->balanced_accuracy = at_ratio(recalls, present);
    at_wilson(hits, m->n, &m->accuracy_low, &m->accuracy_high);
}

static double matthews(const at_classify_metrics *m) {
    double n = (double)m->n, hits = 0, cross = 0, predicted = 0, support = 0;
    for (int c = 0; c < m->n_classes; c++) {
        double p = (double)m->per_class[c].predicted, s = (double)m->per_class[c].support;
        hits += (double)m->confusion[(size_t)c * (size_t)m->n_classes + (size_t)c];
        cross += p * s;
        predicted += p * p;
        support += s * s;
    }
    double below = sqrt(n * n - predicted) * sqrt(n * n - support);
    return below > 0 ? (hits * n - cross) / below : 0;
}

static int argmax(const float *row, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (row[i] > row[best]) best = i;
    return best;
}

static double log_sum_exp(const float *row, int n) {
    double top = row[argmax(row, n)], sum = 0;
    for (int i = 0; i < n; i++) sum += exp(row[i] - top);
    return top + log(sum);
}

typedef struct bins {
    double confidence[BINS], hits[BINS], n[BINS];
} bins;

static void count_bin(bins *b, double confidence, int hit) {
    if (!isfinite(confidence)) return; /* of an answer that is no number; the loss says so */
    int bin = (int)(confidence * BINS);
    if (bin >= BINS) bin = BINS - 1;
    b->confidence[bin] += confidence;
    b->hits[bin] += hit;
    b->n[bin] += 1;
}

static double calibration_error(const bins *b, long n) {
    double sum = 0;
    for (int i = 0; i < BINS; i++) sum += fabs(b->confidence[i] - b->hits[i]);
    return at_ratio(sum, (double)n);
}

/* Percentile bootstrap of macro F1 over the pairs (true, predicted). */
static at_status bootstrap_f1(at_classify_metrics *m, const int32_t *truth, const int32_t *answer, at_arena *arena,
                              at_error *err) {
    at_mark mark = at_arena_mark(arena);
    at_classify_metrics draw = {.n_classes = m->n_classes};
    size_t cells = (size_t)m->n_classes * (size_t)m->n_classes;
    double *f1 = AT_NEW_ARRAY(arena, double, RESAMPLES);
    draw.per_class = AT_NEW_ARRAY(arena, at_class_scores, m->n_classes);
    draw.confusion = AT_NEW_ARRAY(arena, long, cells);
    if (!f1 || !draw.per_class || !draw.confusion) return at_fail_memory(err, cells * sizeof(long));
    /* Above 20,000 examples or 50 classes the interval is narrow and the resampling slow: fewer draws do. */
    int draws = m->n > 20000 || m->n_classes > 50 ? RESAMPLES / 5 : RESAMPLES;
    for (int r = 0; r < draws; r++) {
        uint64_t key = at_random_key(7, AT_SITE_SPLIT, (uint64_t)r);
        memset(draw.confusion, 0, cells * sizeof(long));
        for (long i = 0; i < m->n; i++) {
            uint64_t j = at_random_below(key, (uint64_t)i, (uint64_t)m->n);
            draw.confusion[(size_t)truth[j] * (size_t)m->n_classes + (size_t)answer[j]]++;
        }
        from_confusion(&draw);
        f1[r] = draw.macro.f1;
    }
    at_percentiles(f1, draws, &m->f1_low, &m->f1_high);
    at_arena_rewind(arena, mark);
    return AT_OK;
}

at_status at_metrics_classify(const float *logits, const int32_t *label, int n, int n_classes, at_arena *arena,
                              at_classify_metrics *m, at_error *err) {
    *m = (at_classify_metrics){.n_classes = n_classes};
    m->per_class = AT_NEW_ARRAY(arena, at_class_scores, n_classes);
    m->confusion = AT_NEW_ARRAY(arena, long, (size_t)n_classes * (size_t)n_classes);
    int32_t *truth = AT_NEW_ARRAY(arena, int32_t, n), *answer = AT_NEW_ARRAY(arena, int32_t, n);
    if (!m->per_class || !m->confusion || !truth || !answer) return at_fail_memory(err, (size_t)n * 8);
    bins b = {0};
    double loss = 0;
    int judged = 0;
    for (int i = 0; i < n; i++) {
        if (label[i] < 0) continue;
        const float *row = logits + (size_t)i * (size_t)n_classes;
        int best = argmax(row, n_classes);
        double total = log_sum_exp(row, n_classes);
        truth[judged] = label[i];
        answer[judged++] = best;
        m->confusion[(size_t)label[i] * (size_t)n_classes + (size_t)best]++;
        loss += total - row[label[i]];
        count_bin(&b, exp(row[best] - total), best == label[i]);
    }
    from_confusion(m);
    m->matthews = matthews(m);
    m->loss = at_ratio(loss, judged);
    m->calibration_error = calibration_error(&b, judged);
    return judged ? bootstrap_f1(m, truth, answer, arena, err) : AT_OK;
}

static json_t *confusion_json(const at_classify_metrics *m) {
    json_t *rows = json_array();
    for (int i = 0; i < m->n_classes; i++) {
        json_t *row = json_array();
        for (int j = 0; j < m->n_classes; j++)
            json_array_append_new(row, json_integer(m->confusion[(size_t)i * (size_t)m->n_classes + (size_t)j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

json_t *at_metrics_classify_json(const at_classify_metrics *m, const char *const *names) {
    json_t *per_class = json_object();
    for (int c = 0; c < m->n_classes; c++) json_object_set_new(per_class, names[c], at_scores_json(&m->per_class[c]));
    return json_pack("{s:o, s:f, s:[f,f], s:f, s:f, s:f, s:[f,f], s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:o, s:o}", "loss",
                     isfinite(m->loss) ? json_real(m->loss) : json_null(), "accuracy", m->accuracy, "accuracy_interval", m->accuracy_low,
                     m->accuracy_high, "precision", m->macro.precision, "recall", m->macro.recall, "f1", m->macro.f1, "f1_interval",
                     m->f1_low, m->f1_high, "f1_micro", m->micro.f1, "precision_weighted", m->weighted.precision, "recall_weighted",
                     m->weighted.recall, "f1_weighted", m->weighted.f1, "balanced_accuracy", m->balanced_accuracy, "matthews_correlation",
                     m->matthews, "expected_calibration_error", m->calibration_error, "error_rate", 1 - m->accuracy, "examples",
                     (json_int_t)m->n, "per_class", per_class, "confusion_matrix", confusion_json(m));
}
