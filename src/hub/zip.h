/* Zip files (APPNOTE 6.3), as far as wheels need them: stored and deflated files, no encryption, no ZIP64.
 * Checked on opening: the directory lies within the file, names are safe, sizes fit, at most 65,535 entries and 8 GiB unpacked.
 * Checked on unpacking: the local header agrees, the size is exact, the CRC-32 is right. */
#ifndef AT_HUB_ZIP_H
#define AT_HUB_ZIP_H

#include "base/arena.h"

typedef struct at_zip_entry {
    const char *name;
    unsigned method; /* 0 stored, 8 deflated */
    uint32_t crc;
    uint64_t packed, size, header; /* bytes, bytes, offset of the local header */
} at_zip_entry;

typedef struct at_zip {
    const char *path;
    int fd;
    uint64_t bytes;
    at_zip_entry *entries; /* files, no folders */
    int n;
} at_zip;

/* Errors are AT_BAD_MODEL, "path: byte N: ...". */
at_status at_zip_open(at_arena *arena, const char *path, at_zip *zip, at_error *err);
void at_zip_close(at_zip *zip);

/* Hands the file's bytes to `take` in pieces. Where the result is not AT_OK what was taken is worth nothing. */
typedef at_status at_zip_take(void *context, const void *bytes, size_t len, at_error *err);
at_status at_zip_unpack(const at_zip *zip, const at_zip_entry *entry, at_zip_take *take, void *context, at_error *err);

#endif
