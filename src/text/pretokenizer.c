#include "text/pretokenizer.h"

#include <string.h>

#include "base/room.h"
#include "text/spec.h"

static const char *const behaviors[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", NULL};
static const char *const schemes[] = {"always", "first", "never", NULL};

void at_cutting_free(at_cutting *c) {
    at_room_free(c->words.item);
    at_room_free(c->before.item);
    at_room_free(c->stretch);
    *c = (at_cutting){0};
}

static at_spec spec_of(const at_build *build) { return (at_spec){build->path, "pre-tokenizer"}; }

static at_status read_behavior(at_build *build, const json_t *part, const char *absent, at_pretokenizer *p, at_error *err) {
    const char *behavior;
    AT_TRY(at_spec_string(spec_of(build), part, "behavior", absent, &behavior, err));
    int index = at_word_index(behavior, behaviors);
    if (index < 0)
        return at_fail(err, AT_BAD_MODEL, "%s: the behavior '%.80s' of %s is not known", build->path, behavior, p->type->name);
    p->behavior = (at_split_behavior)index;
    return AT_OK;
}

static at_status read_character(at_build *build, const json_t *part, const char *key, at_pretokenizer *p, at_error *err) {
    const char *text;
    uint32_t *cps;
    int n;
    AT_TRY(at_spec_string(spec_of(build), part, key, NULL, &text, err));
    AT_TRY(at_spec_code_points(build->arena, text, &cps, &n, err));
    if (n != 1) return at_fail(err, AT_BAD_MODEL, "%s: the %s of %s is not one character", build->path, key, p->type->name);
    p->delimiter = cps[0];
    return AT_OK;
}

static at_status read_punctuation(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    return read_behavior(build, part, "Isolated", p, err);
}

static at_status read_delimiter(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    return read_character(build, part, "delimiter", p, err);
}

static at_status read_digits(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    int individual;
    AT_TRY(at_spec_bool(spec_of(build), part, "individual_digits", 0, &individual, err));
    p->behavior = individual ? AT_SPLIT_ISOLATED : AT_SPLIT_CONTIGUOUS;
    return AT_OK;
}

static at_status read_split(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    const char *regex = json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
    AT_TRY(read_behavior(build, part, NULL, p, err));
    AT_TRY(at_spec_bool(spec_of(build), part, "invert", 0, &p->invert, err));
    if (regex) AT_TRY(at_scan_find(build, regex, &p->scan, err));
    return at_build_pattern(build, "Split", part, "pattern", &p->pattern, err);
}

static at_status read_bytelevel(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    AT_TRY(at_spec_bool(spec_of(build), part, "add_prefix_space", 1, &p->add_prefix_space, err));
    AT_TRY(at_spec_bool(spec_of(build), part, "use_regex", 1, &p->use_regex, err));
    return at_scan_init(build, AT_SCAN_GPT2, &p->scan, err);
}

static at_status read_metaspace(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    const char *scheme;
    int add_prefix_space;
    AT_TRY(at_spec_bool(spec_of(build), part, "add_prefix_space", 1, &add_prefix_space, err));
    AT_TRY(at_spec_string(spec_of(build), part, "prepend_scheme", add_prefix_space ? "always" : "never", &scheme, err));
    AT_TRY(at_spec_bool(spec_of(build), part, "split", 1, &p->split, err));
    int index = at_word_index(scheme, schemes);
    if (index < 0 || (!add_prefix_space && index != AT_PREPEND_NEVER))
        return at_fail(err, AT_BAD_MODEL, "%s: the prepend_scheme '%.80s' of Metaspace is not known, or contradicts add_prefix_space",
                       build->path, scheme);
    p->prepend = (at_prepend_scheme)index;
    p->behavior = AT_SPLIT_MERGED_WITH_NEXT;
    return read_character(build, part, "replacement", p, err);
}

static at_status read_fixed(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err) {
    json_int_t length;
    AT_TRY(at_spec_int(spec_of(build), part, "length", 5, &length, err));
    if (length < 1 || length > 1 << 20)
        return at_fail(err, AT_BAD_MODEL, "%s: the length %lld of FixedLength is not within 1 and %d", build->path,
                       (long long)length, 1 << 20);
    p->length = (int)length;
    return AT_OK;
}

static const at_pretokenizer_type TYPES[] = {
    {"BertPreTokenizer", NULL, at_cut_bert},
    {"ByteLevel", read_bytelevel, at_cut_bytelevel},
    {"CharDelimiterSplit", read_delimiter, at_cut_at_delimiter},
    {"Digits", read_digits, at_cut_at_digits},
    {"FixedLength", read_fixed, at_cut_fixed},
    {"Metaspace", read_metaspace, at_cut_metaspace},
    {"Punctuation", read_punctuation, at_cut_at_punctuation},
    {"Split", read_split, at_cut_split},
    {"UnicodeScripts", NULL, at_cut_scripts},
    {"Whitespace", NULL, at_cut_whitespace},
    {"WhitespaceSplit", NULL, at_cut_at_spaces},
};
enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

static const char *type_name(int i) { return i < N_TYPES ? TYPES[i].name : NULL; }

typedef struct adding {
    at_build *build;
    at_pretokenizers *list;
} adding;

static at_status add_step(void *context, const json_t *part, int kind, at_error *err) {
    const adding *to = context;
    at_pretokenizer *step = &to->list->item[to->list->n++];
    step->type = &TYPES[kind];
    return step->type->read ? step->type->read(to->build, part, step, err) : AT_OK;
}

at_status at_pretokenizers_read(at_build *build, const json_t *part, at_pretokenizers *pretokenizers, at_error *err) {
    *pretokenizers = (at_pretokenizers){0};
    if (!part || json_is_null(part)) return AT_OK;
    pretokenizers->item = AT_NEW_ARRAY(build->arena, at_pretokenizer, AT_SPEC_STEPS);
    if (!pretokenizers->item) return at_fail_memory(err, AT_SPEC_STEPS * sizeof *pretokenizers->item);
    const at_spec_steps steps = {spec_of(build), "pre-tokenizers", "pretokenizers", type_name, add_step, &(adding){build, pretokenizers}};
    return at_spec_steps_read(&steps, part, err);
}

static at_status start(at_cutting *c, at_error *err) {
    if (c->words.cap < 1) {
        at_span *item = at_room_resize(c->words.item, sizeof *item);
        if (!item) return at_fail_memory(err, sizeof *item);
        c->words.item = item;
        c->words.cap = 1;
    }
    c->words.n = c->chars->n > 0;
    c->words.item[0] = (at_span){0, c->chars->n};
    return AT_OK;
}

at_status at_pretokenize(const at_pretokenizers *pretokenizers, at_cutting *c, at_error *err) {
    AT_TRY(start(c, err));
    for (int i = 0; i < pretokenizers->n; i++) {
        at_spans swap = c->before;
        c->before = c->words;
        c->words = swap;
        const at_pretokenizer *p = &pretokenizers->item[i];
        AT_TRY(p->type->cut(p, c, err));
    }
    return AT_OK;
}
