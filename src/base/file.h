/* Files: whole reads with a limit, atomic writes, folders.
 *
 * A write goes to ".name.tmp.PID" beside the target, is fsynced, closed, renamed, and the folder is fsynced:
 * a crash at any point leaves the old file or the new one, whole. */
#ifndef AT_BASE_FILE_H
#define AT_BASE_FILE_H

#include <stdio.h>

#include "base/arena.h"

/* A checked reader over bytes in memory, for every binary format. */
typedef struct at_reader {
    const unsigned char *ptr;
    size_t len, pos;
} at_reader;
int at_read_u32(at_reader *r, uint32_t *value); /* little-endian; 0 where the bytes end */
int at_read_u64(at_reader *r, uint64_t *value);
int at_read_bytes(at_reader *r, size_t n, const unsigned char **bytes);

/* A whole file into the arena, NUL-terminated (the NUL is not counted in *len). `code` is the status of a
 * missing or unreadable file (data or model); larger than max_bytes fails the same way. */
at_status at_file_read(at_arena *arena, const char *path, size_t max_bytes, at_status code, char **text, size_t *len,
                       at_error *err);

/* An atomic write in pieces. Zero-initialised; at_writer_commit or at_writer_abandon ends it. */
typedef struct at_writer {
    int fd;
    char path[4096], temporary[4200];
    char buffer[1 << 16];
    size_t buffered;
    uint64_t bytes; /* written so far */
} at_writer;
at_status at_writer_open(at_writer *w, const char *path, at_error *err);
at_status at_writer_add(at_writer *w, const void *bytes, size_t len, at_error *err); /* abandons on failure */
at_status at_writer_commit(at_writer *w, at_error *err);
void at_writer_abandon(at_writer *w);
at_status at_file_write(const char *path, const void *bytes, size_t len, at_error *err);
at_status at_file_copy(const char *from, const char *to, at_error *err); /* atomic, `to` is replaced */

int at_file_exists(const char *path);
int at_is_folder(const char *path);
at_status at_folder_make(const char *path, at_error *err);   /* with parents; existing is fine */
at_status at_folder_sync(const char *path, at_error *err);
at_status at_folder_remove(const char *path, at_error *err); /* with everything in it; links are not followed */
/* Sorted names in a folder without "." and ".."; *names is NULL-terminated. */
at_status at_folder_list(at_arena *arena, const char *path, char ***names, int *n, at_error *err);
char *at_path_join(at_arena *arena, const char *folder, const char *name);

/* 1 where a name from a file or a server is safe to open inside a folder: relative, no "..", no
 * backslash, no control character. */
int at_name_is_safe(const char *name);

#endif
