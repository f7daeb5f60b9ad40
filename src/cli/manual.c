/* The manual page attune(1), in man(7) macros, from the tables of commands and settings. */
#include "cli/cli.h"

#include <string.h>

/* Text with roff's special characters escaped; a newline stays one. */
static void print_text(FILE *to, const char *text) {
    int line_start = 1;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", to);
        if (*p == '\\') fputs("\\e", to);
        else if (*p == '-') fputs("\\-", to);
        else if (*p == '`' || *p == '\'') fputs(*p == '`' ? "\\(ga" : "\\(aq", to);
        else if (*p == '~') fputs("\\(ti", to);
        else fputc(*p, to);
        line_start = *p == '\n';
    }
}

static void print_lines(FILE *to, const char *before, const char *lines) {
    while (*lines) {
        char line[512];
        size_t len = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%s%.*s", before, (int)len, lines);
        print_text(to, line);
        fputs("\n.br\n", to);
        lines += len + (lines[len] == '\n');
    }
}

static void print_commands(FILE *to) {
    int n;
    const at_command *commands = at_commands(&n);
    fputs(".SH COMMANDS\n", to);
    for (int i = 0; i < n; i++) {
        char before[64];
        fprintf(to, ".SS %s\n", commands[i].name);
        snprintf(before, sizeof before, "attune %s ", commands[i].name);
        print_lines(to, before, commands[i].usage);
        fputs(".PP\n", to);
        print_text(to, commands[i].about);
        fputc('\n', to);
    }
}

static void print_users(FILE *to, unsigned bits) {
    int n, first = 1;
    const at_command *commands = at_commands(&n);
    for (int i = 0; i < n; i++) {
        if (!(commands[i].bit & bits)) continue;
        fprintf(to, "%s%s", first ? "" : ", ", commands[i].name);
        first = 0;
    }
}

static void print_setting(FILE *to, const at_setting *s) {
    char dashed[64];
    fputs(".TP\n\\fB\\-\\-", to);
    print_text(to, at_help_dashed(s->name, dashed, sizeof dashed));
    fprintf(to, "\\fR%s%s%s\n", s->value ? " \\fI" : "", s->value ? s->value : "", s->value ? "\\fR" : "");
    print_text(to, s->help);
    if (s->choices) {
        fputs("\nOne of: ", to);
        print_text(to, s->choices);
        fputs(".", to);
    }
    if (s->fallback && s->type != AT_SETTING_FLAG) {
        fputs("\nDefault: ", to);
        print_text(to, s->fallback);
        fputs(".", to);
    }
    if (s->low < s->high) fprintf(to, "\nFrom %.12g to %.12g.", s->low, s->high);
    if (s->aliases) {
        fputs("\nAlso called: ", to);
        print_text(to, s->aliases);
        fputs(".", to);
    }
    fputs("\nCommands: ", to);
    print_users(to, s->commands);
    fputs(".\n", to);
}

static void print_settings(FILE *to) {
    int n;
    const at_setting *settings = at_settings(&n);
    fputs(".SH SETTINGS\nEach is an option (\\fB\\-\\-name\\fR \\fIVALUE\\fR or \\fB\\-\\-name=\\fR\\fIVALUE\\fR) and a key of a "
          "configuration file. The signs \\- and _ are equal in names. \\fB\\-\\-no\\-\\fR\\fINAME\\fR turns a flag off.\n", to);
    for (int i = 0; i < n; i++) {
        int seen = 0;
        for (int j = 0; j < i && !seen; j++) seen = !strcmp(settings[j].group, settings[i].group);
        if (seen) continue;
        fprintf(to, ".SS %s\n", settings[i].group);
        for (int j = i; j < n; j++)
            if (!strcmp(settings[j].group, settings[i].group)) print_setting(to, &settings[j]);
    }
}

static void print_examples(FILE *to) {
    int n;
    const at_command *commands = at_commands(&n);
    fputs(".SH EXAMPLES\n.nf\n", to);
    for (int i = 0; i < n; i++) print_text(to, commands[i].examples);
    fputs(".fi\n", to);
}

void at_manual_print(FILE *to) {
    fprintf(to, ".TH ATTUNE 1 \"\" \"attune %s\" \"User Commands\"\n", at_version());
    fputs(".SH NAME\nattune \\- fine\\-tune pre\\-trained transformers\n"
          ".SH SYNOPSIS\n\\fBattune\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
          ".SH DESCRIPTION\nA pre\\-trained model (a Hugging Face model folder) and labelled examples go in; a specialised model, which "
          "other tools open unchanged, comes out, with a report that says how good it is.\n", to);
    print_commands(to);
    print_settings(to);
    fputs(".SH CONFIGURATION FILE\nYAML, one setting a line (name: value). Lists and mappings become comma\\-separated text. Paths are taken "
          "from the current folder. Options win over the file.\n"
          ".SH EXIT STATUS\n"
          "0 done; 1 a bug of ours; 2 usage or configuration; 3 bad data; 4 bad model, tokenizer or checkpoint; 5 disk; 6 network; "
          "7 memory; 8 diverged; 9 below \\-\\-min\\-score; 75 stopped and saved, the same command goes on; 130 aborted.\n"
          ".SH ENVIRONMENT\n"
          ".TP\nATTUNE_CPU\nDefault of \\-\\-cpu.\n"
          ".TP\nHF_HOME, HF_HUB_CACHE\nWhere the local cache of models is.\n"
          ".TP\nHF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE\nAddress of the hub, the token for it, and 1 to never use the network; only fetch reads them.\n", to);
    print_examples(to);
}
