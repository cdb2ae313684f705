#include "linalg/solve_work.h"
#include "linalg/logistic.h"

#include <math.h>

// Newton's at a penalty, each from the solution of the one above: 3.7 to 5.7 on messages, words and
// the features of MiniLM, of 2 to 20 labels.
static const double NEWTON_STEPS = 5;
// LAPACK's dsyevd with vectors, of the cube of the unknowns.
static const double EIGEN_FLOPS = 9;

/// Adds sums over rows of a symmetric matrix, tile by tile (linalg/system.h), so many times.
static void add_matrix_sums(SolveWork *out, const SolveShape *s, double n, double times)
{
    const Comm comm = { .rank = s->ranks - 1, .size = s->ranks };
    double tiles = n / SYSTEM_TILE * (n / SYSTEM_TILE + 1) / 2, tile = SYSTEM_TILE * SYSTEM_TILE;
    RowBlocks rows;
    row_blocks_init(&rows, &comm, s->all_rows);
    double subtrees = (double)tree_subtrees(rows.first_block, rows.blocks);
    out->row_flops += times * 2 * (double)s->all_rows * tiles * tile;
    if (s->ranks == 1) return;
    out->messages += times * tiles;
    out->sent_bytes += times * tiles * subtrees * tile * sizeof(double);
}

static void add_cholesky(SolveWork *out, double n, double sides, double times)
{
    out->matrix_flops += times * (n * n * n / 3 + 2 * n * n * sides);
}

void solve_ridge_work(SolveWork *out, const SolveShape *s)
{
    double n = (double)system_padded(s->features), rows = (double)s->all_rows;
    double classes = (double)s->classes;
    *out = (SolveWork){ 0 };
    add_matrix_sums(out, s, n, 1);
    // sides and loss; rows along the eigenvectors, and what each of these adds at every penalty
    out->row_flops +=
        4 * rows * n * classes + 2 * rows * n * n + rows * n * s->penalties * (4 + 2 * classes);
    out->matrix_flops += EIGEN_FLOPS * n * n * n;
    add_cholesky(out, n, classes, 1);
}

/// Adds leaving rows out at every penalty: by solving again without them, or the inverse of the
/// Hessian, and what it makes of rows.
static void add_left_out(SolveWork *out, const SolveShape *s, double n, double outputs)
{
    double rows = (double)s->all_rows, cube = outputs * outputs * outputs;
    if (solve_refits(s)) {
        out->row_flops += solve_refit_flops(s);
        return;
    }
    out->matrix_flops += s->penalties * 2.0 / 3 * n * n * n;
    out->row_flops += s->penalties * rows * (n * n * (1 + 1 / outputs) + 2 * cube / 3);
}

void solve_logistic_work(SolveWork *out, const SolveShape *s)
{
    double outputs = (double)logistic_outputs(s->classes);
    double n = outputs * (double)system_padded(s->features + s->intercept);
    double steps = NEWTON_STEPS * s->penalties;
    *out = (SolveWork){ 0 };
    add_matrix_sums(out, s, n, steps);
    out->row_flops += steps * 4 * (double)s->all_rows * n; // scores and gradient
    add_cholesky(out, n, 1, steps);
    add_left_out(out, s, n, outputs);
}
