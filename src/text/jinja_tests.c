/* Tests: value is name(argument). */
#include <string.h>

#include "text/jinja_tree.h"

#define TEST(name) static at_jvalue name(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, const at_jargs *args)
#define UNUSED (void)r, (void)self, (void)slot, (void)args
#define KIND(name, condition) TEST(name) { UNUSED; return at_jbool(condition); }

KIND(is_defined, self.type != AT_J_UNDEFINED)
KIND(is_undefined, self.type == AT_J_UNDEFINED)
KIND(is_none, self.type == AT_J_NONE)
KIND(is_boolean, self.type == AT_J_BOOL)
KIND(is_true, self.type == AT_J_BOOL && self.integer)
KIND(is_false, self.type == AT_J_BOOL && !self.integer)
KIND(is_integer, self.type == AT_J_INT)
KIND(is_float, self.type == AT_J_FLOAT)
KIND(is_number, at_jis_number(&self))
KIND(is_string, self.type == AT_J_STRING)
KIND(is_mapping, self.type == AT_J_DICT)
KIND(is_sequence, self.type == AT_J_STRING || self.type == AT_J_LIST || self.type == AT_J_TUPLE || self.type == AT_J_DICT)
KIND(is_iterable, is_sequence(r, self, slot, args).integer || self.type == AT_J_STREAM || self.type == AT_J_UNDEFINED)
KIND(is_callable, self.type == AT_J_MACRO || self.type == AT_J_METHOD)
KIND(is_equal, at_jequal(&self, slot[0], 0))
KIND(is_not_equal, !at_jequal(&self, slot[0], 0))
KIND(is_in, at_jcontains(r, *slot[0], self))
KIND(is_escaped, 0)

/* The same thing: what has an identity, or the same small value. */
KIND(is_same, self.type == slot[0]->type && (self.type >= AT_J_LIST ? self.list == slot[0]->list : at_jequal(&self, slot[0], 0)))

static at_jvalue remainder_is(at_jrun *r, at_jvalue self, int64_t by, int64_t wanted) {
    if (!at_jis_whole(&self) || !by)
        return at_jfail(r, AT_BAD_DATA, "%s is divided with a remainder%s", at_jtype_name(&self), by ? "" : " by zero");
    return at_jbool(by == -1 ? wanted == 0 : self.integer % by == wanted || self.integer % by == -wanted);
}

TEST(is_odd) { UNUSED; return remainder_is(r, self, 2, 1); }
TEST(is_even) { UNUSED; return remainder_is(r, self, 2, 0); }
TEST(is_divisible) { UNUSED; return remainder_is(r, self, at_jis_whole(slot[0]) ? slot[0]->integer : 0, 0); }

static at_jvalue ordered(at_jrun *r, const at_jvalue *a, const at_jvalue *b, int less, int equal, int more) {
    int ok, order = at_jcompare(a, b, &ok);
    if (!ok) return at_jfail(r, AT_BAD_DATA, "%s and %s have no order", at_jtype_name(a), at_jtype_name(b));
    return at_jbool(order < 0 ? less : order > 0 ? more : equal);
}

TEST(is_less) { UNUSED; return ordered(r, &self, slot[0], 1, 0, 0); }
TEST(is_at_most) { UNUSED; return ordered(r, &self, slot[0], 1, 1, 0); }
TEST(is_more) { UNUSED; return ordered(r, &self, slot[0], 0, 0, 1); }
TEST(is_at_least) { UNUSED; return ordered(r, &self, slot[0], 0, 1, 1); }

static at_jvalue case_test(at_jrun *r, const at_jvalue *self, const char *method) {
    at_jvalue text = at_jstring(r, self);
    return r->status ? text : at_jcall_builtin(r, at_jmethod_find(AT_J_STRING, method, strlen(method)), text, &(at_jargs){0});
}

TEST(is_lower) { UNUSED; return case_test(r, &self, "islower"); }
TEST(is_upper) { UNUSED; return case_test(r, &self, "isupper"); }

TEST(is_filter) {
    UNUSED;
    const at_jbuiltin *found = self.type == AT_J_STRING ? at_jfilter_find(self.text, self.len) : NULL;
    return at_jbool(found != NULL);
}

TEST(is_test) {
    UNUSED;
    const at_jbuiltin *found = self.type == AT_J_STRING ? at_jtest_find(self.text, self.len) : NULL;
    return at_jbool(found != NULL);
}

static const at_jbuiltin TESTS[] = {
    {"defined", "", 0, is_defined}, {"undefined", "", 0, is_undefined}, {"none", "", 0, is_none}, {"boolean", "", 0, is_boolean},
    {"true", "", 0, is_true},
    {"false", "", 0, is_false}, {"integer", "", 0, is_integer}, {"float", "", 0, is_float}, {"number", "", 0, is_number},
    {"string", "", 0, is_string},
    {"mapping", "", 0, is_mapping}, {"sequence", "", 0, is_sequence}, {"iterable", "", 0, is_iterable}, {"callable", "", 0, is_callable},
    {"sameas", "other", 1, is_same}, {"escaped", "", 0, is_escaped}, {"in", "seq", 1, is_in}, {"odd", "", 0, is_odd},
    {"even", "", 0, is_even},
    {"divisibleby", "num", 1, is_divisible}, {"lower", "", 0, is_lower}, {"upper", "", 0, is_upper}, {"filter", "", 0, is_filter},
    {"test", "", 0, is_test},
    {"eq", "other", 1, is_equal}, {"equalto", "other", 1, is_equal}, {"==", "other", 1, is_equal}, {"ne", "other", 1, is_not_equal},
    {"!=", "other", 1, is_not_equal}, {"lt", "other", 1, is_less}, {"lessthan", "other", 1, is_less}, {"<", "other", 1, is_less},
    {"le", "other", 1, is_at_most}, {"<=", "other", 1, is_at_most}, {"gt", "other", 1, is_more}, {"greaterthan", "other", 1, is_more},
    {">", "other", 1, is_more}, {"ge", "other", 1, is_at_least}, {">=", "other", 1, is_at_least}};

const at_jbuiltin *at_jtest_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof TESTS / sizeof *TESTS; i++)
        if (strlen(TESTS[i].name) == len && !memcmp(TESTS[i].name, name, len)) return &TESTS[i];
    return NULL;
}

int at_jtest_true(at_jrun *r, const at_jbuiltin *test, at_jvalue self, const at_jargs *args) {
    at_jvalue yes = at_jcall_builtin(r, test, self, args);
    return !r->status && at_jtrue(&yes);
}
