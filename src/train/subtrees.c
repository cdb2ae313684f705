#include "train/subtrees.h"
#include "linalg/vecmath.h"
#include "train/touched.h"

#include <string.h>

int64_t subtrees_table_rows(const Subtrees *p, int table, int64_t leaves)
{
    int64_t rows = p->model->params[p->blocks->tables[table]].rows;
    return rows < leaves * p->leaf_tokens ? rows : leaves * p->leaf_tokens;
}

static int64_t table_cols(const Subtrees *p, int table)
{
    return p->model->params[p->blocks->tables[table]].cols;
}

void subtrees_init(Subtrees *p, const Model *model, const Blocks *blocks, int64_t first_leaf,
                   int64_t leaf_count, int64_t leaf_tokens)
{
    *p = (Subtrees){
        .model = model, .blocks = blocks, .first_leaf = first_leaf, .leaf_tokens = leaf_tokens
    };
    // a binary counter holds at most one subtree per size besides the new leaf, and cuts at odd
    // places leave up to twice as many
    int depth = 2;
    for (int64_t n = leaf_count; n > 0; n /= 2) depth += 2;
    p->capacity = (int)(depth < leaf_count ? depth : leaf_count);
    if (!p->capacity) p->capacity = 1; // the merged slice has its place in the first one
    size_t bytes = (size_t)model->dense_elements * sizeof(float) + 64;
    for (int t = 0; t < blocks->table_count; t++)
        bytes += (size_t)(subtrees_table_rows(p, t, leaf_count) * (table_cols(p, t) + 1)) *
                     sizeof(float) +
                 128;
    arena_init(&p->buffers, bytes * (size_t)p->capacity);
    p->items = MEM_NEW(Subtree, p->capacity);
    for (int i = 0; i < p->capacity; i++) {
        Subtree *subtree = &p->items[i];
        subtree->dense = arena_take(&p->buffers, (size_t)model->dense_elements * sizeof(float));
        subtree->tables = MEM_NEW(TouchedRows, blocks->table_count);
        for (int t = 0; t < blocks->table_count; t++)
            touched_init(&subtree->tables[t], &p->buffers, subtrees_table_rows(p, t, leaf_count),
                         table_cols(p, t));
    }
}

void subtrees_release(Subtrees *p)
{
    for (int i = 0; i < p->capacity; i++) mem_free(p->items[i].tables);
    mem_free(p->items);
    arena_release(&p->buffers);
    *p = (Subtrees){ 0 };
}

static void bind(const Subtrees *p, Subtree *leaf, Weight *weights)
{
    for (int i = 0, table = 0; i < p->model->param_count; i++) {
        const Param *param = &p->model->params[i];
        TouchedRows *touched = param->table ? &leaf->tables[table++] : NULL;
        weights[i].gradient = NULL;
        weights[i].touched = NULL;
        weights[i].written = false;
        if (param->kind == PARAM_FROZEN) continue;
        if (touched) {
            touched->count = 0;
            weights[i].touched = touched;
        } else {
            weights[i].gradient = leaf->dense + param->offset;
        }
    }
}

void subtrees_leaf_start(Subtrees *p, Weight *weights)
{
    CHECK(p->count < p->capacity, "more subtrees than %d", p->capacity);
    Subtree *top = &p->items[p->count];
    top->start = p->count ? top[-1].start + top[-1].size : p->first_leaf;
    top->size = 1;
    p->weights = weights;
    p->complete = p->model->dense_elements;
    bind(p, top, weights);
}

static void clear_unwritten(const Subtrees *p, int64_t first)
{
    for (int i = 0; i < p->model->param_count; i++) {
        const Param *param = &p->model->params[i];
        const Weight *weight = &p->weights[i];
        if (!weight->gradient || weight->written) continue;
        if (param->offset >= first && param->offset < p->complete)
            memset(weight->gradient, 0, (size_t)(param->rows * param->cols) * sizeof(float));
    }
}

/// How many additions of the tree the leaf in hand makes possible.
static int carries(const Subtrees *p)
{
    const Subtree *leaf = &p->items[p->count];
    int count = 0;
    for (int64_t size = 1; count < p->count; size *= 2, count++) {
        const Subtree *below = leaf - 1 - count;
        if (below->size != size || below->start % (2 * size)) break;
    }
    return count;
}

void subtrees_leaf_ready(Subtrees *p, int64_t first)
{
    if (first >= p->complete) return;
    clear_unwritten(p, first);
    Subtree *top = &p->items[p->count];
    for (int left = carries(p); left > 0; left--, top--)
        vec_add(top[-1].dense + first, top->dense + first, p->complete - first);
    p->complete = first;
}

void subtrees_leaf_done(Subtrees *p)
{
    subtrees_leaf_ready(p, 0);
    Subtree *top = &p->items[p->count];
    for (int left = carries(p); left > 0; left--, top--) {
        for (int t = 0; t < p->blocks->table_count; t++)
            touched_merge(&top[-1].tables[t], &top->tables[t]);
        top[-1].size *= 2;
    }
    p->count = (int)(top - p->items) + 1;
}
