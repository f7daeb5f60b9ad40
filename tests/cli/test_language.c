/* The task language from outside, on a tiny decoder in a GGUF file: it goes on learning, what comes of it is a model that others open. */
#include "cli/same_run.h"

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    setenv("TINY", check_source("unit/data/gguf/tiny.gguf"), 1);
    static const char *const says[] = {"Method: full (the body itself is what is trained", "Try: attune generate --model adapted ",
                                       "texts from column 'text'", NULL};
    return prepared("cd $D && cp $TINY tiny.gguf && for i in {1..40}; do echo 'the quick brown fox'; echo 'a b c d e f g h good'; echo; "
                    "done > texts.txt && $A train --model tiny.gguf --train texts.txt --task language --output adapted --folds 1 --epochs "
                    "3 --threads 2", says);
}

static void the_model_is_what_others_open(void **state) {
    (void)state;
    program_expect("cd $D && grep -c LlamaForCausalLM adapted/config.json", 0, "1\n", "");
    program_expect("cd $D && $A info adapted", 0, "task        language: ", "");
    program_expect("cd $D && $A eval --model adapted texts.txt", 0, "perplexity", "");
    program_expect("cd $D && grep '^pipeline_tag' adapted/README.md", 0, "pipeline_tag: text-generation", "");
    program_expect("cd $D && grep -c 'attune generate --model FOLDER \"a new text\"' adapted/README.md", 0, "1\n", "");
    program_expect("cd $D && $A generate --model adapted 'the quick' --max-new-tokens 3 --json | grep -c generated", 0, "1\n", "");
    program_expect("cd $D && $A export --model adapted --to gguf --type q8_0 --output adapted.gguf && $A eval --model adapted.gguf "
                   "texts.txt", 0, "perplexity", "");
}

/* It has learned: the loss of its texts is lower than before. */
static void it_has_learned(void **state) {
    (void)state;
    program_expect("cd $D && for m in tiny.gguf adapted; do $A predict --model $m --format jsonl 'the quick brown fox' | sed "
                   "'s/.*\"loss\": \\([0-9.]*\\).*/\\1/'; done | sort -c -r -g", 0, "", "");
}

/* Every token but the first is predicted exactly once, whatever the windows. */
static void long_texts_lose_no_token(void **state) {
    (void)state;
    program_expect("cd $D && yes 'the quick brown fox a b c' | head -9 | tr '\\n' ' ' > long.txt && for o in '8' '9 --stride 4' '13' '60'; "
                   "do $A eval --model adapted long.txt --max-length $o --output e > /dev/null && grep eval_tokens e/eval_results.json; "
                   "done | sort -u | wc -l", 0, "1\n", "");
    program_expect("cd $D && $A eval --model adapted long.txt --max-length 8 --stride 8", 2, "", "--stride has to be less than "
                   "--max-length");
}

static void a_text_has_its_perplexity(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model adapted --format jsonl 'the quick brown fox' 'a' > told && grep -c '\"loss\": "
                   ".*\"perplexity\": .*\"tokens\": ' told", 0, "2\n", "");
}

static void threads_do_not_show(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model tiny.gguf --train texts.txt --task language --output one --folds 1 --epochs 3 --threads 1 "
                   "--quiet && cmp one/model.safetensors adapted/model.safetensors", 0, "", "");
}

static void a_kill_does_not_show(void **state) {
    (void)state;
    kills_do_not_show("$A train --model tiny.gguf --train texts.txt --eval texts.txt --task language --epochs 2 --save-seconds 0 --threads "
                      "2 --quiet --output ", 3, 5);
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model tiny.gguf --train texts.txt --task language --method head --output x", 2, "",
                   "--method head: the task language trains the body itself, with --method full");
    program_expect("cd $D && $A train --model model --train texts.txt --task language --output x", 2, "",
                   "the task language is for decoders; a bert does not go on with a text");
    program_expect("cd $D && printf 'text,text2\\na b,c d\\n' > two.csv && $A train --model tiny.gguf --train two.csv --text2-column text2 "
                   "--task language --output x", 2, "", "reads one text a row");
    program_expect("cd $D && $A export --model adapted --to onnx --output x.onnx", 2, "", "ONNX of a llama with the head 'lm' is not "
                   "written");
    program_expect("cd $D && printf 'the quick fox\\nbrown a b c\\n' > two.txt && $A check --train two.txt --task language", 0, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_is_what_others_open), cmocka_unit_test(it_has_learned),       cmocka_unit_test(long_texts_lose_no_token),
        cmocka_unit_test(a_text_has_its_perplexity),
        cmocka_unit_test(threads_do_not_show),           cmocka_unit_test(a_kill_does_not_show), cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
