/* model.safetensors.index.json: what is accepted names safe files only. */
#include "fuzz.h"

#include "base/file.h"
#include "io/safetensors_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    at_arena arena = {0};
    at_error err;
    at_index index;
    at_status st = at_index_parse(&arena, "fuzz", (const char *)bytes, len, &index, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    for (int i = 0; !st && i < index.n; i++) {
        fuzz_claim(index.entries[i].shard >= 0 && index.entries[i].shard < index.n_shards);
        fuzz_claim(at_name_is_safe(index.shards[index.entries[i].shard]));
        fuzz_claim(i == 0 || strcmp(index.entries[i - 1].tensor, index.entries[i].tensor) < 0);
    }
    at_arena_free(&arena);
    return 0;
}
