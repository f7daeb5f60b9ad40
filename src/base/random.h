/* Counter-based randomness: every number is a function of what it is for, never of what was drawn
 * before, so that a resumed run, a replayed chunk and a run on other threads draw the same numbers.
 *
 * The mixing is the finaliser of SplitMix64 (Steele, Lea, Flood 2014) for keys and the 32-bit hash
 * "triple32"-like two-multiply mix (Wellons, hash-prospector "lowbias32") for elements, which vectorises. */
#ifndef AT_BASE_RANDOM_H
#define AT_BASE_RANDOM_H

#include <stdint.h>

/* What a stream of numbers is for. Sites inside a model add their own number (AT_SITE_DROPOUT + site). */
enum { AT_SITE_SHUFFLE = 1, AT_SITE_INIT = 2, AT_SITE_SPLIT = 3, AT_SITE_MASK = 4, AT_SITE_SAMPLE = 5, AT_SITE_DROPOUT = 1 << 16 };

static inline uint64_t at_mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* The key of one site at one optimiser step. */
static inline uint64_t at_random_key(uint64_t seed, uint64_t site, uint64_t step) {
    return at_mix64(at_mix64(at_mix64(seed) ^ site) ^ step);
}

/* The key of one row: of (sequence in the step, position) or (sequence, head, query) packed by the caller. */
static inline uint64_t at_random_row(uint64_t key, uint64_t row_id) { return at_mix64(key ^ at_mix64(row_id)); }

static inline uint32_t at_mix32(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = (x ^ (x >> 15)) * 0xd35a2d97u;
    return x ^ (x >> 15);
}

/* 32 random bits for counter `index` of a row; two rounds keyed by both halves of the row's key. */
static inline uint32_t at_random_bits(uint64_t row_key, uint32_t index) {
    uint32_t h = at_mix32(index * 0x9E3779B9u + (uint32_t)row_key);
    return at_mix32(h ^ (uint32_t)(row_key >> 32));
}

/* Dropout's decision for one column of a row: columns go in blocks of 32; within a block, column c
 * takes the low (c < 16) or high (c >= 16) half of the bits of counter 16*block + c%16. So one vector of 16 hashes
 * serves 32 columns. threshold = round(p * 65536); the element is dropped where the half is below it. */
static inline int at_dropout_keeps(uint64_t row_key, uint32_t col, uint32_t threshold) {
    uint32_t bits = at_random_bits(row_key, (col >> 5) * 16 + (col & 15));
    return ((col & 16 ? bits >> 16 : bits & 0xffff)) >= threshold;
}

/* Uniform in (0, 1), 53 bits. */
static inline double at_random_uniform(uint64_t key, uint64_t index) {
    return ((double)(at_random_row(key, index) >> 11) + 0.5) * 0x1p-53;
}

/* Uniform in 0 .. n-1 (n > 0); the bias is below n / 2^64. */
static inline uint64_t at_random_below(uint64_t key, uint64_t index, uint64_t n) {
    return (uint64_t)(((__uint128_t)at_random_row(key, index) * n) >> 64);
}

/* Standard normal, by Box and Muller from counters 2*index and 2*index+1. */
double at_random_normal(uint64_t key, uint64_t index);

/* A permutation of 0 .. n-1 (Fisher and Yates) that depends on the key alone. */
void at_random_permutation(uint64_t key, uint32_t *order, uint32_t n);

#endif
