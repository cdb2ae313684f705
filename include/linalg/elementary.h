/// Elementary functions for kernels: polynomials without branches, so that the compiler turns loops
/// over them into vectors, and a value does not depend on its place in one. Coefficients:
/// tests/golden/fit_elementary.py.
#pragma once
#include "linalg/kernel.h"

#include <math.h>

KERNEL_INLINE int32_t bits_of_float(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
KERNEL_INLINE float float_of_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/// 2^n for -127 < n < 128.
KERNEL_INLINE float power_of_2(int32_t n)
{
    return float_of_bits((int32_t)((uint32_t)(n + 127) << 23));
}

/// x = n ln 2 + r, |r| <= ln 2 / 2; returns exp(r) - 1, relative error 1e-7.
KERNEL_INLINE float reduced_exp_minus_1(int32_t *n, float x)
{
    const float round = 0x1.8p23f; // adding it leaves the nearest integer, in the lowest bits
    float shifted = x * 0x1.715476p0f + round, whole = shifted - round;
    float r = x - whole * 0.693359375f; // 9 bits: exact without a fused product too
    r = r + whole * 2.12194440e-4f;
    *n = (int32_t)((uint32_t)bits_of_float(shifted) - 0x4b400000u);
    float q = 0.0013814467f * r + 0.00836878045f;
    q = q * r + 0.0416683942f;
    q = q * r + 0.166665201f;
    q = q * r + 0.499999934f;
    return r * r * q + r;
}

/// exp(x), relative error 1.5e-7; 0 and infinity where float has no other value.
KERNEL_INLINE float kernel_exp(float x)
{
    int32_t n;
    x = x < -105 ? -105 : x;
    x = x > 89.5f ? 89.5f : x;
    float e = reduced_exp_minus_1(&n, x) + 1;
    int32_t half = n >> 1; // in two steps, for results that are denormal or infinite
    return e * power_of_2(half) * power_of_2(n - half);
}

/// tanh(x) = (exp(2|x|) - 1) / (exp(2|x|) + 1) with the sign of x, relative error 4e-7.
KERNEL_INLINE float kernel_tanh(float x)
{
    int32_t n;
    float twice = 2 * fabsf(x);
    float r = reduced_exp_minus_1(&n, twice > 20 ? 20 : twice);
    float power = power_of_2(n), e = power * r + (power - 1);
    return copysignf(e / (e + 2), x);
}

/// 1 / (1 + exp(-x)).
KERNEL_INLINE float kernel_sigmoid(float x)
{
    return 1 / (1 + kernel_exp(-x));
}

/// The normal distribution: P(X <= x) = (1 + erf(x / sqrt 2)) / 2, absolute error 2e-7, and
/// exp(-x^2 / 2). The tail is exp(-x^2 / 2) times a polynomial in 1 / (1 + 0.4 |x|) (after
/// Abramowitz & Stegun 7.1.26), so that it keeps its relative precision.
KERNEL_INLINE float kernel_normal(float *bell, float x)
{
    float t = 1 / (1 + 0.4f * fabsf(x));
    float q = -0.0370173782f * t + 0.188144402f;
    q = q * t - 0.348344466f;
    q = q * t + 0.222700769f;
    q = q * t + 0.00644112504f;
    q = q * t + 0.150801026f;
    q = q * t + 0.157601668f;
    q = q * t + 0.159672839f;
    *bell = kernel_exp(x * x * -0.5f);
    float tail = q * t * *bell;
    return x > 0 ? 1 - tail : tail;
}
