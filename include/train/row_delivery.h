/// New rows of lookup tables from the nodes that own them to all others, at once. A node sends its
/// rows to the others of its island, and to one node of every other island, which passes them on.
#pragma once
#include "comm/exchange.h"
#include "train/blocks.h"

typedef struct {
    const Node *node;
    const Blocks *blocks;
    Exchange *exchange;         ///< owned; NULL but on the first rank of a node
    int64_t *counts_bytes;      ///< (nodes), owned: rows of each
    float **places;             ///< (nodes), owned: where these rows are
    float *outgoing, *incoming; ///< owned, growing in the first steps
    int64_t outgoing_floats, incoming_floats;
} RowDelivery;

/// Local. `node` NULL: one rank, nothing to deliver.
void row_delivery_init(RowDelivery *rows, const Node *node, const Blocks *blocks);
void row_delivery_release(RowDelivery *rows);
/// Collective over the first ranks of nodes. Rows `ids` (count; ascending, unique, the same on all
/// ranks) of a table, whose owners' nodes have the new ones, for all nodes.
COLLECTIVE
void row_delivery_run(RowDelivery *rows, float *values /* (rows, cols) */, int64_t cols, int table,
                      const int32_t *ids, int64_t count);
