#include "base/half.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_value(uint32_t half)
{
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
    if (exponent == 31) return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f; // exact: subnormal halves are normal floats
    return sign ? -tiny : tiny;
}

uint32_t half_nearest(float value)
{
    uint32_t bits = to_bits(value), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    if (size > 0x7F800000) return sign | 0x7E00 | (size >> 13 & 0x3FF); // not a number
    if (size >= 0x47800000) return sign | 0x7C00;
    if (size < 0x38800000) // subnormal: adding 0.5 leaves units of 2^-24 in the last bits
        return sign | (to_bits(from_bits(size) + 0.5f) - 0x3F000000);
    uint32_t odd = size >> 13 & 1;
    return sign | ((size - 0x38000000 + 0xFFF + odd) >> 13); // a carry makes the next exponent
}

void half_read_f16(float *out, const void *in, int64_t count)
{
    const unsigned char *s = in;
    for (int64_t i = 0; i < count; i++)
        out[i] = half_value((uint32_t)s[2 * i] | (uint32_t)s[2 * i + 1] << 8);
}

void half_read_bf16(float *out, const void *in, int64_t count)
{
    const unsigned char *s = in;
    for (int64_t i = 0; i < count; i++)
        out[i] = from_bits((uint32_t)s[2 * i] << 16 | (uint32_t)s[2 * i + 1] << 24);
}

void half_write_f16(void *out, const float *in, int64_t count)
{
    unsigned char *d = out;
    for (int64_t i = 0; i < count; i++) {
        uint32_t half = half_nearest(in[i]);
        d[2 * i] = (unsigned char)half;
        d[2 * i + 1] = (unsigned char)(half >> 8);
    }
}
