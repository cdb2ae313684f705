"""Prints the best GFLOP/s of a few sgemm calls of this machine's OpenBLAS (else of numpy's own).

OPENBLAS_CORETYPE chooses the kernels, OPENBLAS_NUM_THREADS and OMP_NUM_THREADS the threads.
"""

import ctypes
import time

import numpy

N, CALLS = 2048, 20
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


def product(a, b, c):
    """c = a b', as a layer of a network calls it."""
    try:
        sgemm = ctypes.CDLL("libopenblas.so.0").cblas_sgemm
    except OSError:
        return lambda: numpy.matmul(a, b.T, out=c)
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    at = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, c)]
    return lambda: sgemm(
        ROW_MAJOR, PLAIN, TRANSPOSED, N, N, N, one, at[0], N, at[1], N, zero, at[2], N
    )


def main():
    a, b, c = (numpy.ones((N, N), numpy.float32) for _ in range(3))
    call, best = product(a, b, c), 0
    for _ in range(CALLS):
        begin = time.perf_counter()
        call()
        best = max(best, 2 * N**3 / (time.perf_counter() - begin))
    print(best / 1e9)


main()
