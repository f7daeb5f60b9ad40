#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

at_status at_fail(at_error *err, at_status code, const char *fmt, ...) {
    if (!err) return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    err->code = code;
    return code;
}

at_status at_fail_memory(at_error *err, size_t bytes) {
    if (bytes < 100000) return at_fail(err, AT_NO_MEMORY, "not enough memory");
    return at_fail(err, AT_NO_MEMORY, "not enough memory: %.1f MB more were asked for", (double)bytes / 1e6);
}

at_status at_fail_errno(at_error *err, at_status code, const char *path, const char *what) {
    int saved = errno;
    if (saved == ENOSPC || saved == EDQUOT || saved == EIO || saved == EROFS) code = AT_DISK;
    return at_fail(err, code, "%s: %s: %s", path, what, strerror(saved));
}

at_status at_fail_prefix(at_error *err, const char *fmt, ...) {
    if (!err) return AT_BUG;
    char prefix[sizeof err->text];
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    memcpy(text, err->text, sizeof text);
    snprintf(err->text, sizeof err->text, "%.400s: %.600s", prefix, text);
    return err->code;
}
