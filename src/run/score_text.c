#include "run/score_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/diagnose.h"

enum { MATRIX_LABELS = 20, NAME_WIDTH = 24 };

static int characters(const char *text, size_t len) {
    int n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

char *at_shortened(at_arena *arena, const char *text, size_t len, int chars) {
    at_str out = {.arena = arena};
    int n = 0, cut = characters(text, len) > chars;
    size_t end = 0;
    for (; end < len && n < (cut ? chars - 3 : chars); n++)
        for (end++; end < len && ((unsigned char)text[end] & 0xC0) == 0x80;) end++;
    at_str_add_bytes(&out, text, end);
    for (size_t i = 0; i < out.len; i++)
        if ((unsigned char)out.text[i] < 0x20 || out.text[i] == 0x7f) out.text[i] = ' ';
    if (cut) at_str_add(&out, "...");
    return out.failed ? NULL : out.text;
}

double at_score_shown(const at_score *score) {
    const json_t *value = json_object_get(score->values, score->main_name);
    return json_is_number(value) ? json_number_value(value) : score->main;
}

void at_score_line(const at_score *score, int with_interval, char text[AT_SCORE_LINE]) {
    char ends[64] = "", loss[40] = "";
    if (with_interval && isfinite(score->low) && isfinite(score->high)) snprintf(ends, sizeof ends, " [%.3f, %.3f]", score->low, score->high);
    if (strcmp(score->main_name, "loss")) snprintf(loss, sizeof loss, ", loss %.4f", score->loss);
    snprintf(text, AT_SCORE_LINE, "%.60s %.4f%s%s", score->main_name, at_score_shown(score), ends, loss);
}

static void pad(at_str *s, const char *text, int width) {
    at_str_add(s, text);
    for (int n = characters(text, strlen(text)); n < width; n++) at_str_add(s, " ");
}

static void add_interval(at_str *s, const json_t *values, const char *key) {
    char name[128];
    snprintf(name, sizeof name, "%s_interval", key);
    const json_t *ends = json_object_get(values, name);
    if (json_array_size(ends) == 2)
        at_str_addf(s, "  [%.4f, %.4f]", json_number_value(json_array_get(ends, 0)), json_number_value(json_array_get(ends, 1)));
}

static int widen(int width, const char *name) {
    int n = characters(name, strlen(name));
    return n < width ? width : n < NAME_WIDTH ? n : NAME_WIDTH;
}

static int name_width(const at_labels *labels) {
    int width = 5;
    for (int i = 0; i < labels->n; i++) width = widen(width, labels->name[i]);
    return width;
}

static void add_label(at_str *s, const char *name, int width) {
    char *cut = at_shortened(s->arena, name, strlen(name), width);
    pad(s, cut ? cut : "", width);
}

static void add_per_class(at_str *s, json_t *per_class) {
    const char *name;
    json_t *row;
    int width = 5;
    json_object_foreach(per_class, name, row) width = widen(width, name);
    at_str_add(s, "\n");
    pad(s, "label", width);
    at_str_add(s, "  precision  recall      f1    rows\n");
    json_object_foreach(per_class, name, row) {
        add_label(s, name, width);
        at_str_addf(s, "     %.4f  %.4f  %.4f  %6lld\n", json_number_value(json_object_get(row, "precision")),
                    json_number_value(json_object_get(row, "recall")), json_number_value(json_object_get(row, "f1")),
                    (long long)json_integer_value(json_object_get(row, "support")));
    }
}

static char *without_last_newline(at_str *s) {
    if (s->failed || !s->text) return NULL;
    if (s->len && s->text[s->len - 1] == '\n') s->text[--s->len] = '\0';
    return s->text;
}

char *at_score_metrics_text(at_arena *arena, const at_score *score) {
    at_str s = {.arena = arena};
    const char *key;
    json_t *value;
    json_object_foreach(score->values, key, value) {
        if (!json_is_number(value)) continue;
        pad(&s, key, 28);
        if (json_is_integer(value)) at_str_addf(&s, "%lld", (long long)json_integer_value(value));
        else at_str_addf(&s, "%.4f", json_real_value(value));
        add_interval(&s, score->values, key);
        at_str_add(&s, "\n");
    }
    json_t *per_class = json_object_get(score->values, "per_class");
    if (json_is_object(per_class)) add_per_class(&s, per_class);
    return without_last_newline(&s);
}

static long cell(const json_t *matrix, int row, int column) {
    return (long)json_integer_value(json_array_get(json_array_get(matrix, (size_t)row), (size_t)column));
}

char *at_score_confusion_text(at_arena *arena, const at_score *score, const at_labels *labels) {
    const json_t *matrix = json_object_get(score->values, "confusion_matrix");
    if (!json_is_array(matrix) || labels->n > MATRIX_LABELS) return NULL;
    at_str s = {.arena = arena};
    int width = name_width(labels), column = 12;
    at_str_add(&s, "right label (rows), answer (columns)\n");
    pad(&s, "", width);
    for (int j = 0; j < labels->n; j++) {
        char *cut = at_shortened(arena, labels->name[j], strlen(labels->name[j]), column - 2);
        for (int n = characters(cut ? cut : "", cut ? strlen(cut) : 0); n < column; n++) at_str_add(&s, " ");
        at_str_add(&s, cut ? cut : "");
    }
    at_str_add(&s, "\n");
    for (int i = 0; i < labels->n; i++) {
        add_label(&s, labels->name[i], width);
        for (int j = 0; j < labels->n; j++) at_str_addf(&s, "%*ld", column, cell(matrix, i, j));
        at_str_add(&s, "\n");
    }
    return without_last_newline(&s);
}

/* ---- doubts ---- */

void at_score_doubts(const at_score *score, const at_labels *labels, void (*tell)(void *context, const char *sentence), void *context) {
    at_arena scratch = {0};
    at_evidence evidence = AT_EVIDENCE_INIT;
    at_symptom symptom[AT_SYMPTOMS];
    at_error err;
    int n;
    evidence.values = score->values;
    evidence.label = labels->name;
    evidence.n_labels = labels->n;
    if (!at_diagnose(&evidence, &scratch, symptom, &n, &err))
        for (int i = 0; i < n; i++) tell(context, symptom[i].text);
    at_arena_free(&scratch);
}
