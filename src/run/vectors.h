/* Texts to vectors, for embed, search and the public embedder. */
#ifndef AT_RUN_VECTORS_H
#define AT_RUN_VECTORS_H

#include "run/session.h"

/* The session's settings model, pooling, normalize, threads, cpu, precision, max_length. */
at_status at_vectors_open(at_session *session, const at_options *options, at_error *err);

/* The column of the texts: text_column, or by usual names. */
at_status at_vectors_column(const at_options *options, const at_table *table, int *column, at_error *err);

/* Vectors [n, width] of rows first .. first + n - 1, each text behind `prompt` (may be NULL). *n_cut (may be NULL) is raised by the texts that were
 * longer than is read. */
at_status at_vectors_make(const at_session *session, const at_table *table, int column, int first, int n, const char *prompt, float *vectors,
                          long *n_cut, at_error *err);

/* A table of one column "text" over given texts, which it points into. */
at_status at_vectors_table(const char *name, const char *const *texts, int n, at_arena *arena, at_table *table, at_error *err);

/* Where texts come from: a file as a table, or standard input, whose lines are brought together. Close it in every case. */
typedef struct at_text_source {
    at_table *file;          /* or NULL: standard input, or texts */
    at_table own;
    const at_table *table;   /* the rows at hand */
    int column, first, n;    /* of them, what comes next */
    long done;               /* rows before those */
    at_arena lines;
    int from_stream;
    char *line;              /* getline's */
    size_t line_bytes;
} at_text_source;
at_status at_text_source_open(at_text_source *s, const at_options *options, const char *path, const char *const *texts, int n_texts, at_error *err);
/* The next rows, at most `most`; n 0: there are none. */
at_status at_text_source_next(at_text_source *s, int most, at_error *err);
long at_text_source_count(const at_text_source *s); /* -1: not known */
void at_text_source_close(at_text_source *s);

#endif
