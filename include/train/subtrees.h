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
    Weight *weights;  ///< of the leaf in hand, borrowed
    int64_t complete; ///< dense elements of the leaf in hand that are added: from here to the end
    Arena buffers;
} Subtrees;

/// Local. For leaves [first_leaf, first_leaf + leaf_count) of at most `leaf_tokens` tokens.
void subtrees_init(Subtrees *subtrees, const Model *model, const Blocks *blocks, int64_t first_leaf,
                   int64_t leaf_count, int64_t leaf_tokens);
void subtrees_release(Subtrees *subtrees);
/// Local. Most rows of a table that `leaves` leaves touch.
int64_t subtrees_table_rows(const Subtrees *subtrees, int table, int64_t leaves);

/// Local. Points the weights' gradients at the buffers of the next leaf, its place in the tree
/// known: items[count].
void subtrees_leaf_start(Subtrees *subtrees, Weight *weights);
/// Local. The leaf's gradients of dense elements [first, dense_elements) are complete, those not
/// written count as 0: adds what is new of them to the subtrees. `first` begins or ends a
/// parameter.
void subtrees_leaf_ready(Subtrees *subtrees, int64_t first);
/// Local. The whole leaf is complete: adds what is left.
void subtrees_leaf_done(Subtrees *subtrees);
