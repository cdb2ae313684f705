#include "train/blocks.h"
#include "base/mem.h"

enum { BLOCK_ELEMENTS = 65536 };

static void add_block(Blocks *blocks, Block block)
{
    blocks->items = mem_resize(blocks->items, (size_t)blocks->count + 1, sizeof(Block));
    blocks->items[blocks->count++] = block;
}

static void add_dense(Blocks *blocks, const Model *model)
{
    for (int64_t at = 0; at < model->dense_elements; at += BLOCK_ELEMENTS) {
        int64_t left = model->dense_elements - at;
        add_block(blocks, (Block){ .first = at,
                                   .count = left < BLOCK_ELEMENTS ? left : BLOCK_ELEMENTS,
                                   .table = -1 });
    }
}

static void add_table(Blocks *blocks, const Model *model, int param)
{
    const Param *p = &model->params[param];
    for (int64_t row = 0; row < p->rows; row += BLOCK_ROWS) {
        int64_t rows = p->rows - row < BLOCK_ROWS ? p->rows - row : BLOCK_ROWS;
        add_block(blocks, (Block){ .first = p->offset + row * p->cols,
                                   .count = rows * p->cols,
                                   .table = blocks->table_count });
    }
    blocks->tables[blocks->table_count++] = param;
    blocks->table_blocks[blocks->table_count] = blocks->count;
}

/// Ranks in the order in which they take turns: the first ones of all nodes, the second ones ...
static int *take_turns(const Comm *comm)
{
    int *turns = MEM_NEW(int, comm->size), count = 0;
    const Node *node = comm->node;
    for (int place = 0; count < comm->size; place++)
        for (int n = 0; n < (node ? node->count : 1); n++) {
            int rank = node ? node->firsts[n] + place : place;
            if (!node || rank < node->firsts[n + 1]) turns[count++] = rank;
        }
    return turns;
}

int64_t blocks_bucket_elements(int64_t dense_elements, int64_t ranks)
{
    // small, so that one of every subtree fits into the cache and the first ones leave early; and
    // many to a rank, so that little is left on the way when a pass ends
    enum { MOST_BLOCKS = 4, EACH = 32 };
    int64_t width = dense_elements / BLOCK_ELEMENTS / (EACH * ranks);
    return BLOCK_ELEMENTS * (width < 1 ? 1 : width > MOST_BLOCKS ? MOST_BLOCKS : width);
}

static void deal(Blocks *blocks, const Model *model, const Comm *comm)
{
    int width = (int)(blocks_bucket_elements(model->dense_elements, comm->size) / BLOCK_ELEMENTS);
    int count = (blocks->dense_count + width - 1) / width, *turns = take_turns(comm);
    blocks->buckets = MEM_NEW(Bucket, count);
    blocks->bucket_count = count;
    for (int i = 0; i < count; i++) {
        int block = i * width, end = block + width;
        if (end > blocks->dense_count) end = blocks->dense_count;
        const Block *first = &blocks->items[block], *last = &blocks->items[end - 1];
        int owner = turns[(count - 1 - i) % comm->size];
        blocks->buckets[i] =
            (Bucket){ first->first, last->first + last->count - first->first, block, end, owner };
        for (int k = block; k < end; k++) blocks->items[k].owner = owner;
    }
    for (int i = blocks->dense_count; i < blocks->count; i++)
        blocks->items[i].owner = turns[(count + i - blocks->dense_count) % comm->size];
    mem_free(turns);
}

static void add_segment(Blocks *blocks, const Segment *segment)
{
    blocks->segments =
        mem_resize(blocks->segments, (size_t)blocks->segment_count + 1, sizeof *blocks->segments);
    blocks->segments[blocks->segment_count] = *segment;
    blocks->segments[blocks->segment_count++].at = blocks->own_elements;
    blocks->own_elements += segment->count;
}

static void cut_bucket(Blocks *blocks, const Model *model, int index)
{
    const Bucket *bucket = &blocks->buckets[index];
    int64_t bucket_end = bucket->first + bucket->count;
    for (int i = 0; i < model->param_count; i++) {
        const Param *p = &model->params[i];
        int64_t start = p->offset > bucket->first ? p->offset : bucket->first;
        int64_t end = p->offset + p->rows * p->cols;
        if (end > bucket_end) end = bucket_end;
        if (start < end && !p->table)
            add_segment(blocks, &(Segment){ start, end - start, i, 0, index });
    }
}

static void cut_segments(Blocks *blocks, const Model *model)
{
    for (int i = 0; i < blocks->bucket_count; i++)
        if (blocks->buckets[i].owner == blocks->rank) cut_bucket(blocks, model, i);
    for (int i = blocks->dense_count; i < blocks->count; i++) {
        const Block *block = &blocks->items[i];
        if (block->owner == blocks->rank)
            add_segment(blocks, &(Segment){ block->first, block->count,
                                            blocks->tables[block->table], 0, -1 });
    }
}

/// By their places, which right factors do not have in the order of the table.
static void list_others(Blocks *blocks, const Model *model)
{
    Segment *others = blocks->others = MEM_NEW(Segment, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        const Param *p = &model->params[i];
        if (param_leads(model, p)) continue;
        int at = blocks->other_count++;
        for (; at && others[at - 1].first > p->offset; at--) others[at] = others[at - 1];
        others[at] = (Segment){ .first = p->offset, .count = p->rows * p->cols, .param = i };
    }
}

void blocks_add_squares(SquareSum *sum, const Blocks *blocks, const Block *block, const float *x)
{
    int64_t at = block->first, end = block->first + block->count;
    for (int i = 0; i < blocks->other_count; i++) {
        const Segment *other = &blocks->others[i];
        int64_t other_end = other->first + other->count;
        if (other_end <= at || other->first >= end) continue;
        if (other->first > at) vec_add_squares(sum, x + (at - block->first), other->first - at);
        at = other_end < end ? other_end : end;
    }
    vec_add_squares(sum, x + (at - block->first), end - at);
}

void blocks_init(Blocks *blocks, const Model *model, const Comm *comm)
{
    *blocks = (Blocks){ .rank = comm->rank };
    blocks->tables = MEM_NEW(int, model->param_count);
    blocks->table_blocks = MEM_NEW(int, model->param_count + 1);
    add_dense(blocks, model);
    blocks->dense_count = blocks->table_blocks[0] = blocks->count;
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].table) add_table(blocks, model, i);
    deal(blocks, model, comm);
    cut_segments(blocks, model);
    list_others(blocks, model);
}

void blocks_release(Blocks *blocks)
{
    mem_free(blocks->items);
    mem_free(blocks->tables);
    mem_free(blocks->table_blocks);
    mem_free(blocks->buckets);
    mem_free(blocks->segments);
    mem_free(blocks->others);
    *blocks = (Blocks){ 0 };
}
