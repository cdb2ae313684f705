#include "linalg/gemm.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "linalg/kernel.h"

#include <cblas.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Tiles of at most 512 rows and 384 columns reach 0.97 of the library's best rate here; two at
// least, so that narrow outputs occupy two threads.
enum { TILE_ROWS = 512, TILE_COLUMNS = 384, ROUND = 16 };

typedef struct {
    int64_t count, size; ///< tiles along one dimension; the last may be smaller
} Cut;

static Cut cut(int64_t n, int64_t most, int64_t least_count)
{
    int64_t count = (n + most - 1) / most;
    if (count < least_count && n >= 2 * 128) count = least_count;
    if (count < 1) count = 1;
    int64_t size = ((n + count - 1) / count + ROUND - 1) / ROUND * ROUND;
    if (size < ROUND) size = ROUND;
    return (Cut){ (n + size - 1) / size, size };
}

static int64_t extent(Cut c, int64_t tile, int64_t n)
{
    int64_t start = tile * c.size;
    return n - start < c.size ? n - start : c.size;
}

// Of few rows each weight is used few times: reading the weights is all the time there is, and a
// library that packs them first takes three times as long.
enum { FEW_ROWS = 8, FEW_COLUMNS = 64, MOST_SUMS = 4 };

/// y = x w' + bias + beta y, each with its row stride.
typedef struct {
    float *y;
    const float *x, *w, *bias; ///< bias may be NULL
    int64_t y_stride, x_stride, w_stride, k;
    float beta;
} Few;

/// Rows times columns are at most MOST_SUMS sums at a time, so that no sum waits for the one
/// before. A single row takes one column: one stream of weights is read faster than four.
KERNEL_INLINE void few_sums(const Few *f, int64_t row, int64_t column, const int rows,
                            const int columns)
{
    const float *restrict x = f->x + row * f->x_stride, *restrict w = f->w + column * f->w_stride;
    const int64_t xs = f->x_stride, ws = f->w_stride, k = f->k;
    float sum[MOST_SUMS][LANES];
    int64_t i = 0;
#pragma GCC unroll 4
    for (int s = 0; s < rows * columns; s++) LANE_LOOP(l, LANES) sum[s][l] = 0;
    for (; i + LANES <= k; i += LANES)
#pragma GCC unroll 4
        for (int s = 0; s < rows * columns; s++) {
            const float *a = x + s / columns * xs + i, *b = w + s % columns * ws + i;
            LANE_LOOP(l, LANES) sum[s][l] += a[l] * b[l];
        }
    for (int s = 0; s < rows * columns; s++) {
        int64_t r = s / columns, c = s % columns;
        for (int l = 0; i + l < k; l++) sum[s][l] += x[r * xs + i + l] * w[c * ws + i + l];
        float total = lanes_sum(sum[s]) + (f->bias ? f->bias[column + c] : 0);
        float *to = &f->y[(row + r) * f->y_stride + column + c];
        *to = f->beta == 0 ? total : f->beta * *to + total;
    }
}

KERNEL_INLINE void few_rows(const Few *f, int64_t row, int64_t columns, const int rows)
{
    const int wide = rows == 1 ? 1 : MOST_SUMS / rows;
    int64_t j = 0;
    for (; j + wide <= columns; j += wide) few_sums(f, row, j, rows, wide);
    for (; j < columns; j++) few_sums(f, row, j, rows, 1);
}

KERNEL static void few_rows_any(const Few *f, int64_t m, int64_t columns)
{
    int64_t row = 0;
    for (; m - row >= 4; row += 4) few_rows(f, row, columns, 4);
    for (; m - row >= 2; row += 2) few_rows(f, row, columns, 2);
    if (row < m) few_rows(f, row, columns, 1);
}

static void few_tile(const GemmProduct *p, int64_t tile)
{
    int64_t j = tile * FEW_COLUMNS, left = p->n - j;
    Few few = { .y = p->c + j,
                .x = p->a.data,
                .w = p->b.data + j * p->b.stride,
                .bias = p->bias ? p->bias + j : NULL,
                .y_stride = p->c_stride,
                .x_stride = p->a.stride,
                .w_stride = p->b.stride,
                .k = p->k,
                .beta = p->beta };
    few_rows_any(&few, p->m, left < FEW_COLUMNS ? left : FEW_COLUMNS);
}

void gemm_forward(float *y, const float *x, const float *w, const float *bias, int64_t m, int64_t n,
                  int64_t k, float beta)
{
    gemm_products(&(GemmProduct){ y, n, { x, k, false }, { w, k, true }, bias, m, n, k, beta }, 1);
}

void gemm_backward_input(float *dx, const float *dy, const float *w, int64_t m, int64_t n,
                         int64_t k, float beta)
{
    Cut rows = cut(m, TILE_ROWS, 1), columns = cut(k, TILE_COLUMNS, 2);
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t i = 0; i < rows.count; i++) {
        for (int64_t j = 0; j < columns.count; j++) {
            int64_t r = i * rows.size, c = j * columns.size;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)extent(rows, i, m),
                        (int)extent(columns, j, k), (int)n, 1, dy + r * n, (int)n, w + c, (int)k,
                        beta, dx + r * k + c, (int)k);
        }
    }
    pulse_progress();
}

void gemm_backward_weight(float *dw, const float *dy, const float *x, int64_t m, int64_t n,
                          int64_t k, float beta)
{
    Cut rows = cut(n, TILE_COLUMNS, 2), columns = cut(k, 2 * TILE_COLUMNS, 1);
    if (m == 0) { // no tokens: BLAS would only scale
        if (beta == 0) memset(dw, 0, (size_t)(n * k) * sizeof(float));
        return;
    }
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t i = 0; i < rows.count; i++) {
        for (int64_t j = 0; j < columns.count; j++) {
            int64_t r = i * rows.size, c = j * columns.size;
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)extent(rows, i, n),
                        (int)extent(columns, j, k), (int)m, 1, dy + r, (int)n, x + c, (int)k, beta,
                        dw + r * k + c, (int)k);
        }
    }
    pulse_progress();
}

/// From row `r` and column `c` on.
static const float *place(const GemmOperand *x, int64_t r, int64_t c)
{
    return x->data + (x->transposed ? c * x->stride + r : r * x->stride + c);
}

static bool is_few(const GemmProduct *p)
{
    return p->m <= FEW_ROWS && !p->a.transposed && p->b.transposed;
}

static int64_t tile_count(const GemmProduct *p)
{
    if (!p->m || !p->n) return 0;
    if (is_few(p)) return (p->n + FEW_COLUMNS - 1) / FEW_COLUMNS;
    return cut(p->m, TILE_ROWS, 1).count * cut(p->n, TILE_COLUMNS, 2).count;
}

static void run_tile(const GemmProduct *p, int64_t tile)
{
    Cut rows = cut(p->m, TILE_ROWS, 1), columns = cut(p->n, TILE_COLUMNS, 2);
    if (is_few(p)) {
        few_tile(p, tile);
        return;
    }
    int64_t i = tile / columns.count, j = tile % columns.count;
    int64_t row = i * rows.size, column = j * columns.size;
    int64_t m = extent(rows, i, p->m), n = extent(columns, j, p->n);
    float *c = p->c + row * p->c_stride + column;
    size_t bytes = (size_t)n * sizeof(float);
    for (int64_t r = 0; r < m && p->bias; r++) memcpy(c + r * p->c_stride, p->bias + column, bytes);
    for (int64_t r = 0; r < m && !p->k && !p->bias && p->beta == 0; r++)
        memset(c + r * p->c_stride, 0, bytes); // BLAS would only scale
    if (p->k)
        cblas_sgemm(CblasRowMajor, p->a.transposed ? CblasTrans : CblasNoTrans,
                    p->b.transposed ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)p->k, 1,
                    place(&p->a, row, 0), (int)p->a.stride, place(&p->b, 0, column),
                    (int)p->b.stride, p->bias ? 1 : p->beta, c, (int)p->c_stride);
}

void gemm_products(const GemmProduct *products, int64_t count)
{
    gemm_products_part(products, count, &(GemmPart){ 0 });
}

static bool is_in(const GemmPart *part, const GemmProduct *p, int64_t tile)
{
    if (part->rows == GEMM_ALL) return true;
    Cut rows = cut(p->m, TILE_ROWS, 1), columns = cut(p->n, TILE_COLUMNS, 2);
    int64_t i = is_few(p) ? 0 : tile / columns.count, first = i * rows.size;
    bool inside = first >= part->first && first + extent(rows, i, p->m) <= part->end;
    return inside == (part->rows == GEMM_INSIDE);
}

void gemm_products_part(const GemmProduct *products, int64_t count, const GemmPart *part)
{
    int64_t all = 0;
    for (int64_t i = 0; i < count; i++) all += tile_count(&products[i]);
#pragma omp parallel for schedule(dynamic)
    for (int64_t at = 0; at < all; at++) {
        int64_t tile = at, i = 0;
        for (; tile >= tile_count(&products[i]); i++) tile -= tile_count(&products[i]);
        if (!is_in(part, &products[i], tile)) continue;
        run_tile(&products[i], tile);
        if (part->between && !omp_get_thread_num()) part->between(part->context);
    }
    pulse_progress();
}

int64_t gemm_rows_inside(int64_t m, int64_t first, int64_t end)
{
    Cut rows = cut(m, TILE_ROWS, 1);
    int64_t inside = 0;
    for (int64_t i = first / rows.size; i < rows.count && i * rows.size < end; i++) {
        int64_t at = i * rows.size, size = extent(rows, i, m);
        if (at >= first && at + size <= end) inside += size;
    }
    return inside;
}

/// From row `r` and column `c` on.
static const double *place_double(GemmDouble x, int64_t r, int64_t c)
{
    return x.data + (x.transposed ? c * x.stride + r : r * x.stride + c);
}

void gemm_double(double *c, GemmDouble a, GemmDouble b, int64_t m, int64_t n, int64_t k)
{
    Cut rows = cut(m, TILE_ROWS, 1), columns = cut(n, TILE_COLUMNS, 2);
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t i = 0; i < rows.count; i++) {
        for (int64_t j = 0; j < columns.count; j++) {
            int64_t row = i * rows.size, column = j * columns.size;
            cblas_dgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
                        b.transposed ? CblasTrans : CblasNoTrans, (int)extent(rows, i, m),
                        (int)extent(columns, j, n), (int)k, 1, place_double(a, row, 0),
                        (int)a.stride, place_double(b, 0, column), (int)b.stride, 0,
                        c + row * n + column, (int)n);
        }
    }
}

// Declared here: other CBLAS libraries lack them.
extern char *openblas_get_corename(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));
extern void openblas_set_num_threads(int) __attribute__((weak));

void gemm_choose_core(char **argv)
{
#if defined(__x86_64__)
    if (!openblas_get_corename || getenv("OPENBLAS_CORETYPE")) return;
    const char *core = openblas_get_corename();
    bool old = !strcmp(core, "Haswell") || !strcmp(core, "Zen");
    if (!old || !__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return;
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
    execv("/proc/self/exe", argv);
#else
    (void)argv;
#endif
}

void gemm_start(void)
{
    int threads = omp_get_max_threads();
    if (openblas_set_num_threads) openblas_set_num_threads(1);
    omp_set_num_threads(threads); // an OpenBLAS built for OpenMP changes it for all
}

const char *gemm_core(void)
{
    return openblas_get_corename ? openblas_get_corename() : "unknown";
}

const char *gemm_library(void)
{
    return openblas_get_config ? openblas_get_config() : "CBLAS";
}

/// Of the calling thread.
static double thread_gflops(void)
{
    enum { N = 768 };
    float *a = MEM_NEW(float, 3 * N * N), *b = a + N * N, *c = b + N * N;
    double best_s = 1e9;
    for (int i = 0; i < 2 * N * N; i++) a[i] = (float)(i % 13) - 6;
    double begin_s = clock_now_s();
    for (int trial = 0; trial < 8 && clock_now_s() - begin_s < 1; trial++) {
        double start_s = clock_now_s();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        double taken_s = clock_now_s() - start_s;
        if (taken_s < best_s) best_s = taken_s;
    }
    mem_free(a);
    return 2.0 * N * N * N / best_s / 1e9;
}

// Outside of a parallel region the library would use all threads for one product.
double gemm_measure_gflops(void)
{
    double rate = 0;
#pragma omp parallel reduction(+ : rate)
    rate += thread_gflops();
    return rate;
}
