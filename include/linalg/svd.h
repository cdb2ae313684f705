/// The nearest product of two thin matrices: the truncated singular value decomposition (Eckart &
/// Young 1936), over all ranks, in double, by ScaLAPACK. Nothing but columns of 64 vectors is whole
/// on a rank.
#pragma once
#include "linalg/spread.h"

/// How much is kept: the fewest singular values whose squares are at least `energy` of the whole
/// (0, 1], but at most `rank` of them (0: any number).
typedef struct {
    int64_t rank;
    double energy;
} SvdCut;

/// Rows [first, first + rows) of a factor.
typedef struct {
    int64_t first, rows, cols;
    float *values; ///< (rows, cols), owned
} FactorRows;

/// a = left right. Each has the square root of every singular value: so both have one scale, and
/// an optimizer or a weight decay treats them alike.
typedef struct {
    double *values;         ///< (value_count), owned: all singular values, falling, on all ranks
    int64_t value_count;    ///< the shorter side
    int64_t rank;           ///< of what is kept
    double energy;          ///< its share of the whole
    bool factored;          ///< the factors are smaller than a; else they are not made
    FactorRows left, right; ///< of (rows, rank), (rank, cols): this rank's rows
} Svd;
void svd_release(Svd *svd); ///< of an empty one too

/// Nearly square, where matrices are decomposed, and in one line, in which ranks have rows.
typedef struct {
    MatrixGrid square, line;
} SvdGrids;
COLLECTIVE
void svd_grids_start(SvdGrids *grids, const Comm *comm);
COLLECTIVE
void svd_grids_stop(SvdGrids *grids);

/// Collective. Of a in rows (rows; cols each), of which a rank reads its blocks of the square grid
/// alone. From the eigenvectors of the shorter side's Gram matrix, whose condition is the square of
/// a's: singular values below 1e-7 of the greatest are noise, and count as 0.
COLLECTIVE
void svd_factor(Svd *out, const SvdGrids *grids, const float *const *a, int64_t rows, int64_t cols,
                SvdCut cut);
