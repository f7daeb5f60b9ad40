/* Families against tasks: each cell trains a step of the task on the family's small golden model, judges the saved folder, opens and saves
 * it once more (the same bytes) and exports it as ONNX. What came of it is written to docs/matrix.md by this program alone: where that
 * file says otherwise the test fails, and ATTUNE_WRITE_MATRIX=1 writes it anew. A family or a task that is new is a row or a column
 * without being asked. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "model/family.h"
#include "run/settings.h"
#include "task/tasks.h"

enum { MOST_FAMILIES = 64, MOST_TASKS = 16, MOST_NOTES = 32 };

typedef struct cell {
    const char *family, *task;
    int note;             /* refused, by the note of this number (from 1) */
    int onnx_note;        /* the same of ONNX alone */
    int done;
} cell;

static cell cells[MOST_FAMILIES * MOST_TASKS];
static char notes[MOST_NOTES][512];
static int n_notes, n_families, n_tasks;
static char folder[256];

static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) { check_write(in_folder(name), text, strlen(text)); }

/* ---- data: a few rows of every task, in letters ---- */

static const struct {
    const char *task, *file, *text;
} DATA[] = {
    {"classify", "classify.csv", "text,label\na b,x\nc d e,y\nf g,x\nh i j,y\nk l,x\nm n o,y\np q,x\nr s t,y\n"},
    {"regress", "regress.csv", "text,score\na b,0.5\nc d e,1.5\nf g,0.25\nh i j,2.5\nk l,0.75\nm n o,1.25\np q,0.1\nr s t,2\n"},
    {"multi-label", "multi.csv", "text,warm,wet\na b,1,0\nc d e,0,1\nf g,1,1\nh i j,0,0\nk l,1,0\nm n o,0,1\np q,1,1\nr s t,0,1\n"},
    {"tag", "tag.conll", "a O\nb B-P\n\nc O\nd B-P\ne I-P\n\nf B-P\ng O\n\nh O\ni B-P\n\nk O\nl O\n\nm B-P\nn I-P\n\n"},
    {"mask", "mask.txt", "a b c d e\nf g h i j\nk l m n o\np q r s t\nu v w x y\na c e g i\nb d f h j\nk m o q s\n"},
    {"language", "language.txt", "a b c d e\nf g h i j\nk l m n o\np q r s t\nu v w x y\na c e g i\nb d f h j\nk m o q s\n"},
    {"answer", "answer.json",
     "{\"version\": \"1.1\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": \"a b c d e f\", \"qas\": ["
                              "{\"id\": \"1\", \"question\": \"g h\", \"answers\": [{\"text\": \"c\", \"answer_start\": 4}]},"
                              "{\"id\": \"2\", \"question\": \"i j\", \"answers\": [{\"text\": \"a b\", \"answer_start\": 0}]},"
                              "{\"id\": \"3\", \"question\": \"k l\", \"answers\": [{\"text\": \"f\", \"answer_start\": 10}]},"
                              "{\"id\": \"4\", \"question\": \"m n\", \"answers\": [{\"text\": \"d e\", \"answer_start\": 6}]}]}]}]}"},
    {"write", "write.csv", "source,target\na b c,a b\nd e,d\nf g h,g h\ni j,j\nk l m,m\nn o,n o\np q,q\nr s t,r s\n"},
    {"embed", "embed.csv", "sentence1,sentence2,score\na b,a c,0.9\nd e,f g,0.1\nh i,h j,0.8\nk l,m n,0.2\no p,o q,0.7\nr s,t u,0.3\n"},
};
enum { N_DATA = sizeof DATA / sizeof *DATA };

static const char *data_of(const char *task) {
    for (int i = 0; i < N_DATA; i++)
        if (!strcmp(DATA[i].task, task)) return in_folder(DATA[i].file);
    fail_msg("there are no rows for the task '%s' in tests/cli/test_matrix.c", task);
    return NULL;
}

/* [CLS] A [SEP] B [SEP] over the 31 tokens that the small models know; a second text has the type 1 only where a model tells types apart.
 * */
static void write_tokenizer(int types) {
    at_arena arena = {0};
    at_str s = {.arena = &arena};
    static const char *const SPECIAL[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    at_str_add(&s, "{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[");
    for (int i = 0; i < 5; i++) at_str_addf(&s, "%s{\"id\":%d,\"content\":\"%s\",\"special\":true}", i ? "," : "", i, SPECIAL[i]);
    at_str_add(&s, "],\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{");
    for (int i = 0; i < 5; i++) at_str_addf(&s, "\"%s\":%d,", SPECIAL[i], i);
    for (int i = 0; i < 26; i++) at_str_addf(&s, "%s\"%c\":%d", i ? "," : "", 'a' + i, 5 + i);
    at_str_add(&s, "}},\"post_processor\":{\"type\":\"TemplateProcessing\",\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\","
                   "\"ids\":[2],\"tokens\":[\"[CLS]\"]},"
                   "\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],\"tokens\":[\"[SEP]\"]}},");
    static const char FIRST[] = "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                                "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}";
    at_str_addf(&s, "\"single\":[%s],\"pair\":[%s,{\"Sequence\":{\"id\":\"B\",\"type_id\":%d}},{\"SpecialToken\":{\"id\":\"[SEP]\","
                    "\"type_id\":%d}}]}}", FIRST, FIRST, types > 1,
                types > 1);
    write_text("family/tokenizer.json", s.text);
    write_text("family/tokenizer_config.json",
               "{\"pad_token\":\"[PAD]\",\"unk_token\":\"[UNK]\",\"cls_token\":\"[CLS]\",\"sep_token\":\"[SEP]\","
               "\"mask_token\":\"[MASK]\"}");
    at_arena_free(&arena);
}

static int types_of_family(void) {
    json_t *config = NULL;
    at_error err;
    check_ok(at_json_load(in_folder("family/config.json"), 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    int types = (int)json_integer_value(json_object_get(config, "type_vocab_size"));
    json_decref(config);
    return types;
}

/* The golden model of a family, for language one with its head over the words, with a tokenizer of letters. */
static void make_family(const char *family, const char *task) {
    char path[600];
    at_error err;
    const char *name = strcmp(family, "bert") ? family : "pooler", *kind = "data";
    snprintf(path, sizeof path, "golden/seq2seq/%s/config.json", name);
    if (!access(check_source(path), R_OK)) kind = "seq2seq";
    snprintf(path, sizeof path, "golden/lm/%s/config.json", name);
    if (!strcmp(task, "language") && !access(check_source(path), R_OK)) kind = "lm";
    snprintf(path, sizeof path, "golden/%s/%s/config.json", kind, name);
    if (access(check_source(path), R_OK)) fail_msg("the family '%s' has no small model in tests/golden", family);
    mkdir(in_folder("family"), 0777);
    check_ok(at_file_copy(check_source(path), in_folder("family/config.json"), &err), &err);
    snprintf(path, sizeof path, "golden/%s/%s/model.safetensors", kind, name);
    check_ok(at_file_copy(check_source(path), in_folder("family/model.safetensors"), &err), &err);
    write_tokenizer(types_of_family());
}

/* ---- one cell ---- */

static at_status call(unsigned command, at_status (*run)(const at_options *, const at_listener *, at_error *), const char *const *pairs,
                      at_error *err) {
    static const at_listener deaf;
    at_options *options = at_options_new(command);
    at_status st = AT_OK;
    for (int i = 0; pairs[i] && !st; i += 2) st = at_options_set(options, pairs[i], pairs[i + 1], err);
    if (!st) st = run(options, &deaf, err);
    at_options_free(options);
    return st;
}

/* The number of a note with these words, which may name the family. */
static int note_of(const char *words, const char *family) {
    char text[512];
    if (!strncmp(words, folder, strlen(folder))) words += strlen(folder) + 1;
    const char *name = strstr(words, family);
    if (name) snprintf(text, sizeof text, "%.*s*family*%s", (int)(name - words), words, name + strlen(family));
    else snprintf(text, sizeof text, "%s", words);
    for (int i = 0; i < n_notes; i++)
        if (!strcmp(notes[i], text)) return i + 1;
    assert_true(n_notes < MOST_NOTES);
    snprintf(notes[n_notes++], sizeof notes[0], "%s", text);
    return n_notes;
}

static at_status train(const cell *c, at_error *err) {
    const char *const pairs[] = {"model", in_folder("family"), "train", data_of(c->task), "eval", data_of(c->task), "task", c->task,
                                 "output", in_folder("out"), "method",
                                 "full", "max_steps", "1", "threads", "1", "per_device_train_batch_size", "4", "folds", "1",
                                 "restart", "true", NULL};
    return call(AT_CMD_TRAIN, at_train, pairs, err);
}

static char *bytes_of(at_arena *arena, const char *path, size_t *len) {
    char *bytes;
    at_error err;
    check_ok(at_file_read(arena, path, (size_t)64 << 20, AT_BAD_MODEL, &bytes, len, &err), &err);
    return bytes;
}

/* What was saved is what is saved again. */
static void check_saved_again(void) {
    at_arena arena = {0};
    at_error err;
    at_model *model = NULL;
    at_model_options options = {.keep_head = 1};
    size_t n, m;
    check_ok(at_model_open(in_folder("out"), &options, &model, &err), &err);
    assert_true(model->trained_head || model->head.kind == AT_HEAD_EMBED);
    check_ok(at_model_save(model, &model->labels, in_folder("again"), &err), &err);
    at_model_close(model);
    char *first = bytes_of(&arena, in_folder("out/model.safetensors"), &n), *second = bytes_of(&arena,
        in_folder("again/model.safetensors"), &m);
    assert_true(n == m && !memcmp(first, second, n));
    at_arena_free(&arena);
}

static void fill_cell(void **state) {
    cell *c = *state;
    at_error err = {0};
    make_family(c->family, c->task);
    at_status st = train(c, &err);
    c->done = 1;
    if (st == AT_USAGE || st == AT_BAD_MODEL) { /* said in words before anything was done */
        assert_true(access(in_folder("out/config.json"), F_OK) != 0);
        c->note = note_of(err.text, c->family);
        return;
    }
    if (st) fail_msg("training: status %d: %s", (int)st, err.text);
    const char *const judge[] = {"model", in_folder("out"), "data", data_of(c->task), "threads", "1", NULL};
    check_ok(call(AT_CMD_EVAL, at_evaluate, judge, &err), &err);
    check_saved_again();
    const char *const onnx[] = {"model", in_folder("out"), "to", "onnx", "output", in_folder("out.onnx"), NULL};
    st = call(AT_CMD_EXPORT, at_export, onnx, &err);
    if (st == AT_USAGE) c->onnx_note = note_of(err.text, c->family);
    else check_ok(st, &err);
}

static int clean(void **state) {
    (void)state;
    at_folder_remove(in_folder("family"), NULL);
    at_folder_remove(in_folder("out"), NULL);
    at_folder_remove(in_folder("again"), NULL);
    return 0;
}

/* ---- the page ---- */

static void write_cell(at_str *page, const cell *c) {
    if (!c->done) at_str_add(page, " failed |");
    else if (c->note) at_str_addf(page, " – [%d] |", c->note);
    else if (c->onnx_note) at_str_addf(page, " yes, no ONNX [%d] |", c->onnx_note);
    else at_str_add(page, " yes |");
}

static char *make_page(at_arena *arena) {
    at_str page = {.arena = arena};
    at_str_add(&page, "# Families and tasks\n\nWritten by `tests/cli/test_matrix.c`, a test a cell, and never by hand. **yes**: a model "
                      "of the family was trained on the "
                      "task, saved, judged from its\nfolder, opened and saved again as the same bytes, and exported as ONNX.\n\n| family "
                      "|");
    for (int t = 0; t < n_tasks; t++) at_str_addf(&page, " %s |", cells[t].task);
    at_str_add(&page, "\n|---|");
    for (int t = 0; t < n_tasks; t++) at_str_add(&page, "---|");
    for (int f = 0; f < n_families; f++) {
        at_str_addf(&page, "\n| %s |", cells[f * n_tasks].family);
        for (int t = 0; t < n_tasks; t++) write_cell(&page, &cells[f * n_tasks + t]);
    }
    at_str_add(&page, "\n\n");
    for (int i = 0; i < n_notes; i++) at_str_addf(&page, "%d. %s\n", i + 1, notes[i]);
    return page.failed ? NULL : page.text;
}

static void the_page_is_what_was_found(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    char *page = make_page(&arena), *known = NULL;
    size_t len = 0;
    const char *path = check_source("../docs/matrix.md");
    assert_non_null(page);
    if (getenv("ATTUNE_WRITE_MATRIX")) check_write(path, page, strlen(page));
    check_ok(at_file_read(&arena, path, 1 << 20, AT_BAD_DATA, &known, &len, &err), &err);
    if (strcmp(page, known))
        fail_msg("docs/matrix.md is not what the tests found; ATTUNE_WRITE_MATRIX=1 ctest -R '^matrix$' writes it:\n%s", page);
    at_arena_free(&arena);
}

/* ---- the tests ---- */

static void make_cells(void) {
    const char *const *tasks = at_task_names();
    while (tasks[n_tasks]) n_tasks++;
    for (const at_family *f; (f = at_family_at(n_families)) != NULL; n_families++)
        for (int t = 0; t < n_tasks; t++) cells[n_families * n_tasks + t] = (cell){.family = f->model_type, .task = tasks[t]};
}

int main(void) {
    static struct CMUnitTest tests[MOST_FAMILIES * MOST_TASKS + 1];
    static char names[MOST_FAMILIES * MOST_TASKS][96];
    snprintf(folder, sizeof folder, "%s/attune-matrix-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(folder)) return 1;
    for (int i = 0; i < N_DATA; i++) write_text(DATA[i].file, DATA[i].text);
    make_cells();
    int n = n_families * n_tasks;
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[0], "%s, %s", cells[i].family, cells[i].task);
        tests[i] = (struct CMUnitTest){names[i], fill_cell, clean, clean, &cells[i]};
    }
    tests[n] = (struct CMUnitTest){"docs/matrix.md", the_page_is_what_was_found, NULL, NULL, NULL};
    int failed = _cmocka_run_group_tests("matrix", tests, (size_t)n + 1, NULL, NULL);
    at_folder_remove(folder, NULL);
    return failed;
}
