/// The dense part of the sum over all leaves, bucket by bucket: from the last elements of
/// Model.values to the first, the order in which the backward pass completes them, the same on
/// every rank. Ranks send a bucket as soon as their subtrees hold it, so that it travels while the
/// backward pass goes on; the owner merges what has arrived in tree order. What an owner gets from
/// another island one of its ranks has merged, as far as its leaves are whole nodes of the tree.
///
/// Memory: 8 buckets of the subtrees of every other rank of the island, and of every other island,
/// are received at once, 8 x 1 MiB x the number of these subtrees. What is sent is sent from the
/// subtrees, or from where it was received.
#pragma once
#include "train/sources.h"

typedef struct Buckets Buckets;

/// Local. This rank's buckets of the sum come into their places in `sum` (dense_elements), which
/// may be the first of its own subtrees. All are borrowed; `sources` are of `sources_init_near`.
Buckets *buckets_new(const Comm *comm, const Blocks *blocks, const Sources *sources, float *sum);
void buckets_free(Buckets *buckets); ///< NULL-safe

/// Local. This rank's subtrees hold the sums of their leaves from dense element `first` on: starts
/// the messages of these buckets, and merges those that it has to and that have arrived. Waits for
/// nobody.
void buckets_ready(Buckets *buckets, int64_t first);
/// Collective. Waits for the buckets that are left, after `buckets_ready` of 0. *squares is the sum
/// of squares of this rank's buckets.
COLLECTIVE
void buckets_finish(Buckets *buckets, SquareSum *squares);
