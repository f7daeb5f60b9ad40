/* Sentence embeddings from outside, on the tiny model: every shape of data and every loss, stops and threads that do not show, what cannot
 * be. */
#include "cli/same_run.h"

/* Texts of one letter's family belong together: a b c, d e f, ... */
static const char DATA[] =
    "cd $D && L=({a..x}) && "
    "{ echo anchor,positive; for i in {0..47}; do k=$((i % 24 / 3 * 3)); echo \"${L[$((i % 24))]} good ${L[$k]},${L[$((k + i % 2))]} "
    "bad\"; done; } > pairs.csv && { echo sentence1,sentence2,score; for i in {0..59}; do a=$((i % 24)); b=$((i * 7 % 24)); "
    "echo \"${L[$a]} good,${L[$b]} bad,$(( a / 3 == b / 3 ? 5 : a / 6 == b / 6 ? 3 : 0 ))\"; done; } > scores.csv && "
    "{ echo anchor,positive,negative; for i in {0..47}; do k=$((i % 24 / 3 * 3)); echo \"${L[$((i % 24))]} good,${L[$k]} bad,${L[$(((k + "
    "9) % 24))]}\"; done; } > triplets.csv && { echo text,label; for i in {0..47}; do echo \"${L[$((i % 24))]} ${L[$((i * 5 % 24))]},class "
    "$((i % 24 / 3))\"; done; } > labels.csv && printf '%s\\n' 'a good' 'b bad' 'c' 'good bad' 'x y z' > texts.txt";

#define TRAIN "$A train --model model --task embed --epochs 2 --threads 2 "

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    program_run run = program_shell(DATA);
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    if (failed) return 1;
    run = program_shell("cd $D && " TRAIN "--train scores.csv --eval scores.csv --output scored --normalize yes");
    failed = run.code || !strstr(run.out,
                                 "pairs with a score from 'sentence1' and 'sentence2', scores from 'score', of which 0 to 5 are learned as "
                                 "0 to 1; loss: cosent, the usual one");
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static void every_shape_is_recognised(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train pairs.csv --eval pairs.csv --epochs 1 --output p", 0,
                   "Task: embed (pairs from 'anchor' and 'positive'; loss: in-batch", "");
    program_expect("cd $D && grep -o '\"eval_ndcg_at_10\"' p/eval_results.json", 0, "ndcg", "");
    program_expect("cd $D && " TRAIN "--train triplets.csv --eval triplets.csv --output t", 0, "triplets from 'anchor', 'positive' and "
                   "'negative'; loss: in-batch", "");
    program_expect("cd $D && grep -o '\"eval_accuracy\"' t/eval_results.json", 0, "accuracy", "");
    program_expect("cd $D && " TRAIN "--train triplets.csv --eval triplets.csv --output t2 --loss triplet --pooling cls", 0,
                   "loss: triplet)", "");
    program_expect("cd $D && grep cls t2/1_Pooling/config.json", 0, "\"pooling_mode_cls_token\": true", "");
    program_expect("cd $D && " TRAIN "--train labels.csv --eval labels.csv --output l", 0, "labelled texts from 'text', labels from "
                   "'label'; loss: in-batch", "");
    program_expect("cd $D && " TRAIN "--train scores.csv --eval pairs.csv --loss cosine --output s", 0, "loss: cosine)", "");
    program_expect("cd $D && " TRAIN "--train scores.csv --label-column none --output n", 0, "pairs from 'sentence1' and 'sentence2'; "
                   "loss: in-batch", "");
}

/* Hard negatives as mining gives them: lists of any length. Each is a text of its own: a list of one is a triplet, to the bit. */
static void lists_of_negatives_are_texts(void **state) {
    (void)state;
    program_expect("cd $D && tail -n +2 triplets.csv | awk -F, '{ printf \"{\\\"anchor\\\": \\\"%s\\\", \\\"positive\\\": \\\"%s\\\", \\\"negative\\\": [\\\"%s\\\"]}\\n\", $1, $2, $3 }' > one.jsonl && "
                   TRAIN "--train one.jsonl --output single", 0, "triplets from 'anchor', 'positive' and 'negative' (48 texts in lists); loss: in-batch", "");
    program_expect("cd $D && " TRAIN "--train triplets.csv --output of-csv --quiet && cmp single/model.safetensors of-csv/model.safetensors", 0, "", "");
    program_expect("cd $D && awk '{ n = NR % 3; sub(/\\[.*\\]/, n == 0 ? \"[]\" : n == 1 ? \"[\\\"x bad\\\"]\" : \"[\\\"y\\\", \\\"z good\\\", \\\"w\\\"]\"); print }' one.jsonl > lists.jsonl && "
                   TRAIN "--train lists.jsonl --eval lists.jsonl --output ragged", 0, "(64 texts in lists)", "");
    program_expect("cd $D && " TRAIN "--train lists.jsonl --eval lists.jsonl --loss triplet --output far --quiet && $A eval --model far lists.jsonl", 0, "accuracy", "");
    program_expect("cd $D && " TRAIN "--train lists.jsonl --output alone --threads 1 --quiet && " TRAIN "--train lists.jsonl --output both --quiet && cmp alone/model.safetensors "
                   "both/model.safetensors", 0, "", "");
    /* 64 triplets: each of a list counts */
    program_expect("cd $D && awk '/\\[]/ { next } { gsub(/\\[.*\\]/, \"[\\\"a bad\\\", \\\"b\\\"]\"); print }' lists.jsonl > twice.jsonl && $A eval --model ragged twice.jsonl --output e --quiet && "
                   "grep accuracy e/eval_results.json", 0, "eval_accuracy", "");
    program_expect("cd $D && sed 's/anchor/query/; s/positive/pos/; s/negative/neg/' lists.jsonl > bge.jsonl && $A train --model model --train bge.jsonl --output x --dry-run", 0,
                   "triplets from 'query', 'pos' and 'neg' (64 texts in lists)", "");
    program_expect("cd $D && sed -E 's/\"pos\": (\"[^\"]*\")/\"pos\": [\\1]/' bge.jsonl > listed.jsonl && grep -q 'pos.: \\[' listed.jsonl && " TRAIN "--train listed.jsonl --output listed --quiet && "
                   "cmp listed/model.safetensors both/model.safetensors && $A check listed.jsonl", 0, "", "");
    program_expect("cd $D && sed '5s/\"pos\": \\[/\"pos\": [\"q\", /' listed.jsonl > b.jsonl && " TRAIN "--train b.jsonl --output x", 3, "", "b.jsonl:5: 'pos' is a list of 2 texts; a row has one of this kind");
    program_expect("cd $D && $A check b.jsonl", 3, "error: b.jsonl:5: 'pos' is a list of 2 texts", "");
    program_expect("cd $D && sed '4s/\\[.*\\]/[\"y\", 3]/' lists.jsonl > b.jsonl && " TRAIN "--train b.jsonl --output x", 3, "", "b.jsonl:4: text 2 of the list 'negative' is not a text");
    program_expect("cd $D && sed '4s/\\[.*\\]/[\"y\", \" \"]/' lists.jsonl > b.jsonl && " TRAIN "--train b.jsonl --output x", 3, "", "b.jsonl:4: text 2 of the list 'negative' is empty");
}

/* So many tokens are kept in a file and mapped: the texts of a pair stay together there too. */
static void many_pairs_stay_pairs(void **state) {
    (void)state;
    program_expect("cd $D && (echo anchor,positive; yes 'a b c d e f g h i j k l m n,b c d e f g h i j k l m n o' | head -3520) > many.csv && " TRAIN "--train many.csv --eval pairs.csv "
                   "--batch-size 32 --epochs 1 --output many && grep '\"steps\"' many/all_results.json", 0, "\"steps\": 110", "");
}

/* What a vector is made of where a text is too long: as the model was trained, or as is asked. */
static void long_texts_are_a_decision(void **state) {
    (void)state;
    program_expect("cd $D && printf 'a b c d e f g h i j k l m n o p q r s t\na b c d e f g h i j k l m n o p q r s u\n' > far.txt && for how in tail head; do $A embed --model model "
                   "--input far.txt --max-length 8 --long truncate-$how --output $how.csv --quiet > /dev/null; cut -d, -f2- $how.csv | tail -2 | uniq | wc -l; done", 0, "1\n2\n", "");
    program_expect("cd $D && $A embed --model model --input far.txt --max-length 8 --output x.csv", 0, "", "2 of 2 texts are longer than 8 tokens and lose their end (--long)");
    program_expect("cd $D && $A embed --model model --input far.txt --max-length 8 --long error --output x.csv", 3, "", "far.txt:1");
    program_expect("cd $D && $A embed --model model --input far.txt --max-length 8 --long window --output x.csv", 2, "", "a text has one vector");
    program_expect("cd $D && " TRAIN "--train pairs.csv --eval pairs.csv --long truncate-head --max-length 8 --output headless && $A embed --model headless --max-length 8 --input far.txt "
                   "--output own.csv --quiet > /dev/null; cut -d, -f2- own.csv | tail -2 | uniq | wc -l", 0, "2\n", "");
}

static void few_rows_are_judged_out_of_fold(void **state) {
    (void)state;
    program_expect("cd $D && " TRAIN "--train triplets.csv --output folds --folds 3 && grep judged folds/all_results.json", 0,
                   "out-of-fold", "");
    program_expect("cd $D && " TRAIN "--train pairs.csv --output split --eval-share 0.2 --metric mrr_at_10", 0, "mrr_at_10", "");
}

static void the_folder_is_one_of_sentence_transformers(void **state) {
    (void)state;
    program_expect("cd $D && grep type scored/modules.json", 0, "sentence_transformers.models.Normalize", "");
    program_expect("cd $D && grep mean scored/1_Pooling/config.json && ls -d scored/2_Normalize", 0, "true", "");
    program_expect("cd $D && ! grep problem_type scored/config.json", 0, "", "");
    program_expect("cd $D && $A info scored", 0, "head        vector: mean of the tokens, of length 1\ntask        embed", "");
    program_expect("cd $D && grep -A3 '\"attune\"' scored/config.json", 0, "\"loss\": \"cosent\"", "");
    program_expect("cd $D && grep -E 'pipeline_tag|spearman' scored/README.md", 0, "sentence-similarity", "");
}

static void pairs_are_answered_and_judged(void **state) {
    (void)state;
    program_expect("cd $D && $A eval --model scored scores.csv", 0, "spearman", "");
    program_expect("cd $D && $A eval --model scored triplets.csv", 0, "accuracy ", "");
    program_expect("cd $D && $A eval --model scored triplets.csv 2>&1 | grep -c windows", 1, "0\n", ""); /* a row has several texts, none of them a window */
    program_expect("cd $D && printf 'anchor,positive\na b c d e f g h,b\na,b c d e f g h i\nc,d\n' > cut.csv && $A eval --model scored cut.csv --max-length 5 2>&1", 0,
                   "cut.csv: 2 of 6 texts are longer than 5 tokens", "");
    program_expect("cd $D && $A eval --model scored labels.csv --output e && grep -c . e/predictions.csv", 0, "49\n", "");
    program_expect("cd $D && printf 'a good\\ta good\\n' | $A predict --model scored --pairs --format jsonl", 0, "\"similarity\": 1", "");
    program_expect("cd $D && $A predict --model scored --input pairs.csv --format csv | head -1", 0, "anchor,positive,similarity\n", "");
    program_expect("cd $D && $A check --train scores.csv --task embed", 0, "read as 'embed'", "");
    program_expect("cd $D && $A eval --model scored scores.csv --task classify", 2, "", "--task classify: scored was trained for the task embed");
    program_expect("cd $D && $A eval --model scored scores.csv --task embed --mistakes 60 > m.txt; grep -c labelled m.txt", 0, "60\n", "");
    program_expect("cd $D && grep labelled m.txt | grep -vc 'labelled [035].000'", 1, "0\n", "");
}

static void numbers_of_pairs_are_judged(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model scored --input scores.csv --format csv --output said.csv --quiet && $A score --task embed scores.csv said.csv | "
                   "grep -E 'spearman|pearson' > by_score; $A eval --model scored scores.csv | grep -E 'spearman|pearson' > by_eval; diff by_score by_eval && grep -c . by_eval", 0,
                   "2\n", "");
    program_expect("cd $D && cut -d, -f4 said.csv > alone.csv && $A score --task embed scores.csv alone.csv | grep -E 'spearman|pearson' | diff by_eval -", 0, "", "");
    program_expect("cd $D && $A score --task embed pairs.csv said.csv", 3, "", "pairs.csv has 48");
    program_expect("cd $D && $A score --task embed pairs.csv pairs.csv", 2, "", "pairs.csv: these data are pairs; what is judged are pairs with a score");
}

/* In steps, lanes and chunks; whether chunks' tapes wait does not show either (tests/unit/test_trainer.c). */
static void threads_do_not_show(void **state) {
    (void)state;
    program_expect(SAME "cd $D && $A train --model model --task embed --epochs 2 --train scores.csv --eval scores.csv --output one "
                   "--normalize yes --threads 1 --quiet && cmp one/model.safetensors scored/model.safetensors", 0, "", "");
    program_expect("cd $D && " TRAIN "--train scores.csv --eval scores.csv --output other --normalize yes --seed 7 --quiet && cmp -s "
                   "other/model.safetensors scored/model.safetensors", 1, "", "");
}

static void a_kill_does_not_show(void **state) {
    (void)state;
    kills_do_not_show("$A train --model model --train triplets.csv --eval triplets.csv --epochs 3 --lr 3e-3 --save-seconds 0 --threads 2 "
                      "--quiet --output ", 4, 6);
}

/* Two Dense behind the pooling: they are trained along, and saved with what a stop leaves. */
static void a_kill_does_not_show_behind_dense_layers(void **state) {
    (void)state;
    program_expect(line_of("cd $D && cp -r %s dense && cp model/tokenizer_config.json dense && printf '%%s\\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} "
                           "good bad w{1..7} > dense/vocab.txt", check_source("golden/embed-dense")), 0, "", "");
    kills_do_not_show("$A train --model dense --train pairs.csv --eval pairs.csv --epochs 2 --lr 3e-3 --save-seconds 0 --threads 2 --quiet --output ", 2, 3);
    program_expect("cd $D && $A train --model dense --train pairs.csv --eval pairs.csv --epochs 1 --output behind --quiet && ls -d behind/4_Normalize && ! cmp -s "
                   "behind/3_Dense/model.safetensors dense/3_Dense/model.safetensors && $A info behind", 0, "vector: mean of the tokens, of length 1", "");
    program_expect("cd $D && cp -r dense wrong && cp dense/2_Dense/model.safetensors wrong/3_Dense && $A embed --model wrong --input texts.txt --output v.npy", 4,
                   "", "wrong/3_Dense: no linear.weight of [outputs, 7], which is what stands before it");
    program_expect("cd $D && cp dense/3_Dense/* wrong/3_Dense && sed -i 's/{/{\"use_residual\": true,/' wrong/3_Dense/config.json && $A embed --model wrong "
                   "--input texts.txt --output v.npy", 4, "", "modules.json: module 3, ");
}

static void it_goes_on(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model scored --train pairs.csv --output on --epochs 1 && ls -d on/2_Normalize", 0,
                   "2_Normalize", "");
    program_expect("cd $D && $A train --model scored --train rows.csv --output after --task classify --folds 1 --epochs 1 --quiet && $A "
                   "predict --model after good", 0, "class", "");
}

/* Of a folder that was trained, of a body alone, and of a classifier; with and without a file. */
static void vectors_are_written(void **state) {
    (void)state;
    program_expect("cd $D && $A embed --model scored --input texts.txt --output v.npy", 0, "5 vectors of 32 numbers (mean, of length 1) "
                   "are in v.npy", "");
    program_expect("cd $D && head -c 10 v.npy | od -An -c | tr -d ' \n'", 0, "223NUMPY001\\0v\\0", "");
    program_expect("cd $D && head -c 128 v.npy | tail -c +11 | grep -o \"{.*}\"", 0, "{'descr': '<f4', 'fortran_order': False, 'shape': "
                   "(5, 32), }", "");
    program_expect("cd $D && wc -c < v.npy", 0, "768\n", "");
    program_expect("cd $D && $A embed --model scored --output w.npy < texts.txt && cmp v.npy w.npy", 0, "", "");
    program_expect("cd $D && $A embed --model scored --threads 1 --input texts.txt --output x.npy && cmp v.npy x.npy", 0, "", "");
    program_expect("cd $D && $A embed --model model --input rows.csv --format csv | head -1", 0, "text,label,id,e0,e1,", "");
    program_expect("cd $D && $A embed --model model 'a good' | grep -oE '[-0-9.e]+[],]' | wc -l", 0, "32\n", "");
    program_expect("cd $D && $A embed --model model --input rows.csv --output r.jsonl && grep -c '\"label\": \"class a\".*\"embedding\": "
                   "\\[' r.jsonl", 0, "2\n", "");
    program_expect("cd $D && $A embed --model model --prompt 'a ' b > p1 && $A embed --model model 'a b' > p2 && diff <(cut -d: -f3 p1) "
                   "<(cut -d: -f3 p2)", 0, "", "");
    program_expect("cd $D && $A embed --model model --pooling cls a > c1; $A embed --model model a > c2; cmp -s c1 c2", 1, "", "");
    program_expect("cd $D && $A embed --model model --json a | head -1", 0, "\"event\":\"vector\"", "");
}

static void the_nearest_are_found(void **state) {
    (void)state;
    program_expect("cd $D && $A embed --model scored --input texts.txt --output stored.npy --quiet && "
                   "$A search --model scored --corpus texts.txt --corpus-vectors stored.npy --query texts.txt --top 3 > with.txt && "
                   "$A search --model scored --corpus texts.txt --query texts.txt --top 3 > without.txt && cmp with.txt without.txt", 0, "",
                   "");
    program_expect("cd $D && $A embed --model scored --pooling cls --input texts.txt --output other.npy --quiet && "
                   "$A search --model scored --corpus texts.txt --corpus-vectors other.npy c", 3, "", "is not what this model makes of "
                   "texts.txt:");
    program_expect("cd $D && head -n 4 texts.txt > four.txt && $A search --model scored --corpus four.txt --corpus-vectors stored.npy c", 3,
                   "", "stored.npy holds 5 vectors of ");
    program_expect("cd $D && head -c 200 stored.npy > cut.npy && $A search --model scored --corpus texts.txt --corpus-vectors cut.npy c", 3,
                   "", "bytes of them");
    program_expect("cd $D && head -c 20 stored.npy > cut.npy && $A search --model scored --corpus texts.txt --corpus-vectors cut.npy c", 3,
                   "", "its header is cut off");
    program_expect("cd $D && $A search --model scored --corpus texts.txt --corpus-vectors texts.txt c", 3, "", "is no npy file");
    program_expect("cd $D && sed 's/<f4/<f8/' stored.npy > eight.npy && $A search --model scored --corpus texts.txt --corpus-vectors "
                   "eight.npy c", 3, "", "not 32-bit floats");
    program_expect("cd $D && $A search --model scored --corpus texts.txt --top 2 'good bad' c", 0, "good bad\n  1.0000  texts.txt:4: good "
                   "bad\n", "");
    program_expect("cd $D && $A search --model scored --corpus texts.txt --top 2 'good bad' c | wc -l", 0, "7\n", "");
    program_expect("cd $D && $A search --model scored --corpus texts.txt --query texts.txt --top 1 --format jsonl | grep -c '\"score\": "
                   "\\(1\\|0.9999\\|1.0000\\)'", 0, "5\n", "");
    program_expect("cd $D && $A search --model scored --corpus scores.csv --text-column sentence1 --query scores.csv --format jsonl | grep -cE '\"score\": (1[.]|[2-9])'", 1,
                   "0\n", "");
    program_expect("cd $D && echo c | $A search --model scored --corpus texts.txt --format csv --top 1", 0,
                   "query,rank,score,line,text\nc,1,", "");
    program_expect("cd $D && $A search --model scored --corpus rows.csv --query c --top 1 --output found.jsonl && cat found.jsonl", 0,
                   "\"found\": [{\"score\": ", "");
    program_expect("cd $D && for i in {1..2500}; do echo \"a b $((i % 7))\"; done > many.txt && echo 'x y z q' >> many.txt && $A search "
                   "--model scored --corpus many.txt --top 1 'x y z q'", 0, "many.txt:2501: x y z q", "");
}

static void what_cannot_be_found_is_said(void **state) {
    (void)state;
    program_expect("cd $D && $A embed --model model --format npy a", 2, "", "--format npy writes numbers as they are in memory: it needs "
                   "--output FILE");
    program_expect("cd $D && $A embed a", 2, "", "--model is missing");
    program_expect("cd $D && $A embed --model model --input none.csv", 3, "", "none.csv");
    program_expect("cd $D && $A embed --model model --input rows.csv --text-column txt", 2, "", "there is no column 'txt'");
    program_expect("cd $D && printf 'a\\377\\n' | $A embed --model model", 3, "", "standard input:1: byte 2 is not valid UTF-8");
    program_expect("cd $D && printf 'good\\na\\000b\\n' | $A embed --model model --output z.npy; s=$?; [ ! -e z.npy ] && exit $s", 3, "",
                   "standard input:2: there is a NUL byte");
    program_expect("cd $D && $A search --model model a", 2, "", "--corpus is missing");
    program_expect("cd $D && $A search --model model --corpus texts.txt < /dev/null", 3, "", "there is nothing to look for");
    program_expect("cd $D && $A search --model model --corpus texts.txt --top 0 a", 2, "", "top");
    program_expect("cd $D && $A search --model model --corpus texts.txt --query none.txt", 3, "", "none.txt");
    program_expect("cd $D && $A embed --model odd a", 4, "", "with --pooling the body's own are taken");
    program_expect("cd $D && $A embed --model odd --pooling mean a", 0, "embedding", "");
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    program_expect("cd $D && " TRAIN "--train pairs.csv --loss triplet --output x", 2, "", "--loss triplet: these data are pairs; it takes "
                   "triplets");
    program_expect("cd $D && " TRAIN "--train pairs.csv --loss cosent --output x", 2, "", "--loss cosent: these data are pairs; it takes "
                   "pairs with a score");
    program_expect("cd $D && " TRAIN "--train scores.csv --loss in-batch --output x", 2, "", "--label-column none");
    program_expect("cd $D && " TRAIN "--train texts.txt --input-format lines --output x", 2, "", "texts.txt: embeddings are learned from "
                   "pairs of texts");
    program_expect("cd $D && sed '5s/,[0-9]*$/,high/' scores.csv > bad.csv && " TRAIN "--train bad.csv --output x", 3, "",
                   "bad.csv:5: 'high' (column 'score') is not a number");
    program_expect("cd $D && sed '7s/,.*,/,,/' triplets.csv > bad.csv && " TRAIN "--train bad.csv --output x", 3, "",
                   "bad.csv:7: the text (column 'positive') is empty");
    program_expect("cd $D && sed '4s/,class.*/,/' labels.csv > bad.csv && " TRAIN "--train bad.csv --output x", 3, "",
                   "bad.csv:4: the label (column 'label') is empty");
    program_expect("cd $D && sed '2,$s/,[0-9]*$/,1/' scores.csv > bad.csv && " TRAIN "--train bad.csv --output x", 3, "",
                   "every pair has the same score");
    program_expect("cd $D && " TRAIN "--train triplets.csv --negative-column negativ --output x", 2, "",
                   "there is no column 'negativ'; the columns are anchor, positive, negative. Did you mean 'negative'?");
    program_expect("cd $D && " TRAIN "--train scores.csv --method head --output x", 2, "", "trains the body itself");
    program_expect("cd $D && " TRAIN "--train scores.csv --metric accuracy --output x", 2, "", "there is no metric 'accuracy'");
    program_expect("cd $D && $A predict --model scored 'a text'", 2, "", "give pairs (--pairs, or two columns)");
    program_expect("cd $D && echo anchor,positive > empty.csv && " TRAIN "--train empty.csv --output x", 3, "", "empty.csv");
    program_expect("cd $D && cp -r scored odd && sed -i 's/models.Normalize/models.LSTM/' odd/modules.json && " TRAIN "--model odd --train "
                   "pairs.csv --output x", 4, "", "modules.json: module 2, sentence_transformers.models.LSTM is not known here");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_recognised),     cmocka_unit_test(long_texts_are_a_decision), cmocka_unit_test(many_pairs_stay_pairs), cmocka_unit_test(lists_of_negatives_are_texts), cmocka_unit_test(few_rows_are_judged_out_of_fold),
        cmocka_unit_test(the_folder_is_one_of_sentence_transformers),
        cmocka_unit_test(pairs_are_answered_and_judged), cmocka_unit_test(numbers_of_pairs_are_judged), cmocka_unit_test(threads_do_not_show),
                    cmocka_unit_test(a_kill_does_not_show),               cmocka_unit_test(a_kill_does_not_show_behind_dense_layers),
        cmocka_unit_test(it_goes_on),                    cmocka_unit_test(what_cannot_be_is_said),
                  cmocka_unit_test(vectors_are_written),
        cmocka_unit_test(the_nearest_are_found),         cmocka_unit_test(what_cannot_be_found_is_said),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
