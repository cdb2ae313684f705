"""Prints the best GB/s at which two threads read memory that no cache holds.

With the dot product of this machine's OpenBLAS, one call a thread; without it numpy's maximum.
"""

import ctypes
import threading
import time

import numpy

FLOATS, CALLS, THREADS = 1 << 26, 12, 2


def reader():
    try:
        library = ctypes.CDLL("libopenblas.so.0")
    except OSError:
        return lambda x: x.max()
    library.openblas_set_num_threads(1)

    def read(x):
        at = ctypes.c_void_p(x.ctypes.data)
        library.cblas_sdot(x.size, at, 1, at, 1)  # one stream: both operands are the same

    return read


def main():
    arrays = [numpy.ones(FLOATS, numpy.float32) for _ in range(THREADS)]
    read, best = reader(), 0
    for _ in range(CALLS):
        threads = [threading.Thread(target=read, args=(x,)) for x in arrays]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        best = max(best, sum(x.nbytes for x in arrays) / seconds)
    print(best / 1e9)


main()
