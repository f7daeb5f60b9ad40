#include "text/chars.h"

#include <string.h>

#include "base/room.h"
#include "base/str.h"
#include "text/unicode.h"

/* One entry of a change stream, with what canonical ordering needs. */
typedef struct at_change {
    uint32_t cp;
    int change, combining_class;
} at_change;

void at_chars_free(at_chars *chars) {
    at_room_free(chars->item);
    at_room_free(chars->other);
    at_room_free(chars->change);
    at_room_free(chars->utf8);
    at_room_free(chars->char_of);
    *chars = (at_chars){0};
}

at_status at_chars_fail_long(at_error *err) {
    return at_fail(err, AT_BAD_MODEL, "the tokenizer's normalizers make more than 100 times its length of a text");
}

static at_status reserve(at_chars *chars, int n, at_error *err) {
    if (n <= chars->cap) return AT_OK;
    size_t cap = (size_t)n + (size_t)n / 2 + 64;
    if (cap > INT32_MAX) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    at_char *item = at_room_resize(chars->item, cap * sizeof *item);
    if (item) chars->item = item;
    at_char *other = at_room_resize(chars->other, cap * sizeof *other);
    if (other) chars->other = other;
    if (!item || !other) return at_fail_memory(err, cap * sizeof *item);
    chars->cap = (int)cap;
    return AT_OK;
}

at_status at_chars_decode(at_chars *chars, const char *text, size_t len, int first, at_error *err) {
    AT_TRY(reserve(chars, (int)len, err));
    const unsigned char *p = (const unsigned char *)text;
    int n = 0;
    for (size_t i = 0; i < len; n++) {
        uint32_t cp = p[i];
        int size = cp < 0x80 ? 1 : at_utf8_decode(p + i, len - i, &cp);
        if (!size) return at_fail(err, AT_BAD_DATA, "a text is not valid UTF-8 at its character %d", first + n + 1);
        chars->item[n] = (at_char){cp, first + n, first + n + 1};
        i += (size_t)size;
    }
    chars->n = n;
    chars->origin = first;
    return AT_OK;
}

at_status at_chars_copy(at_chars *chars, const at_chars *from, int begin, int end, at_error *err) {
    AT_TRY(reserve(chars, end - begin, err));
    memcpy(chars->item, from->item + begin, (size_t)(end - begin) * sizeof *chars->item);
    chars->n = end - begin;
    chars->origin = chars->n ? chars->item[0].start : from->origin;
    return AT_OK;
}

at_status at_chars_begin(at_chars *chars, int n, at_error *err) {
    AT_TRY(reserve(chars, n, err));
    chars->read = 0;
    chars->n_other = 0;
    return AT_OK;
}

at_status at_chars_more(at_chars *chars, int n, at_error *err) { return reserve(chars, n, err); }

void at_chars_emit(at_chars *chars, uint32_t cp, int change) {
    at_char out = {cp, chars->origin, chars->origin};
    int from = change > 0 ? chars->read - 1 : chars->read;
    if (from >= chars->n) from = chars->n - 1;
    if (from >= 0) {
        out.start = chars->item[from].start;
        out.end = chars->item[from].end;
    }
    if (change <= 0) chars->read += 1 - change;
    chars->other[chars->n_other++] = out;
}

void at_chars_skip(at_chars *chars, int n) { chars->read += n; }

void at_chars_end(at_chars *chars) {
    at_char *swap = chars->item;
    chars->item = chars->other;
    chars->other = swap;
    chars->n = chars->n_other;
}

at_status at_chars_write(at_chars *chars, int for_regex, at_error *err) {
    size_t need = 4 * (size_t)chars->n + 1, len = 0;
    if (need > chars->utf8_cap) {
        char *utf8 = at_room_resize(chars->utf8, need);
        if (utf8) chars->utf8 = utf8;
        int *char_of = at_room_resize(chars->char_of, need * sizeof *char_of);
        if (char_of) chars->char_of = char_of;
        if (!utf8 || !char_of) return at_fail_memory(err, need);
        chars->utf8_cap = need;
    }
    for (int i = 0; i < chars->n; i++) {
        uint32_t cp = chars->item[i].cp;
        int size = at_utf8_encode(for_regex ? at_cp_for_regex(cp) : cp, chars->utf8 + len);
        for (int k = 0; k < size; k++) chars->char_of[len + (size_t)k] = i;
        len += (size_t)size;
    }
    chars->char_of[len] = chars->n;
    chars->utf8_len = len;
    return AT_OK;
}

at_status at_chars_prepend(at_chars *chars, const uint32_t *cps, int n, at_error *err) {
    if (!chars->n || !n) return AT_OK;
    if (chars->n > INT32_MAX / 2 - n) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, chars->n + n, err));
    for (int i = 0; i < n; i++) chars->other[i] = (at_char){cps[i], chars->item[0].start, chars->item[0].end};
    memcpy(chars->other + n, chars->item, (size_t)chars->n * sizeof *chars->item);
    chars->n_other = chars->n + n;
    at_chars_end(chars);
    return AT_OK;
}

void at_chars_remove(at_chars *chars, int flags) {
    int n = 0;
    for (int i = 0; i < chars->n; i++)
        if (chars->item[i].cp < 0x80 || !(at_cp_flags(chars->item[i].cp) & flags)) chars->item[n++] = chars->item[i];
    chars->n = n;
}

at_status at_chars_lowercase(at_chars *chars, at_error *err) {
    AT_TRY(at_chars_begin(chars, 2 * chars->n, err));
    for (int i = 0; i < chars->n; i++) {
        if (chars->item[i].cp == 0x130) {
            at_chars_emit(chars, 'i', 0);
            at_chars_emit(chars, 0x307, 1);
        } else at_chars_emit(chars, at_cp_lower(chars->item[i].cp), 0);
    }
    at_chars_end(chars);
    return AT_OK;
}

/* Sorts n entries by combining class, equal ones in their order: by counting where a long run would make insertion slow. */
static void order_run(at_change *run, int n, at_change *scratch) {
    if (n <= 16) {
        for (int i = 1; i < n; i++) {
            at_change moving = run[i];
            int k = i;
            for (; k > 0 && run[k - 1].combining_class > moving.combining_class; k--) run[k] = run[k - 1];
            run[k] = moving;
        }
        return;
    }
    int at[257] = {0};
    for (int i = 0; i < n; i++) at[run[i].combining_class + 1]++;
    for (int c = 0; c < 256; c++) at[c + 1] += at[c];
    for (int i = 0; i < n; i++) scratch[at[run[i].combining_class]++] = run[i];
    memcpy(run, scratch, (size_t)n * sizeof *run);
}

static void order_canonically(at_change *stream, int n, at_change *scratch) {
    for (int i = 0; i < n; i++) {
        if (!stream[i].combining_class) continue;
        int from = i;
        while (i < n && stream[i].combining_class) i++;
        order_run(stream + from, i - from, scratch);
    }
}

/* Canonical composition in place; returns the new length. A composite accounts for what both of its parts did. The
 * state is the library's: `last` is the class of what was last left between the starter and the next candidate. */
static int compose(at_change *stream, int n, at_change *waiting) {
    int out = 0, n_waiting = 0, last = -1, has_starter = 0;
    at_change starter = {0};
    for (int i = 0; i < n; i++) {
        at_change c = stream[i];
        if (!has_starter) {
            if (c.combining_class) stream[out++] = c;
            else starter = c, has_starter = 1;
            continue;
        }
        uint32_t composite = last < c.combining_class ? at_cp_compose(starter.cp, c.cp) : 0;
        if (composite) {
            starter.cp = composite;
            starter.change += c.change - 1;
        } else if (c.combining_class) {
            waiting[n_waiting++] = c;
            last = c.combining_class;
        } else {
            stream[out++] = starter;
            memcpy(stream + out, waiting, (size_t)n_waiting * sizeof *waiting);
            out += n_waiting;
            n_waiting = 0;
            starter = c;
            last = -1;
        }
    }
    if (has_starter) stream[out++] = starter;
    memcpy(stream + out, waiting, (size_t)n_waiting * sizeof *waiting);
    return out + n_waiting;
}

static int is_ascii(const at_chars *chars) {
    uint32_t all = 0;
    for (int i = 0; i < chars->n; i++) all |= chars->item[i].cp;
    return all < 0x80;
}

static at_status reserve_changes(at_chars *chars, int n, at_error *err) {
    if (n <= chars->change_cap) return AT_OK;
    at_change *change = at_room_resize(chars->change, 2 * (size_t)n * sizeof *change); /* the stream and as much scratch */
    if (!change) return at_fail_memory(err, 2 * (size_t)n * sizeof *change);
    chars->change = change;
    chars->change_cap = n;
    return AT_OK;
}

at_status at_chars_normal_form(at_chars *chars, int compatibility, int composed, at_error *err) {
    if (is_ascii(chars)) return AT_OK;
    uint32_t parts[AT_DECOMPOSE_MAX];
    int64_t total = 0;
    for (int i = 0; i < chars->n; i++) total += at_cp_decompose(chars->item[i].cp, compatibility, parts);
    if (total > INT32_MAX / 2) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(reserve_changes(chars, (int)total, err));
    at_change *stream = chars->change, *scratch = chars->change + total;
    int n = 0;
    for (int i = 0; i < chars->n; i++) {
        int n_parts = at_cp_decompose(chars->item[i].cp, compatibility, parts);
        for (int k = 0; k < n_parts; k++)
            stream[n++] = (at_change){parts[k], k > 0, parts[k] < 0x300 ? 0 : at_cp_combining_class(parts[k])};
    }
    order_canonically(stream, n, scratch);
    if (composed) n = compose(stream, n, scratch);
    AT_TRY(at_chars_begin(chars, n, err));
    for (int i = 0; i < n; i++) at_chars_emit(chars, stream[i].cp, stream[i].change);
    at_chars_end(chars);
    return AT_OK;
}
