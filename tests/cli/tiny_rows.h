/* Labelled rows for the tiny folder: $D/train.csv (60), dev.csv and test.csv (24 each). A word of the text tells the label, often. */
#ifndef AT_TESTS_TINY_ROWS_H
#define AT_TESTS_TINY_ROWS_H

#include "cli/tiny_folder.h"

static inline void tiny_rows_write(const char *name, int n, unsigned seed) {
    static const char *const WORD[] = {"good", "bad"}, *const LABEL[] = {"fine", "poor"};
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", getenv("D"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "text,label\n");
    for (int i = 0; i < n; i++) {
        int label = i % 2, words = 2;
        for (int w = 0; w < words; w++) {
            seed = seed * 1664525u + 1013904223u;
            if (w == 0) words = 3 + (int)(seed >> 28) % 6;
            fprintf(file, "%c ", 'a' + (int)(seed >> 16) % 26);
        }
        fprintf(file, "%s,%s\n", WORD[(seed >> 24) % 8 ? label : !label], LABEL[label]);
    }
    fclose(file);
}

static inline int tiny_rows_make(void **state) {
    if (tiny_folder_make(state)) return 1;
    tiny_rows_write("train.csv", 60, 1);
    tiny_rows_write("dev.csv", 24, 2);
    tiny_rows_write("test.csv", 24, 3);
    return 0;
}

#endif
