/* Matrices of 32-bit floats in NumPy's npy files, format 1.0 and 2.0: two dimensions, rows one after the other, little-endian.
 *
 * Source: NEP 1 of NumPy, "A simple file format for NumPy arrays". Read a part at a time; the header's numbers are believed only as far as the file's length bears them out. */
#ifndef AT_IO_NPY_H
#define AT_IO_NPY_H

#include "base/file.h"

enum { AT_NPY_HEADER = 128 };

/* The first bytes of a file of so many rows. */
void at_npy_header(long rows, int width, char header[AT_NPY_HEADER]);

typedef struct at_npy {
    const char *path;
    int fd;
    long rows;
    int width;
    size_t first; /* byte of the first number */
} at_npy;

/* Zero-initialised; AT_BAD_DATA where the file is none or another kind of matrix. `path` must live as long. */
at_status at_npy_open(at_npy *npy, const char *path, at_error *err);
/* Rows first .. first + n - 1 into values [n, width]. */
at_status at_npy_read(const at_npy *npy, long first, long n, float *values, at_error *err);
void at_npy_close(at_npy *npy);

#endif
