/* Private to the jinja files: values, as Python has them. They live in the arena of one rendering (constants in that of the template) and
 * are never changed once made, but for namespaces. Texts are UTF-8; what is counted in a text is code points. */
#ifndef AT_TEXT_JINJA_VALUE_H
#define AT_TEXT_JINJA_VALUE_H

#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "text/jinja.h"

typedef struct at_jnode at_jnode;
typedef struct at_jrun at_jrun;
typedef struct at_jvalue at_jvalue;

typedef enum at_jtype {
    AT_J_UNDEFINED, /* text: what was asked for */
    AT_J_NONE, AT_J_BOOL, AT_J_INT, AT_J_FLOAT, AT_J_STRING, AT_J_LIST, AT_J_TUPLE,
    AT_J_STREAM, /* what map, select and their like give: a list to be walked once */
    AT_J_DICT, AT_J_NAMESPACE, AT_J_MACRO, AT_J_LOOP, AT_J_METHOD
} at_jtype;

typedef struct at_jlist at_jlist;
typedef struct at_jdict at_jdict;
typedef struct at_jmacro at_jmacro;
typedef struct at_jloop at_jloop;
typedef struct at_jmethod at_jmethod;

struct at_jvalue {
    at_jtype type;
    union {
        int64_t integer; /* INT; BOOL: 0 or 1 */
        double real;
        struct {
            const char *text;
            size_t len;
        };
        at_jlist *list;  /* LIST, TUPLE, STREAM */
        at_jdict *dict;  /* DICT, NAMESPACE */
        const at_jmacro *macro;
        at_jloop *loop;
        const at_jmethod *method;
    };
};

struct at_jlist {
    at_jvalue *item;
    int n, cap;
};

struct at_jdict { /* in the order of first insertion; looked up one by one */
    at_jvalue *key, *value;
    int n, cap;
};

typedef struct at_jscope {
    struct at_jscope *parent;
    at_jdict names;
} at_jscope;

struct at_jmacro {
    const at_jnode *node;
    at_jscope *scope; /* where it was defined */
    const at_jmacro *caller; /* what caller() means in the body of a call block */
};

struct at_jloop {
    at_jlist *items;
    int index; /* from 0 */
    at_jvalue changed;
    int has_changed;
};

/* Arguments of a call. */
typedef struct at_jargs {
    at_jvalue *item; /* positional */
    int n;
    at_jdict named;
} at_jargs;

/* A filter, test, method or function. spec names its parameters, separated by blanks ("value default"); those from `least` on may be
 * missing, their slot is then NULL. "*": it takes what it gets. NULL as `call`: known to Jinja and not supported here. */
enum { AT_JSLOTS = 6 };
struct at_jbuiltin {
    const char *name, *spec;
    int least;
    at_jvalue (*call)(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, const at_jargs *args);
};
typedef struct at_jbuiltin at_jbuiltin;

struct at_jmethod {
    at_jvalue self;
    const at_jbuiltin *builtin;
};

typedef enum at_jflow { AT_JFLOW_ON, AT_JFLOW_BREAK, AT_JFLOW_CONTINUE } at_jflow;

/* One rendering. */
struct at_jrun {
    const at_jinja *jinja;
    const at_jnode *at; /* where it is, for errors */
    at_arena arena;
    at_jinja_limits limits;
    long steps;
    int depth;
    at_jflow flow;
    at_jscope *scope;
    at_str *out;
    at_str root;       /* the output itself */
    at_jvalue input;   /* of a filter over a block */
    time_t now;
    at_jinja_span *span;
    int n_spans, cap_spans;
    at_status status;
    at_error *err;
};

/* Fails once (the first error stays) and gives undefined. */
at_jvalue at_jfail(at_jrun *r, at_status code, const char *fmt, ...) AT_PRINTF(3, 4);
/* Counts work; 0 where a limit is passed, and the run has failed. */
int at_jcharge(at_jrun *r, size_t work);

/* ---- making ---- */
static inline at_jvalue at_jundefined(const char *what) { return (at_jvalue){.type = AT_J_UNDEFINED, .text = what, .len = 0}; }
static inline at_jvalue at_jnone(void) { return (at_jvalue){.type = AT_J_NONE}; }
static inline at_jvalue at_jbool(int v) { return (at_jvalue){.type = AT_J_BOOL, .integer = v != 0}; }
static inline at_jvalue at_jint(int64_t v) { return (at_jvalue){.type = AT_J_INT, .integer = v}; }
static inline at_jvalue at_jreal(double v) { return (at_jvalue){.type = AT_J_FLOAT, .real = v}; }
static inline at_jvalue at_jtext(const char *text, size_t len) { return (at_jvalue){.type = AT_J_STRING, .text = text, .len = len}; }
at_jvalue at_jtext_of(at_jrun *r, const at_str *s); /* what a builder holds */
at_jvalue at_jlist_new(at_jrun *r, at_jtype type, int cap);
void at_jlist_add(at_jrun *r, at_jlist *list, at_jvalue item);
at_jvalue at_jdict_new(at_jrun *r);
void at_jdict_set(at_jrun *r, at_jdict *dict, at_jvalue key, at_jvalue value);
const at_jvalue *at_jdict_get(const at_jdict *dict, at_jvalue key); /* or NULL */
const at_jvalue *at_jdict_find(const at_jdict *dict, const char *key);
at_jvalue at_jfrom_json(at_jrun *r, const json_t *json);

/* ---- asking ---- */
int at_jtrue(const at_jvalue *v);
int at_jequal(const at_jvalue *a, const at_jvalue *b, int depth);
/* -1, 0, 1; *ok is 0 where the two have no order. */
int at_jcompare(const at_jvalue *a, const at_jvalue *b, int *ok);
const char *at_jtype_name(const at_jvalue *v); /* "a text" */
int at_jis_number(const at_jvalue *v);         /* INT, BOOL, FLOAT */
int at_jis_whole(const at_jvalue *v);          /* INT, BOOL */
double at_jnumber(const at_jvalue *v);
/* The items of what can be walked: lists, the keys of a dict, the characters of a text, nothing of undefined. A stream is empty after it.
 * NULL where it cannot, and the run has failed. */
at_jlist *at_jitems(at_jrun *r, const at_jvalue *v);
int at_jlength(const at_jvalue *v); /* -1: it has none */
size_t at_jtext_length(const char *text, size_t len);              /* in characters */
const char *at_jtext_at(const char *text, size_t len, size_t n);   /* where character n begins; its end where there is none */

/* Where the text `word` stands first in `text`, or NULL. */
const char *at_jfind(at_jrun *r, const char *text, size_t len, const char *word, size_t word_len);
/* The text with its letters changed: 'u'pper, 'l'ower, 's'wapped, 't'itle (each word's first upper), 'c'apitalised. */
at_jvalue at_jcase(at_jrun *r, at_jvalue text, char how);
/* Without the characters of `chars` (NULL: white space) at its ends; sides: 1 left, 2 right, 3 both. */
at_jvalue at_jstrip(at_jvalue text, const at_jvalue *chars, int sides);
at_jvalue at_jreplace(at_jrun *r, at_jvalue text, at_jvalue old, at_jvalue by, int64_t most); /* most < 0: all */
at_jvalue at_jsplitlines(at_jrun *r, at_jvalue text);
size_t at_jspace_at(const char *p, size_t left); /* bytes of the white space at p, or 0 */

/* ---- words ---- */
void at_jprint(at_jrun *r, at_str *to, const at_jvalue *v);                 /* str(v) */
void at_jrepr(at_jrun *r, at_str *to, const at_jvalue *v, int depth);       /* repr(v) */
at_jvalue at_jstring(at_jrun *r, const at_jvalue *v);                       /* str(v); texts are given back as they are */
/* json.dumps(v, indent); indent NULL: on one line. */
typedef struct at_jjson {
    const char *indent;
    const char *item_separator, *key_separator;
    int ascii, sort;
} at_jjson;
void at_jtojson(at_jrun *r, at_str *to, const at_jvalue *v, const at_jjson *form, int depth);
void at_jadd(at_jrun *r, at_str *to, const char *text, size_t len);         /* within the limits */

/* ---- doing (jinja_run.c) ---- */
at_jvalue at_jcall(at_jrun *r, at_jvalue callee, const at_jargs *args);
at_jvalue at_jcall_builtin(at_jrun *r, const at_jbuiltin *builtin, at_jvalue self, const at_jargs *args);
at_jvalue at_jattribute(at_jrun *r, at_jvalue of, const char *name, size_t len); /* of.name */
at_jvalue at_jitem(at_jrun *r, at_jvalue of, at_jvalue index);                   /* of[index] */
at_jvalue at_jslice(at_jrun *r, at_jvalue of, const at_jvalue *begin, const at_jvalue *end, const at_jvalue *step);
int at_jcontains(at_jrun *r, at_jvalue of, at_jvalue item);
at_jvalue at_jarithmetic(at_jrun *r, int op, at_jvalue a, at_jvalue b);          /* jinja_number.c */
at_jvalue at_jformat_percent(at_jrun *r, at_jvalue form, const at_jargs *args);  /* form % args */

/* ---- tables ---- */
const at_jbuiltin *at_jfilter_find(const char *name, size_t len);
const at_jbuiltin *at_jtest_find(const char *name, size_t len);
const at_jbuiltin *at_jfunction_find(const char *name, size_t len);
const at_jbuiltin *at_jmethod_find(at_jtype of, const char *name, size_t len);
int at_jtest_true(at_jrun *r, const at_jbuiltin *test, at_jvalue self, const at_jargs *args);

#endif
