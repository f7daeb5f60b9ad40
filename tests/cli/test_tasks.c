/* Tasks other than classification from outside, on the tiny model: training, going on, judging, predicting, bad data. */
#include <jansson.h>

#include "cli/tiny_folder.h"

#define QUICK " --folds 1 --epochs 2 --quiet "

static void write_rows(const char *name, const char *head, int kind) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", getenv("D"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "%s\n", head);
    for (int i = 0; i < 60; i++) {
        int good = i % 2, bad = i % 3 == 0;
        char text[64];
        snprintf(text, sizeof text, "%c %s%s%c", 'a' + i % 26, good ? "good " : "", bad ? "bad " : "", 'a' + i * 7 % 26);
        if (kind == 0) fprintf(file, "%s,%.2f\n", text, 50 + 10 * good - 20.5 * bad + 0.1 * (i % 5));
        if (kind == 1) fprintf(file, "%s,%d,%d\n", text, good, bad);
        if (kind == 2) fprintf(file, "%s,%s%s%s\n", text, good ? "fine" : "", good && bad ? "|" : "", bad ? "poor" : "");
        if (kind == 3) fprintf(file, "{\"text\": \"%s\", \"labels\": [%s%s%s]}\n", text, good ? "\"fine\"" : "", good && bad ? "," : "", bad ? "\"poor\"" : "");
    }
    fclose(file);
}

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    write_rows("numbers.csv", "text,score", 0);
    write_rows("flags.csv", "text,fine,poor", 1);
    write_rows("joined.csv", "text,tags", 2);
    write_rows("lists.jsonl", "{\"text\": \"q\", \"labels\": []}", 3);
    return 0;
}

static double number_of(const char *line, const char *key) {
    program_run run = program_shell(line);
    json_error_t error;
    json_t *root = json_loads(run.out, JSON_DISABLE_EOF_CHECK, &error);
    if (!json_is_number(json_object_get(root, key))) fail_msg("%s: no %s in\n%s%s", line, key, run.out, run.err);
    double value = json_number_value(json_object_get(root, key));
    json_decref(root);
    program_free(&run);
    return value;
}

/* ---- numbers ---- */

static void numbers_are_learned_in_the_users_unit(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train numbers.csv --test numbers.csv --output score" QUICK, 0, "", "");
    program_expect("cd $D && grep -c '\"problem_type\": \"regression\"' score/config.json", 0, "1\n", "");
    program_expect("cd $D && grep -A1 id2label score/config.json", 0, "\"0\": \"score\"", "");
    double good = number_of("$A predict --model $D/score --format jsonl 'a good b'", "prediction");
    double bad = number_of("$A predict --model $D/score --format jsonl 'a bad b'", "prediction");
    if (!(good > bad + 5 && good < 75 && bad > 15)) fail_msg("a good text is %g, a bad one %g", good, bad);
    double test = number_of("cat $D/score/all_results.json", "test_mse"), again = number_of("cd $D && $A eval --model score numbers.csv --quiet --output judged > /dev/null; "
                            "cat judged/eval_results.json", "eval_mse");
    if (!(again > 0.999 * test && again < 1.001 * test)) fail_msg("squared error %g after training, %g of the saved model", test, again);
    program_expect("cd $D && $A predict --model score --format csv 'a good b'", 0, "text,prediction\na good b,", "");
    program_expect("cd $D && $A eval --model score numbers.csv", 0, "Largest errors (10 of ", "");
}

static void every_method_and_going_on(void **state) {
    (void)state;
    program_expect("cd $D && for m in head full gradual; do $A train --model model --train numbers.csv --method $m --output m-$m" QUICK "|| exit; done", 0, "", "");
    program_expect("cd $D && $A train --model m-full --train numbers.csv --output on --learning-rate 1e-12 --folds 1 --epochs 1", 0, "own head goes on learning", "");
    double before = number_of("$A predict --model $D/m-full --format jsonl 'a good b'", "prediction"), after = number_of("$A predict --model $D/on --format jsonl 'a good b'", "prediction");
    if (!(after - before < 1e-3 && before - after < 1e-3)) fail_msg("%g became %g at a rate of nothing", before, after);
}

/* Equal texts get equal answers, of which there is no correlation: that is said as null, and the model is there all the same. */
static void a_score_that_is_no_number_is_null(void **state) {
    (void)state;
    program_expect("cd $D && (echo text,score; for i in {1..20}; do echo a good b,$i.5; done) > same.csv && $A train --model model --train same.csv --eval same.csv --test same.csv "
                   "--task regress --epochs 2 --output same --json > /dev/null && grep -A1 '\"tuned\"\\|best_metric' same/trainer_state.json", 0, "\"best_metric\": null", "");
    program_expect("cd $D && $A eval --model same same.csv", 0, "mse", "");
    program_expect("cd $D && $A eval --model same same.csv --json | grep -o '\"main\":null' | head -1", 0, "\"main\":null\n", "");
}

static void bad_numbers_are_refused(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train numbers.csv --task regress --output x --label-smoothing 0.1", 2, "", "the loss of regress has nothing to spread");
    program_expect("cd $D && sed '5s/,.*/,4;5/' numbers.csv > n.csv && $A train --model model --train n.csv --task regress --output x", 3, "",
                   "error: n.csv:5: '4;5' (column 'score') is not a number");
    program_expect("cd $D && printf 'text,score\\na,\"1,5\"\\nb,2\\n' > n.csv && $A train --model model --train n.csv --task regress --output x", 3, "",
                   "error: n.csv:2: '1,5' (column 'score') is not a number; decimals are written with a point");
    program_expect("cd $D && sed '7s/,.*/,/' numbers.csv > n.csv && $A train --model model --train n.csv --task regress --output x", 3, "",
                   "error: n.csv:7: the number (column 'score') is empty");
    program_expect("cd $D && sed '7s/,.*/,nan/' numbers.csv > n.csv && $A train --model model --train n.csv --task regress --output x", 3, "", "n.csv:7: 'nan'");
    program_expect("cd $D && sed '2,$s/,.*/,3.5/' numbers.csv > n.csv && $A train --model model --train n.csv --task regress --output x", 3, "", "every row has the number 3.5");
    program_expect("cd $D && awk -F, 'NR==1{print} NR>1{print $1 \",100000000\" NR%3}' numbers.csv > n.csv && $A train --model model --train n.csv --task regress "
                   "--output x", 3, "", "closer together than a model's answers");
    program_expect("cd $D && $A train --model model --train numbers.csv --class-weights balanced --output x", 2, "", "has no classes to weigh");
    program_expect("cd $D && sed '5s/,.*/,4;5/' numbers.csv > n.csv && $A check --train n.csv --task regress", 3, "error: n.csv:5: '4;5'", "");
}

/* ---- several labels ---- */

static void labels_stand_in_columns_lists_and_cells(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train flags.csv --output flags --folds 1 --epochs 2", 0, "the columns fine,poor", "");
    program_expect("cd $D && (echo id,qid1,qid2,question1,question2,is_duplicate; for i in {1..8}; do echo \"$i,1,2,a b,c d,0\"; echo \"$i,3,4,a b,b a,1\"; done) > quora.csv && $A train --model "
                   "model --train quora.csv --output quora --dry-run", 0, "Task: classify (text from column 'question1' and 'question2', label from column 'is_duplicate'); 2 labels", "");
    program_expect("cd $D && $A train --model model --train joined.csv --label-column tags --output joined --folds 1 --epochs 2", 0, "Task: multi-label", "");
    program_expect("cd $D && $A train --model model --train lists.jsonl --output lists --folds 1 --epochs 2", 0, "Task: multi-label", "");
    /* The same labels, however they are written. */
    program_expect("cd $D && for m in flags joined lists; do $A eval --model $m --label-column tags joined.csv | grep f1_micro; done | sort -u | wc -l", 0, "", "");
    program_expect("cd $D && grep -c multi_label_classification flags/config.json && grep -A4 thresholds flags/config.json", 0, "\"fine\": ", "");
    program_expect("cd $D && $A predict --model joined --format csv 'a good bad'", 0, "text,labels,probability_fine,probability_poor\n", "");
    program_expect("cd $D && $A predict --model joined --format jsonl 'a good bad'", 0, "\"labels\": [", "");
    program_expect("cd $D && $A eval --model flags flags.csv", 0, "ranking_precision", "");
    program_expect("cd $D && $A train --model flags --train joined.csv --label-column tags --output flags2" QUICK "--class-weights balanced", 0, "", "");
}

/* A file to choose or judge by may have its labels in another form than the training file; check says what training does. */
static void forms_of_labels_may_differ(void **state) {
    (void)state;
    program_expect("cd $D && sed 's/|/;/' joined.csv > semicolons.csv && for m in flags.csv joined.csv lists.jsonl; do for n in flags.csv semicolons.csv lists.jsonl; do "
                   "$A train --model model --train $m --eval $n --test joined.csv --output forms --restart" QUICK "> done || exit 1; $A check $m $n | grep 'error: ' && exit 1; "
                   "test $m = lists.jsonl -o $n = lists.jsonl || grep -h eval_loss forms/all_results.json; done; done | sort -u | wc -l", 0, "1\n", ""); /* the lists have a row more */
    program_expect("cd $D && cut -d, -f1 flags.csv > bare.csv && $A check joined.csv bare.csv", 3, "error: bare.csv: no column holds the labels", "");
    program_expect("cd $D && $A train --model model --train joined.csv --eval bare.csv --output x --dry-run", 2, "", "bare.csv: no column holds the labels");
    program_expect("cd $D && sed '4s/,[a-z|;]*$/,other/' semicolons.csv > odd.csv && $A check flags.csv odd.csv", 3, "error: odd.csv:4: label 'other' is not one of fine, poor", "");
    program_expect("cd $D && $A train --model model --train flags.csv --eval odd.csv --output x --dry-run", 3, "", "odd.csv:4: label 'other' is not one of fine, poor");
    program_expect("cd $D && sed '1s/fine/good/' flags.csv > odd.csv && $A train --model model --train flags.csv --eval odd.csv --output x --dry-run", 3, "", "odd.csv: there is no column 'fine'");
    program_expect("cd $D && $A predict --model joined --input joined.csv --output said.csv --quiet && $A eval --model joined joined.csv --label-column tags | grep f1_micro > f1 && "
                   "$A score semicolons.csv said.csv --label-column tags --label-separator ';' | grep f1_micro | cmp - f1", 0, "", "");
    program_expect("cd $D && for i in {1..15}; do echo '{\"text\": \"a good\", \"labels\": [\"York, N\", \"Dover, M\"]}'; echo '{\"text\": \"b\", \"labels\": [\"York, N\"]}'; done > towns.jsonl && "
                   "$A train --model model --train towns.jsonl --output towns --method full --lr 2e-3 --folds 1 --epochs 8 --quiet && $A predict --model towns --input towns.jsonl --output towns.csv --quiet && "
                   "$A score towns.jsonl towns.csv | grep f1_micro > f1 && $A eval --model towns towns.jsonl --label-separator ';' | grep f1_micro | cmp - f1 && head -2 towns.csv", 0,
                   ",\"Dover, M|York, N\",", "");
    program_expect("$A info $D/joined", 0, "\nthresholds  fine 0.", "");
    program_expect("$A info $D/joined --json", 0, "\"own\":{\"thresholds\":{\"fine\":0.", "");
}

/* What is no number among numbers is said, with its line, and makes no classes of them. */
static void a_missing_number_is_said(void **state) {
    (void)state;
    static const char *const WORDS[] = {"nan", "-inf", "NA", "N/A", "", NULL};
    for (int i = 0; WORDS[i]; i++) {
        setenv("WORD", WORDS[i], 1);
        program_expect("cd $D && (cat numbers.csv; echo \"c,$WORD\") > missing.csv && $A train --model model --train missing.csv --output x", 3, "",
                       *WORDS[i] ? "(column 'score') is not a number; fill it in or remove the row" : "missing.csv:62: the number (column 'score') is empty");
        program_expect("cd $D && $A check missing.csv", 3, "missing.csv:62: ", "");
    }
    program_expect("cd $D && sed 's/,nan$/,fine/; $d' numbers.csv > words.csv && echo 'c,other' >> words.csv && $A train --model model --train words.csv --output x --dry-run", 0, "Task: classify", "");
    program_expect("cd $D && (echo text,label; for i in {1..20}; do echo 'a good,1.0'; echo 'b bad,0.0'; done; echo 'c,NaN') > classes.csv && $A train --model model --train classes.csv "
                   "--output x --dry-run 2>&1", 0, "classes.csv:42: 'NaN' (column 'label') is learned as a label of its own; the others are numbers", "");
}

/* Classes as the hub has them: numbers, whose names stand elsewhere. A name that no row has is a label all the same. */
static void numbers_get_names(void **state) {
    (void)state;
    program_expect("cd $D && (echo text,label; for i in {1..20}; do echo 'a good,2'; echo 'b bad,0'; done) > hub.csv && $A train --model model --train hub.csv --label-names poor,middling,fine "
                   "--output named --folds 1 --epochs 8 --lr 2e-3 --method full && tr -d ' \\n' < named/config.json", 0, "\"id2label\":{\"0\":\"poor\",\"1\":\"middling\",\"2\":\"fine\"}", "");
    program_expect("cd $D && $A predict --model named 'a good' && sed 's/,2$/,fine/' hub.csv > words.csv && $A eval --model named words.csv --min-score 1 --quiet && "
                   "$A eval --model named hub.csv --min-score 1 --quiet", 0, "fine", "");
    program_expect("cd $D && $A predict --model named hub.csv --format csv > said.csv && $A score --task classify hub.csv said.csv --label-names poor,middling,fine --min-score 1 --quiet", 0, "", "");
    program_expect("cd $D && cut -d, -f1 hub.csv > bare.csv && $A eval --model named bare.csv", 2, "", "bare.csv: no column holds the label; name it with --label-column");
    program_expect("cd $D && $A train --model named --train hub.csv --output further" QUICK " && tr -d ' \\n' < further/config.json", 0, "\"id2label\":{\"0\":\"poor\",\"1\":\"middling\",\"2\":\"fine\"}", "");
    program_expect("cd $D && $A train --model named --train hub.csv --label-names u,v,w --output x --dry-run", 0, "3 labels.\n", "");
    program_expect("cd $D && cp -r named foreign && tr -d '\\n' < named/config.json | sed 's/, *\"attune\": *{[^}]*}//' > foreign/config.json && ! grep -q attune foreign/config.json && "
                   "$A eval --model foreign hub.csv --min-score 1 | grep '0 is poor' && $A train --model foreign --train hub.csv --output x --dry-run", 0, "0 is poor, 1 is middling, 2 is fine", "");
    program_expect("cd $D && sed 's/,2$/,1/' hub.csv > fewer.csv && $A train --model foreign --train fewer.csv --output x --dry-run", 0, "2 labels.\n", ""); /* not surely its numbers */
    program_expect("cd $D && echo 'c,3' >> hub.csv && $A eval --model named hub.csv", 3, "", "hub.csv:42: label 3 has no name; there are 3, from 0 (poor) to 2 (fine)");
    program_expect("cd $D && $A check hub.csv --label-names poor,middling,fine", 3, "error: hub.csv:42: label 3 has no name", "");
    program_expect("cd $D && for i in {1..20}; do echo '{\"text\": \"a good\", \"labels\": [2, 0]}'; echo '{\"text\": \"b\", \"labels\": [0]}'; done > many.jsonl && "
                   "$A train --model model --train many.jsonl --label-names poor,middling,fine --output both" QUICK "&& $A eval --model both many.jsonl | grep fine", 0, "fine", "");
    program_expect("cd $D && $A train --model model --train numbers.csv --label-names a,b --output x", 2, "", "--label-names: the task regress has no labels that could have names");
    program_expect("cd $D && $A train --model model --train flags.csv --label-names a,b --output x", 2, "", "--label-names: the labels are columns of 0 and 1");
}

/* One text is not what a model of pairs learned to read: a file must have both, a text alone is answered with a warning. */
static void a_pair_stays_a_pair(void **state) {
    (void)state;
    program_expect("cd $D && (echo premise,hypothesis,label,score; for i in {1..20}; do echo 'a good,b,yes,1.5'; echo 'b,c bad,no,0.25'; done) > nli.csv && $A train --model model --train nli.csv "
                   "--label-column label --output nli" QUICK "&& $A eval --model nli nli.csv --label-column label && $A train --model model --train nli.csv --label-column score --task regress --output sts" QUICK, 0,
                   "'premise' and 'hypothesis'", "");
    program_expect("cd $D && sed 1s/hypothesis/hypotesis/ nli.csv > f.csv && $A eval --model nli f.csv --label-column label", 2, "",
                   "f.csv: the model was trained on pairs of texts ('premise' and 'hypothesis'); there is no column 'hypothesis', the columns are premise, hypotesis, label, score. "
                   "Did you mean 'hypotesis'? Name both with --text-column and --text2-column");
    program_expect("cd $D && $A predict --model sts f.csv", 2, "", "there is no column 'hypothesis'");
    program_expect("cd $D && $A eval --model nli f.csv --label-column label --text-column premise --text2-column hypotesis && $A eval --model nli f.csv --label-column label --text2-column none --text-column premise", 0,
                   "f.csv: 40 rows, text from column 'premise', label", "");
    program_expect("cd $D && sed '1s/premise/one thing/; 1s/hypothesis/another/' nli.csv > own.csv && $A train --model model --train own.csv --text-column 'one thing' --text2-column another --label-column label "
                   "--output own" QUICK "&& $A eval --model own own.csv --label-column label", 0, "text from column 'one thing' and 'another'", "");
    program_expect("cd $D && $A predict --model nli 'a good' --format jsonl", 0, "{\"text\": \"a good\", \"label\"",
                   "warning: the model was trained on pairs of texts ('premise' and 'hypothesis'), and this is one: give both, with a tab between them, and --pairs");
    program_expect("cd $D && echo 'a good' | $A predict --model nli", 0, "", "warning: the model was trained on pairs");
    program_expect("cd $D && ! $A predict --model nli --pairs $'a good\\tb' 2>&1 | grep warning", 0, "", "");
    program_expect("cd $D && ! $A predict --model named 'a good' 2>&1 | grep warning", 0, "", "");
}

/* What columns are taken for: amounts are no classes, an answer beside a label is a text, a pair alone has no label. */
static void columns_are_what_they_look_like(void **state) {
    (void)state;
    program_expect("cd $D && (echo text,price; for i in {1..30}; do echo \"a good,$((i * 37))\"; done) > price.csv && $A train --model model --train price.csv --output x --dry-run", 0,
                   "Task: regress (text from column 'text', label from column 'price'); recognised: column 'price' holds many different numbers.", "");
    program_expect("cd $D && head -8 price.csv > few.csv && $A train --model model --train few.csv --output x --dry-run", 3, "", "Numbers that are amounts are learned by --task regress");
    program_expect("cd $D && (echo text,stars; for i in {1..30}; do echo \"a good,$((i % 5))\"; done) > stars.csv && $A train --model model --train stars.csv --output x --dry-run", 0,
                   "Task: classify (text from column 'text', label from column 'stars'); 5 labels.", "");
    program_expect("cd $D && (echo question,answer,label; for i in {1..20}; do echo \"a,b,$((i % 2))\"; done) > qa.csv && $A train --model model --train qa.csv --output x --dry-run", 0,
                   "text from column 'question' and 'answer', label from column 'label'", "");
    program_expect("cd $D && cut -d, -f1,2 qa.csv | sed '2s/b$/c/' > two.csv && $A train --model model --train two.csv --output x --dry-run", 0, "text from column 'question', label from column 'answer'", "");
    program_expect("cd $D && sed '1s/.*/sentence1,sentence2/' two.csv > pair.csv && $A train --model model --train pair.csv --output x --dry-run", 2, "",
                   "no column looks like a label; the columns are sentence1, sentence2. Name it with --label-column (pairs that belong together need none: --task embed)");
}

/* What a spreadsheet writes in half of Europe is no set of classes. */
static void decimal_commas_are_told(void **state) {
    (void)state;
    program_expect("cd $D && (echo 'text;score'; for i in {1..30}; do echo \"a good;$((i % 5)),5\"; done) > comma.csv && $A train --model model --train comma.csv --output x --dry-run", 0,
                   "warning: comma.csv: column 'score' seems to hold numbers with a decimal comma, and is read as labels", "");
    program_expect("cd $D && sed '5s/,5/,x/' comma.csv > words.csv && $A train --model model --train words.csv --output x --dry-run | grep -c 'decimal comma'", 1, "0\n", "");
}

/* As a spreadsheet and as pandas write them. */
static void labels_of_other_programs(void **state) {
    (void)state;
    program_expect("cd $D && (echo text,food,cars; for i in {1..20}; do echo 'a,TRUE,False'; echo 'b,FALSE,true'; done) > excel.csv && $A train --model model --train excel.csv --output x --dry-run", 0,
                   "labels from the columns food,cars", "");
    program_expect("cd $D && (echo text,labels; for i in {1..20}; do echo \"a,\\\"['x', 'y']\\\"\"; done) > pandas.csv && $A train --model model --train pandas.csv --output x --dry-run", 3, "",
                   "pandas.csv:2: 'labels' is not a list of labels: lists are JSON, with double quotes: [\"a\", \"b\"]");
}

static void bad_labels_are_refused(void **state) {
    (void)state;
    program_expect("cd $D && sed '4s/,[01]$/,2/' flags.csv > f.csv && $A train --model model --train f.csv --label-column fine,poor --output x", 3, "",
                   "error: f.csv:4: '2' (column 'poor') is neither 0 nor 1");
    program_expect("cd $D && $A train --model model --train flags.csv --label-column fine,pure --output x", 3, "", "there is no column 'pure'");
    program_expect("cd $D && sed '4s/\\[.*\\]/\"fine\"/' lists.jsonl > l.jsonl && $A train --model model --train l.jsonl --task multi-label --output x", 3, "", "l.jsonl:");
    program_expect("cd $D && sed '4s/\\[.*\\]/[\"fine\",[1]]/' lists.jsonl > l.jsonl && $A train --model model --train l.jsonl --output x", 3, "",
                   "l.jsonl:4: label 2 of the list 'labels' is neither a text nor a whole number");
    program_expect("cd $D && sed '4s/\\[.*\\]/[\"fne\"]/' lists.jsonl > l.jsonl && $A eval --model lists l.jsonl", 3, "", "l.jsonl:4: label 'fne' is not one of fine, poor. Did you mean 'fine'?");
    program_expect("cd $D && sed '4s/,[01]$/,2/' flags.csv > f.csv && $A check --train f.csv --task multi-label --label-column fine,poor", 3,
                   "error: f.csv:4: '2' (column 'poor') is neither 0 nor 1", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_learned_in_the_users_unit), cmocka_unit_test(every_method_and_going_on), cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(a_score_that_is_no_number_is_null),
        cmocka_unit_test(labels_stand_in_columns_lists_and_cells), cmocka_unit_test(forms_of_labels_may_differ), cmocka_unit_test(a_missing_number_is_said), cmocka_unit_test(numbers_get_names), cmocka_unit_test(a_pair_stays_a_pair), cmocka_unit_test(columns_are_what_they_look_like), cmocka_unit_test(decimal_commas_are_told), cmocka_unit_test(labels_of_other_programs), cmocka_unit_test(bad_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
