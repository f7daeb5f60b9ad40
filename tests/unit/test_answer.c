/* Answers in a text: metrics, thresholds and windows against recorded references (tests/oracle/make_answer_vectors.py), SQuAD files good and
 * bad, answers that are not where they are said to be, and the way from logits to words. */
#include "check.h"

#include <math.h>

#include "base/file.h"
#include "io/table.h"
#include "task/answer.h"
#include "task/metric_answer.h"
#include "task/tasks.h"

static char folder[] = "/tmp/attune-answer-XXXXXX";
static json_t *record;
static at_arena arena;
static at_error err;
static at_tokenizer *tokenizer;

static const char *in_folder(const char *name) { return at_path_join(&arena, folder, name); }

static int make(void **state) {
    (void)state;
    at_str vocab = {.arena = &arena};
    size_t i;
    const json_t *word;
    if (!mkdtemp(folder)) return 1;
    check_ok(at_json_load(check_source("unit/data/answer.json"), (size_t)1 << 24, AT_BAD_DATA, &record, &err), &err);
    json_array_foreach(json_object_get(record, "vocab"), i, word) at_str_addf(&vocab, "%s\n", json_string_value(word));
    check_write(in_folder("vocab.txt"), vocab.text, vocab.len);
    check_ok(at_tokenizer_open(folder, &tokenizer, &err), &err);
    return 0;
}

static int clean(void **state) {
    (void)state;
    at_tokenizer_close(tokenizer);
    json_decref(record);
    at_arena_free(&arena);
    return at_folder_remove(folder, &err) != AT_OK;
}

/* ---- metrics ---- */

static void metrics_are_the_scripts(void **state) {
    (void)state;
    size_t i, k;
    const json_t *c, *text;
    json_array_foreach(json_object_get(record, "metrics"), i, c) {
        at_answer_text right[8], answer = {json_string_value(json_object_get(c, "answer")), json_string_length(json_object_get(c, "answer"))};
        json_array_foreach(json_object_get(c, "right"), k, text) right[k] = (at_answer_text){json_string_value(text), json_string_length(text)};
        assert_string_equal(at_answer_normalise(&arena, answer.text, answer.len), json_string_value(json_object_get(c, "normalised")));
        for (int v2 = 0; v2 < 2; v2++) {
            const json_t *wanted = json_object_get(c, v2 ? "new" : "old");
            double exact, f1;
            check_ok(at_metrics_answer(answer, right, (int)k, v2, &exact, &f1, &err), &err);
            if (fabs(exact - json_number_value(json_array_get(wanted, 0))) > 1e-9 || fabs(f1 - json_number_value(json_array_get(wanted, 1))) > 1e-9)
                fail_msg("case %zu (v%d): exact %g, F1 %g", i, v2 + 1, exact, f1);
        }
    }
    assert_int_equal(i, 200);
}

static void thresholds_are_the_scripts(void **state) {
    (void)state;
    size_t i;
    const json_t *c;
    json_array_foreach(json_object_get(record, "thresholds"), i, c) {
        at_null_case cases[64];
        const json_t *difference = json_object_get(c, "difference"), *gain = json_object_get(c, "gain");
        int n = (int)json_array_size(gain);
        for (int k = 0; k < n; k++)
            cases[k] = (at_null_case){json_number_value(json_array_get(difference, (size_t)k)), json_number_value(json_array_get(gain, (size_t)k))};
        double threshold = at_threshold_null(cases, n), sum = json_number_value(json_object_get(c, "none"));
        for (int k = 0; k < n; k++) sum += cases[k].difference <= threshold ? cases[k].gain : 0;
        if (fabs(sum - json_number_value(json_object_get(c, "best"))) > 1e-9) fail_msg("case %zu: threshold %g reaches %g", i, threshold, sum);
    }
    assert_int_equal(i, 40);
}

/* ---- windows ---- */

static at_table *one_row(const json_t *c) {
    json_t *line = json_pack("{s:O, s:O, s:{s:[O], s:[O]}}", "question", json_object_get(c, "question"), "context", json_object_get(c, "context"), "answers", "text",
                             json_object_get(c, "answer"), "answer_start", json_object_get(c, "start"));
    char *text = json_dumps(line, JSON_COMPACT);
    const char *path = in_folder("row.jsonl");
    at_table *t;
    check_write(path, text, strlen(text));
    check_ok(at_table_read(path, NULL, &t, &err), &err);
    free(text);
    json_decref(line);
    return t;
}

static void check_window(const at_dataset *d, int i, const json_t *w, size_t number) {
    const json_t *ids = json_object_get(w, "ids"), *types = json_object_get(w, "types"), *spans = json_object_get(w, "spans"), *place = json_object_get(w, "place");
    size_t at = d->token_at[i];
    if ((size_t)at_dataset_length(d, i) != json_array_size(ids)) fail_msg("case %zu, window %d: %d tokens, %zu expected", number, i, at_dataset_length(d, i), json_array_size(ids));
    for (size_t k = 0; k < json_array_size(ids); k++) {
        int32_t start = d->span[2 * (at + k)], label = 0;
        if (start < -1) start = -2 - start;
        label |= (long long)k == json_integer_value(json_array_get(place, 0)) ? AT_SPAN_BEGIN : 0;
        label |= (long long)k == json_integer_value(json_array_get(place, 1)) ? AT_SPAN_END : 0;
        assert_int_equal(d->ids[at + k], json_integer_value(json_array_get(ids, k)));
        assert_int_equal(d->types[at + k], json_integer_value(json_array_get(types, k)));
        assert_int_equal(start, json_integer_value(json_array_get(json_array_get(spans, k), 0)));
        assert_int_equal(d->span[2 * (at + k) + 1], json_integer_value(json_array_get(json_array_get(spans, k), 1)));
        if ((d->label[at + k] & ~AT_SPAN_FIRST) != label) fail_msg("case %zu, window %d: token %zu has the label %d", number, i, k, d->label[at + k]);
        assert_int_equal((d->label[at + k] & AT_SPAN_FIRST) != 0, k == 0);
    }
}

/* Every token of the text is answered from in exactly one window. */
static void check_dealt(const at_dataset *d) {
    int seen[512] = {0};
    for (uint64_t o = 0; o < d->token_at[d->n]; o++)
        if (d->span[2 * o] >= 0) seen[d->span[2 * o]]++;
    for (uint64_t o = 0; o < d->token_at[d->n]; o++)
        if (d->span[2 * o] != -1) assert_int_equal(seen[d->span[2 * o] < 0 ? -2 - d->span[2 * o] : d->span[2 * o]], 1);
}

static void windows_are_those_of_run_qa(void **state) {
    (void)state;
    size_t i, k;
    const json_t *c, *w;
    json_array_foreach(json_object_get(record, "windows"), i, c) {
        at_task_state s = {.stride = (int)json_integer_value(json_object_get(c, "stride"))};
        at_table *t = one_row(c);
        at_answer_columns columns;
        at_dataset *d;
        check_ok(at_answer_find(t, NULL, 1, &columns, &err), &err);
        check_ok(at_answer_encode(&s, t, &columns, tokenizer, (int)json_integer_value(json_object_get(c, "limit")), 1, &d, &err), &err);
        assert_int_equal(d->n, json_array_size(json_object_get(c, "windows")));
        json_array_foreach(json_object_get(c, "windows"), k, w) check_window(d, (int)k, w, i);
        check_dealt(d);
        at_dataset_close(d);
        at_table_close(t);
    }
    assert_int_equal(i, 40);
}

/* ---- files ---- */

static at_table *squad(const char *text) {
    at_table *t;
    const char *path = in_folder("squad.json");
    check_write(path, text, strlen(text));
    check_ok(at_table_read(path, NULL, &t, &err), &err);
    return t;
}

static void squad_files_are_read(void **state) {
    (void)state;
    at_table *t = squad("{\n\"version\": \"v2.0\",\n\"data\": [{\"title\": \"T\", \"paragraphs\": [\n{\"qas\": [\n{\"question\": \"Who {x}?\", \"id\": \"q1\",\n \"answers\": "
                        "[{\"text\": \"b\", \"answer_start\": 2}], \"is_impossible\": false},\n{\"question\": \"Why?\", \"id\": \"q2\", \"answers\": [], \"is_impossible\": true}],"
                        "\n\"context\": \"a b\"}]}]}\n");
    assert_int_equal(t->format, AT_TABLE_SQUAD);
    assert_int_equal(t->n_rows, 2);
    assert_int_equal(t->line[0], 5);
    assert_int_equal(t->line[1], 7);
    at_answer_columns c;
    at_gold *gold;
    int n;
    check_ok(at_answer_find(t, NULL, 1, &c, &err), &err);
    assert_string_equal(at_table_cell(t, 1, c.context).text, "a b");
    check_ok(at_answer_gold(t, 0, &c, &arena, &gold, &n, &err), &err);
    assert_int_equal(n, 1);
    check_ok(at_answer_place(t, 0, &c, gold, &err), &err);
    check_ok(at_answer_gold(t, 1, &c, &arena, &gold, &n, &err), &err);
    assert_int_equal(n, 0);
    at_table_close(t);
}

static void refuses(const char *name, const char *text, const char *words) {
    at_table *t = NULL;
    const char *path = in_folder(name);
    check_write(path, text, strlen(text));
    check_fails(at_table_read(path, NULL, &t, &err), AT_BAD_DATA, &err, words);
    if (!strstr(err.text, name)) fail_msg("the file is not named: %s", err.text);
}

#define PARAGRAPH(question) "{\"data\": [{\"paragraphs\": [{\"context\": \"a\",\n\"qas\": [" question "]}]}]}"
static void malformed_squad_files_are_refused(void **state) {
    (void)state;
    refuses("s.json", "{\"data\": [{\"paragraphs\": [}", "s.json:1:");
    refuses("s.json", "{\"data\": [{\"paragraphs\": {}}], \"qas\": 1}", "its article has no list 'paragraphs'");
    refuses("s.json", "{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}", "its paragraph has no text 'context'");
    refuses("s.json", "{\"data\": [{\"paragraphs\": [{\"context\": \"a\"}]}]}", "its paragraph has no list 'qas'");
    refuses("s.json", "{\"data\": [{\"paragraphs\": []}]}", "no rows");
    refuses("s.json", PARAGRAPH("{\"answers\": []}"), "s.json:2: data[0].paragraphs[0].qas[0]: there is no text 'question'");
    refuses("s.json", PARAGRAPH("3"), "not an object");
    refuses("s.json", PARAGRAPH("{\"question\": \"q\"},\n{\"question\": \"q\", \"answers\": \"x\"}"), "s.json:3: data[0].paragraphs[0].qas[1]: 'answers' is not a list");
    refuses("s.json", PARAGRAPH("{\"question\": \"q\", \"answers\": [{\"answer_start\": 1}]}"), "an answer has no 'text'");
    refuses("s.json", PARAGRAPH("{\"question\": \"q\", \"answers\": [{\"text\": \"a\", \"answer_start\": -1}]}"), "no 'answer_start'");
    refuses("s.json", PARAGRAPH("{\"question\": \"q\", \"answers\": [{\"text\": \"a\", \"answer_start\": \"0\"}]}"), "no 'answer_start'");
    refuses("s.json", PARAGRAPH("{\"question\": \"q\", \"is_impossible\": 1}"), "'is_impossible' is neither true nor false");
    refuses("s.json", PARAGRAPH("{\"question\": \"\xff\"}"), "not valid UTF-8");
}

static void gold_is(const char *line, const char *words, const char *first, long long start) {
    at_table *t;
    at_answer_columns c;
    at_gold *gold;
    int n;
    const char *path = in_folder("g.jsonl");
    check_write(path, line, strlen(line));
    check_ok(at_table_read(path, NULL, &t, &err), &err);
    check_ok(at_answer_find(t, NULL, 1, &c, &err), &err);
    at_status st = at_answer_gold(t, 0, &c, &arena, &gold, &n, &err);
    if (!st && n) st = at_answer_place(t, 0, &c, gold, &err);
    if (words) check_fails(st, AT_BAD_DATA, &err, words);
    else {
        check_ok(st, &err);
        assert_int_equal(n, first != NULL);
        if (n) assert_string_equal(gold->text, first);
        if (n) assert_int_equal(gold->start, start);
    }
    at_table_close(t);
}

#define ROW "{\"question\": \"q\", \"context\": \"\xc3\xa9t\xc3\xa9 in Paris, Paris\", "
static void answers_are_read_and_placed(void **state) {
    (void)state;
    gold_is(ROW "\"answers\": {\"text\": [\"Paris\"], \"answer_start\": [7]}}", NULL, "Paris", 7);
    gold_is(ROW "\"answers\": [{\"text\": \"Paris\", \"answer_start\": 14}]}", NULL, "Paris", 14);
    gold_is(ROW "\"answers\": {\"text\": \"in\", \"answer_start\": 4}}", NULL, "in", 4);
    gold_is(ROW "\"answers\": {\"text\": [], \"answer_start\": []}}", NULL, NULL, 0);
    gold_is(ROW "\"answers\": []}", NULL, NULL, 0);
    gold_is(ROW "\"answers\": [\"Paris\"]}", NULL, "Paris", 7);
    gold_is(ROW "\"answer\": \"Paris\"}", NULL, "Paris", 7);
    gold_is(ROW "\"answer\": \"Paris\", \"answer_start\": 14}", NULL, "Paris", 14);
    gold_is(ROW "\"answer\": \"Paris\", \"answer_start\": \"x\"}", "'x' (column 'answer_start') is no whole number", NULL, 0);
    gold_is(ROW "\"answers\": [{\"text\": \"Paris\", \"answer_start\": 8}]}", "g.jsonl:1: the answer 'Paris' is not at character 8 of its text; it is at 7", NULL, 0);
    gold_is(ROW "\"answers\": [{\"text\": \"Paris\", \"answer_start\": 900}]}", "it is at 14", NULL, 0);
    gold_is(ROW "\"answers\": [{\"text\": \"London\", \"answer_start\": 8}]}", "the answer 'London' is nowhere in its text", NULL, 0);
    gold_is(ROW "\"answers\": [{\"text\": \"\", \"answer_start\": 8}]}", "an answer is empty", NULL, 0);
    gold_is(ROW "\"answers\": {\"text\": [\"a\"], \"answer_start\": []}}", "different lengths", NULL, 0);
    gold_is(ROW "\"answers\": {\"text\": [\"a\"], \"answer_start\": 3}}", "one 'text' and a list", NULL, 0);
    gold_is(ROW "\"answers\": {\"texts\": [\"a\"]}}", "have no 'text'", NULL, 0);
    gold_is(ROW "\"answers\": [{\"text\": \"a\", \"answer_start\": 1.5}]}", "no whole number", NULL, 0);
    gold_is(ROW "\"answers\": 3}", "neither a list nor an object", NULL, 0);
}

/* ---- from logits to answers ---- */

static void best_answers_are_found(void **state) {
    (void)state;
    int32_t span[2 * 6] = {-1, -1, 0, 1, 2, 3, 4, 5, -2 - 6, 7, -1, -1};
    uint64_t at[2] = {0, 6};
    at_dataset d = {.n = 1, .token_at = at, .place_at = at, .span = span};
    at_row_outputs r = {0, 0, 1, 0, 6};
    float logits[12] = {1, 1, 0, 0, 3, 0, 0, 2, 9, 3, 9, 9};
    at_best best;
    at_answer_best(&d, &r, logits, 1, &best);
    assert_int_equal(best.of[0].start, 2); /* token 4 is better seen elsewhere: nothing begins there, but answers end there */
    assert_int_equal(best.of[0].end, 7);
    assert_true(fabs(best.of[0].logit - 6) < 1e-6 && fabs(best.null_score - 2) < 1e-6);
    assert_int_equal(best.n, 4 + 3 - 1 + 3);
    double sum = best.null_probability;
    for (int i = 0; i < best.n; i++) sum += best.of[i].probability;
    assert_true(fabs(sum - 1) < 1e-12);
    for (int i = 0; i < best.n; i++) assert_true(best.of[i].start < best.of[i].end);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(metrics_are_the_scripts),
                                       cmocka_unit_test(thresholds_are_the_scripts),
                                       cmocka_unit_test(windows_are_those_of_run_qa),
                                       cmocka_unit_test(squad_files_are_read),
                                       cmocka_unit_test(malformed_squad_files_are_refused),
                                       cmocka_unit_test(answers_are_read_and_placed),
                                       cmocka_unit_test(best_answers_are_found)};
    return check_exit_code(cmocka_run_group_tests(tests, make, clean));
}
