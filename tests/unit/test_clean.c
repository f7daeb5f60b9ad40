/* Spaces before punctuation and short forms: transformers' rules, whole and as a text comes. */
#include "check.h"

#include "text/clean.h"

static void is_cleaned(const char *text, const char *want, const char *of_token) {
    at_arena arena = {0};
    at_str s = {.arena = &arena};
    at_str_add(&s, text);
    at_clean_text(&s, 0);
    assert_string_equal(s.text, want);
    at_str_clear(&s);
    at_str_add(&s, text);
    at_clean_token(&s, 0);
    assert_string_equal(s.text, of_token);
    at_arena_free(&arena);
}

static void the_rules(void **state) {
    (void)state;
    is_cleaned("you should ' ve done this .", "you should've done this.", "you should've done this.");
    is_cleaned("is n't , I 'm ? it 's ! they 're do not", "isn't, I'm? it's! they're do not", "isn't, I'm? it's! they're don't");
    is_cleaned("a ' . n ' t", "a '.n't", "a '.n't");
    is_cleaned("", "", "");
}

/* In pieces of 0 to 3 characters: what is ready, then the rest, give what the whole gives. */
static void in_pieces(void **state) {
    (void)state;
    static const char LETTERS[] = "   ''''nnttsvemdr.?!,o";
    uint64_t seed = 88172645463325252u;
    size_t held = 0;
    for (int round = 0; round < 200000; round++) {
        at_arena arena = {0};
        at_str whole = {.arena = &arena}, tail = {.arena = &arena}, out = {.arena = &arena};
        at_str_add(&out, "");
        at_str_add(&whole, "");
        at_str_add(&tail, "");
        for (int i = 0; i < 6; i++) {
            for (int k = 0; k < 3; k++) {
                seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
                if (seed % 4 == 0) break;
                at_str_add_bytes(&whole, &LETTERS[(seed >> 8) % (sizeof LETTERS - 1)], 1);
                at_str_add_bytes(&tail, &LETTERS[(seed >> 8) % (sizeof LETTERS - 1)], 1);
            }
            size_t ready = i < 5 ? at_clean_ready(tail.text, tail.len) : tail.len, begin = out.len;
            at_str_add_bytes(&out, tail.text, ready);
            at_clean_text(&out, begin);
            memmove(tail.text, tail.text + ready, tail.len - ready + 1);
            tail.len -= ready;
            held += tail.len;
        }
        at_clean_text(&whole, 0);
        assert_string_equal(out.text, whole.text);
        at_arena_free(&arena);
    }
    assert_true(held > 200000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_rules), cmocka_unit_test(in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
