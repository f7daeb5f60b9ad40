/* Masked language from outside, on the tiny model: a body is fitted to texts, what comes of it is a model that others open, and a body
 * again. */
#include "cli/same_run.h"

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    static const char *const says[] = {"Method: full (the body itself is what is trained",
                                       "texts from column 'text'", "Try: attune predict --model adapted \"a new [MASK]\"\n", NULL};
    return prepared("cd $D && for i in {1..80}; do echo 'a b c d e f g h good'; echo 'bad x y z w v u t s'; echo; done > texts.txt && "
                    "$A train --model model --train texts.txt --task mask --output adapted --folds 1 --epochs 3 --threads 2",
                    says);
}

static void the_model_is_what_others_open(void **state) {
    (void)state;
    program_expect("cd $D && grep -c BertForMaskedLM adapted/config.json", 0, "1\n", "");
    program_expect("cd $D && for n in cls.predictions.bias cls.predictions.transform.dense.weight cls.predictions.transform.LayerNorm.bias "
                   "bert.embeddings.word_embeddings.weight; do grep -qa \"\\\"$n\\\"\" adapted/model.safetensors || exit 1; done; ! grep "
                   "-qa decoder adapted/model.safetensors", 0, "", "");
    program_expect("cd $D && $A info adapted", 0, "task        mask: ", "");
    program_expect("cd $D && $A eval --model adapted texts.txt", 0, "perplexity", "");
    program_expect("cd $D && grep '^pipeline_tag' adapted/README.md", 0, "pipeline_tag: fill-mask", "");
    program_expect("cd $D && grep -cF -e 'attune predict --model FOLDER \"a new [MASK]\"' -e 'print(model(\"a new [MASK]\"))' adapted/README.md", 0, "2\n", "");
}

/* Parts of at most 16 tokens with [CLS] and [SEP]: 14 words each. */
static void long_texts_are_read_whole(void **state) {
    (void)state;
    program_expect("cd $D && yes 'a b c d e f g' | head -20 | tr '\\n' ' ' > long.txt && $A eval --model adapted long.txt --output e && "
                   "grep eval_samples e/eval_results.json", 0, "\"eval_samples\": 10", "");
    program_expect("cd $D && sed 's/[dg]/[MASK]/g' long.txt > holes.txt && $A predict --model adapted --input holes.txt --format jsonl | "
                   "grep -o probability | wc -l", 0, "200\n", "");
    /* pairs too: [CLS] 70 words [SEP] 70 words [SEP] are 11 parts of at most 14 */
    program_expect("cd $D && (echo sentence1,sentence2; echo \"$(yes 'a b c d e f g' | head -10 | tr '\\n' ' '),$(yes 'a b c d e f g' | head -10 | tr '\\n' ' ')\") > both.csv && "
                   "$A eval --model adapted both.csv --output e2 && grep eval_samples e2/eval_results.json", 0, "\"eval_samples\": 11", "");
    program_expect("cd $D && $A train --model model --train both.csv --task mask --output x --dry-run 2>&1", 0, "texts from column 'sentence1' and 'sentence2'", "");
    program_expect("cd $D && ! $A train --model model --train both.csv --task mask --output x --dry-run 2>&1 | grep -q 'lose their'", 0, "", "");
}

/* A folder without a head for hidden words: what that means is said, and small texts are seen more often. Not where the head is there. */
static void a_new_head_is_said(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --output x --dry-run", 0,
                   "Head: the folder has none for the task mask; a new one begins from nothing and learns first", "");
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --output x --dry-run", 0, "12 epochs, 180 steps; more than usual, for the head is new", "");
    program_expect("cd $D && $A train --model adapted --train texts.txt --task mask --output x --dry-run | grep -c 'begins from nothing\\|head is new'", 1, "0\n", "");
}

static void it_is_a_body_for_a_task(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model adapted --train rows.csv --task classify --output after --folds 1 --epochs 1 --quiet && grep "
                   "-c BertForSequenceClassification after/config.json", 0, "1\n", "");
    program_expect("cd $D && $A predict --model after good", 0, "class", "");
}

static void it_fills_masks(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model adapted --format jsonl 'a b [MASK] d [MASK]' 'a b' > filled && grep -o probability filled "
                   "| wc -l", 0, "10\n", "");
    program_expect("cd $D && sed -n 2p filled", 0, "{\"text\": \"a b\", \"tokens\": [], \"candidates\": []}\n", "");
    program_expect("cd $D && $A predict --model adapted 'a b [MASK] d' 'a b' 2>&1 >/dev/null | grep -c '1 of 2 texts had no answer: without the mask token'", 0, "1\n", "");
    program_expect("cd $D && $A predict --model adapted 'a b [MASK] d' 2>&1 >/dev/null | grep -c 'no answer'", 1, "0\n", "");
}

/* Masks are drawn by step and sequence: threads and a stop change no bit; another seed does. */
static void threads_do_not_show(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --output one --folds 1 --epochs 3 --threads 1 --quiet && "
                   "cmp one/model.safetensors adapted/model.safetensors", 0, "", "");
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --output other --folds 1 --epochs 3 --seed 7 --quiet && "
                   "cmp -s other/model.safetensors adapted/model.safetensors", 1, "", "");
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --whole-word --output words --folds 1 --epochs 3 --quiet "
                   "&& grep -A3 '\"attune\"' words/config.json", 0, "\"whole_word\": true", "");
}

/* It goes on with the masks that it would have had. */
static void a_kill_does_not_show(void **state) {
    (void)state;
    kills_do_not_show("$A train --model model --train texts.txt --eval texts.txt --task mask --epochs 3 --save-seconds 0 --threads 2 "
                      "--quiet --output ", 4, 6);
}

static void its_own_head_goes_on(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model adapted --train rows.csv --task mask --output on --folds 1 --epochs 1", 0,
                   "own head goes on learning", "");
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --method head --output x", 2, "",
                   "--method head: the task mask trains the body itself, with --method full");
    program_expect("cd $D && $A train --model model --train texts.txt --task mask --head mean --output x", 2, "",
                   "--head mean: the task mask has the head mask");
    program_expect("cd $D && cp -r model none && sed -i 's/^.MASK.$/[OTHER]/' none/vocab.txt && $A train --model none --train texts.txt "
                   "--task mask --output x", 4, "", "the model knows 40 tokens");
    program_expect("cd $D && $A train --model model --train texts.txt --input-format lines --output x", 2, "", "texts.txt: texts without labels; to make a body used to them: --task mask");
    program_expect("cd $D && $A predict --model model --head mask good", 2, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_is_what_others_open), cmocka_unit_test(a_new_head_is_said), cmocka_unit_test(it_is_a_body_for_a_task),
        cmocka_unit_test(long_texts_are_read_whole), cmocka_unit_test(it_fills_masks),
        cmocka_unit_test(threads_do_not_show),           cmocka_unit_test(a_kill_does_not_show),    cmocka_unit_test(its_own_head_goes_on),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
