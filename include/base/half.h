/// 16-bit floats, stored little-endian, to and from float32.
#pragma once
#include <stdint.h>

/// Local. Exact.
float half_value(uint32_t half);
/// Local. The nearest F16, ties to even; beyond its range an infinity.
uint32_t half_nearest(float value);

/// Local. `count` elements of F16 or BF16 at any address; exact.
void half_read_f16(float *out, const void *in, int64_t count);
void half_read_bf16(float *out, const void *in, int64_t count);
/// Local. The reverse of `half_read_f16`, each value as `half_nearest`.
void half_write_f16(void *out, const float *in, int64_t count);
