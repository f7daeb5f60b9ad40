#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "io/table.h"
#include "io/table_write.h"

static char folder[64];
static at_error err;
static at_arena arena;
static at_table *table;

static int setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/attune-table-XXXXXX");
    return !mkdtemp(folder);
}

static int teardown(void **state) {
    (void)state;
    at_table_close(table);
    table = NULL;
    at_arena_free(&arena);
    return at_folder_remove(folder, &err) != AT_OK;
}

static const char *write_bytes(const char *name, const char *text, size_t len) {
    const char *path = at_path_join(&arena, folder, name);
    check_write(path, text, len);
    return path;
}

static at_status read_with(const char *name, const char *text, size_t len, const at_table_options *options) {
    at_table_close(table);
    return at_table_read(write_bytes(name, text, len), options, &table, &err);
}

static void reads(const char *name, const char *text) { check_ok(read_with(name, text, strlen(text), NULL), &err); }

static void refuses_bytes(const char *name, const char *text, size_t len, const char *words) {
    check_fails(read_with(name, text, len, NULL), AT_BAD_DATA, &err, words);
    assert_null(table);
    if (!strstr(err.text, name)) fail_msg("the file is not named: %s", err.text);
    if (strchr(err.text, '\n')) fail_msg("more than one line: %s", err.text);
}

static void refuses(const char *name, const char *text, const char *words) { refuses_bytes(name, text, strlen(text), words); }

static void has_cell(int row, const char *column, const char *text) {
    int c = at_table_column(table, column);
    assert_true(c >= 0 && row < table->n_rows);
    at_cell cell = at_table_cell(table, row, c);
    if (!text) {
        assert_null(cell.text);
        return;
    }
    assert_non_null(cell.text);
    assert_string_equal(cell.text, text);
    assert_int_equal(cell.len, strlen(text));
}

/* --- CSV ------------------------------------------------------------------------------------------- */

static void csv_reads_rfc_4180(void **state) {
    (void)state;
    reads("a.csv", "text,label\r\nplain,1\r\n\"a, \"\"b\"\"\r\nc\",2\r\n\"\",3\r\n,4\r\nsay \"hi\",5\n");
    assert_int_equal(table->n_rows, 5);
    assert_int_equal(table->n_columns, 2);
    assert_int_equal(table->delimiter, ',');
    has_cell(0, "text", "plain");
    has_cell(1, "text", "a, \"b\"\r\nc");
    has_cell(1, "label", "2");
    has_cell(2, "text", "");
    has_cell(3, "text", "");
    has_cell(3, "label", "4");
    has_cell(4, "text", "say \"hi\"");
    const uint32_t lines[] = {2, 3, 5, 6, 7};
    for (int i = 0; i < 5; i++) assert_int_equal(table->line[i], lines[i]);
    assert_int_equal(at_table_column(table, "LABEL"), 1);
    assert_int_equal(at_table_column(table, "labels"), -1);
}

static void csv_last_line_may_end_anyhow(void **state) {
    (void)state;
    const char *const TEXTS[] = {"a,b\n1,2", "a,b\n1,2\n", "a,b\n1,2\r\n", "a,b\n1,2\n\n\n", "a,b\r\n1,\"2\"", "a,b\r1,2\r",
                                 ("\xef\xbb\xbf" "a,b\n1,2"), "\n\na , b\n\n1,2\r\n\r\n", "a,b\n1,2\r"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        reads("a.csv", TEXTS[i]);
        assert_int_equal(table->n_rows, 1);
        has_cell(0, "a", "1");
        has_cell(0, "b", "2");
    }
    reads("a.csv", "a,b\n1,");
    has_cell(0, "b", "");
    assert_int_equal(table->has_header, 1);
}

static void csv_delimiter_is_seen(void **state) {
    (void)state;
    reads("a.csv", "text;label\nx, y;1\n\"a;b\";2\n");
    assert_int_equal(table->delimiter, ';');
    has_cell(0, "text", "x, y");
    has_cell(1, "text", "a;b");
    reads("a.csv", "text\tlabel\nx, y\t1\n");
    assert_int_equal(table->delimiter, '\t');
    has_cell(0, "text", "x, y");
    at_table_options options = {.no_header = 1};
    const char *text = "3,one; two; three\n4,four\n";
    check_ok(read_with("a.csv", text, strlen(text), &options), &err);
    assert_int_equal(table->delimiter, ',');
    has_cell(0, "c2", "one; two; three");
    reads("a.csv", "text\nx\n");
    assert_int_equal(table->n_columns, 1);
}

static void header_can_be_absent(void **state) {
    (void)state;
    at_table_options options = {.no_header = 1};
    const char *text = "\"3\",\"a\"\n\"4\",\"b\"\n";
    check_ok(read_with("a.csv", text, strlen(text), &options), &err);
    assert_int_equal(table->n_rows, 2);
    assert_int_equal(table->has_header, 0);
    has_cell(0, "c1", "3");
    has_cell(1, "c2", "b");
    assert_int_equal(table->line[0], 1);
    text = "1,2\n3\n";
    check_fails(read_with("a.csv", text, strlen(text), &options), AT_BAD_DATA, &err, "a.csv:2: 1 field, the first row has 2");
}

static void csv_trouble_has_its_line(void **state) {
    (void)state;
    refuses("train.csv", "text,label\na,1\n\"x\ny\",2\nb,c,2\n", "train.csv:5: 3 fields, the header has 2 (text, label); a text with a comma");
    refuses("train.csv", "text,label\na,1\nb\n", "train.csv:3: 1 field, the header has 2 (text, label)");
    refuses("train.csv", "text\na, b\n", "train.csv:2: 2 fields, the header has 1 (text);");
    refuses("train.csv", "text,label\na,1\n\"b\nb\",\"c\nd,2\n", "train.csv:4: field 2: the quote that opens here is never closed");
    refuses("train.csv", "text,label\n\"a\" b,1\n", "train.csv:2: field 1: text after the closing quote");
    refuses("train.csv", "text,label\n\"a\nb\", \"c\"\n\"d\"e,2\n", "train.csv:4: field 1: text after");
    refuses("train.csv", "\"text,label\na,1\n", "train.csv:1: field 1: the quote that opens here");
    refuses("train.csv", "text,label,text\na,1,2\n", "train.csv:1: columns 1 and 3 are both called 'text'");
    refuses("train.csv", "", "train.csv: the file is empty");
    refuses("train.csv", "\r\n \n", "train.csv: the file is empty");
    refuses("train.csv", "\xef\xbb\xbf", "the file is empty");
    refuses("train.csv", "text,label\n", "only a header, no rows");
    refuses("train.csv", "text,label\na,1\n\"b\nb\xe9\",2\n", "train.csv:4: byte 2 of the line (0xe9) is not valid UTF-8");
    refuses("train.csv", "te\xfft,label\na,1\n", "train.csv:1: byte 3 of the line (0xff)");
    refuses_bytes("train.csv", "text,label\na\0b,1\n", 17, "train.csv:2: byte 2 of the line is NUL");
}

static void other_kinds_are_named(void **state) {
    (void)state;
    refuses_bytes("a.csv", "\xff\xfet\0e\0", 6, "UTF-16");
    refuses_bytes("a.csv", "\xfe\xff\0t\0e", 6, "UTF-16");
    refuses("a.csv", "PK\3\4xxxx", "spreadsheet");
    refuses("a.csv", "\x1f\x8bxxxx", "gzip");
    refuses("a.csv", "PAR1xxxx", "Parquet");
    const char *path = at_path_join(&arena, folder, "pipe.csv");
    assert_int_equal(mkfifo(path, 0666), 0);
    check_fails(at_table_read(path, NULL, &table, &err), AT_BAD_DATA, &err, "pipe.csv: not a regular file");
    check_fails(at_table_read(folder, NULL, &table, &err), AT_BAD_DATA, &err, "is a folder");
    check_fails(at_table_read("/nowhere/a.csv", NULL, &table, &err), AT_BAD_DATA, &err, "No such file");
}

static char *repeat(char c, size_t n, const char *before, const char *after) {
    size_t b = strlen(before), a = strlen(after);
    char *text = malloc(b + n + a + 1);
    memcpy(text, before, b);
    memset(text + b, c, n);
    memcpy(text + b + n, after, a + 1);
    return text;
}

static void check_limit(const char *name, size_t fits, const char *before, const char *after, const char *words) {
    char *text = repeat('x', fits, before, after);
    reads(name, text);
    free(text);
    text = repeat('x', fits + 1, before, after);
    refuses(name, text, words);
    free(text);
}

static void fields_have_a_limit(void **state) {
    (void)state;
    const size_t MIB = 1 << 20;
    check_limit("a.csv", MIB, "a,b\n1,2\n", ",3\n", "a.csv:3: field 1 is longer than the limit of 1 MiB");
    check_limit("a.csv", MIB, "a,b\n1,2\n3,\"", "\"\n", "a.csv:3: field 2: the quote that opens here is never closed");
    check_limit("a.jsonl", MIB, "{\"a\":\"", "\"}\n", "a.jsonl:1: byte 1048585: the value is longer than the limit");
    check_limit("a.ft.txt", MIB - 12, "__label__a b", "", "a.ft.txt:1: the line is 1048577 bytes long");
    char *text = repeat(' ', (16 << 20) - 7, "{\"a\":1}\n{\"a\":2", "}\n");
    reads("a.jsonl", text);
    free(text);
    text = repeat(' ', (16 << 20) - 6, "{\"a\":1}\n{\"a\":2", "}\n");
    refuses("a.jsonl", text, "a.jsonl:2: the line is 16777217 bytes long");
    free(text);
    text = repeat(',', 1023, "", "\n");
    refuses("a.csv", text, "only a header");
    free(text);
    text = repeat(',', 1024, "", "\n");
    refuses("a.csv", text, "1025 columns");
    free(text);
}

static void unnamed_columns_get_names(void **state) {
    (void)state;
    reads("a.csv", ",text\n0,x\n");
    has_cell(0, "c1", "0");
}

/* --- TSV ------------------------------------------------------------------------------------------- */

static void tsv_quotes_are_syntax_only_where_all_of_the_file_agrees(void **state) {
    (void)state;
    reads("a.tsv", "text\tlabel\n\"a \"\"b\"\"\tc\"\t1\n\"x\ny\"\t2\n");
    assert_true(table->quoting);
    has_cell(0, "text", "a \"b\"\tc");
    has_cell(1, "text", "x\ny");
    reads("a.tsv", "text\tlabel\n\"all quoted\"\t1\nplain\t2\n");
    assert_true(table->quoting);
    has_cell(0, "text", "all quoted");
    reads("a.tsv", "text\tlabel\n\"quoted\" and more\t1\n\"all\"\t2\n");
    assert_false(table->quoting);
    has_cell(0, "text", "\"quoted\" and more");
    has_cell(1, "text", "\"all\"");
    reads("a.tsv", "text\tlabel\n\"open\t1\nplain\t2\n");
    has_cell(0, "text", "\"open");
    reads("a.tsv", "label\ttext\n1\t\"opens here\n2\tplain\n3\tcloses here\n4\t\"\n"); /* with quotes the rest would be one field */
    assert_false(table->quoting);
    assert_int_equal(table->n_rows, 4);
    has_cell(0, "text", "\"opens here");
    refuses("a.tsv", "text\tlabel\na\tb\t1\n", "a.tsv:2: 3 fields, the header has 2 (text, label); a text must not have a tab");
}

/* --- JSONL ----------------------------------------------------------------------------------------- */

static void jsonl_reads_objects(void **state) {
    (void)state;
    reads("a.jsonl", "{\"text\": \"a \\\"b\\\" \\u00e9\\n\\ud83d\\ude00\\/\", \"label\": 1}\r\n\n"
                     " {\"label\":-1.5e3 , \"text\" :\"\",\"extra\":{\"x\":[1,\"}\"]} }\n"
                     "{\"text\":null,\"label\":true}\n{}\n{\"text\":\"null\",\"label\":[ ]}");
    assert_int_equal(table->n_columns, 3);
    assert_int_equal(table->n_rows, 5);
    has_cell(0, "text", "a \"b\" \xc3\xa9\n\xf0\x9f\x98\x80/");
    has_cell(0, "label", "1");
    has_cell(0, "extra", NULL);
    has_cell(1, "label", "-1.5e3");
    has_cell(1, "text", "");
    has_cell(1, "extra", "{\"x\":[1,\"}\"]}");
    has_cell(2, "text", NULL);
    has_cell(2, "label", "true");
    has_cell(3, "label", NULL);
    has_cell(4, "text", "null");
    has_cell(4, "label", "[ ]");
    assert_int_equal(table->line[1], 3);
    assert_int_equal(table->line[4], 6);
}

static void jsonl_columns_may_come_late(void **state) {
    (void)state;
    at_str text = {.arena = &arena};
    for (int i = 0; i < 1000; i++) at_str_addf(&text, "{\"k%d\": %d, \"all\": \"x%d\"}\n", i / 10, i, i);
    reads("a.jsonl", text.text);
    assert_int_equal(table->n_columns, 101);
    has_cell(997, "k99", "997");
    has_cell(997, "all", "x997");
    has_cell(997, "k98", NULL);
    has_cell(3, "k0", "3");
    has_cell(3, "k99", NULL);
}

static void jsonl_is_strict(void **state) {
    (void)state;
    static const char *const BAD[][2] = {
        {"[1]", "a.jsonl: a JSON array"},
        {"{\"a\":1}\n3", "a.jsonl:2: byte 1: not a JSON object"},
        {"{\"a\":1}\n\"x\"", "a.jsonl:2: byte 1: not a JSON object"},
        {"{\"a\":1} {\"a\":2}", "byte 9: text after the object"},
        {"{\"a\":1", "a.jsonl:1: byte 7: a ',' or '}' was expected"},
        {"{\"a\" 1}", "byte 6: a ':' was expected"},
        {"{\"a\":}", "byte 6: a value was expected"},
        {"{\"a\":1,}", "a string was expected"},
        {"{a:1}", "a string was expected"},
        {"{\"a\":'x'}", "a value was expected"},
        {"{\"a\":\"x}", "the string is not closed"},
        {"{\"a\":\"x\ty\"}", "control character"},
        {"{\"a\":\"\\x\"}", "an escape that JSON does not have"},
        {"{\"a\":\"\\u12g4\"}", "hexadecimal"},
        {"{\"a\":\"\\u12\"}", "hexadecimal"},
        {"{\"a\":\"\\ud800\"}", "surrogate"},
        {"{\"a\":\"\\ud800\\u0041\"}", "surrogate"},
        {"{\"a\":\"\\udc00\"}", "surrogate"},
        {"{\"a\":\"\\u0000\"}", "\\u0000"},
        {"{\"a\":01}", "a ',' or '}' was expected"},
        {"{\"a\":1.}", "a digit was expected"},
        {"{\"a\":-}", "a digit was expected"},
        {"{\"a\":1e}", "a digit was expected"},
        {"{\"a\":NaN}", "a value was expected"},
        {"{\"a\":truth}", "a value was expected"},
        {"{\"a\":nullx}", "a ',' or '}' was expected"},
        {"{\"a\":1,\"a\":2}", "twice"},
        {"{\"a\":[1,]}", "a value was expected"},
        {"{\"a\":[1 2]}", "a ',' or ']' was expected"},
        {"{\"a\":{\"b\":1,}}", "a string was expected"},
        {"{\"a\":\"x\xff\"}", "byte 8 of the line (0xff)"},
        {"{}\n{}\n", "every object is empty"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) refuses("a.jsonl", BAD[i][0], BAD[i][1]);
    char deep[400] = "{\"a\":";
    memset(deep + 5, '[', 200);
    refuses("a.jsonl", deep, "nested more than 64 deep");
}

static void jsonl_rows_of_all_kinds_are_refused(void **state) {
    (void)state;
    at_str text = {.arena = &arena};
    for (int i = 0; i < 1025; i++) at_str_addf(&text, "{\"k%d\": 1}\n", i);
    refuses("a.jsonl", text.text, "a.jsonl:1025: byte 12: more than 1024 different keys");
}

/* --- fastText, lines, the choice ------------------------------------------------------------------ */

static void fasttext_lines_are_split(void **state) {
    (void)state;
    reads("a.txt", "__label__pos good stuff\r\n\n__label__a __label__b  two labels \n__label__empty\n");
    assert_int_equal(table->format, AT_TABLE_FASTTEXT);
    assert_int_equal(table->n_rows, 3);
    has_cell(0, "label", "pos");
    has_cell(0, "text", "good stuff");
    has_cell(1, "label", "a b");
    has_cell(1, "text", "two labels ");
    has_cell(2, "label", "empty");
    has_cell(2, "text", "");
    assert_int_equal(table->line[1], 3);
    refuses("a.txt", "__label__a x\nno label\n", "a.txt:2: the line does not begin with __label__NAME");
    refuses("a.txt", "__label__ x\n", "a.txt:1: the line does not begin");
}

static void lines_are_texts(void **state) {
    (void)state;
    reads("a.txt", "one, two; three\r\n\nfour");
    assert_int_equal(table->format, AT_TABLE_LINES);
    assert_int_equal(table->n_rows, 3);
    has_cell(0, "text", "one, two; three");
    has_cell(1, "text", "");
    has_cell(2, "text", "four");
    assert_int_equal(table->line[2], 3);
}

static void the_format_is_recognised(void **state) {
    (void)state;
    reads("a.CSV", "a\n1\n");
    assert_int_equal(table->format, AT_TABLE_CSV);
    reads("a.tab", "a\n1\n");
    assert_int_equal(table->format, AT_TABLE_TSV);
    reads("a.json", "{\"a\":1}");
    assert_int_equal(table->format, AT_TABLE_JSONL);
    reads("data", "{\"a\":1}");
    assert_int_equal(table->format, AT_TABLE_JSONL);
    reads("data", "a,b\n1,2\n");
    assert_int_equal(table->format, AT_TABLE_CSV);
    reads("a.txt", "a\tb\n1\t2\n");
    assert_int_equal(table->format, AT_TABLE_TSV);
    at_table_options options = {.format = AT_TABLE_LINES};
    check_ok(read_with("a.csv", "a,b\n", 4, &options), &err);
    has_cell(0, "text", "a,b");
}

/* --- keeping bad rows ------------------------------------------------------------------------------ */

typedef struct found {
    uint32_t lines[16];
    char last[1024];
    int n;
} found;

static void note_bad(void *context, uint32_t line, const char *sentence) {
    found *f = context;
    assert_true(f->n < 16);
    f->lines[f->n++] = line;
    snprintf(f->last, sizeof f->last, "%s", sentence);
}

static void check_kept(const char *name, const char *text, size_t len, int n_rows, int n_bad, const uint32_t *lines) {
    found f = {0};
    at_table_options options = {.keep_bad_rows = 1, .bad = note_bad, .context = &f};
    check_ok(read_with(name, text, len, &options), &err);
    assert_int_equal(table->n_rows, n_rows);
    assert_int_equal(f.n, n_bad);
    for (int i = 0; i < n_bad; i++) assert_int_equal(f.lines[i], lines[i]);
    if (n_bad) assert_non_null(strstr(f.last, name));
}

static void bad_rows_can_be_kept_apart(void **state) {
    (void)state;
    const char csv[] = "text,label\na,1\nb\nc\xff,2\nd,3,4\n\"e\" f,5\n\"open,6\ng,7\nh\0,8\n\"i\"\"i\",9\n";
    const uint32_t csv_lines[] = {3, 4, 5, 6, 7, 9};
    check_kept("a.csv", csv, sizeof csv - 1, 3, 6, csv_lines);
    has_cell(0, "text", "a");
    has_cell(1, "text", "g");
    has_cell(2, "text", "i\"i");
    assert_int_equal(table->line[2], 10);
    const char jsonl[] = "{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":}\n{\"b\":4,\"zz\":5,,}\n\n{\"a\":\"\xff\"}\n{\"b\":6}\n";
    const uint32_t jsonl_lines[] = {2, 3, 5};
    check_kept("a.jsonl", jsonl, sizeof jsonl - 1, 2, 3, jsonl_lines);
    has_cell(0, "b", "2");
    has_cell(1, "a", NULL);
    has_cell(1, "b", "6");
    const char fasttext[] = "__label__a x\nno\n__label__b y\n";
    const uint32_t fasttext_lines[] = {2};
    check_kept("a.txt", fasttext, sizeof fasttext - 1, 2, 1, fasttext_lines);
    const char all_bad[] = "a,b\n1\n";
    const uint32_t all_bad_lines[] = {2};
    check_kept("a.csv", all_bad, sizeof all_bad - 1, 0, 1, all_bad_lines);
    at_table_options options = {.keep_bad_rows = 1};
    check_fails(read_with("a.csv", "\"a,b\n1\n", 7, &options), AT_BAD_DATA, &err, "a.csv:1: field 1: the quote");
    check_fails(read_with("a.csv", "a\xff,b\n1\n", 7, &options), AT_BAD_DATA, &err, "a.csv:1:");
}

/* --- writing --------------------------------------------------------------------------------------- */

static const char *const NASTY[] = {"plain", "a,b", "say \"hi\"", "\"hi\"", "two\nlines", "tab\there", "cr\rlf\r\n", "", "\\n;",
                                    "\xc3\xa9\xf0\x9f\x98\x80", "\"", "\x01\x7f"};
enum { N_NASTY = sizeof NASTY / sizeof *NASTY };

static void check_round_trip(at_table_format format, const char *name) {
    at_str out = {.arena = &arena};
    at_row_out row = at_row_begin(&out, format);
    if (format != AT_TABLE_JSONL) {
        at_row_text(&row, NULL, "text", 4);
        at_row_text(&row, NULL, "id", 2);
        at_row_text(&row, NULL, "score", 5);
        at_row_end(&row);
    } else at_str_clear(&out);
    for (int i = 0; i < N_NASTY; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        row = at_row_begin(&out, format);
        at_row_text(&row, "text", NASTY[i], strlen(NASTY[i]));
        at_row_raw(&row, "id", id);
        at_row_number(&row, "score", i == 3 ? 1.0 / 0.0 : i / 8.0);
        at_row_end(&row);
    }
    reads(name, out.text);
    assert_int_equal(table->n_rows, N_NASTY);
    for (int i = 0; i < N_NASTY; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        has_cell(i, "text", NASTY[i]);
        has_cell(i, "id", id);
    }
    has_cell(1, "score", "0.125");
    has_cell(3, "score", format == AT_TABLE_JSONL ? NULL : "");
}

static void written_rows_come_back(void **state) {
    (void)state;
    check_round_trip(AT_TABLE_CSV, "a.csv");
    check_round_trip(AT_TABLE_TSV, "a.tsv");
    check_round_trip(AT_TABLE_JSONL, "a.jsonl");
    at_str out = {.arena = &arena};
    at_row_out row = at_row_begin(&out, AT_TABLE_CSV);
    at_row_text(&row, NULL, "", 0);
    at_row_end(&row);
    assert_string_equal(out.text, "\"\"\n");
    at_str_clear(&out);
    row = at_row_begin(&out, AT_TABLE_JSONL);
    at_row_text(&row, "a\"b", "x", 1);
    at_row_text(&row, "n", NULL, 0);
    at_row_end(&row);
    assert_string_equal(out.text, "{\"a\\\"b\": \"x\", \"n\": null}\n");
}

/* --- real files ------------------------------------------------------------------------------------ */

static void open_data(const char *relative, int no_header) {
    const char *path = check_data(relative);
    char why[256];
    snprintf(why, sizeof why, "%s is not in ATTUNE_TEST_DATA", relative);
    if (!path) check_skip(why);
    at_table_options options = {.no_header = no_header};
    at_table_close(table);
    check_ok(at_table_read(path, &options, &table, &err), &err);
}

static void sst2_reads(void **state) {
    (void)state;
    open_data("sst2_glue/train.tsv", 0);
    assert_int_equal(table->n_rows, 67349);
    has_cell(0, "sentence", "hide new secretions from the parental units");
    has_cell(0, "label", "0");
    assert_int_equal(table->line[67348], 67350);
}

static void mrpc_reads_with_its_bare_quotes(void **state) {
    (void)state;
    open_data("mrpc/msr_paraphrase_train.txt", 0);
    assert_int_equal(table->n_rows, 4076);
    assert_int_equal(table->n_columns, 5);
    assert_false(table->quoting);
    assert_string_equal(table->column[0], "Quality");
    has_cell(0, "Quality", "1");
    const char *first = "Amrozi accused his brother, whom he called \"the witness\",";
    assert_memory_equal(at_table_cell(table, 0, 3).text, first, strlen(first));
    open_data("mrpc/msr_paraphrase_test.txt", 0);
    assert_int_equal(table->n_rows, 1725);
}

static void sms_reads_without_a_header(void **state) {
    (void)state;
    open_data("sms_spam/sms.tsv", 1);
    assert_int_equal(table->n_rows, 5574);
    assert_false(table->quoting);
    int spam = 0;
    for (int i = 0; i < table->n_rows; i++) spam += !strcmp(at_table_cell(table, i, 0).text, "spam");
    assert_int_equal(spam, 747);
}

static void ag_news_reads_with_its_quotes(void **state) {
    (void)state;
    open_data("ag_news/test.csv", 1);
    assert_int_equal(table->n_rows, 7600);
    assert_int_equal(table->n_columns, 3);
    has_cell(0, "c1", "3");
    has_cell(0, "c2", "Fears for T N pension after talks");
    int counts[5] = {0};
    for (int i = 0; i < table->n_rows; i++) counts[at_table_cell(table, i, 0).text[0] - '0']++;
    for (int i = 1; i < 5; i++) assert_int_equal(counts[i], 1900);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(csv_reads_rfc_4180),
        TEST(csv_last_line_may_end_anyhow),
        TEST(csv_delimiter_is_seen),
        TEST(header_can_be_absent),
        TEST(csv_trouble_has_its_line),
        TEST(other_kinds_are_named),
        TEST(fields_have_a_limit),
        TEST(unnamed_columns_get_names),
        TEST(tsv_quotes_are_syntax_only_where_all_of_the_file_agrees),
        TEST(jsonl_reads_objects),
        TEST(jsonl_columns_may_come_late),
        TEST(jsonl_is_strict),
        TEST(jsonl_rows_of_all_kinds_are_refused),
        TEST(fasttext_lines_are_split),
        TEST(lines_are_texts),
        TEST(the_format_is_recognised),
        TEST(bad_rows_can_be_kept_apart),
        TEST(written_rows_come_back),
        TEST(sst2_reads),
        TEST(mrpc_reads_with_its_bare_quotes),
        TEST(sms_reads_without_a_header),
        TEST(ag_news_reads_with_its_quotes),
    };
    return check_run(tests);
}
