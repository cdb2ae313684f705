/// Memory that the ranks of a node share, so that what all of them read is there once.
///
/// It is a file in memory that the node's first rank makes and the others map, rather than an MPI
/// window: its release is Local, and no size of /dev/shm bounds it.
#pragma once
#include "comm/comm.h"

/// Where the ranks of a communicator are. A node is a contiguous run of ranks; where the launcher
/// dealt ranks otherwise, every rank counts as a node of its own.
typedef struct Node {
    Comm all;                 ///< the communicator itself
    Comm ranks;               ///< those of this node
    Comm leaders;             ///< the first rank of every node; on the others of size 0; a
                              ///< communicator of its own, for messages that cross others
    int count;                ///< nodes
    int *firsts;              ///< (count + 1), owned: node n has ranks [firsts[n], firsts[n + 1])
    const struct Node *alone; ///< the same where nothing is shared: each rank its own node
} Node;

/// Collective. Gives a communicator of several ranks its node. TEMPER_RANKS_PER_NODE, for tests,
/// makes several nodes of one.
COLLECTIVE
void node_start(Comm *comm);
COLLECTIVE
void node_stop(Comm *comm);

/// Collective. Zeroed memory that the ranks of each node share; NULL on all ranks where some node
/// has none, and where no node has several ranks. The caller owns it (`node_unshare`).
COLLECTIVE
void *node_share(const Node *node, size_t bytes);
void node_unshare(void *memory, size_t bytes); ///< Local. NULL-safe

/// Local. The node that a rank is on.
int node_of(const Node *node, int rank);
/// Local. Ranks on this one's node.
int node_ranks(const Node *node);
/// Local. True where some node has several ranks.
bool node_shares(const Node *node);
/// Local. True on the rank that writes what its node shares.
bool node_leads(const Node *node);
/// Collective over the node: what one of its ranks wrote into shared memory is there for all.
COLLECTIVE
void node_settle(const Node *node);
/// Collective. As `comm_broadcast` from rank 0 into memory that nodes share.
COLLECTIVE
void node_broadcast(const Node *node, void *data, size_t bytes);
