/* Completions for bash and zsh, from the tables of commands and settings. */
#include "cli/cli.h"

#include <string.h>

static void print_command_names(FILE *to) {
    int n;
    const at_command *commands = at_commands(&n);
    for (int i = 0; i < n; i++) fprintf(to, "%s ", commands[i].name);
    fputs("help version", to);
}

static void print_options(FILE *to, unsigned command) {
    int n;
    char dashed[64];
    const at_setting *s = at_settings(&n);
    for (int i = 0; i < n; i++)
        if (s[i].commands & command) fprintf(to, "--%s ", at_help_dashed(s[i].name, dashed, sizeof dashed));
    fputs("--help", to);
}

static int first_of_name(const at_setting *s, int i) {
    for (int j = 0; j < i; j++)
        if (!strcmp(s[j].name, s[i].name)) return 0;
    return 1;
}

/* `--name` patterns of a case whose settings have this type. */
static void print_pattern(FILE *to, at_setting_type type) {
    int n, any = 0;
    char dashed[64];
    const at_setting *s = at_settings(&n);
    for (int i = 0; i < n; i++) {
        if (s[i].type != type || !first_of_name(s, i)) continue;
        fprintf(to, "%s--%s", any ? "|" : "", at_help_dashed(s[i].name, dashed, sizeof dashed));
        any = 1;
    }
}

static void print_bash(FILE *to) {
    int n, n_commands;
    char dashed[64];
    const at_setting *s = at_settings(&n);
    const at_command *commands = at_commands(&n_commands);
    fputs("# bash completion for attune\n_attune() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options=\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"", to);
    print_command_names(to);
    fputs("\" -- \"$cur\"))\n        return\n    fi\n    case $prev in\n", to);
    for (int i = 0; i < n; i++)
        if (s[i].type == AT_SETTING_CHOICE && first_of_name(s, i))
            fprintf(to, "    --%s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n",
                    at_help_dashed(s[i].name, dashed, sizeof dashed), s[i].choices);
    fputs("    ", to);
    print_pattern(to, AT_SETTING_PATH);
    fputs(") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n    ", to);
    print_pattern(to, AT_SETTING_INT);
    fputs(") return ;;\n    ", to);
    print_pattern(to, AT_SETTING_REAL);
    fputs(") return ;;\n    esac\n    case $command in\n", to);
    for (int i = 0; i < n_commands; i++) {
        fprintf(to, "    %s) options=\"", commands[i].name);
        print_options(to, commands[i].bit);
        fputs("\" ;;\n", to);
    }
    fputs("    help) options=\"", to);
    print_command_names(to);
    fputs("\" ;;\n    esac\n"
          "    if [[ $cur == -* || $command == help ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
          "    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
          "complete -o filenames -F _attune attune\n", to);
}

/* Help inside zsh's '[...]' inside single quotes: brackets, colons and quotes are escaped. */
static void print_zsh_text(FILE *to, const char *text) {
    for (const char *p = text; *p; p++) {
        if (*p == '\'') fputs("'\\''", to);
        else if (*p == '[' || *p == ']' || *p == ':' || *p == '\\') fprintf(to, "\\%c", *p);
        else fputc(*p, to);
    }
}

static void print_zsh_setting(FILE *to, const at_setting *s) {
    char dashed[64];
    fprintf(to, "            '--%s[", at_help_dashed(s->name, dashed, sizeof dashed));
    print_zsh_text(to, s->help);
    fputc(']', to);
    if (s->type == AT_SETTING_CHOICE) fprintf(to, ":%s:(%s)", s->name, s->choices);
    else if (s->type == AT_SETTING_PATH) fprintf(to, ":%s:_files", s->name);
    else if (s->type != AT_SETTING_FLAG) fprintf(to, ":%s:", s->name);
    fputs("' \\\n", to);
}

static void print_zsh(FILE *to) {
    int n, n_commands;
    const at_setting *s = at_settings(&n);
    const at_command *commands = at_commands(&n_commands);
    fputs("#compdef attune\n# zsh completion for attune\n_attune() {\n"
          "    local -a commands\n    commands=(\n", to);
    for (int i = 0; i < n_commands; i++) {
        fprintf(to, "        '%s:", commands[i].name);
        print_zsh_text(to, commands[i].summary);
        fputs("'\n", to);
    }
    fputs("        'help:help of a command'\n        'version:print the version'\n    )\n"
          "    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n", to);
    for (int c = 0; c < n_commands; c++) {
        fprintf(to, "    %s)\n        _arguments \\\n", commands[c].name);
        for (int i = 0; i < n; i++)
            if (s[i].commands & commands[c].bit) print_zsh_setting(to, &s[i]);
        fputs("            '--help[list the settings]' '*:file:_files'\n        ;;\n", to);
    }
    fputs("    help) _describe command commands ;;\n    esac\n}\n_attune \"$@\"\n", to);
}

at_status at_completions_print(const char *shell, FILE *to, at_error *err) {
    if (shell && !strcmp(shell, "bash")) return print_bash(to), AT_OK;
    if (shell && !strcmp(shell, "zsh")) return print_zsh(to), AT_OK;
    err->code = AT_USAGE;
    snprintf(err->text, sizeof err->text, "completions are made for bash and zsh: attune completions bash");
    return AT_USAGE;
}
