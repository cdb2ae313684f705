/* TEST ranks=1,2,3,4 labels=comm timeout=60 */
#include "base/mem.h"
#include "comm/node.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Comm world;
static char per_node[8]; ///< TEMPER_RANKS_PER_NODE
enum { BYTES = 48 << 20 };

/// What this process has in memory, its part alone of what others have too.
static double proportional_bytes(void)
{
    char line[256];
    long long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Pss: %lld", &kib);
    if (file) fclose(file);
    return 1024 * (double)kib;
}

static double sum_over_ranks(double value)
{
    int64_t sum = (int64_t)value;
    comm_sum_int64(&world, &sum, 1);
    return (double)sum;
}

/// What the first rank of a node writes the others see, in memory that is there once.
static void shares_memory(void)
{
    const Node *node = world.node;
    double before = sum_over_ranks(proportional_bytes());
    char *memory = node_share(node, BYTES);
    CHECK_EQ(memory != NULL, node_shares(node));
    if (!memory) return;
    CHECK_EQ(memory[0] | memory[BYTES - 1], 0);
    node_settle(node);
    if (node_leads(node)) memset(memory, 1 + world.rank, BYTES);
    node_settle(node);
    int64_t wrong = 0;
    for (int64_t i = 0; i < BYTES; i++)
        wrong += memory[i] != 1 + node->firsts[0] + world.rank - node->ranks.rank;
    CHECK_EQ(wrong, 0);
    comm_barrier(&world); // a page counts by how many processes have touched it
    double used = sum_over_ranks(proportional_bytes()) - before;
    CHECK_TRUE(used > 0.9 * BYTES * node->count && used < 1.2 * BYTES * node->count);
    node_unshare(memory, BYTES);
}

/// What rank 0 has reaches all of them, whoever shares memory with whom.
static void broadcasts(void)
{
    const Node *nodes[] = { world.node, world.node ? world.node->alone : NULL };
    enum { COUNT = 100000 };
    for (int i = 0; i < 2 && nodes[i]; i++) {
        char *shared = node_share(nodes[i], COUNT);
        char *all = shared ? shared : MEM_NEW(char, COUNT);
        node_settle(nodes[i]);
        if (node_leads(nodes[i])) memset(all, world.rank ? 0 : 9, COUNT);
        node_broadcast(nodes[i], all, COUNT);
        CHECK_EQ(all[0] + all[COUNT - 1], 18);
        node_unshare(shared, COUNT);
        if (!shared) mem_free(all);
    }
}

/// Ranks belong to the nodes whose runs they lie in.
static void finds_nodes(void)
{
    const Node *node = world.node;
    for (int n = 0; node && n < node->count; n++)
        for (int rank = node->firsts[n]; rank < node->firsts[n + 1]; rank++)
            CHECK_EQ(node_of(node, rank), n);
}

/// Ranks dealt around two nodes share nothing, and are counted where they are.
static void counts_dealt_ranks(void)
{
    node_stop(&world);
    setenv("TEMPER_RANKS_PER_NODE", "-2", 1);
    node_start(&world);
    if (world.node) {
        CHECK_EQ(world.node->dealt, world.size > 2);
        CHECK_EQ(world.node->count, world.size);
        CHECK_EQ(node_ranks_here(world.node), (world.size + 1 - world.rank % 2) / 2);
        CHECK_TRUE(!node_shares(world.node));
    }
    node_stop(&world);
    setenv("TEMPER_RANKS_PER_NODE", per_node, 1);
    node_start(&world);
    if (world.node) CHECK_EQ(world.node->dealt, false);
    CHECK_EQ(node_ranks_here(world.node), node_ranks(world.node));
}

/// Each rank a node: two at a switch, as Slurm says it.
static void set_addresses(const char *format)
{
    char address[64];
    snprintf(address, sizeof address, format, world.rank / 2, world.rank);
    setenv("SLURM_TOPOLOGY_ADDR", address, 1);
    node_stop(&world);
    node_start(&world);
}

static void check_islands(int islands)
{
    const Node *node = world.node;
    if (!node) return;
    CHECK_EQ(node->island_count, islands);
    CHECK_EQ(node->islands[0], 0);
    CHECK_EQ(node->islands[islands], node->count);
    for (int n = 0; n < node->count; n++) {
        int own = node_island(node, n);
        CHECK_EQ(node->islands[own] <= n && n < node->islands[own + 1], true);
        for (int i = 0; i < islands; i++) {
            int relay = node_relay(node, n, i);
            CHECK_EQ(node_island(node, relay), i);
            if (i == own) CHECK_EQ(relay, n);
        }
    }
    for (int rank = 0; rank < world.size; rank++)
        for (int i = 0; i < islands; i++) {
            int relay = node_relay_rank(node, rank, i);
            CHECK_EQ(node_of(node, relay), node_relay(node, node_of(node, rank), i));
        }
}

/// The highest switches that differ make islands; none do where all nodes are at one.
static void finds_islands(void)
{
    const Node *node = world.node;
    int nodes = node ? node->count : 1;
    if (nodes == world.size) {
        set_addresses("core.s%d.n%d");
        check_islands((nodes + 1) / 2);
        set_addresses("core.s%d.leaf%d.n1");
        check_islands((nodes + 1) / 2);
        set_addresses("core.s.%d"); // the node's own name
        check_islands(1);
    }
    unsetenv("SLURM_TOPOLOGY_ADDR");
    node_stop(&world);
    node_start(&world);
    check_islands(node && nodes < world.size ? nodes : 1); // several ranks on a node, or one
    for (int near = 1; near <= nodes && world.node; near++) {
        node_set_islands(world.node, near);
        check_islands((nodes + near - 1) / near);
        CHECK_EQ(world.node->alone->islands[1],
                 near < nodes ? world.node->firsts[near] : world.size);
    }
}

static const Case cases[] = {
    { "shares memory", shares_memory }, { "broadcasts", broadcasts },
    { "finds nodes", finds_nodes },     { "counts dealt ranks", counts_dealt_ranks },
    { "finds islands", finds_islands },
};

/// The whole machine as one node, then as several.
int main(int argc, char **argv)
{
    int result = EXIT_SUCCESS;
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    for (int count = 0; count < 4 && result == EXIT_SUCCESS; count++) {
        snprintf(per_node, sizeof per_node, "%d", count);
        node_stop(&world);
        setenv("TEMPER_RANKS_PER_NODE", per_node, 1);
        node_start(&world);
        if (world.node && count) CHECK_EQ(world.node->count, (world.size + count - 1) / count);
        result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    }
    comm_stop(&world);
    return result;
}
