#include "infer/writing.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* ---- the folder's word ---- */

typedef struct words {
    json_t *generation;   /* generation_config.json, or NULL */
    const json_t *config;
} words;

static const json_t *word(const words *w, const char *key) {
    const json_t *value = json_object_get(w->generation, key);
    return value && !json_is_null(value) ? value : json_object_get(w->config, key);
}

/* A token, or the first of a list; -1: none. */
static int32_t token(const words *w, const char *key, int vocab) {
    const json_t *value = word(w, key);
    if (json_is_array(value)) value = json_array_get(value, 0);
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    return id >= 0 && id < vocab ? (int32_t)id : -1;
}

static int number(const words *w, const char *key) {
    json_int_t n = json_integer_value(word(w, key));
    return n > 0 && n < 1 << 20 ? (int)n : 0;
}

static void add_end(at_writing *w, const json_t *id) {
    if (json_is_integer(id) && w->n_end < AT_MOST_ENDS) w->end[w->n_end++] = (int32_t)json_integer_value(id);
}

/* A number or a list of them. */
static void add_ends(at_writing *w, const json_t *ids) {
    if (json_is_integer(ids)) add_end(w, ids);
    for (size_t i = 0; i < json_array_size(ids); i++) add_end(w, json_array_get(ids, i));
}

static int larger(int a, int b) { return a > b ? a : b; }

static at_early early(const words *w) {
    const json_t *value = word(w, "early_stopping");
    const char *text = json_string_value(value);
    return text && !strcmp(text, "never") ? AT_EARLY_NEVER : json_is_true(value) ? AT_EARLY_YES : AT_EARLY_NO;
}

/* How long and how many, of a decoder beside an encoder. */
static at_status read_search(const words *w, at_writing *writing, at_error *err) {
    const json_t *penalty = word(w, "length_penalty");
    int longest = number(w, "max_new_tokens"), beams = number(w, "num_beams");
    if (!longest) longest = number(w, "max_length") - 1; /* the start token is one of them */
    if (longest > 0) writing->most_new = longest;
    if (beams > AT_MOST_BEAMS)
        return at_fail(err, AT_BAD_MODEL, "generation_config.json: num_beams is %d; it goes up to %d", beams, AT_MOST_BEAMS);
    writing->beams = (at_beams){beams, json_is_number(penalty) ? json_number_value(penalty) : 1, early(w)};
    return AT_OK;
}

static void read_start(const words *w, const at_arch *a, at_writing *writing) {
    int32_t start = token(w, "decoder_start_token_id", a->vocab_size);
    writing->start = start >= 0 ? start : a->decoder.start_id;
    writing->forced_first = token(w, "forced_bos_token_id", a->vocab_size);
    writing->forced_last = token(w, "forced_eos_token_id", a->vocab_size);
    writing->least_new = larger(number(w, "min_new_tokens"), number(w, "min_length") - 1); /* the start token is one of min_length */
    writing->no_repeat = number(w, "no_repeat_ngram_size");
}

static void grant(const at_writing_wishes *wishes, at_writing *w) {
    if (wishes->most_new >= 0) w->most_new = wishes->most_new;
    if (wishes->beams >= 0) w->beams.n = wishes->beams;
    if (wishes->no_repeat >= 0) w->no_repeat = wishes->no_repeat;
    if (wishes->early >= 0) w->beams.early = (at_early)wishes->early;
    if (!isnan(wishes->length_penalty)) w->beams.length_penalty = wishes->length_penalty;
}

at_status at_writing_read(const at_model *m, const at_tokenizer *tokenizer, const at_writing_wishes *wishes, at_writing *writing,
                          at_error *err) {
    at_arena scratch = {0};
    words w = {.config = m->config};
    const char *path = at_path_join(&scratch, m->folder, "generation_config.json");
    at_status st = path ? AT_OK : at_fail_memory(err, strlen(m->folder));
    *writing = (at_writing){.start = -1, .forced_first = -1, .forced_last = -1, .most_new = AT_USUAL_NEW, .beams = {1, 1, AT_EARLY_NO}};
    if (!st && at_file_exists(path)) st = at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &w.generation, err);
    if (!st) {
        add_ends(writing, word(&w, "eos_token_id"));
        if (m->arch.decoder.layers) read_start(&w, &m->arch, writing);
        if (m->arch.decoder.layers) st = read_search(&w, writing, err);
    }
    grant(wishes, writing);
    json_decref(w.generation);
    at_arena_free(&scratch);
    int32_t eos = at_tokenizer_special(tokenizer, "eos");
    if (!writing->n_end && eos >= 0) writing->end[writing->n_end++] = eos;
    return st;
}

void at_writing_apply(const at_writing *w, at_continuation_options *o) {
    o->end = w->end;
    o->n_end = w->n_end;
    o->least_new = w->least_new;
    o->no_repeat = w->no_repeat;
    o->beams = w->beams;
    o->forced_first = w->forced_first >= 0 ? &w->forced_first : NULL;
    o->forced_last = w->forced_last >= 0 ? &w->forced_last : NULL;
}
