#include "comm/grid.h"
#include "base/text.h"

enum { LISTED = 24 };

/// "2 x 1 x 1, 1 x 1 x 2, 1 x 2 x 1": fewest rows first.
static void list_grids(Text *out, int ranks, GridTakes takes, const void *model)
{
    int listed = 0;
    for (int rows = 1; rows <= ranks; rows++)
        for (int cols = 1; cols <= ranks / rows; cols++) {
            if (ranks % rows || ranks / rows % cols || (takes && !takes(model, cols))) continue;
            if (listed++ < LISTED)
                text_printf(out, "%s%d x %d x %d", listed > 1 ? ", " : "", ranks / rows / cols,
                            rows, cols);
        }
    if (listed > LISTED) text_printf(out, " and %d others", listed - LISTED);
}

bool grid_divides(int ranks, int64_t data, int64_t rows, int64_t cols)
{
    return data ? data * rows * cols == ranks : ranks % (rows * cols) == 0;
}

Status grid_refuse(int ranks, int64_t data, int64_t rows, int64_t cols, GridTakes takes,
                   const void *model)
{
    Text grids = { 0 }, wanted = { 0 };
    list_grids(&grids, ranks, takes, model);
    if (data) text_printf(&wanted, "%lld x ", (long long)data);
    text_printf(&wanted, "%lld x %lld", (long long)rows, (long long)cols);
    Status status = status_fail(
        USAGE,
        "grid: %srows x cols is %s, which %s %d rank%s: with so many, data x rows x cols can be %s",
        data ? "data x " : "", wanted.data, data ? "is not" : "does not divide", ranks,
        ranks == 1 ? "" : "s", grids.data);
    text_release(&wanted);
    text_release(&grids);
    return status;
}

Status grid_start(Grid *grid, const Comm *all, int64_t data, int64_t rows, int64_t cols,
                  bool shares, bool strict)
{
    *grid = (Grid){ 0 };
    if (!grid_divides(all->size, data, rows, cols)) // agreed: the same on all ranks
        return grid_refuse(all->size, data, rows, cols, NULL, NULL);
    if (!data) data = all->size / (rows * cols);
    *grid = (Grid){ .data = (int)data, .rows = (int)rows, .cols = (int)cols };
    grid->group = comm_self();
    grid->replicas = *all;
    if (cols > 1) {
        grid->group = comm_split(all, all->rank / (int)cols);
        grid->replicas = comm_split(all, all->rank % (int)cols);
        node_start(&grid->replicas);
    }
    grid->group.strict = strict;
    grid->node = grid->replicas.node;
    if (grid->node && !shares) grid->replicas.node = grid->node->alone;
    return OK;
}

void grid_stop(Grid *grid)
{
    if (grid->cols > 1) {
        grid->replicas.node = grid->node;
        node_stop(&grid->replicas);
        comm_release(&grid->replicas);
        comm_release(&grid->group);
    }
    *grid = (Grid){ 0 };
}
