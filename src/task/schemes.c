#include "task/schemes.h"

#include "task/labels.h"

#include <string.h>

static const char *const NAMES[] = {"plain", "iob1", "iob2", "iobes", "bilou"};

const char *at_scheme_name(at_scheme scheme) { return NAMES[scheme]; }

int at_scheme_find(const char *name, at_scheme *scheme) {
    for (int i = 0; name && i < 5; i++) {
        if (strcmp(NAMES[i], name)) continue;
        *scheme = (at_scheme)i;
        return 1;
    }
    return 0;
}

const char *at_scheme_prefixes(at_scheme scheme) {
    static const char *const PREFIXES[] = {"", "BI", "BI", "BIES", "BILU"};
    return PREFIXES[scheme];
}

int at_scheme_has(at_scheme scheme, const char *tag) {
    return scheme == AT_SCHEME_PLAIN || !strcmp(tag, "O") || (*tag && strchr(at_scheme_prefixes(scheme), *tag) && tag[1] == '-');
}

/* ---- tags ---- */

typedef struct mark {
    char prefix;
    const char *type; /* "_" where the tag has none */
} mark;

/* seqeval's default mode: the type is what stands behind the first '-'. */
static mark lenient_mark(const char *tag) {
    if (!*tag) return (mark){'O', "_"};
    const char *rest = tag + 1, *dash = strchr(rest, '-');
    const char *type = dash ? dash + 1 : rest;
    return (mark){*tag, *type ? type : "_"};
}

static mark strict_mark(const char *tag) {
    const char *type = *tag ? tag + 1 : "";
    while (*type == '-') type++;
    return (mark){*tag ? *tag : 'O', *type ? type : "_"};
}

static int same(mark a, mark b) { return !strcmp(a.type, b.type); }
static int in(char c, const char *set) { return c && strchr(set, c) != NULL; }

/* ---- lenient ---- */

static char as_iobes(char c, at_reading reading) {
    if (reading == AT_READ_LENIENT_BILOU) return c == 'L' ? 'E' : c == 'U' ? 'S' : c;
    return c;
}

static int ends_part(mark prev, mark now) {
    if (in(prev.prefix, "ES")) return 1;
    if (in(prev.prefix, "BI") && in(now.prefix, "BSO")) return 1;
    return !in(prev.prefix, "O.") && !same(prev, now);
}

static int starts_part(mark prev, mark now) {
    if (in(now.prefix, "BS")) return 1;
    if (in(prev.prefix, "ESO") && in(now.prefix, "EI")) return 1;
    return !in(now.prefix, "O.") && !same(prev, now);
}

static int lenient(const char *const *tag, int n, at_reading reading, at_entity *entity) {
    mark prev = {'O', ""};
    int begin = 0, found = 0;
    for (int i = 0; i <= n; i++) {
        mark now = i < n ? lenient_mark(tag[i]) : (mark){'O', "_"};
        now.prefix = as_iobes(now.prefix, reading);
        if (ends_part(prev, now)) entity[found++] = (at_entity){prev.type, begin, i};
        if (starts_part(prev, now)) begin = i;
        prev = now;
    }
    return found;
}

/* ---- strict: seqeval's patterns of (previous prefix, this prefix, same type) ---- */

typedef enum condition { ANY, SAME, DIFFERENT } condition;
typedef struct pattern {
    const char *prev, *now; /* sets of prefixes; NULL ends a list */
    condition type;
} pattern;

#define ALL "IOBESUL"
static const pattern START[][8] = {
    [AT_SCHEME_IOB1] = {{"O", "I", ANY}, {"I", "I", DIFFERENT}, {"B", "I", ANY}, {"I", "B", SAME}, {"B", "B", SAME}, {NULL, NULL, ANY}},
    [AT_SCHEME_IOB2] = {{ALL, "B", ANY}, {NULL, NULL, ANY}},
    [AT_SCHEME_IOBES] = {{ALL, "BS", ANY}, {NULL, NULL, ANY}},
    [AT_SCHEME_BILOU] = {{ALL, "BU", ANY}, {NULL, NULL, ANY}},
};
static const pattern INSIDE[][8] = {
    [AT_SCHEME_IOB1] = {{"BI", "I", SAME}, {NULL, NULL, ANY}},
    [AT_SCHEME_IOB2] = {{"BI", "I", SAME}, {NULL, NULL, ANY}},
    [AT_SCHEME_IOBES] = {{"BI", "IE", SAME}, {NULL, NULL, ANY}},
    [AT_SCHEME_BILOU] = {{"BI", "IL", SAME}, {NULL, NULL, ANY}},
};
static const pattern END[][8] = {
    [AT_SCHEME_IOB1] = {{"I", "I", DIFFERENT},
                        {"I", "O", ANY},
                        {"I", "B", ANY},
                        {"B", "O", ANY},
                        {"B", "I", DIFFERENT},
                        {"B", "B", SAME},
                        {NULL, NULL, ANY}},
    [AT_SCHEME_IOB2] = {{"I", "O", ANY},
                        {"I", "I", DIFFERENT},
                        {"I", "B", ANY},
                        {"B", "O", ANY},
                        {"B", "I", DIFFERENT},
                        {"B", "B", ANY},
                        {NULL, NULL, ANY}},
    [AT_SCHEME_IOBES] = {{"ES", ALL, ANY}, {NULL, NULL, ANY}},
    [AT_SCHEME_BILOU] = {{"LU", ALL, ANY}, {NULL, NULL, ANY}},
};

static int matches(const pattern *list, mark prev, mark now) {
    for (; list->prev; list++)
        if (in(prev.prefix, list->prev) && in(now.prefix, list->now) && (list->type == ANY || same(prev, now) == (list->type == SAME)))
            return 1;
    return 0;
}

static mark mark_at(const char *const *tag, int i, int n) { return i >= 0 && i < n ? strict_mark(tag[i]) : (mark){'O', "_"}; }

static int strict(const char *const *tag, int n, at_scheme scheme, at_entity *entity) {
    int found = 0;
    mark prev = mark_at(tag, -1, n);
    for (int i = 0; i <= n;) {
        mark now = mark_at(tag, i, n);
        int next = i + 1;
        if (matches(START[scheme], prev, now)) {
            while (next <= n && matches(INSIDE[scheme], mark_at(tag, next - 1, n), mark_at(tag, next, n))) next++;
            if (matches(END[scheme], mark_at(tag, next - 1, n), mark_at(tag, next, n))) entity[found++] = (at_entity){now.type, i, next};
        }
        i = next;
        prev = mark_at(tag, i - 1, n);
    }
    return found;
}

int at_entities(const char *const *tag, int n, at_scheme scheme, at_reading reading, at_entity *entity) {
    if (scheme == AT_SCHEME_PLAIN) return 0;
    return reading == AT_READ_STRICT ? strict(tag, n, scheme, entity) : lenient(tag, n, reading, entity);
}

/* ---- recognising ---- */

static int is_marked(const char *tag) { return in(*tag, "BIESLU") && tag[1] == '-' && tag[2]; }

at_scheme at_scheme_detect(const char *const *tag, const uint64_t *at, int n_sentences) {
    long seen[128] = {0}, by_i = 0, by_b = 0;
    for (int s = 0; s < n_sentences; s++)
        for (uint64_t i = at[s]; i < at[s + 1]; i++) {
            if (strcmp(tag[i], "O") && !is_marked(tag[i])) return AT_SCHEME_PLAIN;
            mark now = strict_mark(tag[i]), prev = i > at[s] ? strict_mark(tag[i - 1]) : (mark){'O', "_"};
            seen[(unsigned char)now.prefix & 127]++;
            int opens = prev.prefix == 'O' || !same(prev, now);
            by_i += opens && now.prefix == 'I';
            by_b += opens && now.prefix == 'B';
        }
    if (seen['L'] || seen['U']) return AT_SCHEME_BILOU;
    if (seen['E'] || seen['S']) return AT_SCHEME_IOBES;
    if (!seen['B'] && !seen['I']) return AT_SCHEME_PLAIN;
    return by_i > by_b ? AT_SCHEME_IOB1 : AT_SCHEME_IOB2;
}

/* ---- what was expected ---- */

static const char *closed_scheme(mark prev, mark now, int last, char end, char single, at_arena *arena) {
    int open = in(prev.prefix, "BI"), goes_on = now.prefix == 'I' || now.prefix == end;
    if (open && !(goes_on && same(prev, now))) return at_format(arena, "I-%s or %c-%s", prev.type, end, prev.type);
    if (!open && goes_on) return at_format(arena, "B-%s or %c-%s", now.type, single, now.type);
    if (last && now.prefix == 'B') return at_format(arena, "%c-%s", single, now.type);
    if (last && now.prefix == 'I') return at_format(arena, "%c-%s", end, now.type);
    return NULL;
}

const char *at_scheme_expected(const char *const *tag, int i, int n, at_scheme scheme, at_arena *arena) {
    static const char *const ALLOWED[] = {"", "BIO", "BIO", "BIOES", "BILOU"};
    mark prev = mark_at(tag, i - 1, n), now = mark_at(tag, i, n);
    int inside = in(prev.prefix, "BI") && same(prev, now);
    if (scheme == AT_SCHEME_PLAIN) return NULL;
    if ((strcmp(tag[i], "O") && !is_marked(tag[i])) || !in(now.prefix, ALLOWED[scheme]))
        return at_format(arena, "one of %s with '-' and a type, or O", ALLOWED[scheme]);
    switch (scheme) {
    case AT_SCHEME_IOB1: return now.prefix == 'B' && !inside ? at_format(arena, "I-%s", now.type) : NULL;
    case AT_SCHEME_IOB2: return now.prefix == 'I' && !inside ? at_format(arena, "B-%s", now.type) : NULL;
    case AT_SCHEME_IOBES: return closed_scheme(prev, now, i == n - 1, 'E', 'S', arena);
    default: return closed_scheme(prev, now, i == n - 1, 'L', 'U', arena);
    }
}

/* ---- writing ---- */

static char letter_of(at_scheme scheme, int first, int last, int touches) {
    switch (scheme) {
    case AT_SCHEME_IOB1: return first && touches ? 'B' : 'I';
    case AT_SCHEME_IOBES: return first && last ? 'S' : first ? 'B' : last ? 'E' : 'I';
    case AT_SCHEME_BILOU: return first && last ? 'U' : first ? 'B' : last ? 'L' : 'I';
    default: return first ? 'B' : 'I';
    }
}

const char **at_scheme_write(const at_entity *e, int n_entities, int n, at_scheme scheme, at_arena *arena) {
    const char **tag = AT_NEW_ARRAY(arena, const char *, n);
    for (int i = 0; tag && i < n; i++) tag[i] = "O";
    for (int k = 0; tag && k < n_entities; k++) {
        int touches = k && e[k - 1].end == e[k].start && !strcmp(e[k - 1].type, e[k].type);
        for (int i = e[k].start; i < e[k].end; i++) {
            tag[i] = at_format(arena, "%c-%s", letter_of(scheme, i == e[k].start, i == e[k].end - 1, touches), e[k].type);
            if (!tag[i]) return NULL;
        }
    }
    return tag;
}

/* ---- all tags of a scheme ---- */

at_status at_scheme_complete(at_labels *labels, at_scheme scheme, at_arena *arena, at_error *err) {
    at_arena scratch = {0};
    const char *prefixes = at_scheme_prefixes(scheme);
    int n_prefixes = (int)strlen(prefixes), n = 0, failed = 0;
    const char **more = AT_NEW_ARRAY(&scratch, const char *, labels->n * n_prefixes + 1);
    for (int i = 0; more && n_prefixes && i < labels->n; i++) {
        const char *name = labels->name[i];
        if (*name && name[1] == '-')
            for (int k = 0; k < n_prefixes; k++) failed |= !(more[n++] = at_format(&scratch, "%c%s", prefixes[k], name + 1));
    }
    if (more && n) more[n++] = "O";
    at_status st = !more || failed ? at_fail_memory(err, 0) : at_labels_append(labels, more, n, arena, err);
    at_arena_free(&scratch);
    return st;
}
