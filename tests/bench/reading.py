"""Prints the best GB/s at which the threads of this machine's OpenBLAS (else numpy) read memory.

OPENBLAS_NUM_THREADS and OMP_NUM_THREADS choose the threads.
"""

import ctypes
import time

import numpy

FLOATS, CALLS = 1 << 27, 12  # 512 MiB: no cache holds it


def reader(x):
    try:
        sdot = ctypes.CDLL("libopenblas.so.0").cblas_sdot
    except OSError:
        return lambda: x.max()
    at = ctypes.c_void_p(x.ctypes.data)
    return lambda: sdot(x.size, at, 1, at, 1)  # one stream: both operands are the same


def main():
    x, best = numpy.ones(FLOATS, numpy.float32), 0
    call = reader(x)
    for _ in range(CALLS):
        begin = time.perf_counter()
        call()
        best = max(best, x.nbytes / (time.perf_counter() - begin))
    print(best / 1e9)


main()
