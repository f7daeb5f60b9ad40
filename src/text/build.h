/* What reading the parts of a tokenizer needs. Private to src/text. */
#ifndef AT_TEXT_BUILD_H
#define AT_TEXT_BUILD_H

#include "base/json.h"
#include "text/regex.h"

typedef struct at_build {
    at_arena *arena;       /* the tokenizer's */
    at_patterns *patterns; /* the tokenizer's */
    const char *path;      /* for errors */
    const uint8_t *classes; /* made when first asked for (text/scan.h) */
} at_build;

/* {"String": "..."} or {"Regex": "..."}, part[key]. */
at_status at_build_pattern(at_build *build, const char *what, const json_t *part, const char *key, at_pattern **pattern, at_error *err);

#endif
