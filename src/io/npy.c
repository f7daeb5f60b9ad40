#include "io/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 8, LONGEST_HEADER = 4096 };

/* Version 1.0: magic, version, length of the rest, a Python dictionary, blanks up to a multiple of 64 bytes, a newline. */
void at_npy_header(long rows, int width, char header[AT_NPY_HEADER]) {
    memset(header, ' ', AT_NPY_HEADER);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 = 128 - 10 */
    int n = snprintf(header + 10, AT_NPY_HEADER - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %d), }", rows, width);
    header[10 + n] = ' ';
    header[AT_NPY_HEADER - 1] = '\n';
}

static int read_exactly(int fd, void *to, size_t n, size_t from) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(from + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        done += (size_t)got;
    }
    return 1;
}

/* What stands behind 'name': in the dictionary. */
static const char *value_of(const char *dictionary, const char *name) {
    const char *at = strstr(dictionary, name);
    if (!at) return "";
    at += strlen(name);
    return at + strspn(at, " :");
}

static at_status take_shape(at_npy *npy, const char *shape, at_error *err) {
    char *end;
    if (*shape == '(') {
        npy->rows = strtol(shape + 1, &end, 10);
        end += strspn(end, " ,");
        long width = strtol(end, &end, 10);
        if (npy->rows >= 0 && width > 0 && width <= 1 << 20 && *end == ')') return npy->width = (int)width, AT_OK;
    }
    return at_fail(err, AT_BAD_DATA, "%s: its shape is %.*s; a matrix of vectors is needed, (texts, width)", npy->path, (int)strcspn(shape, "\n}"), shape);
}

static at_status read_header(at_npy *npy, at_error *err) {
    unsigned char start[12];
    char text[LONGEST_HEADER + 1];
    if (!read_exactly(npy->fd, start, sizeof start, 0) || memcmp(start, "\x93NUMPY", 6) || start[6] < 1 || start[6] > 2)
        return at_fail(err, AT_BAD_DATA, "%s is no npy file of NumPy", npy->path);
    size_t long_form = start[6] == 2, n = start[8] | (size_t)start[9] << 8;
    if (long_form) n |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    npy->first = (size_t)(long_form ? MAGIC + 4 : MAGIC + 2) + n;
    if (n > LONGEST_HEADER || !read_exactly(npy->fd, text, n, npy->first - n)) return at_fail(err, AT_BAD_DATA, "%s: its header is cut off or damaged", npy->path);
    text[n] = '\0';
    if (strncmp(value_of(text, "'descr'"), "'<f4'", 5) || strncmp(value_of(text, "'fortran_order'"), "False", 5))
        return at_fail(err, AT_BAD_DATA, "%s: its numbers are not 32-bit floats row by row; numpy.save(file, vectors.astype('<f4')) writes such", npy->path);
    return take_shape(npy, value_of(text, "'shape'"), err);
}

static at_status check_length(const at_npy *npy, at_error *err) {
    struct stat about;
    if (fstat(npy->fd, &about)) return at_fail(err, AT_BAD_DATA, "%s: %s", npy->path, strerror(errno));
    size_t bytes = (size_t)about.st_size - npy->first, row = (size_t)npy->width * sizeof(float);
    if (bytes % row || bytes / row != (size_t)npy->rows)
        return at_fail(err, AT_BAD_DATA, "%s: %ld vectors of %d numbers are announced, the file holds %zu bytes of them", npy->path, npy->rows, npy->width, bytes);
    return AT_OK;
}

at_status at_npy_open(at_npy *npy, const char *path, at_error *err) {
    *npy = (at_npy){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (npy->fd < 0) return at_fail(err, AT_BAD_DATA, "%s: %s", path, strerror(errno));
    AT_TRY(read_header(npy, err));
    return check_length(npy, err);
}

at_status at_npy_read(const at_npy *npy, long first, long n, float *values, at_error *err) {
    size_t row = (size_t)npy->width * sizeof *values;
    if (read_exactly(npy->fd, values, (size_t)n * row, npy->first + (size_t)first * row)) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s: vectors %ld to %ld could not be read", npy->path, first + 1, first + n);
}

void at_npy_close(at_npy *npy) {
    if (npy->path && npy->fd >= 0) close(npy->fd);
    *npy = (at_npy){.fd = -1};
}
