/* A language model that continues one text, token by token: the same body and kernels as everywhere, with the keys and values of the tokens
 * before kept (at_cache), so that a step costs one row. Every product is shared by a team of threads, which changes no bit. */
#ifndef AT_INFER_GENERATOR_H
#define AT_INFER_GENERATOR_H

#include "model/model.h"

typedef struct at_generator at_generator;

/* `model`, opened with AT_HEAD_LM, must outlive it. Room for most_tokens in all, of at most the model's positions. */
at_status at_generator_open(const at_model *model, const at_backend *backend, int n_threads, int most_tokens, at_generator **generator,
                            at_error *err);
/* With room for several texts at once (at_generator_branch), each of at most most_tokens. */
typedef struct at_generator_room {
    int source; /* of a model with an encoder, else 0: as below */
    int tokens, texts;
} at_generator_room;
at_status at_generator_open_room(const at_model *model, const at_backend *backend, int n_threads, at_generator_room room,
                                 at_generator **generator, at_error *err);
/* Of a model with an encoder: it writes at most most_tokens, the first of them the decoder's start token, to a text of at most most_source
 * tokens. */
at_status at_generator_open_source(const at_model *model, const at_backend *backend, int n_threads, int most_source, int most_tokens,
                                   at_generator **generator, at_error *err);
/* The text that is written to from now on, n > 0 tokens (checked against the vocabulary): the encoder reads it once, and what the decoder's
 * layers look at of it is kept. Forgets what was written. */
at_status at_generator_read(at_generator *generator, const int32_t *ids, int n, at_error *err);
void at_generator_close(at_generator *generator);

/* Appends n > 0 tokens (checked against the vocabulary); *logits [vocab_size] are of what follows the last of them, valid until the next
 * call and the caller's to change. */
at_status at_generator_feed(at_generator *generator, const int32_t *ids, int n, at_real **logits, at_error *err);

/* Goes on with n texts at once, n of at most room.texts: text i is what text parent[i] was and, behind it, the token ids[i]. At first there
 * is one text, 0, that was fed. *logits [n, vocab_size] as above. What a text shares with its parent is not copied where that has no other
 * heir, and else from the first token on in which the place that it gets differs. at_generator_feed goes on when everything was forgotten
 * or read anew. */
at_status at_generator_branch(at_generator *generator, const int *parent, const int32_t *ids, int n, at_real **logits, at_error *err);

int at_generator_length(const at_generator *generator);             /* tokens so far */
void at_generator_forget(at_generator *generator, int length);      /* all behind the first `length`; of several texts, all */
size_t at_generator_cache_bytes(const at_model *model, int tokens); /* keys and values of so many of one text, a source's not among them */

#endif
