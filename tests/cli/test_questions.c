/* Answers in a text from outside: a model that overfits a few questions answers them, in every format, from SQuAD and from rows; long texts in windows;
 * bad data. */
#include <jansson.h>

#include "cli/peak.h"
#include "cli/tiny_folder.h"

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    program_run run = program_shell(
        "cd $D && (printf '{\"version\": \"v2.0\", \"data\": [{\"title\": \"t\", \"paragraphs\": ['; for i in {1..40}; do w=$(printf %b \"\\\\x$(printf %x $((97 + i % 5)))\"); "
        "p=; s=6; [ $((i % 2)) = 0 ] && p='f g c h i f g c h i f g c h i f g c h i ' && s=46; "
        "printf '%s{\"context\": \"%sf g %s good h i\", \"qas\": [{\"id\": \"q%d\", \"question\": \"good\", \"answers\": [{\"text\": \"good\", \"answer_start\": %d}], \"is_impossible\": false}, "
        "{\"id\": \"n%d\", \"question\": \"bad\", \"answers\": [], \"is_impossible\": true}]}' \"$([ $i = 1 ] || echo ,)\" \"$p\" $w $i $s $i; done; echo ']}]}') > squad.json && "
        "$A train --model model --train squad.json --output qa --method full --epochs 40 --learning-rate 3e-3 --folds 1 --quiet");
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static void it_answers_what_it_was_taught(void **state) {
    (void)state;
    program_expect("cd $D && $A eval --model qa squad.json --json | grep -o '\"exact_match\":[0-9.]*'", 0, "\"exact_match\":1.0", "");
    program_expect("$A predict --model $D/qa --pairs --format jsonl $'good\\tf g c good h i'", 0, "\"answer\": \"good\", \"score\": ", "");
    program_expect("$A predict --model $D/qa --pairs --format jsonl $'good\\tf g c good h i'", 0, "\"start\": 6, \"end\": 10, ", "");
    program_expect("$A predict --model $D/qa --pairs $'bad\\tf g c good h i'", 0, "(no answer)  | bad\n", "");
    program_expect("cd $D && $A predict --model qa squad.json --output a.jsonl --quiet && $A score squad.json a.jsonl", 0, "exact_match                 1.0000", "");
}

static void every_format(void **state) {
    (void)state;
    program_expect("$A predict --model $D/qa --pairs --format spans $'good\\tf g c good h i' $'bad\\tf g c good h i'", 0, "line\tstart\tend\tlabel\tscore\ttext\tid\tquestion\n1\t6\t10\tanswer\t", "");
    program_expect("cd $D && $A predict --model qa squad.json --format spans | sed -n 2p | cut -f 1,2,3,6,7,8", 0, "1\t6\t10\tgood\tq1\tgood\n", "");
    program_expect("$A predict --model $D/qa --pairs --format spans $'bad\\tf g c good h i' | wc -l", 0, "1\n", "");
    program_expect("$A predict --model $D/qa --pairs --format html $'good\\tf g & good h i'", 0, "<h2>good</h2>\n<p>f g &amp; <mark>good <small>", "");
    program_expect("$A predict --model $D/qa --pairs --format html $'bad\\tf g c good h i'", 0, "<p><em>no answer <small>", "");
    program_expect("cd $D && $A predict --model qa squad.json --format csv --output a.csv --quiet && head -1 a.csv", 0,
                   "id,title,question,context,answers,is_impossible,answer,score,start,end,null_difference,candidates\n", "");
    program_expect("cd $D && $A predict --model qa squad.json --format conll", 2, "", "--format conll: a model of the task answer gives text, jsonl, csv, tsv, spans, html");
}

static void the_card_says_what_there_is(void **state) {
    (void)state;
    program_expect("cd $D && grep -c 'AutoModelForQuestionAnswering\\|overlapping windows, nothing is cut off' qa/README.md", 0, "3\n", "");
    program_expect("cd $D && grep -c 'pipeline(\\|what follows is cut' qa/README.md", 1, "0\n", "");
    program_expect("cd $D && grep predict qa/README.md", 0, "    attune predict --model FOLDER --pairs $'a question\\ta text that may hold the answer'\n", "");
}

/* 10,000 and 100,000 words, at whose end the answer stands: it is the best candidate, and memory hardly grows. */
static void long_texts_are_read_whole(void **state) {
    (void)state;
    program_expect("cd $D && for n in 2 20; do (echo 'question,context'; printf 'good,\"'; yes 'f g c h i' | head -${n}000 | tr '\n' ' '; printf 'f g c good h i\"\n') > l$n.csv; done; "
                   "$A predict --model qa l20.csv --format jsonl --quiet | grep -o '\"candidates\": .*' | cut -c1-62", 0,
                   "\"candidates\": [{\"text\": \"good\", \"start\": 200006, \"end\": 200010", "");
    if (PROGRAM_SANITIZED) return;
    long ten = program_peak("cd $D && $A predict --model qa l2.csv --threads 1 --quiet > /dev/null"),
         hundred = program_peak("cd $D && $A predict --model qa l20.csv --threads 1 --quiet > /dev/null");
    print_message("resident: %ld KB for 10,000 words, %ld for 100,000\n", ten, hundred);
    if (hundred - ten > 6 * 1024) fail_msg("10,000 words take %ld KB, 100,000 take %ld", ten, hundred);
}

static void formats_are_read_when_named(void **state) {
    (void)state;
    program_expect("cd $D && cp squad.json questions.txt && $A eval --model qa questions.txt --input-format squad --json | grep -o '\"exact_match\":[0-9.]*'", 0, "\"exact_match\":1.0", "");
    program_expect("cd $D && echo '{\"text\": 1}' > x.json && $A check x.json --input-format squad", 3, "", "x.json: there is no list 'data', as SQuAD files have it");
}

static void bad_data_are_refused(void **state) {
    (void)state;
    program_expect("cd $D && sed '1s/\"answer_start\": 6/\"answer_start\": 5/' squad.json > b.json && $A train --model model --train b.json --output x", 3, "",
                   "b.json:1: question 'q1': the answer 'good' is not at character 5 of its text; it is at 6");
    program_expect("cd $D && sed 's/\"answer_start\": 6/\"answer_start\": \"6\"/' squad.json > b.json && $A train --model model --train b.json --output x", 3, "", "data[0].paragraphs[0].qas[0]: an answer has no 'answer_start'");
    program_expect("cd $D && sed 's/\"question\": \"bad\"/\"question\": \" \"/' squad.json > b.json && $A train --model model --train b.json --output x", 3, "",
                   "b.json:1: question 'n1': the text (column 'question') is empty");
    program_expect("cd $D && echo '{\"question\": \"a\", \"context\": \"b\", \"answers\": [\"c\"]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: the answer 'c' is nowhere in its text");
    program_expect("cd $D && echo '{\"question\": \"a\", \"context\": \"b\", \"answers\": []}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "", "b.jsonl: no question has an answer");
    program_expect("cd $D && echo '{\"question\": \"a\", \"context\": \"b\", \"answers\": 5}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "", "b.jsonl:1: the answers are neither a list nor an object");
    program_expect("cd $D && $A predict --model qa rows.csv", 2, "", "there is no column 'context' with the text that is answered from");
}

/* What grows with a text lies in files that are mapped, but for arrays below 128 KB, of which there are a few: so the heap stops growing. */
static void a_long_text_takes_little_memory(void **state) {
    (void)state;
    program_expect("cd $D && for n in 10000 100000 300000; do (printf 'good\\t'; yes 'f g c h i a b d e j' | head -n $((n / 10)) | tr '\\n' ' '; echo) > $n.txt; done", 0, "", "");
    long long a = peak_bytes("$A predict --model qa --pairs --format jsonl --output long.out --threads 2 < 10000.txt");
    long long b = peak_bytes("$A predict --model qa --pairs --format jsonl --output long.out --threads 2 < 100000.txt");
    long long c = peak_bytes("$A predict --model qa --pairs --format jsonl --output long.out --threads 2 < 300000.txt");
    print_message("%lld, %lld, %lld bytes for 10,000, 100,000, 300,000 words\n", a, b, c);
    if (b > a + a * 3 / 10 || c > a + a * 3 / 10) fail_msg("%lld bytes for 10,000 words, %lld for 100,000, %lld for 300,000", a, b, c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_text_takes_little_memory),
        cmocka_unit_test(it_answers_what_it_was_taught), cmocka_unit_test(every_format), cmocka_unit_test(the_card_says_what_there_is),
        cmocka_unit_test(long_texts_are_read_whole), cmocka_unit_test(formats_are_read_when_named), cmocka_unit_test(bad_data_are_refused),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
