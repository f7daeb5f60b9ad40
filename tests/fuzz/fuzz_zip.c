/* Zip files: what is unpacked has the size and the checksum that it should have, under a safe name. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "base/file.h"
#include "hub/zip.h"

typedef struct sum {
    uint64_t bytes;
    uLong crc;
} sum;

static at_status take(void *context, const void *bytes, size_t len, at_error *err) {
    sum *s = context;
    (void)err;
    s->bytes += len;
    s->crc = crc32(s->crc, bytes, (uInt)len);
    return AT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    char path[64];
    at_arena arena = {0};
    at_error err;
    at_zip zip;
    int fd = memfd_create("fuzz", 0);
    fuzz_claim(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    at_status st = at_zip_open(&arena, path, &zip, &err);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    for (int i = 0; !st && i < zip.n && i < 64; i++) {
        const at_zip_entry *e = &zip.entries[i];
        sum s = {0};
        fuzz_claim(at_name_is_safe(e->name));
        at_status one = at_zip_unpack(&zip, e, take, &s, &err);
        fuzz_check_error(one, AT_BAD_MODEL, &err);
        fuzz_claim(s.bytes <= e->size && (one || (s.bytes == e->size && s.crc == e->crc)));
    }
    if (!st) at_zip_close(&zip);
    close(fd);
    at_arena_free(&arena);
    return 0;
}
