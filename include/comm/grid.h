/// The process grid data x rows x cols: what its ranks have of a model and of a step.
///
/// Rank (d, r, c) is (d * rows + r) * cols + c. Ranks that differ in c alone are a group: they have
/// the parts of one model between them and work on the same leaves, so neighbours in the launcher's
/// order, on one node where it can be. Ranks with the same c are replicas: they have the same parts
/// and different leaves. Rows are a leaf's tokens dealt to several replicas.
#pragma once
#include "comm/node.h"

#include <stdbool.h>

typedef struct Grid {
    int data, rows, cols;
    Comm group, replicas;
    const Node *node;          ///< of the replicas, owned
    struct MatrixGrid *matrix; ///< linalg/dmat.h: of the group, where it has one; not started here
} Grid;

/// Local. True for a grid of so many ranks; data 0: as many as there are ranks for.
bool grid_divides(int ranks, int64_t data, int64_t rows, int64_t cols);
/// Whether a model can be on so many columns.
typedef bool (*GridTakes)(const void *model, int cols);
/// Local. USAGE: it is no grid of so many ranks, with those that the model takes (NULL: any).
Status grid_refuse(int ranks, int64_t data, int64_t rows, int64_t cols, GridTakes takes,
                   const void *model);

/// Collective. Splits `all` for these sizes, as in `grid_divides`. Gives the replicas their node:
/// with `shares` false, one of each rank alone. `strict`: of the groups. USAGE where the ranks are
/// others. The caller owns it (`grid_stop`).
COLLECTIVE
Status grid_start(Grid *grid, const Comm *all, int64_t data, int64_t rows, int64_t cols,
                  bool shares, bool strict);
COLLECTIVE
void grid_stop(Grid *grid); ///< of one that was not started too

/// Local. What a communicator stands for where its grid is asked for: without one its ranks are
/// replicas, each a group of its own.
static inline const Comm *comm_group(const Comm *comm)
{
    return comm->grid ? &comm->grid->group : NULL;
}
static inline const struct MatrixGrid *comm_matrix_grid(const Comm *comm)
{
    return comm->grid ? comm->grid->matrix : NULL;
}
static inline const Comm *comm_replicas(const Comm *comm)
{
    return comm->grid ? &comm->grid->replicas : comm;
}
