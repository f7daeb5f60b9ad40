/* attune check: reads the tables as a training would, runs the passes of task/lint.h over them, and tells what they found: each
 * finding as an event, a few of every kind in words (a program gets them all), what to do about that kind, and a last line. */
#include <string.h>

#include "base/file.h"
#include "io/table_write.h"
#include "model/gguf.h"
#include "run/events.h"
#include "run/models.h"
#include "run/session.h"
#include "task/labels.h"
#include "task/lint.h"
#include "task/mend.h"
#include "train/long_text.h"

enum { SHOWN = 5 }; /* findings of a kind that are put into words */

typedef struct check {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    at_lint lint;
    at_table *table[AT_LINT_SPLITS];
    const char *reading;  /* path of the table that is being read */
    at_columns columns;   /* of the first table: what the others must have */
    at_task_state state;  /* its task */
    const char *why_task; /* why it was recognised, or NULL: named by the user */
    long n[3];            /* findings by severity */
    json_t *kinds;        /* how many of each */
} check;

/* ---- the tables ---- */

static void on_bad_row(void *context, uint32_t line, const char *sentence) {
    check *c = context;
    at_lint_bad_row(&c->lint, c->reading, line, sentence);
}

static at_status read_table(check *c, const char *path, at_table **table, at_error *err) {
    at_table_options options = at_settings_table(c->options);
    options.keep_bad_rows = 1;
    options.bad = on_bad_row;
    options.context = c;
    c->reading = path;
    return at_table_read(path, &options, table, err);
}

/* By the user's word or by the first table; where no column looks like a label the checks are those of texts. */
static void choose_task(check *c, const at_table *first) {
    at_columns wanted = at_settings_columns(c->options);
    const char *name = at_options_text(c->options, "task", NULL);
    at_settings_task(c->options, &c->state);
    c->state.columns = wanted;
    c->state.task = name ? at_task_find(name) : NULL;
    if (!c->state.task && at_task_recognise(first, &wanted, &c->arena, &c->state.task, &c->why_task, NULL))
        c->state.task = at_task_find("classify");
    if (!name && c->lint.has_range && !strcmp(c->state.task->name, "classify")) {
        c->state.task = at_task_find("regress");
        c->why_task = "--score-range";
    }
    c->lint.blank_ok = c->state.task->plain_texts;
}

/* A model of vectors reads each text of a row by itself. */
static int of_single_texts(const check *c) { return at_task_has_head(c->state.task, AT_HEAD_EMBED); }

/* The first table's columns are found by name or shape, those of the others have the same names. */
static at_status find_columns(check *c, at_lint_split *s, const char **why, at_error *err) {
    at_columns wanted = c->lint.n_splits ? c->columns : at_settings_columns(c->options);
    if (of_single_texts(c)) { /* up to three columns: its own lint finds them */
        *why = "";
        s->columns = (at_found_columns){-1, -1, -1};
        return AT_OK;
    }
    if (wanted.label && strchr(wanted.label, ',') && at_table_column(s->table, wanted.label) < 0)
        wanted.label = NULL; /* several: the task's own */
    if (c->lint.n_splits && c->state.task->label_forms && wanted.label && at_table_column(s->table, wanted.label) < 0) wanted.label = NULL;
    AT_TRY(at_columns_find(s->table, &wanted, 0, &c->arena, &s->columns, why, err));
    const char *const *name = s->table->column;
    if (!c->lint.n_splits)
        c->columns = (at_columns){name[s->columns.text], s->columns.text2 < 0 ? NULL : name[s->columns.text2],
                                  s->columns.label < 0 ? NULL : name[s->columns.label]};
    return AT_OK;
}

static void tell_table(const check *c, const at_lint_split *s, const char *why) {
    at_tell(c->listener, "data",
            json_pack("{s:s, s:s, s:i, s:s}", "split", s->name, "file", s->table->path, "rows", s->table->n_rows, "why",
                      why),
            "%s: %d rows; %s%s.", s->table->path, s->table->n_rows, why, s->columns.label < 0 && !c->state.task->lint ? "; no labels" : "");
}

/* A task that checks its data itself reads columns of its own. */
static const char *how_read(check *c, const char *why_columns) {
    if (!c->state.task->lint) return why_columns;
    return at_format(&c->arena, "read as '%s'%s%s", c->state.task->name, c->why_task ? ": " : "", c->why_task ? c->why_task : "");
}

static at_status add_split(check *c, const char *name, at_error *err) {
    const char *path = at_options_text(c->options, name, NULL), *why;
    if (!path) return AT_OK;
    int i = c->lint.n_splits;
    AT_TRY(read_table(c, path, &c->table[i], err));
    at_lint_split *s = &c->lint.split[i];
    *s = (at_lint_split){.name = name, .table = c->table[i]};
    if (!i) choose_task(c, s->table);
    if (!i) AT_TRY(at_settings_label_names(c->options, &c->state, err));
    if (!s->table->n_rows) at_lint_add(&c->lint, AT_LINT_NO_ROWS, path, 0, "there is no row that can be read");
    AT_TRY(find_columns(c, s, &why, err));
    c->lint.n_splits++;
    const char *how = how_read(c, why);
    if (!how) return at_fail_memory(err, 0);
    tell_table(c, s, how);
    return AT_OK;
}

static at_status read_all(check *c, at_error *err) {
    static const char *const NAMES[] = {"train", "eval", "test"};
    for (int i = 0; i < AT_LINT_SPLITS; i++) AT_TRY(add_split(c, NAMES[i], err));
    if (!c->lint.n_splits) return at_fail(err, AT_USAGE, "no file to check: give --train, --eval or --test");
    return AT_OK;
}

/* ---- lengths, where a model is named ---- */

/* Asked for, or as the named model was trained, else the end is cut off. */
static at_status choose_long(check *c, const json_t *config, at_error *err) {
    at_long *how = &c->state.long_texts;
    AT_TRY(at_settings_long_check(c->options, c->state.task, err));
    if (!*how) *how = at_long_find(json_string_value(json_object_get(json_object_get(config, "attune"), "long")));
    if (c->state.task->in_windows) *how = AT_LONG_WINDOW;
    if (!*how) *how = AT_LONG_TAIL;
    return AT_OK;
}

static at_status read_arch(check *c, const char *folder, at_arch *arch, at_error *err) {
    json_t *config = NULL;
    const char *path = at_path_join(&c->arena, folder, "config.json");
    if (!path) return at_fail_memory(err, 0);
    AT_TRY(at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &config, err));
    at_status st = at_arch_read(config, path, &c->arena, arch, err);
    if (!st) st = choose_long(c, config, err);
    json_decref(config);
    return st;
}

static at_status choose_limit(check *c, const char *folder, const at_tokenizer *tokenizer, int *limit, at_error *err) {
    const char *source = NULL;
    at_arch arch;
    AT_TRY(read_arch(c, folder, &arch, err));
    AT_TRY(at_session_choose_length(tokenizer, &arch, at_options_int(c->options, "max_length", 0), limit, &source, err));
    at_tell(c->listener, "length", json_pack("{s:i, s:s}", "max_length", *limit, "source", source),
            "Longest input: %d tokens (%s).", *limit, source);
    return AT_OK;
}

/* Of every row the longer of what stands there and this text or pair. */
static at_status count_tokens(const at_lint_split *s, int text, int text2, const at_tokenizer *tokenizer, at_pool *pool, int *tokens,
                              at_error *err) {
    at_dataset *d = NULL;
    AT_TRY(at_dataset_encode(s->table, text, text2, tokenizer, 0, pool, &d, err));
    for (int r = 0; r < d->n; r++)
        if (at_dataset_length(d, r) > tokens[r]) tokens[r] = at_dataset_length(d, r);
    at_dataset_close(d);
    return AT_OK;
}

static at_status check_split_lengths(check *c, int i, const at_tokenizer *tokenizer, int limit, at_pool *pool, at_error *err) {
    const at_lint_split *s = &c->lint.split[i];
    if (!s->table->n_rows) return AT_OK;
    at_arena scratch = {0};
    int *tokens = AT_NEW_ARRAY(&scratch, int, s->table->n_rows);
    at_status st = tokens ? AT_OK : at_fail_memory(err, 0);
    if (!st && !of_single_texts(c)) st = count_tokens(s, s->columns.text, s->columns.text2, tokenizer, pool, tokens, err);
    const int column[] = {s->columns.text, s->columns.text2, s->text3 - 1};
    for (int k = 0; k < 3 && !st && of_single_texts(c); k++)
        if (column[k] >= 0) st = count_tokens(s, column[k], -1, tokenizer, pool, tokens, err);
    if (!st) st = at_lint_lengths(&c->lint, i, tokens, limit, c->state.long_texts, err);
    at_arena_free(&scratch);
    return st;
}

static at_status check_lengths(check *c, at_error *err) {
    const char *name = at_options_text(c->options, "model", NULL), *folder = NULL;
    at_tokenizer *tokenizer = NULL;
    at_pool *pool = NULL;
    int limit = 0;
    if (!name) return AT_OK;
    AT_TRY(at_model_folder_find(&c->arena, name, &folder, err));
    AT_TRY(at_model_tokenizer_open(folder, &tokenizer, err));
    at_status st = choose_limit(c, folder, tokenizer, &limit, err);
    if (!st) st = at_pool_open(&pool, (int)at_options_int(c->options, "threads", at_cpu_count()), err);
    for (int i = 0; i < c->lint.n_splits && !st; i++) st = check_split_lengths(c, i, tokenizer, limit, pool, err);
    at_pool_close(pool);
    at_tokenizer_close(tokenizer);
    return st;
}

/* ---- telling ---- */

static json_t *finding_json(const at_finding *f) {
    json_t *fields =
        json_pack("{s:s, s:s, s:s, s:o}", "kind", at_lint_kind_name(f->kind), "severity", at_severity_name(f->severity),
                  "file", f->file, "line", f->line ? json_integer(f->line) : json_null());
    if (f->file2) json_object_set_new(fields, "file2", json_string(f->file2));
    if (f->line2) json_object_set_new(fields, "line2", json_integer(f->line2));
    json_object_set_new(fields, "text", json_string(f->text));
    return fields;
}

static void tell_finding(const check *c, const at_finding *f, int in_words) {
    if (in_words) at_tell(c->listener, "finding", finding_json(f), "%s: %s", at_severity_name(f->severity), f->text);
    else at_tell_text(c->listener, "finding", finding_json(f), NULL);
}

/* Behind the findings of one kind: how many were not shown, and what to do. */
static void tell_group(check *c, const at_finding *first, long n) {
    const char *kind = at_lint_kind_name(first->kind), *advice = at_lint_kind_advice(first->kind);
    at_str text = {.arena = &c->arena};
    if (n > SHOWN)
        at_str_addf(&text, "  ... and %ld more: %ld %s in all (--json lists them).", n - SHOWN, n,
                    at_lint_kind_plural(first->kind));
    if (advice) at_str_addf(&text, "%s%s", n > SHOWN ? " " : "  ", advice);
    at_tell_text(c->listener, "findings",
                 json_pack("{s:s, s:s, s:I, s:s?}", "kind", kind, "severity", at_severity_name(first->severity),
                           "count", (json_int_t)n, "advice", advice),
                 text.text);
    json_int_t before = json_integer_value(json_object_get(c->kinds, kind));
    json_object_set_new(c->kinds, kind, json_integer(before + n));
}

static void tell_findings(check *c) {
    const at_finding *f = c->lint.finding;
    for (size_t i = 0, begin = 0; i < c->lint.n; i++) {
        tell_finding(c, &f[i], i - begin < SHOWN);
        c->n[f[i].severity]++;
        if (i + 1 < c->lint.n && f[i + 1].kind == f[i].kind && f[i + 1].severity == f[i].severity) continue;
        tell_group(c, &f[begin], (long)(i + 1 - begin));
        begin = i + 1;
    }
}

static void add_count(at_str *text, long n, const char *what) {
    if (n) at_str_addf(text, "%s%ld %s%s", text->len ? ", " : "", n, what, n == 1 ? "" : "s");
}

static int lacks_labels(const check *c) { return c->lint.split[0].columns.label < 0 && !c->state.task->lint && !c->state.task->plain_texts; }

static void tell_end(check *c) {
    at_str found = {.arena = &c->arena}, files = {.arena = &c->arena};
    json_t *rows = json_object();
    for (int i = 0; i < c->lint.n_splits; i++) {
        const at_lint_split *s = &c->lint.split[i];
        at_str_addf(&files, "%s%s (%d rows)", i ? ", " : "", s->table->path, s->table->n_rows);
        json_object_set_new(rows, s->name, json_integer(s->table->n_rows));
    }
    for (int s = 0; s < 3; s++) add_count(&found, c->n[s], at_severity_name((at_severity)s));
    at_tell(c->listener, "done",
            json_pack("{s:I, s:I, s:I, s:o, s:O}", "errors", (json_int_t)c->n[0], "warnings", (json_int_t)c->n[1],
                      "notes", (json_int_t)c->n[2], "rows", rows, "kinds", c->kinds),
            "%s: %s.", files.text ? files.text : "",
            found.text        ? found.text
            : lacks_labels(c) ? "nothing found, but there are no labels to train on"
                              : "nothing found, ready to train on");
}

/* Numbers that --label-names has no name for, which training refuses. */
static void look_at_numbers(check *c) {
    for (int i = 0; i < c->lint.n_splits; i++) {
        const at_lint_split *s = &c->lint.split[i];
        const char *name;
        at_error why;
        for (int r = 0; s->columns.label >= 0 && r < s->table->n_rows; r++) {
            at_cell cell = at_lint_label(s, r);
            if (cell.len && at_label_name(&c->state.label_names, s->table->path, s->table->line[r], cell.text, &name, &why))
                at_lint_sentence(&c->lint, AT_LINT_BAD_LABEL, s->table->path, s->table->line[r], why.text);
        }
    }
}

static at_status look_at_data(check *c, at_error *err) {
    if (c->state.task->lint) return c->state.task->lint(&c->state, &c->lint, err);
    look_at_numbers(c);
    AT_TRY(at_lint_texts(&c->lint, err));
    AT_TRY(at_lint_near(&c->lint, err));
    AT_TRY(at_lint_labels(&c->lint, err));
    return at_lint_encoding(&c->lint, err);
}

static at_status check_range_used(const check *c, at_error *err) {
    if (!c->lint.has_range || c->lint.range_used) return AT_OK;
    return at_fail(err, AT_USAGE, "--score-range: %s has no scores for the task %s; numbers of texts are --task regress, of pairs --task embed, too",
                   c->table[0]->path, c->state.task->name);
}

static at_status find_all(check *c, at_error *err) {
    AT_TRY(read_all(c, err));
    AT_TRY(look_at_data(c, err));
    AT_TRY(check_range_used(c, err));
    AT_TRY(check_lengths(c, err));
    at_lint_sort(&c->lint);
    tell_findings(c);
    tell_end(c);
    return AT_OK;
}

/* ---- mending ---- */

typedef struct told {
    const check *c;
    json_t *kinds; /* how many of each */
} told;

static void on_mended(void *context, const char *kind, uint32_t line, const char *sentence) {
    told *t = context;
    json_int_t n = json_integer_value(json_object_get(t->kinds, kind)) + 1;
    json_object_set_new(t->kinds, kind, json_integer(n));
    json_t *fields = json_pack("{s:s, s:i, s:s}", "kind", kind, "line", (int)line, "text", sentence);
    at_tell_text(t->c->listener, "mended", fields, n <= SHOWN ? sentence : NULL);
}

static long total_of(json_t *kinds) {
    const char *kind;
    json_t *count;
    long n = 0;
    json_object_foreach(kinds, kind, count) n += (long)json_integer_value(count);
    return n;
}

static at_status write_mended(check *c, const char *path, at_error *err) {
    told t = {c, json_object()};
    at_mending m = {.table = c->table[0], .columns = c->lint.split[0].columns, .text3 = c->lint.split[0].text3, .arena = &c->arena,
                    .tell = on_mended, .context = &t};
    at_status st = t.kinds ? at_mend(&c->state, &m, err) : at_fail_memory(err, 0);
    if (!st) st = at_table_rewrite(c->table[0], m.cell, m.drop, path, err);
    if (!st) {
        long n = total_of(t.kinds);
        at_tell(c->listener, "fixed", json_pack("{s:s, s:I, s:O}", "output", path, "changes", (json_int_t)n, "kinds", t.kinds),
                "%s: %ld change%s; what is left is for you to decide: attune check %s", path, n, n == 1 ? "" : "s", path);
    }
    json_decref(t.kinds);
    return st;
}

/* Nothing may be lost: a row that cannot be read cannot be written again. */
static at_status mend(check *c, const char *path, at_error *err) {
    long bad = (long)json_integer_value(json_object_get(c->kinds, at_lint_kind_name(AT_LINT_BAD_ROW)));
    if (c->lint.n_splits != 1) return at_fail(err, AT_USAGE, "--fix mends one file: give one of --train, --eval and --test");
    if (!strcmp(c->table[0]->path, path)) return at_fail(err, AT_USAGE, "--fix %s: is the file itself; choose another", path);
    if (bad)
        return at_fail(err, AT_BAD_DATA, "%s: %ld row%s cannot be read and would be lost; correct %s first", c->table[0]->path, bad,
                       bad == 1 ? "" : "s", bad == 1 ? "it" : "them");
    return write_mended(c, path, err);
}

static at_status look(check *c, at_error *err) {
    const char *fix = at_options_text(c->options, "fix", NULL);
    AT_TRY(find_all(c, err));
    if (fix) return mend(c, fix, err);
    if (!c->n[AT_SEVERE_ERROR]) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%ld %s in the data, listed above; training would refuse it", c->n[0],
                   c->n[0] == 1 ? "error" : "errors");
}

static at_status read_range(check *c, at_error *err) {
    int n;
    char **part = at_options_list(c->options, "score_range", &c->arena, &n);
    if (!part) return at_fail_memory(err, 0);
    if (!n) return AT_OK;
    c->lint.has_range = 1;
    if (n == 2 && at_parse_double(part[0], &c->lint.low) && at_parse_double(part[1], &c->lint.high) && c->lint.low < c->lint.high)
        return AT_OK;
    return at_fail(err, AT_USAGE, "--score-range: '%.100s' is not LOW,HIGH", at_options_text(c->options, "score_range", ""));
}

at_status at_check(const at_options *options, const at_listener *listener, at_error *err) {
    check c = {.options = options, .listener = listener, .kinds = json_object()};
    c.lint.arena = &c.arena;
    at_status st = c.kinds ? read_range(&c, err) : at_fail_memory(err, 0);
    if (!st) st = look(&c, err);
    for (int i = 0; i < AT_LINT_SPLITS; i++) at_table_close(c.table[i]);
    json_decref(c.kinds);
    at_task_close(&c.state);
    at_arena_free(&c.arena);
    return st;
}
