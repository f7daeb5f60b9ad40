/* Beam search: of several texts that are written at once the most probable are gone on with, and the best of those that ended is the
 * result. Step by step as transformers' generate does with num_beams and without sampling (5.23), with its rules for when to stop. */
#ifndef AT_INFER_BEAM_H
#define AT_INFER_BEAM_H

#include "infer/continue.h"

typedef struct at_beam_search {
    at_generator *generator;   /* with room for options->beams.n texts; has read the prompt */
    const int32_t *prompt;     /* [n_prompt] */
    int n_prompt, n_words;     /* n_words: of the vocabulary */
    double repetition_penalty; /* of tokens that prompt or text have: the logarithm of their probability is multiplied by it; 1: none */
    const at_continuation_options *options; /* most_new, ends, rules and beams are read */
} at_beam_search;

/* `logits` [n_words] are of what follows the prompt. ids [most_new] gets the best text, *n tokens; *finish: one of the ends stood behind it,
 * which is left out, or there was no room left; AT_FINISH_ASKED: the listener ended the search, and there is no text. Memory from the arena. */
at_status at_beam_search_run(const at_beam_search *search, const at_real *logits, at_arena *arena, int32_t *ids, int *n, at_finish *finish,
                             at_error *err);

#endif
