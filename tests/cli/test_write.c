/* Text to text from outside, on small encoder-decoders (tests/golden/seq2seq): trained, judged, asked, stopped and gone on with. */
#include "cli/same_run.h"

static const char TOKENIZER[] =
    "{\"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"},"
    " \"added_tokens\": [{\"id\": 4, \"content\": \"<pad>\", \"special\": true}, {\"id\": 2, \"content\": \"</s>\", \"special\": true}],"
    " \"post_processor\": {\"type\": \"TemplateProcessing\","
    "  \"special_tokens\": {\"</s>\": {\"id\": \"</s>\", \"ids\": [2], \"tokens\": [\"</s>\"]}},"
    "  \"single\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"</s>\", \"type_id\": 0}}],"
    "  \"pair\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 0}},"
    "   {\"SpecialToken\": {\"id\": \"</s>\", \"type_id\": 0}}]},"
    " \"model\": {\"type\": \"WordLevel\", \"unk_token\": \"<unk>\","
    "  \"vocab\": {\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2, \"<go>\": 3, \"<pad>\": 4%s}}}";
static const char TOKENIZER_CONFIG[] =
    "{\"eos_token\": \"</s>\", \"pad_token\": \"<pad>\", \"unk_token\": \"<unk>\", \"tokenizer_class\": \"PreTrainedTokenizerFast\","
    " \"model_max_length\": 24}\n";

/* A recorded folder, as $D/NAME, with a tokenizer of letters that ends every text. */
static int copy_model(const char *name) {
    char path[1024], source[4096], letters[512], text[2048];
    size_t n = 0;
    snprintf(path, sizeof path, "golden/seq2seq/%.99s", name);
    snprintf(source, sizeof source, "%s", check_source(path));
    if (prepared(line_of("mkdir $D/%s && cp %s/config.json %s/model.safetensors $D/%s", name, source, source, name), NULL)) return 1;
    for (char c = 'a'; c <= 'z'; c++) n += (size_t)snprintf(letters + n, sizeof letters - n, ", \"%c\": %d", c, 5 + c - 'a');
    snprintf(text, sizeof text, TOKENIZER, letters);
    snprintf(path, sizeof path, "%.900s/%.99s/tokenizer.json", getenv("D"), name);
    program_write_file(path, text);
    snprintf(path, sizeof path, "%.900s/%.99s/tokenizer_config.json", getenv("D"), name);
    program_write_file(path, TOKENIZER_CONFIG);
    return 0;
}

/* $D/t5 and $D/bart, and rows in which the second letter is to be written twice. */
static int make(void **state) {
    (void)state;
    static const char *const says[] = {"Task: write (column 'target' is written to column 'source')", NULL};
    char folder[] = "/tmp/attune-write-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    setenv("D", folder, 1);
    if (copy_model("t5") || copy_model("bart")) return 1;
    return prepared("cd $D && { echo source,target; for a in {a..h}; do for b in {a..h}; do echo \"$a $b $a,$b $b\"; done; done; } > "
                    "rows.csv && $A train --model t5 --train rows.csv --eval rows.csv --output out --epochs 2 --learning-rate 3e-3 "
                    "--threads 2", says);
}

static void the_model_is_what_others_open(void **state) {
    (void)state;
    program_expect("cd $D && grep -c T5ForConditionalGeneration out/config.json && ! grep -qa lm_head out/model.safetensors", 0, "1\n", "");
    program_expect("cd $D && grep -A2 '\"attune\"' out/config.json", 0, "\"task\": \"write\"", "");
    program_expect("cd $D && $A info out", 0, "decoder     3 layers", "");
    program_expect("cd $D && $A info out", 0, "task        write: ", "");
    program_expect("cd $D && $A info t5", 0, "to train ", "");
    program_expect("cd $D && grep AutoModelForSeq2SeqLM out/README.md", 0, "from_pretrained(FOLDER)", "");
}

static void it_is_judged_and_asked(void **state) {
    (void)state;
    program_expect("cd $D && $A eval --model out rows.csv --max-new-tokens 5 --output judged", 0, "rougeL", "");
    program_expect("cd $D && grep -c . judged/predictions.csv && grep -o 'eval_[a-zL0-9_]*' judged/eval_results.json | sort | tr '\\n' ' '",
                   0,
                   "eval_cut_rows eval_cut_tokens eval_exact_match eval_examples eval_loss eval_perplexity eval_rouge1 eval_rouge2 "
                   "eval_rougeL eval_samples eval_token_accuracy eval_tokens ",
                   "");
    program_expect("cd $D && $A predict --model out --input rows.csv --max-new-tokens 5 --output said.csv --quiet && head -1 said.csv && "
                   "$A score --gold rows.csv --pred said.csv --task write", 0, "source,target,output\n", "");
    program_expect("cd $D && cmp said.csv judged/predictions.csv && $A predict --model out --input rows.csv --max-new-tokens 5 --threads 1 "
                   "--output again.csv --quiet && cmp said.csv again.csv", 0, "", "");
    program_expect("cd $D && sed -n 2p said.csv | cut -d, -f3 > one && { $A generate --model out 'a a a' --max-new-tokens 5; } | tr -d "
                   "'\\n' | cmp - <(tr -d '\\n' < one)", 0, "", "");
    program_expect("cd $D && $A predict --model out 'a a a' --max-new-tokens 5 | cmp - one", 0, "", "");
}

/* Beams: by option, by the folder, and what goes with neither. */
static void beams_write_too(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model out --input rows.csv --max-new-tokens 5 --num-beams 3 --output beams.csv --quiet && "
                   "$A predict --model out --input rows.csv --max-new-tokens 5 --num-beams 3 --threads 1 --output again.csv --quiet && cmp "
                   "beams.csv again.csv", 0, "", "");
    program_expect("cd $D && $A generate --model out 'a a a' --max-new-tokens 5 --num-beams 3 | tr -d '\\n' | cmp - <(sed -n 2p beams.csv "
                   "| cut -d, -f3 | tr -d '\\n')", 0, "", "");
    program_expect("cd $D && $A predict --model out --input rows.csv --max-new-tokens 5 --num-beams 1 --output one.csv --quiet && cmp "
                   "one.csv said.csv", 0, "", "");
    program_expect("cd $D && cp -r out asks && echo '{\"num_beams\": 3, \"max_length\": 6, \"early_stopping\": false}' > "
                   "asks/generation_config.json && $A predict --model asks --input rows.csv --output asked.csv --quiet && cmp asked.csv "
                   "beams.csv", 0, "", "");
    program_expect("cd $D && $A predict --model asks --input rows.csv --num-beams 1 --max-new-tokens 5 --output asked.csv --quiet && cmp "
                   "asked.csv said.csv", 0, "", "");
    program_expect("cd $D && $A generate --model asks 'a a a' --temperature 0.5 --max-new-tokens 2", 0, "",
                   "asks for 3 beams; a temperature");
    program_expect("cd $D && $A generate --model out 'a a a' --num-beams 3 --top-k 5", 2, "", "--num-beams 3: a temperature, --top-k, "
                   "--top-p or --min-p draws tokens");
    program_expect("cd $D && $A generate --model out 'a a a' --num-beams 3 --stop x", 2, "", "--num-beams 3: --stop is looked for in one "
                   "text");
    program_expect("cd $D && $A generate --model out 'a a a' --num-beams 0", 2, "", "num_beams: 0 is out of bounds; it goes from 1 to "
                   "1024");
    program_expect("cd $D && $A predict --model out 'a a a' --early-stopping perhaps", 2, "", "early_stopping: 'perhaps' is not one of "
                   "auto, false, true, never");
    program_expect("cd $D && echo '{\"num_beams\": 5000}' > asks/generation_config.json && $A predict --model asks 'a a'", 4, "",
                   "num_beams is 5000; it goes up to 1024");
}

/* What it learned is what it writes. */
static void it_learns(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model bart --train rows.csv --eval rows.csv --output learned --epochs 40 --batch-size 8 --dropout "
                   "0 --learning-rate 3e-3 --threads 2 --quiet && $A eval --model learned rows.csv --max-new-tokens 5 --min-score 0.95", 0,
                   "exact_match", "");
    program_expect("cd $D && $A predict --model learned 'c f c' 'g d g' --max-new-tokens 5", 0, "f f\nd d\n", "");
    program_expect("cd $D && $A train --model learned --train rows.csv --output on --folds 1 --epochs 1", 0,
                   "own head goes on learning", "");
}

static void a_bart_writes_too(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model bart --train rows.csv --output b --folds 1 --epochs 1 --quiet && grep -c "
                   "BartForConditionalGeneration b/config.json", 0, "1\n", "");
    program_expect("cd $D && grep -qa final_logits_bias b/model.safetensors && $A eval --model b rows.csv --max-new-tokens 5", 0,
                   "perplexity", "");
    /* As it was found: it writes already */
    program_expect("cd $D && $A eval --model bart rows.csv --max-new-tokens 5", 0, "perplexity", "");
}

static void threads_do_not_show(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model t5 --train rows.csv --eval rows.csv --output thread --epochs 2 --learning-rate 3e-3 "
                   "--threads 1 --quiet && cmp thread/model.safetensors out/model.safetensors", 0, "", "");
}

/* The chunk with the most to read and that with the most to write are not the same: memory is enough for either. */
static void memory_is_enough_for_any_mixture(void **state) {
    (void)state;
    program_expect("cd $D && printf 'source,target\\na b c d e f g h i j,a b\\na b,a b c d e f g h i j\\n' > mixed.csv && for m in t5 "
                   "bart; do $A train --model $m --train mixed.csv --eval mixed.csv --output m-$m --batch-size 2 --max-steps 2 --quiet || "
                   "exit; done", 0, "", "");
}

static void a_kill_does_not_show(void **state) {
    (void)state;
    kills_do_not_show("$A train --model t5 --train rows.csv --eval rows.csv --epochs 2 --save-seconds 0 --threads 2 --quiet --output ", 3,
                      5);
}

/* Asked for labels it gets a classifier, whose folder needs no asking again, and whose body writes if it is asked to. */
static void it_labels_texts_where_it_is_asked_to(void **state) {
    (void)state;
    program_expect("cd $D && { echo text,label; for a in {a..h}; do echo \"$a b,x\"; echo \"c $a,y\"; done; } > labels.csv && $A train --model t5 --task "
                   "classify --train labels.csv --eval labels.csv --output labelled --epochs 1 --threads 2 --quiet && grep -c "
                   "T5ForSequenceClassification labelled/config.json && grep -qa '\"transformer.shared.weight' labelled/model.safetensors && ! grep -qa "
                   "'\"shared.weight' labelled/model.safetensors && $A predict --model labelled --format jsonl 'a b'", 0, "\"label\"", "");
    program_expect("cd $D && $A info labelled", 0, "head        the decoder where the text ends, dense layer, linear\ntask        classify", "");
    program_expect("cd $D && $A train --model labelled --train labels.csv --eval labels.csv --output more --epochs 1 --threads 2", 0, "Task: classify", "");
    program_expect("cd $D && $A train --model t5 --train labels.csv --task classify --head mean --output x", 2, "", "it takes no other task");
}

/* Labels of words and vectors are its encoder's, which is what is left of it. */
static void its_encoder_goes_alone(void **state) {
    (void)state;
    program_expect("cd $D && printf 'a O\\nb B-P\\n\\nc O\\nd B-P\\n\\na O\\nd B-P\\n' > words.conll && $A train --model t5 --task tag --train words.conll --eval words.conll --output words "
                   "--epochs 1 --threads 2 --quiet && grep -c T5ForTokenClassification words/config.json && ! grep -qa 'decoder\\.' words/model.safetensors && $A predict "
                   "--model words --format jsonl 'a b'", 0, "\"tags\"", "");
    program_expect("cd $D && { echo sentence1,sentence2; for a in {a..h}; do echo \"$a b,b $a\"; done; } > pairs.csv && $A train --model t5 --task embed --train pairs.csv "
                   "--eval pairs.csv --output vectors --epochs 1 --threads 2 --quiet && grep -c T5EncoderModel vectors/config.json && $A embed --model vectors 'a b'", 0, "[", "");
    program_expect("cd $D && $A train --model vectors --task embed --train pairs.csv --eval pairs.csv --output again --epochs 1 --threads 2 --quiet && $A info again", 0, "embed", "");
    program_expect("cd $D && $A train --model vectors --train labels.csv --task classify --output none", 2, "", "T5EncoderModel is an encoder alone, for labels of words (tag) and vectors (embed)");
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    program_expect("cd $D && printf 'a O\\nb B-P\\n\\nc O\\nd B-P\\n' > tags.conll && $A train --model bart --train tags.conll --task tag --folds 1 --output none", 2, "",
                   "a bart reads a text and writes another, or labels texts, or finds answers in them; it takes no other task");
    program_expect("cd $D && printf 'a b\\nc d\\n' > lines.txt && $A train --model t5 --train lines.txt --task language --output x", 2, "",
                   "it does not go on with one");
    program_expect("cd $D && $A train --model t5 --train rows.csv --method head --output x", 2, "", "the task write trains the body "
                   "itself, with --method full");
    program_expect("cd $D && printf 'source,target\\na b,\\n' > empty.csv && $A train --model t5 --train empty.csv --output x", 3, "",
                   "empty.csv:2: the text to write (column 'target') is empty");
    program_expect("cd $D && $A predict --model out --input rows.csv --long window", 2, "", "one answer a text");
    program_expect("cd $D && $A export --model out --to onnx --output x.onnx", 2, "", "is not written");
    program_expect("cd $D && $A predict --model out 'a a' --max-new-tokens 2000000", 2, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_enough_for_any_mixture),
        cmocka_unit_test(the_model_is_what_others_open), cmocka_unit_test(it_is_judged_and_asked), cmocka_unit_test(beams_write_too),
        cmocka_unit_test(it_learns),
        cmocka_unit_test(a_bart_writes_too),             cmocka_unit_test(threads_do_not_show),    cmocka_unit_test(a_kill_does_not_show),
        cmocka_unit_test(it_labels_texts_where_it_is_asked_to), cmocka_unit_test(its_encoder_goes_alone), cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
