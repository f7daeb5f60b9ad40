/* A small dataset of random tokens whose label can be learned: token 10 + label stands somewhere in each example. */
#ifndef AT_TESTS_TINY_DATA_H
#define AT_TESTS_TINY_DATA_H

#include "check.h"

#include "base/random.h"
#include "train/dataset.h"

static inline at_dataset *tiny_dataset(int n, int longest, int vocab, int classes) {
    at_dataset *d = calloc(1, sizeof *d);
    d->n = n;
    d->path = "tiny.csv";
    d->token_at = AT_NEW_ARRAY(&d->arena, uint64_t, n + 1);
    d->line = AT_NEW_ARRAY(&d->arena, uint32_t, n);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, n);
    int32_t *ids = AT_NEW_ARRAY(&d->arena, int32_t, n * longest);
    d->types = AT_NEW_ARRAY(&d->arena, uint8_t, n * longest);
    d->ids = ids;
    d->max_id = vocab - 1;
    uint64_t key = at_random_key(11, AT_SITE_SPLIT, (uint64_t)n), at = 0;
    for (int i = 0; i < n; i++) {
        int len = i == 0 ? longest : 2 + (int)at_random_below(key, (uint64_t)i, (uint64_t)longest - 1);
        d->label[i] = (int32_t)at_random_below(key, (uint64_t)(i + 100000), (uint64_t)classes);
        d->line[i] = (uint32_t)i + 2;
        for (int t = 0; t < len; t++)
            ids[at + (uint64_t)t] = 20 + (int32_t)at_random_below(key, (uint64_t)(i * 1000 + t + 200000), (uint64_t)vocab - 20);
        ids[at] = 2;
        ids[at + 1 + at_random_below(key, (uint64_t)(i + 300000), (uint64_t)len - 1)] = 10 + d->label[i];
        at += (uint64_t)len;
        d->token_at[i + 1] = at;
        if (len > d->longest) d->longest = len;
    }
    return d;
}

#endif
