/* Prediction as `attune predict` does it, without reading and writing: one JSON object on standard output for the first line of
 * standard input and one more for each further one, so that a peer can be timed in between.
 *
 *     bench_predict CLASSIFIER-FOLDER TEXTS.csv [--threads 2] [--max-length 128]
 *
 * tokens are those of the texts (no padding), seconds the time of the forward passes of all of them, logits those of all
 * texts in the file's order. bench/peers/predict_speed.py is the other side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/str.h"
#include "infer/predict.h"
#include "run/session.h"

typedef struct bench {
    at_session session;
    at_table *table;
    at_dataset *data;
    float *logits;
} bench;

static double number_after(int argc, char **argv, const char *name, double otherwise) {
    double value = otherwise;
    for (int i = 3; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], name) && !at_parse_double(argv[i + 1], &value)) return otherwise;
    return value;
}

static at_precision precision_after(int argc, char **argv) {
    return number_after(argc, argv, "--bf16", 0) != 0 ? AT_PRECISION_BF16 : AT_PRECISION_FP32;
}

static at_status prepare(bench *b, int argc, char **argv, at_error *err) {
    at_session *s = &b->session;
    const at_table_options as_file = {0};
    const at_columns recognised = {0};
    AT_TRY(at_session_open(s, argv[1], (int)number_after(argc, argv, "--threads", 2), getenv("ATTUNE_CPU"), precision_after(argc, argv),
                           (int)number_after(argc, argv, "--max-length", 128), err));
    AT_TRY(at_table_read(argv[2], &as_file, &b->table, err));
    AT_TRY(s->state.task->bind(&s->state, b->table, &recognised, 1, err));
    AT_TRY(s->state.task->encode(&s->state, b->table, s->tokenizer, s->max_tokens, 1, s->pool, &b->data, err));
    size_t cells = at_dataset_outputs(b->data) * (size_t)s->model->head.n_out;
    b->logits = malloc(cells * sizeof(float));
    return b->logits ? AT_OK : at_fail_memory(err, cells * sizeof(float));
}

static at_status one_round(bench *b, int with_logits, at_error *err) {
    const at_session *s = &b->session;
    double started = at_seconds(), tokens = (double)b->data->token_at[b->data->n];
    AT_TRY(at_predict_logits(s->model, b->data, s->backend, s->pool, b->logits, err));
    double seconds = at_seconds() - started;
    json_t *result = json_pack("{s:f, s:f, s:f, s:s}", "tokens", tokens, "seconds", seconds, "tokens_per_second", tokens / seconds,
                               "kernels", s->backend->name);
    json_t *logits = json_array();
    for (int i = 0; with_logits && i < b->data->n * s->model->head.n_out; i++) json_array_append_new(logits, json_real((double)b->logits[i]));
    json_object_set_new(result, "logits", logits);
    json_dumpf(result, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(result);
    return AT_OK;
}

int main(int argc, char **argv) {
    bench b = {0};
    at_error err;
    char line[64];
    int rounds = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_predict CLASSIFIER-FOLDER TEXTS.csv [--threads N] [--max-length N]\n");
        return 2;
    }
    at_status st = prepare(&b, argc, argv, &err);
    while (!st && fgets(line, sizeof line, stdin)) st = one_round(&b, !rounds++, &err);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    free(b.logits);
    at_dataset_close(b.data);
    at_table_close(b.table);
    at_session_close(&b.session);
    return (int)st;
}
