/// Matrices in double for ScaLAPACK's solvers: column-major, block-cyclic over a grid.
#pragma once
#include "linalg/dmat.h"

enum { SPREAD_BLOCK = 64 };

typedef struct {
    const MatrixGrid *grid;
    int64_t rows, cols; ///< of the whole
    int64_t row_block, col_block;
    int64_t local_rows, local_cols;
    double *data; ///< (local_rows, local_cols), column-major; owned unless it was given
    bool borrowed;
    int desc[DESCRIPTOR];
} Spread;

/// Local. A matrix of zeros in square blocks; or one over `data`, in the blocks given. The caller
/// owns it (`spread_release`).
void spread_init(Spread *matrix, const MatrixGrid *grid, int64_t rows, int64_t cols);
void spread_over(Spread *matrix, const MatrixGrid *grid, int64_t rows, int64_t cols,
                 int64_t row_block, int64_t col_block, double *data);
void spread_release(Spread *matrix);
/// Local. Adds to an element, on the rank that has it.
void spread_add(Spread *matrix, int64_t row, int64_t col, double value);
/// Local. This rank's elements of a matrix in rows (rows; cols each), of a row, of a column.
void spread_set(Spread *matrix, const float *const *rows);
void spread_set_row(Spread *matrix, int64_t row, const double *values);
void spread_set_column(Spread *matrix, int64_t col, const double *values);
/// Collective. to = from, of the same shape: their grids and blocks may differ, their ranks not.
COLLECTIVE
void spread_copy(Spread *to, const Spread *from);
/// Collective. whole (rows, cols), column-major, on all ranks.
COLLECTIVE
void spread_gather(double *whole, const Spread *matrix);
/// Collective. columns (rows, count), column-major, on all ranks = those from `first` on, which are
/// in one block of columns.
COLLECTIVE
void spread_gather_columns(double *columns, const Spread *matrix, int64_t first, int64_t count);
/// Collective. c = op(a) op(b), op the transpose where asked for.
COLLECTIVE
void spread_multiply(Spread *c, const Spread *a, bool a_transposed, const Spread *b,
                     bool b_transposed);
/// Collective. c (n, sides) = columns [first, first + b's rows) of a symmetric a, of which the
/// upper triangle counts, times b. Both are whole blocks.
COLLECTIVE
void spread_multiply_part(Spread *c, const Spread *a, int64_t first, const Spread *b);
/// Collective. x = a^-1 x for a symmetric positive definite a, of which the upper triangle counts;
/// a becomes its Cholesky factor. False if it is not positive definite.
COLLECTIVE
bool spread_solve(Spread *a, Spread *x);
/// Collective. The upper triangle of the inverse, of the factor that `spread_solve` leaves.
COLLECTIVE
void spread_invert(Spread *factor);
/// Collective. values (n), ascending, on all ranks, and vectors (n, n) in columns, of a symmetric
/// a, of which the upper triangle counts; a is destroyed.
COLLECTIVE
void spread_eigen(double *values, Spread *vectors, Spread *a);
