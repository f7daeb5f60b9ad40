#include "export/gguf_check.h"

#include <math.h>
#include <stddef.h>

#include "model/gguf.h"

static int is_near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

/* llama.cpp has one of the two, and its table for it is coarser than what is between them. */
static int is_gelu(at_activation activation) { return activation == AT_ACT_GELU || activation == AT_ACT_GELU_TANH; }

static int same_rope(const at_rope *a, const at_rope *b) {
    if (a->dim != b->dim || !is_near(a->factor, b->factor)) return 0;
    for (int i = 0; i < a->dim / 2; i++)
        if (!is_near(a->inverse[i], b->inverse[i])) return 0;
    return 1;
}

static int is_local(const at_arch *a, int layer) { return a->window > 0 && (!a->local || a->local[layer]); }

static int same_layers(const at_arch *a, const at_arch *b) {
    for (int l = 0; l < a->layers; l++)
        if (is_local(a, l) != is_local(b, l)) return 0;
    return 1;
}

/* Where `written` computes something else, in words; else NULL. */
static const char *difference(const at_arch *own, const at_arch *written) {
    static const struct {
        size_t field;
        const char *words;
    } NUMBERS[] = {{offsetof(at_arch, norm_epsilon), "the epsilon of its norms"}, {offsetof(at_arch, attention_scale), "the scale of its scores"},
                   {offsetof(at_arch, soft_cap), "the cap of its scores"}, {offsetof(at_arch, final_cap), "the cap of its answers"},
                   {offsetof(at_arch, embedding_scale), "the scale of its words"}},
      KINDS[] = {{offsetof(at_arch, block), "the order of its parts"}, {offsetof(at_arch, norm), "its norms"}, {offsetof(at_arch, position), "its positions"},
                 {offsetof(at_arch, scale_by_depth), "the scale of its scores by layer"},
                 {offsetof(at_arch, window), "its window"}, {offsetof(at_arch, head_norms), "norms of its heads"}, {offsetof(at_arch, gated), "its feed-forward"},
                 {offsetof(at_arch, causal), "what a token sees"}, {offsetof(at_arch, qkv_bias), "its biases"}, {offsetof(at_arch, out_bias), "its biases"},
                 {offsetof(at_arch, mlp_bias), "its biases"}};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (!is_near(*(const double *)(const void *)((const char *)own + NUMBERS[i].field), *(const double *)(const void *)((const char *)written + NUMBERS[i].field)))
            return NUMBERS[i].words;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (*(const int *)(const void *)((const char *)own + KINDS[i].field) != *(const int *)(const void *)((const char *)written + KINDS[i].field))
            return KINDS[i].words;
    if (own->activation != written->activation && !(is_gelu(own->activation) && is_gelu(written->activation))) return "its activation";
    if (!same_layers(own, written)) return "which of its layers have a window";
    if (own->position != AT_POSITION_ROTARY) return NULL;
    return same_rope(&own->rope[0], &written->rope[0]) && same_rope(&own->rope[1], &written->rope[1]) ? NULL : "its rotary positions";
}

at_status at_gguf_check_written(const at_model *model, const char *path, at_error *err) {
    at_gguf *file;
    json_t *config = NULL;
    at_arena arena = {0};
    at_arch written;
    AT_TRY(at_gguf_open(path, &file, err));
    at_status st = at_gguf_config(file, &config, err);
    at_gguf_close(file);
    if (!st) st = at_arch_read(config, path, &arena, &written, err);
    const char *lost = st ? NULL : difference(&model->arch, &written);
    if (lost) st = at_fail(err, AT_USAGE, "%s: GGUF has no place for %s: llama.cpp runs every %s in another way", model->folder, lost, model->arch.family);
    json_decref(config);
    at_arena_free(&arena);
    return st;
}
