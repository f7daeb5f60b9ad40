/* Replays a corpus folder through LLVMFuzzerTestOneInput without libFuzzer: every file as it is, cut at up to 64
 * places, and with a bit flipped or a byte replaced at up to 256 places. The same inputs every time. Fails on an empty folder; a
 * crash or a sanitizer's report fails by itself. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On a copy of exactly this size, so that reading beyond it is found. */
static void run(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) exit(7);
    if (size) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay(uint8_t *data, size_t size) {
    run(data, size);
    for (size_t i = 0; i < 64 && i < size; i++) run(data, size * i / 64);
    for (uint64_t i = 0; size && i < 256; i++) {
        size_t at = (size_t)at_random_below(1, i, size);
        uint8_t before = data[at], random = (uint8_t)at_random_row(2, i);
        data[at] = (uint8_t)(i % 2 ? random : before ^ (1u << random % 8));
        run(data, size);
        data[at] = before;
    }
}

static int replay_file(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 0;
    }
    size_t size = 0, cap = (size_t)1 << 20;
    uint8_t *data = malloc(cap);
    if (data) size = fread(data, 1, cap, file);
    fclose(file);
    if (data) replay(data, size);
    free(data);
    return data != NULL;
}

int main(int argc, char **argv) {
    int n = 0, ok = 1;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') ok &= replay_file(argv[1], entry->d_name), n++;
    closedir(folder);
    printf("%d files replayed\n", n);
    return n && ok ? 0 : 1;
}
