/// Symmetric systems of equations that are sums over rows (normal equations, Newton's steps).
///
/// As far as SYSTEM_ALONE unknowns the first rank alone has the matrix and solves with it: then the
/// bits of a solution do not depend on the number of ranks. Beyond them it is spread over all ranks
/// and ScaLAPACK solves it together; its sums keep their bits, the solution does not.
#pragma once
#include "linalg/row_blocks.h"
#include "linalg/spread.h"

/// Matrices are in whole tiles: unknowns that a system has not are left 0, on the diagonal not.
enum { SYSTEM_TILE = SPREAD_BLOCK, SYSTEM_ALONE = 33 * SYSTEM_TILE };
/// What SYSTEM_ALONE is to be instead, for tests. The same on all ranks.
extern int64_t system_alone;

typedef struct {
    const Comm *comm; ///< borrowed
    int64_t n;        ///< unknowns, a multiple of SYSTEM_TILE
    Comm part;        ///< those that have the matrices
    MatrixGrid grid;  ///< of them
} System;
static inline int64_t system_padded(int64_t unknowns)
{
    return (unknowns + SYSTEM_TILE - 1) / SYSTEM_TILE * SYSTEM_TILE;
}
/// Collective. *out must not move; the caller owns it (`system_stop`).
COLLECTIVE
void system_start(System *out, const Comm *comm, int64_t n);
COLLECTIVE
void system_stop(System *system);
/// Local. An (n, n) matrix of zeros, here what this rank has of it. The caller owns it
/// (`spread_release`).
void system_matrix(Spread *out, const System *system);
/// Local. Adds to an element, on the rank that has it.
void system_add(Spread *matrix, int64_t row, int64_t col, double value);

/// A tile of a matrix, column-major: elements (row * SYSTEM_TILE, col * SYSTEM_TILE) and on.
typedef struct {
    int64_t row, col;
} SystemTile;
/// Local, on one of several threads. tile (SYSTEM_TILE, SYSTEM_TILE) = the summand of one block.
typedef void (*SystemSummand)(double *tile, SystemTile place, RowBlock block, const void *context);
/// Collective. The upper triangle's tiles of `matrix` = the sums over all blocks of rows: the same
/// bits on any number of ranks.
COLLECTIVE
void system_sum(const System *system, Spread *matrix, const RowBlocks *rows, SystemSummand summand,
                const void *context);

/// Collective. As `spread_solve`, of x (sides, n) on all ranks.
COLLECTIVE
bool system_solve(const System *system, Spread *matrix, double *x, int64_t sides);
COLLECTIVE
void system_invert(const System *system, Spread *factor);
/// Collective. y (sides, n) on all ranks = the inverse's columns [first, first + count), whole
/// tiles, times x (sides, count), which is on all ranks.
COLLECTIVE
void system_apply(const System *system, double *y, const Spread *inverse, int64_t first,
                  int64_t count, const double *x, int64_t sides);
COLLECTIVE
void system_eigen(const System *system, double *values, Spread *vectors, Spread *matrix);
/// Collective. panel (n, SYSTEM_TILE), column-major, on all ranks = a column of tiles.
COLLECTIVE
void system_panel(const System *system, double *panel, const Spread *matrix, int64_t col);
