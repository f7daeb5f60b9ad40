/* The data of embeddings: which columns they are, and how their rows become examples. */
#include "task/embed.h"

#include <math.h>
#include <string.h>

#include <xxhash.h>

#include "base/str.h"
#include "train/dataset_build.h"

/* ---- columns ---- */

static const char *const PAIRS[][2] = {{"anchor", "positive"},      {"query", "positive"},      {"question", "positive"},  {"text", "positive"},
                                       {"sentence1", "sentence2"},  {"sentence_a", "sentence_b"}, {"sentence_0", "sentence_1"}, {"text1", "text2"},
                                       {"text", "text2"},           {"text_a", "text_b"},       {"question1", "question2"}, {"premise", "hypothesis"},
                                       {"query", "answer"},         {"question", "answer"},     {"query", "passage"},      {"question", "passage"},
                                       {"query", "document"},       {"title", "abstract"},      {"query", "pos"},         {NULL, NULL}};
static const char *const SINGLES[] = {"text", "sentence", "message", "content", "review", "tweet", "utterance", "query", "question", "title", "document", NULL};
static const char *const NEGATIVES[] = {"negative", "negatives", "hard_negatives", "neg", "negative_1", "negative1", "hard_negative", "sentence3", "text3", "sentence_c", "sentence_2", NULL};
static const char *const LABELS[] = {"score", "similarity", "similarity_score", "relatedness_score", "label", "labels", "class", "category", "intent",
                                     "topic", "target", NULL};

static int by_name(const at_table *t, const char *const *names) {
    int found = -1;
    for (int i = 0; names[i] && found < 0; i++) found = at_table_column(t, names[i]);
    return found;
}

static int is_none(const char *name) { return name && !strcmp(name, "none"); }

static at_status named(const at_table *t, const char *name, int *index, at_error *err) {
    if (!name || is_none(name) || (*index = at_table_column(t, name)) >= 0) return AT_OK;
    at_arena scratch = {0};
    at_str list = {.arena = &scratch};
    for (int i = 0; i < t->n_columns; i++) at_str_addf(&list, "%s%s", i ? ", " : "", t->column[i]);
    const char *near = at_nearest(name, t->column, t->n_columns);
    at_fail(err, AT_USAGE, "%s: there is no column '%s'; the columns are %s.%s%s%s", t->path, name, list.text ? list.text : "none",
            near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
    at_arena_free(&scratch);
    return AT_USAGE;
}

int at_embed_names(const at_table *t) {
    int positive = at_table_column(t, "positive") >= 0;
    if (at_table_column(t, "query") >= 0 && at_table_column(t, "pos") >= 0) return 1;
    for (int i = 0; i < 4 && positive; i++)
        if (at_table_column(t, PAIRS[i][0]) >= 0) return 1;
    return 0;
}

static int is_taken(const at_embed_columns *c, int column) {
    for (int i = 0; i < AT_EMBED_TEXTS; i++)
        if (c->text[i] == column) return 1;
    return c->label == column;
}

static int is_number(at_cell cell) {
    double value;
    return cell.len && at_parse_double(cell.text, &value);
}

static int all_numbers(const at_table *t, int column) {
    for (int r = 0; r < t->n_rows; r++)
        if (!is_number(at_table_cell(t, r, column))) return 0;
    return t->n_rows > 0;
}

/* Cells that stand there twice or more often: classes, not texts. */
static int repeats(const at_table *t, int column, at_arena *arena) {
    size_t slots = 1, twice = 0;
    while (slots < 2 * (size_t)t->n_rows + 1) slots *= 2;
    uint64_t *seen = AT_NEW_ARRAY(arena, uint64_t, slots);
    for (int r = 0; seen && r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        uint64_t hash = XXH3_64bits(cell.text ? cell.text : "", cell.len) | 1;
        size_t at = hash & (slots - 1);
        while (seen[at] && seen[at] != hash) at = (at + 1) & (slots - 1);
        twice += seen[at] == hash;
        seen[at] = hash;
    }
    return 2 * twice > (size_t)t->n_rows;
}

static void find_pair(const at_table *t, at_embed_columns *c) {
    for (int i = 0; PAIRS[i][0] && c->text[0] < 0 && c->text[1] < 0; i++) {
        int first = at_table_column(t, PAIRS[i][0]), second = at_table_column(t, PAIRS[i][1]);
        if (first < 0 || second < 0) continue;
        c->text[0] = first;
        c->text[1] = second;
    }
}

static int free_column(const at_embed_columns *c, int column) { return column >= 0 && !is_taken(c, column) ? column : -1; }

/* Without names that are known, by the shape: a column of numbers or of a few words is the label, the others in their order are texts. */
static void find_by_shape(const at_table *t, int wants_label, int n_texts, at_arena *arena, at_embed_columns *c) {
    for (int i = t->n_columns - 1; i > 0 && c->label < 0 && wants_label; i--)
        if (!is_taken(c, i) && (all_numbers(t, i) || (t->n_columns == 2 && repeats(t, i, arena)))) c->label = i;
    for (int k = 0; k < n_texts; k++)
        for (int i = 0; i < t->n_columns && c->text[k] < 0; i++)
            if (!is_taken(c, i)) c->text[k] = i;
}

/* The first two texts: by their names in pairs, else one by its name, else by the shape. Who names the first alone has one. */
static void find_texts(const at_table *t, const at_columns *wanted, int wants_label, at_arena *arena, at_embed_columns *c) {
    int n_texts = wanted->text2 ? (is_none(wanted->text2) ? 1 : 2) : wanted->text ? 1 : 2, asked = wanted->text2 && n_texts == 2;
    if (!wanted->text && !wanted->text2) find_pair(t, c);
    if (c->text[0] < 0 && c->text[1] < 0 && (c->text[0] = free_column(c, by_name(t, SINGLES))) >= 0 && !asked) n_texts = 1;
    find_by_shape(t, wants_label, n_texts, arena, c);
}

static at_status check_columns(const at_table *t, const at_embed_columns *c, at_error *err) {
    if (c->text[0] < 0) return at_fail(err, AT_USAGE, "%s: no column holds a text; name it with --text-column", t->path);
    for (int i = 0; i < AT_EMBED_TEXTS; i++)
        for (int k = 0; k < i; k++)
            if (c->text[i] >= 0 && c->text[i] == c->text[k])
                return at_fail(err, AT_USAGE, "%s: column '%s' cannot be two texts of a row at once", t->path, t->column[c->text[i]]);
    for (int i = 0; i < c->n_texts; i++)
        if (c->label >= 0 && c->text[i] == c->label)
            return at_fail(err, AT_USAGE, "%s: column '%s' cannot be both text and label", t->path, t->column[c->label]);
    return AT_OK;
}

const char *at_embed_shape(const at_embed_columns *c) {
    if (c->n_texts == 3) return "triplets";
    if (c->n_texts == 2) return c->label >= 0 ? "pairs with a score" : "pairs";
    return c->label >= 0 ? "labelled texts" : "texts";
}

/* ---- lists of texts (JSONL) ---- */

static int is_list(const at_table *t, int row, int column) {
    return t->is_json && t->is_json[(size_t)row * (size_t)t->n_columns + (size_t)column] && *at_table_cell(t, row, column).text == '[';
}

int at_embed_has_lists(const at_table *t, int column) {
    for (int r = 0; column >= 0 && r < t->n_rows; r++)
        if (is_list(t, r, column)) return 1;
    return 0;
}

static at_status refuse_list(const at_table *t, int row, int column, size_t n, at_error *err) {
    return at_fail(err, AT_BAD_DATA, "%s:%u: '%s' is a list of %zu texts; a row has one of this kind, only of those that are not alike may be several: write a "
                   "row for each", t->path, (unsigned)t->line[row], t->column[column], n);
}

at_status at_embed_cell_texts(const at_table *t, int row, int column, int may_be_many, at_arena *arena, at_cell **text, int *n, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    size_t i;
    json_t *item, *list = is_list(t, row, column) ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
    *text = AT_NEW_ARRAY(arena, at_cell, json_array_size(list) + 1);
    *n = list ? (int)json_array_size(list) : !may_be_many || cell.len > 0;
    at_status st = *text ? AT_OK : at_fail_memory(err, cell.len);
    if (!st && !list) **text = cell;
    if (!st && list && !may_be_many && *n != 1) st = refuse_list(t, row, column, (size_t)*n, err);
    json_array_foreach(list, i, item) {
        if (st) break;
        size_t len = json_string_length(item);
        (*text)[i] = (at_cell){at_strndup(arena, json_is_string(item) ? json_string_value(item) : "", len), (uint32_t)len};
        if (!(*text)[i].text) st = at_fail_memory(err, len);
        else if (at_cell_is_blank((*text)[i]))
            st = at_fail(err, AT_BAD_DATA, "%s:%u: text %zu of the list '%s' is %s", t->path, (unsigned)t->line[row], i + 1, t->column[column],
                         json_is_string(item) ? "empty" : "not a text");
    }
    json_decref(list);
    return st;
}

/* " (240 texts in lists)", or nothing. */
static void say_lists(const at_table *t, int column, at_str *to) {
    long n = 0;
    if (!at_embed_has_lists(t, column)) return;
    for (int r = 0; r < t->n_rows; r++) {
        at_arena scratch = {0};
        at_cell *text;
        int here;
        if (!at_embed_cell_texts(t, r, column, 1, &scratch, &text, &here, NULL)) n += here;
        at_arena_free(&scratch);
    }
    at_str_addf(to, " (%ld texts in lists)", n);
}

static const char *say(const at_table *t, const at_embed_columns *c, at_arena *arena) {
    at_str s = {.arena = arena};
    at_str_addf(&s, "%s from '%s'", at_embed_shape(c), t->column[c->text[0]]);
    for (int i = 1; i < c->n_texts; i++) at_str_addf(&s, "%s'%s'", i + 1 < c->n_texts ? ", " : " and ", t->column[c->text[i]]);
    if (c->n_texts == 3) say_lists(t, c->text[2], &s);
    if (c->label >= 0) at_str_addf(&s, ", %s from '%s'", c->n_texts == 2 ? "scores" : "labels", t->column[c->label]);
    return s.failed ? NULL : s.text;
}

at_status at_embed_find(const at_table *t, const at_columns *wanted, const char *negative, int need_label, at_arena *arena, at_embed_columns *c,
                        const char **why, at_error *err) {
    static const at_columns NONE = {0};
    if (!wanted) wanted = &NONE;
    *c = (at_embed_columns){.text = {-1, -1, -1}, .label = -1};
    const char *const names[AT_EMBED_TEXTS] = {wanted->text, wanted->text2, negative};
    for (int i = 0; i < AT_EMBED_TEXTS; i++) AT_TRY(named(t, names[i], &c->text[i], err));
    AT_TRY(named(t, wanted->label, &c->label, err));
    int wants_label = need_label && !is_none(wanted->label);
    if (wants_label && c->label < 0) c->label = free_column(c, by_name(t, LABELS));
    find_texts(t, wanted, wants_label, arena, c);
    if (c->text[1] >= 0 && !is_none(negative) && c->text[2] < 0) {
        c->text[2] = free_column(c, by_name(t, NEGATIVES));
        if (c->text[2] < 0 && c->label < 0 && !t->has_header && t->n_columns == 3) c->text[2] = 2; /* three columns of texts */
    }
    c->n_texts = c->text[1] < 0 ? 1 : c->text[2] < 0 ? 2 : 3;
    if (c->n_texts == 3) c->label = -1; /* the order of the three says all */
    AT_TRY(check_columns(t, c, err));
    if (why) *why = say(t, c, arena);
    return why && !*why ? at_fail_memory(err, 0) : AT_OK;
}

const char *at_embed_if_there(const at_table *t, const char *name) {
    return name && (is_none(name) || at_table_column(t, name) >= 0) ? name : NULL;
}

at_status at_embed_refuse_texts(const at_table *t, at_error *err) {
    return at_fail(err, AT_USAGE, "%s: embeddings are learned from pairs of texts (anchor, positive), pairs with a score, triplets (anchor, positive, "
                   "negative) or texts with labels; there is one text and nothing beside it. Columns are named with --text-column, --text2-column, "
                   "--negative-column and --label-column", t->path);
}

at_status at_embed_refuse_constant(const at_table *t, int column, at_error *err) {
    at_cell first = t->n_rows ? at_table_cell(t, 0, column) : (at_cell){0};
    for (int r = 1; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        if (cell.len != first.len || (cell.len && memcmp(cell.text, first.text, cell.len))) return AT_OK;
    }
    if (t->n_rows < 2) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s: every pair has the same score (column '%s'); there is nothing to learn from it. Pairs that belong together are "
                   "learned with --label-column none", t->path, t->column[column]);
}

at_status at_embed_measure(const at_table *t, int column, at_embedding *e, at_error *err) {
    double low = INFINITY, high = -INFINITY, value;
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_column_number(t, r, column, &value, err));
        low = fmin(low, value);
        high = fmax(high, value);
    }
    int cosines = low >= -1 && high <= 1;
    e->low = cosines || low >= 0 ? 0 : low;
    e->high = cosines || !(high > e->low) ? 1 : high;
    return AT_OK;
}

/* ---- examples ---- */

/* One kind of texts of all rows: a column of the table, or what its lists hold. */
typedef struct kind {
    const at_table *table;
    int column;
    at_table own;
    uint32_t *at;      /* [rows + 1] of `own`; NULL: one a row */
    at_dataset *data;
} kind;

static uint32_t first_of(const kind *k, int row) { return k->at ? k->at[row] : (uint32_t)row; }

static at_status check_texts(const at_table *t, int column, at_error *err) {
    for (int r = 0; r < t->n_rows; r++)
        if (at_cell_is_blank(at_table_cell(t, r, column)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: the text (column '%s') is empty; fill it in or remove the row", t->path, (unsigned)t->line[r],
                           t->column[column]);
    return AT_OK;
}

/* The texts of all lists as a table of one column. */
static at_status spread(const at_table *t, int column, int may_be_many, at_arena *arena, kind *k, at_error *err) {
    at_cell **text = AT_NEW_ARRAY(arena, at_cell *, t->n_rows);
    uint64_t total = 0;
    k->at = AT_NEW_ARRAY(arena, uint32_t, t->n_rows + 1);
    if (!text || !k->at) return at_fail_memory(err, (size_t)t->n_rows * sizeof *text);
    for (int r = 0; r < t->n_rows; r++) {
        int n;
        AT_TRY(at_embed_cell_texts(t, r, column, may_be_many, arena, &text[r], &n, err));
        if ((total += (uint64_t)n) > INT32_MAX) return at_fail(err, AT_BAD_DATA, "%s: more texts than can be counted", t->path);
        k->at[r + 1] = (uint32_t)total;
    }
    k->own = (at_table){.path = t->path, .format = t->format, .column = t->column + column, .n_columns = 1, .n_rows = (int)total};
    k->own.cells = AT_NEW_ARRAY(arena, at_cell, total);
    k->own.line = AT_NEW_ARRAY(arena, uint32_t, total);
    if (!k->own.cells || !k->own.line) return at_fail_memory(err, total * sizeof *k->own.cells);
    for (int r = 0; r < t->n_rows; r++)
        for (uint32_t i = k->at[r]; i < k->at[r + 1]; i++) {
            k->own.cells[i] = text[r][i - k->at[r]];
            k->own.line[i] = t->line[r];
        }
    k->table = &k->own;
    k->column = 0;
    return AT_OK;
}

/* Texts of one row after each other, from one dataset a kind. */
static at_status lay_together(const kind *k, int n_kinds, const at_table *t, at_dataset *d, at_error *err) {
    int e = 0;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    if (!d->row) return at_fail_memory(err, (size_t)d->n * sizeof *d->row);
    d->max_tokens = k[0].data->max_tokens;
    for (int i = 0; i < n_kinds; i++) {
        d->n_cut_examples += k[i].data->n_cut_examples;
        d->n_cut_tokens += k[i].data->n_cut_tokens;
    }
    for (int r = 0; r < t->n_rows; r++)
        for (int i = 0; i < n_kinds; i++)
            for (uint32_t x = first_of(&k[i], r); x < first_of(&k[i], r + 1); x++, e++) {
                const at_dataset *from = k[i].data;
                int len = at_dataset_length(from, (int)x);
                d->row[e] = (uint32_t)r;
                d->line[e] = t->line[r];
                d->token_at[e + 1] = d->token_at[e] + (uint64_t)len;
                AT_TRY(at_dataset_add_tokens(d, from->ids + from->token_at[x], from->types + from->token_at[x], (size_t)len, err));
            }
    d->draw = AT_DRAW_ROWS;
    return at_dataset_seal(d, err);
}

static at_status encode_kinds(kind *k, int n_kinds, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, at_long how, at_pool *pool,
                              at_dataset **dataset, at_error *err) {
    uint64_t total = 0;
    at_status st = AT_OK;
    for (int i = 0; i < n_kinds && !st; i++) {
        st = at_dataset_encode_long(k[i].table, k[i].column, -1, tokenizer, max_tokens, how, pool, &k[i].data, err);
        total += first_of(&k[i], t->n_rows);
    }
    if (!st && total > INT32_MAX) st = at_fail(err, AT_BAD_DATA, "%s: more texts than can be counted", t->path);
    if (!st) st = at_dataset_new(t->path, (int)total, dataset, err);
    if (!st) st = lay_together(k, n_kinds, t, *dataset, err);
    for (int i = 0; i < n_kinds; i++) at_dataset_close(k[i].data);
    return st;
}

static at_status encode_texts(const at_table *t, const at_embed_columns *c, int need_texts, const at_tokenizer *tokenizer, int max_tokens, at_long how,
                              at_pool *pool, at_dataset **dataset, at_error *err) {
    at_arena scratch = {.mapped = 1};
    kind k[AT_EMBED_TEXTS] = {{0}};
    at_status st = AT_OK;
    for (int i = 0; i < c->n_texts && !st; i++) {
        k[i] = (kind){.table = t, .column = c->text[i]};
        int lists = at_embed_has_lists(t, c->text[i]), many = lists && i == 2; /* of which there may be none */
        if (need_texts && !many) st = check_texts(t, c->text[i], err);
        if (!st && lists) st = spread(t, c->text[i], many, &scratch, &k[i], err);
    }
    if (!st && c->n_texts == 1) st = at_dataset_encode_long(k->table, k->column, -1, tokenizer, max_tokens, how, pool, dataset, err);
    else if (!st) st = encode_kinds(k, c->n_texts, t, tokenizer, max_tokens, how, pool, dataset, err);
    at_arena_free(&scratch);
    return st;
}

/* The score of a pair stands at its first text. */
static at_status fill_scores(const at_table *t, int column, at_embedding *given, at_dataset *d, at_error *err) {
    at_embedding own = *given, *unit = &own;
    if (!(own.low < 0) && !(own.high > 1)) AT_TRY(at_embed_measure(t, column, unit, err));
    given->shown_low = unit->low;
    given->shown_high = unit->high;
    d->target_width = 1;
    d->target = AT_NEW_ARRAY(&d->arena, float, d->n);
    if (!d->target) return at_fail_memory(err, (size_t)d->n * sizeof *d->target);
    for (int e = 0; e < d->n; e++) {
        double value;
        AT_TRY(at_column_number(t, (int)d->row[e], column, &value, err));
        d->target[e] = (float)((value - unit->low) / (unit->high - unit->low));
    }
    return AT_OK;
}

/* Classes are numbered as they come; only whether two are the same matters. */
static at_status fill_labels(const at_table *t, int column, at_dataset *d, at_error *err) {
    at_arena scratch = {0};
    size_t slots = 1;
    while (slots < 2 * (size_t)d->n + 1) slots *= 2;
    struct slot { uint64_t hash; int32_t id; } *slot = at_alloc(&scratch, slots, sizeof *slot);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, d->n);
    at_status st = slot && d->label ? AT_OK : at_fail_memory(err, slots * sizeof *slot);
    int32_t n = 0;
    for (int r = 0; r < d->n && !st; r++) {
        at_cell cell = at_table_cell(t, r, column);
        if (at_cell_is_blank(cell))
            st = at_fail(err, AT_BAD_DATA, "%s:%u: the label (column '%s') is empty; fill it in or remove the row", t->path, (unsigned)t->line[r],
                         t->column[column]);
        uint64_t hash = XXH3_64bits(cell.text ? cell.text : "", cell.len) | 1;
        size_t at = hash & (slots - 1);
        while (slot[at].hash && slot[at].hash != hash) at = (at + 1) & (slots - 1);
        if (!slot[at].hash) slot[at] = (struct slot){hash, n++};
        d->label[r] = slot[at].id;
    }
    d->draw = AT_DRAW_LABELS;
    at_arena_free(&scratch);
    return st;
}

at_status at_embed_encode(const at_table *t, const at_embed_columns *c, at_embedding *unit, const at_tokenizer *tokenizer, int max_tokens, at_long how,
                          at_pool *pool, at_dataset **dataset, at_error *err) {
    *dataset = NULL;
    if (how == AT_LONG_WINDOW) return at_fail(err, AT_USAGE, "--long window: a text has one vector; it can lose its end, its beginning or its middle");
    at_status st = encode_texts(t, c, unit != NULL, tokenizer, max_tokens, how, pool, dataset, err);
    if (!st && unit && c->label >= 0)
        st = c->n_texts == 2 ? fill_scores(t, c->label, unit, *dataset, err) : fill_labels(t, c->label, *dataset, err);
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}
