"""Fits the polynomials of include/linalg/elementary.h. Prints C initialisers.

Written with Python 3.11, numpy 2.4.6, scipy 1.17.1.
"""

import numpy as np
from scipy.special import erfcx


def fit(basis, target, weight, rounds=2000):
    """Least maximum of |basis c - target| * weight, by Lawson's iteratively reweighted squares."""
    share = np.full(len(target), 1 / len(target))
    best = (np.inf, None)
    for _ in range(rounds):
        s = np.sqrt(share) * weight
        c = np.linalg.lstsq(basis * s[:, None], target * s, rcond=None)[0]
        error = np.abs(basis @ c - target) * weight
        best = min(best, (error.max(), tuple(c)))
        share *= error
        share /= share.sum()
    return best


def show(name, result):
    print(f"{name}: relative error {result[0]:.2e}")
    print(", ".join(f"{c:.9g}f" for c in result[1]))


nodes = (1 - np.cos(np.linspace(0, np.pi, 4001))) / 2

r = (2 * nodes - 1) * np.log(2) / 2 * 1.001
show(
    "exp(r) - 1 - r = r^2 (c2 + c3 r + ... + c6 r^4)",
    fit(np.stack([r**k for k in range(2, 7)], 1), np.expm1(r) - r, np.exp(-r)),
)

# The rounding of x^2 / 2 costs the exponential a relative x^2 / 2 ulp: no need to do better.
x = nodes * 13.5
t = 1 / (1 + 0.4 * x)
tail = erfcx(x / np.sqrt(2)) / 2
show(
    "Phi(-x) exp(x^2 / 2) = c1 t + ... + c8 t^8, t = 1 / (1 + 0.4 x)",
    fit(np.stack([t**k for k in range(1, 9)], 1), tail, 1 / (tail * (1 + x * x / 2))),
)
