#include "text/charsmap.h"

#include <string.h>

#include "base/str.h"
#include "text/unicode.h"

#define MAX_BLOB ((size_t)64 << 20)

at_status at_charsmap_read(at_arena *arena, const unsigned char *blob, size_t len, at_charsmap *map, at_error *err) {
    *map = (at_charsmap){0};
    if (!len) return AT_OK;
    if (len < 4 || len > MAX_BLOB) return at_fail(err, AT_BAD_MODEL, "the character map has %zu bytes", len);
    size_t size = (size_t)blob[0] | (size_t)blob[1] << 8 | (size_t)blob[2] << 16 | (size_t)blob[3] << 24;
    if (size % 4 || size > len - 4 || size < 4)
        return at_fail(err, AT_BAD_MODEL, "the character map of %zu bytes claims an array of %zu", len, size);
    size_t text_len = len - 4 - size;
    uint32_t *unit = AT_NEW_ARRAY(arena, uint32_t, size / 4);
    char *text = at_strndup(arena, (const char *)blob + 4 + size, text_len);
    if (!unit || !text) return at_fail_memory(err, len);
    for (size_t i = 0; i < size / 4; i++) {
        const unsigned char *p = blob + 4 + 4 * i;
        unit[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    }
    if (at_utf8_check(text, text_len) != text_len) return at_fail(err, AT_BAD_MODEL, "the character map's text is not valid UTF-8");
    *map = (at_charsmap){unit, size / 4, text, text_len + 1};
    return AT_OK;
}

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

at_status at_charsmap_read_base64(at_arena *arena, const char *text, size_t len, at_charsmap *map, at_error *err) {
    while (len && text[len - 1] == '=') len--;
    unsigned char *blob = at_alloc_raw(arena, len, 1);
    size_t n = 0;
    uint32_t bits = 0;
    if (!blob) return at_fail_memory(err, len);
    for (size_t i = 0; i < len; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) return at_fail(err, AT_BAD_MODEL, "the character map is no base64 at byte %zu", i);
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4) blob[n++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    return at_charsmap_read(arena, blob, n, map, err);
}

static size_t offset_of(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6); }

/* The replacement of the shortest (or longest) rule that begins text[0..len), or NULL; *taken: the rule's length. */
static const char *look_up(const at_charsmap *map, const char *text, size_t len, int longest, size_t *taken) {
    const char *found = NULL;
    size_t node = offset_of(map->unit[0]);
    for (size_t i = 0; i < len && text[i]; i++) {
        node ^= (unsigned char)text[i];
        if (node >= map->n_units) break;
        uint32_t unit = map->unit[node];
        if ((unit & (1u << 31 | 0xff)) != (unsigned char)text[i]) break;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (node >= map->n_units) break;
        size_t value = map->unit[node] & 0x7fffffff;
        if (value >= map->text_len || (value && ((unsigned char)map->text[value] & 0xc0) == 0x80)) break;
        found = map->text + value;
        *taken = i + 1;
        if (!longest) break;
    }
    return found;
}

size_t at_charsmap_longest(const at_charsmap *map, const char *text, size_t len, const char **out) {
    size_t taken = 0;
    *out = map->n_units ? look_up(map, text, len, 1, &taken) : NULL;
    return *out ? taken : 0;
}

/* A pass. The last code point waits, since what is removed after it is counted to it, as in the library. */
typedef struct pass {
    const at_charsmap *map;
    at_chars *chars;
    int room; /* code points that may still be inserted */
    int waits, change;
    uint32_t cp;
    at_error *err;
} pass;

static void put(pass *p, uint32_t cp, int change) {
    if (p->waits) at_chars_emit(p->chars, p->cp, p->change);
    p->waits = 1;
    p->cp = cp;
    p->change = change;
}

static at_status make_room(pass *p, int at, int n_new) {
    if (n_new < p->room) return AT_OK;
    int64_t need = (int64_t)p->chars->n_other + (p->chars->n - at) + 4 * (int64_t)n_new + 8192;
    if (need > INT32_MAX / 2) return at_fail(p->err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_more(p->chars, (int)need, p->err));
    p->room = 3 * n_new + 8000;
    return AT_OK;
}

/* `text` in the place of the n code points at `at`: as many replace one another, the rest is inserted or swallowed at the end. */
static at_status replace(pass *p, int at, int n, const char *text) {
    uint32_t cp;
    size_t len = strlen(text);
    int n_new = 0, i = 0;
    for (size_t k = 0; k < len; k++) n_new += ((unsigned char)text[k] & 0xc0) != 0x80;
    AT_TRY(make_room(p, at, n_new));
    if (n_new > n) p->room -= n_new - n;
    for (size_t k = 0; k < len; i++) {
        k += (size_t)at_utf8_decode((const unsigned char *)text + k, len - k, &cp);
        put(p, cp, i >= n);
    }
    if (n_new < n && p->waits) p->change += n_new - n;
    return AT_OK;
}

static at_status apply_grapheme(pass *p, int begin, int end) {
    char bytes[4 * 6];
    size_t len = 0, taken;
    const at_char *item = p->chars->item;
    for (int i = begin; i < end && len < 6; i++) len += (size_t)at_utf8_encode(item[i].cp, bytes + len);
    if (len < 6) {
        const char *whole = look_up(p->map, bytes, len, 0, &taken);
        if (whole) return replace(p, begin, end - begin, whole);
    }
    for (int i = begin; i < end; i++) {
        len = (size_t)at_utf8_encode(p->chars->item[i].cp, bytes);
        const char *one = look_up(p->map, bytes, len, 0, &taken);
        if (one) AT_TRY(replace(p, i, 1, one));
        else put(p, p->chars->item[i].cp, 0);
    }
    return AT_OK;
}

at_status at_charsmap_apply(const at_charsmap *map, at_chars *chars, at_error *err) {
    pass p = {.map = map, .chars = chars, .room = chars->n + 4096, .err = err};
    if (chars->n > INT32_MAX / 4) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, chars->n + p.room, err));
    for (int i = 0; i < chars->n;) {
        int end = i + 1;
        int32_t state = 0;
        uint32_t first = chars->item[i].cp;
        /* Two ASCII characters never join, but for a line's end. */
        if (first >= 0x80 || first == '\r' || (end < chars->n && chars->item[end].cp >= 0x80))
            while (end < chars->n && at_cp_joins(chars->item[end - 1].cp, chars->item[end].cp, &state)) end++;
        AT_TRY(apply_grapheme(&p, i, end));
        i = end;
    }
    if (p.waits) at_chars_emit(chars, p.cp, p.change);
    at_chars_end(chars);
    return AT_OK;
}
