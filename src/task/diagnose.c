#include "task/diagnose.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const double GAP = 0.15;          /* share of right answers by which training lies "far" above evaluation */
static const double NOISE = 2.5;         /* standard errors that a difference must exceed */
static const double LEARNED = 0.8;       /* share of right answers from which on the training data counts as learned */
static const double NO_CORRELATION = 0.15;
enum { ENOUGH = 30 /* rows before labels are called shuffled */, LITTLE_TRAINING = 500 };

typedef struct figures {
    const at_evidence *e;
    at_arena *arena;
    at_symptom *symptom;
    int n, failed;
    /* from the confusion matrix; total 0: there is none */
    long total, right, most_rows;
    int n_answered, last_answered, most; /* labels answered at all; the most frequent right label */
    long *rows, *answered;               /* [n_labels] */
    double matthews, guess_loss;         /* the loss of answering with the labels' frequencies */
} figures;

static AT_PRINTF(3, 4) void say(figures *f, const char *kind, const char *fmt, ...) {
    at_str text = {.arena = f->arena};
    char words[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    at_str_add(&text, words);
    f->failed |= text.failed;
    if (f->n < AT_SYMPTOMS && !text.failed) f->symptom[f->n++] = (at_symptom){kind, text.text};
}

/* A label for a message: whole characters of it, not too many. */
static const char *name(figures *f, int label) {
    enum { MOST = 60 };
    const char *text = f->e->label[label];
    size_t n = strlen(text);
    if (n <= MOST) return text;
    for (n = MOST; n && ((unsigned char)text[n] & 0xc0) == 0x80;) n--;
    const char *cut = at_format(f->arena, "%.*s...", (int)n, text);
    f->failed |= !cut;
    return cut ? cut : "";
}

/* ---- the confusion matrix ---- */

static const json_t *matrix(const figures *f) { return json_object_get(f->e->values, "confusion_matrix"); }

static long cell(const figures *f, int right, int answer) {
    return (long)json_integer_value(json_array_get(json_array_get(matrix(f), (size_t)right), (size_t)answer));
}

static void count_label(figures *f, int j) {
    for (int i = 0; i < f->e->n_labels; i++) {
        f->answered[j] += cell(f, i, j);
        f->rows[j] += cell(f, j, i);
    }
    f->total += f->rows[j];
    f->right += cell(f, j, j);
    if (f->answered[j]) {
        f->n_answered++;
        f->last_answered = j;
    }
    if (f->rows[j] > f->most_rows) {
        f->most_rows = f->rows[j];
        f->most = j;
    }
}

/* Correlation of answers and labels: about 0, give or take 1/sqrt(n), where they have nothing to do with each other. */
static double correlation(const figures *f) {
    double n = (double)f->total, cross = 0, answers = 0, labels = 0;
    for (int j = 0; j < f->e->n_labels; j++) {
        double a = (double)f->answered[j], r = (double)f->rows[j];
        cross += a * r;
        answers += a * a;
        labels += r * r;
    }
    double below = sqrt(n * n - answers) * sqrt(n * n - labels);
    return below > 0 ? ((double)f->right * n - cross) / below : 0;
}

static double entropy(const figures *f) {
    double sum = 0;
    for (int j = 0; j < f->e->n_labels; j++) {
        double share = (double)f->rows[j] / (double)f->total;
        if (share > 0) sum -= share * log(share);
    }
    return sum;
}

static int count_matrix(figures *f) {
    int k = f->e->n_labels;
    f->guess_loss = k > 1 ? log(k) : NAN;
    if (k < 2 || json_array_size(matrix(f)) != (size_t)k) return 1;
    f->rows = AT_NEW_ARRAY(f->arena, long, k);
    f->answered = AT_NEW_ARRAY(f->arena, long, k);
    if (!f->rows || !f->answered) return 0;
    for (int j = 0; j < k; j++) count_label(f, j);
    if (!f->total) return 1;
    f->matthews = correlation(f);
    f->guess_loss = entropy(f);
    return 1;
}

/* The answer that rows of a label mostly get. */
static int usual_answer(const figures *f, int label) {
    int best = 0;
    for (int j = 1; j < f->e->n_labels; j++)
        if (cell(f, label, j) > cell(f, label, best)) best = j;
    return best;
}

/* 1 where the answers would fit far better under other names: each label has one answer of its own that it mostly gets, and those
 * answers are another order of the labels. *from gets an example. */
static int is_mixed_up(const figures *f, int *from) {
    long moved = 0;
    int other = 0;
    at_mark mark = at_arena_mark(f->arena);
    char *taken = at_alloc(f->arena, (size_t)f->e->n_labels, 1);
    for (int i = 0; i < f->e->n_labels && taken && other >= 0; i++) {
        int best = usual_answer(f, i);
        if (taken[best]++) other = -1;
        else if (best != i) {
            other++;
            *from = i;
        }
        moved += cell(f, i, best);
    }
    at_arena_rewind(f->arena, mark);
    return other > 0 && 2 * f->right < moved && 5 * moved > 3 * f->total;
}

/* ---- what the figures look like ---- */

static int was_learned(const at_evidence *e, double guess_loss) { return e->train_score >= LEARNED || e->train_loss < 0.5 * guess_loss; }

static void judge_one_class(figures *f) {
    say(f, "one_class",
        "every answer is '%s': the model has not learned to tell the labels apart. Train longer, with a rate two to five times "
        "smaller or larger, or with --class-weights balanced where the labels are unequal",
        name(f, f->last_answered));
}

static void judge_mixed_up(figures *f, int from) {
    say(f, "labels_mixed_up", "the labels look mixed up: rows labelled '%s' are mostly answered '%s', and each label has one such partner. "
        "Compare the order of id2label in config.json with the data", name(f, from), name(f, usual_answer(f, from)));
}

static void judge_shuffled(figures *f) {
    say(f, "labels_shuffled",
        "the labels look shuffled: the training data was learned, yet on other data the answers have nothing to do with the labels "
        "(correlation %.2f). Look whether every label still stands beside its text, for instance after sorting one column of a "
        "spreadsheet, in the "
        "training file and in the other",
        f->matthews);
}

static void judge_guessing(figures *f) {
    say(f, "no_better_than_guessing",
        "always answering '%s' would be right %.1f%% of the time, the model is right %.1f%%: it is no better than that. Look "
        "whether texts and labels belong together (attune check), or train longer",
        name(f, f->most), 100.0 * (double)f->most_rows / (double)f->total, 100.0 * (double)f->right / (double)f->total);
}

static void judge_never_answered(figures *f) {
    enum { SHOWN = 5 };
    at_str list = {.arena = f->arena};
    int n = 0;
    for (int j = 0; j < f->e->n_labels; j++) {
        if (!f->rows[j] || f->answered[j]) continue;
        if (n++ < SHOWN) at_str_addf(&list, "%s'%s' (%ld)", n > 1 ? ", " : "", name(f, j), f->rows[j]);
    }
    f->failed |= list.failed;
    if (!n || list.failed) return;
    if (n > SHOWN) at_str_addf(&list, " and %d more", n - SHOWN);
    say(f, "never_answered", "%s never answered, though there are rows of %s: %s. Add examples, or try --class-weights balanced",
        n == 1 ? "one label is" : "some labels are", n == 1 ? "it" : "them", list.text);
}

/* One verdict about the answers as a whole; returns 1 where it explains a gap between training and evaluation as well. */
static int judge_answers(figures *f) {
    int from = 0;
    double nothing = fmin(NOISE / sqrt((double)f->total), NO_CORRELATION);
    if (f->n_answered == 1) {
        if (f->most_rows < f->total) judge_one_class(f);
        return 1;
    }
    if (is_mixed_up(f, &from)) {
        judge_mixed_up(f, from);
        return 1;
    }
    int shuffled = f->most_rows < f->total && f->total >= ENOUGH && f->matthews < nothing && was_learned(f->e, f->guess_loss);
    if (shuffled) judge_shuffled(f);
    else if (f->right <= f->most_rows && f->most_rows < f->total) judge_guessing(f);
    judge_never_answered(f);
    return shuffled;
}

static const char *advice_for_gap(const at_evidence *e) {
    return e->n_train && e->n_train < LITTLE_TRAINING
               ? "More labelled examples help most"
               : "More examples help, or fewer epochs, a smaller rate, more --hidden-dropout; and look for repeated texts (attune check)";
}

static void judge_gap(figures *f) {
    const at_evidence *e = f->e;
    double share = (double)f->right / (double)f->total, noise = sqrt(share * (1 - share) / (double)f->total);
    double loss = json_number_value(json_object_get(e->values, "loss"));
    if (e->train_score - share > fmax(GAP, NOISE * noise))
        say(f, "overfitted",
            "%.1f%% of the answers are right on the training data, %.1f%% on other data: much of what was learned holds for the training "
            "data only. %s",
            100 * e->train_score, 100 * share, advice_for_gap(e));
    else if (isnan(e->train_score) && loss > 3 * e->train_loss && loss - e->train_loss > 0.5)
        say(f, "overfitted",
            "the loss is %.3f on the training data and %.3f on other data: much of what was learned holds for the training data only. %s",
            e->train_loss, loss, advice_for_gap(e));
}

/* ---- the course of the loss ---- */

static double mean(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static int first_not_finite(const at_evidence *e) {
    for (int i = 0; i < e->n_losses; i++)
        if (!isfinite(e->loss[i])) return i;
    return -1;
}

static void smaller_rate(const at_evidence *e, char text[48]) {
    if (e->learning_rate > 0) snprintf(text, 48, "--learning-rate %.0e", e->learning_rate / 3);
    else snprintf(text, 48, "a learning rate three times smaller");
}

static void judge_loss(figures *f) {
    const at_evidence *e = f->e;
    char rate[48];
    int broken = first_not_finite(e), quarter = e->n_losses / 4;
    smaller_rate(e, rate);
    if (broken >= 0) {
        say(f, "loss_exploded",
            "the loss was not a finite number any more after %d%% of the training. Try %s and a longer warm-up (--warmup-ratio 0.2)",
            100 * broken / e->n_losses, rate);
        return;
    }
    if (!quarter) return;
    double first = mean(e->loss, quarter), last = mean(e->loss + e->n_losses - quarter, quarter);
    if (last > 1.5 * first && last > 0.5 * f->guess_loss)
        say(f, "loss_exploded",
            "the training loss rose from %.3f to %.3f: the steps are too large. Try %s and a longer warm-up (--warmup-ratio 0.2)", first,
            last, rate);
    else if (last > 0.95 * first && last > 0.85 * f->guess_loss)
        say(f, "loss_flat",
            "the training loss hardly moved, from %.3f to %.3f, where guessing gives %.3f. Train longer or with a rate three times larger, "
            "see that "
            "nothing is frozen that should learn, and whether texts and labels belong together (attune check)",
            first, last, f->guess_loss);
}

at_status at_diagnose(const at_evidence *evidence, at_arena *arena, at_symptom symptom[AT_SYMPTOMS], int *n, at_error *err) {
    figures f = {.e = evidence, .arena = arena, .symptom = symptom};
    *n = 0;
    if (!count_matrix(&f)) return at_fail_memory(err, (size_t)evidence->n_labels * 2 * sizeof(long));
    judge_loss(&f);
    if (f.total && !judge_answers(&f)) judge_gap(&f);
    *n = f.n;
    return f.failed ? at_fail_memory(err, 0) : AT_OK;
}
