#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NARROW = 80, WIDE = 100, INDENT = 36 };

static int page_width(FILE *to) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (!width && !ioctl(fileno(to), TIOCGWINSZ, &size)) width = size.ws_col;
    return width < NARROW ? NARROW : width > WIDE ? WIDE : width;
}

/* Text broken at spaces; `used` columns of the first line are taken, further lines begin at `indent`. */
static void print_wrapped(FILE *to, const char *text, int used, int indent, int width) {
    for (int first = 1; *text; first = 0) {
        size_t len = strcspn(text, " \n");
        if (!first && used + 1 + (int)len > width) {
            fprintf(to, "\n%*s", indent, "");
            used = indent;
        } else if (!first) {
            fputc(' ', to);
            used++;
        }
        fwrite(text, 1, len, to);
        used += (int)len;
        text += len;
        text += strspn(text, " \n");
    }
    fputc('\n', to);
}

/* Every line of `lines` after "  attune NAME ", broken where it is too long. */
static void print_usage(FILE *to, const char *name, const char *lines, int width) {
    const char *before = "usage: ";
    while (*lines) {
        char line[512];
        size_t len = strcspn(lines, "\n");
        int indent = fprintf(to, "%sattune %s ", before, name);
        snprintf(line, sizeof line, "%.*s", (int)len, lines);
        print_wrapped(to, line, indent, indent, width);
        before = "       ";
        lines += len + (lines[len] == '\n');
    }
}

const char *at_help_dashed(const char *name, char *dashed, size_t size) {
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++) dashed[i] = name[i] == '_' ? '-' : name[i];
    dashed[i] = '\0';
    return dashed;
}

int at_help_alias(const at_setting *s, char *alias, size_t size) {
    size_t best = strlen(s->name);
    alias[0] = '\0';
    for (const char *p = s->aliases; p && *p;) {
        size_t len = strcspn(p, " ");
        if (len < best && len < size) {
            best = len;
            memcpy(alias, p, len);
            alias[len] = '\0';
        }
        p += len + (p[len] == ' ');
    }
    char copy[64];
    snprintf(copy, sizeof copy, "%s", alias);
    at_help_dashed(copy, alias, size);
    return alias[0] != '\0';
}

static void print_setting(FILE *to, const at_setting *s, int width) {
    char name[64], alias[64], left[160], right[1024];
    int has_alias = at_help_alias(s, alias, sizeof alias);
    snprintf(left, sizeof left, "  --%s%s%s", at_help_dashed(s->name, name, sizeof name), s->value ? " " : "", s->value ? s->value : "");
    int n = snprintf(right, sizeof right, "%s", s->help), has_default = s->fallback && s->type != AT_SETTING_FLAG;
    const char *before = " (";
    if (s->choices && strchr(s->choices, ' ')) {
        n += snprintf(right + n, sizeof right - (size_t)n, "%s", before);
        int run = 0; /* many choices may be broken behind a bar */
        for (const char *p = s->choices; *p && n + 2 < (int)sizeof right; p++) {
            right[n++] = *p == ' ' ? '|' : *p;
            if (*p == ' ' && ++run % 4 == 0 && strlen(p) > 12) right[n++] = ' ';
        }
        before = "; ";
    }
    if (has_default) {
        n += snprintf(right + n, sizeof right - (size_t)n, "%sdefault %s", before, s->fallback);
        before = "; ";
    }
    if (has_alias) {
        n += snprintf(right + n, sizeof right - (size_t)n, "%salso --%s", before, alias);
        before = "; ";
    }
    if (before[0] == ';') snprintf(right + n, sizeof right - (size_t)n, ")");
    int used = fprintf(to, "%s", left);
    if (used >= INDENT - 1) fputc('\n', to), used = 0;
    fprintf(to, "%*s", INDENT - used, "");
    print_wrapped(to, right, INDENT, INDENT, width);
}

static void print_group(FILE *to, const at_command *command, const at_setting *settings, int n, int first, int width) {
    fprintf(to, "\n%s\n", settings[first].group);
    for (int i = first; i < n; i++)
        if ((settings[i].commands & command->bit) && !strcmp(settings[i].group, settings[first].group))
            print_setting(to, &settings[i], width);
}

static void print_indented(FILE *to, const char *lines) {
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        fprintf(to, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

void at_help_command(const at_command *command, FILE *to) {
    int n, width = page_width(to);
    const at_setting *settings = at_settings(&n);
    print_usage(to, command->name, command->usage, width);
    fputc('\n', to);
    print_wrapped(to, command->about, 0, 0, width);
    for (int i = 0; i < n; i++) {
        int seen = !(settings[i].commands & command->bit);
        for (int j = 0; j < i && !seen; j++)
            seen = (settings[j].commands & command->bit) && !strcmp(settings[j].group, settings[i].group);
        if (!seen) print_group(to, command, settings, n, i, width);
    }
    fprintf(to, "\nExamples\n");
    print_indented(to, command->examples);
    fputc('\n', to);
    print_wrapped(to, "Names take - or _; --name VALUE and --name=VALUE are equal; --no-NAME turns a flag off; -- ends the options.",
                  0, 0, width);
}

void at_help_overview(FILE *to) {
    int n;
    const at_command *commands = at_commands(&n);
    fprintf(to, "attune %s: fine-tunes pre-trained transformers for your own task\n\nusage: attune COMMAND [options]\n\n", at_version());
    for (int i = 0; i < n; i++) fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "  %-9s %s\n  %-9s %s\n\n", "help", "`attune help COMMAND` lists the command's settings", "version", "print the version");
    fprintf(to, "A first run\n"
                "  attune fetch sentence-transformers/all-MiniLM-L6-v2\n"
                "  attune train --model sentence-transformers/all-MiniLM-L6-v2 --train train.csv --output runs/first\n"
                "  attune predict --model runs/first \"a new text\"\n\n"
                "Exit codes\n"
                "  0 done; 1 a bug of ours; 2 usage or configuration; 3 bad data; 4 bad model; 5 disk; 6 network;\n"
                "  7 memory; 8 diverged; 9 below --min-score; 75 stopped and saved, run again; 130 aborted\n");
}
