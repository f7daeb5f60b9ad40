#include "model/arch.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "model/family.h"

enum { MOST_FAMILIES = 64 };

/* Families whose names look like those of others that they are not; no name of another is put forward for them. */
static const struct {
    const char *type, *instead; /* NULL: nothing */
} OTHERS[] = {{"gemma3", "gemma3_text"}, {"gemma3n", NULL},   {"gemma3n_text", NULL}, {"gemma4", NULL},    {"llama4", NULL}, {"llama4_text", NULL},
              {"mllama", NULL},          {"mixtral", NULL},   {"mistral3", NULL},     {"ministral", NULL}, {"qwen", NULL},   {"qwen2_moe", NULL},
              {"qwen3_moe", NULL},       {"qwen3_next", NULL}, {"phi", NULL},         {"phimoe", NULL},    {"olmo", NULL},   {"olmo3", NULL},
              {"olmoe", NULL},           {"gptj", NULL},      {"gpt_neo", NULL},      {"mbart", NULL},     {"umt5", NULL},   {"longt5", NULL},
              {"deberta", NULL},         {"xlm", NULL}};

static const char *suggestion(const char *type, const char **known, int n) {
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (!strcmp(type, OTHERS[i].type)) return OTHERS[i].instead;
    return at_nearest(type, known, n);
}

static at_status unknown_family(const at_config *c, const char *type) {
    const char *known[MOST_FAMILIES];
    int n = 0;
    at_str list = {.arena = c->arena};
    for (const at_family *f; n < MOST_FAMILIES && (f = at_family_at(n)) != NULL; n++) {
        known[n] = f->model_type;
        at_str_addf(&list, "%s%s", n ? ", " : "", known[n]);
    }
    const char *all = list.text ? list.text : "";
    if (!type) return at_fail(c->err, AT_BAD_MODEL, "%s: has no 'model_type'; attune knows: %s", c->path, all);
    const char *near = suggestion(type, known, n);
    return at_fail(c->err, AT_BAD_MODEL, "%s: model_type '%.60s' is not one that attune knows: %s%s%s%s", c->path, type, all,
                   near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Folders from before model_type existed say it in "architectures" alone. */
static const char *model_type(const json_t *config) {
    const char *type = json_string_value(json_object_get(config, "model_type"));
    const char *class = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    return !type && class && !strncmp(class, "Bert", 4) ? "bert" : type;
}

/* Switches of every config that change nothing of what is computed here: of generation and tokenizer, of how a result is given back, of the kernels that it is
 * computed with; add_pooling_layer is an argument of transformers' classes that people write into configs, where nothing reads it. */
static const char *const HARMLESS[] = {"use_cache", "tie_word_embeddings", "return_dict", "output_attentions", "output_hidden_states",
                                       "output_past", "torchscript", "gradient_checkpointing", "use_bfloat16", "keep_accents",
                                       "do_lower_case", "do_sample", "tie_weights_", "summary_use_proj", "summary_proj_to_labels",
                                       "early_stopping", "clean_up_tokenization_spaces", "return_dict_in_generate", "output_scores",
                                       "_attn_implementation_autoset", "_flash_attn_2_enabled", "unsloth_fixed", "add_pooling_layer", "predict_special_tokens",
                                       "remove_invalid_values", "trust_remote_code", "use_flash_attn", "use_flash_attention", "use_flash_attention_2",
                                       "use_memory_efficient_attention", "unpad_inputs", "reference_compile", "deterministic_flash_attn", NULL};

static int is_known(const at_config *c, const char *key) {
    for (int i = 0; i < c->n_known; i++)
        if (!strcmp(c->known[i], key)) return 1;
    return 0;
}

/* What transformers' masks go by in any family, whether or not the family's own class reads it: a decoder that sees what comes after, and
 * layers of another kind than all of them are here. */
static void refuse_other_masks(at_config *c, const at_arch *a) {
    int is_read = is_known(c, "layer_types");
    const json_t *types = at_config_get(c, "layer_types");
    const char *own = a->window ? "sliding_attention" : "full_attention";
    if ((a->causal || a->decoder.layers) && !at_config_flag(c, "is_causal", 1))
        at_config_fail(c, "'is_causal' is false; only causal attention is supported in this family");
    for (size_t i = 0; !is_read && i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || strcmp(type, own))
            at_config_fail(c, "'layer_types' has '%.60s'; in this family every layer is of '%s'", type ? type : "no text", own);
    }
}

static void refuse_unknown_switches(at_config *c) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)c->root, key, value) {
        if (!json_is_true(value) || at_word_index(key, HARMLESS) >= 0) continue;
        if (!is_known(c, key)) at_config_fail(c, "'%.60s' is true, a switch that attune does not know for this family; where it changes nothing of what the model computes, set it to false", key);
    }
}

static void complete_decoder(at_config *c, at_decoder_arch *d) {
    if (!d->layers) return;
    if (d->attention_scale == 0) d->attention_scale = 1 / sqrt((double)d->head_dim);
    if ((long long)d->heads * d->head_dim > AT_MAX_HIDDEN * 4)
        at_config_fail(c, "%d heads of %d are more than attune takes", d->heads, d->head_dim);
}

/* What a reader left open follows from the rest. */
static void complete(at_config *c, at_arch *a) {
    if (c->status) return;
    if (!a->head_dim) {
        if (a->hidden % a->heads)
            at_config_fail(c, "'hidden_size' %d is not a multiple of 'num_attention_heads' %d", a->hidden, a->heads);
        a->head_dim = a->hidden / a->heads;
    }
    if (a->kv_heads < 1 || a->heads % a->kv_heads)
        at_config_fail(c, "'num_attention_heads' %d is not a multiple of 'num_key_value_heads' %d", a->heads, a->kv_heads);
    if (!a->embedding) a->embedding = a->hidden;
    if (a->embedding != a->hidden) a->project = 1;
    if (!a->layer_sets) a->layer_sets = a->layers;
    if (a->words_activation == AT_ACT_NONE) a->words_activation = a->activation;
    if (a->attention_scale == 0 && a->head_dim) a->attention_scale = 1 / sqrt((double)a->head_dim);
    if (a->embedding_scale == 0) a->embedding_scale = 1;
    if (a->answer_scale == 0) a->answer_scale = 1;
    if (a->tag_dropout < 0) a->tag_dropout = a->classifier_dropout;
    complete_decoder(c, &a->decoder);
    if (!a->rope[1].dim) a->rope[1] = a->rope[0];
    if (!c->status && (!(a->attention_scale > 0) || (long long)a->heads * a->head_dim > AT_MAX_HIDDEN * 4))
        at_config_fail(c, "%d heads of %d are more than attune takes", a->heads, a->head_dim);
}

at_status at_arch_read(const json_t *config, const char *path, at_arena *arena, at_arch *arch, at_error *err) {
    at_config c = {.root = config, .path = path, .arena = arena, .err = err};
    *arch = (at_arch){.tag_dropout = -1};
    if (!json_is_object(config)) return at_fail(err, AT_BAD_MODEL, "%s: not a JSON object", path);
    const char *type = model_type(config);
    const at_family *family = type ? at_family_find(type) : NULL;
    if (!family) return unknown_family(&c, type);
    arch->family = family->model_type;
    family->read(&c, arch);
    arch->tied = at_config_flag(&c, "tie_word_embeddings", family->ties);
    if (!c.status) refuse_other_masks(&c, arch);
    refuse_unknown_switches(&c);
    complete(&c, arch);
    return c.status;
}

void at_arch_set_dropout(at_arch *arch, double hidden, double attention) {
    if (attention >= 0) arch->attention_dropout = attention;
    if (hidden < 0) return;
    if (arch->final_dropout > 0) arch->final_dropout = arch->inner_dropout = hidden; /* one number says all of them (T5) */
    arch->hidden_dropout = arch->output_dropout = arch->embedding_dropout = hidden;
}

void at_arch_set_head_dropout(at_arch *arch, double dropout) {
    arch->classifier_dropout = arch->tag_dropout = dropout;
    if (arch->answer_dropout > 0) arch->answer_dropout = dropout;
}

int at_position_bucket(const at_arch *arch, int query_minus_key) {
    int span = arch->relative_buckets / 2, middle = arch->position_buckets / 2;
    int n = query_minus_key < 0 ? -query_minus_key : query_minus_key, bucket = n;
    if (middle > 0 && n > middle) { /* in float, as the models were trained */
        float share = logf((float)n / (float)middle) / logf((float)(arch->relative_distance - 1) / (float)middle);
        bucket = (int)ceilf(share * (float)(middle - 1)) + middle;
    }
    int row = span + (query_minus_key < 0 ? -bucket : bucket);
    return row < 0 ? 0 : row > 2 * span - 1 ? 2 * span - 1 : row;
}
