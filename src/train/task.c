/* What every task has in common. */
#include "train/task.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "train/label_names.h"
#include "train/long_text.h"

double at_task_norm(const at_task_state *s, const at_dataset *d, const uint32_t *example, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        size_t first = at_dataset_output_at(d, (int)example[i]), end = first + (size_t)at_dataset_n_outputs(d, (int)example[i]);
        for (size_t k = first; k < end; k++) sum += s->task->weight(s, d, k);
    }
    return sum > 0 ? sum : 1;
}

int at_task_has_head(const at_task *task, at_head_kind kind) {
    for (int i = 0; task->heads[i]; i++)
        if (task->heads[i] == kind) return 1;
    return 0;
}

/* A copy: a training closes the model that they came from. */
static at_status copy_labels(const at_labels *from, at_arena *arena, at_labels *to, at_error *err) {
    *to = (at_labels){AT_NEW_ARRAY(arena, const char *, from->n), from->n};
    for (int i = 0; to->name && i < from->n; i++)
        if (!(to->name[i] = at_strdup(arena, from->name[i]))) to->name = NULL;
    return to->name ? AT_OK : at_fail_memory(err, (size_t)from->n * sizeof *to->name);
}

/* A label that is a number already, or that nobody named ("LABEL_0"), is no name of a number. */
static int is_name(const char *label) {
    long long number;
    return !at_parse_int(label, &number) && strncmp(label, "LABEL_", 6);
}

at_status at_task_names_of_numbers(const at_model *m, at_arena *arena, at_labels *names, at_error *err) {
    const json_t *own = json_object_get(m->config, "attune"), *list = json_object_get(own, "label_names"), *item;
    size_t i, n = json_array_size(list);
    *names = (at_labels){0};
    if (!own) {
        for (int k = 0; k < m->labels.n; k++)
            if (!is_name(m->labels.name[k])) return AT_OK;
        return m->labels.n < 2 ? AT_OK : copy_labels(&m->labels, arena, names, err);
    }
    if (!n || n > INT_MAX) return AT_OK;
    at_labels all = {AT_NEW_ARRAY(arena, const char *, n), (int)n};
    if (!all.name) return at_fail_memory(err, n * sizeof *all.name);
    json_array_foreach(list, i, item) {
        all.name[i] = at_strdup(arena, json_is_string(item) ? json_string_value(item) : "");
        if (!all.name[i]) return at_fail_memory(err, 0);
    }
    *names = all;
    return AT_OK;
}

at_status at_task_adopt(at_task_state *s, const at_model *m, at_error *err) {
    AT_TRY(copy_labels(&m->labels, &s->arena, &s->labels, err));
    s->n_out = m->head.n_out;
    s->start_id = m->arch.decoder.start_id;
    json_decref(s->own);
    s->own = json_deep_copy(json_object_get(m->config, "attune")); /* NULL where there is none */
    if (!s->long_texts) s->long_texts = at_long_find(json_string_value(json_object_get(s->own, "long")));
    if (!s->label_names.n && s->own && s->task->names_labels) AT_TRY(at_task_names_of_numbers(m, &s->arena, &s->label_names, err)); /* what is asked for now wins */
    return s->task->adopt ? s->task->adopt(s, m, err) : AT_OK;
}

at_status at_task_open(at_task_state *s, const at_model *m, at_error *err) {
    s->task = at_task_of_model(m);
    if (s->task) return at_task_adopt(s, m, err);
    at_str known = {.arena = &s->arena};
    for (const char *const *name = at_task_names(); *name; name++) at_str_addf(&known, "%s%s", known.len ? ", " : "", *name);
    return at_fail(err, AT_BAD_MODEL,
                   "%s: config.json: problem_type '%s' with a head of kind %s is not known here; the tasks are %s",
                   m->folder, m->problem_type ? m->problem_type : "none", at_head_name(m->head.kind),
                   known.text ? known.text : "");
}

void at_task_close(at_task_state *s) {
    json_decref(s->own);
    s->own = NULL;
    at_arena_free(&s->arena);
}

void at_score_free(at_score *score) {
    json_decref(score->values);
    *score = (at_score){0};
}

static at_status unknown_metric(const json_t *values, const char *wanted, at_error *err) {
    enum { MOST = 64 };
    const char *key, *names[MOST];
    json_t *value;
    int n = 0;
    at_arena scratch = {0};
    at_str list = {.arena = &scratch};
    json_object_foreach((json_t *)(uintptr_t)values, key, value) {
        if (!json_is_real(value) || n == MOST) continue;
        at_str_addf(&list, "%s%s", n ? ", " : "", key);
        names[n++] = key;
    }
    const char *near = at_nearest(wanted, names, n);
    at_fail(err, AT_USAGE, "there is no metric '%s' to select by; there are %s.%s%s%s", wanted, list.text ? list.text : "none",
            near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
    at_arena_free(&scratch);
    return AT_USAGE;
}

at_status at_score_choose(const at_task_state *s, const char *usual, const char *const *smaller, at_score *score, at_error *err) {
    score->main_name = s->main_metric ? s->main_metric : usual;
    /* As transformers names it: metric_for_best_model eval_loss. */
    if (!strncmp(score->main_name, "eval_", 5) && !json_object_get(score->values, score->main_name)) score->main_name += 5;
    const json_t *value = json_object_get(score->values, score->main_name);
    if (!json_is_real(value) && !json_is_null(value)) return unknown_metric(score->values, score->main_name, err);
    score->main = json_is_null(value) ? (double)NAN : json_real_value(value); /* null: it could not be computed */
    char interval[64];
    snprintf(interval, sizeof interval, "%s_interval", score->main_name);
    const json_t *ends = json_object_get(score->values, interval);
    score->low = ends ? json_real_value(json_array_get(ends, 0)) : NAN;
    score->high = ends ? json_real_value(json_array_get(ends, 1)) : NAN;
    if (at_word_index(score->main_name, smaller) >= 0) score->main = -score->main;
    return AT_OK;
}
