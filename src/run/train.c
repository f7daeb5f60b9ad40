/* attune train: the order of a training. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "run/models.h"
#include "run/train_run.h"

static at_status need(const at_options *o, const char *name, const char *what, at_error *err) {
    if (at_options_text(o, name, NULL)) return AT_OK;
    return at_fail(err, AT_USAGE, "--%s is missing: %s", name, what);
}

static at_status check_options(const at_options *o, at_error *err) {
    AT_TRY(need(o, "model", "the folder of the pre-trained model, or its name in the local cache", err));
    AT_TRY(need(o, "train", "the file of labelled examples", err));
    if (at_options_flag(o, "dry_run")) return AT_OK;
    return need(o, "output", "the folder for the new model", err);
}

static at_model_options model_options(const at_train_run *run, at_head_kind head) {
    static const int UNIT[] = {0, 1, -1}; /* auto yes no */
    return (at_model_options){.head = head, .n_out = head ? run->state.n_out : 0, .keep_head = run->goes_on,
                              .pooling = at_options_choice(run->options, "pooling"), .unit = UNIT[at_options_choice(run->options, "normalize")], .seed = (uint64_t)at_options_int(run->options, "seed", 42), .pool = run->pool};
}

at_status at_train_open_model(at_train_run *run, at_head_kind head, at_model **model, at_error *err) {
    at_model_options options = model_options(run, head);
    AT_TRY(at_model_open(run->model_folder, &options, model, err));
    if (head && run->goes_on && run->state.task->convert_head) run->state.task->convert_head(&run->state, *model, 1);
    return AT_OK;
}

at_status at_train_open_body(at_train_run *run, at_error *err) {
    at_model_options options = model_options(run, AT_HEAD_NONE);
    options.sizes_only = run->method == AT_METHOD_FULL; /* which opens it again with its new head */
    return at_model_open(run->model_folder, &options, &run->model, err);
}

static at_status open_run(at_train_run *run, at_error *err) {
    const at_options *o = run->options;
    AT_TRY(check_options(o, err));
    AT_TRY(at_kernels_choose(at_options_text(o, "cpu", NULL), (at_precision)at_options_choice(o, "precision"), &run->kernels, &run->backend,
                             err));
    AT_TRY(at_pool_open(&run->pool, (int)at_options_int(o, "threads", at_cpu_count()), err));
    AT_TRY(at_model_folder_find(&run->arena, at_options_text(o, "model", NULL), &run->model_folder, err));
    run->method = (at_method)at_options_choice(o, "method");
    run->notes = json_array();
    return run->notes ? AT_OK : at_fail_memory(err, 0);
}

/* Two things that take a third of the start each: the hashes of all that the run reads, and the reading of data and tokenizer. */
typedef struct opening {
    at_train_run *run;
    at_status status[2];
    at_error why[2];
} opening;

static void open_part(void *context, int part) {
    opening *o = context;
    at_train_run *run = o->run;
    o->status[part] = part ? at_train_data_read(run, &o->why[1])
                           : at_run_folder_open(&run->folder, run->options, run->model_folder, run->backend->half ? "bf16" : "fp32",
                                                &run->folder_arena, &o->why[0]);
}

/* What stands in the output folder comes before what is wrong with the data. */
static at_status open_parts(at_train_run *run, at_error *err) {
    opening o = {.run = run};
    at_pool_run(run->pool, open_part, &o, 2);
    int failed = o.status[0] ? 0 : 1;
    if (!o.status[failed] || (failed && run->folder.finished)) return AT_OK;
    if (err) *err = o.why[failed];
    return o.status[failed];
}

static void close_run(at_train_run *run) {
    for (int i = 0; i < AT_TRAIN_HEADS; i++) at_mapped_close(&run->cache[i]);
    at_score_free(&run->step1);
    at_score_free(&run->step2);
    at_score_free(&run->test_score);
    at_score_free(&run->result.best);
    json_decref(run->result.history);
    json_decref(run->notes);
    at_model_close(run->model);
    if (run->train != run->all) at_dataset_close(run->train);
    if (run->held != run->all) at_dataset_close(run->held);
    at_dataset_close(run->all);
    at_dataset_close(run->eval);
    at_dataset_close(run->test);
    at_tokenizer_close(run->tokenizer);
    at_table_close(run->train_table);
    at_table_close(run->eval_table);
    at_table_close(run->test_table);
    at_task_close(&run->state);
    at_run_folder_close(&run->folder);
    at_tensorboard_close(run->board);
    at_pool_close(run->pool);
    at_arena_free(&run->folder_arena);
    at_arena_free(&run->arena);
}

/* Without step 1 the head is the one asked for, or the folder's own, or the task's usual one. */
static at_status open_with_new_head(at_train_run *run, at_error *err) {
    int asked = at_options_choice(run->options, "head");
    run->head = run->goes_on ? run->model->head.kind : asked ? (at_head_kind)asked : run->state.task->heads[0];
    at_model_close(run->model);
    run->model = NULL;
    return at_train_open_model(run, run->head, &run->model, err);
}

at_status at_train_open_sizes(at_train_run *run, at_model **model, at_error *err) {
    int asked = at_options_choice(run->options, "head");
    at_head_kind kind = run->goes_on ? run->model->head.kind : asked ? (at_head_kind)asked : run->state.task->heads[0];
    at_model_options options = model_options(run, kind);
    options.sizes_only = 1;
    return at_model_open(run->model_folder, &options, model, err);
}

/* Where step 1 will choose the head: the model with the one that takes more, be it in weights or, where it reads all rows, in activations. */
static at_status take_larger(at_train_run *run, at_model **sizes, at_error *err) {
    const at_head_kind *heads = run->state.task->heads;
    at_model_options options = model_options(run, heads[1]);
    at_memory_plan first, second;
    at_model *other = NULL;
    options.sizes_only = 1;
    int chosen = run->goes_on || at_options_choice(run->options, "head") || run->method == AT_METHOD_FULL;
    if (chosen || heads[1] == AT_HEAD_NONE || at_head_check(&run->model->arch, heads[1], NULL)) return AT_OK;
    at_status st = at_model_open(run->model_folder, &options, &other, err);
    if (!st) st = at_train_memory(run, *sizes, &run->hyper, run->pool, &first, err);
    if (!st) st = at_train_memory(run, other, &run->hyper, run->pool, &second, err);
    if (!st && second.total > first.total) {
        at_model *smaller = *sizes;
        *sizes = other;
        other = smaller;
    }
    at_model_close(other);
    return st;
}

static at_status plan(at_train_run *run, at_error *err) {
    at_model *sizes = NULL;
    AT_TRY(at_train_plan_make(run, err));
    at_status st = at_train_open_sizes(run, &sizes, err);
    if (!st) st = take_larger(run, &sizes, err);
    if (!st) st = at_train_memory_check(run, sizes, err);
    if (!st) st = at_train_plan_tell(run, sizes, err);
    at_model_close(sizes);
    return st;
}

static at_status train(at_train_run *run, at_error *err) {
    int fits_head = run->method != AT_METHOD_FULL && !run->goes_on;
    AT_TRY(plan(run, err));
    if (at_options_flag(run->options, "dry_run")) return AT_OK;
    AT_TRY(at_run_folder_begin(&run->folder, &run->arena, err));
    AT_TRY(at_train_data_keep(run, err));
    if (fits_head) AT_TRY(at_train_head(run, err));
    else AT_TRY(open_with_new_head(run, err));
    at_train_tell_tensors(run);
    if (fits_head) at_train_tell_time(run);
    if (run->method != AT_METHOD_HEAD) AT_TRY(at_train_tune(run, err));
    return at_train_finish(run, err);
}

/* The same command again, whose score is still what it is. */
static at_status finished_before(at_train_run *run, at_error *err) {
    const json_t *score = run->folder.score, *main = json_object_get(score, "main");
    const char *metric = json_string_value(json_object_get(score, "metric"));
    AT_TRY(at_run_folder_tidy(&run->folder, err));
    at_tell(run->listener, "done",
            json_pack("{s:s, s:b, s:s*, s:O*}", "output", run->folder.path, "already", 1, "metric", metric, "main", main),
            "%s: this very run is already done. Use --restart to do it again.", run->folder.path);
    return metric && json_is_number(main) ? at_train_check_score(run, metric, json_number_value(main), err) : AT_OK;
}

at_status at_train(const at_options *options, const at_listener *listener, at_error *err) {
    at_train_run *run = calloc(1, sizeof *run);
    if (!run) return at_fail_memory(err, sizeof *run);
    run->arena.mapped = 1;
    run->options = options;
    run->listener = listener;
    at_status st = open_run(run, err);
    if (!st) st = open_parts(run, err);
    if (!st && run->folder.finished) {
        st = finished_before(run, err);
    } else {
        if (!st) st = at_train_data(run, err);
        if (!st) st = train(run, err);
    }
    close_run(run);
    free(run);
    return st;
}
