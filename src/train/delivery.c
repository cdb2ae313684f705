#include "train/delivery.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "comm/exchange.h"

#include <stdatomic.h>
#include <string.h>

// What is received at once: little, so that what is needed first arrives first, as a large message
// does not move before its receive is posted; but enough that few nodes seldom wait for each other.
enum { ROUNDS_AT_ONCE = 2, BUCKETS_AT_ONCE = 16 };

struct Delivery {
    const Node *node;
    const Comm *owners; ///< all ranks, for messages that cross others
    const Blocks *blocks;
    float *values;
    int here; ///< the node of this rank
    Exchange *leaving;
    Exchange **arriving; ///< (round_count), on a leader: a round is as many buckets as ranks
    int round_count;
    int arrived, posted; ///< rounds before them are there, are received
    bool sent;           ///< all that was sent has left
    bool late;           ///< a fault: what has not been awaited is not there
    /// Rounds that have arrived on this node, those of earlier steps too; NULL: for this rank
    /// alone.
    _Atomic int64_t *on_node;
    int64_t earlier; ///< of them, of earlier steps
};

static bool crosses_nodes(const Delivery *d)
{
    return d->node && d->node->count > 1;
}

static bool receives(const Delivery *d)
{
    return node_leads(d->node);
}

static bool is_from_here(const Delivery *d, int bucket)
{
    return node_of(d->node, d->blocks->buckets[bucket].owner) == d->here;
}

static void init_messages(Delivery *d)
{
    const Node *node = d->node;
    const Blocks *blocks = d->blocks;
    int ranks = node->all.size, own = 0;
    d->owners = &node->alone->leaders;
    d->here = node_of(node, node->all.rank);
    for (int i = 0; i < blocks->bucket_count; i++)
        own += blocks->buckets[i].owner == node->all.rank;
    d->leaving = exchange_new(d->owners, own * (node->count - 1));
    d->round_count = (blocks->bucket_count + ranks - 1) / ranks;
    d->arrived = d->posted = d->round_count;
    if (!receives(d)) return;
    d->arriving = MEM_NEW(Exchange *, d->round_count);
    for (int i = 0; i < d->round_count; i++) d->arriving[i] = exchange_new(d->owners, ranks);
}

Delivery *delivery_new(const Node *node, const Blocks *blocks, float *values)
{
    Delivery *d = MEM_NEW(Delivery, 1);
    *d = (Delivery){ .node = node, .blocks = blocks, .values = values, .sent = true };
    d->late = fault_at("delivery-late");
    d->on_node = node_share(node, sizeof *d->on_node);
    CHECK(d->on_node || !node_shares(node), "ranks that share weights can share no counter");
    if (crosses_nodes(d)) init_messages(d);
    return d;
}

void delivery_free(Delivery *d)
{
    if (!d) return;
    delivery_await_all(d);
    if (d->leaving) exchange_await(d->leaving);
    for (int i = 0; d->arriving && i < d->round_count; i++) exchange_free(d->arriving[i]);
    mem_free(d->arriving);
    exchange_free(d->leaving);
    node_unshare((void *)d->on_node, sizeof *d->on_node);
    mem_free(d);
}

static void post_rounds(Delivery *d)
{
    int ranks = d->node->all.size, at_once = BUCKETS_AT_ONCE / ranks;
    if (at_once < ROUNDS_AT_ONCE) at_once = d->arrived ? ROUNDS_AT_ONCE : 1; // waited for
    for (; d->posted < d->round_count && d->posted < d->arrived + at_once; d->posted++) {
        int end = (d->posted + 1) * ranks;
        if (end > d->blocks->bucket_count) end = d->blocks->bucket_count;
        for (int i = d->posted * ranks; i < end; i++) {
            const Bucket *bucket = &d->blocks->buckets[i];
            if (!is_from_here(d, i))
                exchange_receive(d->arriving[d->posted], d->values + bucket->first,
                                 (size_t)bucket->count * sizeof(float), bucket->owner, 0);
        }
    }
}

/// True if the next round is there.
static bool has_arrived(Delivery *d)
{
    if (receives(d)) return exchange_test(d->arriving[d->arrived]);
    return atomic_load_explicit(d->on_node, memory_order_acquire) > d->earlier + d->arrived;
}

/// Until the next round is there: this rank's own messages must move meanwhile.
static void await_leader(Delivery *d)
{
    while (!has_arrived(d)) {
        d->sent = exchange_test(d->leaving);
        comm_progress(d->owners);
    }
}

static void await_round(Delivery *d)
{
    if (receives(d))
        exchange_await(d->arriving[d->arrived]);
    else if (!has_arrived(d))
        PULSE_WAIT(await_leader(d));
    d->arrived++;
    if (!receives(d)) return;
    if (d->on_node)
        atomic_store_explicit(d->on_node, d->earlier + d->arrived, memory_order_release);
    post_rounds(d);
}

void delivery_start(Delivery *d)
{
    if (!crosses_nodes(d)) return;
    delivery_await_all(d);
    exchange_await(d->leaving); // of the step before
    d->earlier += d->round_count;
    d->arrived = d->posted = 0;
    d->sent = false;
    if (!receives(d)) return;
    for (int i = 0; i < d->blocks->bucket_count && d->late; i++)
        if (!is_from_here(d, i))
            memset(d->values + d->blocks->buckets[i].first, 0xff,
                   (size_t)d->blocks->buckets[i].count * sizeof(float));
    post_rounds(d);
}

void delivery_made(Delivery *d, int index)
{
    if (!crosses_nodes(d)) return;
    const Bucket *bucket = &d->blocks->buckets[index];
    int nodes = d->node->count;
    for (int i = 1; i < nodes; i++) // each node begins with another one
        exchange_send(d->leaving, d->values + bucket->first, (size_t)bucket->count * sizeof(float),
                      d->node->firsts[(d->here + i) % nodes], 0);
    exchange_test(d->leaving);
}

void delivery_made_all(Delivery *d)
{
    node_settle(d->node);
}

void delivery_await(Delivery *d, const float *first, int64_t count)
{
    int64_t end = first - d->values + count;
    if ((d->arrived == d->round_count && d->sent) || first < d->values) return;
    const Bucket *buckets = d->blocks->buckets;
    while (d->arrived < d->round_count && buckets[d->arrived * d->node->all.size].first < end)
        await_round(d);
    if (d->late) return;
    d->sent = exchange_test(d->leaving);
    while (d->arrived < d->round_count && has_arrived(d)) await_round(d);
}

void delivery_await_all(Delivery *d)
{
    while (d->arrived < d->round_count) await_round(d);
}
