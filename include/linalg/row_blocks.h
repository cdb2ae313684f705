/// Rows of samples that all ranks have between them, one after the other: in blocks that follow
/// from the number of rows alone, of which every rank has a run. Sums over rows are trees over
/// blocks, so they have the same bits on any number of ranks and threads.
#pragma once
#include "comm/comm.h"
#include "linalg/tree.h"

/// At most so many blocks, each of so many rows at least.
enum { ROW_BLOCKS_MOST = 256, ROW_BLOCKS_ROWS = 16 };

typedef struct {
    const Comm *comm; ///< borrowed
    int64_t all_rows, block_rows, all_blocks;
    int64_t first_block, blocks; ///< of this rank
    int64_t first, rows;         ///< of this rank
} RowBlocks;
/// Local.
void row_blocks_init(RowBlocks *out, const Comm *comm, int64_t all_rows);
/// Local. The run of blocks of a rank.
void row_blocks_of(int64_t *first, int64_t *count, const RowBlocks *rows, int rank);

/// Rows [first, first + count) of this rank, which are one block.
typedef struct {
    int64_t first, count;
} RowBlock;
/// Local. Block [0, blocks) of this rank.
RowBlock row_block_at(const RowBlocks *rows, int64_t index);

/// out (count), zeros before, = the summand of one block.
typedef void (*RowBlockSummand)(double *out, RowBlock block, void *context);
/// Local. *sum = this rank's subtrees alone.
void row_blocks_subtrees(TreeSum *sum, const RowBlocks *rows, RowBlockSummand summand,
                         void *context);
/// Local. Pushes a rank's subtrees, which lie one after the other; returns their end.
const double *row_blocks_add(TreeSum *sum, const RowBlocks *rows, int rank, const double *subtrees);
/// Collective. out (parts, count) = sums over all blocks, on all ranks, each of its own context and
/// each on one of several threads.
COLLECTIVE
void row_blocks_sums(const RowBlocks *rows, double *out, int64_t parts, int64_t count,
                     RowBlockSummand summand, void *const *contexts);
/// Collective. As of one part.
COLLECTIVE
void row_blocks_sum(const RowBlocks *rows, double *out, int64_t count, RowBlockSummand summand,
                    void *context);
