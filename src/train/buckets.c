#include "train/buckets.h"
#include "comm/exchange.h"
#include "linalg/vecmath.h"

#include <string.h>

// Small: a bucket of every subtree fits into the cache, the first leaves early, and little is left
// on the way when the backward pass ends.
enum { BUCKET_BLOCKS = 4, BUCKETS_IN_FLIGHT = 8 };

typedef struct {
    int64_t first, count; ///< elements of Model.values
    int block, end_block; ///< the same in blocks: [block, end_block)
    int owner;            ///< rank
} Bucket;

struct Buckets {
    const Comm *comm;
    const Blocks *blocks;
    const Sources *sources;
    float *sum;              ///< (dense_elements)
    Bucket *items;           ///< (count), by falling `first`
    int count, own, own_end; ///< this rank's: [own, own_end)
    int started;             ///< before it: complete in this rank's leaves, and sent to others
    int posted, merged;      ///< before them, of this rank's: receives are posted, merged
    float **received;        ///< (BUCKETS_IN_FLIGHT, sources): NULL for this rank's own
    Exchange *arriving[BUCKETS_IN_FLIGHT], *leaving;
    double *squares; ///< (dense_count) of this rank's blocks
    Arena memory;
};

static void cut_slice(Buckets *b, int rank)
{
    int start = b->blocks->slice[rank], end = b->blocks->slice[rank + 1];
    if (end > b->blocks->dense_count) end = b->blocks->dense_count;
    if (rank == b->comm->rank) b->own = b->own_end = b->count;
    for (; end > start; end -= BUCKET_BLOCKS) {
        int block = end - BUCKET_BLOCKS > start ? end - BUCKET_BLOCKS : start;
        const Block *first = &b->blocks->items[block], *last = &b->blocks->items[end - 1];
        int64_t count = last->first + last->count - first->first;
        b->items[b->count++] = (Bucket){ first->first, count, block, end, rank };
    }
    if (rank == b->comm->rank) b->own_end = b->count;
}

static void init_receives(Buckets *b)
{
    int sources = b->sources->count, foreign = sources - b->sources->own_count;
    size_t bytes = (size_t)BUCKET_BLOCKS * sizeof(float);
    bytes *= b->blocks->dense_count ? (size_t)b->blocks->items[0].count : 0;
    arena_init(&b->memory, BUCKETS_IN_FLIGHT * (size_t)foreign * (bytes + 64) + 64);
    b->received = MEM_NEW(float *, BUCKETS_IN_FLIGHT *sources);
    for (int i = 0; i < BUCKETS_IN_FLIGHT * sources; i++)
        if (!b->sources->items[i % sources].own) b->received[i] = arena_take(&b->memory, bytes);
    for (int i = 0; i < BUCKETS_IN_FLIGHT; i++) b->arriving[i] = exchange_new(b->comm, foreign);
}

Buckets *buckets_new(const Comm *comm, const Blocks *blocks, const Sources *sources, float *sum)
{
    Buckets *b = MEM_NEW(Buckets, 1);
    *b = (Buckets){ .comm = comm, .blocks = blocks, .sources = sources, .sum = sum };
    b->items = MEM_NEW(Bucket, blocks->dense_count);
    for (int rank = comm->size - 1; rank >= 0; rank--) cut_slice(b, rank);
    b->posted = b->merged = b->own;
    b->squares = MEM_NEW(double, blocks->dense_count);
    init_receives(b);
    int leaving = (b->count - (b->own_end - b->own)) * sources->own_count;
    b->leaving = exchange_new(comm, leaving);
    return b;
}

void buckets_free(Buckets *b)
{
    if (!b) return;
    for (int i = 0; i < BUCKETS_IN_FLIGHT; i++) exchange_free(b->arriving[i]);
    exchange_free(b->leaving);
    arena_release(&b->memory);
    mem_free(b->received);
    mem_free(b->squares);
    mem_free(b->items);
    mem_free(b);
}

/// Where a source's elements of own bucket `index` arrive; NULL if they are this rank's.
static float *place_of(const Buckets *b, const Source *source, int index)
{
    return b
        ->received[index % BUCKETS_IN_FLIGHT * b->sources->count + (source - b->sources->items)];
}

static void post_receives(Buckets *b)
{
    for (; b->posted < b->own_end && b->posted < b->merged + BUCKETS_IN_FLIGHT; b->posted++)
        for (int i = 0; i < b->sources->count; i++) {
            const Source *source = &b->sources->items[i];
            if (!source->own)
                exchange_receive(b->arriving[b->posted % BUCKETS_IN_FLIGHT],
                                 place_of(b, source, b->posted),
                                 (size_t)b->items[b->posted].count * sizeof(float), source->rank,
                                 (int)source->start);
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
    int index; ///< of the bucket
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
               (place->block->first - b->items[place->index].first);
    if (size == 1) return NULL;
    float *left = merge_node(b, start, size / 2, place);
    float *right = merge_node(b, start + size / 2, size / 2, place);
    if (!left || !right) return left ? left : right;
    vec_add(left, right, place->block->count);
    return left;
}

/// The next own bucket, which has arrived.
static void merge_bucket(Buckets *b)
{
    const Bucket *bucket = &b->items[b->merged];
    for (int i = bucket->block; i < bucket->end_block; i++) {
        const Block *block = &b->blocks->items[i];
        float *to = b->sum + block->first;
        float *from = merge_node(b, 0, b->sources->root, &(Place){ b->merged, block });
        if (from != to) memcpy(to, from, (size_t)block->count * sizeof(float));
        b->squares[i] = blocks_square_sum(b->blocks, block, to);
    }
    b->merged++;
    post_receives(b);
}

void buckets_ready(Buckets *b, int64_t first)
{
    post_receives(b);
    for (; b->started < b->count && b->items[b->started].first >= first; b->started++)
        send_bucket(b, &b->items[b->started]);
    exchange_test(b->leaving);
    while (b->merged < b->own_end && b->merged < b->started &&
           exchange_test(b->arriving[b->merged % BUCKETS_IN_FLIGHT]))
        merge_bucket(b);
}

void buckets_finish(Buckets *b, double *squares)
{
    while (b->merged < b->own_end) {
        exchange_finish(b->arriving[b->merged % BUCKETS_IN_FLIGHT]);
        merge_bucket(b);
    }
    exchange_finish(b->leaving);
    for (int i = b->own; i < b->own_end; i++)
        for (int block = b->items[i].block; block < b->items[i].end_block; block++)
            squares[block] = b->squares[block];
    b->started = 0;
    b->posted = b->merged = b->own;
}
