/* Reading config.json: sizes with bounds, numbers, flags, words. The first error stays, and after it every function returns its
 * fallback. Keys that were asked for are known; a key that nobody asked for and that is true is an unknown switch. Private to src/model. */
#ifndef AT_MODEL_CONFIG_H
#define AT_MODEL_CONFIG_H

#include "model/arch.h"

/* What is larger than these is no model but a mistake; with them no product of two sizes leaves 64 bits, a token type fits
 * a byte, and a position the 20 bits that the counters of attention's dropout have for it. */
enum {
    AT_MAX_VOCAB = 1000000, AT_MAX_HIDDEN = 1 << 16, AT_MAX_LAYERS = 1024, AT_MAX_HEADS = 4096, AT_MAX_INTERMEDIATE = 1 << 18,
    AT_MAX_POSITIONS = 1 << 20, AT_MAX_TYPES = 256, AT_MAX_KEYS = 128
};

typedef struct at_config {
    const json_t *root;
    const char *path;
    at_arena *arena;
    at_error *err;
    at_status status;
    const char *known[AT_MAX_KEYS];
    int n_known;
} at_config;

/* The value of a key, which is known from now on; NULL where it is absent or null. */
const json_t *at_config_get(at_config *c, const char *key);
int at_config_has(at_config *c, const char *key);
void at_config_fail(at_config *c, const char *fmt, ...) AT_PRINTF(2, 3);

int at_config_size(at_config *c, const char *key, int low, int high);                     /* must be there */
int at_config_size_or(at_config *c, const char *key, int fallback, int low, int high);
double at_config_number(at_config *c, const char *key, double fallback, double low, double high);
double at_config_dropout(at_config *c, const char *key, double fallback);
/* Before the classifier of tags in transformers' generic head: "classifier_dropout", else "hidden_dropout", else 0.1. */
double at_config_tag_dropout(at_config *c);
int at_config_flag(at_config *c, const char *key, int fallback);
const char *at_config_text(at_config *c, const char *key, const char *fallback);
int at_activation_find(const char *name, at_activation *activation); /* by transformers' name; 0: there is none */
at_activation at_config_activation(at_config *c, const char *key, const char *fallback); /* fallback NULL: must be there */

/* eos_token_id, of a list the first; -1 where it is none of the words. */
int at_config_end(at_config *c, int fallback, int vocab_size);

/* Variants that there are not: any other value is an error that names it. */
void at_config_only(at_config *c, const char *key, const char *word);   /* absent is fine */
void at_config_refuse(at_config *c, const char *key, const char *why);  /* must not be true */

/* What nearly every family has under the same names: vocab_size, hidden_size, num_hidden_layers, num_attention_heads,
 * intermediate_size, initializer_range, pad_token_id. */
void at_config_sizes(at_config *c, at_arch *a);
void at_config_pad(at_config *c, at_arch *a, int fallback);
/* A position table whose rows up to the padding's are not used (RoBERTa, MPNet): reads max_position_embeddings. */
void at_config_positions_behind_padding(at_config *c, at_arch *a, int padding);

/* Rotary positions from rope_parameters or rope_theta and rope_scaling, for the layers of this kind ("full_attention",
 * "sliding_attention") where they are told apart. Needs head_dim and max_positions (which longrope limits, and dynamic extends). `theta`, and the
 * turned part of a head, where the config names none; 0: this family turns whole heads, and a config that names a part is refused. */
void at_config_rope(at_config *c, at_arch *a, const char *layer_kind, double theta, double partial,
                    at_rope *rope);

/* layer_types ("full_attention", "sliding_attention"), or where the config has none: what is_local(layer, n) says. Sets a->local. */
void at_config_local_layers(at_config *c, at_arch *a, int (*is_local)(int layer, int n), int n);
/* sliding_window as transformers counts it (the token itself is one of them) -> a->window. 0 where absent. */
void at_config_window(at_config *c, at_arch *a, const char *key);

#endif
