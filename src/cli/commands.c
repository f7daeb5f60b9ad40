#include "cli/cli.h"

#include <string.h>

static const at_command COMMANDS[] = {
    {"train", AT_CMD_TRAIN, "fine-tune a pre-trained model on labelled examples",
     "--model FOLDER --train FILE [--eval FILE] [--test FILE] --output FOLDER",
     "Reads a pre-trained model and labelled examples, trains, and writes a model folder that other tools open, with a "
     "report of how good it is. Interrupted at any point, the same command goes on where it was.",
     "attune train --model minilm --train train.csv --output runs/sentiment\n"
     "attune train --config run.yaml --lr 5e-5 --output runs/again\n"
     "attune train --model minilm --train train.csv --output runs/plan --dry-run\n",
     "train", at_train, NULL},
    {"eval", AT_CMD_EVAL, "judge a finished model on labelled examples",
     "--model FOLDER [--data] FILE [--output FOLDER]",
     "Prints the metrics with 95% intervals, the confusion matrix and the most confident mistakes with their lines; with "
     "--output writes them, and the predictions, to files.",
     "attune eval --model runs/sentiment test.csv\n"
     "attune eval --model runs/sentiment test.csv --output runs/test --min-score 0.8\n",
     "data", at_evaluate, NULL},
    {"predict", AT_CMD_PREDICT, "answer for new texts",
     "--model FOLDER TEXT...\n--model FOLDER --input FILE [--output FILE]\n--model FOLDER < LINES",
     "Texts are arguments, a file, or standard input line by line, each answered as it comes. A file's columns and order are "
     "kept; label, score and every probability are added.",
     "attune predict --model runs/sentiment \"The parcel came late, but it came.\"\n"
     "attune predict --model runs/sentiment --input new.csv --output answers.csv\n"
     "tail -f log | attune predict --model runs/sentiment --format jsonl\n",
     "*", at_predict_file, at_predict_texts},
    {"embed", AT_CMD_EMBED, "turn texts into vectors", "--model FOLDER TEXT...\n--model FOLDER --input FILE [--output FILE]\n--model FOLDER < LINES",
     "Vectors of any encoder: as its sentence-transformers modules make them (pooling, normalisation), else the mean of its tokens. They are equal to those "
     "of sentence-transformers. npy holds the numbers alone, a row a text; JSONL and CSV keep the columns of the input.",
     "attune embed --model minilm --input texts.csv --output vectors.npy\n"
     "attune embed --model minilm \"The parcel came late.\"\n",
     "*", at_embed_file, at_embed_texts},
    {"search", AT_CMD_SEARCH, "find the nearest texts of a file", "--model FOLDER --corpus FILE TEXT...\n--model FOLDER --corpus FILE --query FILE\n--model FOLDER --corpus FILE < LINES",
     "What a model thinks is alike: for each text the nearest ones of the corpus, by the cosine of their vectors, exact. The corpus is read a part at a time; its "
     "vectors are never held.",
     "attune search --model minilm --corpus questions.txt \"How do I return it?\" --top 5\n"
     "attune search --model minilm --corpus old.csv --query new.csv --output nearest.jsonl\n",
     "*", at_search_file, at_search_texts},
    {"score", AT_CMD_SCORE, "judge any program's answers by the right ones", "[--task TASK] [--gold] FILE [--pred] FILE",
     "Prints the metrics that eval prints for a model, for answers in a file, whoever gave them: no model is needed. Rows belong together by "
     "order, or by an id column that both files have. Of embeddings, the numbers for pairs (similarity) are judged by the pairs' scores. The tasks "
     "mask and language have no answers to judge: eval judges their models.",
     "attune score test.csv answers.csv\n"
     "attune score --task tag --gold eng.testb --pred tagged.conll\n"
     "attune score --task answer --gold dev-v2.0.json --pred predictions.json --json\n", "gold pred", at_judge, NULL},
    {"info", AT_CMD_INFO, "say what a model folder is", "[--model] FOLDER",
     "Family, sizes, parameters, head, labels, the longest input and which file said so, memory to train and to run.",
     "attune info runs/sentiment\n", "model", at_info, NULL},
    {"check", AT_CMD_CHECK, "look for trouble in data before training on it", "[--train] FILE [--eval FILE] [--test FILE] [--model FOLDER]",
     "Empty and duplicate texts, the same text with two labels, texts in both splits, labels missing from a split, imbalance, "
     "texts longer than the model reads, nearly equal texts, encoding trouble; tags against their scheme, spans, answers' offsets, numbers out of "
     "range; each with file and line. --fix writes the file again with what needs no judgement.",
     "attune check train.csv --test test.csv --model minilm\n"
     "attune check train.csv --fix mended.csv\n", "train eval test", at_check, NULL},
    {"tokenize", AT_CMD_TOKENIZE, "show what a model sees of a text",
     "--model FOLDER TEXT...\n--model FOLDER [--stats] --input FILE\n--model FOLDER [--stats] < LINES\n--model FOLDER --chat FILE [--tools FILE] [--add-generation-prompt]",
     "Prints ids, pieces and where in the text each stands. With --stats it says how well the tokenizer fits a file: pieces a word, the share "
     "of unknown pieces, and how long the texts are. Many pieces a word, or unknown ones, are the first sign that a model does not know "
     "the domain. With --chat it shows a conversation as the model's chat template makes it one text, and that text's ids.",
     "attune tokenize --model minilm \"unaffable\"\n"
     "attune tokenize --model minilm --stats --input train.csv\n"
     "attune tokenize --model smollm2 --chat messages.json --add-generation-prompt\n",
     "*", at_tokenize, at_tokenize_texts},
    {"generate", AT_CMD_GENERATE, "continue a text with a language model",
     "--model FOLDER|FILE.gguf PROMPT...\n--model FOLDER|FILE.gguf --input FILE\n--model FOLDER|FILE.gguf < PROMPT",
     "Prints what the model adds to the prompt, as it comes. Without further settings the most probable token is taken each time; with a temperature "
     "tokens are drawn, the same for the same seed.",
     "attune generate --model smollm2 \"The capital of France is\" --max-new-tokens 20\n"
     "attune generate --model smollm2.gguf --temperature 0.7 --top-p 0.9 --input letter.txt\n"
     "attune generate --model smollm2.gguf --ask \"What is the capital of France?\"\n"
     "attune generate --model smollm2 --stop '\\n' \"Q: What is a transformer?\\nA:\" --json\n",
     "*", at_generate, at_generate_texts},
    {"export", AT_CMD_EXPORT, "write a model as the file of another program", "--model FOLDER --output FILE [--to FORMAT]",
     "onnx: the graph with its weights, from token ids to the numbers of its prediction network (or, of a body alone, to the hidden states), for "
     "any number of texts of any length.\n\n"
     "gguf: a decoder with its vocabulary and chat template, or the body of a BERT, for llama.cpp.",
     "attune export --to onnx --model runs/sentiment --output sentiment.onnx\n"
     "attune export --to gguf --type q8_0 --model runs/letters --output letters.gguf\n", "model", at_export, NULL},
    {"fetch", AT_CMD_FETCH, "bring a model into the local cache", "[--model] NAME [--revision NAME] [--archive FILE]",
     "Downloads a model from the hub (or takes it from an archive) into the ordinary Hugging Face cache. This is the only command "
     "that uses the network.",
     "attune fetch sentence-transformers/all-MiniLM-L6-v2\n", "model", at_fetch, NULL},
};

const at_command *at_commands(int *n) {
    *n = (int)(sizeof COMMANDS / sizeof *COMMANDS);
    return COMMANDS;
}

const at_command *at_command_find(const char *name) {
    int n;
    const at_command *commands = at_commands(&n);
    for (int i = 0; i < n; i++)
        if (!strcmp(commands[i].name, name)) return &commands[i];
    return NULL;
}
