#include "train/gradients.h"
#include "comm/exchange.h"
#include "linalg/vecmath.h"
#include "train/touched.h"

#include <string.h>

struct Gradients {
    const Comm *comm;
    const Model *model;
    const Blocks *blocks;
    const int64_t *cuts;        ///< (ranks + 1): leaves of each rank
    int64_t leaves, leaf_count; ///< of the step; of this rank
    int64_t leaf_tokens;
    Piece *pieces; ///< (piece_capacity): a stack; the buffers stay with their place
    int piece_count, piece_capacity;
    Arena buffers;  ///< of the pieces
    Arena received; ///< pieces of other ranks, merged tables: reset each step
    Exchange *exchange;
    int widest;             ///< most pieces of a rank
    int64_t *mine, *theirs; ///< (ranks, widest, tables): rows of each piece's tables, to and from
    Piece *sources;         ///< (source_capacity): all pieces of this rank's slice
    int source_count, source_capacity;
    float *dense;        ///< merged: this rank's dense slice
    TouchedRows *tables; ///< (table_count) merged: this rank's rows
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/// Size of the first maximal aligned power of two of leaves [first, end).
static int64_t next_piece_size(int64_t first, int64_t end)
{
    int64_t size = first ? first & -first : (int64_t)1 << 62;
    while (size > end - first) size /= 2;
    return size;
}

static int count_pieces(int64_t first, int64_t end)
{
    int pieces = 0;
    for (int64_t at = first; at < end; at += next_piece_size(at, end)) pieces++;
    return pieces;
}

static int64_t piece_rows(const Gradients *g, int table, int64_t leaves)
{
    return least(g->model->params[g->blocks->tables[table]].rows, leaves * g->leaf_tokens);
}

static size_t piece_bytes(const Gradients *g)
{
    size_t bytes = (size_t)g->model->dense_elements * sizeof(float) + 64;
    for (int t = 0; t < g->blocks->table_count; t++) {
        int64_t cols = g->model->params[g->blocks->tables[t]].cols;
        bytes += (size_t)(piece_rows(g, t, g->leaf_count) * (cols + 1)) * sizeof(float) + 128;
    }
    return bytes;
}

static void init_pieces(Gradients *g)
{
    // a binary counter holds at most one piece per size besides the new leaf, and cuts at odd
    // places leave up to twice as many
    int depth = 2;
    for (int64_t n = g->leaf_count; n > 0; n /= 2) depth += 2;
    g->piece_capacity = (int)least(depth, g->leaf_count);
    g->pieces = MEM_NEW(Piece, g->piece_capacity);
    arena_init(&g->buffers, piece_bytes(g) * (size_t)g->piece_capacity);
    for (int i = 0; i < g->piece_capacity; i++) {
        Piece *piece = &g->pieces[i];
        piece->dense = arena_take(&g->buffers, (size_t)g->model->dense_elements * sizeof(float));
        piece->tables = MEM_NEW(TouchedRows, g->blocks->table_count);
        for (int t = 0; t < g->blocks->table_count; t++)
            touched_init(&piece->tables[t], &g->buffers, piece_rows(g, t, g->leaf_count),
                         g->model->params[g->blocks->tables[t]].cols);
    }
}

static void init_sources(Gradients *g)
{
    size_t bytes = 0;
    int64_t first, count;
    for (int rank = 0; rank < g->comm->size; rank++) {
        int pieces = count_pieces(g->cuts[rank], g->cuts[rank + 1]);
        g->source_capacity += pieces;
        if (pieces > g->widest) g->widest = pieces;
    }
    int64_t counts = (int64_t)g->comm->size * g->widest * g->blocks->table_count;
    g->mine = MEM_NEW(int64_t, counts);
    g->theirs = MEM_NEW(int64_t, counts);
    // every piece of this rank's slice, and for each merge of two tables both; address space only
    for (int t = 0; t < g->blocks->table_count; t++) {
        int64_t cols = g->model->params[g->blocks->tables[t]].cols;
        bytes += (size_t)(piece_rows(g, t, g->leaves) * (cols + 1)) * sizeof(float) + 128;
    }
    blocks_dense_slice(g->blocks, g->comm->rank, &first, &count);
    bytes += (size_t)count * sizeof(float) + 64;
    arena_init(&g->received, bytes * (size_t)(3 * g->source_capacity + 2));
    g->sources = MEM_NEW(Piece, g->source_capacity);
    for (int i = 0; i < g->source_capacity; i++)
        g->sources[i].tables = MEM_NEW(TouchedRows, g->blocks->table_count);
}

Gradients *gradients_new(const Comm *comm, const Model *model, const Blocks *blocks,
                         const int64_t *cuts, int64_t leaf_tokens)
{
    Gradients *g = MEM_NEW(Gradients, 1);
    g->comm = comm, g->model = model, g->blocks = blocks;
    g->cuts = cuts, g->leaf_tokens = leaf_tokens;
    g->leaves = cuts[comm->size];
    g->leaf_count = cuts[comm->rank + 1] - cuts[comm->rank];
    init_pieces(g);
    init_sources(g);
    g->tables = MEM_NEW(TouchedRows, blocks->table_count);
    if (comm->size > 1) g->exchange = exchange_new(comm);
    return g;
}

void gradients_free(Gradients *g)
{
    if (!g) return;
    for (int i = 0; i < g->piece_capacity; i++) mem_free(g->pieces[i].tables);
    for (int i = 0; i < g->source_capacity; i++) mem_free(g->sources[i].tables);
    mem_free(g->pieces);
    mem_free(g->sources);
    mem_free(g->tables);
    mem_free(g->mine);
    mem_free(g->theirs);
    exchange_free(g->exchange);
    arena_release(&g->buffers);
    arena_release(&g->received);
    mem_free(g);
}

void gradients_leaf_start(Gradients *g, Weight *weights)
{
    CHECK(g->piece_count < g->piece_capacity, "more pieces than %d", g->piece_capacity);
    Piece *piece = &g->pieces[g->piece_count];
    for (int i = 0, table = 0; i < g->model->param_count; i++) {
        const Param *p = &g->model->params[i];
        TouchedRows *touched = p->table ? &piece->tables[table++] : NULL;
        weights[i].gradient = NULL;
        weights[i].touched = NULL;
        weights[i].written = false;
        if (p->kind == PARAM_FROZEN) continue;
        if (touched) {
            touched->count = 0;
            weights[i].touched = touched;
        } else {
            weights[i].gradient = piece->dense + p->offset;
        }
    }
}

static void clear_unwritten(const Gradients *g, const Weight *weights)
{
    for (int i = 0; i < g->model->param_count; i++) {
        const Param *p = &g->model->params[i];
        if (weights[i].gradient && !weights[i].written)
            memset(weights[i].gradient, 0, (size_t)(p->rows * p->cols) * sizeof(float));
    }
}

/// into += more: one addition of the tree.
static void add_piece(const Gradients *g, Piece *into, const Piece *more)
{
    vec_add(into->dense, more->dense, g->model->dense_elements);
    for (int t = 0; t < g->blocks->table_count; t++)
        touched_merge(&into->tables[t], &more->tables[t]);
    into->size *= 2;
}

void gradients_leaf_done(Gradients *g, const Weight *weights)
{
    Piece *top = &g->pieces[g->piece_count];
    clear_unwritten(g, weights);
    top->start = g->piece_count ? top[-1].start + top[-1].size : g->cuts[g->comm->rank];
    top->size = 1;
    g->piece_count++;
    while (g->piece_count > 1) {
        top = &g->pieces[g->piece_count - 1];
        Piece *below = top - 1;
        if (below->size != top->size || below->start % (2 * below->size)) break;
        add_piece(g, below, top);
        g->piece_count--;
    }
}

/// Announces how many rows of each table each of my pieces sends to each rank.
COLLECTIVE
static void exchange_table_counts(Gradients *g)
{
    int tables = g->blocks->table_count;
    for (int rank = 0; rank < g->comm->size; rank++) {
        for (int p = 0; p < g->piece_count; p++) {
            for (int t = 0; t < tables; t++) {
                int64_t first, count;
                blocks_table_slice(g->blocks, t, rank, &first, &count);
                g->mine[(rank * g->widest + p) * tables + t] =
                    touched_range(&g->pieces[p].tables[t], first, count).count;
            }
        }
    }
    exchange_counts(g->comm, g->theirs, g->mine, g->widest * tables);
}

static void send_piece(Gradients *g, const Piece *piece, int rank)
{
    int64_t first, count;
    int tag = (int)piece->start;
    blocks_dense_slice(g->blocks, rank, &first, &count);
    exchange_send(g->exchange, piece->dense + first, (size_t)count * sizeof(float), rank, tag);
    for (int t = 0; t < g->blocks->table_count; t++) {
        blocks_table_slice(g->blocks, t, rank, &first, &count);
        TouchedRows part = touched_range(&piece->tables[t], first, count);
        exchange_send(g->exchange, part.ids, (size_t)part.count * sizeof(int32_t), rank, tag);
        exchange_send(g->exchange, part.rows, (size_t)(part.count * part.cols) * sizeof(float),
                      rank, tag);
    }
}

static void receive_piece(Gradients *g, Piece *piece, int rank, const int64_t *table_counts)
{
    int64_t first, count;
    int tag = (int)piece->start;
    blocks_dense_slice(g->blocks, g->comm->rank, &first, &count);
    piece->dense = arena_take(&g->received, (size_t)count * sizeof(float));
    exchange_receive(g->exchange, piece->dense, (size_t)count * sizeof(float), rank, tag);
    for (int t = 0; t < g->blocks->table_count; t++) {
        TouchedRows *part = &piece->tables[t];
        touched_init(part, &g->received, table_counts[t],
                     g->model->params[g->blocks->tables[t]].cols);
        part->count = table_counts[t];
        exchange_receive(g->exchange, part->ids, (size_t)part->count * sizeof(int32_t), rank, tag);
        exchange_receive(g->exchange, part->rows,
                         (size_t)(part->count * part->cols) * sizeof(float), rank, tag);
    }
}

/// My own pieces, restricted to my slice, are sources too.
static void take_own(Gradients *g, Piece *source, const Piece *piece)
{
    int64_t first, count;
    blocks_dense_slice(g->blocks, g->comm->rank, &first, &count);
    source->dense = piece->dense + first;
    for (int t = 0; t < g->blocks->table_count; t++) {
        blocks_table_slice(g->blocks, t, g->comm->rank, &first, &count);
        source->tables[t] = touched_range(&piece->tables[t], first, count);
    }
}

COLLECTIVE
static void collect_sources(Gradients *g)
{
    int tables = g->blocks->table_count;
    if (g->comm->size > 1) exchange_table_counts(g);
    g->source_count = 0;
    arena_reset(&g->received, 0);
    for (int rank = 0; rank < g->comm->size; rank++) {
        int64_t leaf = g->cuts[rank], end = g->cuts[rank + 1];
        for (int p = 0; leaf < end; p++) {
            Piece *source = &g->sources[g->source_count++];
            source->start = leaf;
            source->size = next_piece_size(leaf, end);
            leaf += source->size;
            if (rank == g->comm->rank)
                take_own(g, source, &g->pieces[p]);
            else
                receive_piece(g, source, rank, g->theirs + (rank * g->widest + p) * tables);
        }
    }
    for (int rank = 0; rank < g->comm->size; rank++)
        for (int p = 0; p < g->piece_count && rank != g->comm->rank; p++)
            send_piece(g, &g->pieces[p], rank);
    if (g->exchange) exchange_finish(g->exchange);
}

static const Piece *find_source(const Gradients *g, int64_t start, int64_t size)
{
    for (int i = 0; i < g->source_count; i++)
        if (g->sources[i].start == start && g->sources[i].size == size) return &g->sources[i];
    return NULL;
}

/// The sum over tree node [start, start + size) of elements [at, at + count) of the slice, left in
/// the buffer of its leftmost piece; NULL if no leaf lies there.
static float *merge_dense(const Gradients *g, int64_t start, int64_t size, int64_t at,
                          int64_t count)
{
    if (start >= g->leaves) return NULL;
    const Piece *whole = find_source(g, start, size);
    if (whole) return whole->dense + at;
    if (size == 1) return NULL;
    float *left = merge_dense(g, start, size / 2, at, count);
    float *right = merge_dense(g, start + size / 2, size / 2, at, count);
    if (!left || !right) return left ? left : right;
    vec_add(left, right, count);
    return left;
}

static bool merge_table(Gradients *g, TouchedRows *out, int64_t start, int64_t size, int table)
{
    if (start >= g->leaves) return false;
    const Piece *whole = find_source(g, start, size);
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
    touched_init(out, &g->received, left.count + right.count, left.cols);
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

void gradients_finish(Gradients *g, double *squares)
{
    const Blocks *blocks = g->blocks;
    int64_t first, count, root = 1;
    collect_sources(g);
    while (root < g->leaves) root *= 2;
    blocks_dense_slice(blocks, g->comm->rank, &first, &count);
    for (int t = 0; t < blocks->table_count; t++) merge_table(g, &g->tables[t], 0, root, t);
    for (int i = blocks->slice[g->comm->rank]; i < blocks->slice[g->comm->rank + 1]; i++) {
        const Block *block = &blocks->items[i];
        if (block->table >= 0) {
            squares[i] = table_square_sum(&g->tables[block->table], block);
            continue;
        }
        int64_t at = block->first - first;
        float *sum = merge_dense(g, 0, root, at, block->count);
        squares[i] = vec_square_sum(sum, block->count);
        g->dense = sum - at; // the same buffer for every block
    }
    g->piece_count = 0;
}

const float *gradients_dense(const Gradients *g)
{
    return g->dense;
}

const TouchedRows *gradients_table(const Gradients *g, int table)
{
    return &g->tables[table];
}
