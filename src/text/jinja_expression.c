/* Expressions, from the loosest binding to the tightest, as jinja2's parser has them:
 *   a if b else c;  or;  and;  not;  == < in ...;  + -;  ~;  * / // %;  **;  unary;  . [] ();  | is */
#include <stdarg.h>
#include <string.h>

#include "text/jinja_tree.h"

enum { MOST_NESTING = 64, MOST_DEPTH = 400 };

void *at_jparse_fail(at_jparser *p, size_t at, const char *fmt, ...) {
    char words[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    if (!p->status) p->status = at_jinja_fail(p->source, at, p->err, AT_BAD_MODEL, "%s", words);
    return NULL;
}

at_jnode *at_jparse_node(at_jparser *p, at_jkind kind, size_t at) {
    if (p->status) return NULL;
    at_jnode *node = AT_NEW(p->arena, at_jnode);
    if (!node) {
        p->status = at_fail_memory(p->err, sizeof *node);
        return NULL;
    }
    node->kind = kind;
    node->at = (uint32_t)at;
    node->depth = 1;
    return node;
}

static void deepen(at_jparser *p, at_jnode *node, const at_jnode *kid) {
    if (node->depth <= kid->depth) node->depth = kid->depth + 1;
    if (node->depth > MOST_DEPTH) at_jparse_fail(p, node->at, "the expression is deeper than %d operations", MOST_DEPTH);
}

void at_jparse_kid(at_jparser *p, at_jnode *node, int i, at_jnode *kid) {
    if (!node || !kid) return;
    node->kid[i] = kid;
    deepen(p, node, kid);
}

void at_jparse_add(at_jparser *p, at_jnode *node, at_jnode *item) {
    if (!node || !item) return;
    if ((node->n & (node->n - 1)) == 0) { /* full at powers of two */
        at_jnode **more = AT_NEW_ARRAY(p->arena, at_jnode *, node->n ? 2 * node->n : 1);
        if (!more) {
            if (!p->status) p->status = at_fail_memory(p->err, (size_t)node->n * sizeof *more);
            return;
        }
        if (node->n) memcpy(more, node->list, (size_t)node->n * sizeof *more);
        node->list = more;
    }
    node->list[node->n++] = item;
    deepen(p, node, item);
}

/* ---- tokens ---- */

int at_jparse_is(const at_jparser *p, int op) { return !p->status && p->token->type == AT_JT_OPERATOR && p->token->integer == op; }

static int token_is_name(const at_jtoken *t, const char *name) {
    return t->type == AT_JT_NAME && t->len == strlen(name) && !memcmp(t->text, name, t->len);
}

int at_jparse_is_name(const at_jparser *p, const char *name) { return !p->status && token_is_name(p->token, name); }

int at_jparse_take(at_jparser *p, int op) {
    int found = at_jparse_is(p, op);
    p->token += found;
    return found;
}

int at_jparse_take_name(at_jparser *p, const char *name) {
    int found = at_jparse_is_name(p, name);
    p->token += found;
    return found;
}

static const char *token_words(const at_jtoken *t) {
    switch (t->type) {
    case AT_JT_END: return "the end of the template";
    case AT_JT_BLOCK_END: return "the end of the block";
    case AT_JT_PRINT_END: return "the end of the expression";
    case AT_JT_STRING: return "a text";
    case AT_JT_INT:
    case AT_JT_FLOAT: return "a number";
    default: return NULL;
    }
}

static void *unexpected(at_jparser *p, const char *wanted) {
    const at_jtoken *t = p->token;
    const char *words = token_words(t);
    if (words) return at_jparse_fail(p, t->at, "%s is expected, not %s", wanted, words);
    return at_jparse_fail(p, t->at, "%s is expected, not '%.*s'", wanted, t->len > 40 ? 40 : (int)t->len, t->text ? t->text : "");
}

void at_jparse_expect(at_jparser *p, int op) {
    char wanted[8] = {'\'', (char)(op & 0xff), (char)(op >> 8 ? op >> 8 : '\''), op >> 8 ? '\'' : '\0', '\0'};
    if (!p->status && !at_jparse_take(p, op)) unexpected(p, wanted);
}

/* ---- leaves ---- */

static at_jnode *constant(at_jparser *p, size_t at, at_jvalue value) {
    at_jnode *node = at_jparse_node(p, AT_JN_CONST, at);
    if (node) node->value = value;
    return node;
}

/* Several texts in a row are one. */
static at_jnode *texts(at_jparser *p) {
    const at_jtoken *first = p->token;
    at_str s = {.arena = p->arena};
    if (first[1].type != AT_JT_STRING) {
        p->token++;
        return constant(p, first->at, at_jtext(first->text, first->len));
    }
    for (; p->token->type == AT_JT_STRING; p->token++) at_str_add_bytes(&s, p->token->text, p->token->len);
    if (s.failed && !p->status) p->status = at_fail_memory(p->err, s.len);
    return constant(p, first->at, at_jtext(s.text ? s.text : "", s.len));
}

static at_jnode *named(at_jparser *p, at_jkind kind, const at_jtoken *t) {
    at_jnode *node = at_jparse_node(p, kind, t->at);
    char *copy = node ? at_strndup(p->arena, t->text, t->len) : NULL;
    if (node && !copy) p->status = at_fail_memory(p->err, t->len);
    if (!copy) return NULL;
    node->value = at_jtext(copy, t->len);
    return node;
}

static at_jnode *name(at_jparser *p) {
    static const char *const WORDS[] = {"true", "True", "false", "False", "none", "None", NULL};
    const at_jtoken *t = p->token++;
    for (int i = 0; WORDS[i]; i++)
        if (token_is_name(t, WORDS[i])) return constant(p, t->at, i < 4 ? at_jbool(i < 2) : at_jnone());
    if (token_is_name(t, "caller")) p->uses |= AT_JUSES_CALLER;
    if (token_is_name(t, "varargs")) p->uses |= AT_JUSES_VARARGS;
    if (token_is_name(t, "kwargs")) p->uses |= AT_JUSES_KWARGS;
    return named(p, AT_JN_NAME, t);
}

/* Items up to the closing bracket; a comma may stand before it. */
static at_jnode *collection(at_jparser *p, at_jkind kind, int close) {
    at_jnode *node = at_jparse_node(p, kind, p->token->at);
    p->token++;
    while (!p->status && !at_jparse_is(p, close)) {
        if (node->n) at_jparse_expect(p, ',');
        if (at_jparse_is(p, close)) break;
        at_jparse_add(p, node, at_jparse_expression(p, 1));
        if (kind != AT_JN_DICT) continue;
        at_jparse_expect(p, ':');
        at_jparse_add(p, node, at_jparse_expression(p, 1));
    }
    at_jparse_expect(p, close);
    return node;
}

static at_jnode *brackets(at_jparser *p) {
    at_jnode *node;
    size_t at = p->token->at;
    if (at_jparse_is(p, '[')) return collection(p, AT_JN_LIST, ']');
    if (at_jparse_is(p, '{')) return collection(p, AT_JN_DICT, '}');
    if (!at_jparse_take(p, '(')) return unexpected(p, "an expression");
    if (at_jparse_take(p, ')')) return at_jparse_node(p, AT_JN_TUPLE, at);
    node = at_jparse_tuple(p, 1);
    at_jparse_expect(p, ')');
    return node;
}

static at_jnode *primary(at_jparser *p) {
    const at_jtoken *t = p->token;
    if (p->status) return NULL;
    switch (t->type) {
    case AT_JT_NAME: return name(p);
    case AT_JT_STRING: return texts(p);
    case AT_JT_INT: p->token++; return constant(p, t->at, at_jint(t->integer));
    case AT_JT_FLOAT: p->token++; return constant(p, t->at, at_jreal(t->real));
    case AT_JT_OPERATOR: return brackets(p);
    default: return unexpected(p, "an expression");
    }
}

/* ---- behind a value ---- */

static at_jnode *argument(at_jparser *p) {
    const at_jtoken *t = p->token;
    at_jnode *node;
    if (at_jparse_is(p, '*') || at_jparse_is(p, AT_JOP('*', '*'))) {
        node = at_jparse_node(p, AT_JN_SPREAD, t->at);
        if (node) node->op = t->integer == AT_JOP('*', '*');
        p->token++;
    } else if (t->type == AT_JT_NAME && t[1].type == AT_JT_OPERATOR && t[1].integer == '=') {
        node = named(p, AT_JN_KEYWORD, t);
        p->token += 2;
    } else {
        return at_jparse_expression(p, 1);
    }
    at_jparse_kid(p, node, 0, at_jparse_expression(p, 1));
    return node;
}

/* "(" a, b, c=d, *e, **f ")" into node's list. */
static void arguments(at_jparser *p, at_jnode *node) {
    int n = 0, behind = 0;
    at_jparse_expect(p, '(');
    while (!p->status && !at_jparse_is(p, ')')) {
        if (n++) at_jparse_expect(p, ',');
        if (at_jparse_is(p, ')')) break;
        at_jnode *one = argument(p);
        if (one && one->kind != AT_JN_KEYWORD && one->kind != AT_JN_SPREAD && behind)
            at_jparse_fail(p, one->at, "an argument without a name stands behind one with a name");
        behind |= one && (one->kind == AT_JN_KEYWORD || one->kind == AT_JN_SPREAD);
        at_jparse_add(p, node, one);
    }
    at_jparse_expect(p, ')');
}

static at_jnode *call(at_jparser *p, at_jnode *callee) {
    at_jnode *node = at_jparse_node(p, AT_JN_CALL, p->token->at);
    at_jparse_kid(p, node, 0, callee);
    arguments(p, node);
    return node;
}

static at_jnode *subscript(at_jparser *p, at_jnode *of) {
    size_t at = p->token++->at;
    int ends_at_once = at_jparse_is(p, ':');
    at_jnode *index = ends_at_once ? NULL : at_jparse_expression(p, 1);
    int is_slice = at_jparse_is(p, ':');
    at_jnode *node = at_jparse_node(p, is_slice ? AT_JN_SLICE : AT_JN_ITEM, at);
    at_jparse_kid(p, node, 0, of);
    at_jparse_kid(p, node, 1, index);
    for (int i = 2; i < 4 && at_jparse_take(p, ':'); i++)
        if (!at_jparse_is(p, ':') && !at_jparse_is(p, ']')) at_jparse_kid(p, node, i, at_jparse_expression(p, 1));
    if (at_jparse_is(p, ',')) return at_jparse_fail(p, p->token->at, "several subscripts with commas between are not supported");
    at_jparse_expect(p, ']');
    return node;
}

static at_jnode *attribute(at_jparser *p, at_jnode *of) {
    const at_jtoken *t = ++p->token;
    at_jnode *node;
    if (t->type == AT_JT_NAME) {
        node = named(p, AT_JN_ATTRIBUTE, t);
    } else if (t->type == AT_JT_INT) {
        node = at_jparse_node(p, AT_JN_ITEM, t->at);
        at_jparse_kid(p, node, 1, constant(p, t->at, at_jint(t->integer)));
    } else {
        return unexpected(p, "a name");
    }
    p->token++;
    at_jparse_kid(p, node, 0, of);
    return node;
}

static at_jnode *postfix(at_jparser *p, at_jnode *node) {
    while (!p->status) {
        if (at_jparse_is(p, '.')) node = attribute(p, node);
        else if (at_jparse_is(p, '[')) node = subscript(p, node);
        else if (at_jparse_is(p, '(')) node = call(p, node);
        else break;
    }
    return node;
}

/* Whether it being absent is an error by itself depends on where it stands (at_jinja_parse). */
static void find_builtin(at_jnode *node, const at_jtoken *t, const at_jbuiltin *builtin) {
    if (!node) return;
    node->value = at_jtext(t->text, t->len);
    node->builtin = builtin;
}

int at_jnode_lacks(const at_jnode *n, char words[96]) {
    int len = n->value.len > 60 ? 60 : (int)n->value.len;
    const char *kind = n->kind == AT_JN_TEST ? "test" : "filter";
    if ((n->kind != AT_JN_TEST && n->kind != AT_JN_FILTER) || (n->builtin && n->builtin->call)) return 0;
    snprintf(words, 96, n->builtin ? "the %s '%.*s' is not supported" : "there is no %s '%.*s'", kind, len, n->value.text);
    return 1;
}

at_jnode *at_jparse_filters(at_jparser *p, at_jnode *input, int inline_first) {
    while (!p->status && (inline_first || at_jparse_take(p, '|'))) {
        const at_jtoken *t = p->token;
        inline_first = 0;
        if (t->type != AT_JT_NAME) return unexpected(p, "the name of a filter");
        at_jnode *node = at_jparse_node(p, AT_JN_FILTER, t->at);
        find_builtin(node, t, at_jfilter_find(t->text, t->len));
        p->token++;
        at_jparse_kid(p, node, 0, input);
        if (at_jparse_is(p, '(')) arguments(p, node);
        input = node;
    }
    return input;
}

/* Whether a test's one argument stands behind its name without brackets: `x is divisibleby 3`. */
static int has_bare_argument(const at_jparser *p) {
    const at_jtoken *t = p->token;
    if (t->type == AT_JT_NAME) return !token_is_name(t, "else") && !token_is_name(t, "or") && !token_is_name(t, "and");
    if (t->type == AT_JT_OPERATOR) return t->integer == '[' || t->integer == '{';
    return t->type == AT_JT_STRING || t->type == AT_JT_INT || t->type == AT_JT_FLOAT;
}

static at_jnode *test(at_jparser *p, at_jnode *of) {
    size_t at = p->token++->at;
    int negated = at_jparse_take_name(p, "not");
    const at_jtoken *t = p->token;
    if (t->type != AT_JT_NAME) return unexpected(p, "the name of a test");
    at_jnode *node = at_jparse_node(p, AT_JN_TEST, at), *whole = node;
    find_builtin(node, t, at_jtest_find(t->text, t->len));
    p->token++;
    at_jparse_kid(p, node, 0, of);
    if (at_jparse_is(p, '(')) arguments(p, node);
    else if (at_jparse_is_name(p, "is")) return at_jparse_fail(p, p->token->at, "one test behind another; put the first in brackets");
    else if (!p->status && has_bare_argument(p)) at_jparse_add(p, node, postfix(p, primary(p)));
    if (negated) {
        whole = at_jparse_node(p, AT_JN_NOT, at);
        at_jparse_kid(p, whole, 0, node);
    }
    return whole;
}

static at_jnode *filters_and_tests(at_jparser *p, at_jnode *node) {
    while (!p->status) {
        if (at_jparse_is(p, '|')) node = at_jparse_filters(p, node, 0);
        else if (at_jparse_is_name(p, "is")) node = test(p, node);
        else if (at_jparse_is(p, '(')) node = call(p, node);
        else break;
    }
    return node;
}

/* ---- operators ---- */

static at_jnode *unary(at_jparser *p, int with_filter) {
    at_jnode *node;
    if (p->status || ++p->nesting > MOST_NESTING)
        return at_jparse_fail(p, p->token->at, "the expression is nested deeper than %d", MOST_NESTING);
    if (at_jparse_is(p, '-') || at_jparse_is(p, '+')) {
        node = at_jparse_node(p, at_jparse_is(p, '-') ? AT_JN_MINUS : AT_JN_PLUS, p->token->at);
        p->token++;
        at_jparse_kid(p, node, 0, unary(p, 0));
    } else {
        node = primary(p);
    }
    node = postfix(p, node);
    if (with_filter) node = filters_and_tests(p, node);
    p->nesting--;
    return node;
}

/* Levels of operators that stand between two operands and bind to the left, the tightest first. */
static const int LEVELS[][5] = {{AT_JOP('*', '*')}, {'*', '/', AT_JOP('/', '/'), '%'}, {'~'}, {'+', '-'}};
enum { N_LEVELS = sizeof LEVELS / sizeof *LEVELS };

static int level_operator(const at_jparser *p, int level) {
    for (int i = 0; LEVELS[level][i]; i++)
        if (at_jparse_is(p, LEVELS[level][i])) return LEVELS[level][i];
    return 0;
}

static at_jnode *arithmetic(at_jparser *p, int level) {
    at_jnode *left = level < 0 ? unary(p, 1) : arithmetic(p, level - 1);
    for (int op; level >= 0 && (op = level_operator(p, level)) != 0;) {
        at_jnode *node = at_jparse_node(p, AT_JN_BINARY, p->token->at);
        p->token++;
        at_jparse_kid(p, node, 0, left);
        at_jparse_kid(p, node, 1, arithmetic(p, level - 1));
        if (node) node->op = op;
        left = node;
    }
    return left;
}

static int compare_operator(at_jparser *p) {
    static const int OPS[] = {AT_JOP('=', '='), AT_JOP('!', '='), '<', AT_JOP('<', '='), '>', AT_JOP('>', '=')};
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
        if (at_jparse_take(p, OPS[i])) return OPS[i];
    if (at_jparse_take_name(p, "in")) return AT_JOP('i', 'n');
    if (at_jparse_is_name(p, "not") && token_is_name(p->token + 1, "in")) {
        p->token += 2;
        return AT_JOP('n', 'i');
    }
    return 0;
}

static at_jnode *compare(at_jparser *p) {
    at_jnode *left = arithmetic(p, N_LEVELS - 1), *node = NULL;
    for (;;) {
        size_t at = p->token->at;
        int op = compare_operator(p);
        if (!op) return node ? node : left;
        if (!node) {
            node = at_jparse_node(p, AT_JN_COMPARE, at);
            at_jparse_kid(p, node, 0, left);
        }
        at_jnode *operand = at_jparse_node(p, AT_JN_OPERAND, at);
        at_jparse_kid(p, operand, 0, arithmetic(p, N_LEVELS - 1));
        if (operand) operand->op = op;
        at_jparse_add(p, node, operand);
    }
}

static at_jnode *negation(at_jparser *p) {
    size_t at = p->token->at;
    if (!at_jparse_take_name(p, "not")) return compare(p);
    at_jnode *node = at_jparse_node(p, AT_JN_NOT, at);
    if (++p->nesting > MOST_NESTING) return at_jparse_fail(p, at, "the expression is nested deeper than %d", MOST_NESTING);
    at_jparse_kid(p, node, 0, negation(p));
    p->nesting--;
    return node;
}

static at_jnode *logic(at_jparser *p, at_jkind kind) {
    at_jnode *left = kind == AT_JN_OR ? logic(p, AT_JN_AND) : negation(p);
    for (;;) {
        size_t at = p->token->at;
        if (!at_jparse_take_name(p, kind == AT_JN_OR ? "or" : "and")) return left;
        at_jnode *node = at_jparse_node(p, kind, at);
        at_jparse_kid(p, node, 0, left);
        at_jparse_kid(p, node, 1, kind == AT_JN_OR ? logic(p, AT_JN_AND) : negation(p));
        left = node;
    }
}

at_jnode *at_jparse_expression(at_jparser *p, int with_choice) {
    if (p->status || ++p->nesting > MOST_NESTING)
        return at_jparse_fail(p, p->token->at, "the expression is nested deeper than %d", MOST_NESTING);
    at_jnode *node = logic(p, AT_JN_OR);
    while (with_choice && at_jparse_is_name(p, "if")) {
        at_jnode *choice = at_jparse_node(p, AT_JN_CHOICE, p->token->at);
        p->token++;
        at_jparse_kid(p, choice, 0, logic(p, AT_JN_OR));
        at_jparse_kid(p, choice, 1, node);
        if (at_jparse_take_name(p, "else")) at_jparse_kid(p, choice, 2, at_jparse_expression(p, 1));
        node = choice;
    }
    p->nesting--;
    return node;
}

static int tuple_ends(const at_jparser *p) {
    at_jtoken_type type = p->token->type;
    return p->status || type == AT_JT_BLOCK_END || type == AT_JT_PRINT_END || type == AT_JT_END || at_jparse_is(p, ')');
}

at_jnode *at_jparse_tuple(at_jparser *p, int with_choice) {
    size_t at = p->token->at;
    at_jnode *first = at_jparse_expression(p, with_choice), *node = NULL;
    if (!at_jparse_is(p, ',')) return first;
    node = at_jparse_node(p, AT_JN_TUPLE, at);
    at_jparse_add(p, node, first);
    while (at_jparse_take(p, ',') && !tuple_ends(p)) at_jparse_add(p, node, at_jparse_expression(p, with_choice));
    return node;
}

/* A name, a field of a namespace, or names in brackets. */
static at_jnode *one_target(at_jparser *p, int with_fields) {
    size_t at = p->token->at;
    if (at_jparse_is(p, '(')) {
        p->token++;
        if (++p->nesting > MOST_NESTING) return at_jparse_fail(p, at, "the names are nested deeper than %d", MOST_NESTING);
        at_jnode *inside = at_jparse_target(p, with_fields);
        p->nesting--;
        at_jparse_expect(p, ')');
        return inside;
    }
    if (p->token->type != AT_JT_NAME) return unexpected(p, "a name");
    at_jnode *node = name(p);
    if (node && node->kind != AT_JN_NAME) return at_jparse_fail(p, at, "nothing can be assigned to this word");
    if (!with_fields || !at_jparse_take(p, '.')) return node;
    if (p->token->type != AT_JT_NAME) return unexpected(p, "a name");
    at_jnode *field = named(p, AT_JN_FIELD, p->token++);
    at_jparse_kid(p, field, 0, node);
    return field;
}

at_jnode *at_jparse_target(at_jparser *p, int with_fields) {
    size_t at = p->token->at;
    at_jnode *first = p->status ? NULL : one_target(p, with_fields), *node;
    if (!at_jparse_is(p, ',')) return first;
    node = at_jparse_node(p, AT_JN_TUPLE, at);
    at_jparse_add(p, node, first);
    while (at_jparse_take(p, ',') && (at_jparse_is(p, '(') || (p->token->type == AT_JT_NAME && !at_jparse_is_name(p, "in"))))
        at_jparse_add(p, node, one_target(p, with_fields));
    return node;
}
