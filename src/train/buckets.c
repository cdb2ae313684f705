#include "train/buckets.h"
#include "comm/exchange.h"
#include "comm/node.h"
#include "data/leaves.h"
#include "linalg/vecmath.h"

#include <string.h>

// Received at once of every subtree: a rank's own, and more where other islands count as one.
enum { BUCKETS_AT_ONCE = 8 };

/// Buckets that this rank merges, as they arrive.
typedef struct {
    int *buckets; ///< (count): of Blocks.buckets, falling
    int count;
    int at_once;          ///< buckets that are received at once
    int posted, merged;   ///< before them, of `buckets`: receives are posted, merged
    float **received;     ///< (at_once, sources): NULL for what is not received
    Exchange **arriving;  ///< (at_once)
    Exchange **departing; ///< (at_once): sums, from where they were received
} Queue;

struct Buckets {
    const Comm *comm;
    const Blocks *blocks;
    const Sources *sources;
    float *sum;        ///< (dense_elements)
    int here;          ///< the island of this rank
    Queue own, passed; ///< its own, and those whose sum of this island it passes on to their owners
    int left;          ///< buckets from here to the end are complete in this rank's leaves, and
                       ///< sent to others
    Exchange *leaving;
    SquareSum squares; ///< of its own that are merged
    Arena memory;
};

/// Who merges what an island has of a bucket: its owner, or the rank that passes it on.
static int merger_of(const Buckets *b, const Bucket *bucket, int island)
{
    return node_relay_rank(b->comm->node, bucket->owner, island);
}

static void list_buckets(Buckets *b)
{
    const Blocks *blocks = b->blocks;
    b->own.buckets = MEM_NEW(int, blocks->bucket_count);
    b->passed.buckets = MEM_NEW(int, blocks->bucket_count);
    for (int i = blocks->bucket_count - 1; i >= 0; i--) {
        if (merger_of(b, &blocks->buckets[i], b->here) != b->comm->rank) continue;
        Queue *queue = blocks->buckets[i].owner == b->comm->rank ? &b->own : &b->passed;
        queue->buckets[queue->count++] = i;
    }
}

static bool is_far(const Source *source)
{
    return source->rank < 0;
}

/// Sources that a queue's buckets are received from.
static bool arrives(const Buckets *b, const Queue *queue, const Source *source)
{
    return !source->own && !(queue == &b->passed && is_far(source));
}

/// The first bucket is as large as any.
static size_t most_bytes(const Buckets *b)
{
    return b->blocks->bucket_count ? (size_t)b->blocks->buckets[0].count * sizeof(float) : 0;
}

static void init_queue(Buckets *b, Queue *queue, int foreign)
{
    int sources = b->sources->count;
    queue->received = MEM_NEW(float *, queue->at_once *sources);
    for (int i = 0; i < queue->at_once * sources; i++)
        if (arrives(b, queue, &b->sources->items[i % sources]))
            queue->received[i] = arena_take(&b->memory, most_bytes(b));
    queue->arriving = MEM_NEW(Exchange *, queue->at_once);
    queue->departing = MEM_NEW(Exchange *, queue->at_once);
    for (int i = 0; i < queue->at_once; i++) {
        queue->arriving[i] = exchange_new(b->comm, foreign);
        queue->departing[i] = exchange_new(b->comm, foreign + 1);
    }
}

static void init_queues(Buckets *b)
{
    int foreign = b->sources->count - b->sources->own_count, near = 0;
    for (int i = 0; i < b->sources->count; i++)
        near += arrives(b, &b->passed, &b->sources->items[i]);
    // as much memory as without islands
    int others = b->comm->size - 1 - foreign, wider = near ? others / near : 0;
    b->own.at_once = BUCKETS_AT_ONCE;
    b->passed.at_once = b->passed.count ? BUCKETS_AT_ONCE * (wider < 1 ? 1 : wider) : 0;
    int places = b->own.at_once * foreign + b->passed.at_once * near;
    arena_init(&b->memory, (size_t)places * (most_bytes(b) + 64) + 64);
    init_queue(b, &b->own, foreign);
    init_queue(b, &b->passed, near);
}

Buckets *buckets_new(const Comm *comm, const Blocks *blocks, const Sources *sources, float *sum)
{
    Buckets *b = MEM_NEW(Buckets, 1);
    *b = (Buckets){ .comm = comm, .blocks = blocks, .sources = sources, .sum = sum };
    b->here = node_island_of_rank(comm->node, comm->rank);
    list_buckets(b);
    init_queues(b);
    b->left = blocks->bucket_count;
    int leaving = blocks->bucket_count - b->own.count - b->passed.count;
    b->leaving = exchange_new(comm, leaving * sources->own_count);
    return b;
}

static void free_queue(Queue *queue)
{
    for (int i = 0; i < queue->at_once; i++) {
        exchange_free(queue->arriving[i]);
        exchange_free(queue->departing[i]);
    }
    mem_free(queue->arriving);
    mem_free(queue->departing);
    mem_free(queue->received);
    mem_free(queue->buckets);
}

void buckets_free(Buckets *b)
{
    if (!b) return;
    free_queue(&b->own);
    free_queue(&b->passed);
    exchange_free(b->leaving);
    arena_release(&b->memory);
    mem_free(b);
}

/// Where a source's elements of the index-th bucket of a queue arrive; NULL if they do not.
static float *place_of(const Buckets *b, const Queue *queue, const Source *source, int index)
{
    return queue
        ->received[index % queue->at_once * b->sources->count + (source - b->sources->items)];
}

static const Bucket *bucket_of(const Buckets *b, const Queue *queue, int index)
{
    return &b->blocks->buckets[queue->buckets[index]];
}

/// Of a subtree's bucket: of a sender's messages those for the one queue are no others'. Rows have
/// the tags between.
static int tag_of(const Buckets *b, bool passed, int64_t start)
{
    return (int)(passed ? 2 * b->sources->leaves + start : start);
}

static void post_receive(Buckets *b, Queue *queue, int index)
{
    const Bucket *bucket = bucket_of(b, queue, index);
    for (int i = 0; i < b->sources->count; i++) {
        const Source *source = &b->sources->items[i];
        if (!arrives(b, queue, source)) continue;
        exchange_receive(queue->arriving[index % queue->at_once], place_of(b, queue, source, index),
                         (size_t)bucket->count * sizeof(float),
                         is_far(source) ? merger_of(b, bucket, source->island) : source->rank,
                         tag_of(b, queue == &b->passed, source->start));
    }
}

/// As many as there is room for.
static void post_receives(Buckets *b, Queue *queue)
{
    while (queue->posted < queue->count && queue->posted < queue->merged + queue->at_once &&
           exchange_test(queue->departing[queue->posted % queue->at_once]))
        post_receive(b, queue, queue->posted++);
}

/// To whoever merges it on this island, if that is another rank.
static void send_bucket(Buckets *b, const Bucket *bucket)
{
    int to = merger_of(b, bucket, b->here);
    for (int i = 0; i < b->sources->count && to != b->comm->rank; i++) {
        const Source *source = &b->sources->items[i];
        if (source->own)
            exchange_send(b->leaving, source->own->dense + bucket->first,
                          (size_t)bucket->count * sizeof(float), to,
                          tag_of(b, to != bucket->owner, source->start));
    }
}

/// A block of the bucket that a queue merges.
typedef struct {
    const Queue *queue;
    const Block *block;
} Place;

/// The sum over tree node [start, start + size) at `place`, left in the buffer of its leftmost
/// subtree; NULL if no leaf lies there.
static float *merge_node(const Buckets *b, int64_t start, int64_t size, const Place *place)
{
    if (start >= b->sources->leaves) return NULL;
    const Source *whole = sources_find(b->sources, start, size);
    if (whole && whole->own) return whole->own->dense + place->block->first;
    if (whole)
        return place_of(b, place->queue, whole, place->queue->merged) +
               (place->block->first - bucket_of(b, place->queue, place->queue->merged)->first);
    if (size == 1) return NULL;
    float *left = merge_node(b, start, size / 2, place);
    float *right = merge_node(b, start + size / 2, size / 2, place);
    if (!left || !right) return left ? left : right;
    vec_add(left, right, place->block->count);
    return left;
}

/// *squares = the sum of squares of the block, which is merged.
static void merge_block(const Buckets *b, SquareSum *squares, const Block *block)
{
    float *to = b->sum + block->first;
    float *from = merge_node(b, 0, b->sources->root, &(Place){ &b->own, block });
    if (from != to) memcpy(to, from, (size_t)block->count * sizeof(float));
    *squares = (SquareSum){ 0 };
    blocks_add_squares(squares, b->blocks, block, to);
}

/// The next of this rank's own.
static void merge_own(Buckets *b, const Bucket *bucket)
{
#pragma omp parallel for schedule(static)
    for (int i = bucket->block; i < bucket->end_block; i++) {
        SquareSum squares;
        merge_block(b, &squares, &b->blocks->items[i]);
#pragma omp critical(bucket_squares)
        square_sum_add(&b->squares, &squares);
    }
}

/// What this island's ranks have of the next bucket that is passed on, to its owner: a message for
/// each of the island's subtrees.
static void merge_passed(Buckets *b, const Bucket *bucket)
{
    const int64_t *leaves = b->sources->near_leaves;
    Queue *queue = &b->passed;
    for (int64_t leaf = leaves[0], size; leaf < leaves[1]; leaf += size) {
        float *sum = NULL; // of the first block; the others follow
        size = leaves_subtree_size(leaf, leaves[1]);
#pragma omp parallel for schedule(static)
        for (int i = bucket->block; i < bucket->end_block; i++) {
            float *part = merge_node(b, leaf, size, &(Place){ queue, &b->blocks->items[i] });
            if (i == bucket->block) sum = part;
        }
        exchange_send(queue->departing[queue->merged % queue->at_once], sum,
                      (size_t)bucket->count * sizeof(float), bucket->owner, tag_of(b, false, leaf));
    }
}

/// The next bucket of a queue, which has arrived.
static void merge_next(Buckets *b, Queue *queue)
{
    const Bucket *bucket = bucket_of(b, queue, queue->merged);
    if (queue == &b->own)
        merge_own(b, bucket);
    else
        merge_passed(b, bucket);
    queue->merged++;
    post_receives(b, queue);
}

/// Merges what is complete and has arrived.
static void merge_arrived(Buckets *b, Queue *queue)
{
    while (queue->merged < queue->posted && queue->buckets[queue->merged] >= b->left &&
           exchange_test(queue->arriving[queue->merged % queue->at_once]))
        merge_next(b, queue);
}

/// Waits for the next bucket.
static void await_next(Buckets *b, Queue *queue)
{
    int slot = queue->merged % queue->at_once;
    exchange_await(queue->departing[slot]);
    post_receives(b, queue);
    exchange_await(queue->arriving[slot]);
    merge_next(b, queue);
}

void buckets_ready(Buckets *b, int64_t first)
{
    const Bucket *buckets = b->blocks->buckets;
    post_receives(b, &b->passed);
    post_receives(b, &b->own);
    for (; b->left && buckets[b->left - 1].first >= first; b->left--)
        send_bucket(b, &buckets[b->left - 1]);
    exchange_test(b->leaving);
    merge_arrived(b, &b->passed);
    merge_arrived(b, &b->own);
}

void buckets_finish(Buckets *b, SquareSum *squares)
{
    while (b->passed.merged < b->passed.count) { // which others wait for
        await_next(b, &b->passed);
        merge_arrived(b, &b->own);
    }
    while (b->own.merged < b->own.count) await_next(b, &b->own);
    for (int i = 0; i < b->passed.at_once; i++) exchange_finish(b->passed.departing[i]);
    exchange_finish(b->leaving);
    *squares = b->squares;
    b->squares = (SquareSum){ 0 };
    b->left = b->blocks->bucket_count;
    b->own.posted = b->own.merged = b->passed.posted = b->passed.merged = 0;
}
