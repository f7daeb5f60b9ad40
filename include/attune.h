/* attune: fine-tunes pre-trained transformers for a person's own task.
 *
 * The only public header. Everything the program `attune` does is reachable from here.
 *
 * Conventions
 *   - A function that can fail returns an at_status and, where it fails, fills `err` (which may be
 *     NULL) with one sentence for the user: which file, which line or byte, what is wrong, what to do.
 *   - The library never ends the process, prints nothing by itself, keeps no global state and makes no
 *     network call unless a function's name says so.
 *   - Handles are opened and closed by functions of the same prefix; closing NULL is allowed.
 */
#ifndef ATTUNE_H
#define ATTUNE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AT_API __attribute__((visibility("default")))
#define AT_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#else
#define AT_API
#define AT_PRINTF(fmt_at, args_at)
#endif

#define AT_VERSION_MAJOR 0
#define AT_VERSION_MINOR 1
#define AT_VERSION_PATCH 0

/* What became of a call; also the exit code of the program. */
typedef enum at_status {
    AT_OK = 0,
    AT_BUG = 1,        /* our mistake */
    AT_USAGE = 2,      /* an option or a configuration */
    AT_BAD_DATA = 3,   /* the user's data */
    AT_BAD_MODEL = 4,  /* a model, tokenizer or checkpoint */
    AT_DISK = 5,       /* reading or writing */
    AT_NETWORK = 6,
    AT_NO_MEMORY = 7,
    AT_DIVERGED = 8,   /* the training is not finite any more */
    AT_BELOW = 9,      /* the result is below the threshold asked for */
    AT_STOPPED = 75,   /* stopped and saved; the same call goes on */
    AT_ABORTED = 130
} at_status;

typedef struct at_error {
    at_status code;
    char text[1024]; /* one sentence, without "error:" and without a newline */
} at_error;

/* "0.1.0" */
AT_API const char *at_version(void);

#ifdef __cplusplus
}
#endif
#endif
