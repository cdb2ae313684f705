#include "linalg/row_blocks.h"
#include "base/mem.h"

#include <string.h>

void row_blocks_of(int64_t *first, int64_t *count, const RowBlocks *rows, int rank)
{
    *first = rows->all_blocks * rank / rows->comm->size;
    *count = rows->all_blocks * (rank + 1) / rows->comm->size - *first;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void row_blocks_init(RowBlocks *out, const Comm *comm, int64_t all_rows)
{
    int64_t size = (all_rows + ROW_BLOCKS_MOST - 1) / ROW_BLOCKS_MOST;
    if (size < ROW_BLOCKS_ROWS) size = ROW_BLOCKS_ROWS;
    *out = (RowBlocks){ .comm = comm, .all_rows = all_rows, .block_rows = size };
    out->all_blocks = (all_rows + size - 1) / size;
    row_blocks_of(&out->first_block, &out->blocks, out, comm->rank);
    out->first = out->first_block * size;
    out->rows = least((out->first_block + out->blocks) * size, all_rows) - out->first;
    if (!out->blocks) out->first = out->rows = 0;
}

RowBlock row_block_at(const RowBlocks *rows, int64_t index)
{
    int64_t first = index * rows->block_rows;
    return (RowBlock){ first, least(rows->block_rows, rows->rows - first) };
}

void row_blocks_subtrees(TreeSum *sum, const RowBlocks *rows, RowBlockSummand summand,
                         void *context)
{
    tree_sum_clear(sum);
    for (int64_t i = 0; i < rows->blocks; i++) {
        double *next = tree_sum_next(sum);
        memset(next, 0, (size_t)sum->count * sizeof *next);
        summand(next, row_block_at(rows, i), context);
        tree_sum_push(sum, rows->first_block + i, 1);
    }
}

const double *row_blocks_add(TreeSum *sum, const RowBlocks *rows, int rank, const double *subtrees)
{
    int64_t first, count;
    row_blocks_of(&first, &count, rows, rank);
    for (int64_t at = first, size; at < first + count; at += size) {
        size = tree_subtree(at, first + count);
        memcpy(tree_sum_next(sum), subtrees, (size_t)sum->count * sizeof(double));
        tree_sum_push(sum, at, size);
        subtrees += sum->count;
    }
    return subtrees;
}

void row_blocks_sum(const RowBlocks *rows, double *out, int64_t count, RowBlockSummand summand,
                    void *context)
{
    int size = rows->comm->size;
    int64_t *counts_bytes = MEM_NEW(int64_t, size), all = 0, first, blocks;
    TreeSum sum;
    tree_sum_init(&sum, count, rows->all_blocks);
    row_blocks_subtrees(&sum, rows, summand, context);
    for (int rank = 0; rank < size; rank++) {
        row_blocks_of(&first, &blocks, rows, rank);
        counts_bytes[rank] = tree_subtrees(first, blocks) * count * (int64_t)sizeof(double);
        all += counts_bytes[rank];
    }
    double *subtrees = mem_new((size_t)all + 1, 1);
    const double *at = subtrees;
    comm_gather_all(rows->comm, subtrees, sum.values, counts_bytes);
    tree_sum_clear(&sum);
    for (int rank = 0; rank < size; rank++) at = row_blocks_add(&sum, rows, rank, at);
    tree_sum_total(out, &sum);
    tree_sum_release(&sum);
    mem_free(subtrees);
    mem_free(counts_bytes);
}
