#include "train/gradients.h"
#include "comm/exchange.h"
#include "data/leaves.h"
#include "linalg/vecmath.h"
#include "train/subtrees.h"
#include "train/touched.h"

#include <string.h>

// The dense slices travel in buckets, one on the way while the one before is merged: a bucket of
// every subtree fits into the cache, and no rank needs room for a second gradient.
enum { BUCKET_BLOCKS = 16, BUCKETS_IN_FLIGHT = 2 };

/// A subtree of some rank, as this rank sees it: its slice of the tables, and of a dense bucket.
typedef struct {
    int64_t start, size; ///< leaves
    int rank;
    Subtree *own;                      ///< NULL if another rank's
    float *buckets[BUCKETS_IN_FLIGHT]; ///< of another rank's
    TouchedRows *tables;               ///< (table_count), owned
} Source;

struct Gradients {
    const Comm *comm;
    const Model *model;
    const Blocks *blocks;
    const int64_t *cuts;  ///< (ranks + 1): leaves of each rank
    int64_t leaves, root; ///< of the step; size of the tree's root
    Subtrees subtrees;
    Source *sources; ///< (source_count): all subtrees of the job, by start
    int source_count;
    int widest;             ///< most subtrees of a rank
    int64_t *mine, *theirs; ///< (ranks, widest, tables): rows of each subtree's tables, to and from
    Exchange *exchanges[BUCKETS_IN_FLIGHT];
    Arena buckets, rows; ///< received: dense buckets; table rows of this step and their sums
    TouchedRows *tables; ///< (table_count) merged: this rank's rows
};

static void init_sources(Gradients *g)
{
    for (int rank = 0; rank < g->comm->size; rank++) {
        int64_t leaf = g->cuts[rank], end = g->cuts[rank + 1];
        int count = leaves_subtree_count(leaf, end);
        if (count > g->widest) g->widest = count;
        for (int p = 0; p < count; p++) {
            g->sources = mem_resize(g->sources, (size_t)g->source_count + 1, sizeof(Source));
            Source *source = &g->sources[g->source_count++];
            *source = (Source){ .start = leaf, .rank = rank };
            source->size = leaves_subtree_size(leaf, end);
            source->own = rank == g->comm->rank ? &g->subtrees.items[p] : NULL;
            source->tables = MEM_NEW(TouchedRows, g->blocks->table_count);
            leaf += source->size;
        }
    }
}

static int64_t bucket_elements(const Gradients *g)
{
    return g->blocks->dense_count ? BUCKET_BLOCKS * g->blocks->items[0].count : 0;
}

static void init_buffers(Gradients *g)
{
    size_t bytes = 64, bucket_bytes = (size_t)bucket_elements(g) * sizeof(float) + 64;
    arena_init(&g->buckets, BUCKETS_IN_FLIGHT * bucket_bytes * (size_t)g->source_count);
    for (int i = 0; i < g->source_count; i++)
        for (int b = 0; b < BUCKETS_IN_FLIGHT && !g->sources[i].own; b++)
            g->sources[i].buckets[b] = arena_take(&g->buckets, bucket_bytes - 64);
    // address space for every subtree of this rank's rows, and for both sides of every merge
    for (int t = 0; t < g->blocks->table_count; t++) {
        int64_t cols = g->model->params[g->blocks->tables[t]].cols;
        int64_t rows = subtrees_table_rows(&g->subtrees, t, g->leaves);
        bytes += (size_t)(rows * (cols + 1)) * sizeof(float) + 128;
    }
    arena_init(&g->rows, bytes * (size_t)(3 * g->source_count + 2));
}

Gradients *gradients_new(const Comm *comm, const Model *model, const Blocks *blocks,
                         const int64_t *cuts, int64_t leaf_tokens)
{
    Gradients *g = MEM_NEW(Gradients, 1);
    int64_t first = cuts[comm->rank];
    *g = (Gradients){ .comm = comm, .model = model, .blocks = blocks, .cuts = cuts };
    g->leaves = cuts[comm->size];
    for (g->root = 1; g->root < g->leaves;) g->root *= 2;
    subtrees_init(&g->subtrees, model, blocks, first, cuts[comm->rank + 1] - first, leaf_tokens);
    init_sources(g);
    init_buffers(g);
    int64_t counts = (int64_t)comm->size * g->widest * blocks->table_count;
    g->mine = MEM_NEW(int64_t, counts);
    g->theirs = MEM_NEW(int64_t, counts);
    g->tables = MEM_NEW(TouchedRows, blocks->table_count);
    for (int i = 0; i < BUCKETS_IN_FLIGHT; i++) g->exchanges[i] = exchange_new(comm);
    return g;
}

void gradients_free(Gradients *g)
{
    if (!g) return;
    for (int i = 0; i < BUCKETS_IN_FLIGHT; i++) exchange_free(g->exchanges[i]);
    for (int i = 0; i < g->source_count; i++) mem_free(g->sources[i].tables);
    mem_free(g->sources);
    mem_free(g->tables);
    mem_free(g->mine);
    mem_free(g->theirs);
    arena_release(&g->rows);
    arena_release(&g->buckets);
    subtrees_release(&g->subtrees);
    mem_free(g);
}

void gradients_leaf_start(Gradients *g, Weight *weights)
{
    subtrees_leaf_start(&g->subtrees, weights);
}

void gradients_leaf_done(Gradients *g, const Weight *weights)
{
    subtrees_leaf_done(&g->subtrees, weights);
}

/// The rows of one of my subtrees that a rank owns.
static TouchedRows part_for(const Gradients *g, const Subtree *subtree, int table, int rank)
{
    int64_t first, count;
    blocks_table_slice(g->blocks, table, rank, &first, &count);
    return touched_range(&subtree->tables[table], first, count);
}

/// Announces how many rows of each table each of my subtrees sends to each rank.
COLLECTIVE
static void exchange_row_counts(Gradients *g)
{
    int tables = g->blocks->table_count;
    for (int rank = 0; rank < g->comm->size; rank++)
        for (int p = 0; p < g->subtrees.count; p++)
            for (int t = 0; t < tables; t++)
                g->mine[(rank * g->widest + p) * tables + t] =
                    part_for(g, &g->subtrees.items[p], t, rank).count;
    exchange_counts(g->comm, g->theirs, g->mine, g->widest * tables);
}

static void send_rows(Gradients *g, const Subtree *subtree, int rank)
{
    for (int t = 0; t < g->blocks->table_count; t++) {
        TouchedRows part = part_for(g, subtree, t, rank);
        int tag = (int)subtree->start;
        exchange_send(g->exchanges[0], part.ids, (size_t)part.count * sizeof(int32_t), rank, tag);
        exchange_send(g->exchanges[0], part.rows, (size_t)(part.count * part.cols) * sizeof(float),
                      rank, tag);
    }
}

static void receive_rows(Gradients *g, Source *source, const int64_t *counts)
{
    for (int t = 0; t < g->blocks->table_count; t++) {
        TouchedRows *part = &source->tables[t];
        int rank = source->rank, tag = (int)source->start;
        touched_init(part, &g->rows, counts[t], g->model->params[g->blocks->tables[t]].cols);
        part->count = counts[t];
        exchange_receive(g->exchanges[0], part->ids, (size_t)part->count * sizeof(int32_t), rank,
                         tag);
        exchange_receive(g->exchanges[0], part->rows,
                         (size_t)(part->count * part->cols) * sizeof(float), rank, tag);
    }
}

/// Every source's rows of this rank's slices.
COLLECTIVE
static void collect_rows(Gradients *g)
{
    arena_reset(&g->rows, 0);
    exchange_row_counts(g);
    for (int i = 0, subtree = 0; i < g->source_count; i++) {
        Source *source = &g->sources[i];
        subtree = i && source[-1].rank == source->rank ? subtree + 1 : 0;
        if (!source->own)
            receive_rows(g, source,
                         g->theirs + (source->rank * g->widest + subtree) * g->blocks->table_count);
        for (int t = 0; t < g->blocks->table_count && source->own; t++)
            source->tables[t] = part_for(g, source->own, t, g->comm->rank);
    }
    for (int rank = 0; rank < g->comm->size; rank++)
        for (int p = 0; p < g->subtrees.count && rank != g->comm->rank; p++)
            send_rows(g, &g->subtrees.items[p], rank);
    exchange_finish(g->exchanges[0]);
}

static const Source *find_source(const Gradients *g, int64_t start, int64_t size)
{
    for (int i = 0; i < g->source_count; i++)
        if (g->sources[i].start == start && g->sources[i].size == size) return &g->sources[i];
    return NULL;
}

static bool merge_table(Gradients *g, TouchedRows *out, int64_t start, int64_t size, int table)
{
    if (start >= g->leaves) return false;
    const Source *whole = find_source(g, start, size);
    if (whole) {
        *out = whole->tables[table];
        return true;
    }
    if (size == 1) return false;
    TouchedRows left, right;
    bool has_left = merge_table(g, &left, start, size / 2, table);
    bool has_right = merge_table(g, &right, start + size / 2, size / 2, table);
    if (!has_left || !has_right) {
        *out = has_left ? left : right;
        return has_left || has_right;
    }
    touched_init(out, &g->rows, left.count + right.count, left.cols);
    out->count = left.count;
    memcpy(out->ids, left.ids, (size_t)left.count * sizeof(int32_t));
    memcpy(out->rows, left.rows, (size_t)(left.count * left.cols) * sizeof(float));
    touched_merge(out, &right);
    return true;
}

/// Sum of squares of one block of a table: its touched rows in ascending order.
static double table_square_sum(const TouchedRows *rows, const Block *block)
{
    TouchedRows part = touched_range(rows, block->first_row, block->rows);
    double sum = 0;
    for (int64_t i = 0; i < part.count; i++)
        sum += vec_square_sum(part.rows + i * part.cols, part.cols);
    return sum;
}

/// Elements [*first, *first + *count) of a bucket of a rank's dense slice; none past its end.
static void bucket_range(const Gradients *g, int rank, int bucket, int64_t *first, int64_t *count)
{
    int64_t slice_first, slice_count, at = bucket * bucket_elements(g);
    blocks_dense_slice(g->blocks, rank, &slice_first, &slice_count);
    if (at > slice_count) at = slice_count;
    *first = slice_first + at;
    *count = slice_count - at < bucket_elements(g) ? slice_count - at : bucket_elements(g);
}

static int count_buckets(const Gradients *g)
{
    int64_t most = 0;
    for (int rank = 0; rank < g->comm->size; rank++) {
        int64_t first, count;
        blocks_dense_slice(g->blocks, rank, &first, &count);
        if (count > most) most = count;
    }
    return most ? (int)((most + bucket_elements(g) - 1) / bucket_elements(g)) : 0;
}

static void start_bucket(Gradients *g, int bucket)
{
    int64_t first, count;
    Exchange *exchange = g->exchanges[bucket % BUCKETS_IN_FLIGHT];
    bucket_range(g, g->comm->rank, bucket, &first, &count);
    for (int i = 0; i < g->source_count; i++) {
        const Source *source = &g->sources[i];
        if (!source->own)
            exchange_receive(exchange, source->buckets[bucket % BUCKETS_IN_FLIGHT],
                             (size_t)count * sizeof(float), source->rank, (int)source->start);
    }
    for (int rank = 0; rank < g->comm->size; rank++) {
        if (rank == g->comm->rank) continue;
        bucket_range(g, rank, bucket, &first, &count);
        for (int p = 0; p < g->subtrees.count; p++)
            exchange_send(exchange, g->subtrees.items[p].dense + first,
                          (size_t)count * sizeof(float), rank, (int)g->subtrees.items[p].start);
    }
}

/// A block of the bucket that is merged.
typedef struct {
    int bucket;
    int64_t bucket_first, first, count; ///< elements of Model.values
} Place;

/// The sum over tree node [start, start + size) at `place`, left in the buffer of its leftmost
/// subtree; NULL if no leaf lies there.
static float *merge_dense(const Gradients *g, int64_t start, int64_t size, const Place *place)
{
    if (start >= g->leaves) return NULL;
    const Source *whole = find_source(g, start, size);
    if (whole && whole->own) return whole->own->dense + place->first;
    if (whole)
        return whole->buckets[place->bucket % BUCKETS_IN_FLIGHT] +
               (place->first - place->bucket_first);
    if (size == 1) return NULL;
    float *left = merge_dense(g, start, size / 2, place);
    float *right = merge_dense(g, start + size / 2, size / 2, place);
    if (!left || !right) return left ? left : right;
    vec_add(left, right, place->count);
    return left;
}

/// Merges this rank's blocks of a bucket into the first subtree's buffer.
static void merge_bucket(Gradients *g, int bucket, double *squares)
{
    int64_t first, count;
    bucket_range(g, g->comm->rank, bucket, &first, &count);
    int block = g->blocks->slice[g->comm->rank] + bucket * BUCKET_BLOCKS;
    for (int64_t at = first; at < first + count; at += g->blocks->items[block++].count) {
        Place place = { bucket, first, at, g->blocks->items[block].count };
        float *home = g->subtrees.items[0].dense + at;
        float *sum = merge_dense(g, 0, g->root, &place);
        if (sum != home) memcpy(home, sum, (size_t)place.count * sizeof(float));
        squares[block] = vec_square_sum(home, place.count);
    }
}

void gradients_finish(Gradients *g, double *squares)
{
    const Blocks *blocks = g->blocks;
    int buckets = count_buckets(g);
    collect_rows(g);
    if (buckets) start_bucket(g, 0);
    for (int bucket = 0; bucket < buckets; bucket++) {
        if (bucket + 1 < buckets) start_bucket(g, bucket + 1);
        exchange_finish(g->exchanges[bucket % BUCKETS_IN_FLIGHT]);
        merge_bucket(g, bucket, squares);
    }
    for (int t = 0; t < blocks->table_count; t++) merge_table(g, &g->tables[t], 0, g->root, t);
    for (int i = blocks->slice[g->comm->rank]; i < blocks->slice[g->comm->rank + 1]; i++)
        if (blocks->items[i].table >= 0)
            squares[i] = table_square_sum(&g->tables[blocks->items[i].table], &blocks->items[i]);
    g->subtrees.count = 0;
}

const float *gradients_dense(const Gradients *g)
{
    int64_t first, count;
    blocks_dense_slice(g->blocks, g->comm->rank, &first, &count);
    return g->subtrees.items[0].dense + first;
}

const TouchedRows *gradients_table(const Gradients *g, int table)
{
    return &g->tables[table];
}
