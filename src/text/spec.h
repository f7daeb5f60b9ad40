/* Reading one component of tokenizer.json: an object with a "type" and its fields, with errors that name the file, the
 * component and what is known. */
#ifndef AT_TEXT_SPEC_H
#define AT_TEXT_SPEC_H

#include "base/json.h"

#define AT_SPEC_DEPTH 64      /* Sequences in Sequences */
#define AT_SPEC_STEPS 256     /* components of one kind in all */
#define AT_VOCAB_MAX 1000000  /* tokens, and the highest id + 1 */
#define AT_TOKEN_BYTES 4096   /* of a token; the longest known have 2,048: runs of spaces and of marks */

/* Where a component was read: "model/tokenizer.json" and "normalizer". */
typedef struct at_spec {
    const char *path, *what;
} at_spec;

/* The index of part's "type" in `known` (NULL-terminated), else AT_BAD_MODEL with the name and the known ones. */
at_status at_spec_kind(at_spec spec, const json_t *part, const char *const *known, int *kind, at_error *err);

/* A field of the expected type; the default where it is absent or null. */
at_status at_spec_bool(at_spec spec, const json_t *part, const char *key, int absent, int *value, at_error *err);
at_status at_spec_int(at_spec spec, const json_t *part, const char *key, json_int_t absent, json_int_t *value,
                      at_error *err);
at_status at_spec_string(at_spec spec, const json_t *part, const char *key, const char *absent, const char **value,
                         at_error *err);

/* Code points of a JSON string (jansson guarantees UTF-8). */
at_status at_spec_code_points(at_arena *arena, const char *text, uint32_t **cps, int *n, at_error *err);

/* The children of a Sequence: part[key], an array. */
at_status at_spec_array(at_spec spec, const json_t *part, const char *key, const json_t **array, at_error *err);

/* A component that is one step, or a Sequence of steps and Sequences: all steps in order. */
typedef struct at_spec_steps {
    at_spec spec;
    const char *plural, *children; /* what many of it are called; the key of a Sequence's list */
    const char *(*type)(int i);    /* the names of the kinds of steps; NULL behind the last */
    at_status (*add)(void *context, const json_t *part, int type, at_error *err); /* called for at most AT_SPEC_STEPS steps */
    void *context;
} at_spec_steps;
at_status at_spec_steps_read(const at_spec_steps *steps, const json_t *part, at_error *err);

#endif
