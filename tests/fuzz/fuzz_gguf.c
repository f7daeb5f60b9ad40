/* A GGUF file: what is accepted lies within the file without overlap; then all that is made of it, config, tokenizer and numbers. */
#include "fuzz.h"

#include "io/gguf_parse.h"
#include "model/gguf.h"

static void check_tensors(const at_gguf *file, size_t len) {
    for (int i = 0; i < at_gguf_count(file); i++) {
        const at_gguf_tensor *t = at_gguf_at(file, i);
        float values[4096];
        at_error err;
        fuzz_claim(t->offset <= len && t->bytes <= len - t->offset && t->n_dims >= 1 && t->n_dims <= 4 && t->count > 0);
        fuzz_claim(!i || strcmp(at_gguf_at(file, i - 1)->name, t->name) < 0);
        fuzz_claim(at_gguf_find(file, t->name) == t);
        if (t->count <= 4096) fuzz_check_error(at_gguf_read(file, t, values, &err), AT_BAD_MODEL, &err);
    }
}

static void check_tokenizer(const at_gguf *file) {
    static const char TEXT[] = "The 12 caf\xc3\xa9s [CLS] isn't\n\n  \xf0\x9f\x99\x82";
    json_t *root, *config;
    at_tokenizer *t;
    at_encoding e = {0};
    at_error err;
    at_status st = at_gguf_tokenizer(file, &root, &config, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    if (st) return;
    st = at_tokenizer_open_parsed("fuzz", root, config, &t, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    if (!st) st = at_encode(t, TEXT, sizeof TEXT - 1, NULL, 0, NULL, &e, &err);
    for (int i = 0; !st && i < e.n; i++) fuzz_claim(e.ids[i] >= 0 && e.ids[i] < at_tokenizer_size(t));
    at_encoding_free(&e);
    at_tokenizer_close(t);
    json_decref(root);
    json_decref(config);
}

static void check_config(const at_gguf *file) {
    json_t *config;
    at_arena arena = {0};
    at_arch arch;
    at_error err;
    at_status st = at_gguf_config(file, &config, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    if (st) return;
    fuzz_check_error(at_arch_read(config, "fuzz", &arena, &arch, &err), AT_BAD_MODEL, &err);
    at_arena_free(&arena);
    json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    at_gguf *file;
    at_error err;
    at_status st = at_gguf_open_bytes("fuzz", bytes, len, &file, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    if (st) return 0;
    check_tensors(file, len);
    check_config(file);
    check_tokenizer(file);
    at_gguf_close(file);
    return 0;
}
