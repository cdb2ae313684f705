#include "linalg/svd.h"
#include "base/mem.h"

#include <math.h>

static const double NOISE = 1e-7;

void svd_release(Svd *svd)
{
    mem_free(svd->values);
    mem_free(svd->left);
    mem_free(svd->right);
    *svd = (Svd){ 0 };
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

/// out (long side, rank), column-major, on all ranks = the other side's singular vectors, with the
/// square root of the values: a or a' times vectors / sqrt(value).
COLLECTIVE
static void other_side(double *out, const Svd *svd, const Spread *a, bool tall,
                       const double *vectors)
{
    int64_t n = svd->value_count;
    Spread scaled, side;
    spread_init(&scaled, a->grid, n, svd->rank);
    spread_init(&side, a->grid, tall ? a->rows : a->cols, svd->rank);
    for (int64_t k = 0; k < svd->rank; k++)
        for (int64_t i = 0; i < n; i++)
            spread_add(&scaled, i, k, vectors[k * n + i] / sqrt(svd->values[k]));
    spread_multiply(&side, a, !tall, &scaled, false);
    spread_gather(out, &side);
    spread_release(&side);
    spread_release(&scaled);
}

/// vectors (n, n), in the order of values, with their signs.
COLLECTIVE
static void take_vectors(double *vectors, const Spread *eigen, int64_t n)
{
    double *rising = MEM_NEW(double, n *n);
    spread_gather(rising, eigen);
    for (int64_t k = 0; k < n; k++) {
        const double *from = rising + (n - 1 - k) * n;
        double sign = sign_of(from, n);
        for (int64_t i = 0; i < n; i++) vectors[k * n + i] = sign * from[i];
    }
    mem_free(rising);
}

COLLECTIVE
static void make_factors(Svd *out, const Spread *a, const Spread *eigen)
{
    bool tall = a->rows >= a->cols;
    int64_t n = out->value_count, m = tall ? a->rows : a->cols, rank = out->rank;
    double *vectors = MEM_NEW(double, n *n), *other = MEM_NEW(double, m *rank);
    take_vectors(vectors, eigen, n);
    other_side(other, out, a, tall, vectors);
    for (int64_t k = 0; k < rank; k++)
        for (int64_t i = 0; i < n; i++) vectors[k * n + i] *= sqrt(out->values[k]);
    const double *left = tall ? other : vectors, *right = tall ? vectors : other;
    out->left = MEM_NEW(float, a->rows *rank);
    out->right = MEM_NEW(float, rank * a->cols);
    for (int64_t k = 0; k < rank; k++) {
        for (int64_t i = 0; i < a->rows; i++)
            out->left[i * rank + k] = (float)left[k * a->rows + i];
        for (int64_t j = 0; j < a->cols; j++)
            out->right[k * a->cols + j] = (float)right[k * a->cols + j];
    }
    mem_free(other);
    mem_free(vectors);
}

void svd_factor(Svd *out, const MatrixGrid *grid, const float *a, int64_t rows, int64_t cols,
                SvdCut cut)
{
    bool tall = rows >= cols;
    int64_t n = tall ? cols : rows;
    Spread all, gram, eigen;
    double *squares = MEM_NEW(double, n);
    *out = (Svd){ 0 };
    spread_init(&all, grid, rows, cols);
    spread_init(&gram, grid, n, n);
    spread_init(&eigen, grid, n, n);
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++) spread_add(&all, i, j, (double)a[i * cols + j]);
    spread_multiply(&gram, &all, tall, &all, !tall);
    spread_eigen(squares, &eigen, &gram);
    take_values(out, squares, n);
    choose_rank(out, cut);
    if (out->rank && out->rank * (rows + cols) < rows * cols) // agreed: from the same values
        make_factors(out, &all, &eigen);
    mem_free(squares);
    spread_release(&eigen);
    spread_release(&gram);
    spread_release(&all);
}
