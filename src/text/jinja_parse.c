/* Statements. A body ends at a block whose first word its owner waits for. */
#include <string.h>

#include "text/jinja_tree.h"

enum { MOST_NESTING = 64 };
static const size_t MOST_BYTES = (size_t)1 << 20;

typedef at_jnode *statement(at_jparser *p, size_t at);

static at_jnode *body_until(at_jparser *p, const char *const *ends);

static void end_block(at_jparser *p) {
    if (p->status) return;
    if (p->token->type != AT_JT_BLOCK_END) at_jparse_fail(p, p->token->at, "the end of the block, '%%}', is expected here");
    else p->token++;
}

/* "%}" body "{% end %}" */
static at_jnode *body_to(at_jparser *p, const char *end) {
    const char *const ends[] = {end, NULL};
    at_jparse_take(p, ':');
    end_block(p);
    at_jnode *body = body_until(p, ends);
    if (!p->status) p->token++;
    return body;
}

static at_jnode *parse_if(at_jparser *p, size_t at) {
    static const char *const ENDS[] = {"elif", "else", "endif", NULL};
    at_jnode *first = NULL, *last = NULL;
    int branches = 0;
    do { /* each elif hangs on the one before it */
        at_jnode *node = at_jparse_node(p, AT_JN_IF, at);
        at_jparse_kid(p, node, 0, at_jparse_tuple(p, 0));
        at_jparse_take(p, ':');
        end_block(p);
        at_jparse_kid(p, node, 1, body_until(p, ENDS));
        if (!node || p->status) return NULL;
        if (last) last->kid[2] = node;
        else first = node;
        last = node;
        at = p->token->at;
        if (++branches > 1000) return at_jparse_fail(p, at, "more than 1000 branches");
    } while (at_jparse_take_name(p, "elif"));
    if (at_jparse_take_name(p, "else")) last->kid[2] = body_to(p, "endif");
    else p->token++;
    return first;
}

static at_jnode *parse_for(at_jparser *p, size_t at) {
    static const char *const ENDS[] = {"else", "endfor", NULL};
    at_jnode *node = at_jparse_node(p, AT_JN_FOR, at);
    at_jparse_kid(p, node, 0, at_jparse_target(p, 0));
    if (!p->status && !at_jparse_take_name(p, "in")) return at_jparse_fail(p, p->token->at, "'in' is expected here");
    at_jparse_kid(p, node, 1, at_jparse_tuple(p, 0));
    if (at_jparse_take_name(p, "if")) at_jparse_kid(p, node, 2, at_jparse_expression(p, 1));
    if (at_jparse_is_name(p, "recursive")) return at_jparse_fail(p, p->token->at, "recursive loops are not supported");
    at_jparse_take(p, ':');
    end_block(p);
    p->loops++;
    at_jparse_kid(p, node, 3, body_until(p, ENDS));
    p->loops--;
    if (at_jparse_take_name(p, "else")) at_jparse_kid(p, node, 4, body_to(p, "endfor"));
    else if (!p->status) p->token++;
    return node;
}

static at_jnode *parse_set(at_jparser *p, size_t at) {
    at_jnode *target = at_jparse_target(p, 1);
    int is_block = !at_jparse_take(p, '=');
    at_jnode *node = at_jparse_node(p, is_block ? AT_JN_SET_BLOCK : AT_JN_SET, at);
    at_jparse_kid(p, node, 0, target);
    if (!is_block) {
        at_jparse_kid(p, node, 1, at_jparse_tuple(p, 1));
        return node;
    }
    at_jparse_kid(p, node, 1, at_jparse_filters(p, NULL, 0));
    at_jparse_kid(p, node, 2, body_to(p, "endset"));
    return node;
}

/* "(" a, b=1 ")" into the macro's list. */
static void signature(at_jparser *p, at_jnode *macro) {
    int defaults = 0;
    at_jparse_expect(p, '(');
    while (!p->status && !at_jparse_is(p, ')')) {
        if (macro->n) at_jparse_expect(p, ',');
        size_t at = p->token->at;
        at_jnode *one = p->status ? NULL : at_jparse_target(p, 0);
        if (one && one->kind == AT_JN_TUPLE) { /* commas belong to the signature */
            for (int i = 0; i < one->n; i++) at_jparse_add(p, macro, one->list[i]);
            if (defaults) at_jparse_fail(p, at, "a parameter without a default stands behind one with a default");
            one = macro->list[macro->n - 1];
        } else {
            at_jparse_add(p, macro, one);
        }
        if (at_jparse_take(p, '=')) at_jparse_kid(p, one, 0, at_jparse_expression(p, 1)), defaults = 1;
        else if (defaults && !p->status) at_jparse_fail(p, at, "a parameter without a default stands behind one with a default");
    }
    at_jparse_expect(p, ')');
}

/* Parameters and body of a macro; break and continue do not reach out of it. */
static void macro_body(at_jparser *p, at_jnode *macro, const char *end) {
    int loops = p->loops, uses = p->uses;
    p->loops = p->uses = 0;
    at_jparse_kid(p, macro, 0, body_to(p, end));
    if (macro) macro->uses = p->uses;
    p->loops = loops;
    p->uses = uses;
}

static at_jnode *parse_macro(at_jparser *p, size_t at) {
    at_jnode *node = at_jparse_node(p, AT_JN_MACRO, at);
    if (node && p->token->type != AT_JT_NAME) return at_jparse_fail(p, p->token->at, "the macro's name is expected here");
    if (!node) return NULL;
    char *name = at_strndup(p->arena, p->token->text, p->token->len);
    if (!name) p->status = at_fail_memory(p->err, p->token->len);
    node->value = at_jtext(name ? name : "", name ? p->token->len : 0);
    p->token++;
    signature(p, node);
    macro_body(p, node, "endmacro");
    return node;
}

static at_jnode *parse_call(at_jparser *p, size_t at) {
    at_jnode *node = at_jparse_node(p, AT_JN_CALL_BLOCK, at), *macro = at_jparse_node(p, AT_JN_MACRO, at);
    if (macro) macro->value = at_jtext("caller", 6);
    if (at_jparse_is(p, '(')) signature(p, macro);
    at_jnode *call = at_jparse_expression(p, 1);
    if (call && call->kind != AT_JN_CALL) return at_jparse_fail(p, call->at, "a call is expected here");
    at_jparse_kid(p, node, 0, call);
    macro_body(p, macro, "endcall");
    at_jparse_kid(p, node, 1, macro);
    return node;
}

static at_jnode *parse_filter(at_jparser *p, size_t at) {
    at_jnode *node = at_jparse_node(p, AT_JN_FILTER_BLOCK, at);
    at_jparse_kid(p, node, 0, at_jparse_filters(p, NULL, 1));
    at_jparse_kid(p, node, 1, body_to(p, "endfilter"));
    return node;
}

static at_jnode *parse_with(at_jparser *p, size_t at) {
    at_jnode *node = at_jparse_node(p, AT_JN_WITH, at);
    while (!p->status && p->token->type != AT_JT_BLOCK_END) {
        if (node->n) at_jparse_expect(p, ',');
        at_jparse_add(p, node, at_jparse_target(p, 0));
        at_jparse_expect(p, '=');
        at_jparse_add(p, node, at_jparse_expression(p, 1));
    }
    at_jparse_kid(p, node, 0, body_to(p, "endwith"));
    return node;
}

static at_jnode *parse_generation(at_jparser *p, size_t at) {
    at_jnode *node = at_jparse_node(p, AT_JN_GENERATION, at);
    at_jparse_kid(p, node, 0, body_to(p, "endgeneration"));
    return node;
}

static at_jnode *parse_break(at_jparser *p, size_t at) {
    return p->loops ? at_jparse_node(p, AT_JN_BREAK, at) : at_jparse_fail(p, at, "break stands outside of a loop");
}

static at_jnode *parse_continue(at_jparser *p, size_t at) {
    return p->loops ? at_jparse_node(p, AT_JN_CONTINUE, at) : at_jparse_fail(p, at, "continue stands outside of a loop");
}

static at_jnode *parse_print(at_jparser *p, size_t at) {
    at_jnode *block = at_jparse_node(p, AT_JN_BLOCK, at);
    while (!p->status && p->token->type != AT_JT_BLOCK_END) {
        if (block->n) at_jparse_expect(p, ',');
        at_jnode *node = at_jparse_node(p, AT_JN_PRINT, p->token->at);
        at_jparse_kid(p, node, 0, at_jparse_expression(p, 1));
        at_jparse_add(p, block, node);
    }
    return block;
}

static const struct {
    const char *name;
    statement *parse; /* NULL: of Jinja, and not of chat templates */
} STATEMENTS[] = {{"if", parse_if}, {"for", parse_for}, {"set", parse_set}, {"macro", parse_macro}, {"call", parse_call},
                  {"filter", parse_filter},
                  {"with", parse_with}, {"generation", parse_generation}, {"break", parse_break}, {"continue", parse_continue},
                  {"print", parse_print},
                  {"include", NULL}, {"import", NULL}, {"from", NULL}, {"extends", NULL}, {"block", NULL}, {"autoescape", NULL},
                  {"do", NULL},
                  {"trans", NULL}, {"debug", NULL}};

static at_jnode *parse_statement(at_jparser *p) {
    const at_jtoken *t = p->token;
    char name[64];
    snprintf(name, sizeof name, "%.*s", t->len > 60 ? 60 : (int)t->len, t->text ? t->text : "");
    if (t->type != AT_JT_NAME) return at_jparse_fail(p, t->at, "the name of a block is expected here");
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof *STATEMENTS; i++) {
        if (!at_jparse_is_name(p, STATEMENTS[i].name)) continue;
        if (!STATEMENTS[i].parse) return at_jparse_fail(p, t->at, "the block '%s' is not supported", name);
        p->token++;
        return STATEMENTS[i].parse(p, t->at);
    }
    return at_jparse_fail(p, t->at, "there is no block '%s', or it stands where nothing waits for it", name);
}

static int at_end(const at_jparser *p, const char *const *ends) {
    for (int i = 0; ends && ends[i]; i++)
        if (at_jparse_is_name(p, ends[i])) return 1;
    return 0;
}

static at_jnode *text_node(at_jparser *p) {
    at_jnode *node = at_jparse_node(p, AT_JN_TEXT, p->token->at);
    if (node) node->value = at_jtext(p->token->text, p->token->len);
    p->token++;
    return node;
}

static at_jnode *print_node(at_jparser *p) {
    at_jnode *node = at_jparse_node(p, AT_JN_PRINT, p->token++->at);
    at_jparse_kid(p, node, 0, at_jparse_tuple(p, 1));
    if (!p->status && p->token->type != AT_JT_PRINT_END)
        return at_jparse_fail(p, p->token->at, "the end of the expression, '}}', is expected here");
    if (!p->status) p->token++;
    return node;
}

/* Up to a block that begins with one of `ends` (the current token is then that word), or to the end of the template. */
static at_jnode *body_until(at_jparser *p, const char *const *ends) {
    size_t begin = p->token->at;
    at_jnode *body = at_jparse_node(p, AT_JN_BLOCK, begin);
    if (p->status || ++p->nesting > MOST_NESTING) return at_jparse_fail(p, begin, "blocks are nested deeper than %d", MOST_NESTING);
    while (!p->status && p->token->type != AT_JT_END) {
        at_jtoken_type type = p->token->type;
        if (type == AT_JT_TEXT) {
            at_jparse_add(p, body, text_node(p));
        } else if (type == AT_JT_PRINT_BEGIN) {
            at_jparse_add(p, body, print_node(p));
        } else {
            p->token++;
            if (at_end(p, ends)) break;
            at_jparse_add(p, body, parse_statement(p));
            end_block(p);
        }
    }
    p->nesting--;
    if (!p->status && ends && p->token->type == AT_JT_END) {
        int n = 0;
        while (ends[n + 1]) n++;
        return at_jparse_fail(p, begin, "the block that begins before here has no '%s'", ends[n]);
    }
    return body;
}

at_jnode *at_jparse_body(at_jparser *p) { return body_until(p, NULL); }

/* A filter or a test that there is not: within a condition it counts only once it is reached, else at once, as jinja2 has it. */
static void refuse_unknown(at_jparser *p, const at_jnode *n, int within) {
    char words[96];
    if (!n || p->status) return;
    if (!within && at_jnode_lacks(n, words)) at_jparse_fail(p, n->at, "%s", words);
    for (int i = 0; i < 5; i++) {
        int outside = n->kind == AT_JN_FOR ? i > 1 : n->kind >= AT_JN_SET_BLOCK; /* these have a frame of their own */
        refuse_unknown(p, n->kid[i], n->kind == AT_JN_IF || n->kind == AT_JN_CHOICE || (within && !outside));
    }
    for (int i = 0; i < n->n; i++) refuse_unknown(p, n->list[i], within && n->kind < AT_JN_SET_BLOCK);
}

/* Line ends become \n, and one at the end of the template is left out, as jinja2 has it. */
static char *normalised(at_arena *arena, const char *source, size_t *len) {
    char *text = at_alloc_raw(arena, *len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; text && i < *len; i++) {
        if (source[i] == '\r' && i + 1 < *len && source[i + 1] == '\n') continue;
        text[n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (!text) return NULL;
    if (n && text[n - 1] == '\n') n--;
    text[n] = '\0';
    *len = n;
    return text;
}

at_status at_jinja_parse(at_arena *arena, const char *name, const char *source, size_t len, at_jinja **jinja, at_error *err) {
    at_jtoken *tokens;
    int n;
    if (len > MOST_BYTES) return at_fail(err, AT_BAD_MODEL, "%s: a template of more than 1 MiB", name);
    if (at_utf8_check(source, len) != len || memchr(source, '\0', len))
        return at_fail(err, AT_BAD_MODEL, "%s: the template is not valid UTF-8 text", name);
    at_jinja *j = AT_NEW(arena, at_jinja);
    if (!j) return at_fail_memory(err, sizeof *j);
    j->source = (at_jsource){.name = at_strdup(arena, name), .text = normalised(arena, source, &len), .len = len};
    if (!j->source.name || !j->source.text) return at_fail_memory(err, len);
    j->source.len = len;
    AT_TRY(at_jinja_lex(arena, &j->source, &tokens, &n, err));
    at_jparser p = {.arena = arena, .source = &j->source, .token = tokens, .err = err};
    j->body = at_jparse_body(&p);
    refuse_unknown(&p, j->body, 0);
    *jinja = j;
    return p.status;
}
