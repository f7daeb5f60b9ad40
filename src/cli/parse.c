#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static at_status fail(at_error *err, at_status code, const char *before, const char *word, const char *after) {
    err->code = code;
    snprintf(err->text, sizeof err->text, "%s%.200s%s", before, word, after);
    return code;
}

/* `--no-NAME`: 1 where NAME is a flag, which is then set to false. */
static int set_negated(at_options *options, const char *name) {
    at_error ignored;
    if (strncmp(name, "no-", 3) && strncmp(name, "no_", 3)) return 0;
    if (at_options_set(options, name + 3, NULL, &ignored)) return 0; /* only flags take no value */
    return at_options_set(options, name + 3, "false", &ignored) == AT_OK;
}

/* One option; *used is 1 where it took the word after it as its value. */
static at_status set_option(at_options *options, const char *word, const char *after, int *used, at_error *err) {
    const char *equals = strchr(word, '=');
    *used = 0;
    if (equals) {
        char name[128];
        size_t len = (size_t)(equals - word);
        if (len >= sizeof name) return fail(err, AT_USAGE, "unknown option '--", word, "'");
        memcpy(name, word, len);
        name[len] = '\0';
        return at_options_set(options, name, equals + 1, err);
    }
    at_status st = at_options_set(options, word, NULL, err);
    if (!st || set_negated(options, word)) return AT_OK;
    if (!after || !strncmp(after, "--", 2)) return st;
    *used = 1;
    return at_options_set(options, word, after, err);
}

/* eng.testb, ./names: whatever its ending, where it is there. */
static int is_file(const char *word) {
    struct stat info;
    return strpbrk(word, "./") && !stat(word, &info) && S_ISREG(info.st_mode);
}

/* A single plain word that is the name of a data file, there or not, is a file to predict for, not a text; behind -- it is a text. */
static int looks_like_file(const char *word) {
    static const char *const endings[] = {".csv", ".tsv", ".jsonl", ".json", ".txt", ".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes", NULL};
    size_t len = strlen(word);
    for (int i = 0; endings[i]; i++) {
        size_t n = strlen(endings[i]);
        if (len > n && !strcmp(word + len - n, endings[i])) return !strchr(word, ' ') || access(word, F_OK) == 0;
    }
    return is_file(word);
}

/* Names of data files that are there, all of them: nobody means them as texts. */
static int are_files(const at_arguments *a) {
    for (int i = 0; i < a->n_texts; i++)
        if (!looks_like_file(a->texts[i]) || access(a->texts[i], F_OK)) return 0;
    return 1;
}

static at_status one_too_many(const at_command *command, const char *word, at_error *err) {
    err->code = AT_USAGE;
    snprintf(err->text, sizeof err->text, "unexpected '%.200s': one value too many; the form is: attune %s %.*s", word, command->name,
             (int)strcspn(command->usage, "\n"), command->usage);
    return AT_USAGE;
}

static at_status place_words(const at_command *command, at_arguments *a, int only_texts, at_error *err) {
    const char *names = command->positional;
    if (!a->n_texts) return AT_OK;
    if (!names) return fail(err, AT_USAGE, "unexpected '", a->texts[0], "': this command takes options only");
    if (!strcmp(names, "*")) {
        if (at_options_get(a->options, "input", NULL)) return fail(err, AT_USAGE, "unexpected '", a->texts[0], "': the input is named already; give texts or a file, not both");
        if (!only_texts && a->n_texts > 1 && are_files(a)) return fail(err, AT_USAGE, "unexpected '", a->texts[1], "': one file at a time (behind -- words are texts)");
        if (a->n_texts > 1 || only_texts || !looks_like_file(a->texts[0])) return AT_OK;
        return a->n_texts = 0, at_options_set(a->options, "input", a->texts[0], err);
    }
    for (int i = 0; i < a->n_texts; i++) {
        char name[64];
        size_t len = strcspn(names, " ");
        if (!len || len >= sizeof name) return one_too_many(command, a->texts[i], err);
        memcpy(name, names, len);
        name[len] = '\0';
        names += len + (names[len] == ' ');
        at_status st = at_options_set(a->options, name, a->texts[i], err);
        if (st) return st;
    }
    a->n_texts = 0;
    return AT_OK;
}

static at_status read_words(int argc, char **argv, at_arguments *a, int *only_texts, at_error *err) {
    *only_texts = 0;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        int used = 0;
        if (*only_texts || word[0] != '-' || !word[1]) a->texts[a->n_texts++] = word;
        else if (!strcmp(word, "--")) *only_texts = 1;
        else if (!strcmp(word, "--help") || !strcmp(word, "-h")) a->help = 1;
        else if (word[1] != '-') return fail(err, AT_USAGE, "unknown option '", word, "'; options begin with --, and -- alone ends them");
        else {
            at_status st = set_option(a->options, word + 2, i + 1 < argc ? argv[i + 1] : NULL, &used, err);
            if (st) return st;
        }
        i += used;
    }
    return AT_OK;
}

static int asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return 1;
    return 0;
}

at_status at_arguments_parse(const at_command *command, int argc, char **argv, at_arguments *a, at_error *err) {
    *a = (at_arguments){.help = asks_for_help(argc, argv)};
    if (a->help) return AT_OK; /* also beside a mistake */
    a->options = at_options_new(command->bit);
    a->texts = calloc((size_t)argc + 1, sizeof *a->texts);
    if (!a->options || !a->texts) {
        at_arguments_free(a);
        return fail(err, AT_NO_MEMORY, "not enough memory", "", "");
    }
    int only_texts;
    at_status st = read_words(argc, argv, a, &only_texts, err);
    if (!st) st = place_words(command, a, only_texts, err);
    if (st) at_arguments_free(a);
    return st;
}

void at_arguments_free(at_arguments *a) {
    at_options_free(a->options);
    free(a->texts);
    *a = (at_arguments){0};
}
