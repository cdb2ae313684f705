#include "train/row_delivery.h"
#include "base/mem.h"

#include <string.h>

// new weights of the dense part travel between the same ranks with tags 0 and 2
enum { ROWS_TAG = 1 };

void row_delivery_init(RowDelivery *r, const Node *node, const Blocks *blocks)
{
    *r = (RowDelivery){ .node = node, .blocks = blocks };
    if (!node || !node_leads(node)) return;
    r->exchange = exchange_new(&node->leaders, 2 * node->count);
    r->counts_bytes = MEM_NEW(int64_t, node->count);
    r->places = MEM_NEW(float *, node->count);
}

void row_delivery_release(RowDelivery *r)
{
    exchange_free(r->exchange);
    mem_free(r->counts_bytes);
    mem_free(r->places);
    mem_free(r->outgoing);
    mem_free(r->incoming);
    *r = (RowDelivery){ 0 };
}

static float *grow(float **buffer, int64_t *capacity, int64_t floats)
{
    if (floats > *capacity) {
        *capacity = floats + floats / 2;
        *buffer = mem_resize(*buffer, (size_t)*capacity, sizeof(float));
    }
    return *buffer;
}

static int node_of_row(const RowDelivery *r, int table, int64_t row)
{
    return node_of(r->node, blocks_of_row(r->blocks, table, row)->owner);
}

/// Places for every node's rows, filled with this one's.
static void lay_out(RowDelivery *r, const float *values, int64_t cols, int table,
                    const int32_t *ids, int64_t count)
{
    int here = r->node->leaders.rank;
    size_t row_bytes = (size_t)cols * sizeof(float);
    float *out = grow(&r->outgoing, &r->outgoing_floats, count * cols);
    float *in = grow(&r->incoming, &r->incoming_floats, count * cols);
    memset(r->counts_bytes, 0, (size_t)r->node->count * sizeof *r->counts_bytes);
    for (int64_t i = 0; i < count; i++) {
        int owner = node_of_row(r, table, ids[i]);
        if (owner == here)
            memcpy((char *)out + r->counts_bytes[here], values + ids[i] * cols, row_bytes);
        r->counts_bytes[owner] += (int64_t)row_bytes;
    }
    for (int n = 0; n < r->node->count; n++) {
        r->places[n] = n == here ? out : in;
        if (n != here) in += r->counts_bytes[n] / (int64_t)sizeof *in;
    }
}

/// Rows of node `owner`.
static void send(RowDelivery *r, int owner, int to)
{
    exchange_send(r->exchange, r->places[owner], (size_t)r->counts_bytes[owner], to, ROWS_TAG);
}

static void receive(RowDelivery *r, int owner, int from)
{
    exchange_receive(r->exchange, r->places[owner], (size_t)r->counts_bytes[owner], from, ROWS_TAG);
}

static void send_to_island(RowDelivery *r, int owner, int island)
{
    int here = r->node->leaders.rank;
    for (int n = r->node->islands[island]; n < r->node->islands[island + 1]; n++)
        if (n != here) send(r, owner, n);
}

/// Of this node to its island, and across to the others.
static void start_own(RowDelivery *r, int island)
{
    int here = r->node->leaders.rank;
    for (int n = 0; n < r->node->count; n++) {
        int bringer = node_relay(r->node, n, island);
        if (n != here && (bringer == n || bringer == here)) receive(r, n, n);
    }
    send_to_island(r, here, island);
    for (int i = 0; i < r->node->island_count; i++)
        if (i != island) send(r, here, node_relay(r->node, here, i));
}

/// Of other islands, from the nodes that they have come to.
static void start_passed(RowDelivery *r, int island)
{
    int here = r->node->leaders.rank;
    for (int n = 0; n < r->node->count; n++) {
        int bringer = node_relay(r->node, n, island);
        if (bringer == n) continue;
        if (bringer == here)
            send_to_island(r, n, island);
        else
            receive(r, n, bringer);
    }
}

void row_delivery_run(RowDelivery *r, float *values, int64_t cols, int table, const int32_t *ids,
                      int64_t count)
{
    int island = node_island(r->node, r->node->leaders.rank);
    lay_out(r, values, cols, table, ids, count);
    start_own(r, island);
    exchange_finish(r->exchange); // agreed: of all leaders
    start_passed(r, island);
    exchange_finish(r->exchange); // agreed: likewise
    for (int64_t i = 0; i < count; i++) {
        float **from = &r->places[node_of_row(r, table, ids[i])];
        memcpy(values + ids[i] * cols, *from, (size_t)cols * sizeof(float));
        *from += cols;
    }
}
