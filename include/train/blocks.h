/// The parameter vector cut into fixed blocks, and the blocks dealt to ranks. A block is 65536
/// elements of the dense part or 64 rows of a lookup table, in table order, so blocks depend on
/// the model alone.
///
/// Dense blocks are dealt in buckets, one to each rank in turn from the last to the first, the
/// order in which the backward pass completes them: so all ranks receive gradients during all of
/// it. Ranks of different nodes take turns before those of one do. Blocks of tables are dealt
/// alike, one at a time: frequent rows lie close to each other, and so have many owners.
#pragma once
#include "comm/comm.h"
#include "linalg/vecmath.h"
#include "model/model.h"

enum { BLOCK_ROWS = 64 };

typedef struct {
    int64_t first, count; ///< elements of Model.values
    int table;            ///< index into Blocks.tables, or -1 for a block of the dense part
    int owner;            ///< rank
} Block;

/// A run of dense blocks of one owner: what travels as one message.
typedef struct {
    int64_t first, count; ///< elements of Model.values
    int block, end_block; ///< the same in blocks: [block, end_block)
    int owner;            ///< rank
} Bucket;

/// A run of elements with one rule of the optimizer: (part of) one parameter.
typedef struct {
    int64_t first, count;
    int param;
    int64_t at; ///< of a rank's own: how many of its elements come before
    int bucket; ///< that it lies in; -1: rows of a table
} Segment;

typedef struct {
    Block *items;           ///< (count), owned
    int count, dense_count; ///< dense blocks come first
    Bucket *buckets;        ///< (bucket_count), owned, ascending
    int bucket_count;
    int *tables;       ///< (table_count), owned: index of each table in Model.params
    int *table_blocks; ///< (table_count + 1), owned: its blocks are [table_blocks[t], [t + 1])
    int table_count;
    int rank;          ///< this one
    Segment *segments; ///< (segment_count), owned: this rank's elements, buckets first
    int segment_count;
    int64_t own_elements;
    Segment *others; ///< (other_count), owned: parts of parameters that another rank of the group
                     ///< speaks for, ascending
    int other_count;
} Blocks;

/// Local.
void blocks_init(Blocks *blocks, const Model *model, const Comm *comm);
void blocks_release(Blocks *blocks);

/// Local. Elements of a bucket where so many ranks share so many dense elements.
int64_t blocks_bucket_elements(int64_t dense_elements, int64_t ranks);
/// Local. *sum += the squares of x (block->count), without what others speak for.
void blocks_add_squares(SquareSum *sum, const Blocks *blocks, const Block *block, const float *x);
/// Local. The block that a row of a table lies in.
static inline const Block *blocks_of_row(const Blocks *blocks, int table, int64_t row)
{
    return &blocks->items[blocks->table_blocks[table] + row / BLOCK_ROWS];
}
