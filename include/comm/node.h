/// Memory that the ranks of a node share, so that what all of them read is there once.
///
/// And islands: runs of nodes that reach each other faster than they reach others, as those at one
/// switch or in one group of a dragonfly; or a node of several ranks by itself. What is for all of
/// an island, or comes from all of it, crosses its border once: a rank there passes it on.
///
/// Shared memory is a file in memory that the node's first rank makes and the others map, rather
/// than an MPI window: its release is Local, and no size of /dev/shm bounds it.
#pragma once
#include "comm/comm.h"

/// Where the ranks of a communicator are. A node is a contiguous run of ranks; where the launcher
/// dealt ranks otherwise, every rank counts as a node of its own.
typedef struct Node {
    Comm all;     ///< the communicator itself
    Comm ranks;   ///< those of this node
    Comm leaders; ///< the first rank of every node; on the others of size 0; a
                  ///< communicator of its own, for messages that cross others
    int here;     ///< ranks on this one's host, be they a run or not
    bool dealt;   ///< some host has several ranks that are no run: nothing is shared
    int count;    ///< nodes
    int *firsts;  ///< (count + 1), owned: node n has ranks [firsts[n], firsts[n + 1])
    int island_count;
    int *islands; ///< (island_count + 1), owned: island i has nodes [islands[i], islands[i + 1])
    const struct Node *alone; ///< the same where nothing is shared: each rank its own node
} Node;

/// What to do where ranks are dealt.
#define NODE_RUNS "give --distribution=block to srun, --map-by core to mpirun"

/// Collective. Gives a communicator of several ranks its node and islands. TEMPER_RANKS_PER_NODE,
/// for tests, makes several nodes of one; -2 deals the ranks around two.
COLLECTIVE
void node_start(Comm *comm);
COLLECTIVE
void node_stop(Comm *comm);

/// Collective. Gives a node that `node_start` makes its islands: each node where one has several
/// ranks, else what Slurm's topology tells of (SLURM_TOPOLOGY_ADDR), else all are one.
COLLECTIVE
void node_find_islands(Node *node);
/// Local. Makes every so many nodes of a communicator an island, in place of those it has.
void node_set_islands(const Node *node, int64_t nodes_per_island);
/// Local. The island of a node.
int node_island(const Node *node, int index);
int node_island_of_rank(const Node *node, int rank); ///< Local. NULL-safe
/// Local. The node of an island that passes on what `index` has for all of it, or sums up what all
/// of it have for `index`; a node is that of its own island itself.
int node_relay(const Node *node, int index, int island);
/// Local. Likewise of ranks; NULL-safe.
int node_relay_rank(const Node *node, int rank, int island);

/// Collective. Zeroed memory that the ranks of each node share; NULL on all ranks where some node
/// has none, and where no node has several ranks. The caller owns it (`node_unshare`).
COLLECTIVE
void *node_share(const Node *node, size_t bytes);
void node_unshare(void *memory, size_t bytes); ///< Local. NULL-safe
/// Local. The counter that comes with so much shared memory, 0 at first; released with it.
_Atomic int64_t *node_counter(void *memory, size_t bytes);
size_t node_shared_bytes(size_t bytes); ///< Local. Of the memory and its counter.

/// Local. The node that a rank is on.
int node_of(const Node *node, int rank);
/// Local. Ranks on this one's node.
int node_ranks(const Node *node);
/// Local. Ranks on this one's host, whether they share memory or not.
int node_ranks_here(const Node *node);
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
