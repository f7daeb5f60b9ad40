#include "model/ties.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

const at_stored_tensor *at_ties_words(const at_family *family, const at_safetensors *file) {
    char name[AT_WEIGHT_NAME_BYTES];
    for (int i = 0; i < family->n_body; i++) {
        if (family->body[i].field != AT_BODY(token)) continue;
        snprintf(name, sizeof name, "%s%s", family->prefix, family->body[i].name);
        const at_place place = {.name = name, .bare = family->body[i].name};
        return at_names_lookup(family, file, &place);
    }
    return NULL;
}

/* Number by number, a part at a time: the two may be stored in different types. */
static at_status compare(const at_safetensors *file, const at_stored_tensor *a, const at_stored_tensor *b, int *same, at_error *err) {
    enum { PART = 1 << 16 };
    at_arena scratch = {0};
    float *left = at_alloc_raw(&scratch, 2 * PART, sizeof(float)), *right = left + PART;
    at_status st = left ? AT_OK : at_fail_memory(err, 2 * PART * sizeof(float));
    *same = a->count == b->count;
    for (size_t first = 0; !st && *same && first < (size_t)a->count; first += PART) {
        size_t rest = (size_t)a->count - first, n = rest < PART ? rest : PART;
        st = at_safetensors_read_part(file, a, first, n, left, 1, err);
        if (!st) st = at_safetensors_read_part(file, b, first, n, right, 1, err);
        if (!st) *same = !memcmp(left, right, n * sizeof *left);
    }
    at_arena_free(&scratch);
    return st;
}

at_status at_ties_settle(const at_family *family, const at_safetensors *file, at_arch *arch, at_error *err) {
    if (!family->n_lm) return AT_OK;
    const at_stored_tensor *answers = at_safetensors_find(file, family->lm[0].name), *words = at_ties_words(family, file);
    int same = 1;
    if (!arch->tied && !family->lm_by_file) return AT_OK;
    if (answers && words) AT_TRY(compare(file, answers, words, &same, err));
    arch->tied = same;
    return AT_OK;
}

int at_ties_mask_has_two(const at_family *family, const at_safetensors *file) {
    static const char *const NAMES[] = {"cls.predictions.decoder.weight", "lm_head.decoder.weight", "predictions.decoder.weight", "vocab_projector.weight",
                                        "generator_lm_head.weight", "decoder.weight"};
    const at_stored_tensor *words = at_ties_words(family, file);
    int same = 1;
    for (size_t i = 0; words && same && i < sizeof NAMES / sizeof *NAMES; i++) {
        const at_stored_tensor *answers = at_safetensors_find(file, NAMES[i]);
        if (answers && compare(file, answers, words, &same, NULL)) same = 0; /* what cannot be read is told where it is read */
    }
    return !same;
}
