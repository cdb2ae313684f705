#include "base/crc32c.h"
#include "base/mem.h"
#include "comm/node.h"

#include <stdlib.h>
#include <string.h>

/// The run that `index` lies in, where run i is [firsts[i], firsts[i + 1]).
static int run_of(const int *firsts, int count, int index)
{
    int low = 0, high = count;
    while (low + 1 < high) {
        int middle = (low + high) / 2;
        if (firsts[middle] <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int node_of(const Node *node, int rank)
{
    return run_of(node->firsts, node->count, rank);
}

int node_island(const Node *node, int index)
{
    return run_of(node->islands, node->island_count, index);
}

int node_island_of_rank(const Node *node, int rank)
{
    return node ? node_island(node, node_of(node, rank)) : 0;
}

int node_relay(const Node *node, int index, int island)
{
    int own = node_island(node, index);
    if (own == island) return index;
    int first = node->islands[island], count = node->islands[island + 1] - first;
    return first + (index - node->islands[own]) % count;
}

int node_relay_rank(const Node *node, int rank, int island)
{
    if (!node) return rank;
    int here = node_of(node, rank), there = node_relay(node, here, island);
    int first = node->firsts[there], count = node->firsts[there + 1] - first;
    return here == there ? rank : first + (rank - node->firsts[here]) % count;
}

/// Begins an island with node `index`.
static void add_island(Node *node, int index)
{
    node->islands[node->island_count++] = index;
    node->islands[node->island_count] = node->count;
}

/// The islands of a node's ranks, where each counts as a node, are those of the node.
static void set_alone(const Node *node)
{
    Node *alone = (Node *)node->alone;
    alone->island_count = node->island_count;
    for (int i = 0; i <= node->island_count; i++)
        alone->islands[i] = node->firsts[node->islands[i]];
}

void node_set_islands(const Node *const_node, int64_t nodes_per_island)
{
    Node *node = (Node *)const_node;
    node->island_count = 0;
    for (int n = 0; n < node->count; n++)
        if (n % nodes_per_island == 0) add_island(node, n);
    set_alone(node);
}

/// A sum of what the address "core.switch.node" says down to a level; *is_node: the level is the
/// node's own.
static int64_t address_sum(bool *is_node, const char *address, int level)
{
    const char *end = strchr(address, '.');
    for (int i = 0; i < level && end; i++) end = strchr(end + 1, '.');
    *is_node = !end;
    return crc32c(0, address, end ? (size_t)(end - address) : strlen(address));
}

/// Collective. The highest switches that differ: their sums, of all ranks. False if none do.
COLLECTIVE
static bool find_switches(int64_t *sums, const Comm *comm)
{
    const char *address = getenv("SLURM_TOPOLOGY_ADDR");
    for (int level = 0;; level++) {
        bool is_node, differ = false;
        int64_t sum = address_sum(&is_node, address ? address : "", level), ends = is_node;
        comm_max_int64(comm, &ends, 1);
        if (ends) return false; // agreed: on some rank
        comm_gather_int64(comm, sums, sum);
        for (int rank = 1; rank < comm->size; rank++) differ |= sums[rank] != sums[0];
        if (differ) return true; // agreed: all have the same sums
    }
}

void node_find_islands(Node *node)
{
    int64_t *sums = MEM_NEW(int64_t, node->all.size);
    bool several = node_shares(node);                         // ranks on a node
    bool found = !several && find_switches(sums, &node->all); // agreed: all see the same nodes
    node->island_count = 0;
    for (int n = 0; n < node->count; n++) {
        int first = node->firsts[n];
        if (!n || several || (found && sums[first] != sums[first - 1])) add_island(node, n);
    }
    mem_free(sums);
    if (!several && node->island_count == node->count) { // none has another one
        node->island_count = 0;
        add_island(node, 0);
    }
    set_alone(node);
}
