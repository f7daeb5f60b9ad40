/* attune score: what eval says of a model, score says of the answers that the model wrote; answers of other programs; rows that do not match. */
#include <jansson.h>

#include "cli/tiny_folder.h"

static void write_rows(const char *name, const char *head, int kind) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", getenv("D"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (*head) fprintf(file, "%s\n", head);
    for (int i = 0; i < 60; i++) {
        int good = i % 2, bad = i % 3 == 0;
        char text[64];
        snprintf(text, sizeof text, "%c %s%s%c", 'a' + i % 26, good ? "good " : "", bad ? "bad " : "", 'a' + i * 7 % 26);
        if (kind == 0) fprintf(file, "%s,%.2f\n", text, 50 + 10 * good - 20.5 * bad + 0.1 * (i % 5));
        if (kind == 1) fprintf(file, "%s,%d,%d\n", text, good, bad);
        if (kind == 2) fprintf(file, "a O\ngood %s\n%c %s\n\n", i % 7 ? "B-X" : "O", 'a' + i % 26, good && i % 7 ? "I-X" : "O");
        if (kind == 3)
            fprintf(file, "{\"id\": \"q%d\", \"question\": \"%c good\", \"context\": \"a b good %c d e bad\", \"answers\": %s}\n", i, 'a' + i % 26, 'f' + i % 9,
                    i % 5 ? "{\"text\": [\"good\"], \"answer_start\": [4]}" : "{\"text\": [], \"answer_start\": []}");
    }
    fclose(file);
}

#define TRAIN "$A train --model model --folds 1 --epochs 2 --quiet --method full --train "

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    write_rows("numbers.csv", "text,score", 0);
    write_rows("flags.csv", "text,fine,poor", 1);
    write_rows("tags.conll", "", 2);
    write_rows("questions.jsonl", "", 3);
    program_run run = program_shell("cd $D && " TRAIN "numbers.csv --output regress && " TRAIN "flags.csv --output multi-label && " TRAIN "tags.conll --output tag && " TRAIN
                                    "questions.jsonl --output answer && sed 's/class b/class a/' rows.csv > gold.csv");
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

/* The "eval" event of a line with --json. */
static json_t *values_of(const char *line) {
    program_run run = program_shell(line);
    json_t *found = NULL;
    for (char *rest, *p = strtok_r(run.out, "\n", &rest); p && !found; p = strtok_r(NULL, "\n", &rest)) {
        json_t *event = json_loads(p, 0, NULL);
        const char *kind = json_string_value(json_object_get(event, "event"));
        if (kind && !strcmp(kind, "eval")) found = json_incref(json_object_get(event, "values"));
        json_decref(event);
    }
    if (!found) fail_msg("%s: no score\n%s", line, run.err);
    program_free(&run);
    return found;
}

/* Every number that score gives is the one that eval gives; `names` are there. */
static void same_as_eval(const char *model, const char *data, const char *format, const char *names) {
    char line[1024], list[256], *rest;
    const char *key;
    json_t *value;
    snprintf(line, sizeof line, "cd $D && $A eval --model %s %s --json", model, data);
    json_t *eval = values_of(line);
    snprintf(line, sizeof line, "cd $D && $A predict --model %s --input %s --format %s --output pred.%s --quiet && $A score %s pred.%s --json", model, data, format, format, data,
             format);
    json_t *score = values_of(line);
    json_object_foreach(score, key, value) {
        double a = json_number_value(value), b = json_number_value(json_object_get(eval, key)), d = a - b;
        if (json_is_real(value) && !(d <= 1e-5 * (1 + (b < 0 ? -b : b)) && d >= -1e-5 * (1 + (b < 0 ? -b : b))))
            fail_msg("%s in %s: %s is %.9g by score, %.9g by eval", data, format, key, a, b);
    }
    snprintf(list, sizeof list, "%s", names);
    for (char *name = strtok_r(list, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        if (!json_is_number(json_object_get(score, name))) fail_msg("%s in %s: no %s", data, format, name);
    json_decref(eval);
    json_decref(score);
}

static void score_agrees_with_eval(void **state) {
    (void)state;
    same_as_eval("model", "gold.csv", "csv", "accuracy f1 matthews_correlation loss expected_calibration_error examples");
    same_as_eval("model", "gold.csv", "jsonl", "accuracy loss");
    same_as_eval("model", "gold.csv", "tsv", "accuracy loss");
    same_as_eval("regress", "numbers.csv", "csv", "pearson spearman mse mae r2 examples");
    same_as_eval("regress", "numbers.csv", "jsonl", "pearson");
    same_as_eval("tag", "tags.conll", "conll", "f1 precision recall accuracy tokens");
    same_as_eval("tag", "tags.conll", "jsonl", "f1");
    same_as_eval("answer", "questions.jsonl", "jsonl", "f1 exact_match answerable_f1 unanswerable_accuracy");
    same_as_eval("answer", "questions.jsonl", "csv", "f1");
}

/* Thresholds of their own lie in the model: probabilities say the same as its labels only through them. */
static void several_labels_agree_with_eval(void **state) {
    (void)state;
    same_as_eval("multi-label", "flags.csv", "jsonl", "f1_micro f1_macro f1_samples subset_accuracy hamming_loss ranking_precision loss");
    same_as_eval("multi-label", "flags.csv", "csv", "f1_micro");
    program_expect("cd $D && $A score flags.csv flags.csv", 0, "subset_accuracy             1.0000", "");
    program_expect("cd $D && printf 'text,tags\\na,x|y\\nb,\\nc,y|z\\n' > g.csv && printf '{\"labels\": [\"x\"]}\\n{\"labels\": []}\\n{\"labels\": [\"z\", \"y\", \"w\"]}\\n' > p.jsonl && "
                   "$A score --task multi-label g.csv p.jsonl", 0, "recall_micro                0.7500", "");
}

/* Each side in its own form. */
static void columns_of_flags_against_lists(void **state) {
    (void)state;
    program_expect("cd $D && printf '{\"text\": \"a\", \"labels\": [\"x\", \"y\"]}\\n{\"text\": \"b\", \"labels\": []}\\n{\"text\": \"c\", \"labels\": [\"y\", \"z\"]}\\n' > g.jsonl && "
                   "printf 'text,id,x,y,z,w\\na,0,1,0,0,0\\nb,1,0,0,0,0\\nc,1,0,1,1,1\\n' > p.csv && $A score --task multi-label g.jsonl p.csv", 0, "recall_micro                0.7500", "");
    program_expect("cd $D && $A score --task multi-label g.jsonl p.csv", 0, "precision_micro             0.7500", "");
    program_expect("cd $D && cut -d, -f3-5 p.csv > q.csv && $A score --task multi-label g.jsonl q.csv", 0, "precision_micro             1.0000", "");
    program_expect("cd $D && cut -d, -f3,4 p.csv > q.csv && $A score --task multi-label g.jsonl q.csv", 3, "", "q.csv: there is no column 'z', a label of g.jsonl");
    program_expect("cd $D && printf 'a,b\\nm,n\\no,p\\nq,r\\n' > q.csv && $A score --task multi-label g.jsonl q.csv", 2, "", "q.csv: no column looks like answers");
}

static void spans_and_lists_of_other_programs(void **state) {
    (void)state;
    program_expect("cd $D && echo '{\"text\": \"Ann met Bob.\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"P\"}, {\"start\": 8, \"end\": 11, \"label\": \"P\"}]}' > g.jsonl && "
                   "echo '{\"text\": \"Ann met Bob.\", \"entities\": [[0, 3, \"P\"]]}' > p.jsonl && $A score --task tag g.jsonl p.jsonl", 0, "recall                      0.5000", "");
    program_expect("cd $D && echo '{\"tokens\": [\"Ann\", \"met\"], \"ner_tags\": [\"B-P\", \"O\"]}' > g.jsonl && echo '{\"predictions\": [\"B-P\", \"O\"]}' > p.jsonl && "
                   "$A score g.jsonl p.jsonl", 0, "f1                          1.0000", "");
    program_expect("cd $D && for i in {1..15}; do printf 'a NN\ngood ,\n\nb NN\n\n'; done > pos.conll && $A train --model model --folds 1 --quiet --method full --epochs 8 --lr 2e-3 --train pos.conll --output pos && $A predict --model pos pos.conll --format csv --output pos.csv --quiet && "
                   "grep -q 'NN|,' pos.csv && $A predict --model pos pos.conll --quiet > pos.out && for f in pos.csv pos.out; do $A score --input-format auto --task tag pos.conll $f | grep accuracy; done | sort -u | wc -l", 0, "1\n", "");
    program_expect("cd $D && echo 'B-P O' > p.txt && $A score --input-format auto g.jsonl p.txt", 0, "accuracy                    1.0000", "");
}

/* The same parts by other letters; its words of accuracy follow. What has the letters of the right answers stays as it is. */
static void other_schemes_are_compared(void **state) {
    (void)state;
    program_expect("cd $D && for i in {1..6}; do printf 'a B-X\ngood I-X\nb O\n\nc B-Y\nd O\n\n'; done > iob2 && sed 's/I-X/L-X/; s/B-Y/U-Y/' iob2 > bilou && sed 's/I-X/E-X/; s/B-Y/S-Y/' iob2 > iobes && "
                   "for g in iob2 bilou iobes; do for p in iob2 bilou iobes; do $A score --task tag --input-format conll $g $p | grep -E '^(f1|accuracy) ' || exit 1; done; done > all && "
                   "grep -c ' 1.0000' all", 0, "18\n", "");
    program_expect("cd $D && $A score --task tag --input-format conll iob2 bilou", 0, "bilou: the tags are bilou, those of iob2 are iob2: the same parts are compared.", "");
    program_expect("cd $D && $A score --task tag --input-format conll iob2 iob2 | grep -c 'same parts'", 1, "0\n", "");
    program_expect("cd $D && $A score --task tag --input-format conll iob2 bilou --scheme iob2 | grep '^accuracy '", 0, " 0.6000", "");
}

static void answers_by_id(void **state) {
    (void)state;
    program_expect("cd $D && (echo '{'; seq 59 -1 0 | sed 's/.*/\"q&\": \"the Good!\",/'; echo '\"\": \"\"}') | grep -v '\"\": \"\"' | sed '$s/,$/}/' > by_id.json && "
                   "$A score questions.jsonl by_id.json", 0, "answerable_exact            1.0000", "");
    program_expect("cd $D && grep -v q7 by_id.json > less.json && $A score questions.jsonl less.json", 3, "", "less.json: there is no answer for the id 'q7' of questions.jsonl:8");
    program_expect("cd $D && sed 's/\"q8\"/\"q88\"/' by_id.json > odd.json && $A score questions.jsonl odd.json", 3, "", "there is no answer for the id 'q8'");
    program_expect("cd $D && sed 's/\"q8\"/\"x\": \"\", \"q8\"/' by_id.json > odd.json && $A score questions.jsonl odd.json", 3, "", "questions.jsonl has no row with the id 'x'");
    program_expect("cd $D && printf 'id,label\\n1,x\\n2,y\\n' > g.csv && printf 'id,label\\n2,y\\n1,x\\n' > p.csv && $A score --task classify g.csv p.csv", 0, "accuracy                    1.0000", "");
    program_expect("cd $D && printf 'id,label\\n2,y\\n2,x\\n' > p.csv && $A score --task classify g.csv p.csv", 3, "", "p.csv:3: the id '2' is that of line 2, too");
}

/* A list as right answers stand in: its first one; where there is none, or it is said to be impossible, the answer is that there is none. */
static void lists_of_answers(void **state) {
    (void)state;
    program_expect("cd $D && echo '{\"version\": \"v2.0\", \"data\": [{\"paragraphs\": [{\"context\": \"Denver won it.\", \"qas\": ["
                   "{\"id\": \"1\", \"question\": \"Who?\", \"answers\": [{\"text\": \"Denver\", \"answer_start\": 0}, {\"text\": \"Denver won\", \"answer_start\": 0}]},"
                   "{\"id\": \"2\", \"question\": \"When?\", \"is_impossible\": true, \"answers\": []},"
                   "{\"id\": \"3\", \"question\": \"Why?\", \"is_impossible\": true, \"answers\": [{\"text\": \"it\", \"answer_start\": 11}]}]}]}]}' > sq.json && "
                   "$A score --task answer --gold sq.json --pred sq.json", 0, "exact_match                 1.0000", "");
    program_expect("cd $D && $A score --task answer --gold questions.jsonl --pred questions.jsonl", 0, "f1                          1.0000", "");
    program_expect("cd $D && printf 'id,answers\\n1,\"[Denver]\"\\n2,\\n3,\\n' > p.csv && $A score --task answer --gold sq.json --pred p.csv", 0, "exact_match                 1.0000", "");
}

static void rows_that_do_not_match_are_told(void **state) {
    (void)state;
    program_expect("cd $D && printf 'text,label\\na,x\\nb,y\\nc,x\\n' > g.csv && printf 'text,label\\na,x\\nc,x\\n' > p.csv && $A score g.csv p.csv", 3, "",
                   "error: p.csv:3: the text is 'c', but in g.csv:3 it is 'b'; the rows do not match");
    program_expect("cd $D && printf 'x\\ny\\n' > p.txt && $A score g.csv p.txt", 3, "", "error: p.txt: 2 rows, but g.csv has 3; each needs its answer");
    program_expect("cd $D && printf 'x\\ny\\nz\\n' > p.txt && $A score g.csv p.txt", 0, "accuracy                    0.6667", "");
    program_expect("cd $D && printf 'n,answer\\n1,x\\n2,\\n3,x\\n' > p.csv && $A score g.csv p.csv", 3, "", "error: p.csv:3: the answer (column 'answer') is empty");
    program_expect("cd $D && $A score g.csv p.csv --pred-column answr", 2, "", "p.csv: there is no column 'answr'; the columns are n, answer. Did you mean 'answer'?");
    program_expect("cd $D && printf 'n,m\\n1,x\\n2,x\\n3,x\\n' > p.csv && $A score g.csv p.csv", 2, "", "p.csv: no column looks like answers; the columns are n, m. Name it with --pred-column");
    program_expect("cd $D && $A score numbers.csv g.csv", 3, "", "error: g.csv:2: the text is 'a', but in numbers.csv:2 it is 'a bad a'");
    program_expect("cd $D && sed '2,$s/,.*/,much/' numbers.csv > p.csv && $A score numbers.csv p.csv", 3, "", "error: p.csv:2: 'much' (column 'score') is not a number");
    program_expect("cd $D && sed '6s/^good/god/' tags.conll > p.conll && $A score tags.conll p.conll", 3, "", "error: p.conll:6: the word is 'god', but in tags.conll:6 it is 'good'");
    program_expect("cd $D && sed '6d' tags.conll > p.conll && $A score tags.conll p.conll", 3, "", "p.conll");
    program_expect("cd $D && $A score g.csv", 2, "", "the file of the answers to judge is missing");
    program_expect("cd $D && $A score g.csv g.csv --task mask", 2, "", "there are no answers of this task to judge; attune eval judges its models");
    program_expect("cd $D && $A score --help", 0, "mask and language have no answers to", "");
    program_expect("cd $D && $A score g.csv g.csv --min-score 1.5", 9, "", "accuracy 1.0000 is below --min-score 1.5000");
    program_expect("cd $D && $A score g.csv g.csv --metric f1 --min-score 1", 0, "", "");
    program_expect("cd $D && $A score g.csv nosuch.csv", 3, "", "nosuch.csv: cannot open");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_agrees_with_eval), cmocka_unit_test(several_labels_agree_with_eval), cmocka_unit_test(columns_of_flags_against_lists), cmocka_unit_test(spans_and_lists_of_other_programs), cmocka_unit_test(other_schemes_are_compared),
        cmocka_unit_test(answers_by_id), cmocka_unit_test(lists_of_answers), cmocka_unit_test(rows_that_do_not_match_are_told),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
