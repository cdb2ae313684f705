/// How hot loops are written: plain loops that the compiler turns into vectors, in functions with
/// one attribute that compiles them for x86-64-v2, v3 and v4 and chooses at program start. A
/// function so marked has the same source for all; v3 and v4 fuse multiply-add, so the variant is
/// named in every output's provenance (`kernel_variant`). Sums go over 16 partial sums in every
/// variant: an array of LANES and an inner loop `LANE_LOOP` over it, which becomes one or a few
/// registers. (GCC's own vectors of 16 floats are 20 times slower where they exceed a register.)
#pragma once
#include <stdint.h>
#include <string.h>

#if defined(TEMPER_KERNELS) // this variant alone
#define KERNEL __attribute__((target("arch=" TEMPER_KERNELS)))
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_ADDRESS__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif

/// Helpers of kernels must be inlined, so that they are compiled for the caller's variant.
#define KERNEL_INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/// `for` over l below n, to be made a vector, not unrolled into scalars before.
#define LANE_LOOP(l, n) _Pragma("GCC unroll 1") for (int l = 0; l < (n); l++)

typedef float Quad __attribute__((vector_size(16)));

/// A Quad of four lanes of two: 0 to 3 are those of a, 4 to 7 those of b.
#if defined __clang__ || __GNUC__ >= 12
#define QUAD_LANES(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t QuadIndex __attribute__((vector_size(16)));
#define QUAD_LANES(a, b, ...) __builtin_shuffle(a, b, (QuadIndex){ __VA_ARGS__ })
#endif

/// The sum of the lanes, always as the same tree: halves added until one is left.
KERNEL_INLINE float lanes_sum(const float lanes[LANES])
{
    Quad q[LANES / 4];
    memcpy(q, lanes, sizeof q);
    q[0] = (q[0] + q[2]) + (q[1] + q[3]);
    return (q[0][0] + q[0][2]) + (q[0][1] + q[0][3]);
}
KERNEL_INLINE float lanes_greatest(const float lanes[LANES])
{
    float most[LANES / 2];
    for (int i = 0; i < 8; i++) most[i] = lanes[i] > lanes[i + 8] ? lanes[i] : lanes[i + 8];
    for (int half = 4; half; half /= 2)
        for (int i = 0; i < half; i++)
            most[i] = most[i] > most[i + half] ? most[i] : most[i + half];
    return most[0];
}

/// Local. "x86-64-v4", "x86-64-v3", "x86-64-v2" or "portable".
const char *kernel_variant(void);
/// Local. Bytes of its vector registers: what fits into registers differs, the bits do not.
int kernel_vector_bytes(void);
