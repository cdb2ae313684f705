#!/usr/bin/env python3
"""Truncated singular value decompositions by LAPACK (numpy): makes svd.json.

python 3.11, numpy 2.4.6
"""

import json
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def formula(rows, cols):
    """Elements that test_svd.c makes again: too many to be kept."""
    i, j = np.arange(rows)[:, None], np.arange(cols)
    x = ((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / np.float32(1000)
    return x.astype(np.float32) / (1 + j.astype(np.float32) / 8)


def case(rows, cols, exact, rank):
    """`exact`: of how few products of a column and a row the matrix is the sum; 0: of any."""
    a = formula(rows, cols)
    if exact:  # whole numbers, so that nothing is rounded
        i, j, k = np.arange(rows), np.arange(cols), np.arange(exact)
        left = (i[:, None] * 7 + k * k * 13 + i[:, None] * k * 5) % 11 - 5
        right = (j * 3 + k[:, None] * 17 + j * k[:, None] * 2) % 7 - 3
        a = (left @ right).astype(np.float32)
    u, values, vt = np.linalg.svd(a.astype(np.float64), full_matrices=False)
    product = (u[:, :rank] * values[:rank]) @ vt[:rank]
    energy = np.cumsum(values**2) / np.sum(values**2)
    rng = np.random.default_rng(1)
    places = rng.integers(0, rows * cols, 200)
    return {
        "rows": rows,
        "cols": cols,
        "exact": exact,
        "rank": rank,
        "values": values.tolist(),
        "energy": float(energy[rank - 1]),
        "places": places.tolist(),
        "product": product.ravel()[places].tolist(),
    }


golden = {
    "cases": [
        case(40, 17, 0, 5),
        case(23, 90, 0, 3),
        case(150, 200, 0, 60),
        case(64, 64, 0, 31),
        case(130, 70, 4, 4),
        case(3, 100, 0, 2),
        case(1, 9, 0, 1),
    ]
}
with open(os.path.join(HERE, "svd.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
