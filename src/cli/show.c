/* What a person or a program sees while a command runs.
 *
 *   a terminal       words of every event, and a bar on standard error, redrawn at most ten times a second
 *   no terminal      words, and a line of progress at the first and last step and between them at sensible intervals
 *   --json           every event as one JSON object a line on standard output
 *   --quiet          results and errors only
 *
 * Results go to standard output; so do the words around them, except where the results are answers to be piped on (predict). */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double REDRAW_SECONDS = 0.1, LINE_SECONDS = 5;

struct at_show {
    at_listener listener;
    unsigned command;
    int json, quiet, terminal;
    int logging_steps, logging_given;
    int bar_drawn;
    int within_line; /* an answer that grows has not ended its line */
    double started, drawn, line;
    FILE *words; /* where what is not a result goes */
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void clear_bar(at_show *s) {
    if (!s->bar_drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    s->bar_drawn = 0;
}

static int one_of(const char *word, const char *const *list) {
    for (int i = 0; list[i]; i++)
        if (!strcmp(word, list[i])) return 1;
    return 0;
}

/* What --quiet leaves. An evaluation inside a training is not its result; `done` is. */
static int is_result(const at_show *s, const char *kind) {
    static const char *const always[] = {"done", "prediction", "vector", "found", "header", "finding", "fixed", "info", "tokens", "stats", "chat", NULL};
    static const char *const of_eval[] = {"eval", "table", "mistake", NULL};
    return one_of(kind, always) || ((s->command == AT_CMD_EVAL || s->command == AT_CMD_SCORE) && one_of(kind, of_eval));
}

static void show_json(at_show *s, const char *kind, const char *json) {
    printf("{\"event\":\"%s\",\"time\":%.3f", kind, now() - s->started);
    if (json && json[0] == '{' && json[1] != '}') printf(",%s\n", json + 1);
    else puts("}");
    fflush(stdout);
}

static void duration(double seconds, char *text, size_t size) {
    if (!isfinite(seconds) || seconds < 0) snprintf(text, size, "?");
    else if (seconds < 3600) snprintf(text, size, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
    else snprintf(text, size, "%.0fh%02dm", floor(seconds / 3600), (int)(fmod(seconds, 3600) / 60));
}

/* Only what is known: a pass without gradients has neither loss nor rate. A loss that is no number any more is shown as it is. */
static void figures(const at_event_progress *p, int with_epoch, char *text, size_t size) {
    char left[32], speed[40] = "", epoch[40] = "", learning[80] = "";
    duration(p->seconds_left, left, sizeof left);
    if (p->tokens_per_second >= 1e4) snprintf(speed, sizeof speed, "%.0fk tokens/s  ", p->tokens_per_second / 1e3);
    else if (p->tokens_per_second > 0) snprintf(speed, sizeof speed, "%.0f tokens/s  ", p->tokens_per_second);
    if (isfinite(p->learning_rate)) {
        if (with_epoch) snprintf(epoch, sizeof epoch, "epoch %.2f  ", p->epoch);
        snprintf(learning, sizeof learning, "loss %.4f  rate %.2e  ", p->loss, p->learning_rate);
    }
    snprintf(text, size, "%s%s%s%s left", epoch, learning, speed, left);
}

static int terminal_width(void) {
    struct winsize size;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20 ? size.ws_col : 80;
}

enum { BAR_LEAST = 10, BAR_MOST = 30 };

/* [####......] 120/300  loss ... Where the terminal is narrow the epoch goes before the bar does. */
static void draw_bar(at_show *s, const at_event_progress *p) {
    char text[160], count[48];
    int width = terminal_width() - 1, n = snprintf(count, sizeof count, " %d/%d  ", p->step, p->n_steps), room = 0;
    for (int with_epoch = 1; with_epoch >= 0 && room < BAR_LEAST; with_epoch--) {
        figures(p, with_epoch, text, sizeof text);
        room = width - n - (int)strlen(text) - 2;
    }
    if (room > BAR_MOST) room = BAR_MOST;
    fputs("\r\033[K", stderr);
    if (room >= BAR_LEAST) {
        int done = p->n_steps > 0 ? (int)((double)room * p->step / p->n_steps) : 0;
        fputc('[', stderr);
        for (int i = 0; i < room; i++) fputc(i < done ? '#' : '.', stderr);
        fputc(']', stderr);
    }
    fprintf(stderr, "%s%.*s", count, width > n ? width - n : 0, text);
    fflush(stderr);
    s->bar_drawn = 1;
}

static int is_logging_step(const at_show *s, const at_event_progress *p) {
    return p->step <= 1 || p->step == p->n_steps || p->step % s->logging_steps == 0;
}

static void show_step(at_show *s, const at_event *event) {
    const at_event_progress *p = event->progress;
    double t = now();
    if (!p) return;
    int first = p->step <= 1, last = p->step == p->n_steps;
    if (s->json) {
        if (is_logging_step(s, p)) show_json(s, event->kind, event->json);
    } else if (s->quiet) {
        return;
    } else if (s->terminal) {
        if (!last && t - s->drawn < REDRAW_SECONDS) return;
        s->drawn = t;
        draw_bar(s, p);
    } else if (first || last || (is_logging_step(s, p) && (s->logging_given || t - s->line >= LINE_SECONDS))) {
        char text[160];
        s->line = t;
        figures(p, 1, text, sizeof text);
        fprintf(s->words, "step %d/%d  %s\n", p->step, p->n_steps, text);
        fflush(s->words);
    }
}

/* The end of what was asked for, without a newline, for a file that is the same but for its answers. */
static void show_unended(const at_show *s, const char *text) {
    if (!s->json) fputs(text, stdout);
}

/* An answer that grows: no line's end but its own. */
static void show_text(at_show *s, const char *text) {
    size_t n = strlen(text);
    fputs(text, stdout);
    fflush(stdout);
    if (n) s->within_line = text[n - 1] != '\n';
}

static void end_line(at_show *s) {
    if (s->within_line) putchar('\n');
    s->within_line = 0;
}

static void on_event(void *context, const at_event *event) {
    at_show *s = context;
    if (!s->json && !strcmp(event->kind, "text") && event->text) {
        show_text(s, event->text);
        return;
    }
    end_line(s);
    if (!strcmp(event->kind, "unended")) {
        show_unended(s, event->text);
        return;
    }
    if (!strcmp(event->kind, "step")) {
        show_step(s, event);
        return;
    }
    if (s->json) {
        show_json(s, event->kind, event->json);
        return;
    }
    int result = is_result(s, event->kind), warning = !strcmp(event->kind, "warning");
    if (!event->text || (s->quiet && !result)) return;
    clear_bar(s);
    FILE *to = result ? stdout : s->words;
    fprintf(to, "%s%s\n", warning ? "warning: " : "", event->text);
    fflush(to);
}

static int on_stop(void *context) {
    (void)context;
    return at_signals_stop();
}

static int flag(const at_options *options, const char *name) {
    const char *value = at_options_get(options, name, NULL);
    return value && !strcmp(value, "true");
}

at_show *at_show_open(const at_options *options, unsigned command) {
    at_show *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    const char *steps = at_options_get(options, "logging_steps", &s->logging_given);
    s->listener = (at_listener){.context = s, .event = on_event, .stop = on_stop};
    s->command = command;
    s->json = flag(options, "json");
    s->quiet = flag(options, "quiet");
    s->terminal = isatty(STDERR_FILENO);
    s->logging_steps = steps ? atoi(steps) : 10;
    s->started = now();
    s->words = command & (AT_CMD_PREDICT | AT_CMD_GENERATE | AT_CMD_EMBED | AT_CMD_SEARCH | AT_CMD_TOKENIZE) ? stderr : stdout;
    return s;
}

const at_listener *at_show_listener(at_show *show) { return &show->listener; }

/* A sentence as a JSON string; bytes that are no printable ASCII are written as they are where UTF-8, else as '?'. */
static void print_json_string(const char *text) {
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') printf("\\%c", *p);
        else if (*p < 0x20) printf("\\u%04x", *p);
        else putchar(*p);
    }
    putchar('"');
}

static void print_error(double seconds, int code, const char *text) {
    printf("{\"event\":\"error\",\"time\":%.3f,\"code\":%d,\"text\":", seconds, code);
    print_json_string(text);
    puts("}");
}

void at_show_refusal(const at_error *err) { print_error(0, (int)err->code, err->text); }

void at_show_close(at_show *s, at_status status, const at_error *err) {
    end_line(s);
    clear_bar(s);
    if (status && s->json) print_error(now() - s->started, (int)status, err->text);
    if (status && status != AT_STOPPED) fprintf(stderr, "error: %s\n", err->text);
    fflush(stdout);
    free(s);
}
