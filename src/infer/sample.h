/* From logits to the next token, in the order that transformers' generate has: repetition penalty, temperature, top-k, top-p, min-p. */
#ifndef AT_INFER_SAMPLE_H
#define AT_INFER_SAMPLE_H

#include "backend/backend.h"
#include "base/arena.h"

typedef struct at_sampling {
    double temperature;        /* 0: the most probable token */
    int top_k;                 /* only so many of the most probable (more where the last are equal); 0: all */
    double top_p;              /* only the most probable that together reach it (Holtzman et al. 2020); 1: all */
    double min_p;              /* only those that have this share of the most probable one's probability; 0: all */
    double repetition_penalty; /* logits of tokens that are there already: positive ones divided by it, negative ones multiplied; 1: none */
    uint64_t seed;
} at_sampling;
static inline at_sampling at_sampling_greedy(void) { return (at_sampling){.top_p = 1, .repetition_penalty = 1, .seed = 42}; }

typedef struct at_candidate_token {
    double probability;
    at_real logit;
    int32_t id;
} at_candidate_token;

/* Memory for a vocabulary of n words. */
typedef struct at_chooser {
    at_sampling how;
    at_candidate_token *candidate; /* [n]; the first `kept` may be drawn, most probable first, their probabilities sum to 1 */
    unsigned char *seen;           /* [n] the text has it */
    int n, kept;
} at_chooser;
at_status at_chooser_make(at_chooser *s, at_arena *arena, const at_sampling *how, int n, at_error *err);
void at_chooser_see(at_chooser *s, const int32_t *ids, int n); /* tokens of the text, the prompt's too */
void at_chooser_forget(at_chooser *s);

at_status at_logits_check(const at_real *logits, int n, at_error *err); /* one that is no number: AT_BAD_MODEL */
/* Fills the candidates from logits [n], which are changed. A logit that is no number: AT_BAD_MODEL. */
at_status at_chooser_filter(at_chooser *s, at_real *logits, at_error *err);
/* One of the candidates; the draw depends on the seed and `step` alone. */
int32_t at_chooser_draw(const at_chooser *s, uint64_t step);

#endif
