/// Matrix products: the only BLAS calls. Every product is cut into tiles whose shapes are a
/// function of the product's shape alone; a tile is one single-threaded call, and threads take
/// tiles in any order. So the bits do not depend on the number of threads.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Local, threads inside. Y = X W' + beta Y, with bias where given (then beta must be 0):
/// y (m, n), x (m, k), w (n, k), bias (n) or NULL. Row-major, contiguous.
void gemm_forward(float *y, const float *x, const float *w, const float *bias, int64_t m, int64_t n,
                  int64_t k, float beta);
/// Local, threads inside. dX = dY W + beta dX: dx (m, k), dy (m, n), w (n, k).
void gemm_backward_input(float *dx, const float *dy, const float *w, int64_t m, int64_t n,
                         int64_t k, float beta);
/// Local, threads inside. dW = dY' X + beta dW: dw (n, k), dy (m, n), x (m, k).
void gemm_backward_weight(float *dw, const float *dy, const float *x, int64_t m, int64_t n,
                          int64_t k, float beta);

/// A part of a matrix: rows lie `stride` apart.
typedef struct {
    const float *data;
    int64_t stride;
    bool transposed; ///< of the operand
} GemmOperand;
/// C = A B + beta C, with bias (n) on every row where given (then beta must be 0): c (m, n) with
/// rows c_stride apart, A is (m, k), B (k, n).
typedef struct {
    float *c;
    int64_t c_stride;
    GemmOperand a, b;
    const float *bias;
    int64_t m, n, k;
    float beta;
} GemmProduct;
/// Local, threads inside. Products whose results lie apart, at once: as one after the other.
void gemm_products(const GemmProduct *products, int64_t count);
/// Which tiles of products are made: all, those whose rows all lie in [first, end), or the others.
typedef enum { GEMM_ALL, GEMM_INSIDE, GEMM_OTHERS } GemmRows;
typedef struct {
    GemmRows rows;
    int64_t first, end;
    void (*between)(void *context); ///< NULL, or called on the calling thread after its tiles
    void *context;
} GemmPart;
/// Local, likewise, a part of them.
void gemm_products_part(const GemmProduct *products, int64_t count, const GemmPart *part);
/// Local. Rows, of m, in tiles that GEMM_INSIDE makes.
int64_t gemm_rows_inside(int64_t m, int64_t first, int64_t end);

/// A part of a matrix in double.
typedef struct {
    const double *data;
    int64_t stride;
    bool transposed; ///< of the operand
} GemmDouble;
/// Local, threads inside where it is called by one. c (m, n) = A B, with A (m, k) and B (k, n).
void gemm_double(double *c, GemmDouble a, GemmDouble b, int64_t m, int64_t n, int64_t k);

/// Local. Makes the BLAS use kernels for this CPU: old OpenBLAS releases do not know new CPUs and
/// fall back to AVX2 where AVX-512 doubles the rate. Starts the program again (execv) with
/// OPENBLAS_CORETYPE set if that helps and the user did not set it; returns otherwise.
void gemm_choose_core(char **argv);
/// Local. One thread a call, from now on.
void gemm_start(void);
/// Local. "SkylakeX", "Haswell", ... of the library in use.
const char *gemm_core(void);
const char *gemm_library(void);
/// Local, threads inside. Measured GFLOP/s of all threads, each at products of 768^3 of its own
/// (takes about 0.1 s).
double gemm_measure_gflops(void);
