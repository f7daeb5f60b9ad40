/* Fine-tunes a model on labelled texts and answers for a new one.
 *   gcc fine_tune.c $(pkg-config --cflags --libs attune) -o fine_tune
 *   ./fine_tune MODEL_FOLDER train.csv OUTPUT_FOLDER "a new text" */
#include <attune.h>
#include <stdio.h>

static void show(void *context, const at_event *event) {
    (void)context;
    if (event->text) puts(event->text);
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: %s MODEL_FOLDER TRAIN_FILE OUTPUT_FOLDER TEXT\n", argv[0]), AT_USAGE;
    at_error err = {AT_OK, ""};
    at_listener listener = {.event = show};
    at_predictor *predictor = NULL;
    at_prediction answer;

    at_options *options = at_options_new(AT_CMD_TRAIN);
    at_status st = options ? at_options_set(options, "model", argv[1], &err) : AT_NO_MEMORY;
    if (!st) st = at_options_set(options, "train", argv[2], &err);
    if (!st) st = at_options_set(options, "output", argv[3], &err);
    if (!st) st = at_train(options, &listener, &err);
    at_options_free(options);

    if (!st) st = at_predictor_open(argv[3], 0, &predictor, &err);
    if (!st) st = at_predict(predictor, (const char *const[]){argv[4]}, NULL, 1, &answer, &err);
    if (!st) printf("%s (%.3f): %s\n", answer.label, answer.score, argv[4]);
    at_predictor_close(predictor);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    return st;
}
