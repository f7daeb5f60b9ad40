/* Texts with marked parts, for a person. */
#ifndef AT_TASK_MARKED_H
#define AT_TASK_MARKED_H

#include "base/str.h"

/* On one line: control characters become spaces. */
void at_add_plain(at_str *to, const char *text, size_t len);
/* The same as HTML. */
void at_add_html(at_str *to, const char *text, size_t len);
/* What a page of marked texts begins with; parts stand in <mark>, what is said of them in <small> there. */
void at_add_html_head(at_str *to, const char *title);
/* The columns of --format spans, and one line of it. */
void at_add_span_head(at_str *to);
void at_add_span(at_str *to, uint32_t line, long long start, long long end, const char *label, double score, const char *text, size_t len);

#endif
