/* ggml's types: blocks of numbers that share scales. In each, d and m (dmin) are halves; q small integers.
 *
 *   Q4_0, Q5_0, Q8_0   32 numbers   d q             q from -8, -16, -128
 *   Q4_1, Q5_1         32           d q + m         q from 0
 *   IQ4_NL             32           d table[q]
 *   Q2_K, Q4_K, Q5_K   256          (d s) q - (m t)   s, t small integers of each 16 or 32 numbers
 *   Q3_K, Q6_K         256          (d s) q         q from -4, -32
 *
 * Every product and sum is rounded to float where ggml (ggml-quants.c, dequantize_row_*) rounds it. */
#include <math.h>
#include <string.h>

#include "io/gguf.h"
#include "io/safetensors.h"

enum { LONG = 256 };

typedef void unpack_block(const unsigned char *b, float *y);

static float half(const unsigned char *b) { return at_from_f16((uint16_t)(b[0] | b[1] << 8)); }

/* 16 bytes: the low halves are the first 16 numbers. */
static void q4_0(const unsigned char *b, float *y) {
    float d = half(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

static void q4_1(const unsigned char *b, float *y) {
    float d = half(b), m = half(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b[4 + i] & 15) + m;
        y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
    }
}

/* The fifth bits of all 32 stand together. */
static int fifth(const unsigned char *bits, int i) { return (bits[i / 8] >> (i % 8) & 1) << 4; }

static void q5_0(const unsigned char *b, float *y) {
    float d = half(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(((b[6 + i] & 15) | fifth(b + 2, i)) - 16);
        y[i + 16] = d * (float)(((b[6 + i] >> 4) | fifth(b + 2, i + 16)) - 16);
    }
}

static void q5_1(const unsigned char *b, float *y) {
    float d = half(b), m = half(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[8 + i] & 15) | fifth(b + 4, i)) + m;
        y[i + 16] = d * (float)((b[8 + i] >> 4) | fifth(b + 4, i + 16)) + m;
    }
}

static void q8_0(const unsigned char *b, float *y) {
    float d = half(b);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(int8_t)b[2 + i];
}

static void iq4_nl(const unsigned char *b, float *y) {
    static const signed char TABLE[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    float d = half(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)TABLE[b[2 + i] & 15];
        y[i + 16] = d * (float)TABLE[b[2 + i] >> 4];
    }
}

/* scales[16] (scale and minimum of 16 numbers, four bits each), two bits of each number[64], d, dmin */
static void q2_k(const unsigned char *b, float *y) {
    const unsigned char *q = b + 16;
    float d = half(b + 80), m = half(b + 82);
    for (int i = 0; i < LONG; i++) {
        int s = b[i / 16], part = i % 128;
        float scale = d * (float)(s & 15), least = m * (float)(s >> 4);
        y[i] = scale * (float)(q[i / 128 * 32 + part % 32] >> (part / 32 * 2) & 3) - least;
    }
}

/* third bits[32], two bits of each[64], six bits of each scale[12], d */
static void q3_k(const unsigned char *b, float *y) {
    const unsigned char *q = b + 32, *s = b + 96;
    float d = half(b + 108);
    for (int i = 0; i < LONG; i++) {
        int part = i % 128, j = i / 16;
        int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4, high = s[8 + j % 4] >> (j / 4 * 2) & 3;
        float scale = d * (float)((low | high << 4) - 32);
        int two = q[i / 128 * 32 + part % 32] >> (part / 32 * 2) & 3, third = b[i % 32] >> (i / 32) & 1;
        y[i] = scale * (float)(two - (third ? 0 : 4));
    }
}

/* Six bits each of the scale and the minimum of 32 numbers, j from 0 to 7, in 12 bytes. */
static void scale_and_minimum(const unsigned char *s, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
        return;
    }
    *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    *minimum = s[j + 4] >> 4 | (s[j] >> 6) << 4;
}

/* d, dmin, scales[12], [fifth bits[32],] four bits of each[128] */
static void k_with_minimum(const unsigned char *b, const unsigned char *high, const unsigned char *q, float *y) {
    float d = half(b), m = half(b + 2);
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        scale_and_minimum(b + 4, j, &scale, &minimum);
        float by = d * (float)scale, least = m * (float)minimum;
        for (int i = 0; i < 32; i++) {
            int four = q[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
            y[j * 32 + i] = by * (float)(four | (high ? (high[i] >> j & 1) << 4 : 0)) - least;
        }
    }
}

static void q4_k(const unsigned char *b, float *y) { k_with_minimum(b, NULL, b + 16, y); }
static void q5_k(const unsigned char *b, float *y) { k_with_minimum(b, b + 16, b + 48, y); }

/* four low bits of each[128], two high ones[64], scales[16], d */
static void q6_k(const unsigned char *b, float *y) {
    const unsigned char *low = b, *high = b + 128;
    float d = half(b + 208);
    for (int i = 0; i < LONG; i++) {
        int part = i % 128, quarter = part / 32, l = part % 32;
        int four = low[i / 128 * 64 + part % 64] >> (part / 64 * 4) & 15, two = high[i / 128 * 32 + l] >> (quarter * 2) & 3;
        float scale = d * (float)(int8_t)b[192 + i / 16];
        y[i] = scale * (float)((four | two << 4) - 32);
    }
}

static void f32(const unsigned char *b, float *y) { memcpy(y, b, sizeof *y); }
static void f16(const unsigned char *b, float *y) { *y = half(b); }
static void bf16(const unsigned char *b, float *y) { *y = at_from_bf16((uint16_t)(b[0] | b[1] << 8)); }

static const struct {
    uint32_t type;
    at_gguf_packing packing;
    unpack_block *unpack; /* NULL: known by name only */
} TYPES[] = {
    {AT_GGUF_F32, {"F32", 1, 4}, f32},          {AT_GGUF_F16, {"F16", 1, 2}, f16},          {AT_GGUF_BF16, {"BF16", 1, 2}, bf16},
    {AT_GGUF_Q4_0, {"Q4_0", 32, 18}, q4_0},     {AT_GGUF_Q4_1, {"Q4_1", 32, 20}, q4_1},     {AT_GGUF_Q5_0, {"Q5_0", 32, 22}, q5_0},
    {AT_GGUF_Q5_1, {"Q5_1", 32, 24}, q5_1},     {AT_GGUF_Q8_0, {"Q8_0", 32, 34}, q8_0},     {AT_GGUF_Q2_K, {"Q2_K", LONG, 84}, q2_k},
    {AT_GGUF_Q3_K, {"Q3_K", LONG, 110}, q3_k},  {AT_GGUF_Q4_K, {"Q4_K", LONG, 144}, q4_k},  {AT_GGUF_Q5_K, {"Q5_K", LONG, 176}, q5_k},
    {AT_GGUF_Q6_K, {"Q6_K", LONG, 210}, q6_k},  {AT_GGUF_IQ4_NL, {"IQ4_NL", 32, 18}, iq4_nl},
    {9, {"Q8_1", 0, 0}, NULL},     {15, {"Q8_K", 0, 0}, NULL},  {16, {"IQ2_XXS", 0, 0}, NULL}, {17, {"IQ2_XS", 0, 0}, NULL},
    {18, {"IQ3_XXS", 0, 0}, NULL}, {19, {"IQ1_S", 0, 0}, NULL}, {21, {"IQ3_S", 0, 0}, NULL},   {22, {"IQ2_S", 0, 0}, NULL},
    {23, {"IQ4_XS", 0, 0}, NULL},  {29, {"IQ1_M", 0, 0}, NULL}, {34, {"TQ1_0", 0, 0}, NULL},   {35, {"TQ2_0", 0, 0}, NULL},
};
enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

at_gguf_packing at_gguf_packing_of(uint32_t type) {
    for (int i = 0; i < N_TYPES; i++)
        if (TYPES[i].type == type) return TYPES[i].packing;
    return (at_gguf_packing){"unknown", 0, 0};
}

void at_gguf_unpack(at_gguf_type type, const void *blocks, float *values, size_t n) {
    for (int i = 0; i < N_TYPES; i++) {
        if (TYPES[i].type != (uint32_t)type || !TYPES[i].unpack) continue;
        const unsigned char *b = blocks;
        size_t count = (size_t)TYPES[i].packing.count;
        for (size_t at = 0; at + count <= n; at += count, b += TYPES[i].packing.bytes) TYPES[i].unpack(b, values + at);
    }
}

static void put_half(unsigned char *b, uint16_t h) {
    b[0] = (unsigned char)(h & 255);
    b[1] = (unsigned char)(h >> 8);
}

/* d = largest / 127; q = x / d, halves away from zero (quantize_row_q8_0_ref). */
static void pack_q8_0(const float *x, unsigned char *b) {
    float largest = 0;
    for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i]));
    float d = largest / 127.0f, by = d != 0 ? 1.0f / d : 0;
    put_half(b, at_to_f16(d));
    for (int i = 0; i < 32; i++) b[2 + i] = (unsigned char)(signed char)roundf(x[i] * by);
}

void at_gguf_pack(at_gguf_type type, const float *values, void *blocks, size_t n) {
    unsigned char *b = blocks;
    if (type == AT_GGUF_F32) memcpy(b, values, n * sizeof *values);
    for (size_t i = 0; i < n && type == AT_GGUF_F16; i++) put_half(b + 2 * i, at_to_f16(values[i]));
    for (size_t i = 0; i < n && type == AT_GGUF_BF16; i++) put_half(b + 2 * i, at_to_bf16(values[i]));
    for (size_t i = 0; i + 32 <= n && type == AT_GGUF_Q8_0; i += 32) pack_q8_0(values + i, b + i / 32 * 34);
}
