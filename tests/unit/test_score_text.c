#include "check.h"

#include "run/score_text.h"

static const char *NAMES[] = {"neg", "neu", "pos"};
static const at_labels LABELS = {NAMES, 3};

/* A score with this confusion matrix (rows: right). */
static at_score score_of(const int m[3][3]) {
    return (at_score){.values = json_pack("{s:f, s:[f,f], s:i, s:{s:{s:f,s:f,s:f,s:i}}, s:[[i,i,i],[i,i,i],[i,i,i]]}", "accuracy", 0.5, "accuracy_interval", 0.4, 0.6,
                                          "examples", 12, "per_class", "neg", "precision", 0.25, "recall", 0.5, "f1", 0.75, "support", 7, "confusion_matrix",
                                          m[0][0], m[0][1], m[0][2], m[1][0], m[1][1], m[1][2], m[2][0], m[2][1], m[2][2])};
}

static void tables_hold_the_numbers(void **state) {
    (void)state;
    at_arena arena = {0};
    at_score score = score_of((const int[3][3]){{10, 2, 3}, {4, 50, 6}, {7, 8, 90}});
    char *text = at_score_metrics_text(&arena, &score);
    assert_non_null(strstr(text, "accuracy                    0.5000  [0.4000, 0.6000]\n"));
    assert_non_null(strstr(text, "examples                    12\n"));
    assert_non_null(strstr(text, "neg       0.2500  0.5000  0.7500       7"));
    assert_null(strstr(text, "confusion"));
    char *confusion = at_score_confusion_text(&arena, &score, &LABELS);
    assert_non_null(strstr(confusion, "neg            10           2           3\n"));
    assert_non_null(strstr(confusion, "pos             7           8          90"));
    json_decref(score.values);
    at_arena_free(&arena);
}

static void texts_are_shortened_by_characters(void **state) {
    (void)state;
    at_arena arena = {0};
    assert_string_equal(at_shortened(&arena, "a\nb", 3, 10), "a b");
    assert_string_equal(at_shortened(&arena, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 12, 5), "\xc3\xa9\xc3\xa9...");
    assert_string_equal(at_shortened(&arena, "12345", 5, 5), "12345");
    assert_string_equal(at_shortened(&arena, "", 0, 5), "");
    at_arena_free(&arena);
}

static void remember(void *context, const char *sentence) { snprintf(context, 700, "%s", sentence); }

static void doubts(const int m[3][3], const char *words) {
    char heard[700] = "";
    at_score score = score_of(m);
    at_score_doubts(&score, &LABELS, remember, heard);
    json_decref(score.values);
    if (!*words) assert_string_equal(heard, "");
    else if (!strstr(heard, words)) fail_msg("\"%s\" does not say \"%s\"", heard, words);
}

static void what_looks_wrong_is_said(void **state) {
    (void)state;
    doubts((const int[3][3]){{10, 2, 3}, {4, 50, 6}, {7, 8, 90}}, "");
    doubts((const int[3][3]){{0, 10, 0}, {0, 12, 0}, {0, 30, 0}}, "every answer is 'neu'");
    doubts((const int[3][3]){{1, 0, 30}, {1, 30, 1}, {29, 1, 1}}, "rows labelled 'pos' are mostly answered 'neg'");
    doubts((const int[3][3]){{1, 30, 1}, {1, 2, 30}, {29, 1, 1}}, "the labels look mixed up: rows labelled 'pos' are mostly answered 'neg'");
    doubts((const int[3][3]){{5, 5, 5}, {5, 5, 5}, {10, 10, 10}}, "always answering 'pos' would be right 50.0%");
    doubts((const int[3][3]){{0, 0, 0}, {0, 9, 0}, {0, 0, 0}}, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_hold_the_numbers),
        cmocka_unit_test(texts_are_shortened_by_characters),
        cmocka_unit_test(what_looks_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
