/* Model folders saved in 16 bits: every weight is its own value rounded, config.json says so, and what cannot be is refused. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/half.h"
#include "base/json.h"
#include "golden/folders.h"
#include "model/model.h"

static golden_folders folders = {.root = "golden/data"};

static int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, 30);
}

static at_model *open_model(const char *folder) {
    static const at_model_options options = {.keep_head = 1};
    at_model *m;
    at_error err;
    check_ok(at_model_open(folder, &options, &m, &err), &err);
    return m;
}

static float *values_of(const at_model *m, int i) {
    const at_weight *w = &m->params.weights[i];
    float *values = malloc((size_t)w->out * (size_t)w->in * sizeof *values);
    at_weight_get(&m->params, w, values);
    return values;
}

static void is_rounded(const at_model *m, const at_model *again, at_saved_form form) {
    assert_int_equal(m->params.n, again->params.n);
    for (int i = 0; i < m->params.n; i++) {
        const at_weight *w = &m->params.weights[i];
        float *a = values_of(m, i), *b = values_of(again, i);
        assert_string_equal(w->name, again->params.weights[i].name);
        for (size_t k = 0; k < (size_t)w->out * (size_t)w->in; k++) {
            float want = form == AT_SAVED_F16 ? at_from_f16(at_to_f16(a[k])) : at_from_bf16(at_to_bf16(a[k]));
            if (b[k] != want) fail_msg("%s: %s[%zu] is %g, not %g", m->folder, w->name, k, (double)b[k], (double)want);
        }
        free(a);
        free(b);
    }
}

static void config_says(const char *folder, const char *type) {
    char path[128];
    json_t *config;
    at_error err;
    snprintf(path, sizeof path, "%s/config.json", folder);
    check_ok(at_json_load(path, 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    const json_t *named = json_object_get(config, "dtype");
    if (!named) named = json_object_get(config, "torch_dtype");
    assert_string_equal(json_string_value(named), type);
    json_decref(config);
}

static void every_family_in_sixteen_bits(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++)
        for (int form = AT_SAVED_F16; form <= AT_SAVED_BF16; form++) {
            char folder[] = "/tmp/attune-types-XXXXXX";
            at_error err;
            at_model *m = open_model(golden_path(&folders, folders.name[i], ""));
            assert_non_null(mkdtemp(folder));
            at_status st = at_model_save_as(m, (at_saved_form)form, folder, &err);
            if (m->head.kind == AT_HEAD_MEAN) check_fails(st, AT_USAGE, &err, "sentence-transformers reads that in 32 bits only");
            else {
                check_ok(st, &err);
                at_model *again = open_model(folder);
                is_rounded(m, again, (at_saved_form)form);
                config_says(folder, form == AT_SAVED_F16 ? "float16" : "bfloat16");
                at_model_close(again);
            }
            at_model_close(m);
            at_folder_remove(folder, NULL);
        }
}

static void what_f16_cannot_hold_is_refused(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-types-XXXXXX";
    at_error err;
    at_model *m = open_model(golden_path(&folders, "roberta", ""));
    float *values = values_of(m, 0);
    assert_non_null(mkdtemp(folder));
    values[3] = 70000;
    at_weight_put(&m->params, &m->params.weights[0], values);
    check_fails(at_model_save_as(m, AT_SAVED_F16, folder, &err), AT_USAGE, &err, "70000 in tensor");
    check_ok(at_model_save_as(m, AT_SAVED_BF16, folder, &err), &err);
    free(values);
    at_model_close(m);
    at_folder_remove(folder, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_family_in_sixteen_bits), cmocka_unit_test(what_f16_cannot_hold_is_refused)};
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
