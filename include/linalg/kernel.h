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
KERNEL_INLINE Lanes lanes_all(float x)
{
    return x - (Lanes){ 0 };
}
/// Per lane: `a` where the mask is all ones, `b` where it is 0.
KERNEL_INLINE Lanes lanes_select(LanesInt mask, Lanes a, Lanes b)
{
    return (Lanes)((mask & (LanesInt)a) | (~mask & (LanesInt)b));
}
/// A NaN in `a` stays.
KERNEL_INLINE Lanes lanes_max(Lanes a, Lanes b)
{
    return lanes_select(a < b, b, a);
}
KERNEL_INLINE Lanes lanes_min(Lanes a, Lanes b)
{
    return lanes_select(a > b, b, a);
}
/// The first n lanes of `v`, `other` in the rest.
KERNEL_INLINE Lanes lanes_first(Lanes v, int64_t n, Lanes other)
{
    LanesInt lane = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    return lanes_select(lane < (int32_t)n, v, other);
}

typedef float LanesHalf __attribute__((vector_size(2 * LANES)));
typedef int32_t LanesHalfInt __attribute__((vector_size(2 * LANES)));
typedef float LanesQuarter __attribute__((vector_size(LANES)));

/// The sum of the lanes, always as the same tree: halves added until one is left.
KERNEL_INLINE float lanes_sum(Lanes v)
{
    LanesHalf half[2];
    LanesQuarter quarter[2];
    memcpy(half, &v, sizeof half);
    half[0] += half[1];
    memcpy(quarter, &half[0], sizeof quarter);
    quarter[0] += quarter[1];
    return (quarter[0][0] + quarter[0][2]) + (quarter[0][1] + quarter[0][3]);
}
KERNEL_INLINE float lanes_greatest(Lanes v)
{
    LanesHalf half[2];
    LanesQuarter quarter[2];
    memcpy(half, &v, sizeof half);
    LanesHalfInt less = half[0] < half[1];
    half[0] = (LanesHalf)((less & (LanesHalfInt)half[1]) | (~less & (LanesHalfInt)half[0]));
    memcpy(quarter, &half[0], sizeof quarter);
    float greatest = quarter[0][0];
    for (int i = 0; i < LANES / 4; i++) {
        float a = quarter[0][i] < quarter[1][i] ? quarter[1][i] : quarter[0][i];
        greatest = greatest < a ? a : greatest;
    }
    return greatest;
}

/// Local. "x86-64-v4", "x86-64-v3", "x86-64-v2" or "portable".
const char *kernel_variant(void);
