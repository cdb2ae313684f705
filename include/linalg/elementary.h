/// Elementary functions on lanes: polynomials without branches, the same operations for every lane,
/// so a value does not depend on its place. Coefficients: tests/golden/fit_elementary.py.
#pragma once
#include "linalg/kernel.h"

/// x = n ln 2 + r, |r| <= ln 2 / 2; returns exp(r) - 1, relative error 1e-7.
KERNEL_INLINE Lanes lanes_reduced_exp_minus_1(LanesInt *n, Lanes x)
{
    const float round = 0x1.8p23f; // adding it leaves the nearest integer
    Lanes whole = (x * 0x1.715476p0f + round) - round;
    Lanes r = x - whole * 0.693359375f; // 9 bits: exact without a fused product too
    r = r + whole * 2.12194440e-4f;
    *n = __builtin_convertvector(whole, LanesInt);
    Lanes q = 0.0013814467f * r + 0.00836878045f;
    q = q * r + 0.0416683942f;
    q = q * r + 0.166665201f;
    q = q * r + 0.499999934f;
    return r * r * q + r;
}

/// 2^n for -127 < n < 128.
KERNEL_INLINE Lanes lanes_power_of_2(LanesInt n)
{
    return (Lanes)((LanesBits)(n + 127) << 23);
}

/// exp(x), relative error 1.5e-7; 0 and infinity where float has no other value.
KERNEL_INLINE Lanes lanes_exp(Lanes x)
{
    LanesInt n;
    x = lanes_min(lanes_max(x, lanes_all(-105)), lanes_all(89.5f));
    Lanes e = lanes_reduced_exp_minus_1(&n, x) + 1;
    LanesInt half = n >> 1; // in two steps, for results that are denormal or infinite
    return e * lanes_power_of_2(half) * lanes_power_of_2(n - half);
}

/// tanh(x) = (exp(2|x|) - 1) / (exp(2|x|) + 1) with the sign of x, relative error 4e-7.
KERNEL_INLINE Lanes lanes_tanh(Lanes x)
{
    LanesInt n, sign = (LanesInt)x & INT32_MIN;
    Lanes twice = (Lanes)((LanesInt)x & INT32_MAX) * 2;
    Lanes r = lanes_reduced_exp_minus_1(&n, lanes_min(twice, lanes_all(20)));
    Lanes power = lanes_power_of_2(n), e = power * r + (power - 1);
    return (Lanes)((LanesInt)(e / (e + 2)) | sign);
}

/// 1 / (1 + exp(-x)).
KERNEL_INLINE Lanes lanes_sigmoid(Lanes x)
{
    return 1 / (1 + lanes_exp(-x));
}

/// The normal distribution: P(X <= x) = (1 + erf(x / sqrt 2)) / 2, absolute error 2e-7, and
/// exp(-x^2 / 2). The tail is exp(-x^2 / 2) times a polynomial in 1 / (1 + 0.3 |x|) (after
/// Abramowitz & Stegun 7.1.26), so that it keeps its relative precision.
KERNEL_INLINE Lanes lanes_normal(Lanes *bell, Lanes x)
{
    Lanes t = 1 / (1 + 0.3f * (Lanes)((LanesInt)x & INT32_MAX));
    Lanes q = 0.0359585378f * t - 0.157852125f;
    q = q * t + 0.206396395f;
    q = q * t - 0.0525613012f;
    q = q * t + 0.127247551f;
    q = q * t + 0.100565213f;
    q = q * t + 0.120603328f;
    q = q * t + 0.119642416f;
    *bell = lanes_exp(x * x * -0.5f);
    Lanes tail = q * t * *bell;
    return lanes_select(x > 0, 1 - tail, tail);
}
