/* The end of a training: the test file, the model folder, the files that other tools expect beside it. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "infer/predict.h"
#include "run/score_text.h"
#include "run/train_run.h"
#include "train/long_text.h"

static at_status answers_on(at_train_run *run, const at_dataset *d, at_arena *arena, float **logits, at_error *err) {
    size_t cells = at_dataset_outputs(d) * (size_t)run->state.n_out;
    *logits = AT_NEW_ARRAY(arena, float, cells);
    if (!*logits) return at_fail_memory(err, cells * sizeof(float));
    return at_predict_logits_watched(run->model, d, run->backend, run->pool, *logits, at_train_watch, run, err);
}

at_status at_train_judge(at_train_run *run, const at_dataset *d, at_score *score, at_error *err) {
    at_arena scratch = {0};
    float *logits;
    at_status st = answers_on(run, d, &scratch, &logits, err);
    if (!st) st = run->state.task->score(&run->state, d, logits, score, err);
    at_arena_free(&scratch);
    return st;
}

/* What the task chooses by answers to data that was not trained on; the score of what is kept is then that with these choices. */
static at_status choose_rest(at_train_run *run, at_error *err) {
    const at_task *task = run->state.task;
    const at_dataset *d = run->eval ? run->eval : run->held;
    at_score *kept = run->tuned ? &run->step2 : &run->step1;
    at_arena scratch = {0};
    float *logits = run->held_logits;
    if (!task->tune || !d) return AT_OK;
    at_status st = run->eval ? answers_on(run, d, &scratch, &logits, err) : AT_OK;
    if (!st) st = task->tune(&run->state, d, logits, err);
    if (!st) {
        int judged = kept->values != NULL;
        at_score_free(kept);
        if (judged) st = task->score(&run->state, d, logits, kept, err);
    }
    at_arena_free(&scratch);
    return st;
}

/* Every number of a score under "prefix_name". */
static void add_values(json_t *all, const char *prefix, const at_score *score) {
    const char *key;
    json_t *value;
    char name[128];
    if (!score->values) return;
    json_object_foreach(score->values, key, value) {
        snprintf(name, sizeof name, "%s_%s", prefix, key);
        json_object_set(all, name, value);
    }
}

static const at_score *chosen(const at_train_run *run) { return run->tuned ? &run->step2 : &run->step1; }

static const char *method_name(const at_train_run *run) {
    static const char *const NAMES[] = {"two-step", "head", "full", "gradual"};
    return NAMES[run->method];
}

static json_t *phases_json(const at_train_run *run) {
    json_t *phases = json_object();
    if (run->step1.values)
        json_object_set_new(phases, "head",
                            json_pack("{s:o, s:o, s:f}", run->step1.main_name, at_json_number(at_score_shown(&run->step1)), "loss", at_json_number(run->step1.loss),
                                      "seconds", run->head_seconds));
    if (run->step2.values)
        json_object_set_new(phases, "tuned",
                            json_pack("{s:o, s:o, s:f}", run->step2.main_name, at_json_number(at_score_shown(&run->step2)), "loss", at_json_number(run->step2.loss),
                                      "seconds", run->tune_seconds));
    json_object_set_new(phases, "kept", json_string(run->tuned ? "tuned" : "head"));
    return phases;
}

/* What the limit did to a file: "train_cut_rows", "train_cut_tokens". */
static void add_cut(json_t *all, const char *prefix, const at_dataset *d) {
    char name[64];
    if (!d) return;
    snprintf(name, sizeof name, "%s_cut_rows", prefix);
    json_object_set_new(all, name, json_integer(d->n_cut_examples));
    snprintf(name, sizeof name, "%s_cut_tokens", prefix);
    json_object_set_new(all, name, json_integer((json_int_t)d->n_cut_tokens));
}

/* A training may end early. */
double at_train_epochs_done(const at_train_run *run) {
    double steps = ceil((double)at_dataset_units(run->train) / run->hyper.batch_size);
    return steps > 0 ? run->result.steps / steps : 0;
}

static json_t *all_results(const at_train_run *run) {
    static const char *const JUDGED[] = {"file", "split", "out-of-fold"};
    const at_hyper *h = &run->hyper;
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:o, s:i, s:i, s:f, s:f, s:i, s:o, s:O}", "method", method_name(run),
                  "head", at_head_name(run->head), "task", run->state.task->name, "judged_by",
                  JUDGED[run->recipe.judging], "epoch", run->tuned ? at_train_epochs_done(run) : 0.0, "train_samples",
                  at_dataset_units(run->train), "train_loss", at_json_number(run->tuned ? run->result.train_loss : 0.0), "steps", run->result.steps,
                  "best_step", run->result.best_step, "learning_rate", h->learning_rate, "average", run->tuned ? h->average : 0.0, "batch_size", h->batch_size,
                  "phases", phases_json(run), "notes", run->notes);
    if (!run->state.task->in_windows) json_object_set_new(all, "long", json_string(at_long_name(run->state.long_texts)));
    add_cut(all, "train", run->all);
    add_cut(all, "eval", run->eval_table ? run->eval : NULL);
    add_cut(all, "test", run->test);
    add_values(all, "eval", chosen(run));
    add_values(all, "test", &run->test_score);
    return all;
}

static at_status save_json(const at_train_run *run, const char *name, const json_t *value, at_error *err) {
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", run->folder.path, name);
    return value ? at_json_save(path, value, err) : at_fail_memory(err, 0);
}

static at_status save_results(const at_train_run *run, at_error *err) {
    json_t *all = all_results(run), *eval = json_object();
    add_values(eval, "eval", chosen(run));
    json_t *state = json_pack("{s:f, s:i, s:i, s:o, s:s?, s:O?}", "epoch", at_train_epochs_done(run), "global_step",
                              run->result.steps, "best_global_step", run->result.best_step, "best_metric",
                              at_json_number(at_score_shown(chosen(run))), "best_model_checkpoint", NULL, "log_history", run->result.history);
    at_status st = save_json(run, "all_results.json", all, err);
    if (!st) st = save_json(run, "eval_results.json", eval, err);
    if (!st) st = save_json(run, "trainer_state.json", state, err);
    json_decref(all);
    json_decref(eval);
    json_decref(state);
    return st;
}

static void tell_test(const at_train_run *run) {
    const at_score *s = &run->test_score;
    char words[AT_SCORE_LINE];
    if (!s->values) return;
    at_score_line(s, 1, words);
    at_tell(run->listener, "test",
            json_pack("{s:s, s:o, s:O}", "metric", s->main_name, "main", at_json_number(s->main), "values", s->values),
            "Test (%d examples): %s.", at_dataset_units(run->test), words);
}

static json_t *names_json(const at_labels *names) {
    json_t *list = json_array();
    for (int i = 0; i < names->n; i++) json_array_append_new(list, json_string(names->name[i]));
    return list;
}

/* The task's own settings go into config.json with its name. */
static at_status save_model(at_train_run *run, at_error *err) {
    const at_task *task = run->state.task;
    json_t *own = run->state.own ? json_deep_copy(run->state.own) : json_object();
    if (own && run->state.long_texts) json_object_set_new(own, "long", json_string(at_long_name(run->state.long_texts)));
    if (own && run->state.label_names.n) json_object_set_new(own, "label_names", names_json(&run->state.label_names));
    const at_columns *c = &run->state.columns;
    if (own) json_object_del(own, "pair");
    if (own && c->text && c->text2 && !task->in_windows && !task->coupled) json_object_set_new(own, "pair", json_pack("[s, s]", c->text, c->text2));
    if (!own || json_object_set_new(own, "task", json_string(task->name)) ||
        json_object_set_new(run->model->config, "attune", own))
        return at_fail_memory(err, 0);
    if (task->convert_head) task->convert_head(&run->state, run->model, 0);
    run->model->problem_type = task->problem_type;
    return at_model_save(run->model, &run->state.labels, run->folder.path, err);
}

/* A path as it can be pasted into a shell; one with quotes of its own is left as it is. */
static const char *shell_word(at_train_run *run, const char *path) {
    const char *quoted = strpbrk(path, " \t()&;|<>*?$`\"\\") && !strchr(path, '\'') ? at_format(&run->arena, "'%s'", path) : path;
    return quoted ? quoted : path;
}

/* What the model is for: vectors, texts that go on, or answers. */
const char *at_train_next_command(const at_train_run *run) {
    if (run->head == AT_HEAD_EMBED) return "embed";
    return run->head == AT_HEAD_LM && !run->model->arch.decoder.layers ? "generate" : "predict";
}

/* A model of hidden words answers where one is. */
const char *at_train_new_text(at_train_run *run) {
    const char *mask = run->head == AT_HEAD_MASK ? at_tokenizer_token(run->tokenizer, at_tokenizer_special(run->tokenizer, "mask")) : NULL;
    return mask ? at_format(&run->arena, "a new %s", mask) : "a new text";
}

/* What stands behind the model in the command that answers. */
static const char *words_to_try(at_train_run *run) {
    const at_task_state *s = &run->state;
    if (s->task->example) return at_format(&run->arena, "%s", s->task->example);
    return s->columns.text2 && run->head != AT_HEAD_EMBED ? "--pairs $'the first text\\tthe second'" : at_format(&run->arena, "\"%s\"", at_train_new_text(run));
}

static const at_score *judged(const at_train_run *run) { return run->test_score.values ? &run->test_score : chosen(run); }

at_status at_train_check_score(const at_train_run *run, const char *metric, double main, at_error *err) {
    double wanted = at_options_real(run->options, "min_score", -INFINITY);
    return main < wanted ? at_fail(err, AT_BELOW, "%s %.4f is below --min-score %.4f", metric, main, wanted) : AT_OK;
}

/* For the same command again: what the run was judged by. */
static at_status keep_score(at_train_run *run, at_error *err) {
    const at_score *s = judged(run);
    json_t *score = s->values ? json_pack("{s:s, s:o}", "metric", s->main_name, "main", at_json_number(s->main)) : NULL;
    if (!s->values) return AT_OK;
    return json_object_set_new(run->folder.record, "score", score) ? at_fail_memory(err, 0) : AT_OK;
}

/* Where nothing was evaluated along the way, the curves of --tensorboard end in what is kept. */
static void draw_score(at_train_run *run) {
    run->final = 1;
    if (run->recipe.judging == AT_JUDGE_FOLDS || run->method == AT_METHOD_HEAD) at_train_draw_score(run, run->result.steps, chosen(run));
}

at_status at_train_finish(at_train_run *run, at_error *err) {
    AT_TRY(choose_rest(run, err));
    draw_score(run);
    if (run->test) AT_TRY(at_train_judge(run, run->test, &run->test_score, err));
    tell_test(run);
    AT_TRY(at_train_diagnose(run, err));
    if (run->folder.path) {
        AT_TRY(save_model(run, err));
        AT_TRY(save_results(run, err));
        AT_TRY(at_train_card(run, err));
        AT_TRY(keep_score(run, err));
        AT_TRY(at_run_folder_finish(&run->folder, err));
    }
    const at_score *s = chosen(run);
    at_tell(run->listener, "done",
            json_pack("{s:s?, s:s, s:s?, s:o}", "output", run->folder.path, "kept", run->tuned ? "tuned" : "head",
                      "metric", s->main_name, "main", at_json_number(s->main)),
            "Done%s%s.%s", run->folder.path ? ": the model is in " : "", run->folder.path ? run->folder.path : "",
            run->folder.path ? at_format(&run->arena, " Try: attune %s --model %s %s", at_train_next_command(run), shell_word(run, run->folder.path), words_to_try(run)) : "");
    return judged(run)->values ? at_train_check_score(run, judged(run)->main_name, judged(run)->main, err) : AT_OK;
}
