/* TEST ranks=1,2,3,4,6 labels=linalg timeout=60 */
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/pgemm.h"
#include "support/check.h"
#include "support/noise.h"

#include <stdlib.h>
#include <string.h>

static Comm world;
static const int64_t shapes[][3] = {
    { 12, 24, 36 }, { 37, 53, 29 }, { 2, 65, 7 }, { 130, 1, 257 }
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static float *whole(int64_t rows, int64_t cols, int64_t seed)
{
    float *x = MEM_NEW(float, rows *cols);
    for (int64_t i = 0; i < rows * cols; i++) x[i] = noise(seed, i) * 1e-5f;
    return x;
}

static double at(const float *x, bool transposed, int64_t rows, int64_t cols, int64_t r, int64_t c)
{
    return (double)(transposed ? x[c * rows + r] : x[r * cols + c]);
}

/// c (m, n) = a b in doubles, and the greatest error of `found`, as a share of the largest sum of
/// magnitudes.
static double error(const float *found, const float *a, const float *b, int64_t m, int64_t n,
                    int64_t k, PgemmKind kind)
{
    double worst = 0, most = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0, size = 0;
            for (int64_t l = 0; l < k; l++) {
                double product =
                    at(a, kind == PGEMM_TN, m, k, i, l) * at(b, kind == PGEMM_NT, k, n, l, j);
                sum += product;
                size += fabs(product);
            }
            double off = fabs(sum - (double)found[i * n + j]);
            if (off > worst) worst = off;
            if (size > most) most = size;
        }
    return most > 0 ? worst / most : worst;
}

static void check_traffic(const Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind)
{
    PgemmTraffic most = pgemm_predict(c, a, b, kind);
    int64_t sent[] = { pgemm_traffic.messages, pgemm_traffic.bytes };
    comm_max_int64(&world, sent, 2);
    CHECK_TRUE(sent[0] <= most.messages && sent[1] <= most.bytes);
    bool whole_blocks = c->rows % 12 == 0 && c->cols % 12 == 0 && a->cols % 12 == 0;
    if (whole_blocks) CHECK_TRUE(sent[0] == most.messages && sent[1] == most.bytes);
}

static void multiply(const MatrixGrid *grid, const int64_t *shape, PgemmKind kind,
                     PgemmBackend backend)
{
    int64_t m = shape[0], n = shape[1], k = shape[2];
    float *left = whole(m, k, 1), *right = whole(k, n, 2), *found = MEM_NEW(float, m *n);
    Dmat a, b, c;
    dmat_init(&a, grid, kind == PGEMM_TN ? k : m, kind == PGEMM_TN ? m : k);
    dmat_init(&b, grid, kind == PGEMM_NT ? n : k, kind == PGEMM_NT ? k : n);
    dmat_init(&c, grid, m, n);
    dmat_set(&a, left);
    dmat_set(&b, right);
    for (int64_t i = 0; i < c.local_rows * c.local_cols; i++) c.data[i] = 1e9f;
    pgemm_traffic = (PgemmTraffic){ 0 };
    pgemm(&c, &a, &b, kind, backend);
    if (backend == PGEMM_NATIVE) check_traffic(&c, &a, &b, kind);
    dmat_gather(found, &c);
    CHECK_TRUE(error(found, left, right, m, n, k, kind) < 1e-6);
    dmat_release(&a);
    dmat_release(&b);
    dmat_release(&c);
    mem_free(left);
    mem_free(right);
    mem_free(found);
}

/// All grids of these ranks, all products and shapes, both backends.
static void products(void)
{
    for (int rows = 1; rows <= world.size; rows++) {
        if (world.size % rows) continue;
        MatrixGrid grid;
        matrix_grid_start(&grid, &world, rows, world.size / rows);
        for (int s = 0; s < SHAPES; s++)
            for (PgemmKind kind = PGEMM_NN; kind <= PGEMM_TN; kind++) {
                multiply(&grid, shapes[s], kind, PGEMM_NATIVE);
                multiply(&grid, shapes[s], kind, PGEMM_SCALAPACK);
            }
        matrix_grid_stop(&grid);
    }
}

/// The width of PBLAS's panels is ours: it decides where its sums are cut, so their last bits.
static void panels(void)
{
    enum { N = 96 };
    int64_t differs = 0;
    float *left = whole(N, N, 3), *right = whole(N, N, 4), *found[2];
    MatrixGrid grid;
    matrix_grid_start(&grid, &world, 1, world.size);
    for (int i = 0; i < 2; i++) {
        Dmat a, b, c;
        pgemm_panel = i ? 8 : 256;
        dmat_init(&a, &grid, N, N);
        dmat_init(&b, &grid, N, N);
        dmat_init(&c, &grid, N, N);
        dmat_set(&a, left);
        dmat_set(&b, right);
        pgemm(&c, &a, &b, PGEMM_NN, PGEMM_SCALAPACK);
        found[i] = MEM_NEW(float, N *N);
        dmat_gather(found[i], &c);
        dmat_release(&a);
        dmat_release(&b);
        dmat_release(&c);
    }
    pgemm_panel = 256;
    for (int64_t i = 0; i < N * N; i++) differs += found[0][i] != found[1][i];
    if (world.size > 1) CHECK_TRUE(differs > 0);
    matrix_grid_stop(&grid);
    mem_free(left);
    mem_free(right);
    for (int i = 0; i < 2; i++) mem_free(found[i]);
}

static const Case cases[] = { { "products", products }, { "panels", panels } };

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return result;
}
