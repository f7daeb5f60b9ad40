#include "task/labels.h"

#include <stdlib.h>
#include <string.h>

typedef struct named_id {
    const char *name;
    int32_t id;
} named_id;

struct at_label_index {
    const at_labels *labels;
    named_id *sorted;
};

/* ---- collecting ---- */

static int all_numbers(const char *const *names, int n) {
    double value;
    for (int i = 0; i < n; i++)
        if (!at_parse_double(names[i], &value)) return 0;
    return 1;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int by_number(const void *a, const void *b) {
    double x = strtod(*(const char *const *)a, NULL), y = strtod(*(const char *const *)b, NULL);
    return x != y ? (x > y) - (x < y) : by_text(a, b);
}

at_status at_labels_collect(const char **all, size_t count, at_arena *arena, at_labels *labels, at_error *err) {
    int n = 0;
    if (count) qsort(all, count, sizeof *all, by_text);
    for (size_t i = 0; i < count; i++)
        if (!n || strcmp(all[n - 1], all[i])) all[n++] = all[i];
    if (n) qsort(all, (size_t)n, sizeof *all, all_numbers(all, n) ? by_number : by_text);
    *labels = (at_labels){AT_NEW_ARRAY(arena, const char *, n), n};
    for (int i = 0; i < n && labels->name; i++)
        if (!(labels->name[i] = at_strdup(arena, all[i]))) labels->name = NULL;
    return labels->name ? AT_OK : at_fail_memory(err, (size_t)n * sizeof *all);
}

static int has_label(const at_labels *labels, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(labels->name[i], name)) return 1;
    return 0;
}

at_status at_labels_append(at_labels *labels, const char *const *more, int n, at_arena *arena, at_error *err) {
    at_labels all = {AT_NEW_ARRAY(arena, const char *, labels->n + n), labels->n};
    if (!all.name) return at_fail_memory(err, (size_t)(labels->n + n) * sizeof *all.name);
    for (int i = 0; i < labels->n; i++) all.name[i] = labels->name[i];
    for (int i = 0; i < n; i++) {
        if (has_label(&all, all.n, more[i])) continue;
        if (!(all.name[all.n++] = at_strdup(arena, more[i]))) return at_fail_memory(err, strlen(more[i]));
    }
    *labels = all;
    return AT_OK;
}

/* ---- looking up ---- */

static int by_name(const void *a, const void *b) { return strcmp(((const named_id *)a)->name, ((const named_id *)b)->name); }

at_label_index *at_label_index_make(const at_labels *labels, at_arena *arena) {
    at_label_index *index = AT_NEW(arena, at_label_index);
    named_id *sorted = AT_NEW_ARRAY(arena, named_id, labels->n);
    if (!index || !sorted) return NULL;
    for (int i = 0; i < labels->n; i++) sorted[i] = (named_id){labels->name[i], i};
    if (labels->n) qsort(sorted, (size_t)labels->n, sizeof *sorted, by_name);
    *index = (at_label_index){labels, sorted};
    return index;
}

static int32_t as_generic(const at_labels *labels, const char *text) {
    long long id;
    char name[32];
    if (!at_parse_int(text, &id) || id < 0 || id >= labels->n) return -1;
    snprintf(name, sizeof name, "LABEL_%lld", id);
    return strcmp(labels->name[id], name) ? -1 : (int32_t)id;
}

int32_t at_label_index_find(const at_label_index *index, const char *name) {
    named_id wanted = {name, 0};
    const named_id *hit = bsearch(&wanted, index->sorted, (size_t)index->labels->n, sizeof wanted, by_name);
    return hit ? hit->id : as_generic(index->labels, name);
}

at_status at_label_name(const at_labels *names, const char *path, uint32_t line, const char *label, const char **name, at_error *err) {
    long long number;
    *name = label;
    if (!names->n || !at_parse_int(label, &number)) return AT_OK;
    if (number < 0 || number >= names->n)
        return at_fail(err, AT_BAD_DATA, "%s:%u: label %lld has no name; there are %d, from 0 (%s) to %d (%s); --label-names gives others", path, (unsigned)line, number, names->n,
                       names->name[0], names->n - 1, names->name[names->n - 1]);
    *name = names->name[number];
    return AT_OK;
}

int at_labels_are_numbers(const at_labels *labels) {
    long long number;
    for (int i = 0; i < labels->n; i++)
        if (!at_parse_int(labels->name[i], &number)) return 0;
    return labels->n > 0;
}

at_status at_label_unknown(const at_labels *labels, const char *path, uint32_t line, const char *name, at_error *err) {
    const char *near = at_nearest(name, labels->name, labels->n);
    long long number;
    int means = at_parse_int(name, &number) && !at_labels_are_numbers(labels);
    char list[400];
    size_t used = 0;
    for (int i = 0; i < labels->n && used < sizeof list - 60; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%.48s", i ? ", " : "", labels->name[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return at_fail(err, AT_BAD_DATA, "%s:%u: label '%.80s' is not one of %s%s.%s%s%s", path, (unsigned)line, name, list,
                   used >= sizeof list - 60 ? ", ..." : "", means ? " What numbers mean is said by --label-names" : near ? " Did you mean '" : "",
                   near && !means ? near : "", near && !means ? "'?" : "");
}

at_status at_labels_balance(const at_task_state *s, const at_dataset *d, at_real *weight, at_error *err) {
    int k = s->labels.n;
    double labelled = 0, *count = calloc((size_t)k + 1, sizeof *count);
    if (!count) return at_fail_memory(err, (size_t)k * sizeof *count);
    for (size_t i = 0; i < at_dataset_outputs(d); i++) {
        if (d->label[i] < 0) continue;
        count[d->label[i]]++;
        labelled++;
    }
    for (int c = 0; c < k; c++) weight[c] = (at_real)(count[c] > 0 ? labelled / (k * count[c]) : 0);
    free(count);
    return AT_OK;
}
