/// New weights of the dense part from the nodes that have made them to all others, bucket by bucket
/// in ascending order, the order in which the next forward pass reads them: it goes on while they
/// travel, and waits for what it needs. A rank sends what it has made to the first rank of every
/// other node of its island, which receives for its node and counts in shared memory what has
/// arrived, and to one node of every other island, which passes it on there.
#pragma once
#include "train/blocks.h"

typedef struct Delivery Delivery;

/// Collective. Of `values` (elements, Model.values), which the ranks of a node share; all are
/// borrowed. `node` NULL: one rank, nothing to deliver.
COLLECTIVE
Delivery *delivery_new(const Node *node, const Blocks *blocks, float *values, int64_t elements);
/// Local, NULL-safe. Waits for what is on its way.
void delivery_free(Delivery *delivery);

/// Local. All ranks have read the old weights for the last time: receives the new ones of other
/// nodes into their places.
void delivery_start(Delivery *delivery);
/// Local. This rank has made the new weights of a bucket, ascending.
void delivery_made(Delivery *delivery, int bucket);
/// Collective. This rank has made all that are its own, and the others of its node.
COLLECTIVE
void delivery_made_all(Delivery *delivery);

/// Local. Lets messages move, and waits until `count` floats from `first` on are the new ones, if
/// they are of the dense part.
void delivery_await(Delivery *delivery, const float *first, int64_t count);
/// Local. Waits for all of them.
void delivery_await_all(Delivery *delivery);
