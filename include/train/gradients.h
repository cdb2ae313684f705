/// The sum of the leaves' gradients by one fixed binary tree, wherever the leaves live.
///
/// Leaves 0..G-1 are the leaves of the complete binary tree over the next power of two; absent
/// right children are passed through. A rank sums its contiguous run of leaves into maximal aligned
/// subtrees (train/subtrees.h), sends each bucket of every subtree to the bucket's owner, and the
/// owner merges the subtrees of all ranks in tree order. So the sum is one expression for every
/// number of ranks, whenever its parts are sent: the dense part during the backward pass of a
/// rank's last leaf (train/buckets.h), rows of tables, which are complete last, after it.
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
/// Local, for `tape_watch`. The leaf's gradient of parameter `param` is complete: adds it to this
/// rank's subtrees, and in the rank's last leaf sends what is ready. May be left out: the sum is
/// the same, later.
void gradients_ready(void *gradients, int param);
/// Local. The whole leaf that `gradients_leaf_start` began is complete: adds what is left.
void gradients_leaf_done(Gradients *gradients);

/// Collective. Exchanges the subtrees of all leaves and merges what this rank owns, of which
/// *squares is the sum of squares.
COLLECTIVE
void gradients_finish(Gradients *gradients, SquareSum *squares);
/// Local. The merged gradient: element e of Model.values is at [e] where this rank owns it.
const float *gradients_dense(const Gradients *gradients);
/// Local. The merged gradient of this rank's rows of a table.
const TouchedRows *gradients_table(const Gradients *gradients, int table);
