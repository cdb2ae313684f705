#include "train/gradients.h"
#include "comm/exchange.h"
#include "linalg/vecmath.h"
#include "train/buckets.h"
#include "train/touched.h"

#include <string.h>

struct Gradients {
    const Comm *comm;
    const Model *model;
    const Blocks *blocks;
    Subtrees subtrees;
    Sources sources, near; ///< of all ranks; of this island's ranks and of other islands
    Buckets *buckets;
    bool *complete;         ///< (param_count): of the leaf in hand
    int *order;             ///< (dense_params): dense parameters by their places
    int dense_params, left; ///< of the leaf, those of order[left, dense_params) are complete
    int64_t end_leaf;       ///< one past this rank's last
    int64_t *mine, *theirs; ///< (ranks, widest, tables): rows of each subtree's tables, to and from
    Exchange *exchange;     ///< of rows
    Arena rows;             ///< received, and their sums
    TouchedRows *dealt;     ///< (own subtrees, tables, ranks): rows of each owner
    TouchedRows *parts;     ///< (sources, tables): rows that this rank owns
    TouchedRows *tables;    ///< (table_count) merged: this rank's rows
};

/// Address space for every subtree of this rank's rows, and for both sides of every merge.
static void init_rows(Gradients *g)
{
    size_t bytes = 64;
    int tables = g->blocks->table_count, sources = g->sources.count, own = g->sources.own_count;
    for (int t = 0; t < tables; t++) {
        int64_t cols = g->model->params[g->blocks->tables[t]].cols;
        int64_t rows = subtrees_table_rows(&g->subtrees, t, g->sources.leaves);
        bytes += (size_t)(rows * (cols + 1)) * sizeof(float) + 128;
    }
    arena_init(&g->rows, bytes * (size_t)(3 * sources + 2));
    g->mine = MEM_NEW(int64_t, g->comm->size * g->sources.widest * tables);
    g->theirs = MEM_NEW(int64_t, g->comm->size * g->sources.widest * tables);
    g->dealt = MEM_NEW(TouchedRows, own * tables * g->comm->size);
    g->parts = MEM_NEW(TouchedRows, sources * tables);
    g->tables = MEM_NEW(TouchedRows, tables);
    g->exchange = exchange_new(g->comm, 2 * tables * (sources - own + own * (g->comm->size - 1)));
}

Gradients *gradients_new(const Comm *comm, const Model *model, const Blocks *blocks,
                         const int64_t *cuts, int64_t leaf_tokens)
{
    Gradients *g = MEM_NEW(Gradients, 1);
    int64_t first = cuts[comm->rank], end = cuts[comm->rank + 1];
    *g = (Gradients){ .comm = comm, .model = model, .blocks = blocks, .end_leaf = end };
    subtrees_init(&g->subtrees, model, blocks, first, end - first, leaf_tokens);
    sources_init(&g->sources, comm, cuts, &g->subtrees);
    sources_init_near(&g->near, comm, cuts, &g->subtrees);
    g->buckets = buckets_new(comm, blocks, &g->near, g->subtrees.items[0].dense);
    g->complete = MEM_NEW(bool, model->param_count);
    g->order = MEM_NEW(int, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        if (model->params[i].table) continue;
        int at = g->dense_params++;
        for (; at && model->params[g->order[at - 1]].offset > model->params[i].offset; at--)
            g->order[at] = g->order[at - 1];
        g->order[at] = i;
    }
    init_rows(g);
    return g;
}

void gradients_free(Gradients *g)
{
    if (!g) return;
    buckets_free(g->buckets);
    exchange_free(g->exchange);
    arena_release(&g->rows);
    mem_free(g->dealt);
    mem_free(g->parts);
    mem_free(g->tables);
    mem_free(g->mine);
    mem_free(g->theirs);
    mem_free(g->complete);
    mem_free(g->order);
    sources_release(&g->near);
    sources_release(&g->sources);
    subtrees_release(&g->subtrees);
    mem_free(g);
}

void gradients_leaf_start(Gradients *g, Weight *weights)
{
    subtrees_leaf_start(&g->subtrees, weights);
    memset(g->complete, 0, (size_t)g->model->param_count * sizeof *g->complete);
    g->left = g->dense_params;
}

/// Dense elements from here to the end are complete in the leaf.
static int64_t complete_from(const Gradients *g)
{
    if (!g->left) return 0;
    const Param *last = &g->model->params[g->order[g->left - 1]];
    return last->offset + last->rows * last->cols;
}

void gradients_ready(void *gradients, int param)
{
    Gradients *g = gradients;
    g->complete[param] = true;
    while (g->left && g->complete[g->order[g->left - 1]]) g->left--;
    int64_t first = complete_from(g);
    subtrees_leaf_ready(&g->subtrees, first);
    bool last = g->subtrees.items[g->subtrees.count].start + 1 == g->end_leaf;
    // in an earlier leaf nothing is ready, but a rank that is ahead may have sent something
    buckets_ready(g->buckets, last ? first : g->model->dense_elements);
}

void gradients_leaf_done(Gradients *g)
{
    subtrees_leaf_done(&g->subtrees);
}

/// The rows of own subtree `place` that each rank owns.
static TouchedRows *dealt_rows(const Gradients *g, int place, int table)
{
    return g->dealt + (place * g->blocks->table_count + table) * g->comm->size;
}

/// Copies the rows of an own subtree, one owner's after the other's; a rank alone has them so.
static void deal_rows(Gradients *g, int place, int table)
{
    const TouchedRows *all = &g->subtrees.items[place].tables[table];
    TouchedRows *parts = dealt_rows(g, place, table), packed;
    size_t row_bytes = (size_t)all->cols * sizeof(float);
    if (g->comm->size == 1) {
        parts[0] = *all;
        return;
    }
    touched_init(&packed, &g->rows, all->count, all->cols);
    for (int rank = 0; rank < g->comm->size; rank++)
        parts[rank] = (TouchedRows){ .cols = all->cols };
    for (int64_t i = 0; i < all->count; i++)
        parts[blocks_of_row(g->blocks, table, all->ids[i])->owner].capacity++;
    for (int rank = 0; rank < g->comm->size; rank++) {
        parts[rank].ids = packed.ids;
        parts[rank].rows = packed.rows;
        packed.ids += parts[rank].capacity;
        packed.rows += parts[rank].capacity * all->cols;
    }
    for (int64_t i = 0; i < all->count; i++) {
        TouchedRows *part = &parts[blocks_of_row(g->blocks, table, all->ids[i])->owner];
        part->ids[part->count] = all->ids[i];
        memcpy(part->rows + part->count++ * all->cols, all->rows + i * all->cols, row_bytes);
    }
}

/// Announces how many rows of each table each of my subtrees sends to each rank.
COLLECTIVE
static void exchange_row_counts(Gradients *g)
{
    int tables = g->blocks->table_count;
    for (int rank = 0; rank < g->comm->size; rank++)
        for (int p = 0; p < g->sources.own_count; p++)
            for (int t = 0; t < tables; t++)
                g->mine[(rank * g->sources.widest + p) * tables + t] =
                    dealt_rows(g, p, t)[rank].count;
    exchange_counts(g->comm, g->theirs, g->mine, g->sources.widest * tables);
}

/// Apart from the tags of buckets: one of them may be on its way.
static int row_tag(const Gradients *g, int64_t start)
{
    return (int)(g->sources.leaves + start);
}

static void send_rows(Gradients *g, int place, int rank)
{
    for (int t = 0; t < g->blocks->table_count; t++) {
        TouchedRows part = dealt_rows(g, place, t)[rank];
        int tag = row_tag(g, g->subtrees.items[place].start);
        exchange_send(g->exchange, part.ids, (size_t)part.count * sizeof(int32_t), rank, tag);
        exchange_send(g->exchange, part.rows, (size_t)(part.count * part.cols) * sizeof(float),
                      rank, tag);
    }
}

/// A source's part of a table.
static TouchedRows *part_of(const Gradients *g, const Source *source, int table)
{
    return &g->parts[(source - g->sources.items) * g->blocks->table_count + table];
}

static void receive_rows(Gradients *g, const Source *source)
{
    int tables = g->blocks->table_count, tag = row_tag(g, source->start);
    const int64_t *counts = g->theirs + (source->rank * g->sources.widest + source->place) * tables;
    for (int t = 0; t < tables; t++) {
        TouchedRows *part = part_of(g, source, t);
        touched_init(part, &g->rows, counts[t], g->model->params[g->blocks->tables[t]].cols);
        part->count = counts[t];
        exchange_receive(g->exchange, part->ids, (size_t)part->count * sizeof(int32_t),
                         source->rank, tag);
        exchange_receive(g->exchange, part->rows,
                         (size_t)(part->count * part->cols) * sizeof(float), source->rank, tag);
    }
}

/// Starts the messages of every source's rows to their owners.
COLLECTIVE
static void start_rows(Gradients *g)
{
    arena_reset(&g->rows, 0);
    for (int p = 0; p < g->sources.own_count; p++)
        for (int t = 0; t < g->blocks->table_count; t++) deal_rows(g, p, t);
    exchange_row_counts(g);
    for (int i = 0; i < g->sources.count; i++) {
        const Source *source = &g->sources.items[i];
        if (!source->own) receive_rows(g, source);
        for (int t = 0; t < g->blocks->table_count && source->own; t++)
            *part_of(g, source, t) = dealt_rows(g, source->place, t)[g->comm->rank];
    }
    for (int rank = 0; rank < g->comm->size; rank++)
        for (int p = 0; p < g->sources.own_count && rank != g->comm->rank; p++)
            send_rows(g, p, rank);
}

static bool merge_table(Gradients *g, TouchedRows *out, int64_t start, int64_t size, int table)
{
    if (start >= g->sources.leaves) return false;
    const Source *whole = sources_find(&g->sources, start, size);
    if (whole) {
        *out = *part_of(g, whole, table);
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

void gradients_finish(Gradients *g, SquareSum *squares)
{
    buckets_ready(g->buckets, 0);
    start_rows(g);
    buckets_finish(g->buckets, squares);
    exchange_finish(g->exchange);
    for (int t = 0; t < g->blocks->table_count; t++) {
        TouchedRows *rows = &g->tables[t];
        merge_table(g, rows, 0, g->sources.root, t);
        vec_add_squares(squares, rows->rows, rows->count * rows->cols);
    }
    g->subtrees.count = 0;
}

const float *gradients_dense(const Gradients *g)
{
    return g->subtrees.items[0].dense;
}

const TouchedRows *gradients_table(const Gradients *g, int table)
{
    return &g->tables[table];
}
