#include "linalg/row_blocks.h"
#include "base/mem.h"
#include "base/pulse.h"

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
        pulse_progress();
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

/// mine (parts, own subtrees, count).
static void sum_own(const RowBlocks *rows, double *mine, int64_t parts, int64_t count,
                    RowBlockSummand summand, void *const *contexts)
{
    int64_t own = tree_subtrees(rows->first_block, rows->blocks) * count;
#pragma omp parallel if (parts > 1)
    {
        TreeSum sum;
        tree_sum_init(&sum, count, rows->blocks);
#pragma omp for schedule(dynamic)
        for (int64_t part = 0; part < parts; part++) {
            row_blocks_subtrees(&sum, rows, summand, contexts[part]);
            memcpy(mine + part * own, sum.values, (size_t)own * sizeof *mine);
        }
        tree_sum_release(&sum);
    }
}

/// out (count) = the whole of a part, from all (subtrees before, parts, a rank's subtrees, count).
static void sum_part(TreeSum *sum, double *out, const RowBlocks *rows, const double *all,
                     int64_t parts, int64_t part)
{
    tree_sum_clear(sum);
    for (int rank = 0; rank < rows->comm->size; rank++) {
        int64_t first, blocks;
        row_blocks_of(&first, &blocks, rows, rank);
        int64_t subtrees = tree_subtrees(first, blocks) * sum->count;
        row_blocks_add(sum, rows, rank, all + part * subtrees);
        all += parts * subtrees;
    }
    tree_sum_total(out, sum);
}

void row_blocks_sums(const RowBlocks *rows, double *out, int64_t parts, int64_t count,
                     RowBlockSummand summand, void *const *contexts)
{
    int size = rows->comm->size;
    int64_t *counts_bytes = MEM_NEW(int64_t, size), all_bytes = 0, first, blocks;
    for (int rank = 0; rank < size; rank++) {
        row_blocks_of(&first, &blocks, rows, rank);
        counts_bytes[rank] = parts * tree_subtrees(first, blocks) * count * (int64_t)sizeof(double);
        all_bytes += counts_bytes[rank];
    }
    double *mine = mem_new((size_t)counts_bytes[rows->comm->rank] + 1, 1);
    double *all = mem_new((size_t)all_bytes + 1, 1);
    TreeSum sum;
    sum_own(rows, mine, parts, count, summand, contexts);
    comm_gather_all(rows->comm, all, mine, counts_bytes);
    mem_free(mine);
    tree_sum_init(&sum, count, rows->all_blocks);
    for (int64_t part = 0; part < parts; part++)
        sum_part(&sum, out + part * count, rows, all, parts, part);
    tree_sum_release(&sum);
    mem_free(all);
    mem_free(counts_bytes);
}

void row_blocks_sum(const RowBlocks *rows, double *out, int64_t count, RowBlockSummand summand,
                    void *context)
{
    row_blocks_sums(rows, out, 1, count, summand, &context);
}
