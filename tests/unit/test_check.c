/* attune check: each finding provoked by a small file, with its line; none on the example data. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "run/settings.h"

enum { MOST = 400 };

typedef struct heard {
    char folder[64];
    json_t *finding[MOST];
    int n, in_words;
    char done[1024], group[4096];
    json_t *end;
} heard;

static void listen(void *context, const at_event *e) {
    heard *h = context;
    at_error err;
    if (!strcmp(e->kind, "finding") && h->n < MOST) {
        h->in_words += e->text != NULL;
        check_ok(at_json_parse(e->json, strlen(e->json), "event", AT_BUG, &h->finding[h->n++], &err), &err);
    }
    if (!strcmp(e->kind, "findings") && e->text) strncat(h->group, e->text, sizeof h->group - strlen(h->group) - 1);
    if (strcmp(e->kind, "done")) return;
    snprintf(h->done, sizeof h->done, "%s", e->text);
    check_ok(at_json_parse(e->json, strlen(e->json), "event", AT_BUG, &h->end, &err), &err);
}

static int set_up(void **state) {
    heard *h = calloc(1, sizeof *h);
    strcpy(h->folder, "check.XXXXXX");
    if (!mkdtemp(h->folder)) return -1;
    *state = h;
    return 0;
}

static int tear_down(void **state) {
    heard *h = *state;
    at_error err;
    for (int i = 0; i < h->n; i++) json_decref(h->finding[i]);
    json_decref(h->end);
    at_folder_remove(h->folder, &err);
    free(h);
    return 0;
}

static void write_rows(const heard *h, const char *name, const char *rows) {
    char path[256];
    at_error err;
    snprintf(path, sizeof path, "%s/%s", h->folder, name);
    check_ok(at_file_write(path, rows, strlen(rows), &err), &err);
}

static void set_path(const heard *h, at_options *o, const char *name, const char *file) {
    char path[256];
    at_error err;
    snprintf(path, sizeof path, "%s/%s", h->folder, file);
    check_ok(at_options_set(o, name, path, &err), &err);
}

static at_status run_check(heard *h, const at_options *o, at_error *err) {
    at_listener listener = {.context = h, .event = listen};
    return at_check(o, &listener, err);
}

/* Checks the rows as train.csv, and those of `test` (or NULL) as test.csv. */
static at_status check_rows(heard *h, const char *train, const char *test, at_error *err) {
    at_options *o = at_options_new(AT_CMD_CHECK);
    if (train) write_rows(h, "train.csv", train);
    if (test) write_rows(h, "test.csv", test);
    if (train) set_path(h, o, "train", "train.csv");
    if (test) set_path(h, o, "test", "test.csv");
    at_status st = run_check(h, o, err);
    at_options_free(o);
    return st;
}

static const char *field(const json_t *f, const char *name) {
    const char *text = json_string_value(json_object_get(f, name));
    return text ? text : "";
}

static int count(const heard *h, const char *kind) {
    int n = 0;
    for (int i = 0; i < h->n; i++) n += !strcmp(field(h->finding[i], "kind"), kind);
    return n;
}

/* The finding of that kind at that line of that file (line 0: the whole file) says the words. */
static const json_t *expect(const heard *h, const char *kind, const char *severity, const char *file, int line, const char *words) {
    for (int i = 0; i < h->n; i++) {
        const json_t *f = h->finding[i], *at = json_object_get(f, "line");
        char place[128];
        snprintf(place, sizeof place, line ? "%s/%s:%d: " : "%s/%s: ", h->folder, file, line);
        if (strcmp(field(f, "kind"), kind) || strncmp(field(f, "text"), place, strlen(place))) continue;
        assert_string_equal(field(f, "severity"), severity);
        assert_true(line ? json_integer_value(at) == line : json_is_null(at));
        assert_true(strstr(field(f, "file"), file) != NULL);
        if (strstr(field(f, "text"), words)) return f;
        fail_msg("\"%s\" does not say \"%s\"", field(f, "text"), words);
    }
    for (int i = 0; i < h->n; i++) print_message("found: %s %s\n", field(h->finding[i], "kind"), field(h->finding[i], "text"));
    fail_msg("no %s at %s:%d", kind, file, line);
    return NULL;
}

/* Enough honest rows that no label is rare; lines 2 to 21. */
#define ROWS                                                                                                                        \
    "text,label\n"                                                                                                                  \
    "the chair is lovely,good\nthe table broke,bad\nquick and friendly,good\nnobody answered,bad\nworks as it should,good\n"        \
    "arrived in pieces,bad\nmy favourite lamp,good\nthe smell is awful,bad\nwell packed,good\nthe colour came off,bad\n"            \
    "would buy again,good\nnever again,bad\nbest of them all,good\ntoo loud to sleep,bad\nsoft and warm,good\nsharp edges,bad\n"    \
    "fits perfectly,good\nthe zip is stuck,bad\nclear instructions,good\nmissing screws,bad\n"

static void honest_rows_have_no_finding(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS, NULL, &err), &err);
    assert_int_equal(h->n, 0);
    assert_non_null(strstr(h->done, "train.csv (20 rows): nothing found"));
}

static void the_example_data_has_no_finding(void **state) {
    heard *h = *state;
    at_error err;
    at_options *o = at_options_new(AT_CMD_CHECK);
    char train[4200], test[4200];
    snprintf(train, sizeof train, "%s", check_source("../examples/support-sentiment/train.csv"));
    snprintf(test, sizeof test, "%s", check_source("../examples/support-sentiment/test.csv"));
    check_ok(at_options_set(o, "train", train, &err), &err);
    check_ok(at_options_set(o, "test", test, &err), &err);
    check_ok(run_check(h, o, &err), &err);
    for (int i = 0; i < h->n; i++) print_message("%s\n", field(h->finding[i], "text"));
    assert_int_equal(h->n, 0);
    at_options_free(o);
}

static void rows_that_cannot_be_read(void **state) {
    heard *h = *state;
    at_error err;
    check_fails(check_rows(h, ROWS "one,two,three\nmore words,good\n\xff broken,bad\nlast,bad\n", NULL, &err), AT_BAD_DATA, &err, "2 errors in the data");
    expect(h, "bad_row", "error", "train.csv", 22, "");
    expect(h, "bad_row", "error", "train.csv", 24, "UTF-8");
    assert_int_equal(json_integer_value(json_object_get(h->end, "errors")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(h->end, "kinds"), "bad_row")), 2);
}

static void empty_texts_and_labels(void **state) {
    heard *h = *state;
    at_error err;
    check_fails(check_rows(h, ROWS "\"  \",good\nsome words,\n\xc2\xa0,bad\n", NULL, &err), AT_BAD_DATA, &err, "3 errors");
    expect(h, "empty_text", "error", "train.csv", 22, "column 'text'");
    expect(h, "empty_text", "error", "train.csv", 24, "column 'text'");
    expect(h, "empty_label", "error", "train.csv", 23, "column 'label'");
    assert_int_equal(h->n, 3);
}

static void the_same_text_again(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS " The  CHAIR is lovely,good\nThe Table Broke ,good\n", NULL, &err), &err);
    const json_t *f = expect(h, "duplicate", "warning", "train.csv", 22, "line 2");
    assert_int_equal(json_integer_value(json_object_get(f, "line2")), 2);
    expect(h, "two_labels", "warning", "train.csv", 23, "line 3, labelled 'bad' there and 'good' here");
    assert_int_equal(h->n, 2);
}

static void case_is_folded_beyond_ascii(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "Ärger mit dem Zoll,bad\nÄRGER mit\xe3\x80\x80" "dem Zoll,bad\n", NULL, &err), &err);
    expect(h, "duplicate", "warning", "train.csv", 23, "line 22");
}

static void texts_of_pairs_are_compared_as_pairs(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, "sentence1,sentence2,label\na cat,a dog,no\na cat,a bird,no\na cat, A DOG,no\na,cat a dog,yes\nb one,b two,yes\nc one,c two,yes\n"
                           "d one,d two,yes\n", NULL, &err), &err);
    expect(h, "duplicate", "warning", "train.csv", 4, "line 2");
    assert_int_equal(count(h, "duplicate") + count(h, "two_labels"), 1);
}

static void texts_in_both_files(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS, "text,label\nNobody answered,bad\nnew words here,good\nsharp  edges,good\nnew words here,good\n", &err), &err);
    const json_t *f = expect(h, "both_splits", "warning", "test.csv", 2, "train.csv:5");
    assert_int_equal(json_integer_value(json_object_get(f, "line2")), 5);
    assert_non_null(strstr(field(f, "file2"), "train.csv"));
    expect(h, "both_splits", "warning", "test.csv", 4, "labelled 'bad' there and 'good' here");
    expect(h, "duplicate", "warning", "test.csv", 5, "line 3");
    assert_int_equal(h->n, 3);
}

static void labels_of_one_file_only(void **state) {
    heard *h = *state;
    at_error err;
    check_fails(check_rows(h, ROWS, "text,label\nsome new words,godo\nand others,godo\n", &err), AT_BAD_DATA, &err, "1 error in");
    expect(h, "unknown_label", "error", "test.csv", 2, "'godo' (2 rows) is not one of 'good', 'bad'");
    expect(h, "unknown_label", "error", "test.csv", 2, "Did you mean 'good'?");
    const json_t *f = expect(h, "label_missing", "warning", "train.csv", 2, "'good' (10 rows) does not occur in");
    assert_non_null(strstr(field(f, "file2"), "test.csv"));
    expect(h, "label_missing", "warning", "train.csv", 3, "'bad'");
}

static void labels_spelled_in_two_ways(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "a good one,Good\nanother good one,good \n", NULL, &err), &err);
    expect(h, "label_spelling", "warning", "train.csv", 22, "'Good' (1 row) differs from 'good' (line 2, 10 rows)");
    expect(h, "label_spelling", "warning", "train.csv", 23, "'good '");
    assert_int_equal(count(h, "label_spelling"), 2);
}

static void rare_labels_and_imbalance(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "hm hm hm,unsure\n", NULL, &err), &err);
    expect(h, "rare_label", "warning", "train.csv", 22, "'unsure' has only 1 row");
    expect(h, "imbalance", "warning", "train.csv", 22, "'unsure' has 1 row, 'good' has 10: 10 times as many");
    assert_int_equal(h->n, 2);
}

static void some_imbalance_is_a_note(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "hm hm hm,unsure\nwell well,unsure\n", NULL, &err), &err);
    expect(h, "imbalance", "note", "train.csv", 22, "5 times");
}

static void one_label_only(void **state) {
    heard *h = *state;
    at_error err;
    check_fails(check_rows(h, "text,label\nsome words,good\nmore words,good\n", NULL, &err), AT_BAD_DATA, &err, "1 error");
    expect(h, "no_labels", "error", "train.csv", 2, "every row has the label 'good'");
}

static void a_row_in_the_place_of_the_header(void **state) {
    heard *h = *state;
    at_error err;
    char rows[4096] = ROWS;
    check_ok(check_rows(h, strcpy(rows, strchr(ROWS, '\n') + 1), NULL, &err), &err);
    expect(h, "header_is_row", "warning", "train.csv", 1, "'good'");
}

static void a_label_column_of_texts(void **state) {
    heard *h = *state;
    at_error err;
    char rows[8192] = "text,label\n", row[64];
    for (int i = 0; i < 80; i++) {
        snprintf(row, sizeof row, "words number %d,answer number %d\n", i, i);
        strcat(rows, row);
    }
    check_fails(check_rows(h, rows, NULL, &err), AT_BAD_DATA, &err, "1 error");
    expect(h, "no_labels", "error", "train.csv", 0, "80 different values in 80 rows");
    assert_int_equal(h->n, 1);
}

static void a_label_that_reads_like_a_text(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "good, but I would not buy it again at all\n", NULL, &err), &err);
    expect(h, "label_text", "warning", "train.csv", 22, "' but I would not buy it again at all' reads like a text");
}

static void encoding_trouble(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "the caf\xc3\x83\xc2\xa9 was closed,bad\nit\xc3\xa2\xe2\x82\xac\xe2\x84\xa2s fine,good\na caf\xef\xbf\xbd again,good\n"
                                "a bell\x07 rings,good\nbread &amp; butter,good\nit&#39;s there,good\none<br />two,bad\n", NULL, &err), &err);
    expect(h, "mojibake", "warning", "train.csv", 22, "'\xc3\x83\xc2\xa9' was probably '\xc3\xa9'");
    expect(h, "mojibake", "warning", "train.csv", 23, "was probably '\xe2\x80\x99'");
    expect(h, "replacement_character", "warning", "train.csv", 24, "U+FFFD");
    expect(h, "control_character", "warning", "train.csv", 25, "U+0007");
    expect(h, "html", "note", "train.csv", 26, "&amp;");
    expect(h, "html", "note", "train.csv", 27, "&#39;");
    expect(h, "html", "note", "train.csv", 28, "<br />");
    assert_int_equal(h->n, 7);
}

static void honest_letters_are_not_garbled(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "S\xc3\x83O PAULO n\xc3\xa3o,good\n\xc2\xab LIBERT\xc3\x89\xc2\xa0\xc2\xbb \xc3\x80\xc2\xa0: oui,good\n"
                                "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xf0\x9f\x98\x80,good\nR&D & sales 3 < 4,bad\n20\xc2\xb0" "C \xe2\x82\xac" "5,bad\n", NULL, &err), &err);
    for (int i = 0; i < h->n; i++) print_message("%s\n", field(h->finding[i], "text"));
    assert_int_equal(h->n, 0);
}

static void very_short_texts(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, ROWS "ok,good\n!!,bad\nx,good\n", NULL, &err), &err);
    expect(h, "short_text", "note", "train.csv", 23, "'!!'");
    expect(h, "short_text", "note", "train.csv", 24, "'x'");
    assert_int_equal(h->n, 2);
}

static void many_of_a_kind_are_counted(void **state) {
    heard *h = *state;
    at_error err;
    char rows[4096] = ROWS;
    for (int i = 0; i < 9; i++) strcat(rows, "never again,bad\n");
    check_ok(check_rows(h, rows, NULL, &err), &err);
    assert_int_equal(h->n, 9);
    assert_int_equal(h->in_words, 5);
    assert_non_null(strstr(h->group, "and 4 more: 9 repeated texts in all"));
}

static void a_test_file_alone(void **state) {
    heard *h = *state;
    at_error err;
    check_ok(check_rows(h, NULL, ROWS "never again,bad\n", &err), &err);
    expect(h, "duplicate", "warning", "test.csv", 22, "line 13");
}

static void what_cannot_be_checked(void **state) {
    heard *h = *state;
    at_error err;
    check_fails(check_rows(h, NULL, NULL, &err), AT_USAGE, &err, "--train");
    check_fails(check_rows(h, ROWS, "text,lable\nsome words,good\n", &err), AT_USAGE, &err, "Did you mean 'lable'?");
    check_fails(check_rows(h, "text,label\n", NULL, &err), AT_BAD_DATA, &err, "1 error");
    expect(h, "no_rows", "error", "train.csv", 0, "no row");
    at_options *o = at_options_new(AT_CMD_CHECK);
    set_path(h, o, "train", "nowhere.csv");
    check_fails(run_check(h, o, &err), AT_BAD_DATA, &err, "nowhere.csv");
    at_options_free(o);
}

static void forget(heard *h) {
    for (int i = 0; i < h->n; i++) json_decref(h->finding[i]);
    json_decref(h->end);
    h->n = 0;
    h->end = NULL;
}

/* Each way of cutting has words of its own. */
static void check_long(heard *h, at_options *o, const char *how, int findings, const char *kind, int line, const char *words) {
    at_error err;
    forget(h);
    check_ok(at_options_set(o, "long", how, &err), &err);
    check_ok(run_check(h, o, &err), &err);
    assert_int_equal(h->n, findings);
    expect(h, kind, "note", "train.csv", line, words);
}

static void lengths_against_the_limit(void **state) {
    heard *h = *state;
    at_error err;
    char path[256];
    static const char WORDS[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nchair\n";
    static const char CONFIG[] = "{\"model_type\":\"bert\",\"vocab_size\":7,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                                 "\"intermediate_size\":16,\"max_position_embeddings\":64,\"type_vocab_size\":2,\"hidden_act\":\"gelu\"}";
    snprintf(path, sizeof path, "%s/model", h->folder);
    check_ok(at_folder_make(path, &err), &err);
    write_rows(h, "model/vocab.txt", WORDS);
    write_rows(h, "model/config.json", CONFIG);
    write_rows(h, "model/tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":true}");
    write_rows(h, "train.csv", ROWS "the chair the chair the chair the chair the,good\n");
    at_options *o = at_options_new(AT_CMD_CHECK);
    set_path(h, o, "train", "train.csv");
    set_path(h, o, "model", "model");
    check_ok(at_options_set(o, "max_length", "8", &err), &err);
    check_ok(run_check(h, o, &err), &err);
    expect(h, "cut_text", "note", "train.csv", 22, "11 tokens, of which the model reads 8: the last 3 would be cut");
    expect(h, "cut_share", "note", "train.csv", 0, "1 of 21 texts are longer than 8 tokens");
    assert_int_equal(h->n, 2);
    check_long(h, o, "truncate-head", 2, "cut_text", 22, "the first 3 would be cut");
    check_long(h, o, "middle", 2, "cut_text", 22, "3 in the middle would be cut");
    check_long(h, o, "window", 1, "read_in_windows", 0, "1 of 21 texts are longer than 8 tokens");
    forget(h);
    check_ok(at_options_set(o, "long", "error", &err), &err);
    check_fails(run_check(h, o, &err), AT_BAD_DATA, &err, "1 error");
    expect(h, "cut_text", "error", "train.csv", 22, "--long error");
    check_ok(at_options_set(o, "long", "auto", &err), &err);
    check_ok(at_options_set(o, "max_length", "65", &err), &err);
    check_fails(run_check(h, o, &err), AT_USAGE, &err, "64 positions");
    at_options_free(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(honest_rows_have_no_finding), TEST(the_example_data_has_no_finding), TEST(rows_that_cannot_be_read), TEST(empty_texts_and_labels),
        TEST(the_same_text_again), TEST(case_is_folded_beyond_ascii), TEST(texts_of_pairs_are_compared_as_pairs), TEST(texts_in_both_files),
        TEST(labels_of_one_file_only), TEST(labels_spelled_in_two_ways), TEST(rare_labels_and_imbalance), TEST(some_imbalance_is_a_note),
        TEST(one_label_only), TEST(a_row_in_the_place_of_the_header), TEST(a_label_column_of_texts), TEST(a_label_that_reads_like_a_text), TEST(encoding_trouble),
        TEST(honest_letters_are_not_garbled), TEST(very_short_texts), TEST(many_of_a_kind_are_counted), TEST(a_test_file_alone),
        TEST(what_cannot_be_checked), TEST(lengths_against_the_limit),
    };
    return check_run(tests);
}
