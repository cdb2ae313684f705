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
// between two ranks, of what the sender has made and of what it passes on; rows of tables have 1
enum { MADE_TAG = 0, PASSED_TAG = 2 };

struct Delivery {
    const Node *node;
    const Comm *owners; ///< all ranks, for messages that cross others
    const Blocks *blocks;
    float *values;
    int here, island; ///< the node of this rank, and that one's
    Exchange *leaving;
    Exchange **arriving; ///< (round_count), on a leader: a round is as many buckets as ranks
    Exchange **crossing; ///< (round_count), likewise: those that it passes on to its island
    int round_count;
    int arrived, posted; ///< rounds before them are there, are received
    int passed, crossed; ///< likewise: what crosses to this island is passed on, is received
    bool sent;           ///< all that was sent has left
    bool late;           ///< a fault: what has not been awaited is not there
    /// Rounds that have arrived on this node, those of earlier steps too: in the memory of the
    /// values; NULL: for this rank alone.
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

static int node_of_owner(const Delivery *d, int bucket)
{
    return node_of(d->node, d->blocks->buckets[bucket].owner);
}

/// The node that brings a bucket to this island: the one that has made it, if that is of it.
static int bringer(const Delivery *d, int bucket)
{
    return node_relay(d->node, node_of_owner(d, bucket), d->island);
}

static bool is_from_here(const Delivery *d, int bucket)
{
    return node_of_owner(d, bucket) == d->here;
}

/// This node passes the bucket on.
static bool is_passed_on(const Delivery *d, int bucket)
{
    return bringer(d, bucket) == d->here && !is_from_here(d, bucket);
}

static Exchange **new_rounds(const Delivery *d)
{
    Exchange **rounds = MEM_NEW(Exchange *, d->round_count);
    for (int i = 0; i < d->round_count; i++) rounds[i] = exchange_new(d->owners, d->node->all.size);
    return rounds;
}

static void init_messages(Delivery *d)
{
    const Node *node = d->node;
    const Blocks *blocks = d->blocks;
    int ranks = node->all.size, messages = 0;
    d->owners = &node->alone->leaders;
    d->here = node_of(node, node->all.rank);
    d->island = node_island(node, d->here);
    int near = node->islands[d->island + 1] - node->islands[d->island] - 1;
    for (int i = 0; i < blocks->bucket_count; i++)
        if (blocks->buckets[i].owner == node->all.rank)
            messages += near + node->island_count - 1;
        else if (receives(d) && is_passed_on(d, i))
            messages += near;
    d->leaving = exchange_new(d->owners, messages);
    d->round_count = (blocks->bucket_count + ranks - 1) / ranks;
    d->arrived = d->posted = d->passed = d->crossed = d->round_count;
    if (!receives(d)) return;
    d->arriving = new_rounds(d);
    d->crossing = new_rounds(d);
}

Delivery *delivery_new(const Node *node, const Blocks *blocks, float *values, int64_t elements)
{
    Delivery *d = MEM_NEW(Delivery, 1);
    *d = (Delivery){ .node = node, .blocks = blocks, .values = values, .sent = true };
    d->late = fault_at("delivery-late");
    if (node_shares(node)) {
        d->on_node = node_counter(values, (size_t)elements * sizeof *values);
        if (node_leads(node)) *d->on_node = 0; // of a delivery before
        node_settle(node);                     // agreed: ranks of a node share
    }
    if (crosses_nodes(d)) init_messages(d);
    return d;
}

void delivery_free(Delivery *d)
{
    if (!d) return;
    delivery_await_all(d);
    if (d->leaving) exchange_await(d->leaving);
    for (int i = 0; d->arriving && i < d->round_count; i++) {
        exchange_free(d->arriving[i]);
        exchange_free(d->crossing[i]);
    }
    mem_free(d->arriving);
    mem_free(d->crossing);
    exchange_free(d->leaving);
    mem_free(d);
}

static void send(Delivery *d, int bucket, int node, int tag)
{
    const Bucket *b = &d->blocks->buckets[bucket];
    exchange_send(d->leaving, d->values + b->first, (size_t)b->count * sizeof(float),
                  d->node->firsts[node], tag);
}

static void send_to_island(Delivery *d, int bucket, int tag)
{
    int first = d->node->islands[d->island], nodes = d->node->islands[d->island + 1] - first;
    for (int i = 1; i < nodes; i++) // each node begins with another one
        send(d, bucket, first + (d->here - first + i) % nodes, tag);
}

static int round_end(const Delivery *d, int round)
{
    int end = (round + 1) * d->node->all.size;
    return end < d->blocks->bucket_count ? end : d->blocks->bucket_count;
}

/// Receives a round: what crosses to this island, or what comes from its nodes.
static void receive_round(Delivery *d, int round, bool crossing)
{
    for (int i = round * d->node->all.size; i < round_end(d, round); i++) {
        const Bucket *bucket = &d->blocks->buckets[i];
        int from = bringer(d, i), made_on = node_of_owner(d, i);
        bool passed = from != d->here && from != made_on;
        if (is_from_here(d, i) || crossing != is_passed_on(d, i)) continue;
        exchange_receive(crossing ? d->crossing[round] : d->arriving[round],
                         d->values + bucket->first, (size_t)bucket->count * sizeof(float),
                         passed ? d->node->firsts[from] : bucket->owner,
                         passed ? PASSED_TAG : MADE_TAG);
    }
}

static void post_rounds(Delivery *d)
{
    int at_once = BUCKETS_AT_ONCE / d->node->all.size;
    if (at_once < ROUNDS_AT_ONCE) at_once = d->arrived ? ROUNDS_AT_ONCE : 1; // waited for
    for (; d->posted < d->round_count && d->posted < d->arrived + at_once; d->posted++)
        receive_round(d, d->posted, false);
    for (; d->crossed < d->round_count && d->crossed < d->passed + at_once; d->crossed++)
        receive_round(d, d->crossed, true);
}

/// What has crossed to this island, to its other nodes.
static void pass_on(Delivery *d)
{
    int ranks = d->node->all.size;
    while (d->passed < d->crossed && exchange_test(d->crossing[d->passed])) {
        for (int i = d->passed * ranks; i < round_end(d, d->passed); i++)
            if (is_passed_on(d, i)) send_to_island(d, i, PASSED_TAG);
        d->passed++;
        post_rounds(d);
    }
}

/// True if the next round is there.
static bool has_arrived(Delivery *d)
{
    if (receives(d)) {
        pass_on(d);
        return d->passed > d->arrived && exchange_test(d->arriving[d->arrived]);
    }
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
    if (receives(d)) {
        // before it waits for others, who wait for this
        if (d->passed == d->arrived) exchange_await(d->crossing[d->passed]);
        pass_on(d);
        exchange_await(d->arriving[d->arrived]);
    } else if (!has_arrived(d))
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
    d->arrived = d->posted = d->passed = d->crossed = 0;
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
    send_to_island(d, index, MADE_TAG);
    for (int i = 0; i < d->node->island_count; i++)
        if (i != d->island) send(d, index, node_relay(d->node, d->here, i), MADE_TAG);
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
