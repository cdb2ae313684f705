#include "linalg/svd.h"
#include "base/mem.h"

#include <math.h>

static const double NOISE = 1e-7;

void svd_release(Svd *svd)
{
    mem_free(svd->values);
    mem_free(svd->left.values);
    mem_free(svd->right.values);
    *svd = (Svd){ 0 };
}

void svd_grids_start(SvdGrids *grids, const Comm *comm)
{
    matrix_grid_start_square(&grids->square, comm);
    matrix_grid_start(&grids->line, comm, comm->size, 1);
}

void svd_grids_stop(SvdGrids *grids)
{
    matrix_grid_stop(&grids->square);
    matrix_grid_stop(&grids->line);
}

/// From eigenvalues, which rise.
static void take_values(Svd *out, const double *squares, int64_t count)
{
    double most = sqrt(fmax(squares[count - 1], 0));
    out->value_count = count;
    out->values = MEM_NEW(double, count);
    for (int64_t k = 0; k < count; k++) {
        double value = sqrt(fmax(squares[count - 1 - k], 0));
        out->values[k] = value > NOISE * most ? value : 0;
    }
}

static void choose_rank(Svd *out, SvdCut cut)
{
    double whole = 0, kept = 0;
    for (int64_t k = 0; k < out->value_count; k++) whole += out->values[k] * out->values[k];
    for (; out->rank < out->value_count && out->values[out->rank] > 0; out->rank++) {
        if ((cut.rank && out->rank == cut.rank) || (out->rank && kept >= cut.energy * whole)) break;
        kept += out->values[out->rank] * out->values[out->rank];
    }
    out->energy = whole > 0 ? kept / whole : 1;
}

/// The sign that makes a vector's largest element positive: eigenvectors have either.
static double sign_of(const double *vector, int64_t n)
{
    int64_t largest = 0;
    for (int64_t i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest])) largest = i;
    return vector[largest] < 0 ? -1 : 1;
}

/// Matrices of the vectors that are kept, in the order of values and with their signs.
typedef struct {
    Spread kept;   ///< vectors sqrt(value): (rank, n) where they are to be the left factor's rows,
                   ///< else (n, rank)
    Spread scaled; ///< (n, rank): vectors / sqrt(value)
} Vectors;

COLLECTIVE
static void take_vectors(Vectors *out, const Svd *svd, const Spread *eigen, bool tall)
{
    int64_t n = svd->value_count, rank = svd->rank;
    double *panel = MEM_NEW(double, n *(SPREAD_BLOCK + 1)), *vector = panel + n * SPREAD_BLOCK;
    spread_init(&out->kept, eigen->grid, tall ? n : rank, tall ? rank : n);
    spread_init(&out->scaled, eigen->grid, n, rank);
    for (int64_t first = (n - rank) / SPREAD_BLOCK * SPREAD_BLOCK; first < n;
         first += SPREAD_BLOCK) {
        int64_t count = n - first < SPREAD_BLOCK ? n - first : SPREAD_BLOCK;
        spread_gather_columns(panel, eigen, first, count);
        for (int64_t c = 0; c < count; c++) {
            int64_t k = n - 1 - (first + c);
            if (k >= rank) continue; // agreed: all ranks have the same values
            double sign = sign_of(panel + c * n, n), root = sqrt(svd->values[k]);
            for (int64_t i = 0; i < n; i++) vector[i] = sign * panel[c * n + i] / root;
            spread_set_column(&out->scaled, k, vector);
            for (int64_t i = 0; i < n; i++) vector[i] = sign * panel[c * n + i] * root;
            if (tall)
                spread_set_column(&out->kept, k, vector);
            else
                spread_set_row(&out->kept, k, vector);
        }
    }
    mem_free(panel);
}

/// This rank's rows of a factor (rows, cols), which is the transpose of a column-major matrix.
COLLECTIVE
static void take_rows(FactorRows *out, const SvdGrids *grids, const Spread *matrix)
{
    const MatrixGrid *grid = &grids->line;
    int64_t rows = matrix->cols, cols = matrix->rows, block = (rows + grid->rows - 1) / grid->rows;
    Spread line;
    spread_over(&line, grid, cols, rows, cols, block, NULL);
    spread_copy(&line, matrix);
    dmat_block(&out->first, &out->rows, rows, block, grid->row);
    out->cols = cols;
    out->values = MEM_NEW(float, out->rows *cols + 1);
    for (int64_t e = 0; e < out->rows * cols; e++) out->values[e] = (float)line.data[e];
    spread_release(&line);
}

COLLECTIVE
static void make_factors(Svd *out, const SvdGrids *grids, const Spread *a, const Spread *eigen)
{
    bool tall = a->rows >= a->cols;
    Vectors vectors;
    Spread other;
    take_vectors(&vectors, out, eigen, tall);
    take_rows(tall ? &out->right : &out->left, grids, &vectors.kept);
    spread_release(&vectors.kept);
    spread_init(&other, a->grid, tall ? out->rank : a->cols, tall ? a->rows : out->rank);
    if (tall) // agreed: the same shape
        spread_multiply(&other, &vectors.scaled, true, a, true);
    else
        spread_multiply(&other, a, true, &vectors.scaled, false);
    take_rows(tall ? &out->left : &out->right, grids, &other);
    spread_release(&other);
    spread_release(&vectors.scaled);
}

void svd_factor(Svd *out, const SvdGrids *grids, const float *const *a, int64_t rows, int64_t cols,
                SvdCut cut)
{
    bool tall = rows >= cols;
    int64_t n = tall ? cols : rows;
    Spread all, gram, eigen;
    double *squares = MEM_NEW(double, n);
    *out = (Svd){ 0 };
    spread_init(&all, &grids->square, rows, cols);
    spread_init(&gram, &grids->square, n, n);
    spread_init(&eigen, &grids->square, n, n);
    spread_set(&all, a);
    spread_multiply(&gram, &all, tall, &all, !tall);
    spread_eigen(squares, &eigen, &gram);
    spread_release(&gram);
    take_values(out, squares, n);
    choose_rank(out, cut);
    out->factored = out->rank && out->rank * (rows + cols) < rows * cols;
    if (out->factored) make_factors(out, grids, &all, &eigen); // agreed: from the same values
    mem_free(squares);
    spread_release(&eigen);
    spread_release(&all);
}
