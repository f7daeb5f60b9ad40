/* Tagging from outside, on the tiny model: every form of data, windows, formats of answers, bad data, lint. */
#include <jansson.h>

#include "cli/peak.h"
#include "cli/tiny_folder.h"

#define QUICK " --folds 1 --epochs 3 --quiet "

/* Sentences of letters; "good" and the letter after it are a part. */
static void write_conll(const char *name, const char *between, int sentences, int words) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", getenv("D"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "-DOCSTART-%s-X-%sO\n\n", between, between);
    for (int s = 0; s < sentences; s++) {
        for (int w = 0, inside = 0; w < words; w++) {
            int starts = !inside && (s * 7 + w * 3) % 4 == 0 && w + 1 < words;
            if (starts) fprintf(file, "good%sN%sB-X\n", between, between);
            else fprintf(file, "%c%sL%s%s\n", 'a' + (s + w * 5) % 26, between, between, inside ? "I-X" : "O");
            inside = starts;
        }
        fprintf(file, "\n");
    }
    fclose(file);
}

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    write_conll("train.conll", " ", 60, 7);
    write_conll("tabs.conll", "\t", 20, 5);
    write_conll("long.conll", " ", 3, 200);
    program_run run = program_shell("cd $D && $A train --model model --train train.conll --test train.conll --output tagger --method full" QUICK);
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static void the_model_is_what_others_open(void **state) {
    (void)state;
    program_expect("cd $D && grep -c BertForTokenClassification tagger/config.json && grep -c problem_type tagger/config.json; grep -A3 attune tagger/config.json", 0, "1\n0\n",
                   "");
    program_expect("cd $D && grep -A3 '\"attune\"' tagger/config.json", 0, "\"scheme\": \"iob2\"", "");
    program_expect("cd $D && $A info tagger", 0, "task        tag: a tag for every word", "");
    program_expect("cd $D && $A eval --model tagger train.conll", 0, "precision", "");
    program_expect("cd $D && grep '^pipeline_tag' tagger/README.md", 0, "pipeline_tag: token-classification", "");
}

static void every_method_and_going_on(void **state) {
    (void)state;
    program_expect("cd $D && for m in head two-step gradual; do $A train --model model --train train.conll --method $m --output t-$m" QUICK "|| exit; done", 0, "", "");
    program_expect("cd $D && $A train --model tagger --train tabs.conll --output on --folds 1 --epochs 1", 0, "own head goes on learning", "");
    program_expect("cd $D && $A train --model model --train train.conll --head mean --output x", 2, "", "--head mean: the task tag has the head token");
}

static void many_sentences_are_seen_five_times(void **state) {
    (void)state;
    write_conll("many.conll", " ", 2000, 2);
    program_expect("cd $D && $A train --model model --train many.conll --output many --dry-run", 0, "5 epochs", "");
}

static void a_column_is_added_and_the_rest_stays(void **state) {
    (void)state;
    program_expect("cd $D && for f in train tabs long; do $A predict --model tagger --input $f.conll --output $f.out --format conll --quiet; "
                   "sed -E 's/[ \\t][^ \\t]+$//' $f.out | cmp - $f.conll || exit 1; done", 0, "", "");
    program_expect("cd $D && (printf '# sent_id = 1\\r\\n'; sed 's/$/\\r/' tabs.conll; printf 'a\\tb\\tc') > odd.conll && $A predict --model tagger --input odd.conll --output odd.out "
                   "--format conll --quiet && sed -E 's/\\t[^\\t\\r]+(\\r?)$/\\1/' odd.out | cmp - odd.conll", 0, "", "");
    program_expect("cd $D && printf 'a L O\nb L O' > open.conll && $A predict --model tagger open.conll > piped && $A predict --model tagger open.conll --output open.out --quiet && "
                   "cmp piped open.out && sed -E 's/ [^ ]+$//' piped | cmp - open.conll", 0, "", "");
    program_expect("cd $D && $A predict --model tagger open.conll --json --quiet | grep -c prediction; $A predict --model tagger open.conll --json | grep unended", 1, "1\n", "");
    program_expect("cd $D && $A predict --model tagger tabs.conll | head -1", 0, "-DOCSTART-\t-X-\tO\tO\n", "");
}

/* Nothing of a long sentence is lost, and reading it in windows changes hardly an answer where they overlap enough. */
static void every_word_of_a_long_text_is_answered_once(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model tagger long.conll | grep -c .", 0, "601\n", "");
    program_expect("cd $D && $A predict --model tagger long.conll | awk 'NF == 4' | wc -l", 0, "601\n", "");
    program_expect("cd $D && $A train --model model --train long.conll --output windows" QUICK " && cat windows/all_results.json | grep train_samples", 0, "", "");
    program_expect("cd $D && yes 'a good b' | head -30000 | tr '\\n' ' ' > huge.txt && $A predict --model tagger --format jsonl --input huge.txt --input-format lines | "
                   "tr ',' '\\n' | grep -c '\"[OBI]'", 0, "90000\n", "");
}

/* What a document takes is its own file and answers: little of what is made of it is resident at once. */
static void a_document_takes_little_memory(void **state) {
    (void)state;
    program_expect("cd $D && yes $'a L O\\ngood N B-X\\nb L I-X\\nc L O\\nd L O' | head -100000 > d100.conll && head -10000 d100.conll > d10.conll && "
                   "$A predict --model tagger d100.conll | awk 'NF == 4' | wc -l", 0, "100000\n", "");
    if (PROGRAM_SANITIZED) return;
    long ten = program_peak("cd $D && $A predict --model tagger d10.conll --threads 1 > /dev/null"),
         hundred = program_peak("cd $D && $A predict --model tagger d100.conll --threads 1 > /dev/null");
    print_message("resident: %ld KB for 10,000 words, %ld for 100,000\n", ten, hundred);
    if (hundred - ten > 16 * 1024) fail_msg("10,000 words take %ld KB, 100,000 take %ld", ten, hundred);
}

static void lists_and_spans(void **state) {
    (void)state;
    program_expect("cd $D && for i in {1..40}; do echo '{\"tokens\": [\"a\", \"good\", \"b\"], \"ner_tags\": [\"O\", \"B-X\", \"I-X\"], \"n\": 1}'; "
                   "echo '{\"tokens\": [\"c\"], \"ner_tags\": [\"O\"], \"n\": 2}'; done > lists.jsonl && $A train --model model --train lists.jsonl --output lists --folds 1 --epochs 2",
                   0, "Task: tag (tokens from 'tokens', tags from ner_tags; scheme iob2); 3 labels.", "");
    program_expect("cd $D && $A predict --model lists lists.jsonl | head -1", 0, "{\"tokens\": [\"a\", \"good\", \"b\"], \"ner_tags\": [\"O\", \"B-X\", \"I-X\"], \"n\": ", "");
    program_expect("cd $D && for i in {1..40}; do echo '{\"text\": \"a good b.\", \"entities\": [{\"start\": 2, \"end\": 8, \"label\": \"X\"}]}'; "
                   "echo '{\"text\": \"c, d\", \"entities\": []}'; done > spans.jsonl && $A train --model model --train spans.jsonl --output spans --folds 1 --epochs 12 --lr 2e-3 --method full",
                   0, "spans from entities; scheme iob2", "");
    program_expect("cd $D && $A predict --model spans --format spans 'a good b.'", 0, "line\tstart\tend\tlabel\tscore\ttext\n1\t2\t8\tX\t", "");
    program_expect("cd $D && $A predict --model spans 'a good b.'", 0, "a [good b X].\n", "");
    program_expect("cd $D && $A predict --model spans --format html 'a good b.'", 0, "<p>a <mark>good b <small>X</small></mark>.</p>", "");
    program_expect("cd $D && $A predict --model spans --format jsonl $'\\xc3\\xa9 a good b.'", 0, "\"start\": 4, \"end\": 10, \"text\": \"good b\"", "");
    program_expect("cd $D && $A predict --model spans --format conll 'a good b.'", 0, "good\tB-X\nb\tI-X\n.\tO\n", "");
    program_expect("cd $D && printf 'a good b\\nc\\n' | $A predict --model spans --format jsonl | wc -l", 0, "2\n", "");
    program_expect("cd $D && $A predict --model spans ''", 0, "\n", "");
}

/* Files in the wild: comments before any token, words in another column, whatever stands between columns. */
static void columns_in_every_manner(void **state) {
    (void)state;
    program_expect("cd $D && (echo '# a comment'; cat tabs.conll) > f.conll && $A check f.conll | head -1", 0, "read as 'tag': CoNLL columns: words from c1", "");
    program_expect("cd $D && (echo '# c'; printf 'a x O\nb x B-P\n\nc x O\n\n') > f.conll && $A check f.conll; $A predict --model tagger f.conll | head -3", 0, "# c\na x O ", "");
    program_expect("cd $D && printf 'O x a\nB-X x good\n\nO -X- -DOCSTART-\n\nO x b\nB-X x good\n\n' > f.conll && $A train --model model --train f.conll --text-column c3 "
                   "--label-column c1 --output x --dry-run", 0, "2 examples", "");
    program_expect("cd $D && printf 'a/O\ngood/B-X\n\n1;2/O\nb/O\n\n' > f.conll && $A train --model model --train f.conll --token-separator / --output x --dry-run", 0,
                   "words from c1, tags from c2; scheme iob2); 3 labels", "");
    program_expect("cd $D && $A check f.conll --token-separator //", 2, "", "'//' does not separate the columns of tokens: give one character that is no letter and no digit, or tab, or blanks");
    program_expect("cd $D && $A train --model model --train f.conll --output x --dry-run", 2, "", "");
}

/* A type has all the tags of its scheme, whichever of them the training file happens to have. */
static void tags_are_complete(void **state) {
    (void)state;
    program_expect("cd $D && for i in {1..8}; do printf 'a O\ngood I-X\n\nb I-Y\nc B-Y\n\n'; done > one.conll && printf 'a O\ngood I-X\nb B-X\nc B-Y\n\n' > other.conll && "
                   "$A train --model model --train one.conll --eval other.conll --output both --epochs 1 --quiet && $A eval --model both other.conll && cat both/config.json",
                   0, "\"B-X\": 4", "");
    program_expect("cd $D && $A train --model model --train one.conll --eval other.conll --output both --dry-run --restart", 0, "scheme iob1); 5 labels.", "");
    program_expect("cd $D && ! $A check one.conll --eval other.conll | grep -q 'does not have'", 0, "", "");
    program_expect("cd $D && for i in {1..8}; do echo '{\"tokens\": [\"a\", \"good\"], \"ner_tags\": [0, 3]}'; done > numbers.jsonl && $A train --model model --train numbers.jsonl "
                   "--output x --dry-run", 0, "scheme plain, for the tags are numbers: what they mean is said by --label-names O,B-PER,I-PER", "");
    program_expect("cd $D && $A train --model model --train one.conll --scheme iobes --output x --dry-run", 0, "scheme iobes); 9 labels", "");
    program_expect("cd $D && sed 's/I-X/L-X/' one.conll > l.conll && $A train --model model --train l.conll --scheme iob2 --output x", 3, "",
                   "l.conll: the tag 'L-X' is none of the scheme iob2; the tags look like ");
    program_expect("cd $D && printf 'a O\nb B-Z\n\n' >> one.conll && $A check one.conll", 0, "one.conll:50: label 'Z' has only 1 part", "");
}

/* Numbers as the hub has them: names in their order, kept with the model, which then judges both forms of a file. */
static void numbers_get_names(void **state) {
    (void)state;
    program_expect("cd $D && for i in {1..20}; do echo '{\"tokens\": [\"a\", \"good\", \"b\"], \"ner_tags\": [0, 3, 4]}'; echo '{\"tokens\": [\"c\", \"bad\"], \"ner_tags\": [0, 1]}'; "
                   "done > hub.jsonl && printf 'O\nB-Y\nI-Y\nB-X\nI-X\n' > names.txt && $A train --model model --train hub.jsonl --label-names O,B-Y,I-Y,B-X,I-X --output hub --method full "
                   "--folds 1 --epochs 12 --lr 2e-3", 0, "tags from ner_tags; scheme iob2); 5 labels.", "");
    program_expect("cd $D && tr -d ' \n' < hub/config.json", 0, "\"id2label\":{\"0\":\"O\",\"1\":\"B-Y\",\"2\":\"I-Y\",\"3\":\"B-X\",\"4\":\"I-X\"}", "");
    program_expect("cd $D && $A predict --model hub --format spans 'a good b'", 0, "1\t2\t8\tX\t", "");
    program_expect("cd $D && sed 's/\\[0, 3, 4\\]/[\"O\", \"B-X\", \"I-X\"]/; s/\\[0, 1\\]/[\"O\", \"B-Y\"]/' hub.jsonl > named.jsonl && grep -q B-Y named.jsonl && "
                   "for f in hub named; do $A eval --model hub $f.jsonl | grep f1 > $f.f1 || exit 1; done; cmp hub.f1 named.f1 && cat hub.f1", 0, "1.0000", "");
    program_expect("cd $D && $A eval --model hub hub.jsonl --label-names O,B-X,I-X,B-Y,I-Y | grep '^f1 '", 0, " 0.0000", "");
    program_expect("cd $D && $A train --model model --train hub.jsonl --label-names names.txt --output x --dry-run", 0, "scheme iob2); 5 labels", "");
    program_expect("cd $D && $A check hub.jsonl --label-names names.txt && ! $A check hub.jsonl --label-names names.txt | grep error", 0, "", "");
    program_expect("cd $D && $A train --model model --train hub.jsonl --label-names O,B-X,I-X --output x --dry-run", 3, "",
                   "hub.jsonl:1: label 3 has no name; there are 3, from 0 (O) to 2 (I-X)");
    program_expect("cd $D && $A train --model model --train hub.jsonl --label-names naems.txt --output x --dry-run", 2, "", "--label-names: 'naems.txt' is one name, and no file");
    program_expect("cd $D && $A train --model model --train hub.jsonl --label-names O,B-X,O --output x --dry-run", 2, "", "'O' is there twice, for 0 and for 2");
    program_expect("cd $D && $A train --model hub --train hub.jsonl --output again --epochs 1 --folds 1", 0,
                   "The labels are numbers; the model has names for them: 0 is O, 1 is B-Y, 2 is I-Y, 3 is B-X, 4 is I-X (--label-names gives them others).", "");
    program_expect("cd $D && $A eval --model again named.jsonl | grep '^f1 ' && $A train --model hub --train hub.jsonl --output x --dry-run", 0, "own head goes on learning", "");
    program_expect("cd $D && $A train --model tagger --train hub.jsonl --output x --dry-run", 0, "scheme plain", "");
    program_expect("cd $D && $A eval --model tagger hub.jsonl", 3, "", "hub.jsonl:1: label '0' is not one of B-X, I-X, O. What numbers mean is said by --label-names");
}

/* A text alone: the words that tags and scores belong to are said, by a name that training reads. */
static void words_of_a_text_are_said(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model tagger --format jsonl 'a good, b'", 0, "{\"text\": \"a good, b\", \"tokens\": [\"a\", \"good\", \",\", \"b\"], \"tags\": [\"", "");
    program_expect("cd $D && (echo text; echo '\"a, b\"') > one.csv && $A predict --model tagger --input one.csv --format csv", 0,
                   "text,tokens,tags,scores,entities\n\"a, b\",\"[\"\"a\"\", \"\",\"\", \"\"b\"\"]\",", "");
    program_expect("cd $D && $A predict --model tagger tabs.conll --format jsonl | grep -c tokens", 1, "0\n", "");
    program_expect("cd $D && for i in {1..9}; do echo 'a good b'; done > t.txt && $A predict --model tagger --input t.txt --input-format lines --format jsonl --output again.jsonl && "
                   "sed -i 's/\"tags\": \\[\"[^,]*, [^,]*/\"tags\": [\"O\", \"B-X\"/' again.jsonl && $A train --model model --train again.jsonl --output x --dry-run", 0,
                   "tokens from 'tokens', tags from tags", "");
}

/* The same parts in another scheme are the same truth. */
static void schemes_are_converted(void **state) {
    (void)state;
    program_expect("cd $D && awk '{ now = $0; if (before !~ /-X$/) sub(/ B-X$/, \" I-X\"); before = now; print }' train.conll > one.conll && $A eval --model tagger one.conll", 0,
                   "one.conll: the tags are iob1, the model's are iob2", "");
    program_expect("cd $D && awk '{ if (held != \"\") { if (held ~ / B-X$/ && $0 !~ / I-X$/) sub(/ B-X$/, \" S-X\", held); else if (held ~ / I-X$/ && $0 !~ / I-X$/) sub(/ I-X$/, \" E-X\", held) } "
                   "if (NR > 1) print held; held = $0 } END { print held }' train.conll > iobes.conll && grep -q E-X iobes.conll && "
                   "for f in train one iobes; do $A eval --model tagger $f.conll | grep -v conll > $f.score || exit 1; done; cmp train.score one.score && cmp train.score iobes.score", 0, "", "");
    program_expect("cd $D && $A eval --model tagger iobes.conll", 0, "iobes.conll: the tags are iobes, the model's are iob2: the same parts are marked in its way.", "");
    program_expect("cd $D && $A train --model model --train train.conll --eval iobes.conll --output x --dry-run 2>&1", 0, "iobes.conll: the tags are iobes, the model's are iob2", "");
    program_expect("cd $D && $A eval --model tagger train.conll 2>&1 | grep -c 'the same parts'", 1, "0\n", "");
    program_expect("cd $D && $A check train.conll --eval iobes.conll && ! $A check train.conll --eval iobes.conll | grep 'expects\\|does not have'", 0, "", "");
    program_expect("cd $D && sed 's/E-X/E-Z/' iobes.conll > z.conll && $A eval --model tagger z.conll", 3, "", "is not one of B-X, I-X, O");
}

/* Files are often called eng.testb: what is there is no text. What standard input cannot be is said. */
static void a_file_of_any_ending_is_a_file(void **state) {
    (void)state;
    program_expect("cd $D && cp tabs.conll eng.testb && $A predict --model tagger eng.testb --output by-name && $A predict --model tagger --input tabs.conll --output by-input --quiet && "
                   "cmp by-name by-input && $A predict --model tagger -- eng.testb", 0, "eng.testb\n", "");
    program_expect("cd $D && printf 'Sentence,Word,Tag\n1,a,O\n,good,B-X\n' > words.csv && sed 1s/Sentence/No/ words.csv > no.csv && $A train --model model --task tag --train words.csv --output x", 2, "",
                   "Known are CoNLL columns (--input-format conll: one word a line, no header, an empty line after each sentence)");
    program_expect("cd $D && $A train --model model --task tag --train no.csv --output x", 2, "", "A word a line is read as CoNLL columns (--input-format conll: ");
    program_expect("cd $D && $A predict --model tagger a.good", 0, "a.good\n", "");
    program_expect("cd $D && $A predict --model tagger --input-format conll < tabs.conll", 2, "",
                   "--input-format conll: standard input is read as a text a line; save it to a file and name that (--input FILE)");
    program_expect("cd $D && $A embed --model model --input-format csv < rows.csv", 2, "", "--input-format csv: standard input is read as a text a line");
}

static void bad_data_are_refused(void **state) {
    (void)state;
    program_expect("cd $D && sed '9s/ [^ ]*$//' train.conll > b.conll && $A train --model model --train b.conll --output x", 3, "",
                   "error: b.conll:9: 2 columns, but the first token has 3; is a column missing");
    program_expect("cd $D && sed '9s/$/ x/' train.conll > b.conll && $A train --model model --train b.conll --output x", 3, "", "b.conll:9: 4 columns, but the first token has 3");
    program_expect("cd $D && printf -- '-DOCSTART- O\\n\\n' > b.conll && $A train --model model --train b.conll --output x", 3, "", "b.conll: there is no token in the file");
    program_expect("cd $D && printf 'a\\xff O\\n' > b.conll && $A train --model model --train b.conll --output x", 3, "", "b.conll:1: byte 2 of the line");
    program_expect("cd $D && sed '/./s/[^ ]*$/O/' train.conll | grep -v DOC > b.conll && $A train --model model --train b.conll --output x", 3, "", "every word has the tag 'O'");
    program_expect("cd $D && sed '9s/[^ ]*$/B-Y/' train.conll > b.conll && $A eval --model tagger b.conll", 3, "", "b.conll:9: label 'B-Y' is not one of B-X, I-X, O");
    program_expect("cd $D && echo '{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [\"O\"]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: 2 tokens and 1 tags");
    program_expect("cd $D && echo '{\"tokens\": [\"a\", {}], \"ner_tags\": [\"O\", \"O\"]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: token 2 is not a text");
    program_expect("cd $D && echo '{\"tokens\": [\"a\"], \"ner_tags\": [0.5]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: tag 1 is neither a text nor a whole number");
    program_expect("cd $D && echo '{\"tokens\": [], \"ner_tags\": []}' >> lists.jsonl && $A eval --model lists lists.jsonl", 3, "", "lists.jsonl:81: there is no word");
    program_expect("cd $D && echo '{\"text\": \"abc\", \"entities\": [{\"start\": 1, \"end\": 9, \"label\": \"X\"}]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: span 1 goes from 1 to 9, the text has 3 characters");
    program_expect("cd $D && echo '{\"text\": \"abc\", \"entities\": [{\"start\": 1, \"label\": \"X\"}]}' > b.jsonl && $A train --model model --train b.jsonl --task tag --output x", 3, "",
                   "span 1 has no start, end and label");
    program_expect("cd $D && echo '{\"text\": \"a b\", \"entities\": [[0, 3, \"X\"], [2, 3, \"Y\"]]}' > b.jsonl && $A train --model model --train b.jsonl --output x", 3, "",
                   "b.jsonl:1: span 2 (Y, 2 to 3) overlaps another one");
    program_expect("cd $D && $A train --model model --train train.conll --label-column c9 --output x", 2, "", "there is no column 'c9'");
    program_expect("cd $D && $A train --model model --train rows.csv --task tag --output x", 2, "", "no column holds tags or marked spans");
    program_expect("cd $D && $A predict --model model --format conll good", 2, "", "--format conll: a model of the task classify gives text, jsonl, csv, tsv\n");
}

static void lint_names_line_token_and_what_was_expected(void **state) {
    (void)state;
    program_expect("cd $D && printf 'a O\\nb I-X\\n\\nc B-X\\nd I-X\\n\\ne B-X\\nf O\\n' > l.conll && $A check --train l.conll", 0,
                   "warning: l.conll:2: token 2, 'b', has the tag I-X after O and is the last; iob2 expects B-X", "");
    program_expect("cd $D && printf 'a S-X\\nb O\\n\\nc B-X\\nd O\\n' > l.conll && $A check --train l.conll --scheme iobes", 0,
                   "l.conll:5: token 2, 'd', has the tag O after B-X and is the last; iobes expects I-X or E-X", "");
    program_expect("cd $D && $A check --train train.conll", 0, "read as 'tag': CoNLL columns", "");
    program_expect("cd $D && echo '{\"text\": \"abc d\", \"entities\": [[1, 3, \"X\"]]}' > b.jsonl && $A check --train b.jsonl", 0,
                   "b.jsonl:1: span 1 (X, 1 to 3) begins or ends inside a word", "");
    program_expect("cd $D && echo '{\"text\": \"abc d\", \"entities\": [[1, 30, \"X\"]]}' >> b.jsonl && $A check --train b.jsonl", 3, "error: b.jsonl:2: span 1 goes from 1 to 30", "");
    program_expect("cd $D && sed '9s/[^ ]*$/B-Y/' train.conll > b.conll && $A check --train train.conll --test b.conll", 3, "b.conll:9: token", "");
}

/* What grows with a document lies in files that are mapped, but for arrays below 128 KB: so the heap stops growing. */
static void a_long_document_takes_no_more_memory(void **state) {
    (void)state;
    static const char *const FORMATS[] = {"jsonl", "text", "conll"}, *const WORDS[] = {"10000", "100000", "300000"};
    program_expect("cd $D && for n in 10000 100000 300000; do yes 'a b good c d, e f g. h' | head -n $((n / 9)) | tr '\\n' ' ' > $n.txt; echo >> $n.txt; done", 0, "", "");
    for (int i = 0; i < 3; i++) {
        long long bytes[3];
        for (int k = 0; k < 3; k++) {
            char line[200];
            snprintf(line, sizeof line, "$A predict --model tagger --input %s.txt --format %s --output long.out --threads 2", WORDS[k], FORMATS[i]);
            bytes[k] = peak_bytes(line);
        }
        print_message("%s: %lld, %lld, %lld bytes for 10,000, 100,000, 300,000 words\n", FORMATS[i], bytes[0], bytes[1], bytes[2]);
        assert_true(bytes[1] <= bytes[0] + bytes[0] * 3 / 10 && bytes[2] <= bytes[0] + bytes[0] * 3 / 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_is_what_others_open), cmocka_unit_test(every_method_and_going_on), cmocka_unit_test(a_column_is_added_and_the_rest_stays),
        cmocka_unit_test(many_sentences_are_seen_five_times),
        cmocka_unit_test(every_word_of_a_long_text_is_answered_once),
        cmocka_unit_test(a_document_takes_little_memory), cmocka_unit_test(a_long_document_takes_no_more_memory),
        cmocka_unit_test(lists_and_spans), cmocka_unit_test(columns_in_every_manner), cmocka_unit_test(tags_are_complete), cmocka_unit_test(numbers_get_names),
        cmocka_unit_test(words_of_a_text_are_said), cmocka_unit_test(schemes_are_converted), cmocka_unit_test(a_file_of_any_ending_is_a_file), cmocka_unit_test(bad_data_are_refused),
        cmocka_unit_test(lint_names_line_token_and_what_was_expected),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
