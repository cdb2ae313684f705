/// The parameter vector cut into fixed blocks, and the blocks dealt to ranks. A block is 65536
/// elements of the dense part or 256 rows of a lookup table, in table order, so blocks depend on
/// the model alone; a rank's slice is a contiguous run of blocks. Norms are sums of block sums:
/// equal bits for every rank count.
#pragma once
#include "comm/comm.h"
#include "model/model.h"

typedef struct {
    int64_t first, count; ///< elements of Model.values
    int table;            ///< index into Blocks.tables, or -1 for a block of the dense part
    int64_t first_row, rows;
} Block;

/// A run of elements with one rule of the optimizer: (part of) one parameter.
typedef struct {
    int64_t first, count;
    int param;
} Segment;

typedef struct {
    Block *items;           ///< (count), owned
    int count, dense_count; ///< dense blocks come first
    int *tables;            ///< (table_count), owned: index of each table in Model.params
    int table_count;
    int *slice; ///< (ranks + 1), owned: rank r owns blocks [slice[r], slice[r + 1])
    int ranks, rank;
    Segment *segments; ///< (segment_count), owned: this rank's dense slice, cut at parameters
    int segment_count;
    Segment *others; ///< (other_count), owned: parts of parameters that another rank of the group
                     ///< speaks for, ascending
    int other_count;
} Blocks;

/// Local.
void blocks_init(Blocks *blocks, const Model *model, const Comm *comm);
void blocks_release(Blocks *blocks);

/// Local. The sum of squares of x (block->count), without what others speak for.
double blocks_square_sum(const Blocks *blocks, const Block *block, const float *x);
/// Local. Elements [*first, *first + *count) of the dense part that rank `rank` owns.
void blocks_dense_slice(const Blocks *blocks, int rank, int64_t *first, int64_t *count);
/// Local. Rows [*first, *first + *count) of a table that rank `rank` owns.
void blocks_table_slice(const Blocks *blocks, int table, int rank, int64_t *first, int64_t *count);
/// Local. Elements [*first, *first + *count) of Model.values that rank `rank` owns.
void blocks_slice(const Blocks *blocks, int rank, int64_t *first, int64_t *count);
