#include "model/names.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

int at_dimension_size(const at_arch *arch, at_dimension d, int n_out) {
    switch (d) {
    case AT_DIM_ONE: return 1;
    case AT_DIM_VOCAB: return arch->vocab_size;
    case AT_DIM_POSITIONS: return arch->position == AT_POSITION_LEARNED ? arch->max_positions + arch->position_offset : 0;
    case AT_DIM_TYPES: return arch->type_vocab;
    case AT_DIM_EMBEDDING: return arch->embedding;
    case AT_DIM_HIDDEN: return arch->hidden;
    case AT_DIM_QUERY: return arch->heads * arch->head_dim;
    case AT_DIM_KEY: return arch->kv_heads * arch->head_dim;
    case AT_DIM_INTERMEDIATE: return arch->intermediate;
    case AT_DIM_HEAD: return arch->head_dim;
    case AT_DIM_HEADS: return arch->heads;
    case AT_DIM_BUCKETS: return arch->relative_buckets;
    case AT_DIM_NEIGHBOURS: return arch->conv_width * arch->hidden;
    case AT_DIM_LABELS: return n_out;
    case AT_DIM_DECODER_QUERY: return arch->decoder.heads * arch->decoder.head_dim;
    case AT_DIM_DECODER_INTERMEDIATE: return arch->decoder.intermediate;
    case AT_DIM_DECODER_HEADS: return arch->decoder.heads;
    }
    return 0;
}

const char *at_names_class(const at_family *family, at_arena *arena, at_head_kind head) {
    static const char *const CLASS[] = {[AT_HEAD_NONE] = "Model", [AT_HEAD_POOLER] = "ForSequenceClassification", [AT_HEAD_MEAN] = "Model",
                                        [AT_HEAD_TOKEN] = "ForTokenClassification", [AT_HEAD_MASK] = "ForMaskedLM",
                                        [AT_HEAD_SPAN] = "ForQuestionAnswering", [AT_HEAD_EMBED] = "Model",
                                        [AT_HEAD_LM] = "ForCausalLM"};
    if (head == AT_HEAD_LM && family->lm_class) return family->lm_class;
    if (head == AT_HEAD_EMBED && family->encoder_class) return family->encoder_class;
    return at_format(arena, "%s%s", family->class_stem, CLASS[head]);
}

/* LayerNorm.weight -> LayerNorm.gamma, LayerNorm.bias -> LayerNorm.beta; 0 where the name has neither. */
static int old_spelling(const char *name, char *old, size_t size) {
    const char *at = strstr(name, "LayerNorm.");
    if (!at) return 0;
    size_t head = (size_t)(at - name) + strlen("LayerNorm.");
    snprintf(old, size, "%.*s%s", (int)head, name, strcmp(name + head, "weight") ? "beta" : "gamma");
    return 1;
}

/* Files of the family's other classes, where those call the body something else (LLaMA's answers: "transformer." in place of "model."). */
static const at_stored_tensor *by_other_prefix(const at_family *family, const at_safetensors *file, const at_place *place) {
    const char *prefixes[2] = {family->prefix, family->other_prefix};
    const at_stored_tensor *found = NULL;
    char name[AT_WEIGHT_NAME_BYTES + 32];
    for (int i = 0; i < 2 && family->other_prefix && !found; i++) {
        snprintf(name, sizeof name, "%s%s", prefixes[i], place->bare);
        found = at_safetensors_find(file, name);
    }
    return found;
}

const at_stored_tensor *at_names_lookup(const at_family *family, const at_safetensors *file, const at_place *place) {
    const char *names[2] = {place->name, place->bare};
    char old[AT_WEIGHT_NAME_BYTES + 32];
    for (int i = 0; i < 2; i++) {
        const at_stored_tensor *found = at_safetensors_find(file, names[i]);
        if (found) return found;
    }
    for (int i = 0; i < 2; i++) {
        const at_stored_tensor *found = old_spelling(names[i], old, sizeof old) ? at_safetensors_find(file, old) : NULL;
        if (found) return found;
    }
    return by_other_prefix(family, file, place);
}

int at_names_is_buffer(const at_family *family, const char *stored_name) {
    size_t n = strlen(stored_name);
    for (const char *const *end = family->buffers; end && *end; end++) {
        size_t m = strlen(*end);
        if (n >= m && !strcmp(stored_name + n - m, *end)) return 1;
    }
    return 0;
}

/* ---- declaring ---- */

typedef struct table {
    const at_name_row *rows;
    int n;
    char *fields;        /* of at_body, at_layer or at_head */
    int set, depth, is_head;
    const char *prefix;  /* of the names of the rows; NULL: they have it already */
} table;

typedef struct declaring {
    const at_family *family;
    const at_arch *arch;
    at_params *params;
    at_arena *arena;
    at_place *place;     /* of the weight i of params, or NULL */
    int n_out;
    at_error *err;
    const char *prefix;  /* of the body's names in a file with this head */
    int packs_words;     /* the table of words lies as its products like it: it is a language model's classifier */
} declaring;

static int is_there(const declaring *d, const at_name_row *row) {
    int wanted = !row->when || *(const int *)(const void *)((const char *)d->arch + row->when);
    return wanted && at_dimension_size(d->arch, row->out, d->n_out) > 0 && at_dimension_size(d->arch, row->in, d->n_out) > 0;
}

/* "layer.%d.x" -> "layer.3.x"; where names count layers in groups ("groups.%d.layers.%d"), the second number is that within the group. */
static void numbered(const char *pattern, int number, int group, char *name, size_t size) {
    size_t at = 0;
    const int numbers[2] = {group ? number / group : number, group ? number % group : 0};
    name[0] = '\0';
    for (int i = 0; i < 2; i++) {
        const char *mark = strstr(pattern, "%d");
        if (!mark || at >= size) break;
        at += (size_t)snprintf(name + at, size - at, "%.*s%d", (int)(mark - pattern), pattern, numbers[i]);
        pattern = mark + 2;
    }
    if (at < size) snprintf(name + at, size - at, "%s", pattern);
}

/* Where the row's weight lies among those that share its tensor. */
static at_place place_of(const declaring *d, const table *t, int row, int *part, int *parts) {
    at_place place = {.transposed = t->rows[row].form == AT_FILE_TRANSPOSED, .row = t->rows[row].form == AT_FILE_CONSTANT,
                      .taps = t->rows[row].form == AT_FILE_CONV ? d->arch->conv_width : 0};
    *part = *parts = 0;
    for (int i = 0; i < t->n; i++) {
        if (strcmp(t->rows[i].name, t->rows[row].name) || !is_there(d, &t->rows[i])) continue;
        int out = at_dimension_size(d->arch, t->rows[i].out, d->n_out);
        if (i < row) place.first += out;
        *part += i < row;
        place.total += out;
        ++*parts;
    }
    if (t->rows[row].form == AT_FILE_BY_HEADS && *parts > 1) {
        place.unit = d->arch->head_dim;
        place.stride = *parts * place.unit;
        place.first = *part * place.unit;
    }
    return place;
}

static at_status declare_row(const declaring *d, const table *t, int i) {
    const at_name_row *row = &t->rows[i];
    char name[AT_WEIGHT_NAME_BYTES];
    int part, parts, out = at_dimension_size(d->arch, row->out, d->n_out), in = at_dimension_size(d->arch, row->in, d->n_out);
    at_weight **field = (at_weight **)(void *)(t->fields + row->field);
    if (!is_there(d, row) || (row->but_first && !t->set)) return AT_OK; /* no such part: no token types, no learned positions */
    numbered(row->name, t->set, d->arch->group_sets, name, sizeof name);
    at_place place = place_of(d, t, i, &part, &parts);
    size_t prefix = strlen(d->family->prefix);
    int has_prefix = !t->prefix && !strncmp(name, d->family->prefix, prefix);
    place.bare = at_strdup(d->arena, has_prefix ? name + prefix : name);
    place.name = at_format(d->arena, "%s%s", t->prefix ? t->prefix : "", name);
    const char *own = place.bare && parts > 1 ? at_format(d->arena, "%s[%d]", place.bare, part) : place.bare;
    if (!own || !place.name) return at_fail_memory(d->err, sizeof name);
    at_weight_kind kind = d->packs_words ? AT_WEIGHT_LINEAR : row->kind;
    AT_TRY(at_params_add(d->params, d->arena, own, kind, out, in, t->depth, row->decay, field, d->err));
    (*field)->is_head = t->is_head;
    (*field)->constant = row->form == AT_FILE_CONSTANT;
    if (d->place) d->place[d->params->n - 1] = place;
    return AT_OK;
}

static at_status declare_table(const declaring *d, const table *t) {
    for (int i = 0; i < t->n; i++) AT_TRY(declare_row(d, t, i));
    return AT_OK;
}

/* A linear layer alone: of a token head, and of a mean head, where sentence-transformers keeps it in a folder of its own. */
static const at_name_row LINEAR_HEAD[] = {
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};

const at_name_row at_span_head[2] = {
    AT_LINEAR("qa_outputs.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("qa_outputs.bias", AT_HEAD(classifier_bias), LABELS),
};

static table head_table(const at_family *family, at_head_kind kind) {
    table t = {.rows = LINEAR_HEAD, .n = AT_COUNT(LINEAR_HEAD), .is_head = 1};
    if (kind == AT_HEAD_POOLER) {
        t.rows = family->head;
        t.n = family->n_head;
    } else if (kind == AT_HEAD_TOKEN && family->token) {
        t.rows = family->token;
        t.n = family->n_token;
    } else if (kind == AT_HEAD_MASK) {
        t.rows = family->mask;
        t.n = family->n_mask;
    } else if (kind == AT_HEAD_SPAN) {
        t.rows = family->span;
        t.n = family->n_span;
    } else if (kind == AT_HEAD_LM) {
        t.rows = family->lm;
        t.n = family->n_lm;
    }
    return t;
}

int at_names_takes_encoder(const at_family *family, at_head_kind kind) {
    return family->encoder_class && (kind == AT_HEAD_TOKEN || kind == AT_HEAD_EMBED);
}

/* A model that reads a text and writes another does what classes of transformers make it do: labels of texts, answers in them; its encoder alone
 * labels tokens and makes vectors. */
static int two_stacks_have(const at_family *family, at_head_kind kind) {
    return kind == AT_HEAD_LM || (kind == AT_HEAD_POOLER && family->head) || (kind == AT_HEAD_SPAN && family->span) ||
           at_names_takes_encoder(family, kind);
}

at_status at_head_check(const at_arch *arch, at_head_kind kind, at_error *err) {
    const at_family *family = at_family_find(arch->family);
    if (kind == AT_HEAD_NONE) return AT_OK;
    if (arch->decoder.layers && !two_stacks_have(family, kind))
        return at_fail(err, AT_USAGE, "a %s reads a text and writes another%s%s%s; it takes no other task", arch->family,
                       family->head ? ", or labels texts" : "", family->span ? ", or finds answers in them" : "",
                       family->encoder_class ? ", or labels their words or makes vectors of them" : "");
    if (kind == AT_HEAD_TOKEN && family->no_token_class)
        return at_fail(err, AT_USAGE, "transformers has no class for labels of tokens on a %s, so that nobody could open the model",
                       arch->family);
    if (kind == AT_HEAD_MASK && !family->mask)
        return at_fail(err, AT_USAGE, "a %s finds no hidden words: transformers has no class for them; encoders like bert, roberta and modernbert do",
                       arch->family);
    if (kind == AT_HEAD_SPAN && !family->span)
        return at_fail(err, AT_USAGE, "transformers has no class for answers in a text on a %s, so that nobody could open the model", arch->family);
    if (kind == AT_HEAD_LM && !family->lm)
        return at_fail(err, AT_USAGE, "a %s is no language model that continues a text; gpt2, llama, mistral, qwen2 and their like are", arch->family);
    return AT_OK;
}

at_status at_head_declare(at_params *p, at_arena *arena, const at_arch *arch, at_head_kind kind, int n_out, at_head *head,
                          at_place *place, at_error *err) {
    const at_family *family = at_family_find(arch->family);
    declaring d = {.family = family, .arch = arch, .params = p, .arena = arena, .place = place,
                   .n_out = kind == AT_HEAD_LM ? arch->vocab_size : n_out, .err = err};
    *head = (at_head){.kind = kind, .n_out = n_out};
    AT_TRY(at_head_check(arch, kind, err));
    if (kind == AT_HEAD_NONE || kind == AT_HEAD_EMBED) return AT_OK;
    table t = head_table(family, kind);
    t.fields = (char *)head;
    t.is_head = kind != AT_HEAD_LM; /* that one is no new network */
    t.depth = at_arch_depth(arch) + 1;
    if (kind == AT_HEAD_LM && arch->tied) { /* the table of words, which is the first row's place */
        t.rows++;
        t.n--;
    }
    return declare_table(&d, &t);
}

int at_head_is_deep(const at_arch *arch, at_head_kind kind) {
    table t = head_table(at_family_find(arch->family), kind);
    for (int i = 0; i < t.n; i++)
        if (t.rows[i].field == AT_HEAD(dense)) return 1;
    return 0;
}

int at_head_has_bias(const at_arch *arch, at_head_kind kind) {
    table t = head_table(at_family_find(arch->family), kind);
    for (int i = 0; i < t.n; i++)
        if (t.rows[i].field == AT_HEAD(classifier_bias)) return 1;
    return 0;
}

static at_status declare_decoder(const declaring *d, at_model *m) {
    const at_arch *a = d->arch;
    at_layer *layer = m->body.decoder.layer = AT_NEW_ARRAY(d->arena, at_layer, a->decoder.layers);
    if (!layer) return at_fail_memory(d->err, (size_t)a->decoder.layers * sizeof(at_layer));
    for (int l = 0; l < a->decoder.layers; l++) {
        table t = {d->family->decoder, d->family->n_decoder, (char *)&layer[l], l, a->layers + l + 1, 0, d->prefix};
        AT_TRY(declare_table(d, &t));
    }
    return AT_OK;
}

/* What comes after layers has the depth of the last of them, the convolution that of the first. */
static int body_depth(const at_arch *a, size_t field) {
    if (field == AT_BODY(conv) || field == AT_BODY(conv_bias) || field == AT_BODY(conv_norm) || field == AT_BODY(conv_norm_bias)) return 1;
    if (field == AT_BODY(final_norm) || field == AT_BODY(final_norm_bias)) return a->layers;
    return field == AT_BODY(decoder.final_norm) || field == AT_BODY(decoder.final_norm_bias) ? at_arch_depth(a) : 0;
}

/* Weights that layers share have the depth of the last layer that uses them. */
static at_status declare_layers(const declaring *d, at_model *m) {
    const at_arch *a = d->arch;
    at_layer *set = AT_NEW_ARRAY(d->arena, at_layer, a->layer_sets);
    int *depth = AT_NEW_ARRAY(d->arena, int, a->layer_sets);
    m->body.layer = AT_NEW_ARRAY(d->arena, at_layer, a->layers);
    if (!set || !depth || !m->body.layer) return at_fail_memory(d->err, (size_t)a->layers * 2 * sizeof(at_layer));
    for (int l = 0; l < a->layers; l++) depth[a->layer_set ? a->layer_set[l] : l] = l + 1;
    for (int s = 0; s < a->layer_sets; s++) {
        table t = {d->family->layer, d->family->n_layer, (char *)&set[s], s, depth[s], 0, d->prefix};
        AT_TRY(declare_table(d, &t));
    }
    for (int l = 0; l < a->layers; l++) m->body.layer[l] = set[a->layer_set ? a->layer_set[l] : l];
    return AT_OK;
}

static at_status declare_projection_part(const declaring *d, int index, const char *part, at_weight_kind kind, int out, int in, at_weight **w) {
    const char *name = at_format(d->arena, "projection.%d.%s", index, part);
    if (!name) return at_fail_memory(d->err, 0);
    AT_TRY(at_params_add(d->params, d->arena, name, kind, out, in, at_arch_depth(d->arch) + 1, kind == AT_WEIGHT_LINEAR, w, d->err));
    (*w)->is_head = 1;
    d->place[d->params->n - 1] = (at_place){.name = name, .bare = name, .total = out};
    return AT_OK;
}

/* The Dense modules of a folder; their files name their weights all alike. */
static at_status declare_projections(const declaring *d, at_head *head, const at_head *asked) {
    head->n_projections = asked->n_projections;
    for (int i = 0; i < asked->n_projections; i++) {
        at_projection *p = &head->projection[i];
        *p = asked->projection[i];
        AT_TRY(declare_projection_part(d, i, "weight", AT_WEIGHT_LINEAR, p->out, p->in, &p->weight));
        if (p->has_bias) AT_TRY(declare_projection_part(d, i, "bias", AT_WEIGHT_VECTOR, p->out, 1, &p->bias));
    }
    return AT_OK;
}

at_status at_names_declare(const at_family *family, at_model *m, at_error *err) {
    const at_arch *a = &m->arch;
    int most = family->n_body + a->layer_sets * family->n_layer + a->decoder.layers * family->n_decoder + AT_HEAD_WEIGHTS +
               2 * m->head.n_projections;
    AT_TRY(at_params_init(&m->params, &m->arena, most, err));
    m->place = AT_NEW_ARRAY(&m->arena, at_place, most);
    if (!m->place) return at_fail_memory(err, (size_t)most * sizeof(at_place));
    declaring d = {.family = family, .arch = a, .params = &m->params, .arena = &m->arena, .place = m->place, .n_out = m->head.n_out, .err = err,
                   .prefix = family->other_prefix && (family->other_heads & AT_HEAD_BIT(m->head.kind)) ? family->other_prefix : family->prefix};
    table body = {family->body, family->n_body, (char *)&m->body, 0, 0, 0, d.prefix};
    int tied = m->head.kind == AT_HEAD_LM && a->tied;
    for (int i = 0; i < body.n; i++) {
        d.packs_words = tied && body.rows[i].field == AT_BODY(token);
        body.depth = body_depth(a, body.rows[i].field);
        AT_TRY(declare_row(&d, &body, i));
    }
    d.packs_words = 0;
    if (m->head.kind == AT_HEAD_MASK) m->body.token->kind = AT_WEIGHT_MATRIX; /* the same home, a dense gradient: it is the classifier too */
    if (m->body.token && !a->learns_padding) m->body.token->still_row = a->pad_id;
    if (m->body.position) m->body.position->still_row = a->position_offset - 1;
    AT_TRY(declare_layers(&d, m));
    AT_TRY(declare_decoder(&d, m));
    const at_head asked = m->head;
    AT_TRY(at_head_declare(&m->params, &m->arena, a, m->head.kind, m->head.n_out, &m->head, m->place, err));
    AT_TRY(declare_projections(&d, &m->head, &asked));
    if (tied) m->head.classifier = m->body.token;
    return AT_OK;
}

/* ---- between rows and tensors ---- */

static size_t tensor_row(const at_place *place, size_t r) {
    if (!place->unit) return (size_t)place->first + r;
    size_t unit = (size_t)place->unit;
    return (size_t)place->first + r / unit * (size_t)place->stride + r % unit;
}

void at_place_take(const at_place *place, const at_weight *w, const float *tensor, float *rows) {
    size_t in = (size_t)w->in, total = (size_t)place->total;
    for (size_t r = 0; r < (size_t)w->out; r++) {
        size_t row = tensor_row(place, r);
        for (size_t k = 0; k < in; k++) rows[r * in + k] = tensor[place->transposed ? k * total + row : row * in + k];
    }
}

void at_place_give(const at_place *place, const at_weight *w, const float *rows, float *tensor) {
    size_t in = (size_t)w->in, total = (size_t)place->total;
    for (size_t r = 0; r < (size_t)w->out; r++) {
        size_t row = tensor_row(place, r);
        for (size_t k = 0; k < in; k++) tensor[place->transposed ? k * total + row : row * in + k] = rows[r * in + k];
    }
}

int at_place_shape(const at_place *place, const at_weight *w, int64_t shape[AT_PLACE_DIMS]) {
    if (place->row) {
        shape[0] = 1;
        shape[1] = place->total;
        return 2;
    }
    if (place->taps) {
        shape[0] = place->total;
        shape[1] = w->in / place->taps;
        shape[2] = place->taps;
        return 3;
    }
    shape[0] = place->transposed ? w->in : place->total;
    shape[1] = place->transposed ? place->total : w->in;
    return w->kind == AT_WEIGHT_VECTOR ? 1 : 2;
}
