/* attune tokenize: from arguments, a file and standard input; tokens and numbers; for a person and for a program. */
#include "cli/program.h"

static void make_folder(void) {
    mkdir("tokenize-folder", 0777);
    program_write_file("tokenize-folder/tokenizer.json",
                       "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[{\"id\":1,\"content\":\"[S]\","
                       "\"special\":true}],\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"[S]\":1,\"good\":2,\"##ness\":3,\"day\":4,\",\":5}},"
                       "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[S]\",\"type_id\":0}},{\"Sequence\":"
                       "{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
                       "\"special_tokens\":{\"[S]\":{\"id\":\"[S]\",\"ids\":[1],\"tokens\":[\"[S]\"]}}}}");
    program_write_file("tokenize-folder/texts.csv", "text,label\n\"Goodness, day\",1\nday day day,2\nelf,3\n");
}

static void texts_are_shown_token_by_token(void **state) {
    (void)state;
    program_expect("$A tokenize --model tokenize-folder 'Goodness, day'", 0, "       3  ##ness                     4-8       ness\n", "");
    program_expect("$A tokenize --model tokenize-folder 'Goodness, day'", 0, "5 tokens\n       1  [S]", "");
    program_expect("$A tokenize --json --model tokenize-folder 'Goodness elf'", 0,
                   "\"ids\":[1,2,3,0],\"pieces\":[\"[S]\",\"good\",\"##ness\",\"[UNK]\"],\"offsets\":[[0,0],[0,4],[4,8],[9,12]]", "");
    program_expect("printf 'day\\nelf\\r\\n' | $A tokenize --no-special --json --model tokenize-folder", 0, "\"text\":\"elf\",\"text2\":null,\"n\":1", "");
    program_expect("printf 'day\\tgood\\n' | $A tokenize --pairs --json --model tokenize-folder", 0, "\"types\":[0,1]", "");
    program_expect("$A tokenize --max-length 3 --json --model tokenize-folder 'day day day'", 0, "\"n\":3,\"cut\":1", "");
}

static void a_file_is_put_into_numbers(void **state) {
    (void)state;
    program_expect("$A tokenize --stats --model tokenize-folder --input tokenize-folder/texts.csv", 0,
                   "texts         3, 6 words, 27 characters\npieces        8: 1.333 a word", "");
    program_expect("$A tokenize --stats --json --model tokenize-folder --input tokenize-folder/texts.csv", 0,
                   "\"unknown\":1,\"unknown_share\":0.125,\"lengths\":{\"mean\":3.66666", "");
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    program_expect("$A tokenize elf", 2, "", "error: --model is missing");
    program_expect("$A tokenize --model tokenize-folder --input tokenize-folder/texts.csv --text-column words", 2, "", "there is no column 'words'");
    program_expect("printf 'a\\n\\377\\n' | $A tokenize --model tokenize-folder", 3, "", "error: standard input:2: a text is not valid UTF-8");
    program_expect("$A tokenize --pairs --model tokenize-folder day", 3, "", "error: text:1: there is no tab");
}

static void a_conversation_is_shown_as_the_model_sees_it(void **state) {
    (void)state;
    unlink("tokenize-folder/chat_template.jinja");
    program_write_file("tokenize-folder/chat.json", "[{\"role\": \"user\", \"content\": \"good day\"}]");
    program_write_file("tokenize-folder/object.json", "{\"messages\": [{\"role\": \"user\", \"content\": \"day\"}], \"tools\": [{\"name\": \"f\"}], \"knob\": 3}");
    program_write_file("tokenize-folder/tools.json", "[{\"name\": \"g\"}]");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/chat.json", 4, "", "the model has no chat template");
    program_write_file("tokenize-folder/chat_template.jinja",
                       "[S]{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}{{ tools[0].name ~ knob }}{% endif %}{% if add_generation_prompt %},{% endif %}");
    program_write_file("tokenize-folder/tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}"); /* as transformers writes "none" */
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/chat.json", 0, "[S]good day\n3 tokens\n       1  [S]", "");
    unlink("tokenize-folder/tokenizer_config.json");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/chat.json --add-generation-prompt --json", 0, "\"text\":\"[S]good day,\"", "");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/object.json --json", 0, "\"text\":\"[S]dayf3\"", "");
    program_expect("$A tokenize --model tokenize-folder --chat - --tools tokenize-folder/tools.json < tokenize-folder/object.json", 0, "[S]dayg3\n", "");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/object.json 2>&1 | grep -c 'no place for tools'", 1, "0\n", "");
    program_expect("echo '[]' > tokenize-folder/none.json && $A tokenize --model tokenize-folder --chat tokenize-folder/chat.json --tools tokenize-folder/none.json 2>&1 "
                   "| grep -c 'no place for tools'", 1, "0\n", "");
    program_expect("$A tokenize --model tokenize-folder --tools tokenize-folder/tools.json day", 2, "", "--tools are for a conversation");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/chat.json --tools tokenize-folder/texts.csv", 3, "", "texts.csv");
    program_expect("echo '{}' > tokenize-folder/none.json && $A tokenize --model tokenize-folder --chat tokenize-folder/chat.json --tools tokenize-folder/none.json", 3,
                   "", "none.json: the tools are not a list");
    setenv("GGUFS", check_source("unit/data/gguf"), 1);
    program_expect("$A tokenize --model $GGUFS/talks.gguf --chat tokenize-folder/chat.json", 0, "good day", "");
    program_expect("$A tokenize --model $GGUFS/talks.gguf --chat tokenize-folder/chat.json --tools tokenize-folder/tools.json", 0, "good day",
                   "chat template has no place for tools");
    program_expect("$A tokenize --model $GGUFS/tiny.gguf --chat tokenize-folder/chat.json", 4, "", "has no chat template (tokenizer.chat_template)");
    program_expect("echo '{}' | $A tokenize --model tokenize-folder --chat -", 3, "", "error: -: there is no list of messages");
    program_expect("echo '[' | $A tokenize --model tokenize-folder --chat -", 3, "", "error: standard input:");
    program_expect("$A tokenize --model tokenize-folder --chat - --input x.csv", 2, "", "--chat and --input are both given");
    program_expect("$A tokenize --model tokenize-folder --chat tokenize-folder/chat.json day", 2, "", "--chat and texts are both given");
    program_expect("$A tokenize --model tokenize-folder --add-generation-prompt day", 2, "", "--add-generation-prompt ends a conversation");
}

int main(void) {
    make_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_shown_token_by_token),
        cmocka_unit_test(a_file_is_put_into_numbers),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_conversation_is_shown_as_the_model_sees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
