/* Floats of 16 and 8 bits. */
#ifndef AT_BASE_HALF_H
#define AT_BASE_HALF_H

#include <stdint.h>

/* IEEE half and bfloat16, round to nearest even. */
float at_from_f16(uint16_t h);
uint16_t at_to_f16(float f);
float at_from_bf16(uint16_t h);
uint16_t at_to_bf16(float f);

/* F8 of the Open Compute Project, "OCP 8-bit Floating Point Specification" (2023): E4M3 without infinities, E5M2 with. */
float at_from_f8_e4m3(uint8_t x);
float at_from_f8_e5m2(uint8_t x);

#endif
