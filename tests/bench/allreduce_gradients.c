// What the fixed tree costs: the same contract as src/train/gradients.c, by the plain way: a rank
// adds its leaves into one buffer and MPI_Allreduce adds the ranks. Linked into the program in the
// place of gradients.c for tests/bench/compare_reduction; the sums depend on the number of ranks.
#include "comm/handle.h"
#include "linalg/vecmath.h"
#include "train/gradients.h"
#include "train/touched.h"

#include <string.h>

struct Gradients {
    const Comm *comm;
    const Model *model;
    const Blocks *blocks;
    Arena buffers;
    float *dense;        ///< (dense_elements): the sum over this rank's leaves, then over all
    TouchedRows *leaf;   ///< (table_count): rows of the leaf in hand
    TouchedRows *tables; ///< (table_count): the sum, then this rank's rows of all ranks' sum
    bool started;        ///< a leaf of this step was added
};

Gradients *gradients_new(const Comm *comm, const Model *model, const Blocks *blocks,
                         const int64_t *cuts, int64_t leaf_tokens)
{
    Gradients *g = MEM_NEW(Gradients, 1);
    size_t bytes = (size_t)model->elements * 12;
    *g = (Gradients){ .comm = comm, .model = model, .blocks = blocks };
    (void)cuts, (void)leaf_tokens;
    arena_init(&g->buffers, 4 * bytes);
    g->dense = arena_take(&g->buffers, (size_t)model->dense_elements * sizeof(float));
    g->leaf = MEM_NEW(TouchedRows, blocks->table_count);
    g->tables = MEM_NEW(TouchedRows, blocks->table_count);
    for (int t = 0; t < blocks->table_count; t++) {
        const Param *p = &model->params[blocks->tables[t]];
        touched_init(&g->leaf[t], &g->buffers, p->rows, p->cols);
        touched_init(&g->tables[t], &g->buffers, p->rows, p->cols);
    }
    return g;
}

void gradients_free(Gradients *g)
{
    if (!g) return;
    arena_release(&g->buffers);
    mem_free(g->leaf);
    mem_free(g->tables);
    mem_free(g);
}

void gradients_leaf_start(Gradients *g, Weight *weights)
{
    for (int i = 0, table = 0; i < g->model->param_count; i++) {
        const Param *p = &g->model->params[i];
        weights[i].gradient = p->table ? NULL : g->dense + p->offset;
        weights[i].touched = p->table ? &g->leaf[table++] : NULL;
        weights[i].written = !p->table && g->started; // later leaves add
        if (p->table) weights[i].touched->count = 0;
    }
}

void gradients_ready(void *gradients, int param)
{
    (void)gradients, (void)param; // all at the end
}

void gradients_leaf_done(Gradients *g)
{
    for (int t = 0; t < g->blocks->table_count; t++) {
        if (!g->started) g->tables[t].count = 0;
        touched_merge(&g->tables[t], &g->leaf[t]);
    }
    g->started = true;
}

/// Concatenates all ranks' rows and adds those of equal id.
static void reduce_table(Gradients *g, int table)
{
    TouchedRows *mine = &g->tables[table];
    int64_t *counts = MEM_NEW(int64_t, g->comm->size), total = 0, bytes = 0;
    size_t mark = g->buffers.used_bytes;
    comm_gather_int64(g->comm, counts, mine->count);
    for (int rank = 0; rank < g->comm->size; rank++) total += counts[rank];
    TouchedRows all;
    touched_init(&all, &g->buffers, total, mine->cols);
    for (int rank = 0; rank < g->comm->size; rank++) counts[rank] *= (int64_t)sizeof(int32_t);
    comm_gather_all(g->comm, all.ids, mine->ids, counts);
    for (int rank = 0; rank < g->comm->size; rank++) counts[rank] *= mine->cols;
    comm_gather_all(g->comm, all.rows, mine->rows, counts);
    mine->count = 0;
    for (int rank = 0; rank < g->comm->size; rank++) {
        int64_t count = counts[rank] / mine->cols / (int64_t)sizeof(int32_t);
        TouchedRows part = { .count = count,
                             .cols = mine->cols,
                             .ids = all.ids + bytes,
                             .rows = all.rows + bytes * mine->cols };
        touched_merge(mine, &part);
        bytes += count;
    }
    arena_reset(&g->buffers, mark);
    mem_free(counts);
}

/// Drops the rows that other ranks own.
static void keep_own(Gradients *g, int table)
{
    TouchedRows *rows = &g->tables[table];
    int64_t kept = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        if (blocks_of_row(g->blocks, table, rows->ids[i])->owner != g->comm->rank) continue;
        rows->ids[kept] = rows->ids[i];
        memmove(rows->rows + kept++ * rows->cols, rows->rows + i * rows->cols,
                (size_t)rows->cols * sizeof(float));
    }
    rows->count = kept;
}

void gradients_finish(Gradients *g, SquareSum *squares)
{
    const Blocks *blocks = g->blocks;
    *squares = (SquareSum){ 0 };
    MPI_Allreduce(MPI_IN_PLACE, g->dense, (int)g->model->dense_elements, MPI_FLOAT, MPI_SUM,
                  mpi_comm(g->comm));
    for (int i = 0; i < blocks->dense_count; i++) {
        const Block *block = &blocks->items[i];
        if (block->owner == g->comm->rank)
            blocks_add_squares(squares, blocks, block, g->dense + block->first);
    }
    for (int t = 0; t < blocks->table_count; t++) {
        const TouchedRows *rows = &g->tables[t];
        if (g->comm->size > 1) reduce_table(g, t);
        keep_own(g, t);
        vec_add_squares(squares, rows->rows, rows->count * rows->cols);
    }
    g->started = false;
}

const float *gradients_dense(const Gradients *g)
{
    return g->dense;
}

const TouchedRows *gradients_table(const Gradients *g, int table)
{
    return &g->tables[table];
}
