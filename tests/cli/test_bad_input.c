/* What a person may give that is wrong: the exit code, the sentence, within a second of processor time, and no trace in the output folder. */
#include <jansson.h>

#include "tiny_rows.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#define SECONDS "10"
#else
enum { SANITIZED = 0 };
#define SECONDS "1"
#endif

typedef struct mistake {
    const char *make;    /* shell, in a folder with a good model/ and rows.csv, dev.csv */
    const char *options; /* further options of the training */
    int code;
    const char *says;    /* part of standard error */
} mistake;

static void expect_mistake(const mistake *m) {
    char line[4096];
    snprintf(line, sizeof line,
             "cd $D && rm -rf work && mkdir work && cp -r model dev.csv work && cp train.csv work/rows.csv && cd work && { %s; } && ulimit -t " SECONDS
             " && $A train --model model --train rows.csv --output out %s; code=$?; ls -A out 2> /dev/null; exit $code",
             m->make, m->options);
    program_run run = program_shell(line);
    if (run.code != m->code || !strstr(run.err, m->says) || strncmp(run.err, "error: ", 7) || strstr(run.out, "attune_run.json"))
        fail_msg("%s: exit code %d, expected %d and \"%s\":\n%s%s", line, run.code, m->code, m->says, run.out, run.err);
    program_free(&run);
}

#define EXPECT_ALL(list)                                                 \
    do {                                                                 \
        for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++) expect_mistake(&(list)[i_]); \
    } while (0)

static void data(void **state) {
    (void)state;
    static const mistake LIST[] = {
        {"rm rows.csv", "", 3, "error: rows.csv: cannot open: No such file"},
        {"rm rows.csv; mkdir rows.csv", "", 3, "error: rows.csv: cannot read: Is a directory"},
        {": > rows.csv", "", 3, "rows.csv: the file is empty"},
        {"echo text,label > rows.csv", "", 3, "rows.csv: only a header, no rows"},
        {"sed -i 1s/text/txet/ rows.csv", "--text-column text", 2, "there is no column 'text'; the columns are txet, label. Did you mean 'txet'?"},
        {"true", "--label-column lable", 2, "Did you mean 'label'?"},
        {"echo a,fine,3 >> rows.csv", "", 3, "rows.csv:62: 3 fields, the header has 2 (text, label); a text with a comma must stand in double quotes"},
        {"echo a >> rows.csv", "", 3, "rows.csv:62: 1 field, the header has 2"},
        {"printf '\"a,fine\\nb,poor\\n' >> rows.csv", "", 3, "rows.csv:62: field 1: the quote that opens here is never closed"},
        {"echo '\"a\"b,fine' >> rows.csv", "", 3, "rows.csv:62: field 1: text after the closing quote"},
        {"printf 'a\\xff,fine\\n' >> rows.csv", "", 3, "rows.csv:62: byte 2 of the line (0xff) is not valid UTF-8"},
        {"printf 'a\\0b,fine\\n' >> rows.csv", "", 3, "rows.csv:62: byte 2 of the line is NUL"},
        {"echo ',fine' >> rows.csv", "", 3, "rows.csv:62: the text (column 'text') is empty"},
        {"echo '  ,fine' >> rows.csv", "", 3, "rows.csv:62: the text (column 'text') is empty"},
        {"echo $'\xc2\xa0\xe2\x80\xaf,fine' >> rows.csv", "", 3, "rows.csv:62: the text (column 'text') is empty"},
        {"echo 'a b,' >> rows.csv", "", 3, "rows.csv:62: the label (column 'label') is empty"},
        {"sed -i s/poor/fine/ rows.csv", "", 3, "rows.csv: every row has the label 'fine'"},
        {"printf 'text,label\\na,fine\\nb,poor\\nc,good\\n' > rows.csv", "", 3, "3 examples for 3 different labels"},
        {"sed -i 5s/fine/fien/ dev.csv; sed -i 5s/poor/poro/ dev.csv", "--eval dev.csv", 3, "dev.csv:5: label '"},
        {"sed -i s/fine/fien/ dev.csv", "--eval dev.csv", 3, "label 'fien' is not one of fine, poor. Did you mean 'fine'?"},
        {"sed -i s/fine/fien/ dev.csv", "--test dev.csv", 3, "label 'fien' is not one of fine, poor. Did you mean 'fine'?"},
        {"echo '{\"text\": \"a\", \"label\": }' > rows.jsonl", "--train rows.jsonl", 3, "rows.jsonl:1"},
    };
    EXPECT_ALL(LIST);
}

static void settings(void **state) {
    (void)state;
    static const mistake LIST[] = {
        {"true", "--learning-rat 1", 2, "unknown setting 'learning-rat'. Did you mean 'learning_rate'?"},
        {"printf 'seed: 1\\nlearning_rat: 1\\n' > run.yaml", "--config run.yaml", 2, "run.yaml:2:1: unknown setting 'learning_rat'. Did you mean 'learning_rate'?"},
        {"printf 'seed: [1\\n' > run.yaml", "--config run.yaml", 2, "run.yaml:"},
        {"true", "--method twostep", 2, "method: 'twostep' is not one of two-step, head, full, gradual. Did you mean 'two-step'?"},
        {"true", "--max-length 999", 2, "--max-length 999 is more than the 16 positions of the model"},
        {"true", "--class-weights fien=2", 2, "Did you mean 'fine'?"},
        {"true", "--freeze layers:0-7", 2, "the model's layers are 0 to 1"},
        {"mkdir out; echo 1 > out/mine", "", 2, "out: holds something else (mine ...)"},
        {"true", "--output /proc/out", 5, "/proc/out: cannot make the folder"},
    };
    EXPECT_ALL(LIST);
}

#define WEIGHTS "model/model.safetensors"
#define POKE(bytes) "printf '" bytes "' | dd of=" WEIGHTS " bs=1 seek=$(($(stat -c %s " WEIGHTS ") - 4000)) conv=notrunc status=none"

static void models(void **state) {
    (void)state;
    static const mistake LIST[] = {
        {"rm -r model", "", 4, "'model' is neither a folder nor a model in the cache"},
        {"rm model/config.json", "", 4, "model: not a model folder: it has no config.json"},
        {"rm model/vocab.txt", "", 4, "model: neither tokenizer.json, nor tokenizer.model (spiece.model, sentencepiece.model, sentencepiece.bpe.model, spm.model), nor vocab.json with merges.txt, nor vocab.txt is there"},
        {"rm " WEIGHTS, "", 4, "model: no weights: neither model.safetensors nor"},
        {"truncate -s 40000 " WEIGHTS, "", 4, "model.safetensors: truncated: tensor 'bert."},
        {"truncate -s 100 " WEIGHTS, "", 4, "truncated: the header claims"},
        {"truncate -s 0 " WEIGHTS, "", 4, "truncated: 0 bytes"},
        {"truncate -s +4 " WEIGHTS, "", 4, "model.safetensors: "},
        {"printf '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff' | dd of=" WEIGHTS " conv=notrunc status=none", "", 4, "model.safetensors: "},
        {"LC_ALL=C sed -i 1s/F32/F99/ " WEIGHTS, "", 4, "dtype 'F99' is not one of"},
        {POKE("\\x00\\x00\\xc0\\x7f"), "", 4, "is not a number (NaN); the weights are damaged"},
        {POKE("\\x00\\x00\\x80\\x7f"), "", 4, "is infinite; the weights are damaged"},
        {"sed -i 's/\"intermediate_size\": 48/\"intermediate_size\": 64/' model/config.json", "", 4, "is [48, 32], but config.json asks for [64, 32]"},
        {"sed -i 's/\"vocab_size\": 40/\"vocab_size\": 41/' model/config.json", "", 4, "is [40, 32], but config.json asks for [41, 32]"},
        {"sed -i 's/\"hidden_size\": 32/\"hidden_size\": 2000000000/' model/config.json", "", 4, "'hidden_size' is 2000000000, not a whole number from 1 to 65536"},
        {"sed -i 's/\"vocab_size\": 40/\"vocab_size\": 99999999999999/' model/config.json", "", 4, "'vocab_size' is 99999999999999"},
        {"sed -i 's/\"num_hidden_layers\": 2/\"num_hidden_layers\": 1000/' model/config.json", "", 4, "model: the weights have no tensor encoder.layer.2."},
        {"sed -i 's/\"num_hidden_layers\": 2/\"num_hidden_layers\": -1/' model/config.json", "", 4, "'num_hidden_layers' is -1"},
        {"sed -i 's/\"num_attention_heads\": 4/\"num_attention_heads\": 5/' model/config.json", "", 4, "'hidden_size' 32 is not a multiple of 'num_attention_heads' 5"},
        {"sed -i 's/\"model_type\": \"bert\"/\"model_type\": \"rwkv\"/' model/config.json", "", 4, "model_type 'rwkv' is not one that attune knows: bert"},
        {"sed -i 's/\"model_type\"/\"quantization_config\": {\"quant_method\": \"gptq\"}, \"model_type\"/' model/config.json", "", 4, "packed by 'gptq' (quantization_config)"},
        {"echo '{' > model/config.json", "", 4, "model/config.json:2:0: not valid JSON"},
        {"rm " WEIGHTS "; echo x > model/pytorch_model.bin", "", 4, "only the pickle pytorch_model.bin, which can run code when it is opened; attune does not read it. Convert it once"},
        {"printf 'PK\\3\\4aaaaaaaaaaaaaaaaaaaa' > " WEIGHTS, "", 4, "not a safetensors file but a PyTorch pickle"},
        {"yes x | head -5 > model/vocab.txt", "", 4, "vocab.txt"},
    };
    EXPECT_ALL(LIST);
}

static void the_other_commands_say_the_same(void **state) {
    (void)state;
    program_expect("cd $D && rm -rf m && cp -r model m && truncate -s 40000 m/model.safetensors && $A predict --model m good", 4, "", "model.safetensors: truncated");
    program_expect("cd $D && $A eval --model m dev.csv", 4, "", "model.safetensors: truncated");
    program_expect("cd $D && mkdir bare && cp model/config.json model/model.safetensors bare && $A info bare", 0, "tokenizer   none: the folder lacks a tokenizer.json", "");
    program_expect("cd $D && $A info bare | grep '^to train' > bare.txt && $A info model | grep '^to train' | cmp -n 20 - bare.txt && $A info bare --json", 0, "\"tokenizer\":false", "");
    program_expect("cd $D && $A info model --json", 0, "\"tokenizer\":true", "");
    program_expect("cd $D && echo '{' > bare/tokenizer.json && $A info bare", 4, "", "tokenizer.json");
    program_expect("cd $D && rm m/model.safetensors && touch m/pytorch_model.bin && $A info m", 4, "", "only the pickle pytorch_model.bin");
    program_expect("cd $D && sed 's/\"bert\"/\"mamba\"/' model/config.json > m/config.json && $A info m", 4, "", "model_type 'mamba' is not one that attune knows: bert");
}

static void a_file_without_labels_is_told_so(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --method head --quiet --output judge && cut -d, -f1 train.csv > bare.csv && $A eval --model judge bare.csv", 2, "",
                   "error: bare.csv: no column holds the label; name it with --label-column");
    program_expect("cd $D && printf 'text\ngood\nbad\n' > bare.csv && $A check bare.csv", 0, "nothing found, but there are no labels to train on", "");
    program_expect("cd $D && $A check bare.csv --task mask", 0, "nothing found, ready to train on", "");
}

/* The disk is full as the limit on file sizes makes it: nothing of the model is left by half, and with room the command goes on to the
 * same end. */
static void a_full_disk(void **state) {
    (void)state;
    static const char TRAIN[] = "$A train --model model --train train.csv --method full --num-train-epochs 2 --save-seconds 1e-6 --output";
    char line[4096];
    program_expect("cd $D && { (ulimit -f 0; $A train --model model --train train.csv --quiet --output none 2>&1); echo code $?; ls -A none; } | cat", 0,
                   "error: none/attune_run.json: cannot write: File too large\ncode 5\n", "");
    program_expect("ls -A $D/none | grep .", 1, "", "");
    snprintf(line, sizeof line, "cd $D && { (ulimit -f 16; %s full; echo code $?); echo $(ls -A full); }", TRAIN);
    program_run run = program_shell(line);
    if (!strstr(run.out, "code 5\n") || !strstr(run.err, "full/model.safetensors: cannot write: File too large")) fail_msg("%s%s", run.out, run.err);
    if (!strstr(run.out, "warning: no checkpoint of step 1: ") || !strstr(run.out, "the training goes on")) fail_msg("%s", run.out);
    if (!strstr(run.out, "\nattune_run.json work\n")) fail_msg("%s", run.out);
    program_free(&run);
    snprintf(line, sizeof line, "cd $D && %s full --quiet && %s room --quiet && cmp full/model.safetensors room/model.safetensors", TRAIN, TRAIN);
    program_expect(line, 0, "", "");
    program_expect("cd $D && $A train --model model --train train.csv --output lost --method head > /dev/full", 5, "", "error: cannot write to standard output");
}

static void a_rate_that_diverges(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --output wild --method full --learning-rate 10 --max-grad-norm 0 --warmup-ratio 0 --max-steps 300 > log", 8, "",
                   "error: the training diverged: 3 steps in a row were not finite");
    program_expect("cd $D && cat log", 0, "was not taken: loss", "");
    program_expect("ls -A $D/wild/model.safetensors", 2, "", "");
}

/* ---- too little memory ---- */

/* A vocabulary of a million, whose table is a hole in the file: 128 MB of weights, which take three times that to train. */
static void make_wide_model(void) {
    enum { ROWS = 1000000, WIDTH = 32 };
    static const char TABLE[] = "bert.embeddings.word_embeddings.weight";
    program_expect("cd $D && rm -rf wide && cp -r model wide && sed -i 's/\"vocab_size\": 40/\"vocab_size\": 1000000/' wide/config.json", 0, "", "");
    char path[4200];
    uint64_t length;
    snprintf(path, sizeof path, "%s/wide/model.safetensors", getenv("D"));
    char *bytes = program_read_file(path);
    memcpy(&length, bytes, 8);
    json_t *header = json_loadb(bytes + 8, length, 0, NULL), *value;
    const char *name;
    char *data = bytes + 8 + length, *moved = malloc(1 << 20);
    json_int_t at = 0;
    json_object_foreach(header, name, value) {
        json_t *ends = json_object_get(value, "data_offsets");
        json_int_t from = json_integer_value(json_array_get(ends, 0)), size = json_integer_value(json_array_get(ends, 1)) - from;
        if (!ends || !strcmp(name, TABLE)) continue;
        memcpy(moved + at, data + from, (size_t)size);
        json_object_set_new(value, "data_offsets", json_pack("[I, I]", at, at + size));
        at += size;
    }
    value = json_object_get(header, TABLE);
    assert_non_null(value);
    json_object_set_new(value, "shape", json_pack("[i, i]", ROWS, WIDTH));
    json_object_set_new(value, "data_offsets", json_pack("[I, I]", at, at + (json_int_t)ROWS * WIDTH * 4));
    char *text = json_dumps(header, JSON_COMPACT);
    length = strlen(text);
    FILE *file = fopen(path, "wb");
    fwrite(&length, 8, 1, file);
    fwrite(text, 1, length, file);
    fwrite(moved, 1, (size_t)at, file);
    fclose(file);
    assert_int_equal(truncate(path, (off_t)(8 + length) + at + (off_t)ROWS * WIDTH * 4), 0);
    free(text);
    free(moved);
    free(bytes);
    json_decref(header);
}

static void too_little_memory_is_told_before_step_1(void **state) {
    (void)state;
    if (SANITIZED) return; /* they take all addresses there are */
    make_wide_model();
#define TIGHT "cd $D && ulimit -v 360000 && $A train --model wide --train train.csv --threads 1 "
    program_expect(TIGHT "--method full --output tight; c=$?; ls tight; exit $c", 7, "", "error: the training would take ");
    program_expect(TIGHT "--method full --output tight", 7, "", " MB are free. What fits: --freeze embeddings (2");
    program_expect(TIGHT "--method full --output tight --freeze embeddings --max-steps 4 --quiet", 0, "Done", "");
    program_run run = program_shell(TIGHT "--output tight2; c=$?; ls tight2; exit $c"); /* two-step: before the features are computed */
    if (run.code != 7 || strstr(run.out, "Step 1") || !strstr(run.err, "What fits: --method head") || !strstr(run.err, "No such file"))
        fail_msg("%d\n%s%s", run.code, run.out, run.err);
    program_free(&run);
    program_expect(TIGHT "--output tight2 --method head --quiet", 0, "Done", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data),
        cmocka_unit_test(settings),
        cmocka_unit_test(models),
        cmocka_unit_test(the_other_commands_say_the_same),
        cmocka_unit_test(a_file_without_labels_is_told_so),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_rate_that_diverges),
        cmocka_unit_test(too_little_memory_is_told_before_step_1),
    };
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
