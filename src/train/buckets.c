#include "train/buckets.h"
#include "comm/exchange.h"
#include "linalg/vecmath.h"

#include <string.h>

enum { IN_FLIGHT = 8 };

struct Buckets {
    const Comm *comm;
    const Blocks *blocks;
    const Sources *sources;
    float *sum; ///< (dense_elements)
    int *own;   ///< (own_count): this rank's of blocks->buckets, falling
    int own_count;
    int left;           ///< buckets from here to the end are complete in this rank's leaves, and
                        ///< sent to others
    int posted, merged; ///< before them, of `own`: receives are posted, merged
    float **received;   ///< (IN_FLIGHT, sources): NULL for this rank's own
    Exchange *arriving[IN_FLIGHT], *leaving;
    SquareSum squares; ///< of those that are merged
    Arena memory;
};

static void list_own(Buckets *b)
{
    b->own = MEM_NEW(int, b->blocks->bucket_count);
    for (int i = b->blocks->bucket_count - 1; i >= 0; i--)
        if (b->blocks->buckets[i].owner == b->comm->rank) b->own[b->own_count++] = i;
}

static void init_receives(Buckets *b)
{
    int sources = b->sources->count, foreign = sources - b->sources->own_count;
    size_t bytes = // the first bucket is as large as any
        b->blocks->bucket_count ? (size_t)b->blocks->buckets[0].count * sizeof(float) : 0;
    arena_init(&b->memory, IN_FLIGHT * (size_t)foreign * (bytes + 64) + 64);
    b->received = MEM_NEW(float *, IN_FLIGHT *sources);
    for (int i = 0; i < IN_FLIGHT * sources; i++)
        if (!b->sources->items[i % sources].own) b->received[i] = arena_take(&b->memory, bytes);
    for (int i = 0; i < IN_FLIGHT; i++) b->arriving[i] = exchange_new(b->comm, foreign);
}

Buckets *buckets_new(const Comm *comm, const Blocks *blocks, const Sources *sources, float *sum)
{
    Buckets *b = MEM_NEW(Buckets, 1);
    *b = (Buckets){ .comm = comm, .blocks = blocks, .sources = sources, .sum = sum };
    list_own(b);
    b->left = blocks->bucket_count;
    init_receives(b);
    int leaving = blocks->bucket_count - b->own_count;
    b->leaving = exchange_new(comm, leaving * sources->own_count);
    return b;
}

void buckets_free(Buckets *b)
{
    if (!b) return;
    for (int i = 0; i < IN_FLIGHT; i++) exchange_free(b->arriving[i]);
    exchange_free(b->leaving);
    arena_release(&b->memory);
    mem_free(b->received);
    mem_free(b->own);
    mem_free(b);
}

/// Where a source's elements of own bucket `index` arrive; NULL if they are this rank's.
static float *place_of(const Buckets *b, const Source *source, int index)
{
    return b->received[index % IN_FLIGHT * b->sources->count + (source - b->sources->items)];
}

static const Bucket *own_bucket(const Buckets *b, int index)
{
    return &b->blocks->buckets[b->own[index]];
}

static void post_receives(Buckets *b)
{
    for (; b->posted < b->own_count && b->posted < b->merged + IN_FLIGHT; b->posted++)
        for (int i = 0; i < b->sources->count; i++) {
            const Source *source = &b->sources->items[i];
            if (!source->own)
                exchange_receive(b->arriving[b->posted % IN_FLIGHT], place_of(b, source, b->posted),
                                 (size_t)own_bucket(b, b->posted)->count * sizeof(float),
                                 source->rank, (int)source->start);
        }
}

static void send_bucket(Buckets *b, const Bucket *bucket)
{
    for (int i = 0; i < b->sources->count && bucket->owner != b->comm->rank; i++) {
        const Source *source = &b->sources->items[i];
        if (source->own)
            exchange_send(b->leaving, source->own->dense + bucket->first,
                          (size_t)bucket->count * sizeof(float), bucket->owner, (int)source->start);
    }
}

/// A block of the bucket that is merged.
typedef struct {
    int index; ///< of the bucket, among this rank's
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
        return place_of(b, whole, place->index) +
               (place->block->first - own_bucket(b, place->index)->first);
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
    float *from = merge_node(b, 0, b->sources->root, &(Place){ b->merged, block });
    if (from != to) memcpy(to, from, (size_t)block->count * sizeof(float));
    *squares = (SquareSum){ 0 };
    blocks_add_squares(squares, b->blocks, block, to);
}

/// The next own bucket, which has arrived.
static void merge_bucket(Buckets *b)
{
    const Bucket *bucket = own_bucket(b, b->merged);
#pragma omp parallel for schedule(static)
    for (int i = bucket->block; i < bucket->end_block; i++) {
        SquareSum squares;
        merge_block(b, &squares, &b->blocks->items[i]);
#pragma omp critical(bucket_squares)
        square_sum_add(&b->squares, &squares);
    }
    b->merged++;
    post_receives(b);
}

void buckets_ready(Buckets *b, int64_t first)
{
    const Bucket *buckets = b->blocks->buckets;
    post_receives(b);
    for (; b->left && buckets[b->left - 1].first >= first; b->left--)
        send_bucket(b, &buckets[b->left - 1]);
    exchange_test(b->leaving);
    while (b->merged < b->own_count && b->own[b->merged] >= b->left &&
           exchange_test(b->arriving[b->merged % IN_FLIGHT]))
        merge_bucket(b);
}

void buckets_finish(Buckets *b, SquareSum *squares)
{
    while (b->merged < b->own_count) {
        exchange_finish(b->arriving[b->merged % IN_FLIGHT]);
        merge_bucket(b);
    }
    exchange_finish(b->leaving);
    *squares = b->squares;
    b->squares = (SquareSum){ 0 };
    b->left = b->blocks->bucket_count;
    b->posted = b->merged = 0;
}
