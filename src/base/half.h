/* IEEE half and bfloat16, round to nearest even. */
#ifndef AT_BASE_HALF_H
#define AT_BASE_HALF_H

#include <stdint.h>

float at_from_f16(uint16_t h);
uint16_t at_to_f16(float f);
float at_from_bf16(uint16_t h);
uint16_t at_to_bf16(float f);

#endif
