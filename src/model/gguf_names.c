#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/gguf.h"

/* ---- metadata ---- */

#define SIZES(positions, width, layers, inside, heads)                                                                  \
    {"context_length", positions, 1}, {"embedding_length", width, 1}, {"block_count", layers, 1}, {"feed_forward_length", inside, 1}, \
        {"attention.head_count", heads, 1}

static const at_gguf_key LLAMA_KEYS[] = {
    SIZES("max_position_embeddings", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"),
    {"attention.head_count_kv", "num_key_value_heads", 1},
    {"attention.key_length", "head_dim", 1},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", 0},
    {"rope.freq_base", "rope_theta", 0},
    {"attention.sliding_window", "sliding_window", 1},
    {"attn_logit_softcapping", "attn_logit_softcapping", 0},
    {"final_logit_softcapping", "final_logit_softcapping", 0},
    {NULL, NULL, 0},
};
static const at_gguf_key GPT2_KEYS[] = {
    SIZES("n_positions", "n_embd", "n_layer", "n_inner", "n_head"),
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", 0},
    {NULL, NULL, 0},
};
static const at_gguf_key NEOX_KEYS[] = {
    SIZES("max_position_embeddings", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"),
    {"attention.layer_norm_epsilon", "layer_norm_eps", 0},
    {"rope.freq_base", "rope_theta", 0},
    {"use_parallel_residual", "use_parallel_residual", 2},
    {NULL, NULL, 0},
};
static const at_gguf_key BERT_KEYS[] = {
    SIZES("max_position_embeddings", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"),
    {"attention.layer_norm_epsilon", "layer_norm_eps", 0},
    {NULL, NULL, 0},
};

/* ---- tensors ---- */

#define BLOCK "blk.%d."
#define LAYER "layers.%d."

static const at_gguf_name LLAMA_NAMES[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {LAYER "input_layernorm", BLOCK "attn_norm"},
    {LAYER "self_attn.q_proj", BLOCK "attn_q"},
    {LAYER "self_attn.k_proj", BLOCK "attn_k"},
    {LAYER "self_attn.v_proj", BLOCK "attn_v"},
    {LAYER "self_attn.qkv_proj", BLOCK "attn_qkv"},
    {LAYER "self_attn.o_proj", BLOCK "attn_output"},
    {LAYER "self_attn.q_norm", BLOCK "attn_q_norm"},
    {LAYER "self_attn.k_norm", BLOCK "attn_k_norm"},
    {LAYER "post_attention_layernorm", BLOCK "ffn_norm"},
    {LAYER "mlp.gate_proj", BLOCK "ffn_gate"},
    {LAYER "mlp.up_proj", BLOCK "ffn_up"},
    {LAYER "mlp.gate_up_proj", BLOCK "ffn_up"},
    {LAYER "mlp.down_proj", BLOCK "ffn_down"},
    {NULL, NULL},
};
static const at_gguf_name AROUND[] = { /* norms before and behind each part */
    {LAYER "post_attention_layernorm", BLOCK "post_attention_norm"},
    {LAYER "pre_feedforward_layernorm", BLOCK "ffn_norm"},
    {LAYER "post_feedforward_layernorm", BLOCK "post_ffw_norm"},
    {NULL, NULL},
};
static const at_gguf_name GPT2_NAMES[] = {
    {"wte", "token_embd"},          {"wpe", "position_embd"},
    {"ln_f", "output_norm"},        {"lm_head", "output"},
    {"h.%d.ln_1", BLOCK "attn_norm"}, {"h.%d.attn.c_attn", BLOCK "attn_qkv"},
    {"h.%d.attn.c_proj", BLOCK "attn_output"}, {"h.%d.ln_2", BLOCK "ffn_norm"},
    {"h.%d.mlp.c_fc", BLOCK "ffn_up"}, {"h.%d.mlp.c_proj", BLOCK "ffn_down"},
    {NULL, NULL},
};
static const at_gguf_name NEOX_NAMES[] = {
    {"embed_in", "token_embd"},
    {"final_layer_norm", "output_norm"},
    {"embed_out", "output"},
    {LAYER "input_layernorm", BLOCK "attn_norm"},
    {LAYER "attention.query_key_value", BLOCK "attn_qkv"},
    {LAYER "attention.dense", BLOCK "attn_output"},
    {LAYER "post_attention_layernorm", BLOCK "ffn_norm"},
    {LAYER "mlp.dense_h_to_4h", BLOCK "ffn_up"},
    {LAYER "mlp.dense_4h_to_h", BLOCK "ffn_down"},
    {NULL, NULL},
};
#define BERT_LAYER "encoder.layer.%d."
static const at_gguf_name BERT_NAMES[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {BERT_LAYER "attention.self.query", BLOCK "attn_q"},
    {BERT_LAYER "attention.self.key", BLOCK "attn_k"},
    {BERT_LAYER "attention.self.value", BLOCK "attn_v"},
    {BERT_LAYER "attention.output.dense", BLOCK "attn_output"},
    {BERT_LAYER "attention.output.LayerNorm", BLOCK "attn_output_norm"},
    {BERT_LAYER "intermediate.dense", BLOCK "ffn_up"},
    {BERT_LAYER "output.dense", BLOCK "ffn_down"},
    {BERT_LAYER "output.LayerNorm", BLOCK "layer_output_norm"},
    {NULL, NULL},
};
static const at_gguf_name NONE[] = {{NULL, NULL}};

static const at_gguf_arch ARCHS[] = {
    {"llama", "llama", LLAMA_KEYS, NONE, 1, 1, 0, 0, "{\"hidden_act\": \"silu\"}"},
    {"qwen2", "qwen2", LLAMA_KEYS, NONE, 1, 0, 0, 0, "{\"hidden_act\": \"silu\"}"},
    {"qwen3", "qwen3", LLAMA_KEYS, NONE, 1, 0, 0, 0, "{\"hidden_act\": \"silu\"}"},
    {"gemma2", "gemma2", LLAMA_KEYS, AROUND, 1, 0, 1, 1, "{\"hidden_activation\": \"gelu_pytorch_tanh\", \"sliding_window\": 4096}"},
    {"gemma3", "gemma3_text", LLAMA_KEYS, AROUND, 1, 0, 1, 1,
     "{\"hidden_activation\": \"gelu_pytorch_tanh\", \"rope_theta\": 1000000.0, \"rope_local_base_freq\": 10000.0, "
     "\"sliding_window_pattern\": 6}"},
    {"phi3", "phi3", LLAMA_KEYS, NONE, 1, 0, 0, 1, "{\"hidden_act\": \"silu\"}"},
    {"olmo2", "olmo2", LLAMA_KEYS, AROUND, 1, 0, 0, 0, "{\"hidden_act\": \"silu\"}"},
    {"gptneox", "gpt_neox", NEOX_KEYS, NEOX_NAMES, 0, 0, 0, 0, "{\"hidden_act\": \"gelu\"}"},
    {"gpt2", "gpt2", GPT2_KEYS, GPT2_NAMES, 0, 0, 0, 0, "{\"activation_function\": \"gelu_new\"}"},
    {"bert", "bert", BERT_KEYS, BERT_NAMES, 0, 0, 0, 0, "{\"hidden_act\": \"gelu\", \"type_vocab_size\": 2}"},
    /* Written as LLaMA, as llama.cpp has it; read back as one. */
    {"llama", "mistral", LLAMA_KEYS, NONE, 1, 1, 0, 0, "{\"hidden_act\": \"silu\"}"},
};
enum { N_ARCHS = sizeof ARCHS / sizeof *ARCHS };

const at_gguf_arch *at_gguf_arch_find(const char *arch) {
    for (int i = 0; i < N_ARCHS; i++)
        if (!strcmp(ARCHS[i].arch, arch)) return &ARCHS[i];
    return NULL;
}

const at_gguf_arch *at_gguf_arch_of_family(const char *model_type) {
    for (int i = 0; i < N_ARCHS; i++)
        if (!strcmp(ARCHS[i].model_type, model_type)) return &ARCHS[i];
    return NULL;
}

const char *at_gguf_arch_list(at_arena *arena) {
    at_str s = {.arena = arena};
    for (int i = 0; i < N_ARCHS; i++)
        if (at_gguf_arch_find(ARCHS[i].arch) == &ARCHS[i]) at_str_addf(&s, "%s%s", i ? ", " : "", ARCHS[i].arch);
    return s.text ? s.text : "";
}

/* Whether the first `len` bytes of name are the pattern with a number for %d; *number gets it. */
static int matches(const char *pattern, const char *name, size_t len, int *number) {
    const char *mark = strstr(pattern, "%d");
    size_t head = mark ? (size_t)(mark - pattern) : strlen(pattern);
    if (len < head || strncmp(pattern, name, head)) return 0;
    if (!mark) return len == head;
    char *end;
    *number = (int)strtol(name + head, &end, 10);
    size_t used = (size_t)(end - name);
    return end > name + head && used <= len && len - used == strlen(mark + 2) && !strncmp(end, mark + 2, len - used);
}

static int translate(const at_gguf_name *names, const char *bare, size_t len, char *out, size_t size) {
    int number = 0;
    for (; names->ours; names++) {
        if (!matches(names->ours, bare, len, &number)) continue;
        const char *mark = strstr(names->theirs, "%d");
        if (mark) snprintf(out, size, "%.*s%d%s", (int)(mark - names->theirs), names->theirs, number, mark + 2);
        else snprintf(out, size, "%s", names->theirs);
        return 1;
    }
    return 0;
}

int at_gguf_name_of(const at_gguf_arch *arch, const char *bare, char name[AT_GGUF_NAME_SIZE]) {
    const char *end = strrchr(bare, '.');
    char stem[AT_GGUF_NAME_SIZE - 16];
    if (!end || (strcmp(end, ".weight") && strcmp(end, ".bias"))) return 0;
    size_t len = (size_t)(end - bare);
    if (!translate(arch->names, bare, len, stem, sizeof stem) && (!arch->llama || !translate(LLAMA_NAMES, bare, len, stem, sizeof stem)))
        return 0;
    snprintf(name, AT_GGUF_NAME_SIZE, "%s%s", stem, end);
    return 1;
}

/* ---- layouts ---- */

at_place at_gguf_place(const at_place *place, const at_weight *w) {
    at_place theirs = *place;
    theirs.transposed = 0;
    if (!place->unit) return theirs;
    theirs.first = place->first / place->unit * w->out;
    theirs.unit = theirs.stride = 0;
    return theirs;
}

static int has(const char *bare, const char *part) { return strstr(bare, part) != NULL; }

/* In a head of d rows theirs are 0, d/2, 1, d/2 + 1, ...: row 2 i + h of theirs is row h * d/2 + i of ours. */
static at_status turn_heads(float *values, size_t rows, size_t cols, size_t head_dim, int to_file, at_error *err) {
    size_t half = head_dim / 2, bytes = head_dim * cols * sizeof *values;
    if (!half || rows % head_dim) return at_fail(err, AT_BAD_MODEL, "%zu rows of queries or keys are no heads of %zu", rows, head_dim);
    float *head = malloc(bytes);
    if (!head) return at_fail_memory(err, bytes);
    for (size_t first = 0; first < rows; first += head_dim) {
        memcpy(head, values + first * cols, bytes);
        for (size_t r = 0; r < head_dim; r++) {
            size_t ours = r % 2 * half + r / 2, from = to_file ? ours : r, to = to_file ? r : ours;
            memcpy(values + (first + to) * cols, head + from * cols, cols * sizeof *values);
        }
    }
    free(head);
    return AT_OK;
}

at_status at_gguf_turn(const at_gguf_arch *arch, const at_arch *a, const char *bare, float *values, size_t rows, size_t cols, int to_file,
                       at_error *err) {
    if (arch->turned && (has(bare, "self_attn.q_proj") || has(bare, "self_attn.k_proj")))
        return turn_heads(values, rows, cols, (size_t)a->head_dim, to_file, err);
    if (arch->plus_one && has(bare, "norm.weight"))
        for (size_t i = 0; i < rows * cols; i++) values[i] += to_file ? 1.0f : -1.0f;
    return AT_OK;
}
