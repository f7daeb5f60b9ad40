/* Qwen2 (Yang et al. 2024): LLaMA with biases of queries, keys and values, and a window in its later layers where the config
 * switches it on. Qwen3 (Yang et al. 2025): without those biases, with norms of each head's queries and keys. */
#include "model/family.h"

static int is_local(int layer, int first) { return layer >= first; }

static void read_common(at_config *c, at_arch *a) {
    at_llama_read(c, a, 1e-6);
    int first = at_config_size_or(c, "max_window_layers", 28, 0, AT_MAX_LAYERS);
    at_config_local_layers(c, a, is_local, first);
    at_config_window(c, a, "sliding_window");
    if (!at_config_flag(c, "use_sliding_window", 0)) a->window = 0;
}

static void read_qwen2(at_config *c, at_arch *a) {
    read_common(c, a);
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
    a->qkv_bias = 1;
}

static void read_qwen3(at_config *c, at_arch *a) {
    read_common(c, a);
    a->head_dim = at_config_size_or(c, "head_dim", 128, 1, AT_MAX_HIDDEN);
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 0);
    a->head_norms = 1;
}

const at_family at_family_qwen2 = {"qwen2", read_qwen2, "Qwen2", "model.", AT_LLAMA_ROWS, AT_SPAN_HEAD, AT_SPAN_PREFIX, .buffers = at_llama_buffers};
const at_family at_family_qwen3 = {"qwen3", read_qwen3, "Qwen3", "model.", AT_LLAMA_ROWS, AT_SPAN_HEAD, AT_SPAN_PREFIX, .buffers = at_llama_buffers};
