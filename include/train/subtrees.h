/// A rank's leaves summed into nodes of the tree over all leaves.
#pragma once
#include "train/blocks.h"

/// A node: the sum over leaves [start, start + size).
typedef struct {
    int64_t start, size;
    float *dense;        ///< (dense_elements)
    TouchedRows *tables; ///< (table_count), owned
} Subtree;

/// A stack of subtrees, a binary counter of leaves: equal neighbours that are siblings become one.
typedef struct {
    const Model *model;
    const Blocks *blocks;
    int64_t first_leaf, leaf_tokens;
    Subtree *items; ///< (capacity), owned; the buffers stay with their place
    int count, capacity;
    Arena buffers;
} Subtrees;

/// Local. For leaves [first_leaf, first_leaf + leaf_count) of at most `leaf_tokens` tokens.
void subtrees_init(Subtrees *subtrees, const Model *model, const Blocks *blocks, int64_t first_leaf,
                   int64_t leaf_count, int64_t leaf_tokens);
void subtrees_release(Subtrees *subtrees);
/// Local. Most rows of a table that `leaves` leaves touch.
int64_t subtrees_table_rows(const Subtrees *subtrees, int table, int64_t leaves);

/// Local. Points the weights' gradients at the buffers of the next leaf.
void subtrees_leaf_start(Subtrees *subtrees, Weight *weights);
/// Local. Adds the leaf that `subtrees_leaf_start` began.
void subtrees_leaf_done(Subtrees *subtrees, const Weight *weights);
