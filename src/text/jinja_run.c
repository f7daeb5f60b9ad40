/* Walking the tree: statements write to r->out, expressions give values. A scope is what `set` writes to: the template's own, a loop's
 * turn, a macro's call, a block's; `if` has none. Names are looked for from the innermost scope outwards, then among the functions. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_tree.h"

enum { MOST_DEPTH = 800 }; /* of statements, expressions and macros within each other */

at_jvalue at_jfail(at_jrun *r, at_status code, const char *fmt, ...) {
    char words[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    if (!r->status) r->status = at_jinja_fail(&r->jinja->source, r->at ? r->at->at : 0, r->err, code, "%s", words);
    return at_jundefined("");
}

int at_jcharge(at_jrun *r, size_t work) {
    if (r->status) return 0;
    r->steps += (long)(work < (size_t)r->limits.steps ? work : (size_t)r->limits.steps) + 1;
    if (r->steps > r->limits.steps) at_jfail(r, AT_BAD_DATA, "the template takes more than %ld steps", r->limits.steps);
    else if (r->arena.total > r->limits.memory_bytes)
        at_jfail(r, AT_BAD_DATA, "the template takes more than %zu MB of memory", r->limits.memory_bytes >> 20);
    return !r->status;
}

static at_jvalue eval(at_jrun *r, const at_jnode *n);
static void run(at_jrun *r, const at_jnode *n);

/* ---- scopes ---- */

static at_jscope *push_scope(at_jrun *r, at_jscope *parent) {
    at_jscope *scope = AT_NEW(&r->arena, at_jscope);
    if (!scope) {
        at_jfail(r, AT_NO_MEMORY, "not enough memory");
        return NULL;
    }
    scope->parent = parent;
    return scope;
}

static at_jvalue look_up(at_jrun *r, const at_jnode *n) {
    for (const at_jscope *s = r->scope; s; s = s->parent) {
        const at_jvalue *found = at_jdict_get(&s->names, n->value);
        if (found) return *found;
    }
    const at_jbuiltin *function = at_jfunction_find(n->value.text, n->value.len);
    if (!function) return at_jundefined(n->value.text);
    if (!function->call) return at_jfail(r, AT_BAD_MODEL, "'%s' is not supported", n->value.text);
    at_jmethod *method = AT_NEW(&r->arena, at_jmethod);
    if (!method) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    *method = (at_jmethod){at_jnone(), function};
    return (at_jvalue){.type = AT_J_METHOD, .method = method};
}

static void assign(at_jrun *r, const at_jnode *target, at_jvalue value) {
    if (r->status) return;
    r->at = target;
    if (target->kind == AT_JN_NAME) {
        at_jdict_set(r, &r->scope->names, target->value, value);
    } else if (target->kind == AT_JN_FIELD) {
        at_jvalue of = look_up(r, target->kid[0]);
        if (r->status) return;
        if (of.type != AT_J_NAMESPACE)
            at_jfail(r, AT_BAD_DATA, "fields are set on a namespace alone, and '%s' is %s", target->kid[0]->value.text, at_jtype_name(&of));
        else if (target->value.text[0] == '_')
            at_jfail(r, AT_BAD_DATA, "the field '%s' of a namespace may not begin with '_'", target->value.text);
        else at_jdict_set(r, of.dict, target->value, value);
    } else {
        const at_jlist *items = at_jitems(r, &value);
        if (items && items->n != target->n) at_jfail(r, AT_BAD_DATA, "%d values for %d names", items->n, target->n);
        for (int i = 0; !r->status && i < target->n; i++) assign(r, target->list[i], items->item[i]);
    }
}

/* ---- statements ---- */

/* What a body writes, as a text. */
static at_jvalue capture(at_jrun *r, const at_jnode *body, at_jscope *scope) {
    at_str own = {.arena = &r->arena}, *out = r->out;
    at_jscope *outer = r->scope;
    if (!scope) return at_jundefined("");
    r->out = &own;
    r->scope = scope;
    run(r, body);
    r->out = out;
    r->scope = outer;
    return at_jtext_of(r, &own);
}

/* A turn's own scope holds the targets; items that the condition refuses are left out before the first turn. */
static at_jlist *chosen_items(at_jrun *r, const at_jnode *n, const at_jlist *items) {
    at_jscope *outer = r->scope;
    at_jvalue kept = at_jlist_new(r, AT_J_LIST, items->n);
    for (int i = 0; !r->status && i < items->n; i++) {
        r->scope = push_scope(r, outer);
        if (!r->scope) break;
        assign(r, n->kid[0], items->item[i]);
        at_jvalue yes = eval(r, n->kid[2]);
        if (!r->status && at_jtrue(&yes)) at_jlist_add(r, kept.list, items->item[i]);
    }
    r->scope = outer;
    return r->status ? NULL : kept.list;
}

static void run_for(at_jrun *r, const at_jnode *n) {
    at_jvalue over = eval(r, n->kid[1]);
    at_jscope *outer = r->scope;
    r->at = n;
    at_jlist *items = at_jitems(r, &over);
    if (items && n->kid[2]) items = chosen_items(r, n, items);
    at_jloop *loop = items ? AT_NEW(&r->arena, at_jloop) : NULL;
    if (!loop) {
        if (items) at_jfail(r, AT_NO_MEMORY, "not enough memory");
        return;
    }
    loop->items = items;
    for (int i = 0; !r->status && i < items->n && r->flow != AT_JFLOW_BREAK; i++) {
        loop->index = i;
        r->flow = AT_JFLOW_ON;
        r->scope = push_scope(r, outer);
        if (!r->scope) break;
        at_jdict_set(r, &r->scope->names, at_jtext("loop", 4), (at_jvalue){.type = AT_J_LOOP, .loop = loop});
        assign(r, n->kid[0], items->item[i]);
        run(r, n->kid[3]);
    }
    r->flow = AT_JFLOW_ON;
    r->scope = outer;
    if (!items->n && n->kid[4]) run(r, n->kid[4]);
}

static at_jvalue make_macro(at_jrun *r, const at_jnode *n) {
    at_jmacro *macro = AT_NEW(&r->arena, at_jmacro);
    if (!macro) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    *macro = (at_jmacro){.node = n, .scope = r->scope};
    return (at_jvalue){.type = AT_J_MACRO, .macro = macro};
}

static void run_set_block(at_jrun *r, const at_jnode *n) {
    at_jvalue text = capture(r, n->kid[2], push_scope(r, r->scope)), input = r->input;
    r->input = text;
    if (n->kid[1]) text = eval(r, n->kid[1]);
    r->input = input;
    assign(r, n->kid[0], text);
}

static void run_filter_block(at_jrun *r, const at_jnode *n) {
    at_jvalue input = r->input;
    r->input = capture(r, n->kid[1], push_scope(r, r->scope));
    at_jvalue text = eval(r, n->kid[0]);
    r->input = input;
    if (!r->status) at_jprint(r, r->out, &text);
}

static void run_with(at_jrun *r, const at_jnode *n) {
    at_jscope *outer = r->scope, *own = push_scope(r, outer);
    for (int i = 0; own && !r->status && i + 1 < n->n; i += 2) { /* values are of the scope outside */
        at_jvalue value = eval(r, n->list[i + 1]);
        r->scope = own;
        assign(r, n->list[i], value);
        r->scope = outer;
    }
    r->scope = own;
    if (own) run(r, n->kid[0]);
    r->scope = outer;
}

/* What the model is to learn to say: remembered where it goes straight into the text. */
static void run_generation(at_jrun *r, const at_jnode *n) {
    at_jscope *outer = r->scope;
    size_t begin = r->root.len;
    r->scope = push_scope(r, outer);
    if (r->scope) run(r, n->kid[0]);
    r->scope = outer;
    if (r->status || r->out != &r->root) return;
    if (r->n_spans == r->cap_spans) {
        int cap = r->cap_spans ? 2 * r->cap_spans : 8;
        at_jinja_span *more = AT_NEW_ARRAY(&r->arena, at_jinja_span, cap);
        if (!more) {
            at_jfail(r, AT_NO_MEMORY, "not enough memory");
            return;
        }
        if (r->n_spans) memcpy(more, r->span, (size_t)r->n_spans * sizeof *more);
        r->span = more;
        r->cap_spans = cap;
    }
    r->span[r->n_spans++] = (at_jinja_span){begin, r->root.len};
}

static void run_if(at_jrun *r, const at_jnode *n) {
    while (n && n->kind == AT_JN_IF && !r->status) {
        at_jvalue yes = eval(r, n->kid[0]);
        if (r->status) return;
        if (at_jtrue(&yes)) {
            run(r, n->kid[1]);
            return;
        }
        n = n->kid[2];
    }
    if (n) run(r, n);
}

static at_jvalue eval_call(at_jrun *r, const at_jnode *n, const at_jvalue *caller);

static void run_call_block(at_jrun *r, const at_jnode *n) {
    at_jvalue caller = make_macro(r, n->kid[1]), text = eval_call(r, n->kid[0], &caller);
    if (!r->status) at_jprint(r, r->out, &text);
}

static void run_statement(at_jrun *r, const at_jnode *n) {
    at_jvalue value;
    switch (n->kind) {
    case AT_JN_TEXT: at_jadd(r, r->out, n->value.text, n->value.len); break;
    case AT_JN_PRINT: value = eval(r, n->kid[0]);
        r->at = n->kid[0];
        if (!r->status) at_jprint(r, r->out, &value);
        break;
    case AT_JN_BLOCK:
        for (int i = 0; i < n->n && !r->status && r->flow == AT_JFLOW_ON; i++) run(r, n->list[i]);
        break;
    case AT_JN_IF: run_if(r, n); break;
    case AT_JN_FOR: run_for(r, n); break;
    case AT_JN_SET: assign(r, n->kid[0], eval(r, n->kid[1])); break;
    case AT_JN_SET_BLOCK: run_set_block(r, n); break;
    case AT_JN_MACRO: at_jdict_set(r, &r->scope->names, n->value, make_macro(r, n)); break;
    case AT_JN_CALL_BLOCK: run_call_block(r, n); break;
    case AT_JN_FILTER_BLOCK: run_filter_block(r, n); break;
    case AT_JN_WITH: run_with(r, n); break;
    case AT_JN_GENERATION: run_generation(r, n); break;
    case AT_JN_BREAK: r->flow = AT_JFLOW_BREAK; break;
    case AT_JN_CONTINUE: r->flow = AT_JFLOW_CONTINUE; break;
    default: at_jfail(r, AT_BUG, "an expression stands for a statement");
    }
}

static int enter(at_jrun *r, const at_jnode *n) {
    if (!at_jcharge(r, 0)) return 0;
    r->at = n;
    if (r->depth >= MOST_DEPTH) {
        at_jfail(r, AT_BAD_DATA, "the template is nested deeper than %d, by macros that call each other", MOST_DEPTH);
        return 0;
    }
    r->depth++;
    return 1;
}

static void run(at_jrun *r, const at_jnode *n) {
    if (!enter(r, n)) return;
    run_statement(r, n);
    r->depth--;
}

/* ---- calls ---- */

static void spread(at_jrun *r, const at_jnode *n, at_jlist *list, at_jargs *args) {
    at_jvalue of = eval(r, n->kid[0]);
    if (r->status) return;
    if (n->op && of.type != AT_J_DICT) {
        at_jfail(r, AT_BAD_DATA, "behind ** stands %s, not a dict", at_jtype_name(&of));
    } else if (n->op) {
        for (int i = 0; i < of.dict->n && !r->status; i++) at_jdict_set(r, &args->named, of.dict->key[i], of.dict->value[i]);
    } else {
        const at_jlist *items = at_jitems(r, &of);
        for (int i = 0; items && i < items->n && !r->status; i++) at_jlist_add(r, list, items->item[i]);
    }
}

static void eval_arguments(at_jrun *r, const at_jnode *n, at_jargs *args) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, n->n);
    *args = (at_jargs){0};
    for (int i = 0; i < n->n && !r->status; i++) {
        const at_jnode *one = n->list[i];
        if (one->kind == AT_JN_SPREAD) spread(r, one, list.list, args);
        else if (one->kind == AT_JN_KEYWORD) at_jdict_set(r, &args->named, one->value, eval(r, one->kid[0]));
        else at_jlist_add(r, list.list, eval(r, one));
    }
    if (r->status) return;
    args->item = list.list->item;
    args->n = list.list->n;
}

/* Arguments by place and by name into slots; 0 where they do not fit. */
static int bind(at_jrun *r, const at_jbuiltin *b, const at_jargs *args, const at_jvalue **slot) {
    int n = 0, named = 0;
    for (const char *p = b->spec; *p; n++) {
        size_t len = strcspn(p, " ");
        const at_jvalue *by_name = at_jdict_get(&args->named, at_jtext(p, len));
        slot[n] = n < args->n ? &args->item[n] : by_name;
        named += by_name != NULL;
        if (!slot[n] && n < b->least) return at_jfail(r, AT_BAD_DATA, "%s: the argument '%.*s' is missing", b->name, (int)len, p), 0;
        if (n < args->n && by_name) return at_jfail(r, AT_BAD_DATA, "%s: the argument '%.*s' is given twice", b->name, (int)len, p), 0;
        p += len + (p[len] == ' ');
    }
    if (args->n > n) return at_jfail(r, AT_BAD_DATA, "%s takes %d arguments, not %d", b->name, n, args->n), 0;
    if (named < args->named.n)
        return at_jfail(r, AT_BAD_DATA, "%s: an argument has a name that is not one of: %s", b->name, *b->spec ? b->spec : "none"), 0;
    return 1;
}

at_jvalue at_jcall_builtin(at_jrun *r, const at_jbuiltin *b, at_jvalue self, const at_jargs *args) {
    const at_jvalue *slot[AT_JSLOTS] = {NULL};
    if (!at_jcharge(r, 0)) return at_jundefined("");
    if (!b->call) return at_jfail(r, AT_BAD_MODEL, "'%s' is not supported", b->name);
    if (strcmp(b->spec, "*") && !bind(r, b, args, slot)) return at_jundefined("");
    return b->call(r, self, slot, args);
}

static at_jvalue rest_of_arguments(at_jrun *r, const at_jargs *args, int from) {
    at_jvalue list = at_jlist_new(r, AT_J_TUPLE, args->n > from ? args->n - from : 0);
    for (int i = from; i < args->n && !r->status; i++) at_jlist_add(r, list.list, args->item[i]);
    return list;
}

static void bind_rest(at_jrun *r, const at_jmacro *m, const at_jargs *args, at_jvalue named, int taken) {
    const at_jnode *n = m->node;
    const at_jvalue *caller = at_jdict_find(named.dict, "caller");
    if (caller) at_jdict_set(r, &r->scope->names, at_jtext("caller", 6), *caller);
    if (n->uses & AT_JUSES_VARARGS) at_jdict_set(r, &r->scope->names, at_jtext("varargs", 7), rest_of_arguments(r, args, n->n));
    else if (args->n > n->n) at_jfail(r, AT_BAD_DATA, "the macro '%s' takes %d arguments, not %d", n->value.text, n->n, args->n);
    if (n->uses & AT_JUSES_KWARGS) at_jdict_set(r, &r->scope->names, at_jtext("kwargs", 6), named);
    else if (named.dict->n > taken + (caller != NULL))
        at_jfail(r, AT_BAD_DATA, "the macro '%s' is given an argument with a name that it does not have", n->value.text);
}

/* Defaults are looked at in the macro's own scope, after the parameters before them. */
static at_jvalue call_macro(at_jrun *r, const at_jmacro *m, const at_jargs *args) {
    const at_jnode *n = m->node;
    at_jscope *outer = r->scope, *own = push_scope(r, m->scope);
    at_jvalue named = at_jdict_new(r), text = at_jundefined("");
    int taken = 0;
    at_jflow flow = r->flow;
    if (r->status) return text;
    named.dict->key = args->named.key;
    named.dict->value = args->named.value;
    named.dict->n = named.dict->cap = args->named.n;
    r->scope = own;
    for (int i = 0; i < n->n && !r->status; i++) {
        const at_jvalue *by_name = at_jdict_get(named.dict, n->list[i]->value);
        at_jvalue value = at_jundefined(n->list[i]->value.text);
        if (i < args->n) value = args->item[i];
        else if (by_name) value = *by_name, taken++;
        else if (n->list[i]->kid[0]) value = eval(r, n->list[i]->kid[0]);
        at_jdict_set(r, &own->names, n->list[i]->value, value);
    }
    bind_rest(r, m, args, named, taken);
    if (!r->status) text = capture(r, n->kid[0], own);
    r->scope = outer;
    r->flow = flow;
    return text;
}

at_jvalue at_jcall(at_jrun *r, at_jvalue callee, const at_jargs *args) {
    if (r->status) return callee;
    if (callee.type == AT_J_MACRO) return call_macro(r, callee.macro, args);
    if (callee.type == AT_J_METHOD) return at_jcall_builtin(r, callee.method->builtin, callee.method->self, args);
    if (callee.type == AT_J_UNDEFINED) return at_jfail(r, AT_BAD_DATA, "'%s' is undefined and cannot be called", callee.text);
    return at_jfail(r, AT_BAD_DATA, "%s cannot be called", at_jtype_name(&callee));
}

static at_jvalue eval_call(at_jrun *r, const at_jnode *n, const at_jvalue *caller) {
    at_jargs args;
    at_jvalue callee = eval(r, n->kid[0]);
    eval_arguments(r, n, &args);
    if (r->status) return callee;
    if (caller) at_jdict_set(r, &args.named, at_jtext("caller", 6), *caller);
    r->at = n;
    return at_jcall(r, callee, &args);
}

static at_jvalue eval_builtin(at_jrun *r, const at_jnode *n) {
    at_jargs args;
    at_jvalue self = n->kid[0] ? eval(r, n->kid[0]) : r->input;
    eval_arguments(r, n, &args);
    if (r->status) return self;
    r->at = n;
    char words[96];
    if (at_jnode_lacks(n, words)) return at_jfail(r, AT_BAD_MODEL, "%s", words);
    return at_jcall_builtin(r, n->builtin, self, &args);
}

/* ---- expressions ---- */

static at_jvalue eval_list(at_jrun *r, const at_jnode *n) {
    at_jvalue list = at_jlist_new(r, n->kind == AT_JN_TUPLE ? AT_J_TUPLE : AT_J_LIST, n->n);
    for (int i = 0; i < n->n && !r->status; i++) at_jlist_add(r, list.list, eval(r, n->list[i]));
    return list;
}

static at_jvalue eval_dict(at_jrun *r, const at_jnode *n) {
    at_jvalue dict = at_jdict_new(r);
    for (int i = 0; i + 1 < n->n && !r->status; i += 2) {
        at_jvalue key = eval(r, n->list[i]), value = eval(r, n->list[i + 1]);
        if (r->status) break;
        if (key.type > AT_J_STRING && key.type != AT_J_TUPLE)
            return at_jfail(r, AT_BAD_DATA, "%s cannot be the key of a dict", at_jtype_name(&key));
        at_jdict_set(r, dict.dict, key, value);
    }
    return dict;
}

static at_jvalue eval_slice(at_jrun *r, const at_jnode *n) {
    at_jvalue part[4];
    for (int i = 0; i < 4; i++) part[i] = n->kid[i] ? eval(r, n->kid[i]) : at_jnone();
    r->at = n;
    return r->status ? part[0] : at_jslice(r, part[0], &part[1], &part[2], &part[3]);
}

static int compare_two(at_jrun *r, int op, const at_jvalue *a, const at_jvalue *b) {
    int ok, order;
    if (op == AT_JOP('=', '=') || op == AT_JOP('!', '=')) return at_jequal(a, b, 0) == (op == AT_JOP('=', '='));
    if (op == AT_JOP('i', 'n')) return at_jcontains(r, *b, *a);
    if (op == AT_JOP('n', 'i')) return !at_jcontains(r, *b, *a);
    order = at_jcompare(a, b, &ok);
    if (!ok && (a->type == AT_J_UNDEFINED || b->type == AT_J_UNDEFINED))
        return at_jfail(r, AT_BAD_DATA, "'%s' is undefined", a->type == AT_J_UNDEFINED ? a->text : b->text), 0;
    if (!ok) return at_jfail(r, AT_BAD_DATA, "%s and %s have no order", at_jtype_name(a), at_jtype_name(b)), 0;
    return op == '<' ? order < 0 : op == '>' ? order > 0 : op == AT_JOP('<', '=') ? order <= 0 : order >= 0;
}

/* a < b < c: every neighbour, up to the first that does not hold. */
static at_jvalue eval_compare(at_jrun *r, const at_jnode *n) {
    at_jvalue left = eval(r, n->kid[0]);
    for (int i = 0; i < n->n && !r->status; i++) {
        at_jvalue right = eval(r, n->list[i]->kid[0]);
        r->at = n->list[i];
        if (r->status || !compare_two(r, n->list[i]->op, &left, &right)) return at_jbool(0);
        left = right;
    }
    return at_jbool(1);
}

static at_jvalue concatenate(at_jrun *r, const at_jvalue *a, const at_jvalue *b) {
    at_str s = {.arena = &r->arena};
    at_jprint(r, &s, a);
    at_jprint(r, &s, b);
    return at_jtext_of(r, &s);
}

static at_jvalue eval_binary(at_jrun *r, const at_jnode *n) {
    at_jvalue a = eval(r, n->kid[0]), b = eval(r, n->kid[1]);
    if (r->status) return a;
    r->at = n;
    return n->op == '~' ? concatenate(r, &a, &b) : at_jarithmetic(r, n->op, a, b);
}

static at_jvalue eval_sign(at_jrun *r, const at_jnode *n) {
    at_jvalue v = eval(r, n->kid[0]);
    r->at = n;
    if (!r->status && v.type == AT_J_FLOAT && n->kind == AT_JN_MINUS) return at_jreal(-v.real); /* 0, too, has a sign */
    return r->status ? v : at_jarithmetic(r, n->kind == AT_JN_MINUS ? '-' : '+', at_jint(0), v);
}

static at_jvalue eval_choice(at_jrun *r, const at_jnode *n) {
    at_jvalue yes = eval(r, n->kid[0]);
    if (r->status) return yes;
    if (at_jtrue(&yes)) return eval(r, n->kid[1]);
    return n->kid[2] ? eval(r, n->kid[2]) : at_jundefined("the value of an inline if without else");
}

static at_jvalue eval_logic(at_jrun *r, const at_jnode *n) {
    at_jvalue left = eval(r, n->kid[0]);
    return r->status || at_jtrue(&left) == (n->kind == AT_JN_OR) ? left : eval(r, n->kid[1]);
}

static at_jvalue eval_node(at_jrun *r, const at_jnode *n) {
    at_jvalue a, b;
    switch (n->kind) {
    case AT_JN_CONST: return n->value;
    case AT_JN_NAME: return look_up(r, n);
    case AT_JN_LIST:
    case AT_JN_TUPLE: return eval_list(r, n);
    case AT_JN_DICT: return eval_dict(r, n);
    case AT_JN_ATTRIBUTE: a = eval(r, n->kid[0]);
        r->at = n;
        return r->status ? a : at_jattribute(r, a, n->value.text, n->value.len);
    case AT_JN_ITEM: a = eval(r, n->kid[0]);
        b = eval(r, n->kid[1]);
        r->at = n;
        return r->status ? a : at_jitem(r, a, b);
    case AT_JN_SLICE: return eval_slice(r, n);
    case AT_JN_CALL: return eval_call(r, n, NULL);
    case AT_JN_FILTER:
    case AT_JN_TEST: return eval_builtin(r, n);
    case AT_JN_BINARY: return eval_binary(r, n);
    case AT_JN_COMPARE: return eval_compare(r, n);
    case AT_JN_AND:
    case AT_JN_OR: return eval_logic(r, n);
    case AT_JN_NOT: a = eval(r, n->kid[0]); return at_jbool(!at_jtrue(&a));
    case AT_JN_MINUS:
    case AT_JN_PLUS: return eval_sign(r, n);
    case AT_JN_CHOICE: return eval_choice(r, n);
    default: return at_jfail(r, AT_BUG, "a statement stands for an expression");
    }
}

static at_jvalue eval(at_jrun *r, const at_jnode *n) {
    if (!enter(r, n)) return at_jundefined("");
    at_jvalue value = eval_node(r, n);
    r->depth--;
    return value;
}

/* ---- the whole ---- */

static at_status hand_over(at_jrun *r, at_arena *arena, at_jinja_text *out) {
    out->len = r->root.len;
    out->text = at_alloc(arena, r->root.len + 1, 1);
    out->n_spans = r->n_spans;
    out->span = AT_NEW_ARRAY(arena, at_jinja_span, r->n_spans);
    if (!out->text || !out->span) return at_fail_memory(r->err, r->root.len);
    if (r->root.len) memcpy(out->text, r->root.text, r->root.len);
    if (r->n_spans) memcpy(out->span, r->span, (size_t)r->n_spans * sizeof *out->span);
    return AT_OK;
}

at_status at_jinja_render(const at_jinja *jinja, const json_t *variables, const at_jinja_limits *limits, time_t now, at_arena *arena,
                          at_jinja_text *out, at_error *err) {
    at_jrun r = {.jinja = jinja, .limits = limits ? *limits : AT_JINJA_LIMITS, .now = now, .err = err};
    r.root.arena = &r.arena;
    r.out = &r.root;
    r.scope = push_scope(&r, NULL);
    *out = (at_jinja_text){0};
    if (r.scope) {
        at_jvalue given = at_jfrom_json(&r, variables);
        if (!r.status && given.type == AT_J_DICT) r.scope->names = *given.dict;
        if (!r.status) run(&r, jinja->body);
    }
    at_status st = r.status ? r.status : hand_over(&r, arena, out);
    at_arena_free(&r.arena);
    return st;
}
