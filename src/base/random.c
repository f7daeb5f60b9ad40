#include "base/random.h"

#include <math.h>

double at_random_normal(uint64_t key, uint64_t index) {
    double radius = sqrt(-2.0 * log(at_random_uniform(key, 2 * index)));
    return radius * cos(6.283185307179586 * at_random_uniform(key, 2 * index + 1));
}

void at_random_permutation(uint64_t key, uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)at_random_below(key, i, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}
