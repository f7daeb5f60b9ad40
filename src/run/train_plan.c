/* The plan: the recipe's choices, the user's settings over them, what is trained and what is frozen, memory and time. */
#include <math.h>
#include <string.h>

#include "base/machine.h"
#include "base/str.h"
#include "run/train_run.h"
#include "train/long_text.h"

/* ---- hyper-parameters ---- */

static void over_real(const at_options *o, const char *name, double *value) { *value = at_options_real(o, name, *value); }
static void over_int(const at_options *o, const char *name, int *value) { *value = (int)at_options_int(o, name, *value); }

static double steps_an_epoch(const at_train_run *run) { return ceil((double)at_dataset_units(run->train) / run->hyper.batch_size); }

/* A training that may end early has no last part. */
static at_status apply_stopping(at_train_run *run, at_error *err) {
    const at_options *o = run->options;
    at_hyper *h = &run->hyper;
    int patience = (int)at_options_int(o, "early_stopping_patience", 0), own = at_options_is_auto(o, "average");
    over_real(o, "average", &h->average);
    over_int(o, "early_stopping_patience", &h->patience);
    if (own && (patience > 0 || run->goes_on)) h->average = 0;
    if (patience > 0 && h->average > 0 && run->recipe.judging != AT_JUDGE_FOLDS)
        return at_fail(err, AT_USAGE, "--average and --early-stopping-patience exclude each other: a training that stops early has no last part to average");
    if (h->average > 0) h->patience = h->keep_best = 0;
    return AT_OK;
}

static void apply_options(at_train_run *run) {
    const at_options *o = run->options;
    at_hyper *h = &run->hyper;
    over_real(o, "learning_rate", &h->learning_rate);
    h->head_learning_rate = at_options_is_auto(o, "learning_rate") ? h->head_learning_rate : h->learning_rate;
    over_real(o, "head_learning_rate", &h->head_learning_rate);
    over_real(o, "layer_decay", &h->layer_decay);
    over_real(o, "weight_decay", &h->weight_decay);
    over_real(o, "adam_beta1", &h->adam_beta1);
    over_real(o, "adam_beta2", &h->adam_beta2);
    over_real(o, "adam_epsilon", &h->adam_epsilon);
    over_real(o, "max_grad_norm", &h->max_grad_norm);
    over_real(o, "num_train_epochs", &h->num_train_epochs);
    over_int(o, "max_steps", &h->max_steps);
    over_int(o, "per_device_train_batch_size", &h->batch_size);
    h->batch_size *= (int)at_options_int(o, "gradient_accumulation_steps", 1);
    h->schedule = (at_schedule_kind)at_options_choice(o, "lr_scheduler_type");
    over_real(o, "warmup_ratio", &h->warmup_ratio);
    over_int(o, "warmup_steps", &h->warmup_steps);
    over_real(o, "hidden_dropout", &h->hidden_dropout);
    over_real(o, "attention_dropout", &h->attention_dropout);
    over_int(o, "eval_steps", &h->eval_steps);
    over_real(o, "save_seconds", &h->save_seconds);
    over_int(o, "logging_steps", &h->logging_steps);
    over_int(o, "save_total_limit", &h->save_total_limit);
    over_int(o, "lanes", &h->lanes);
    h->seed = (uint64_t)at_options_int(o, "seed", 42);
    if (run->method == AT_METHOD_GRADUAL) {
        double epochs = h->max_steps ? h->max_steps / steps_an_epoch(run) : h->num_train_epochs;
        h->unfreeze_epochs = epochs / (2.0 * (at_arch_depth(&run->model->arch) + 1));
        over_real(o, "unfreeze_epochs", &h->unfreeze_epochs);
    }
}

/* Their product is the batch of a step. */
static at_status check_batch(const at_train_run *run, at_error *err) {
    enum { MOST = 1 << 24 };
    long long size = at_options_int(run->options, "per_device_train_batch_size", run->hyper.batch_size), times = at_options_int(run->options, "gradient_accumulation_steps", 1);
    if (size * times <= MOST) return AT_OK;
    return at_fail(err, AT_USAGE, "--gradient-accumulation-steps %lld with batches of %lld are %lld examples a step; it may have %d", times, size, size * times, MOST);
}

/* ---- --freeze ---- */

static at_status freeze_layers(at_train_run *run, const char *range, at_error *err) {
    int first, last, end = 0, layers = at_arch_depth(&run->model->arch);
    if (sscanf(range, "%d-%d%n", &first, &last, &end) != 2 || range[end]) {
        end = 0;
        if (sscanf(range, "%d%n", &first, &end) != 1 || range[end])
            return at_fail(err, AT_USAGE, "--freeze: 'layers:%s' is not layers:A-B", range);
        last = first;
    }
    if (first < 0 || last < first || last >= layers)
        return at_fail(err, AT_USAGE, "--freeze: layers:%s, but the model's layers are 0 to %d%s", range, layers - 1, last < first ? ", the lower one first" : "");
    for (int i = 0; i < run->model->params.n; i++) {
        int depth = run->model->params.weights[i].depth;
        if (!run->model->params.weights[i].is_head && depth >= first + 1 && depth <= last + 1) run->frozen[i] = 1;
    }
    return AT_OK;
}

static at_status freeze_part(at_train_run *run, const char *part, at_error *err) {
    const at_params *p = &run->model->params;
    if (!strncmp(part, "layers:", 7)) return freeze_layers(run, part + 7, err);
    int embeddings = !strcmp(part, "embeddings"), body = !strcmp(part, "body");
    if (!embeddings && !body) {
        static const char *const PARTS[] = {"embeddings", "body", "layers"};
        const char *near = at_nearest(part, PARTS, 3);
        return at_fail(err, AT_USAGE, "--freeze: '%s' is not one of embeddings, body, layers:A-B.%s%s%s", part, near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    for (int i = 0; i < p->n; i++)
        if (!p->weights[i].is_head && (body || p->weights[i].depth == 0)) run->frozen[i] = 1;
    return AT_OK;
}

static at_status read_freeze(at_train_run *run, at_error *err) {
    int n;
    char **list = at_options_list(run->options, "freeze", &run->arena, &n);
    if (!list) return at_fail_memory(err, 0);
    if (!n) return AT_OK;
    run->frozen = AT_NEW_ARRAY(&run->arena, unsigned char, run->model->params.n + 8); /* + 8: the new head, which is never frozen */
    if (!run->frozen) return at_fail_memory(err, (size_t)run->model->params.n);
    for (int i = 0; i < n; i++) AT_TRY(freeze_part(run, list[i], err));
    return AT_OK;
}

at_status at_train_plan_make(at_train_run *run, at_error *err) {
    run->hyper = run->recipe.hyper;
    run->softening = at_options_real(run->options, "soften_head", run->recipe.softening);
    run->mix = run->goes_on ? 1 : at_options_real(run->options, "mix", run->recipe.mix);
    AT_TRY(check_batch(run, err));
    apply_options(run);
    AT_TRY(apply_stopping(run, err));
    AT_TRY(read_freeze(run, err));
    run->hyper.frozen = run->frozen;
    return AT_OK;
}

/* ---- telling ---- */

static void tell_model(const at_train_run *run, const at_model *m) {
    double frozen = 0, all = 0;
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        double size = (double)w->out * w->in;
        all += size;
        if ((run->frozen && run->frozen[i]) || (run->method == AT_METHOD_HEAD && !w->is_head)) frozen += size;
    }
    at_tell(run->listener, "model",
            json_pack("{s:s, s:i, s:i, s:f, s:f}", "family", m->arch.family, "layers", m->arch.layers, "hidden", m->arch.hidden, "parameters", all,
                      "frozen", frozen),
            "Model: %s, %d layers of %d, %.1f M parameters%s.", m->arch.family, m->arch.layers, m->arch.hidden, all / 1e6,
            frozen > 0 ? at_format((at_arena *)&run->arena, " (%.1f M frozen)", frozen / 1e6) : "");
}

static const char *first_of(at_arena *arena, const char *const *names, int n) {
    return !n ? "" : at_format(arena, " (%s%s)", names[0], n > 1 ? ", ..." : "");
}

void at_train_tell_tensors(at_train_run *run) {
    const at_load_report *r = &run->model->report;
    at_tell(run->listener, "tensors", json_pack("{s:i, s:i, s:i}", "used", r->n_used, "dropped", r->n_dropped, "new", r->n_fresh),
            "Tensors of the model: %d used, %d dropped%s, %d new%s.", r->n_used, r->n_dropped, first_of(&run->arena, r->dropped, r->n_dropped),
            r->n_fresh, first_of(&run->arena, r->fresh, r->n_fresh));
}

static const char *judging_name(at_judging j) { return j == AT_JUDGE_FILE ? "file" : j == AT_JUDGE_SPLIT ? "split" : "folds"; }

/* Nothing where no text is too long and nothing was asked for. */
static void tell_long(const at_train_run *run) {
    const at_dataset *d = run->all;
    at_long how = run->state.long_texts;
    int windows = d->row && d->n > run->train_table->n_rows;
    if (run->state.task->in_windows || (!how && !d->n_cut_examples)) return;
    char lost[120] = "";
    if (d->n_cut_examples)
        snprintf(lost, sizeof lost, "; %d of %d rows lose %llu tokens", d->n_cut_examples, run->train_table->n_rows, (unsigned long long)d->n_cut_tokens);
    else if (windows) snprintf(lost, sizeof lost, "; %d rows are read as %d examples", run->train_table->n_rows, d->n);
    at_tell(run->listener, "choice",
            json_pack("{s:s, s:i, s:I, s:i, s:i}", "long", at_long_name(how), "cut_rows", d->n_cut_examples, "cut_tokens", (json_int_t)d->n_cut_tokens,
                      "rows", run->train_table->n_rows, "examples", d->n),
            "Long texts: %s%s%s.", how ? at_long_name(how) : "truncate-tail", lost, d->n_cut_examples || windows ? "" : "; there are none");
}

/* What comes of it is worse than either where the texts are few, which nothing else says. */
static void tell_new_head(const at_train_run *run) {
    if (!run->new_head) return;
    at_tell(run->listener, "choice", json_pack("{s:b}", "new_head", 1),
            "Head: the folder has none for the task %s; a new one begins from nothing and learns first, and changes the body meanwhile. On few texts "
            "that leaves the body neither what it was nor used to them: compare with the body as it is, or begin from a folder that has such a head.",
            run->state.task->name);
}

static double steps_of(const at_train_run *run) { return run->hyper.max_steps ? run->hyper.max_steps : steps_an_epoch(run) * run->hyper.num_train_epochs; }

static at_arena *words_of(const at_train_run *run) { return (at_arena *)&run->arena; }

/* Sentences of the recipe where it chose, else what was asked for. */
static const char *why_rate(const at_train_run *run) {
    const at_options *o = run->options;
    const at_hyper *h = &run->hyper;
    int own = at_options_is_auto(o, "learning_rate");
    char decay[80] = "", head[80] = "";
    if (own && at_options_is_auto(o, "layer_decay") && at_options_is_auto(o, "head_learning_rate")) return run->recipe.why_rate;
    if (h->layer_decay < 1) snprintf(decay, sizeof decay, "; each block nearer to the input learns %.3g times as fast", h->layer_decay);
    if (h->head_learning_rate < h->learning_rate || h->head_learning_rate > h->learning_rate) snprintf(head, sizeof head, "; %.1e for the head", h->head_learning_rate);
    return own ? at_format(words_of(run), "%.1e suits a body of width %d%s%s", h->learning_rate, run->model->arch.hidden, head, decay)
               : at_format(words_of(run), "%.1e, as given%s%s", h->learning_rate, head, decay);
}

static const char *why_length(const at_train_run *run) {
    const at_options *o = run->options;
    const at_hyper *h = &run->hyper;
    if (h->max_steps) return at_format(words_of(run), "%d steps, as given, of %d examples", h->max_steps, h->batch_size);
    if (at_options_is_auto(o, "num_train_epochs") && at_options_is_auto(o, "per_device_train_batch_size") && at_options_int(o, "gradient_accumulation_steps", 1) == 1)
        return run->recipe.why_length;
    return at_format(words_of(run), "as given: %d examples in batches of %d: %.3g epochs, %.0f steps", at_dataset_units(run->train), h->batch_size,
                     h->num_train_epochs, steps_of(run));
}

static const char *why_gradual(const at_train_run *run) {
    double all = run->hyper.unfreeze_epochs * (at_arch_depth(&run->model->arch) + 1), epochs = steps_of(run) / steps_an_epoch(run);
    return at_format(words_of(run), "the head alone at first, from the top a further block every %.3g epochs; %s", run->hyper.unfreeze_epochs,
                     all < epochs ? at_format(words_of(run), "everything from epoch %.3g on", all) : "the end comes before the last one joins");
}

static const char *why_stop(const at_train_run *run) {
    const at_hyper *h = &run->hyper;
    if (h->average > 0)
        return at_options_is_auto(run->options, "average")
                   ? run->recipe.why_average
                   : at_format(words_of(run), "all steps are taken; the mean of the weights over the last %.3g%% of them is kept (--average)", 100 * h->average);
    if (run->recipe.judging == AT_JUDGE_FOLDS)
        return at_options_int(run->options, "early_stopping_patience", 0) ? "a fixed number of steps: on folds there is nothing to stop early by" : run->recipe.why_stop;
    if (!h->patience) return "the best evaluated state is kept; all steps are taken";
    return at_format(words_of(run), "the best evaluated state is kept; %d evaluation%s without a higher score end%s the training", h->patience, h->patience > 1 ? "s" : "",
                     h->patience > 1 ? "" : "s");
}

static void tell_choices(const at_train_run *run) {
    const at_recipe *r = &run->recipe;
    const at_hyper *h = &run->hyper;
    int trains = run->method != AT_METHOD_HEAD;
    at_tell(run->listener, "judging",
            json_pack("{s:s, s:i, s:i}", "by", judging_name(r->judging), "train", run->train->n, "eval",
                      run->eval ? run->eval->n : 0),
            "Judged: %s.", r->why_judging);
    if (!trains) {
        tell_long(run);
        return;
    }
    tell_new_head(run);
    const at_options *o = run->options;
    at_tell(run->listener, "choice", json_pack("{s:f, s:f}", "learning_rate", h->learning_rate, "layer_decay", h->layer_decay), "Rate: %s.", why_rate(run));
    at_tell(run->listener, "choice",
            json_pack("{s:i, s:f, s:i}", "batch_size", h->batch_size, "epochs", h->num_train_epochs, "max_steps",
                      h->max_steps),
            "Length: %s.", why_length(run));
    if (run->method == AT_METHOD_GRADUAL)
        at_tell(run->listener, "choice", json_pack("{s:f}", "unfreeze_epochs", h->unfreeze_epochs), "Gradual: %s.", why_gradual(run));
    tell_long(run);
    at_tell(run->listener, "choice", json_pack("{s:i, s:b, s:f}", "patience", h->patience, "keep_best", h->keep_best, "average", h->average), "Stop: %s.", why_stop(run));
    if (run->softening != 1 && run->method == AT_METHOD_TWO_STEP && !run->goes_on)
        at_tell(run->listener, "choice", json_pack("{s:f}", "soften_head", run->softening), "Start: %s.",
                at_options_is_auto(o, "soften_head") ? r->why_soft : "a head with the penalty asked for (--soften-head)");
    if (run->mix < 1)
        at_tell(run->listener, "choice", json_pack("{s:f}", "mix", run->mix), "Kept: %s.",
                at_options_is_auto(o, "mix")
                    ? r->why_mix
                    : at_format((at_arena *)&run->arena, "%.0f%% of step 2, the rest of where it began (--mix)",
                                100 * run->mix));
}

/* Backward costs twice the forward; frozen blocks save a part of it, which is left as reserve. */
static double seconds_expected(const at_train_run *run, double forward_rate) {
    double tokens = (double)run->train->token_at[run->train->n] / at_dataset_units(run->train) * run->hyper.batch_size * steps_of(run);
    if (run->recipe.judging == AT_JUDGE_FOLDS)
        tokens *= 1 + run->recipe.tuned_folds * (1 - 1.0 / run->recipe.folds);
    return forward_rate > 0 ? 3.2 * tokens / forward_rate : 0;
}

static double tokens_of(const at_dataset *d) { return d ? (double)d->token_at[d->n] : 0; }

static void tell_plan(at_train_run *run, const at_memory_plan *plan, double steps, double seconds) {
    double free_memory = (double)at_memory_available();
    const char *length = steps > 0 ? at_format(&run->arena, ", %.0f steps", steps) : "", *lanes = steps > 0 ? at_format(&run->arena, ", %d lanes", plan->lanes) : "";
    at_tell(run->listener, "plan",
            json_pack("{s:i, s:I, s:i, s:f, s:f, s:f, s:i, s:i, s:s, s:s, s:f}", "examples", at_dataset_units(run->train), "tokens",
                      (json_int_t)tokens_of(run->train), "longest", run->train->longest, "steps", steps, "memory_bytes", (double)plan->total,
                      "memory_available", free_memory, "lanes", plan->lanes, "threads", plan->threads, "kernels", run->backend->name, "precision",
                      run->backend->half ? "bf16" : "fp32", "seconds_expected", seconds),
            "Plan: %d examples, %.0f tokens%s; memory %.0f MB of %.0f MB free; %d threads%s, %s kernels, %s%s.", at_dataset_units(run->train),
            tokens_of(run->train), length ? length : "", (double)plan->total / 1e6, free_memory / 1e6, plan->threads, lanes ? lanes : "", run->backend->name,
            run->backend->half ? "bf16" : "fp32", seconds > 0 ? at_format(&run->arena, "; about %.0f s", seconds) : "");
}

static at_status tell_memory(at_train_run *run, at_model *m, at_error *err) {
    at_memory_plan plan;
    AT_TRY(at_train_memory(run, m, &run->hyper, run->pool, &plan, err));
    double rate = at_train_guess_rate(run, &m->arch, plan.threads), seconds = seconds_expected(run, rate);
    if (run->method != AT_METHOD_FULL && rate > 0) seconds += tokens_of(run->train) / rate; /* step 1 */
    tell_plan(run, &plan, steps_of(run), seconds);
    return AT_OK;
}

/* Of the head alone: the body runs once over all texts, and what is trained is as small as a training of everything but the body. */
static at_status tell_head_alone(at_train_run *run, at_model *m, at_error *err) {
    at_hyper hyper = run->hyper;
    at_memory_plan plan;
    unsigned char *frozen = AT_NEW_ARRAY(&run->arena, unsigned char, m->params.n);
    if (!frozen) return at_fail_memory(err, (size_t)m->params.n);
    for (int i = 0; i < m->params.n; i++) frozen[i] = !m->params.weights[i].is_head;
    hyper.frozen = frozen;
    AT_TRY(at_train_memory(run, m, &hyper, run->pool, &plan, err));
    double rate = at_train_guess_rate(run, &m->arch, plan.threads);
    tell_plan(run, &plan, 0, rate > 0 ? (tokens_of(run->train) + tokens_of(run->eval)) / rate : 0);
    return AT_OK;
}

at_status at_train_plan_tell(at_train_run *run, at_model *sizes, at_error *err) {
    tell_model(run, sizes);
    tell_choices(run);
    return run->method == AT_METHOD_HEAD ? tell_head_alone(run, sizes, err) : tell_memory(run, sizes, err);
}

void at_train_tell_time(at_train_run *run) {
    double seconds = seconds_expected(run, run->forward_rate);
    if (seconds > 0 && run->method != AT_METHOD_HEAD)
        at_tell(run->listener, "time", json_pack("{s:f}", "seconds_expected", seconds), "Step 2 will take about %.0f s.", seconds);
}
