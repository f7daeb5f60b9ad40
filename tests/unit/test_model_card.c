#include "check.h"

#include <yaml.h>

#include "report/model_card.h"

static const at_card_label LABELS[] = {{"negative", 120}, {"a|b", 7}};
static const at_card_metric METRICS[] = {{"accuracy", 0.9125, 0.8701, 0.9423}, {"matthews_correlation", 0.8, NAN, NAN}};
static const at_card_setting SETTINGS[] = {{"learning_rate", "2e-05"}, {"seed", "42"}};
static const char *const NOTES[] = {"Step 2 did not beat step 1."};

static at_card whole_card(void) {
    return (at_card){.folder = "/home/somebody/runs/mood/", .base = "org/body-6", .family = "bert", .n_parameters = 22700000, .max_tokens = 256, .head = "pooler",
                     .label = LABELS, .n_labels = 2, .train_file = "/home/somebody/data/train.csv", .n_train = 127, .method = "two-step",
                     .setting = SETTINGS, .n_settings = 2, .judging = AT_CARD_JUDGED_FOLDS, .eval = {"/home/somebody/data/train.csv", 127, METRICS, 2},
                     .test = {"/home/somebody/data/test.csv", 240, METRICS, 1}, .note = NOTES, .n_notes = 1};
}

static char *card_text(const at_card *card, at_arena *arena) {
    at_error err;
    char *text = NULL;
    check_ok(at_model_card(card, arena, &text, &err), &err);
    return text;
}

static void expect(const char *text, const char *words) {
    if (!strstr(text, words)) fail_msg("the card does not say \"%s\":\n%s", words, text);
}

/* The front matter as a YAML reader sees it: the text of all its scalars, a newline behind each. */
static void read_front(const char *card, char *scalars, size_t size) {
    yaml_parser_t parser;
    yaml_token_t token;
    const char *end = strstr(card + 4, "\n---\n");
    int done = 0;
    assert_true(!strncmp(card, "---\n", 4) && end);
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)card + 4, (size_t)(end + 1 - card - 4));
    *scalars = '\0';
    while (!done) {
        assert_true(yaml_parser_scan(&parser, &token));
        done = token.type == YAML_STREAM_END_TOKEN;
        if (token.type == YAML_SCALAR_TOKEN)
            snprintf(scalars + strlen(scalars), size - strlen(scalars), "%s\n", (const char *)token.data.scalar.value);
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
}

static void the_front_matter_is_what_the_hub_reads(void **state) {
    (void)state;
    at_arena arena = {0};
    at_card card = whole_card();
    char scalars[2048];
    read_front(card_text(&card, &arena), scalars, sizeof scalars);
    assert_string_equal(scalars, "library_name\ntransformers\npipeline_tag\ntext-classification\nbase_model\norg/body-6\ntags\nattune\ntext-classification\n"
                                 "metrics\naccuracy\n");
    card.library = AT_CARD_SENTENCE_TRANSFORMERS;
    card.base = "/home/somebody/models/mine";
    card.test.n = card.eval.n = 0;
    read_front(card_text(&card, &arena), scalars, sizeof scalars);
    assert_string_equal(scalars, "library_name\nsentence-transformers\npipeline_tag\ntext-classification\ntags\nattune\ntext-classification\n");
    at_arena_free(&arena);
}

static void all_that_is_known_is_said(void **state) {
    (void)state;
    at_arena arena = {0};
    at_card card = whole_card();
    card.pipeline_arguments = "top_k=None";
    char *text = card_text(&card, &arena);
    expect(text, "\n# mood\n");
    expect(text, "with 2 labels, fine-tuned from org/body-6 with attune " );
    expect(text, "Parameters: 22.7 million");
    expect(text, "first 256 tokens");
    expect(text, "| 0 | negative | 120 |\n| 1 | a\\|b | 7 |\n");
    expect(text, "Trained on 127 rows of train.csv, method two-step, head pooler.");
    expect(text, "| learning\\_rate | 2e-05 |\n| seed | 42 |\n");
    expect(text, "Test (240 rows of test.csv)");
    expect(text, "| accuracy | 0.9125 | 0.870 to 0.942 |\n");
    expect(text, "| matthews_correlation | 0.8000 | |\n");
    expect(text, "out-of-fold");
    expect(text, "Nothing was chosen by the test rows");
    expect(text, "With 240 rows it is wide");
    expect(text, "- Step 2 did not beat step 1.\n");
    expect(text, "attune predict --model FOLDER \"a new text\"");
    expect(text, "pipeline(\"text-classification\", model=FOLDER, top_k=None)");
    assert_null(strstr(text, "/home/somebody"));
    at_arena_free(&arena);
}

static void what_is_unknown_is_left_out(void **state) {
    (void)state;
    at_arena arena = {0};
    at_card card = {.folder = "m", .label = LABELS, .n_labels = 2, .n_train = 127};
    char *text = card_text(&card, &arena);
    assert_null(strstr(text, "## Results"));
    assert_null(strstr(text, "Worth knowing"));
    assert_null(strstr(text, "| setting |"));
    assert_null(strstr(text, "(null)"));
    assert_null(strstr(text, " from "));
    at_arena_free(&arena);
}

static void judging_and_use_follow_the_model(void **state) {
    (void)state;
    at_arena arena = {0};
    at_card card = whole_card();
    card.judging = AT_CARD_JUDGED_SPLIT;
    card.library = AT_CARD_SENTENCE_TRANSFORMERS;
    card.test.n = 0;
    card.eval.n = 5000;
    char *text = card_text(&card, &arena);
    expect(text, "cut off the training file");
    expect(text, "SentenceTransformer(FOLDER)");
    assert_null(strstr(text, "it is wide"));
    assert_null(strstr(text, "Nothing was chosen"));
    card.library = AT_CARD_TRANSFORMERS;
    card.judging = AT_CARD_JUDGED_FILE;
    card.pairs = 1;
    text = card_text(&card, &arena);
    expect(text, "from a file of their own");
    expect(text, "The best state of the model was chosen by them");
    assert_null(strstr(text, "mean of the training's last weights"));
    card.averaged = 1;
    text = card_text(&card, &arena);
    expect(text, "mean of the training's last weights");
    assert_null(strstr(text, "The best state of the model was chosen by them"));
    expect(text, "\"text_pair\": \"the second\"");
    expect(text, "--pairs");
    at_arena_free(&arena);
}

static void names_of_the_hub(void **state) {
    (void)state;
    at_arena arena = {0};
    assert_string_equal(at_card_hub_name("org/name", &arena), "org/name");
    assert_string_equal(at_card_hub_name("/x/hub/models--org--a-name/snapshots/0f3c", &arena), "org/a-name");
    assert_string_equal(at_card_hub_name("models--org--name", &arena), "org/name");
    assert_null(at_card_hub_name("/x/org/name", &arena));
    assert_null(at_card_hub_name("./name", &arena));
    assert_null(at_card_hub_name("org/na me", &arena));
    assert_null(at_card_hub_name("/x/models--name/snapshots/0", &arena));
    assert_null(at_card_hub_name(NULL, &arena));
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_matter_is_what_the_hub_reads), cmocka_unit_test(all_that_is_known_is_said), cmocka_unit_test(what_is_unknown_is_left_out),
        cmocka_unit_test(judging_and_use_follow_the_model), cmocka_unit_test(names_of_the_hub),
    };
    return check_run(tests);
}
