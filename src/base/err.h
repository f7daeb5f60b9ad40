/* Errors: a code for the program, a sentence for the person. See quality rules in docs/errors.md. */
#ifndef AT_BASE_ERR_H
#define AT_BASE_ERR_H

#include "attune.h"

/* Fills err (if not NULL) and returns code, so that `return at_fail(err, AT_BAD_DATA, "...", ...)` reads well.
 * The sentence is cut, never overrun, at the size of err->text. */
at_status at_fail(at_error *err, at_status code, const char *fmt, ...) AT_PRINTF(3, 4);

/* The memory is not to be had: AT_NO_MEMORY and how much was asked for. */
at_status at_fail_memory(at_error *err, size_t bytes);

/* A failed system call on `path`: "path: what: strerror(errno)". `code` is what it means where the file is data or a model, for instance; a full or
 * broken disk (ENOSPC, EDQUOT, EIO, EROFS) is AT_DISK whatever is asked for. */
at_status at_fail_errno(at_error *err, at_status code, const char *path, const char *what);

/* Puts "prefix: " before the sentence that err already holds; returns err->code. */
at_status at_fail_prefix(at_error *err, const char *fmt, ...) AT_PRINTF(2, 3);

/* `if ((st = call)) return st;` in one word. */
#define AT_TRY(call)                    \
    do {                                \
        at_status at_try_ = (call);     \
        if (at_try_) return at_try_;    \
    } while (0)

#endif
