#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(at_status code, const char *text) {
    fprintf(stderr, "error: %s\n", text);
    return (int)code;
}

/* A word quoted for a shell where it needs it. */
static void print_word(FILE *to, const char *word) {
    int plain = word[0] && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%")];
    fputs(plain ? " " : " '", to);
    for (const char *p = word; *p; p++) {
        if (*p == '\'') fputs("'\\''", to);
        else fputc(*p, to);
    }
    if (!plain) fputc('\'', to);
}

static int asks_to_restart(const char *word) {
    static const char *const FORMS[] = {"--restart", "--overwrite-output-dir", "--overwrite_output_dir", NULL};
    for (int i = 0; FORMS[i]; i++) {
        size_t len = strlen(FORMS[i]);
        if (!strncmp(word, FORMS[i], len) && (!word[len] || word[len] == '=')) return 1;
    }
    return 0;
}

/* The command line again, so that it can be typed or pasted. It goes on, and so does not begin anew: restart, as an option or as
 * a line of the configuration, is taken back. */
static void print_command_line(FILE *to, int argc, char **argv, int restarts) {
    int said = 0;
    fprintf(to, "  attune");
    for (int i = 1; i < argc; i++) {
        if (restarts && asks_to_restart(argv[i])) said = 1;
        else print_word(to, argv[i]);
    }
    fputs(restarts && !said ? " --no-restart\n" : "\n", to);
}

static at_status call(const at_command *command, const at_arguments *a, const at_listener *listener, at_error *err) {
    if (a->n_texts && command->call_texts) return command->call_texts(a->options, a->texts, a->n_texts, listener, err);
    return command->call(a->options, listener, err);
}

static int is_on(const at_options *options, const char *flag) {
    const char *value = at_options_get(options, flag, NULL);
    return value && !strcmp(value, "true");
}

/* Somebody who only types the command would wait for it while it waits for lines. */
static void tell_reading(const at_command *command, const at_arguments *a) {
    if (!(command->bit & (AT_CMD_PREDICT | AT_CMD_EMBED | AT_CMD_SEARCH)) || a->n_texts || at_options_get(a->options, "input", NULL) ||
        !isatty(STDIN_FILENO) || is_on(a->options, "quiet"))
        return;
    fprintf(stderr, "Reading texts from the terminal, one a line; Ctrl-D ends.\n");
}

/* Options that cannot be read leave nothing that says so. */
static int asks_for_json(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--json")) return 1;
    return 0;
}

static int run_command(const at_command *command, int argc, char **argv) {
    at_error err = {AT_OK, ""};
    at_arguments a;
    at_status st = at_arguments_parse(command, argc - 2, argv + 2, &a, &err);
    if (st && asks_for_json(argc - 2, argv + 2)) at_show_refusal(&err);
    if (st) return fail(st, err.text);
    if (a.help) return at_help_command(command, stdout), 0;
    at_signals_install(command->bit == AT_CMD_TRAIN);
    tell_reading(command, &a);
    at_show *show = at_show_open(a.options, command->bit);
    st = show ? call(command, &a, at_show_listener(show), &err) : (at_status)fail(AT_NO_MEMORY, "not enough memory");
    if (st == AT_STOPPED && (command->bit != AT_CMD_TRAIN || is_on(a.options, "dry_run"))) {
        st = AT_ABORTED; /* nothing was saved that could go on */
        snprintf(err.text, sizeof err.text, "stopped");
    }
    if (show) at_show_close(show, st, &err);
    if (st == AT_STOPPED) {
        fprintf(stderr, "stopped and saved; this goes on from there:\n");
        print_command_line(stderr, argc, argv, is_on(a.options, "restart"));
    }
    at_arguments_free(&a);
    return (int)st;
}

static int unknown_command(const char *word) {
    const char *names[16];
    int n, n_names = 0;
    const at_command *commands = at_commands(&n);
    for (int i = 0; i < n && n_names < 14; i++) names[n_names++] = commands[i].name;
    names[n_names++] = "help";
    names[n_names++] = "version";
    const char *near = at_nearest(word, names, n_names);
    fprintf(stderr, "error: unknown command '%.100s'.", word);
    if (near) fprintf(stderr, " Did you mean '%s'?\n", near);
    else fprintf(stderr, " `attune help` lists them all\n");
    return AT_USAGE;
}

static int help(const char *topic) {
    if (!topic) return at_help_overview(stdout), 0;
    const at_command *command = at_command_find(topic);
    if (!command) return unknown_command(topic);
    at_help_command(command, stdout);
    return 0;
}

static int is(const char *word, const char *a, const char *b) { return !strcmp(word, a) || !strcmp(word, b); }

static int dispatch(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : NULL, *after = argc > 2 ? argv[2] : NULL;
    at_error err;
    if (!word) {
        at_help_overview(stderr);
        return AT_USAGE;
    }
    const at_command *command = at_command_find(word);
    if (command) return run_command(command, argc, argv);
    if (is(word, "help", "--help") || is(word, "-h", "-?")) return help(after);
    if (is(word, "version", "--version") || is(word, "-V", "-v")) return printf("attune %s\n", at_version()), 0;
    if (!strcmp(word, "manual")) return at_manual_print(stdout), 0;
    if (!strcmp(word, "completions")) {
        at_status st = at_completions_print(after, stdout, &err);
        return st ? fail(st, err.text) : 0;
    }
    if (word[0] == '-') return fail(AT_USAGE, "the command comes first: attune COMMAND [options]; `attune help` lists them");
    return unknown_command(word);
}

int main(int argc, char **argv) {
    int code = dispatch(argc, argv);
    /* Output that did not arrive is a failure, unless its reader went away. */
    if ((fflush(stdout) || ferror(stdout)) && !code && errno != EPIPE) code = fail(AT_DISK, "cannot write to standard output");
    return code;
}
