/// The sum of the leaves' gradients by one fixed binary tree, wherever the leaves live.
///
/// Leaves 0..G-1 are the leaves of the complete binary tree over the next power of two; absent
/// right children are passed through. A rank sums its contiguous run of leaves into maximal aligned
/// subtrees (train/subtrees.h), sends each slice of every subtree to the slice's owner, and the
/// owner merges the subtrees of all ranks in tree order. So the sum is one expression for every
/// number of ranks.
#pragma once
#include "train/blocks.h"

typedef struct Gradients Gradients;

/// Local. Rank r owns leaves [cuts[r], cuts[r + 1]); `cuts` (ranks + 1) is borrowed. `leaf_tokens`
/// bounds the tokens of a leaf, hence the rows that it touches.
Gradients *gradients_new(const Comm *comm, const Model *model, const Blocks *blocks,
                         const int64_t *cuts, int64_t leaf_tokens);
void gradients_free(Gradients *gradients); ///< NULL-safe

/// Local. Points the weights' gradients at the buffers of the next leaf.
void gradients_leaf_start(Gradients *gradients, Weight *weights);
/// Local. Adds the leaf that `gradients_leaf_start` began to this rank's subtrees.
void gradients_leaf_done(Gradients *gradients, const Weight *weights);

/// Collective. Exchanges the subtrees of all leaves and merges this rank's slice; squares[i] is the
/// sum of squares of block i for the blocks that this rank owns (others are untouched).
COLLECTIVE
void gradients_finish(Gradients *gradients, double *squares);
/// Local. The merged gradient of this rank's dense slice: element e of Model.values is at
/// [e - first of the slice].
const float *gradients_dense(const Gradients *gradients);
/// Local. The merged gradient of this rank's rows of a table.
const TouchedRows *gradients_table(const Gradients *gradients, int table);
