/* Two runs that must have come to the same end. */
#ifndef AT_TESTS_SAME_RUN_H
#define AT_TESTS_SAME_RUN_H

#include "cli/tiny_rows.h"

/* What must be equal in two folders: names, weights, all that was measured. */
#define SAME "same() { diff <(ls -A $1) <(ls -A $2) && cmp $1/model.safetensors $2/model.safetensors && cmp $1/config.json $2/config.json && " \
             "diff <(grep -v seconds $1/all_results.json) <(grep -v seconds $2/all_results.json) && cmp $1/eval_results.json $2/eval_results.json && " \
             "{ [ ! -d $1/2_Dense ] || cmp $1/2_Dense/model.safetensors $2/2_Dense/model.safetensors; }; }; "

/* A line made as by printf, valid until the next one. */
static inline const char *line_of(const char *format, ...) {
    static char line[8192];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    return line;
}

#endif
