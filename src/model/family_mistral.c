/* Mistral (Jiang et al. 2023): LLaMA whose tokens see a window of the text before them. */
#include "model/family.h"

static void read(at_config *c, at_arch *a) {
    at_llama_read(c, a, 1e-6);
    at_config_window(c, a, "sliding_window");
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
}

const at_family at_family_mistral = {"mistral", read, "Mistral", "model.", AT_LLAMA_ROWS, AT_SPAN_HEAD, .buffers = at_llama_buffers};
