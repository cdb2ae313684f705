/// Made-up gradients.
#pragma once
#include <stdint.h>

/// A number whose sums depend on their order.
static inline float noise(int64_t seed, int64_t element)
{
    uint32_t x = (uint32_t)(seed * 2654435761u + element * 40503u + 12345u);
    x ^= x >> 13, x *= 0x5bd1e995u, x ^= x >> 15;
    return ((float)(x & 0xffff) - 32768) * (x & 0x10000 ? 1e-3f : 3.7f);
}
