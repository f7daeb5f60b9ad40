/* Private to the jinja files: tokens and the tree that they become. */
#ifndef AT_TEXT_JINJA_TREE_H
#define AT_TEXT_JINJA_TREE_H

#include "base/arena.h"
#include "base/str.h"
#include "text/jinja_value.h"

/* ---- tokens (jinja_lex.c) ---- */

typedef enum at_jtoken_type {
    AT_JT_TEXT, AT_JT_PRINT_BEGIN, AT_JT_PRINT_END, AT_JT_BLOCK_BEGIN, AT_JT_BLOCK_END, AT_JT_NAME, AT_JT_STRING, AT_JT_INT, AT_JT_FLOAT,
    AT_JT_OPERATOR, AT_JT_END
} at_jtoken_type;

typedef struct at_jtoken {
    at_jtoken_type type;
    uint32_t at; /* byte of the source */
    const char *text;
    size_t len;
    int64_t integer;
    double real;
} at_jtoken;

/* An operator's token as a number: its character, or AT_JOP('=', '=') */
#define AT_JOP(a, b) ((a) | (b) << 8)

typedef struct at_jsource {
    const char *name, *text; /* line ends are \n */
    size_t len;
} at_jsource;

/* The tokens of a source, the last one AT_JT_END. */
at_status at_jinja_lex(at_arena *arena, const at_jsource *source, at_jtoken **tokens, int *n, at_error *err);
/* "name:line:column: " and the sentence. */
at_status at_jinja_fail(const at_jsource *source, size_t at, at_error *err, at_status code, const char *fmt, ...) AT_PRINTF(5, 6);

/* ---- the tree (jinja_parse.c, jinja_expression.c) ---- */

typedef enum at_jkind {
    /* Expressions: kid[0] .. are operands, list what there are any number of. */
    AT_JN_CONST,      /* value */
    AT_JN_NAME,       /* value: its text */
    AT_JN_LIST, AT_JN_TUPLE,
    AT_JN_DICT,       /* list: key, value, key, value ... */
    AT_JN_ATTRIBUTE,  /* kid[0] . value */
    AT_JN_ITEM,       /* kid[0] [ kid[1] ] */
    AT_JN_SLICE,      /* kid[0] [ kid[1] : kid[2] : kid[3] ], each of the last three may be NULL */
    AT_JN_CALL,       /* kid[0] ( list ) */
    AT_JN_FILTER,     /* kid[0] | builtin ( list ); kid[0] NULL: the text of the block; value: its name; builtin NULL, or without a call: at_jnode_lacks */
    AT_JN_TEST,       /* kid[0] is builtin ( list ); value, builtin: as of a filter */
    AT_JN_BINARY,     /* kid[0] op kid[1] */
    AT_JN_COMPARE,    /* kid[0], then list: AT_JN_OPERAND op kid[0] */
    AT_JN_OPERAND,
    AT_JN_AND, AT_JN_OR, AT_JN_NOT, AT_JN_MINUS, AT_JN_PLUS,
    AT_JN_CHOICE,     /* kid[1] if kid[0] else kid[2] (may be NULL) */
    AT_JN_KEYWORD,    /* an argument: value = kid[0] */
    AT_JN_SPREAD,     /* an argument: *kid[0]; op 1: **kid[0] */
    AT_JN_FIELD,      /* a target of set: kid[0] (a name) . value */
    /* Statements */
    AT_JN_TEXT,       /* value */
    AT_JN_PRINT,      /* kid[0] */
    AT_JN_BLOCK,      /* list */
    AT_JN_IF,         /* kid[0], body kid[1], else kid[2] (may be NULL) */
    AT_JN_FOR,        /* kid[0] in kid[1], only where kid[2] (may be NULL), body kid[3], else kid[4] (may be NULL) */
    AT_JN_SET,        /* kid[0] = kid[1] */
    AT_JN_SET_BLOCK,  /* kid[0] = kid[2] through the filters kid[1] (may be NULL) */
    AT_JN_MACRO,      /* value: name; list: parameters, AT_JN_NAME with its default in kid[0]; body kid[0]; uses */
    AT_JN_CALL_BLOCK, /* kid[0] the call, kid[1] the body as a macro */
    AT_JN_FILTER_BLOCK, /* kid[0] the filters, kid[1] the body */
    AT_JN_WITH,       /* list: target, value, ...; body kid[0] */
    AT_JN_GENERATION, /* kid[0] */
    AT_JN_BREAK, AT_JN_CONTINUE
} at_jkind;

enum { AT_JUSES_CALLER = 1, AT_JUSES_VARARGS = 2, AT_JUSES_KWARGS = 4 };

struct at_jnode {
    at_jkind kind;
    uint32_t at; /* byte of the source */
    int depth;   /* of the tree below */
    int op;      /* AT_JOP; of CMP "in" and "ni" (not in) */
    int uses;    /* of a macro */
    at_jvalue value;
    const at_jbuiltin *builtin;
    at_jnode *kid[5];
    at_jnode **list;
    int n;
};

typedef struct at_jparser {
    at_arena *arena;
    const at_jsource *source;
    const at_jtoken *token; /* the current one; the last is AT_JT_END */
    int nesting, loops, uses;
    int in_macro;
    at_status status;
    at_error *err;
} at_jparser;

/* NULL once the parser has failed; so every call may be made without a look. */
at_jnode *at_jparse_node(at_jparser *p, at_jkind kind, size_t at);
void at_jparse_kid(at_jparser *p, at_jnode *node, int i, at_jnode *kid);
void at_jparse_add(at_jparser *p, at_jnode *node, at_jnode *item); /* to its list */
void *at_jparse_fail(at_jparser *p, size_t at, const char *fmt, ...) AT_PRINTF(3, 4); /* returns NULL */
int at_jparse_is(const at_jparser *p, int op);           /* the current token is this operator */
int at_jparse_is_name(const at_jparser *p, const char *name);
int at_jparse_take(at_jparser *p, int op);               /* and steps over it */
int at_jparse_take_name(at_jparser *p, const char *name);
void at_jparse_expect(at_jparser *p, int op);

at_jnode *at_jparse_expression(at_jparser *p, int with_choice);
at_jnode *at_jparse_tuple(at_jparser *p, int with_choice);     /* an expression, or several with commas between */
at_jnode *at_jparse_target(at_jparser *p, int with_fields);    /* what can be assigned to */
at_jnode *at_jparse_filters(at_jparser *p, at_jnode *input, int inline_first); /* | name (...) | name ... */
/* Whether it is a filter or a test that there is not here; words: the sentence. */
int at_jnode_lacks(const at_jnode *n, char words[96]);
at_jnode *at_jparse_body(at_jparser *p);                       /* the whole template */

struct at_jinja {
    at_jsource source;
    at_jnode *body;
};

#endif
