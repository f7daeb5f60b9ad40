#include "task/marked.h"

void at_add_plain(at_str *to, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) at_str_add_bytes(to, (unsigned char)text[i] < ' ' ? " " : text + i, 1);
}

void at_add_html(at_str *to, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const char *as = text[i] == '<' ? "&lt;" : text[i] == '>' ? "&gt;" : text[i] == '&' ? "&amp;" : text[i] == '"' ? "&quot;" : NULL;
        if (as) at_str_add(to, as);
        else at_str_add_bytes(to, (unsigned char)text[i] < ' ' ? " " : text + i, 1);
    }
}

void at_add_html_head(at_str *to, const char *title) {
    at_str_addf(to,
                "<!doctype html>\n<meta charset=\"utf-8\">\n<title>%s</title>\n"
                "<style>body{font:1em/1.7 sans-serif;max-width:50em;margin:2em auto}mark{padding:.15em .3em;border-radius:.3em}"
                "small{color:#555;font-size:.7em}h2{font-size:1em}</style>\n",
                title);
}

void at_add_span_head(at_str *to) { at_str_add(to, "line\tstart\tend\tlabel\tscore\ttext\n"); }

void at_add_span(at_str *to, uint32_t line, long long start, long long end, const char *label, double score, const char *text, size_t len) {
    at_str_addf(to, "%u\t%lld\t%lld\t%s\t%.4f\t", (unsigned)line, start, end, label, score);
    at_add_plain(to, text, len);
    at_str_add(to, "\n");
}
