/* The heads: one row a sequence, or one at each of certain tokens, then logits. */
#include "model/model.h"

const char *at_head_name(at_head_kind kind) {
    static const char *const NAMES[] = {"none", "pooler", "mean", "token", "mask", "span", "embed", "lm"};
    return NAMES[kind];
}

const char *at_pooling_name(at_pooling pooling) {
    static const char *const NAMES[] = {"cls", "mean", "max", "last"};
    return NAMES[pooling];
}

/* The last token that is no padding, as transformers looks for it: a text may end in the token that pads. Or the last that ends a text, where a
 * decoder reads it; a text without one is read to its last token. */
static int32_t row_read(const at_arch *a, const at_batch *b, int s) {
    int32_t first = b->cu_seqlens[s], last = b->cu_seqlens[s + 1] - 1;
    for (int32_t r = last; r >= first; r--)
        if (a->head.at_end ? b->ids[r] == a->decoder.end_id : b->ids[r] != a->pad_id) return r;
    return a->head.at_end ? last : first;
}

static int is_at_places(at_head_kind kind) {
    return kind == AT_HEAD_TOKEN || kind == AT_HEAD_MASK || kind == AT_HEAD_SPAN || kind == AT_HEAD_LM;
}

static at_pooling pooling_of(const at_model *m, at_head_kind kind) {
    return kind == AT_HEAD_MEAN ? AT_POOL_MEAN : kind == AT_HEAD_EMBED ? m->head.pooling : m->arch.head.pooling;
}

/* Whether the head reads single rows, and then which ones. A failure shows in the tape's status. */
static int find_reads(at_tape *t, const at_model *m, at_head_kind kind, const at_batch *b, at_reads *reads) {
    int at_places = is_at_places(kind) && b->place, first = pooling_of(m, kind) == AT_POOL_CLS;
    *reads = (at_reads){at_places ? b->n_outputs : b->n_seq, b->place, NULL, !at_places && first};
    if (!at_places) {
        if (is_at_places(kind) || b->place || (!first && pooling_of(m, kind) != AT_POOL_LAST)) return 0;
        int32_t *row = at_alloc(t->objects, (size_t)b->n_seq, sizeof *row);
        if (!row) return at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d rows", b->n_seq), 0;
        for (int s = 0; s < b->n_seq; s++) row[s] = first ? b->cu_seqlens[s] : row_read(&m->arch, b, s);
        reads->row = row;
    }
    return 1;
}

static int name_reads(at_tape *t, const at_batch *b, at_reads *reads) {
    uint64_t *name = at_alloc(t->objects, (size_t)reads->n, sizeof *name);
    if (!name) return at_tape_fail(t, AT_NO_MEMORY, "not enough memory for %d rows", reads->n), 0;
    for (int i = 0; i < reads->n && !t->dry; i++) name[i] = b->row_id[reads->row[i]];
    reads->row_id = name;
    return 1;
}

at_tensor *at_head_pool(at_tape *t, const at_model *m, at_head_kind kind, at_tensor *hidden, const at_batch *b) {
    at_reads reads;
    if (at_tape_status(t)) return NULL;
    if (find_reads(t, m, kind, b, &reads)) return at_op_gather(t, hidden, reads.row, reads.n, AT_SPACE_SEQUENCES);
    if (at_tape_status(t)) return NULL;
    if (is_at_places(kind) || b->place) return at_tape_fail(t, AT_BUG, "head %s on a batch %s places", at_head_name(kind), b->place ? "with" : "without");
    return at_op_pool(t, hidden, b, pooling_of(m, kind));
}

at_tensor *at_model_features(at_tape *t, const at_model *m, at_head_kind kind, const at_batch *b) {
    at_reads reads;
    if (at_tape_status(t)) return NULL;
    if (!m->arch.decoder.layers && find_reads(t, m, kind, b, &reads)) return name_reads(t, b, &reads) ? at_body_read(t, m, b, &reads) : NULL;
    at_tensor *hidden = at_body_forward(t, m, b);
    return at_head_pool(t, m, kind, hidden, b);
}

/* The answers of the classifier over the vocabulary; while training its loss is made from what it reads. */
static at_tensor *mask_head(at_tape *t, const at_model *m, at_tensor *x, const at_batch *b) {
    const at_head *h = &m->head;
    x = at_op_linear(t, x, &h->dense, &h->dense_bias, 1, m->arch.words_activation);
    x = at_op_norm(t, x, NULL, 0, b->output_row, h->norm, h->norm_bias, m->arch.norm_epsilon, m->arch.norm);
    return t->gradients ? x : at_tied_answers(t, x, m->body.token, h->classifier_bias, b->label, AT_MASK_BEST);
}

at_classifier at_head_classifier(const at_model *m) {
    return (at_classifier){m->head.classifier, m->head.classifier_bias, m->arch.final_cap};
}

/* Logits of the next word; of a model that is trained or judged, what its classifier reads, or its answers. */
static at_tensor *lm_head(at_tape *t, const at_model *m, at_tensor *x, const at_batch *b) {
    const at_head *h = &m->head;
    double cap = m->arch.final_cap;
    if (m->arch.answer_scale != 1) x = at_op_scale(t, x, m->arch.answer_scale);
    if (h->n_out == AT_VOCABULARY_ANSWERS) {
        const at_classifier c = at_head_classifier(m);
        return t->gradients ? x : at_vocabulary_answers(t, x, &c, b->label);
    }
    at_tensor *y = at_op_linear(t, x, &h->classifier, &h->classifier_bias, 1, AT_ACT_NONE);
    if (cap <= 0) return y;
    return at_op_scale(t, at_op_activation(t, at_op_scale(t, y, 1 / cap), AT_ACT_TANH), cap);
}

/* The folder's Dense modules, one behind the other. */
static at_tensor *vector_head(at_tape *t, const at_head *h, at_tensor *x) {
    for (int i = 0; i < h->n_projections; i++) {
        const at_projection *p = &h->projection[i];
        x = at_op_linear(t, x, &p->weight, &p->bias, 1, p->activation);
    }
    return h->unit ? at_op_unit(t, x) : x;
}

static double last_dropout(const at_model *m) {
    const at_arch *a = &m->arch;
    return m->head.kind == AT_HEAD_SPAN ? a->answer_dropout : m->head.kind == AT_HEAD_TOKEN ? a->tag_dropout : a->classifier_dropout;
}

at_tensor *at_head_from_features(at_tape *t, const at_model *m, at_tensor *features, const at_batch *b) {
    const at_head *h = &m->head;
    const at_arch *a = &m->arch;
    if (h->kind == AT_HEAD_NONE) return at_tape_fail(t, AT_BUG, "the model has no head");
    if (h->kind == AT_HEAD_MASK) return mask_head(t, m, features, b);
    if (h->kind == AT_HEAD_EMBED) return vector_head(t, h, features);
    if (h->kind == AT_HEAD_LM) return lm_head(t, m, features, b);
    at_tensor *x = features;
    if (h->dense) {
        if (a->head.drop_first) x = at_op_dropout(t, x, a->classifier_dropout, b->output_row);
        x = at_op_linear(t, x, &h->dense, &h->dense_bias, 1, a->head.activation);
    }
    if (h->norm) x = at_op_norm(t, x, NULL, 0, b->output_row, h->norm, h->norm_bias, a->norm_epsilon, a->norm);
    x = at_op_dropout(t, x, last_dropout(m), b->output_row);
    return at_op_linear(t, x, &h->classifier, &h->classifier_bias, 1, AT_ACT_NONE);
}

at_tensor *at_model_forward(at_tape *t, const at_model *m, const at_batch *b) {
    at_tensor *features = at_model_features(t, m, m->head.kind, b);
    return features ? at_head_from_features(t, m, features, b) : NULL;
}
