/* The data of a training: tables are read, task and columns recognised, texts tokenised, and what is chosen by is set apart. */
#include <math.h>
#include <string.h>

#include <xxhash.h>

#include "base/file.h"
#include "base/str.h"
#include "model/gguf.h"
#include "run/label_names.h"
#include "run/session.h"
#include "run/train_run.h"
#include "task/columns.h"
#include "train/dataset_file.h"
#include "train/long_text.h"

static at_status read_table(at_train_run *run, const char *setting, at_table **table, at_error *err) {
    const char *path = at_options_text(run->options, setting, NULL);
    at_table_options options = at_settings_table(run->options);
    return path ? at_table_read(path, &options, table, err) : AT_OK;
}

static int label_index(const at_labels *labels, const char *name) {
    for (int i = 0; i < labels->n; i++)
        if (!strcmp(labels->name[i], name)) return i;
    return -1;
}

/* A finished model of this task that already knows every label of the data goes on learning with its own head. */
static int head_fits(const at_train_run *run) {
    const at_model *m = run->model;
    if (!m->trained_head || at_task_of_model(m) != run->state.task) return 0;
    int choice = at_options_choice(run->options, "head");
    if (choice && choice != (int)m->head.kind) return 0;
    if (!run->state.task->names_labels) return m->head.n_out == run->state.n_out;
    for (int i = 0; i < run->state.labels.n; i++)
        if (label_index(&m->labels, run->state.labels.name[i]) < 0) return 0;
    return 1;
}

static at_status check_head_choice(const at_train_run *run, at_error *err) {
    int choice = at_options_choice(run->options, "head");
    const at_task *task = run->state.task;
    if (!choice || at_task_has_head(task, (at_head_kind)choice)) return AT_OK;
    return at_fail(err, AT_USAGE, "--head %s: the task %s has the head %s", at_head_name((at_head_kind)choice),
                   task->name, at_head_name(task->heads[0]));
}

/* Where the body itself is what is trained, a head fitted on the frozen body has nothing to say. */
static at_status choose_method(at_train_run *run, at_error *err) {
    const at_task *task = run->state.task;
    if (!task->full_only || run->method == AT_METHOD_FULL) return AT_OK;
    if (run->method != AT_METHOD_TWO_STEP)
        return at_fail(err, AT_USAGE, "--method %s: the task %s trains the body itself, with --method full", at_options_text(run->options, "method", ""), task->name);
    run->method = AT_METHOD_FULL;
    return AT_OK;
}

static void tell_task(at_train_run *run) {
    const at_task_state *s = &run->state;
    char labels[40] = "";
    if (s->task->names_labels) snprintf(labels, sizeof labels, "; %d labels", s->labels.n);
    const char *why = run->why_task && !strstr(s->why, run->why_task) ? run->why_task : NULL; /* some say it already */
    at_tell(run->listener, "task",
            json_pack("{s:s, s:s, s:s*, s:i}", "task", s->task->name, "why", s->why, "recognised_by", run->why_task, "labels", s->labels.n),
            "Task: %s (%s)%s%s%s.%s", s->task->name, s->why, labels, why ? "; recognised: " : "", why ? why : "",
            !run->goes_on           ? head_fits(run) ? " The model knows them; its head is fitted anew." : ""
            : s->task->names_labels ? " The model knows them all: its own head goes on learning."
                                    : " The model's own head goes on learning.");
    if (s->task->full_only)
        at_tell_note(run->listener, "Method: full (the body itself is what is trained; there is no first step with a head alone).");
}

/* "-3,5": what a spreadsheet writes in half of Europe. */
static int has_decimal_comma(at_cell cell) {
    const char *p = cell.text, *comma;
    size_t before, after;
    if (!cell.len) return 0;
    p += *p == '-';
    before = strspn(p, "0123456789");
    comma = p + before;
    if (!before || *comma != ',') return 0;
    after = strspn(comma + 1, "0123456789");
    return after && comma + 1 + after == cell.text + cell.len;
}

/* They would be learned as classes, or as several labels in a cell. */
static void tell_decimal_commas(const at_train_run *run) {
    const at_table *t = run->train_table;
    const char *name = run->state.task->names_labels ? run->state.columns.label : NULL;
    int column = name ? at_table_column(t, name) : -1, any = 0;
    for (int r = 0; column >= 0 && r < t->n_rows; r++) {
        double number;
        at_cell cell = at_table_cell(t, r, column);
        if (has_decimal_comma(cell)) any = 1;
        else if (!cell.len || !at_parse_double(cell.text, &number)) return;
    }
    if (any)
        at_tell_warning(run->listener, "%s: column '%s' seems to hold numbers with a decimal comma, and is read as labels: numbers are written with a point "
                        "(--task regress); what stands between several labels of a row is said by --label-separator", t->path, name);
}

/* Among classes that are numbers "nan" would be one more class. */
static void tell_missing_numbers(const at_train_run *run) {
    const at_table *t = run->train_table;
    const char *name = run->state.task->names_labels ? run->state.columns.label : NULL;
    int column = name ? at_table_column(t, name) : -1, missing = 0, first = 0;
    for (int r = 0; column >= 0 && r < t->n_rows; r++) {
        double number;
        at_cell cell = at_table_cell(t, r, column);
        if (cell.len && at_cell_no_number(cell)) first = missing++ ? first : r;
        else if (!cell.len || !at_parse_double(cell.text, &number)) return;
    }
    if (missing && missing < t->n_rows)
        at_tell_warning(run->listener, "%s:%u: '%s' (column '%s') is learned as a label of its own%s; the others are numbers: if it means that there is none, remove the row",
                        t->path, (unsigned)t->line[first], at_table_cell(t, first, column).text, name, missing > 1 ? ", as in other rows" : "");
}

/* A first line that is a row would be lost as a header, and scores on what was trained on say nothing: both go unnoticed else. */
static void tell_doubts(at_train_run *run) {
    const at_task_state *s = &run->state;
    const json_t *hashes = json_object_get(run->folder.record, "hashes"), *train = json_object_get(hashes, "train");
    static const char *const OTHERS[] = {"eval", "test"};
    tell_decimal_commas(run);
    tell_missing_numbers(run);
    if (run->train_table->has_header && s->task->names_labels && s->columns.label && label_index(&s->labels, s->columns.label) >= 0)
        at_tell_warning(run->listener,
                        "%s:1: the label column is called '%s', as one of its labels is: is the first line a row, not "
                        "a header? If so, say --no-header",
                        run->train_table->path, s->columns.label);
    for (int i = 0; i < 2; i++)
        if (json_equal(train, json_object_get(hashes, OTHERS[i])))
            at_tell_warning(run->listener, "--%s is the training file itself: a score on it says nothing about new texts", OTHERS[i]);
}

/* A model with an encoder and a decoder writes, whatever the columns look like, unless it answers with labels already or is asked to do something
 * else: whether it has a head for that is found when there is one. No other model writes. */
static at_status check_stacks(at_train_run *run, int asked, at_error *err) {
    const at_arch *arch = &run->model->arch;
    int two = arch->decoder.layers > 0;
    if (two && !asked && run->model->head.kind == AT_HEAD_LM) run->state.task = at_task_of_stacks(1);
    if (two && !run->state.task->two_stacks && at_task_has_head(run->state.task, AT_HEAD_LM))
        return at_fail(err, AT_USAGE, "a %s reads a text and writes another; it does not go on with one", arch->family);
    if (two || !run->state.task->two_stacks) return AT_OK;
    return at_fail(err, AT_USAGE, "the task %s is for models that read a text and write another; a %s is none", run->state.task->name,
                   arch->family);
}

static at_status recognise(at_train_run *run, const at_columns *wanted, at_error *err) {
    const at_table *t = run->train_table;
    if (!at_task_recognise(t, wanted, &run->arena, &run->state.task, &run->why_task, err)) return AT_OK;
    return t->format == AT_TABLE_LINES ? at_fail(err, AT_USAGE, "%s: texts without labels; to make a body used to them: --task mask (encoders) or --task "
                                                                "language (decoders)", t->path)
                                       : AT_USAGE;
}

static at_status choose_task(at_train_run *run, at_error *err) {
    at_columns wanted = at_settings_columns(run->options);
    const char *name = at_options_text(run->options, "task", NULL);
    at_settings_task(run->options, &run->state);
    run->state.task = name ? at_task_find(name) : NULL;
    if (!run->state.task) AT_TRY(recognise(run, &wanted, err));
    AT_TRY(check_stacks(run, name != NULL, err));
    AT_TRY(at_settings_label_names(run->options, &run->state, err));
    AT_TRY(at_settings_long_check(run->options, run->state.task, err));
    run->state.start_id = run->model->arch.decoder.start_id;
    run->state.unbiased = !at_head_has_bias(&run->model->arch, AT_HEAD_POOLER);
    AT_TRY(at_take_label_names(&run->state, run->model, run->train_table, &wanted, 1, run->listener, err));
    AT_TRY(run->state.task->bind(&run->state, run->train_table, &wanted, 0, err));
    if (!run->state.n_out) run->state.n_out = run->model->head.n_projections ? run->model->head.n_out : run->model->arch.hidden;
    AT_TRY(check_head_choice(run, err));
    AT_TRY(choose_method(run, err));
    run->goes_on = run->method != AT_METHOD_HEAD && head_fits(run);
    if (run->goes_on) AT_TRY(at_task_adopt(&run->state, run->model, err));
    run->state.label_smoothing = at_options_real(run->options, "label_smoothing_factor", 0);
    if (run->state.label_smoothing > 0 && !run->state.task->smooths)
        return at_fail(err, AT_USAGE, "--label-smoothing-factor spreads the target over all labels; the loss of %s has nothing to spread", run->state.task->name);
    run->state.main_metric = at_options_text(run->options, "metric_for_best_model", NULL);
    tell_task(run);
    tell_doubts(run);
    return AT_OK;
}

static at_status choose_length(at_train_run *run, at_error *err) {
    const char *source;
    const at_arch *arch = &run->model->arch;
    AT_TRY(at_session_choose_length(run->tokenizer, arch, at_options_int(run->options, "max_length", 0), &run->max_tokens, &source, err));
    at_tell(run->listener, "length", json_pack("{s:i, s:s}", "max_length", run->max_tokens, "source", source),
            "Longest input: %d tokens (%s; the model has %d positions).", run->max_tokens, source, arch->max_positions);
    return AT_OK;
}

/* ---- tokens that an earlier start of the same run kept ---- */

enum { KEEP_TOKENS = 100000 }; /* fewer are tokenised again before a file is written */

static const char *tokens_path(at_train_run *run, const char *name) {
    return run->folder.path ? at_format(&run->arena, "%s/work/tokens-%s", run->folder.path, name) : NULL;
}

/* Settings, contents of data and model, and what the length came to. */
static uint64_t tokens_key(const at_train_run *run, const char *name) {
    uint64_t key = XXH3_64bits_withSeed(run->folder.fingerprint, strlen(run->folder.fingerprint), (uint64_t)run->max_tokens);
    return XXH3_64bits_withSeed(name, strlen(name), key);
}

static at_status keep_tokens(at_train_run *run, const char *name, at_dataset **d, at_error *err) {
    at_dataset *kept = NULL;
    at_error why;
    const char *path = tokens_path(run, name);
    if (!*d || (*d)->map || !path || (*d)->token_at[(*d)->n] < KEEP_TOKENS) return AT_OK;
    char *folder = at_path_join(&run->arena, run->folder.path, "work");
    if (!folder) return at_fail_memory(err, 0);
    AT_TRY(at_folder_make(folder, err));
    if (at_dataset_store(*d, path, tokens_key(run, name), &why)) {
        at_tell_note(run->listener, "The tokens are not kept for a later start: %s.", why.text); /* they are there, which is enough */
        return AT_OK;
    }
    AT_TRY(at_dataset_load(path, tokens_key(run, name), (*d)->path, (*d)->table, &kept, err));
    if (!kept) return AT_OK;
    at_dataset_close(*d);
    *d = kept;
    return AT_OK;
}

at_status at_train_data_keep(at_train_run *run, at_error *err) {
    int whole = run->train == run->all, cut = run->recipe.judging == AT_JUDGE_SPLIT;
    AT_TRY(keep_tokens(run, "train", &run->all, err));
    if (whole) run->train = run->all;
    if (!cut) AT_TRY(keep_tokens(run, "eval", &run->eval, err));
    return keep_tokens(run, "test", &run->test, err);
}

static at_status tokenise(at_train_run *run, const char *name, const at_table *table, at_dataset **d, at_error *err) {
    const char *path = run->folder.resumed ? tokens_path(run, name) : NULL;
    if (path) AT_TRY(at_dataset_load(path, tokens_key(run, name), table->path, table, d, err));
    if (*d) {
        at_tell_note(run->listener, "%s: the tokens of an earlier start are there already.", table->path);
        return AT_OK;
    }
    return run->state.task->encode(&run->state, table, run->tokenizer, run->max_tokens, 1, run->pool, d, err);
}

static at_status encode(at_train_run *run, const char *name, const at_table *table, at_dataset **d, at_error *err) {
    if (!table) return AT_OK;
    AT_TRY(at_tell_remark(&run->state, table, run->listener, err));
    AT_TRY(tokenise(run, name, table, d, err));
    if (!(*d)->n) return at_fail(err, AT_BAD_DATA, "%s: no examples", table->path);
    const at_arch *arch = &run->model->arch;
    AT_TRY(at_dataset_fits(*d, arch->vocab_size, arch->type_vocab, arch->max_positions, err));
    uint64_t tokens = (*d)->token_at[(*d)->n];
    if ((*d)->row && (*d)->draw != AT_DRAW_ROWS && (*d)->n > table->n_rows)
        at_tell_note(run->listener, "%s: some rows are longer than %d tokens; they are read in overlapping windows (%d examples of %d rows), nothing is cut.", table->path,
                     run->max_tokens, (*d)->n, table->n_rows);
    if ((*d)->n_cut_examples)
        at_tell_warning(run->listener, "%s: %d of %d texts are longer than %d tokens%s; %llu tokens are lost (%.1f%% of all)", table->path,
                        (*d)->n_cut_examples, (*d)->draw == AT_DRAW_ROWS ? (*d)->n : table->n_rows, run->max_tokens, at_long_words(run->state.long_texts),
                        (unsigned long long)(*d)->n_cut_tokens, 100.0 * (double)(*d)->n_cut_tokens / (double)(tokens + (*d)->n_cut_tokens));
    return AT_OK;
}

/* ---- class weights ---- */

static at_status given_weight(at_train_run *run, char *pair, at_error *err) {
    char *equals = strrchr(pair, '=');
    double weight;
    if (!equals || !at_parse_double(equals + 1, &weight) || weight < 0)
        return at_fail(err, AT_USAGE, "--class-weights: '%s' is neither none, nor balanced, nor LABEL=WEIGHT", pair);
    *equals = '\0';
    int label = label_index(&run->state.labels, pair);
    if (label < 0) {
        const char *near = at_nearest(pair, run->state.labels.name, run->state.labels.n);
        return at_fail(err, AT_USAGE, "--class-weights: '%s' is not a label of the data.%s%s%s", pair, near ? " Did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    run->state.class_weight[label] = (at_real)weight;
    return AT_OK;
}

static at_status set_class_weights(at_train_run *run, at_error *err) {
    int n;
    char **list = at_options_list(run->options, "class_weights", &run->arena, &n);
    if (!list) return at_fail_memory(err, 0);
    if (!n || !strcmp(list[0], "none")) return AT_OK;
    if (!run->state.task->balance)
        return at_fail(err, AT_USAGE, "--class-weights: the task %s has no classes to weigh", run->state.task->name);
    run->state.class_weight = AT_NEW_ARRAY(&run->arena, at_real, run->state.labels.n);
    if (!run->state.class_weight) return at_fail_memory(err, 0);
    if (!strcmp(list[0], "balanced")) return run->state.task->balance(&run->state, run->all, run->state.class_weight, err);
    for (int c = 0; c < run->state.labels.n; c++) run->state.class_weight[c] = 1;
    for (int i = 0; i < n; i++) AT_TRY(given_weight(run, list[i], err));
    for (int c = 0; c < run->state.labels.n; c++)
        if (run->state.class_weight[c] > 0) return AT_OK;
    return at_fail(err, AT_USAGE, "--class-weights: every label has the weight 0, nothing would be learned");
}

/* ---- what is chosen by ---- */

static at_recipe_facts gather_facts(const at_train_run *run) {
    const at_dataset *d = run->all;
    at_recipe_facts f = {.method = run->method,
                         .n_train = at_dataset_units(d),
                         .n_classes = run->state.labels.n,
                         .smallest_class = at_dataset_units(d),
                         .n_outputs = (double)at_dataset_outputs(d),
                         .mean_tokens = (double)d->token_at[d->n] / at_dataset_units(d),
                         .hidden = run->model->arch.hidden,
                         .layers = run->model->arch.layers,
                         .has_eval = run->eval_table != NULL,
                         .n_answers = (double)(run->state.task->whole ? (size_t)at_dataset_units(d) : at_dataset_outputs(d)),
                         .rate_share = run->state.task->rate_share,
                         .steps_share = run->state.task->steps_share,
                         .fewest_epochs = run->state.task->fewest_epochs,
                         .averages = run->state.task->averages,
                         .new_head = run->new_head};
    for (int c = 0; d->label && !d->place_at && c < f.n_classes; c++) {
        int count = 0;
        for (int i = 0; i < d->n; i++) count += d->label[i] == c;
        if (count && count < f.smallest_class) f.smallest_class = count;
    }
    return f;
}

/* Every k-th example of a stratified shuffle goes to the evaluation part: k folds, the first is held out. */
static at_status cut_off(at_train_run *run, at_error *err) {
    int n = run->all->n, kept = 0, held = 0;
    int parts = (int)lround(1 / run->recipe.eval_share);
    if (parts < 2) parts = 2;
    if (parts > 127) parts = 127;
    int8_t *fold = AT_NEW_ARRAY(&run->arena, int8_t, n);
    uint32_t *inside = AT_NEW_ARRAY(&run->arena, uint32_t, n), *outside = AT_NEW_ARRAY(&run->arena, uint32_t, n);
    if (!fold || !inside || !outside) return at_fail_memory(err, (size_t)n * 9);
    at_folds(run->all, parts, (uint64_t)at_options_int(run->options, "seed", 42), fold);
    for (int i = 0; i < n; i++) {
        if (fold[i]) inside[kept++] = (uint32_t)i;
        else outside[held++] = (uint32_t)i;
    }
    AT_TRY(at_dataset_subset(run->all, inside, kept, &run->train, err));
    return at_dataset_subset(run->all, outside, held, &run->eval, err);
}

/* Whether what the body is trained through begins from nothing: the folder of an encoder may have no head for hidden words. */
static at_status look_for_head(at_train_run *run, at_error *err) {
    at_model *sizes = NULL;
    if (!run->state.task->full_only || run->goes_on) return AT_OK;
    AT_TRY(at_train_open_sizes(run, &sizes, err));
    int of_head = 0, fresh = 0;
    for (int i = 0; i < sizes->params.n; i++) {
        if (!sizes->params.weights[i].is_head) continue;
        of_head++;
        for (int k = 0; k < sizes->report.n_fresh; k++) fresh += !strcmp(sizes->params.weights[i].name, sizes->report.fresh[k]);
    }
    run->new_head = of_head && fresh == of_head;
    at_model_close(sizes);
    return AT_OK;
}

static at_status set_apart(at_train_run *run, at_error *err) {
    AT_TRY(look_for_head(run, err));
    at_recipe_facts facts = gather_facts(run);
    AT_TRY(at_recipe_choose(&facts, &run->arena, &run->recipe, err));
    double share = at_options_real(run->options, "eval_share", 0);
    if (share > 0 && run->recipe.judging != AT_JUDGE_FILE) {
        run->recipe.judging = AT_JUDGE_SPLIT;
        run->recipe.eval_share = share;
        run->recipe.hyper.keep_best = 1;
        run->recipe.why_judging = at_format(&run->arena, "%.0f%% of the training data is cut off to choose by (--eval-share)", 100 * share);
    }
    int folds = (int)at_options_int(run->options, "folds", 0);
    if (folds > 1) run->recipe.folds = run->recipe.tuned_folds = folds;
    if (folds == 1) run->recipe.tuned_folds = 0;
    run->train = run->all;
    if (run->recipe.judging == AT_JUDGE_SPLIT) return cut_off(run, err);
    if (run->recipe.judging == AT_JUDGE_FOLDS) {
        run->fold = AT_NEW_ARRAY(&run->arena, int8_t, run->all->n);
        if (!run->fold) return at_fail_memory(err, (size_t)run->all->n);
        at_folds(run->all, run->recipe.folds, (uint64_t)at_options_int(run->options, "seed", 42), run->fold);
    }
    return AT_OK;
}

/* Scores a few made-up answers: a metric that is not there is found out before anything is computed. */
static at_status check_metric(const at_train_run *run, at_error *err) {
    enum { FEW = 8 };
    uint32_t index[FEW];
    at_arena scratch = {0};
    at_dataset *few = NULL;
    at_score score = {0};
    int n = run->all->n < FEW ? run->all->n : FEW;
    if (!run->state.main_metric) return AT_OK;
    for (int i = 0; i < n; i++) index[i] = (uint32_t)i;
    at_status st = at_dataset_subset(run->all, index, n, &few, err);
    float *answers = st ? NULL : AT_NEW_ARRAY(&scratch, float, at_dataset_outputs(few) * (size_t)run->state.n_out);
    if (answers && run->state.task->score(&run->state, few, answers, &score, err) == AT_USAGE) st = AT_USAGE;
    at_score_free(&score);
    at_dataset_close(few);
    at_arena_free(&scratch);
    return st;
}

at_status at_train_data_read(at_train_run *run, at_error *err) {
    AT_TRY(read_table(run, "train", &run->train_table, err));
    AT_TRY(read_table(run, "eval", &run->eval_table, err));
    AT_TRY(read_table(run, "test", &run->test_table, err));
    return at_model_tokenizer_open(run->model_folder, &run->tokenizer, err);
}

at_status at_train_data(at_train_run *run, at_error *err) {
    AT_TRY(at_train_open_body(run, err));
    AT_TRY(choose_task(run, err));
    AT_TRY(choose_length(run, err));
    AT_TRY(encode(run, "train", run->train_table, &run->all, err));
    AT_TRY(encode(run, "eval", run->eval_table, &run->eval, err));
    AT_TRY(encode(run, "test", run->test_table, &run->test, err));
    AT_TRY(check_metric(run, err));
    AT_TRY(set_class_weights(run, err));
    return set_apart(run, err);
}

const at_dataset *at_train_fitted(const at_train_run *run) { return run->train; }
