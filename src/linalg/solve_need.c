#include "linalg/logistic.h"

#include <math.h>

/// Doubles of what a sum over rows keeps of `count` of them: a rank's subtrees, and those of all.
static double sum_doubles(const SolveShape *s, double count)
{
    int64_t most = 0, all = 0;
    for (int rank = 0; rank < s->ranks; rank++) {
        const Comm comm = { .rank = rank, .size = s->ranks };
        RowBlocks rows;
        row_blocks_init(&rows, &comm, s->all_rows);
        int64_t subtrees = tree_subtrees(rows.first_block, rows.blocks);
        int64_t depth = subtrees + (int64_t)log2((double)rows.blocks + 1);
        most = most < depth ? depth : most;
        all += subtrees;
    }
    return count * (double)(most + all);
}

/// What BLAS packs of a product at a time: 384 columns of at most so many rows.
static double packed_doubles(int64_t unknowns)
{
    return 384 * (double)(unknowns < 5120 ? unknowns : 5120);
}

/// As `matrix_grid_start_square` lays ranks out.
static double largest_part(int64_t unknowns, int ranks)
{
    int rows = (int)sqrt((double)ranks);
    while (ranks % rows) rows--;
    int64_t cols = ranks / rows, tiles = unknowns / SYSTEM_TILE;
    double tall = (double)((tiles + rows - 1) / rows), wide = (double)((tiles + cols - 1) / cols);
    return tall * wide * SYSTEM_TILE * SYSTEM_TILE;
}

/// Where each matrix is, of which there are so many.
static void need_matrices(SolveNeed *out, const SolveShape *s, int64_t unknowns, double matrices)
{
    bool alone = unknowns <= system_alone;
    out->unknowns = unknowns;
    out->matrix_elements = largest_part(unknowns, alone ? 1 : s->ranks);
    double bytes = 8 * (matrices * out->matrix_elements + packed_doubles(unknowns));
    if (alone)
        out->first_bytes += bytes;
    else
        out->rank_bytes += bytes;
}

static double rows_of(const SolveShape *s)
{
    return ceil((double)s->all_rows / s->ranks);
}

void solve_ridge_need(SolveNeed *out, const SolveShape *s)
{
    int64_t n = system_padded(s->features);
    double classes = (double)s->classes, wide = (double)n;
    // sides, a panel and how it is gathered; of rows leverages and predictions
    double doubles = classes * wide + fmax(sum_doubles(s, classes * wide), 2 * SYSTEM_TILE * wide);
    doubles += rows_of(s) * s->penalties * (1 + classes);
    *out = (SolveNeed){ .rank_bytes = 8 * doubles };
    // of the Gram matrix one half, its copy and vectors, and of what pdsyevd asks for one half
    need_matrices(out, s, n, 3.5);
}

static int64_t logistic_unknowns(const SolveShape *s)
{
    return logistic_outputs(s->classes) * system_padded(s->features + s->intercept);
}

double solve_refit_flops(const SolveShape *s)
{
    double n = (double)s->all_rows, p = (double)logistic_unknowns(s);
    return s->penalties * (24 * n * n * p + 14 * n * p * p);
}

bool solve_refits(const SolveShape *s)
{
    return s->leave_out == LEAVE_OUT_EXACT ||
           (s->leave_out == LEAVE_OUT_AUTO && solve_refit_flops(s) <= SOLVE_REFIT_FLOPS);
}

/// Rows on their way with the sums of their gradients, and what the inverse makes of them.
static double refit_doubles(const SolveShape *s)
{
    int64_t n = logistic_unknowns(s);
    RefitShape shape = refit_shape(s->all_rows, logistic_outputs(s->classes), n);
    double rows = (double)(shape.rows * shape.parts), vectors = rows * (double)n;
    double sums = fmax(sum_doubles(s, vectors), 3 * vectors);
    return rows * (double)shape.row_doubles + sums;
}

void solve_logistic_need(SolveNeed *out, const SolveShape *s)
{
    double outputs = (double)logistic_outputs(s->classes), pairs = outputs * (outputs + 1) / 2;
    int64_t n = logistic_unknowns(s);
    double wide = (double)n;
    double step =
        2 * SYSTEM_TILE * wide + rows_of(s) * pairs; // a panel as above, and terms of rows
    double leaving = solve_refits(s) ? refit_doubles(s) : step;
    // parameters, the best of them, gradient, direction and start
    double doubles = 5 * wide + fmax(sum_doubles(s, wide + 1), leaving);
    doubles += rows_of(s) * (2 * outputs + 2);
    *out = (SolveNeed){ .rank_bytes = 8 * doubles };
    need_matrices(out, s, n, 0.5); // the upper half of the Hessian alone is ever touched
}
