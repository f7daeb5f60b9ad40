/* The folders of recorded models under one root of tests/, in the order of their names. */
#ifndef AT_TESTS_FOLDERS_H
#define AT_TESTS_FOLDERS_H

#include <dirent.h>
#include <stdlib.h>

#include "check.h"

#include "io/safetensors.h"

enum { MOST_FOLDERS = 64 };

typedef struct golden_folders {
    const char *root; /* "golden/data" */
    char name[MOST_FOLDERS][64];
    int n;
} golden_folders;

/* A file of a folder; "": the folder (or the root) itself. Lives until the next call. */
static inline const char *golden_path(const golden_folders *f, const char *folder, const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "%s/%.100s%s%.100s", f->root, folder, *name ? "/" : "", name);
    return check_source(relative);
}

static inline int golden_by_name(const void *a, const void *b) { return strcmp(a, b); }

/* 0 where there are at least so many of them: what a group's set-up returns. */
static inline int golden_find(golden_folders *f, int at_least) {
    DIR *dir = opendir(golden_path(f, "", ""));
    if (!dir) return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL && f->n < MOST_FOLDERS;)
        if (e->d_name[0] != '.') snprintf(f->name[f->n++], sizeof f->name[0], "%.63s", e->d_name);
    closedir(dir);
    qsort(f->name, (size_t)f->n, sizeof f->name[0], golden_by_name);
    return f->n >= at_least ? 0 : -1;
}

/* What one model folder has in its files the other has, byte for byte, and nothing else. */
static inline void golden_same_tensors(const char *folder, const char *other) {
    at_safetensors *before, *after;
    at_arena memory = {0};
    at_error err = {0};
    check_ok(at_safetensors_open_folder(folder, &before, &err), &err);
    check_ok(at_safetensors_open_folder(other, &after, &err), &err);
    assert_int_equal(at_safetensors_count(before), at_safetensors_count(after));
    for (int t = 0; t < at_safetensors_count(before); t++) {
        const at_stored_tensor *a = at_safetensors_at(before, t), *b = at_safetensors_find(after, a->name);
        if (!b) fail_msg("%s: there is no %s", other, a->name);
        assert_int_equal(a->bytes, b->bytes);
        void *x = AT_NEW_ARRAY(&memory, char, a->bytes), *y = AT_NEW_ARRAY(&memory, char, a->bytes);
        check_ok(at_safetensors_read_raw(before, a, x, &err), &err);
        check_ok(at_safetensors_read_raw(after, b, y, &err), &err);
        assert_memory_equal(x, y, a->bytes);
    }
    at_safetensors_close(before);
    at_safetensors_close(after);
    at_arena_free(&memory);
}

#endif
