/* attune generate: a GGUF file from prompt to text, streaming, stop texts, seeds; export to GGUF and back; info of a GGUF file. */
#include "cli/program.h"

#include "base/file.h"

static void make_folder(void) {
    at_error err;
    mkdir("generate-folder", 0777);
    check_ok(at_file_copy(check_source("unit/data/gguf/tiny.gguf"), "generate-folder/tiny.gguf", &err), &err);
    check_ok(at_file_copy(check_source("unit/data/gguf/talks.gguf"), "generate-folder/talks.gguf", &err), &err);
    program_write_file("generate-folder/prompt.txt", "the quick brown fox\n");
    program_write_file("generate-folder/broken.gguf", "GGUF");
}

#define TINY "$A generate --model generate-folder/tiny.gguf --max-new-tokens 12 "

/* What transformers adds to it, reading the same file (unit/data/gguf/tiny.json). */
#define IDS "\"ids\":[44,138,372,302,9,372,357,34,251,279,50,188]"

static void a_prompt_is_continued(void **state) {
    (void)state;
    program_expect(TINY "--json 'the quick brown fox'", 0, IDS, "");
    program_expect(TINY "--json --threads 1 --input generate-folder/prompt.txt", 0, IDS, "");
    program_expect("printf 'the quick brown fox' | " TINY "--json --threads 3", 0, IDS, "");
    program_expect(TINY "--json 'the quick brown fox'", 0, "\"prompt_tokens\":4,\"tokens\":12,\"finish\":\"length\"", "");
    program_expect(TINY "'the quick brown fox'", 0, "", "12 tokens behind 4");
    program_expect("$A generate --model generate-folder/tiny.gguf --max-new-tokens 1000 --json 'the quick brown fox'", 0, "\"prompt_tokens\":4,\"tokens\":60", "");
}

/* Biases of the queries, which a LLaMA has where its config says so. */
static void tensors_that_the_config_has_no_place_for_are_told(void **state) {
    (void)state;
    at_error err;
    check_ok(at_folder_make("generate-folder/biased", &err), &err);
    check_ok(at_file_copy(check_source("golden/data/qwen2-plain/model.safetensors"), "generate-folder/biased/model.safetensors", &err), &err);
    check_ok(at_file_copy(check_source("golden/data/qwen2-plain/config.json"), "generate-folder/biased/config.json", &err), &err);
    program_expect("$A info generate-folder/biased 2>&1 | grep -c 'left out'", 1, "0\n", "");
    program_expect("sed -i 's/qwen2/llama/; /sliding_window/d; /max_window_layers/d; /layer_types/,/]/d' generate-folder/biased/config.json", 0, "", "");
    program_expect("$A info generate-folder/biased", 0, "6 tensors of the blocks are no part of the model that config.json describes", "");
    program_expect("$A info generate-folder/biased", 0, "model.layers.0.self_attn.k_proj.bias", "");
}

static void stop_texts_are_not_told(void **state) {
    (void)state;
    program_expect(TINY "--json 'the quick brown fox' > generate-folder/all", 0, "", "");
    program_expect(TINY "--json --stop '[\"zzzz\", \"J\"]' 'the quick brown fox'", 0, "\"finish\":", "");
    program_expect(TINY "--json --stop gr --stop zzzz 'the quick brown fox'", 0, "\"finish\":\"stop\"", "");

    program_expect(TINY "--stop '[1]' x", 2, "", "error: --stop: a text, or a JSON list of texts");
    program_expect(TINY "--stop '[\"a\"' x", 2, "", "error: --stop");
}

static void equal_seeds_give_equal_texts(void **state) {
    (void)state;
    program_expect(TINY "--top-k 40 --seed 5 --quiet 'the' > generate-folder/a; " TINY "--top-k 40 --seed 5 --threads 1 --quiet 'the' > generate-folder/b; "
                   "cmp generate-folder/a generate-folder/b && echo same", 0, "same", "");
    program_expect(TINY "--temperature 1.5 --seed 6 --quiet 'the' > generate-folder/b; cmp -s generate-folder/a generate-folder/b || echo other", 0, "other", "");
}

static void a_file_goes_out_and_comes_back(void **state) {
    (void)state;
    static const char *const TYPES[] = {"f32", "q8_0"};
    char line[512];
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "$A export --to gguf --type %s --model generate-folder/tiny.gguf --output generate-folder/%s.gguf", TYPES[i], TYPES[i]);
        program_expect(line, 0, "wrote", "");
        snprintf(line, sizeof line, "$A generate --model generate-folder/%s.gguf --max-new-tokens 12 --json 'the quick brown fox'", TYPES[i]);
        program_expect(line, 0, IDS, "");
    }
    program_expect("$A export --to gguf --type q4_0 --model generate-folder/tiny.gguf --output x.gguf", 2, "", "is not one of");
}

/* The folder's template, which is nothing but the words, gives what the words alone give. */
static void a_conversation_is_answered(void **state) {
    (void)state;
    program_write_file("generate-folder/chat.json", "[{\"role\": \"user\", \"content\": \"the quick brown fox\"}]");
    program_expect(TINY "--ask 'the quick brown fox'", 4, "", "has no chat template");
    program_expect("$A generate --model generate-folder/talks.gguf --max-new-tokens 12 --json --ask 'quick brown'", 0, IDS, "");
    program_expect("$A generate --model generate-folder/talks.gguf --max-new-tokens 12 --json --chat generate-folder/chat.json", 0, "\"prompt_tokens\"", "");
    program_expect(TINY "--chat a --input b", 2, "", "both given");
    program_expect(TINY "--chat a 'the quick'", 2, "", "--chat and prompts are both given");
    program_write_file("generate-folder/tools.json", "[{\"name\": \"g\"}]");
    program_expect("$A generate --model generate-folder/talks.gguf --max-new-tokens 12 --tools generate-folder/tools.json --ask 'quick brown'", 0, "",
                   "chat template has no place for tools");
    program_expect(TINY "--tools generate-folder/tools.json elf", 2, "", "--tools are for a conversation");
}

static void a_file_is_described(void **state) {
    (void)state;
    program_expect("$A info generate-folder/tiny.gguf", 0, "family      llama", "");
    program_expect("$A info generate-folder/tiny.gguf", 0, "language model", "");
    setenv("GGUFS", check_source("unit/data/gguf"), 1);
    program_expect("$A info $GGUFS/model-llama-3.gguf", 0, "tokenizer   none: the file has no vocabulary (tokenizer.ggml.tokens)", "");
    program_expect("$A info generate-folder/tiny.gguf | grep -c '^tokenizer'", 1, "0\n", "");
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    program_expect("$A generate elf", 2, "", "error: --model is missing");
    program_expect("$A generate --model generate-folder/broken.gguf elf", 4, "", "generate-folder/broken.gguf: byte 4: truncated");
    program_expect("printf '\\377' | " TINY, 3, "", "error: standard input: byte 1 is not valid UTF-8");
    program_expect(TINY "''", 0, "", "tokens behind 1"); /* begins with the model's first token */
    program_expect(": > generate-folder/empty.gguf && $A generate --model generate-folder/empty.gguf elf", 4, "", "generate-folder/empty.gguf: ");
    program_expect("echo GGUX > generate-folder/other.gguf && $A info generate-folder/other.gguf", 4, "", "other.gguf: not a GGUF file");
    program_expect("head -c -64 generate-folder/tiny.gguf > generate-folder/cut.gguf && $A info generate-folder/cut.gguf", 4, "", "incomplete; fetch the file again");
    program_expect("echo '[1]' > generate-folder/odd.json && $A generate --model generate-folder/talks.gguf --chat generate-folder/odd.json", 3, "",
                   "odd.json: message 1 is not an object");
    program_expect(TINY "--temperature -1 elf", 2, "", "out of bounds");
}

int main(void) {
    make_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_continued), cmocka_unit_test(tensors_that_the_config_has_no_place_for_are_told),
        cmocka_unit_test(stop_texts_are_not_told),
        cmocka_unit_test(equal_seeds_give_equal_texts),
        cmocka_unit_test(a_file_goes_out_and_comes_back),
        cmocka_unit_test(a_conversation_is_answered),
        cmocka_unit_test(a_file_is_described),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
