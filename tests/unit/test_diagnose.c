/* Each thing that goes wrong, as its figures look; and figures that are fine, or too few to say. */
#include <math.h>

#include "check.h"

#include "task/diagnose.h"

static const char *const LABELS[] = {"neg", "neu", "pos"};

static json_t *values(const int m[3][3], double loss) {
    return json_pack("{s:[[iii],[iii],[iii]], s:f}", "confusion_matrix", m[0][0], m[0][1], m[0][2], m[1][0], m[1][1], m[1][2], m[2][0], m[2][1], m[2][2],
                     "loss", loss);
}

/* Exactly the symptoms of `kinds`, and the first one's text has the words. */
static void expect(at_evidence e, const int m[3][3], double loss, const char *kinds, const char *words) {
    at_arena arena = {0};
    at_symptom symptom[AT_SYMPTOMS];
    at_error err;
    int n;
    char got[256] = "";
    json_t *score = m ? values(m, loss) : NULL;
    e.values = score;
    e.label = LABELS;
    e.n_labels = 3;
    check_ok(at_diagnose(&e, &arena, symptom, &n, &err), &err);
    for (int i = 0; i < n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, symptom[i].kind);
    }
    assert_string_equal(got, kinds);
    if (n && !strstr(symptom[0].text, words)) fail_msg("\"%s\" does not say \"%s\"", symptom[0].text, words);
    json_decref(score);
    at_arena_free(&arena);
}

static const int GOOD[3][3] = {{80, 10, 10}, {8, 84, 8}, {12, 8, 80}};
static const int FAIR[3][3] = {{60, 20, 20}, {20, 60, 20}, {20, 20, 60}};
static const int CHANCE[3][3] = {{34, 33, 33}, {33, 34, 33}, {33, 33, 34}};
static const at_evidence NOTHING = AT_EVIDENCE_INIT;

static void good_figures_are_left_alone(void **state) {
    (void)state;
    static const double falling[] = {1.1, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3, 0.35};
    at_evidence e = AT_EVIDENCE_INIT;
    expect(NOTHING, NULL, 0, "", "");
    expect(NOTHING, GOOD, 0.5, "", "");
    e.train_score = 0.9;
    e.train_loss = 0.3;
    e.loss = falling;
    e.n_losses = 8;
    expect(e, GOOD, 0.5, "", "");
}

static void answers_that_are_all_one_label(void **state) {
    (void)state;
    expect(NOTHING, (const int[3][3]){{0, 30, 0}, {0, 40, 0}, {0, 30, 0}}, 1.1, "one_class", "every answer is 'neu'");
    expect(NOTHING, (const int[3][3]){{0, 0, 0}, {0, 40, 0}, {0, 0, 0}}, 0.1, "", "");
}

static void labels_in_another_order(void **state) {
    (void)state;
    expect(NOTHING, (const int[3][3]){{1, 30, 1}, {1, 2, 30}, {29, 1, 1}}, 3, "labels_mixed_up", "'pos' are mostly answered 'neg'");
}

static void shuffled_labels(void **state) {
    (void)state;
    at_evidence e = AT_EVIDENCE_INIT;
    e.train_score = 0.98;
    expect(e, CHANCE, 3, "labels_shuffled", "correlation 0.01");
    e.train_score = NAN;
    e.train_loss = 0.1;
    expect(e, CHANCE, 3, "labels_shuffled", "shuffled");
    e.train_loss = 1.0; /* nothing was learned: another matter */
    expect(e, (const int[3][3]){{20, 40, 40}, {40, 20, 40}, {40, 40, 20}}, 1.2, "no_better_than_guessing", "right 33.3% of the time, the model is right 20.0%");
    e.train_score = 0.98;
    expect(e, FAIR, 1, "overfitted", "holds for the training data only");
}

static void a_label_that_is_never_the_answer(void **state) {
    (void)state;
    expect(NOTHING, (const int[3][3]){{50, 2, 0}, {3, 60, 0}, {4, 5, 0}}, 0.5, "never_answered", "'pos' (9)");
    expect(NOTHING, (const int[3][3]){{50, 2, 0}, {3, 60, 0}, {0, 0, 0}}, 0.2, "", ""); /* and has no rows either */
}

static void training_far_above_evaluation(void **state) {
    (void)state;
    at_evidence e = AT_EVIDENCE_INIT;
    e.train_score = 0.99;
    e.n_train = 60;
    expect(e, FAIR, 1, "overfitted", "99.0% of the answers are right on the training data, 60.0% on other data");
    expect(e, FAIR, 1, "overfitted", "More labelled examples help most");
    e.n_train = 5000;
    expect(e, FAIR, 1, "overfitted", "fewer epochs");
    expect(e, (const int[3][3]){{2, 1, 0}, {0, 2, 1}, {0, 0, 2}}, 1, "", ""); /* eight rows prove nothing */
    e.train_score = NAN;
    e.train_loss = 0.05;
    expect(e, FAIR, 1.2, "overfitted", "the loss is 0.050 on the training data and 1.200");
}

static void a_loss_that_does_not_move(void **state) {
    (void)state;
    static const double flat[] = {1.1, 1.09, 1.11, 1.1, 1.1, 1.09, 1.1, 1.1};
    static const double low[] = {0.11, 0.1, 0.11, 0.1, 0.11, 0.1, 0.11, 0.1};
    at_evidence e = AT_EVIDENCE_INIT;
    e.n_losses = 8;
    e.loss = flat;
    expect(e, NULL, 0, "loss_flat", "where guessing gives 1.099");
    e.loss = low; /* was learned before */
    expect(e, NULL, 0, "", "");
}

static void a_loss_that_explodes(void **state) {
    (void)state;
    static const double rising[] = {0.7, 0.6, 0.5, 1.2, 2, 3, 4, 5};
    const double broken[] = {0.7, 0.6, NAN, 0.5};
    at_evidence e = AT_EVIDENCE_INIT;
    e.n_losses = 8;
    e.loss = rising;
    e.learning_rate = 3e-3;
    expect(e, NULL, 0, "loss_exploded", "rose from 0.650 to 4.500");
    expect(e, NULL, 0, "loss_exploded", "--learning-rate 1e-03");
    e.n_losses = 4;
    e.loss = broken;
    expect(e, GOOD, 0.5, "loss_exploded", "after 50% of the training");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_figures_are_left_alone),      cmocka_unit_test(answers_that_are_all_one_label),
        cmocka_unit_test(labels_in_another_order),          cmocka_unit_test(shuffled_labels),
        cmocka_unit_test(a_label_that_is_never_the_answer), cmocka_unit_test(training_far_above_evaluation),
        cmocka_unit_test(a_loss_that_does_not_move),        cmocka_unit_test(a_loss_that_explodes),
    };
    return check_run(tests);
}
