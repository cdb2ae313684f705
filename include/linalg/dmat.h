/// Matrices that several ranks have between them, as ScaLAPACK has them: any of them goes to PBLAS
/// or ScaLAPACK as it is.
///
/// A row-major matrix (rows, cols) is for ScaLAPACK the column-major matrix of its transpose. So
/// our grid of `rows` x `cols` ranks is a BLACS grid of cols x rows, and `desc` describes (cols,
/// rows).
#pragma once
#include "base/mem.h"
#include "comm/comm.h"

#include <stdbool.h>

typedef struct MatrixGrid {
    int rows, cols;            ///< of the grid
    int row, col;              ///< of this rank, which is row * cols + col
    Comm all;                  ///< borrowed
    Comm row_ranks, col_ranks; ///< those of this rank's row, by column; of its column, by row
    Arena *scratch;            ///< of products, owned
    int context;               ///< of BLACS
} MatrixGrid;

/// Collective. A grid of rows * cols = comm->size ranks. The caller owns it (`matrix_grid_stop`);
/// it must not move. A rank without MPI is a grid of its own, on which ScaLAPACK cannot be called.
COLLECTIVE
void matrix_grid_start(MatrixGrid *grid, const Comm *comm, int rows, int cols);
/// Collective. The same, as nearly a square as there are ranks for.
COLLECTIVE
void matrix_grid_start_square(MatrixGrid *grid, const Comm *comm);
COLLECTIVE
void matrix_grid_stop(MatrixGrid *grid);

/// Local. Around calls of PBLAS and ScaLAPACK: BLAS takes one thread in them, since it cuts
/// products by the number of threads, which would show in the bits. Returns what `scalapack_end`
/// takes.
int scalapack_begin(void);
void scalapack_end(int threads);

enum { DESCRIPTOR = 9 };

/// Rows [i * row_block, (i + 1) * row_block) belong to grid row i, columns alike: one block a rank,
/// the last ones smaller or empty.
typedef struct {
    const MatrixGrid *grid;
    int64_t rows, cols; ///< of the whole
    int64_t row_block, col_block;
    int64_t first_row, first_col; ///< of this rank's block
    int64_t local_rows, local_cols;
    float *data; ///< (local_rows, local_cols), owned unless it was given
    bool borrowed;
    int desc[DESCRIPTOR]; ///< of the transpose, column-major
} Dmat;

/// Local. A matrix of zeros; or one over `data`, this rank's block. The caller owns it
/// (`dmat_release`).
void dmat_init(Dmat *matrix, const MatrixGrid *grid, int64_t rows, int64_t cols);
void dmat_over(Dmat *matrix, const MatrixGrid *grid, int64_t rows, int64_t cols, float *data);
void dmat_release(Dmat *matrix);
/// Local. The block of grid row or column `index` along one dimension: [*first, *first + *count).
void dmat_block(int64_t *first, int64_t *count, int64_t length, int64_t block, int index);
/// Local. Takes this rank's block of the whole (rows, cols).
void dmat_set(Dmat *matrix, const float *whole);
/// Collective. whole (rows, cols), on all ranks.
COLLECTIVE
void dmat_gather(float *whole, const Dmat *matrix);
