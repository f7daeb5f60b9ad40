/* Optimiser steps of full fine-tuning through the trainer itself, one JSON object on standard output:
 *
 *     bench_train CLASSIFIER-FOLDER TEXTS.csv [--steps 10] [--warm 3] [--batch 32] [--threads 2] [--max-length 128]
 *                 [--rate 1e-4] [--dropout P] [--seed 42] [--order N] [--bf16 1]
 *                 [--save SECONDS --folder RUN-FOLDER]
 *
 * step_seconds and step_tokens are those of the steps after the first --warm ones, losses those of all; order holds the rows of the
 * file (from 0) in the order in which the steps took them, or --order steps would, so that a peer can take the same. Without --dropout the model's own counts.
 * The folder holds a finished classifier (any that transformers saved) whose labels the file uses. bench/peers/side_by_side.py runs
 * this beside PyTorch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/str.h"
#include "run/session.h"
#include "train/sampler.h"
#include "train/trainer.h"

typedef struct options {
    const char *folder, *texts, *run_folder; /* of --folder: checkpoints at every --save seconds */
    double steps, warm, batch, threads, max_length, rate, dropout, seed, order, bf16, save;
} options;

/* What the hooks note of each step. */
typedef struct record {
    double *ended, *asked, *loss; /* [steps] seconds at which a step ended and the next one was asked for; loss */
    double started;
    int done;
} record;

static void on_progress(void *context, const at_progress *p) {
    record *r = context;
    r->loss[r->done] = p->loss;
    r->ended[r->done++] = at_seconds();
}

/* Asked before every step: the clock of the first one begins here. */
static int on_stop(void *context) {
    record *r = context;
    if (!r->done) r->started = at_seconds();
    else r->asked[r->done - 1] = at_seconds(); /* what lies between is no step: a checkpoint */
    return 0;
}

static int parse(int argc, char **argv, options *o) {
    *o = (options){.steps = 10, .warm = 3, .batch = 32, .threads = 2, .max_length = 128, .rate = 1e-4, .dropout = -1, .seed = 42};
    const struct { const char *name; double *value; } known[] = {
        {"--steps", &o->steps}, {"--warm", &o->warm}, {"--batch", &o->batch}, {"--threads", &o->threads},
        {"--max-length", &o->max_length}, {"--rate", &o->rate}, {"--dropout", &o->dropout}, {"--seed", &o->seed},
        {"--order", &o->order}, {"--bf16", &o->bf16}, {"--save", &o->save}};
    if (argc < 3) return 0;
    o->folder = argv[1];
    o->texts = argv[2];
    for (int i = 3; i < argc; i += 2) {
        if (!strcmp(argv[i], "--folder") && i + 1 < argc) {
            o->run_folder = argv[i + 1];
            continue;
        }
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(argv[i], known[k].name)) k++;
        if (k == sizeof known / sizeof *known || i + 1 == argc || !at_parse_double(argv[i + 1], known[k].value)) return 0;
    }
    return o->steps >= 1 && o->warm >= 0;
}

/* The most that was ever resident, of this very program (getrusage inherits the parent's). */
static double peak_bytes(void) {
    char line[256];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6)) kilobytes = strtod(line + 6, NULL);
    if (f) fclose(f);
    return 1024 * kilobytes;
}

static at_status open_data(at_session *s, const char *path, at_table **table, at_dataset **d, at_error *err) {
    const at_table_options as_file = {0};
    const at_columns recognised = {0};
    AT_TRY(at_table_read(path, &as_file, table, err));
    AT_TRY(s->state.task->bind(&s->state, *table, &recognised, 1, err));
    return s->state.task->encode(&s->state, *table, s->tokenizer, s->max_tokens, 1, s->pool, d, err);
}

/* The trainer's own sampler again: the rows of n steps, and the tokens of those that were timed. */
static at_status add_order(json_t *result, const at_dataset *d, const at_hyper *h, int warm, int n, at_error *err) {
    at_arena arena = {0};
    at_sampler sampler;
    json_t *order = json_array(), *tokens = json_array();
    at_status st = at_sampler_init(&sampler, d, h->batch_size, 1, 256, h->seed, &arena, err);
    for (int step = 0; step < n && !st; step++) {
        const at_step_plan *plan = at_sampler_step(&sampler, step);
        for (int i = 0; i < plan->n; i++) json_array_append_new(order, json_integer((json_int_t)plan->example[i]));
        if (step >= warm && step < h->max_steps) json_array_append_new(tokens, json_integer(plan->tokens));
    }
    json_object_set_new(result, "order", order);
    json_object_set_new(result, "step_tokens", tokens);
    at_arena_free(&arena);
    return st;
}

static void add_times(json_t *result, const record *r, int warm) {
    json_t *seconds = json_array(), *losses = json_array();
    double tokens = 0, took = 0, saving = 0;
    int saves = 0;
    for (int i = 0; i < r->done; i++) {
        double step = r->ended[i] - (i ? r->ended[i - 1] : r->started);
        json_array_append_new(losses, json_real(r->loss[i]));
        if (i < warm) continue;
        json_array_append_new(seconds, json_real(step));
        tokens += json_number_value(json_array_get(json_object_get(result, "step_tokens"), (size_t)(i - warm)));
        took += step;
        double held = i + 1 < r->done ? r->asked[i] - r->ended[i] : 0;
        if (held > 1e-3) saves++, saving += held;
    }
    json_object_set_new(result, "saves", json_integer(saves));
    json_object_set_new(result, "save_seconds", json_real(saving));
    json_object_set_new(result, "step_seconds", seconds);
    json_object_set_new(result, "losses", losses);
    json_object_set_new(result, "tokens", json_integer((json_int_t)tokens));
    json_object_set_new(result, "seconds", json_real(took));
    json_object_set_new(result, "tokens_per_second", json_real(tokens / took));
}

static at_status train(at_session *s, const options *o, const at_dataset *d, record *r, json_t *result, at_error *err) {
    at_hyper h = at_hyper_default();
    h.learning_rate = o->rate;
    h.weight_decay = 0.01;
    h.schedule = AT_SCHEDULE_CONSTANT;
    h.max_steps = (int)(o->warm + o->steps);
    h.batch_size = (int)o->batch;
    h.hidden_dropout = h.attention_dropout = o->dropout;
    h.seed = (uint64_t)o->seed;
    h.keep_best = 0;
    h.save_seconds = o->run_folder ? o->save : -1;
    const at_trainer_setup setup = {.model = s->model, .state = &s->state, .train = d, .hyper = &h, .backend = s->backend, .pool = s->pool,
                                    .folder = o->run_folder, .fingerprint = "",
                                    .hooks = {.context = r, .progress = on_progress, .stop = on_stop}};
    at_memory_plan plan;
    at_train_result trained;
    AT_TRY(at_trainer_plan(&setup, &plan, err));
    AT_TRY(at_trainer_run(&setup, &trained, err));
    at_score_free(&trained.best);
    json_decref(trained.history);
    AT_TRY(add_order(result, d, &h, (int)o->warm, o->order > h.max_steps ? (int)o->order : h.max_steps, err));
    add_times(result, r, (int)o->warm);
    json_object_set_new(result, "peak_bytes", json_real(peak_bytes()));
    json_object_set_new(result, "planned_bytes", json_integer((json_int_t)plan.total));
    json_object_set_new(result, "lanes", json_integer(plan.lanes));
    json_object_set_new(result, "kernels", json_string(s->backend->name));
    return AT_OK;
}

int main(int argc, char **argv) {
    options o;
    at_session s = {0};
    at_table *table = NULL;
    at_dataset *d = NULL;
    at_error err;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_train CLASSIFIER-FOLDER TEXTS.csv [--steps N] [--warm N] [--batch N] [--threads N]\n"
                        "                   [--max-length N] [--rate R] [--dropout P] [--seed N] [--order N] [--bf16 1]\n");
        return 2;
    }
    size_t n = (size_t)(o.warm + o.steps);
    record r = {.ended = calloc(n, sizeof *r.ended), .asked = calloc(n, sizeof *r.asked), .loss = calloc(n, sizeof *r.loss)};
    json_t *result = json_object();
    if (!r.ended || !r.asked || !r.loss || !result) return 7;
    at_status st = at_session_open(&s, o.folder, (int)o.threads, getenv("ATTUNE_CPU"), o.bf16 != 0 ? AT_PRECISION_BF16 : AT_PRECISION_FP32,
                                   (int)o.max_length, &err);
    if (!st) st = open_data(&s, o.texts, &table, &d, &err);
    if (!st) st = train(&s, &o, d, &r, result, &err);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    else json_dumpf(result, stdout, JSON_COMPACT), putchar('\n');
    json_decref(result);
    free(r.ended);
    free(r.asked);
    free(r.loss);
    at_dataset_close(d);
    at_table_close(table);
    at_session_close(&s);
    return (int)st;
}
