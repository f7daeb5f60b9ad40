/* Every family through the program: each method trains a classifier of it, the saved folder answers, and a training that was killed in the
 * middle ends as one that was not. The bodies are those of tests/golden/data, with a vocabulary of letters. */
#include "cli/same_run.h"

#define TRAIN "$A train --model family --train train.csv --eval dev.csv --num-train-epochs 1 --threads 2 --quiet --save-seconds 0 "

static const char *const FAMILY[] = {"roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert", "mpnet", "deberta-v2", "modernbert",
                                     "nomic_bert", "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "gemma2", "gemma3_text", "bart", "t5"};
enum { N_FAMILIES = sizeof FAMILY / sizeof *FAMILY };

/* $D/family is a model folder of the family, whose vocabulary has exactly the 31 tokens of the golden models. */
static void take_family(const char *name) {
    program_expect(line_of("cd $D && rm -rf family && mkdir family && cp %s/%s/{config.json,model.safetensors} family && cp model/tokenizer_config.json family && "
                           "printf '%%s\\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > family/vocab.txt", check_source("golden/data"), name), 0, "", "");
}

static void every_method_trains_every_family(void **state) {
    (void)state;
    static const char *const method[] = {"two-step", "head", "gradual"}; /* in full below */
    for (int f = 0; f < N_FAMILIES; f++) {
        take_family(FAMILY[f]);
        for (int m = 0; m < 3; m++)
            program_expect(line_of("cd $D && rm -rf out && " TRAIN "--method %s --output out && $A predict --model out --format jsonl 'a b c' && "
                                   "$A eval --model out test.csv && grep -q '\"fine\"' out/config.json", method[m]), 0, "accuracy", "");
        program_expect("cd $D && $A info out", 0, line_of("family      %s\n", FAMILY[f]), "");
    }
}

static void the_mean_of_the_tokens_serves_too(void **state) {
    (void)state;
    static const char *const some[] = {"mpnet", "modernbert", "llama"};
    for (int f = 0; f < 3; f++) {
        take_family(some[f]);
        program_expect("cd $D && rm -rf out && " TRAIN "--method head --head mean --output out && ls out/2_Dense && $A predict --model out 'a b c'", 0,
                       "model.safetensors", "");
    }
}

/* Killed half-way and three quarters of the way through its changes of the file system. */
static void a_killed_training_goes_on(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        take_family(FAMILY[f]);
        program_run run = program_shell("cd $D && rm -rf calm && KILL_COUNT=count LD_PRELOAD=$KILL_AT_LIBRARY " TRAIN "--method full --output calm > done.txt && "
                                        "$A predict --model calm 'a b c' > said && cat count");
        int changes = atoi(run.out);
        if (run.code || changes < 6) fail_msg("%s: exit code %d after %d changes: %s", FAMILY[f], run.code, changes, run.err);
        program_free(&run);
        for (int part = 2; part < 4; part++)
            program_expect(line_of(SAME "cd $D && rm -rf killed; { KILL_AT=%d LD_PRELOAD=$KILL_AT_LIBRARY " TRAIN "--method full --output killed; } 2> /dev/null; "
                                   "[ $? = 137 ] || exit 9; " TRAIN "--method full --output killed && same calm killed", changes * part / 4), 0, "", "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_trains_every_family),
        cmocka_unit_test(the_mean_of_the_tokens_serves_too),
        cmocka_unit_test(a_killed_training_goes_on),
    };
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
