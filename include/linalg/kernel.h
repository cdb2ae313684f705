/// How hot loops are written: fixed lanes of 16 floats in GCC's portable vectors, and one attribute
/// that compiles a function for x86-64-v2, v3 and v4 and chooses at program start. A function so
/// marked has the same source for all; v3 and v4 fuse multiply-add, so the variant is named in every
/// output's provenance (`kernel_variant`).
#pragma once
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif

enum { LANES = 16 };
typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t LanesInt __attribute__((vector_size(4 * LANES)));
typedef uint32_t LanesBits __attribute__((vector_size(4 * LANES)));

/// Helpers of kernels must be inlined, so that they are compiled for the caller's variant.
#define KERNEL_INLINE static inline __attribute__((always_inline))

KERNEL_INLINE Lanes lanes_load(const float *x)
{
    Lanes v;
    memcpy(&v, x, sizeof v);
    return v;
}
KERNEL_INLINE void lanes_store(float *y, Lanes v)
{
    memcpy(y, &v, sizeof v);
}
/// The first n < 16 elements; the rest are 0.
KERNEL_INLINE Lanes lanes_load_part(const float *x, int64_t n)
{
    Lanes v = { 0 };
    memcpy(&v, x, (size_t)n * sizeof(float));
    return v;
}
KERNEL_INLINE void lanes_store_part(float *y, Lanes v, int64_t n)
{
    memcpy(y, &v, (size_t)n * sizeof(float));
}
/// The sum of the lanes, always as the same tree.
KERNEL_INLINE float lanes_sum(Lanes v)
{
    float a[LANES];
    memcpy(a, &v, sizeof a);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) a[i] += a[i + half];
    return a[0];
}

/// Local. "x86-64-v4", "x86-64-v3", "x86-64-v2" or "portable".
const char *kernel_variant(void);
