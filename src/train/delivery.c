#include "train/delivery.h"
#include "base/fault.h"
#include "base/mem.h"
#include "comm/exchange.h"

#include <string.h>

// What is received at once: little, so that what is needed first arrives first, as a large message
// does not move before its receive is posted; but enough that few nodes seldom wait for each other.
enum { ROUNDS_AT_ONCE = 2, BUCKETS_AT_ONCE = 16 };

struct Delivery {
    const Node *node;
    const Blocks *blocks;
    float *values;
    int *from; ///< (bucket_count): node of the owner
    Exchange *leaving;
    Exchange **arriving; ///< (round_count): a round is as many buckets as there are nodes
    int round_count;
    int arrived, posted; ///< rounds before them are there, are received
    bool sent;           ///< all that was sent has left
    bool late;           ///< a fault: what has not been awaited is not there
};

static bool sends_messages(const Delivery *d)
{
    return d->node && d->node->count > 1 && node_leads(d->node);
}

static bool is_alone(const Delivery *d)
{
    return d->node->ranks.size == 1;
}

Delivery *delivery_new(const Node *node, const Blocks *blocks, float *values)
{
    Delivery *d = MEM_NEW(Delivery, 1);
    *d = (Delivery){ .node = node, .blocks = blocks, .values = values, .sent = true };
    if (!sends_messages(d)) return d;
    int own = 0;
    d->late = fault_at("delivery-late");
    d->from = MEM_NEW(int, blocks->bucket_count);
    for (int i = 0; i < blocks->bucket_count; i++) {
        d->from[i] = node_of(node, blocks->buckets[i].owner);
        own += d->from[i] == node->leaders.rank;
    }
    d->leaving = exchange_new(&node->leaders, own * (node->count - 1));
    d->round_count = (blocks->bucket_count + node->count - 1) / node->count;
    d->arrived = d->posted = d->round_count;
    d->arriving = MEM_NEW(Exchange *, d->round_count);
    for (int i = 0; i < d->round_count; i++)
        d->arriving[i] = exchange_new(&node->leaders, node->count);
    return d;
}

void delivery_free(Delivery *d)
{
    if (!d) return;
    delivery_await_all(d);
    if (d->leaving) exchange_await(d->leaving);
    for (int i = 0; i < d->round_count; i++) exchange_free(d->arriving[i]);
    mem_free(d->arriving);
    exchange_free(d->leaving);
    mem_free(d->from);
    mem_free(d);
}

static void post_rounds(Delivery *d)
{
    int at_once = BUCKETS_AT_ONCE / d->node->count;
    if (at_once < ROUNDS_AT_ONCE) at_once = d->arrived ? ROUNDS_AT_ONCE : 1; // waited for
    for (; d->posted < d->round_count && d->posted < d->arrived + at_once; d->posted++) {
        int end = (d->posted + 1) * d->node->count;
        if (end > d->blocks->bucket_count) end = d->blocks->bucket_count;
        for (int i = d->posted * d->node->count; i < end; i++) {
            const Bucket *bucket = &d->blocks->buckets[i];
            if (d->from[i] != d->node->leaders.rank)
                exchange_receive(d->arriving[d->posted], d->values + bucket->first,
                                 (size_t)bucket->count * sizeof(float), d->from[i], 0);
        }
    }
}

static void await_round(Delivery *d)
{
    exchange_await(d->arriving[d->arrived++]);
    post_rounds(d);
}

void delivery_start(Delivery *d)
{
    if (!sends_messages(d)) return;
    delivery_await_all(d);
    exchange_await(d->leaving); // of the step before
    d->arrived = d->posted = 0;
    d->sent = false;
    for (int i = 0; i < d->blocks->bucket_count && d->late; i++)
        if (d->from[i] != d->node->leaders.rank)
            memset(d->values + d->blocks->buckets[i].first, 0xff,
                   (size_t)d->blocks->buckets[i].count * sizeof(float));
    post_rounds(d);
}

static void send_bucket(Delivery *d, int index)
{
    const Bucket *bucket = &d->blocks->buckets[index];
    int nodes = d->node->count, own = d->node->leaders.rank;
    for (int i = 1; i < nodes; i++) // each node begins with another one
        exchange_send(d->leaving, d->values + bucket->first, (size_t)bucket->count * sizeof(float),
                      (own + i) % nodes, 0);
    exchange_test(d->leaving);
}

void delivery_made(Delivery *d, int bucket)
{
    if (sends_messages(d) && is_alone(d)) send_bucket(d, bucket);
}

void delivery_made_all(Delivery *d)
{
    if (!d->node || is_alone(d)) return; // agreed: of a node by all its ranks or none
    node_settle(d->node);                // agreed: as above
    for (int i = 0; i < d->blocks->bucket_count && sends_messages(d); i++)
        if (d->from[i] == d->node->leaders.rank) send_bucket(d, i);
    delivery_await_all(d);
    node_settle(d->node); // agreed: as above
}

void delivery_await(Delivery *d, const float *first, int64_t count)
{
    int64_t end = first - d->values + count;
    if ((d->arrived == d->round_count && d->sent) || first < d->values) return;
    const Bucket *buckets = d->blocks->buckets;
    while (d->arrived < d->round_count && buckets[d->arrived * d->node->count].first < end)
        await_round(d);
    if (d->late) return;
    d->sent = exchange_test(d->leaving);
    while (d->arrived < d->round_count && exchange_test(d->arriving[d->arrived])) await_round(d);
}

void delivery_await_all(Delivery *d)
{
    while (d->arrived < d->round_count) await_round(d);
}
