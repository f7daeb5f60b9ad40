#include <string.h>

#include "base/half.h"

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float at_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f; /* zero and subnormal halves */
    return sign ? -small : small;
}

uint16_t at_to_f16(float f) {
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu)); /* NaN, quiet */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);                             /* 65520 and more */
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        uint32_t rounded = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
        return (uint16_t)(sign | rounded);
    }
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude + 0xfffu + odd - (112u << 23)) >> 13));
}

float at_from_f8_e4m3(uint8_t x) {
    uint32_t exponent = x >> 3 & 15u, fraction = x & 7u, sign = (uint32_t)(x & 0x80u) << 24;
    if ((x & 0x7fu) == 0x7fu) return float_of(sign | 0x7fc00000u);
    if (exponent) return float_of(sign | (exponent + 120) << 23 | fraction << 20);
    float small = (float)fraction * 0x1p-9f;
    return sign ? -small : small;
}

float at_from_f8_e5m2(uint8_t x) { return at_from_f16((uint16_t)(x << 8)); } /* the upper half of an IEEE half */

float at_from_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t at_to_bf16(float f) {
    uint32_t bits = bits_of(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u); /* NaN, quiet */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
