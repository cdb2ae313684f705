#include "comm/grid.h"
#include "base/text.h"

/// "2 x 1 x 1, 1 x 1 x 2": with these ranks and one row.
static void list_grids(Text *out, int ranks)
{
    for (int cols = 1; cols <= ranks; cols *= 2)
        if (ranks % cols == 0)
            text_printf(out, "%s%d x 1 x %d", cols > 1 ? ", " : "", ranks / cols, cols);
}

static Status check(const Comm *all, int64_t *data, int64_t rows, int64_t cols)
{
    if (!*data && all->size % (rows * cols) == 0) *data = all->size / (rows * cols);
    if (*data * rows * cols == all->size) return OK;
    Text grids = { 0 };
    list_grids(&grids, all->size);
    Status status = status_fail(
        USAGE,
        "grid: %lld x %lld x %lld (data, rows, cols) is not %d rank%s: with so many it can be %s",
        (long long)*data, (long long)rows, (long long)cols, all->size, all->size == 1 ? "" : "s",
        grids.data);
    text_release(&grids);
    return status;
}

Status grid_start(Grid *grid, const Comm *all, int64_t data, int64_t rows, int64_t cols,
                  bool shares, bool strict)
{
    Status status = check(all, &data, rows, cols); // the same on all ranks
    *grid = (Grid){ 0 };
    if (status != OK) return status;
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
