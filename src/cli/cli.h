/* The program around the library: it parses, shows and ends; everything else is behind attune.h. */
#ifndef AT_CLI_H
#define AT_CLI_H

#include <stdio.h>

#include "attune.h"

typedef struct at_command {
    const char *name;
    unsigned bit;           /* AT_CMD_...; 0: takes no settings */
    const char *summary;    /* one line */
    const char *usage;      /* what follows the name, one form a line */
    const char *about;      /* a paragraph or two for --help and the manual */
    const char *examples;   /* lines */
    const char *positional; /* settings that plain words give, in order, separated by spaces; "*": all plain words are texts; NULL: none */
    at_status (*call)(const at_options *options, const at_listener *listener, at_error *err);
    at_status (*call_texts)(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err);
} at_command;

const at_command *at_commands(int *n);
const at_command *at_command_find(const char *name);

/* A parsed command line. Plain words that are texts point into argv. */
typedef struct at_arguments {
    at_options *options;
    const char **texts;
    int n_texts;
    int help;
} at_arguments;
/* argv [argc] without the program's and the command's name. On failure everything is freed already. */
at_status at_arguments_parse(const at_command *command, int argc, char **argv, at_arguments *arguments, at_error *err);
void at_arguments_free(at_arguments *arguments);

/* help.c: overview of the program; help of one command, as wide as the terminal (80 to 100 columns). */
void at_help_overview(FILE *to);
void at_help_command(const at_command *command, FILE *to);
/* The short name of a setting that is worth showing beside it (shortest alias, where shorter), or NULL. */
int at_help_alias(const at_setting *setting, char *alias, size_t size);
/* "learning_rate" -> "learning-rate" */
const char *at_help_dashed(const char *name, char *dashed, size_t size);

/* manual.c, completions.c: made from the same tables. */
void at_manual_print(FILE *to);
at_status at_completions_print(const char *shell, FILE *to, at_error *err);

/* signals.c: the first SIGINT or SIGTERM is remembered, the second ends the program with 130 at once. */
void at_signals_install(int ignore_pipe);
int at_signals_stop(void);

/* show.c: the listener of the program. */
typedef struct at_show at_show;
at_show *at_show_open(const at_options *options, unsigned command);
const at_listener *at_show_listener(at_show *show);
/* Takes the bar away, and where the call failed says so: `error: ...` on standard error, an "error" event with --json. */
void at_show_close(at_show *show, at_status status, const at_error *err);
void at_show_refusal(const at_error *err); /* the "error" event of a command that did not begin */

#endif
