#include "cli/cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A signal handler has no other way to speak to the program than an object of static storage. */
static volatile sig_atomic_t stops;

static void on_stop(int signal) {
    (void)signal;
    if (stops++) {
        ssize_t ignored = write(STDERR_FILENO, "\n", 1);
        (void)ignored;
        _exit(AT_ABORTED);
    }
}

void at_signals_install(int ignore_pipe) {
    struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: a read that waits for a line ends */
    sigemptyset(&stop.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file beyond ulimit -f is a failed write, as on a full disk */
    if (ignore_pipe) signal(SIGPIPE, SIG_IGN);
}

int at_signals_stop(void) { return stops > 0; }
