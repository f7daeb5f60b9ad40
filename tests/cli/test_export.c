/* attune export: the file of another program. What the numbers are is tests/oracle/live_onnx.py's affair; here is the form of the file:
 * every name that a node reads was made before it, every tensor has the bytes that its sizes say. */
#include "cli/program.h"

#include "text/protobuf.h"

enum { MOST_NAMES = 4096 };

typedef struct graph {
    char *names[MOST_NAMES];
    int n, nodes, tensors, inputs, outputs;
    char labels[64];
} graph;

static at_pb within(const at_pb *pb) { return at_pb_of(pb->bytes, pb->len); }

static char *text_of(const at_pb *pb) { return strndup((const char *)pb->bytes, pb->len); }

static int knows(const graph *g, const char *name) {
    for (int i = 0; i < g->n; i++)
        if (!strcmp(g->names[i], name)) return 1;
    return 0;
}

static void make_name(graph *g, const at_pb *pb) {
    assert_true(g->n < MOST_NAMES);
    char *name = text_of(pb);
    if (knows(g, name)) fail_msg("'%s' is made twice", name);
    g->names[g->n++] = name;
}

static void read_node(graph *g, at_pb node) {
    while (at_pb_next(&node)) {
        if (node.number == 1) {
            char *name = text_of(&node);
            if (!knows(g, name)) fail_msg("'%s' is read before it is made", name);
            free(name);
        }
        if (node.number == 2) make_name(g, &node);
    }
    assert_false(node.broken);
    g->nodes++;
}

static void read_tensor(graph *g, at_pb tensor) {
    size_t bytes = 1, found = 0;
    while (at_pb_next(&tensor)) {
        if (tensor.number == 1) bytes *= tensor.value;
        if (tensor.number == 2) bytes *= tensor.value == 1 ? 4 : 8;
        if (tensor.number == 8) make_name(g, &tensor);
        if (tensor.number == 9) found = tensor.len;
    }
    assert_false(tensor.broken);
    assert_int_equal(found, bytes);
    g->tensors++;
}

static void read_value(graph *g, at_pb value, int is_input) {
    while (at_pb_next(&value))
        if (value.number == 1) {
            char *name = text_of(&value);
            if (is_input) make_name(g, &value);
            else if (!knows(g, name)) fail_msg("the output '%s' is made by no node", name);
            free(name);
        }
    g->inputs += is_input;
    g->outputs += !is_input;
}

/* Tensors and inputs first: they are there before any node. */
static void read_graph(graph *g, at_pb whole) {
    at_pb pass = whole;
    while (at_pb_next(&pass)) {
        if (pass.number == 5) read_tensor(g, within(&pass));
        if (pass.number == 11) read_value(g, within(&pass), 1);
    }
    assert_false(pass.broken);
    for (pass = whole; at_pb_next(&pass);)
        if (pass.number == 1) read_node(g, within(&pass));
    for (pass = whole; at_pb_next(&pass);)
        if (pass.number == 12) read_value(g, within(&pass), 0);
}

static void read_model(graph *g, const char *path) {
    static char bytes[1 << 22];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    at_pb model = at_pb_of(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
    int graphs = 0, opset = 0;
    while (at_pb_next(&model)) {
        at_pb inside = within(&model);
        if (model.number == 7) read_graph(g, inside), graphs++;
        while (model.number == 8 && at_pb_next(&inside))
            if (inside.number == 2) opset = (int)inside.value;
    }
    assert_false(model.broken);
    assert_int_equal(graphs, 1);
    assert_int_equal(opset, 17);
}

static void export_folder(const char *name, graph *g) {
    char line[8192];
    snprintf(line, sizeof line, "$A export --to onnx --model %s/golden/data/%s --output exported.onnx", check_source(""), name);
    program_expect(line, 0, "wrote exported.onnx\n", "");
    *g = (graph){0};
    read_model(g, "exported.onnx");
}

static void free_graph(graph *g) {
    for (int i = 0; i < g->n; i++) free(g->names[i]);
}

static void a_graph_is_whole(void **state) {
    (void)state;
    static graph g;
    static const struct { const char *name; int inputs; } FOLDERS[] = {{"pooler", 3}, {"mean", 3}, {"deberta-v2", 2}, {"deberta-v2-conv", 2}, {"distilbert", 2},
                                                                       {"llama", 2}, {"modernbert", 2}};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        export_folder(FOLDERS[i].name, &g);
        assert_int_equal(g.inputs, FOLDERS[i].inputs);
        assert_int_equal(g.outputs, 1);
        assert_true(knows(&g, "logits") && g.tensors > 20 && g.nodes > 50);
        free_graph(&g);
    }
}

static void shared_layers_lie_in_the_file_once(void **state) {
    (void)state;
    static graph g;
    export_folder("albert", &g);
    int layers = 0;
    for (int i = 0; i < g.n; i++)
        layers += !strncmp(g.names[i], "encoder.albert_layer_groups.", 28) && strstr(g.names[i], "attention.query.weight") != NULL;
    assert_true(layers >= 1 && layers <= 2);
    free_graph(&g);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    program_expect("$A export --output x.onnx", 2, "", "error: --model is missing");
    program_expect("$A export /nonexistent --output x.onnx", 4, "", "nonexistent");
    program_expect("$A export --model .", 2, "", "error: --output is missing");
    program_expect("$A export --model . --output x --to onx", 2, "", "Did you mean 'onnx'?");
}

/* The folder's own, as predicting has it. */
static void the_limit_is_the_folders(void **state) {
    (void)state;
    setenv("POOLER", check_source("golden/data/pooler"), 1);
    program_expect("rm -rf limited && cp -r $POOLER limited && chmod -R u+w limited && echo '{\"truncation\": {\"max_length\": 7}, \"model\": {\"type\": \"WordLevel\", "
                   "\"unk_token\": \"u\", \"vocab\": {\"u\": 0}}}' > limited/tokenizer.json && $A export --to onnx --model limited --output limited.onnx && "
                   "LC_ALL=C grep -aqP 'max_length\\x12\\x017' limited.onnx && echo within", 0, "within", "");
}

#define SAME_IDS(text) \
    "for m in old old.gguf; do $A tokenize --model $m --json '" text "' | grep -o '\"ids\":[^]]*]'; done | uniq | wc -l"

/* Folders without a tokenizer.json: the file's ids are the folder's, small letters or not. */
static void a_vocabulary_of_lines_goes_to_gguf(void **state) {
    (void)state;
    static const char *const CONFIGS[] = {"{\"do_lower_case\": true}", "{\"do_lower_case\": false}", "{\"do_lower_case\": true, \"strip_accents\": false}"};
    setenv("POOLER", check_source("golden/data/pooler"), 1);
    program_expect("rm -rf old && mkdir old && cp $POOLER/config.json $POOLER/model.safetensors old && chmod -R u+w old && "
                   "printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..w} B '\xc3\xa9' X , . '##a' '##e' '##o' good bad '##d' > old/vocab.txt", 0, "", "");
    for (int i = 0; i < 3; i++) {
        program_write_file("old/tokenizer_config.json", CONFIGS[i]);
        program_expect("$A export --to gguf --type f32 --model old --output old.gguf", 0, "wrote old.gguf", "");
        program_expect(SAME_IDS("Good bade, B X\xc3\xa9 [MASK] \xc3\x89"), 0, "1\n", "");
    }
    program_write_file("old/tokenizer_config.json", "{\"tokenize_chinese_chars\": false}");
    program_expect("$A export --to gguf --model old --output old.gguf", 2, "", "leaves Chinese characters together is not written to GGUF");
}

static void other_vocabularies_are_written_or_named(void **state) {
    (void)state;
    setenv("GPT2", check_source("golden/data/gpt2"), 1);
    setenv("TINY", check_source("unit/data/gguf/tiny.gguf"), 1);
    setenv("SPM", check_source("text/data/sentencepiece"), 1);
    program_expect("rm -rf old && mkdir old && cp $GPT2/model.safetensors old && sed s/GPT2ForSequenceClassification/GPT2LMHeadModel/ $GPT2/config.json > old/config.json && "
                   "echo '{\"<|endoftext|>\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"\\u0120\": 4, \"ab\": 5, \"\\u0120c\": 6}' > old/vocab.json && "
                   "printf '#version: 0.2\na b\n\xc4\xa0 c\n' > old/merges.txt && $A export --to gguf --model old --output old.gguf", 0, "wrote old.gguf", "");
    program_expect(SAME_IDS("abc cab<|endoftext|> a"), 0, "1\n", "");
    program_expect("rm -rf old && $A export --to safetensors --model $TINY --output old && n=$(sed -n 's/.*\"vocab_size\": *\\([0-9]*\\).*/\\1/p' old/config.json) && "
                   "sed -i \"s/\\(\\\"added_tokens\\\": *\\[\\)/\\1{\\\"id\\\":$n,\\\"content\\\":\\\"<one>\\\"},{\\\"id\\\":$((n + 1)),\\\"content\\\":\\\"<more>\\\"},/\" "
                   "old/tokenizer.json && $A export --to gguf --model old --output old.gguf", 0, "has 2 tokens more than the 420 words", "");
    program_expect("rm -rf old && $A export --to safetensors --model $TINY --output old && rm old/tokenizer*.json && $A export --to gguf --model old --output o.gguf", 2, "",
                   "a model without a tokenizer is not written to GGUF");
    program_expect("cp $SPM/bytes.model old/tokenizer.model && $A export --to gguf --model old --output o.gguf", 2, "", "a SentencePiece model is not written to GGUF; make a tokenizer.json");
    program_expect("cp $SPM/class_t5.model old/tokenizer.model && echo '{\"tokenizer_class\": \"T5Tokenizer\"}' > old/tokenizer_config.json && "
                   "$A export --to gguf --model old --output o.gguf", 2, "", "of the kind Unigram is not written to GGUF");
    program_expect("ls o.gguf", 2, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_is_whole),
        cmocka_unit_test(shared_layers_lie_in_the_file_once),
        cmocka_unit_test(the_limit_is_the_folders),
        cmocka_unit_test(a_vocabulary_of_lines_goes_to_gguf),
        cmocka_unit_test(other_vocabularies_are_written_or_named),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
