/* The header of a safetensors file: what is accepted tiles the data exactly. */
#include "fuzz.h"

#include "io/safetensors_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    at_arena arena = {0};
    at_error err;
    at_header header;
    uint64_t n = 0;
    if (len < 8) return 0;
    for (int i = 0; i < 8; i++) n |= (uint64_t)bytes[i] << 8 * i;
    if (n > len - 8) n = len - 8; /* what the reader refuses by itself */
    at_status st = at_header_parse(&arena, "fuzz", (const char *)bytes + 8, (size_t)n, len, &header, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    uint64_t at = 8 + n;
    for (int i = 0; !st && i < header.n; i++) {
        const at_stored_tensor *t = &header.tensors[i];
        fuzz_claim(t->offset == at && t->n_dims <= 8 && t->count >= 0);
        fuzz_claim(t->bytes == (uint64_t)t->count * at_dtype_bytes(t->dtype));
        at += t->bytes;
    }
    fuzz_claim(st || at == len);
    json_decref(header.metadata);
    at_arena_free(&arena);
    return 0;
}
