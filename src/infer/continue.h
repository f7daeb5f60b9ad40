/* A text continued: prompt -> tokens -> text as it comes, in whole characters, until an end token, a stop string or the limit. */
#ifndef AT_INFER_CONTINUE_H
#define AT_INFER_CONTINUE_H

#include "infer/generator.h"
#include "infer/sample.h"
#include "text/tokenizer.h"

typedef enum at_finish { AT_FINISH_LENGTH, AT_FINISH_END, AT_FINISH_STOP, AT_FINISH_ASKED } at_finish;
const char *at_finish_name(at_finish finish); /* "length": the limit; "end": an end token; "stop": a stop string; "asked" */

/* Several texts at once, of which the best is the result (beam.h). */
/* When to stop: where it looks as if none gets better; with n that ended; where none can get better. */
typedef enum at_early { AT_EARLY_NO, AT_EARLY_YES, AT_EARLY_NEVER } at_early;
typedef struct at_beams {
    int n;                 /* 0 and 1: one text, and the rest means nothing */
    double length_penalty; /* the sum of logarithms is divided by length to the power of it: above 0 favours long texts */
    at_early early;
} at_beams;

typedef struct at_continuation_options {
    int most_new;              /* tokens */
    const int32_t *end;        /* tokens that end the text; they are not part of it */
    int n_end;
    const char *const *stop;   /* texts that end it; they are not part of it */
    int n_stop;
    /* What generation_config.json may ask for; 0 and NULL: nothing. */
    int least_new;             /* tokens before one may end the text */
    int no_repeat;             /* no run of so many tokens twice */
    const int32_t *forced_first, *forced_last; /* the first token, and the last that there is room for */
    /* Where it is several, nothing is drawn, no stop string is looked for, and `listen` hears the whole text once; before, it hears nothing (len 0)
     * once a token, so that it can end the search */
    at_beams beams;
    /* Gets the text as it grows, whole characters, nothing that a stop string may still swallow; 1: ends with AT_FINISH_ASKED. May be
     * NULL. */
    int (*listen)(void *context, const char *text, size_t len);
    void *context;
} at_continuation_options;

typedef struct at_continuation {
    const char *text; /* in the arena */
    size_t len;
    int32_t *ids;     /* [n] without the end token */
    int n;
    at_finish finish;
    double prompt_seconds, seconds; /* reading the prompt; the tokens after the first */
} at_continuation;

/* `generator` holds nothing yet or a beginning of the prompt that at_generator_length says; room must be there for n_prompt + most_new, and
 * for beams.n texts. */
at_status at_continue(at_generator *generator, at_chooser *sampler, const at_tokenizer *tokenizer, const int32_t *prompt, int n_prompt,
                      const at_continuation_options *options, at_arena *arena, at_continuation *result, at_error *err);

#endif
