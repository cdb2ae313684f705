#include "train/blocks.h"
#include "base/mem.h"
#include "linalg/vecmath.h"

enum { BLOCK_ELEMENTS = 65536, BLOCK_ROWS = 256 };

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
                                   .table = blocks->table_count,
                                   .first_row = row,
                                   .rows = rows });
    }
    blocks->tables[blocks->table_count++] = param;
}

/// Work of a block: most rows of a table are untouched by a step.
static int64_t weight(const Block *block)
{
    enum { TABLE_DISCOUNT = 8 };
    return block->table < 0 ? block->count : block->count / TABLE_DISCOUNT;
}

/// Contiguous runs of nearly equal work.
static void deal(Blocks *blocks)
{
    int64_t total = 0, sum = 0;
    int block = 0;
    for (int i = 0; i < blocks->count; i++) total += weight(&blocks->items[i]);
    for (int rank = 0; rank < blocks->ranks; rank++) {
        blocks->slice[rank] = block;
        int64_t goal = total * (rank + 1) / blocks->ranks;
        for (; block < blocks->count && sum < goal; block++) sum += weight(&blocks->items[block]);
    }
    blocks->slice[blocks->ranks] = blocks->count;
}

static void cut_segments(Blocks *blocks, const Model *model)
{
    int64_t first, count;
    blocks_dense_slice(blocks, blocks->rank, &first, &count);
    blocks->segments = MEM_NEW(Segment, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        const Param *p = &model->params[i];
        if (p->table) continue;
        int64_t start = p->offset > first ? p->offset : first;
        int64_t end = p->offset + p->rows * p->cols;
        if (end > first + count) end = first + count;
        if (start < end)
            blocks->segments[blocks->segment_count++] = (Segment){ start, end - start, i };
    }
}

static void list_others(Blocks *blocks, const Model *model)
{
    blocks->others = MEM_NEW(Segment, model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        const Param *p = &model->params[i];
        if (!param_leads(model, p))
            blocks->others[blocks->other_count++] = (Segment){ p->offset, p->rows * p->cols, i };
    }
}

double blocks_square_sum(const Blocks *blocks, const Block *block, const float *x)
{
    int64_t at = block->first, end = block->first + block->count;
    double sum = 0;
    for (int i = 0; i < blocks->other_count; i++) {
        const Segment *other = &blocks->others[i];
        int64_t other_end = other->first + other->count;
        if (other_end <= at || other->first >= end) continue;
        if (other->first > at) sum += vec_square_sum(x + (at - block->first), other->first - at);
        at = other_end < end ? other_end : end;
    }
    return sum + vec_square_sum(x + (at - block->first), end - at);
}

void blocks_init(Blocks *blocks, const Model *model, const Comm *comm)
{
    *blocks = (Blocks){ .ranks = comm->size, .rank = comm->rank };
    blocks->tables = MEM_NEW(int, model->param_count);
    blocks->slice = MEM_NEW(int, comm->size + 1);
    add_dense(blocks, model);
    blocks->dense_count = blocks->count;
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].table) add_table(blocks, model, i);
    deal(blocks);
    cut_segments(blocks, model);
    list_others(blocks, model);
}

void blocks_release(Blocks *blocks)
{
    mem_free(blocks->items);
    mem_free(blocks->tables);
    mem_free(blocks->slice);
    mem_free(blocks->segments);
    mem_free(blocks->others);
    *blocks = (Blocks){ 0 };
}

void blocks_slice(const Blocks *blocks, int rank, int64_t *first, int64_t *count)
{
    int a = blocks->slice[rank], b = blocks->slice[rank + 1];
    *first = *count = 0;
    if (a == b) return;
    const Block *last = &blocks->items[b - 1];
    *first = blocks->items[a].first;
    *count = last->first + last->count - *first;
}

void blocks_dense_slice(const Blocks *blocks, int rank, int64_t *first, int64_t *count)
{
    *first = *count = 0;
    for (int i = blocks->slice[rank]; i < blocks->slice[rank + 1]; i++) {
        if (blocks->items[i].table >= 0) break;
        if (!*count) *first = blocks->items[i].first;
        *count += blocks->items[i].count;
    }
}

void blocks_table_slice(const Blocks *blocks, int table, int rank, int64_t *first, int64_t *count)
{
    *first = *count = 0;
    for (int i = blocks->slice[rank]; i < blocks->slice[rank + 1]; i++) {
        const Block *block = &blocks->items[i];
        if (block->table != table) continue;
        if (!*count) *first = block->first_row;
        *count += block->rows;
    }
}
