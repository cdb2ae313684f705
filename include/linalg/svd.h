/// The nearest product of two thin matrices: the truncated singular value decomposition (Eckart &
/// Young 1936), over all ranks, in double, by ScaLAPACK.
#pragma once
#include "linalg/spread.h"

/// How much is kept: the fewest singular values whose squares are at least `energy` of the whole
/// (0, 1], but at most `rank` of them (0: any number).
typedef struct {
    int64_t rank;
    double energy;
} SvdCut;

/// a = left right. Each has the square root of every singular value: so both have one scale, and
/// an optimizer or a weight decay treats them alike.
typedef struct {
    double *values;      ///< (value_count), owned: all singular values, falling
    int64_t value_count; ///< the shorter side
    int64_t rank;        ///< of what is kept
    double energy;       ///< its share of the whole
    float *left, *right; ///< (rows, rank), (rank, cols), owned; NULL unless they are smaller than a
} Svd;
void svd_release(Svd *svd); ///< of an empty one too

/// Collective. Of a (rows, cols), the same on all ranks, as is the result. From the eigenvectors of
/// the shorter side's Gram matrix, whose condition is the square of a's: singular values below 1e-7
/// of the greatest are noise, and count as 0.
COLLECTIVE
void svd_factor(Svd *out, const MatrixGrid *grid, const float *a, int64_t rows, int64_t cols,
                SvdCut cut);
