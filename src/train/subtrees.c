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

void subtrees_leaf_start(Subtrees *p, Weight *weights)
{
    CHECK(p->count < p->capacity, "more subtrees than %d", p->capacity);
    Subtree *subtree = &p->items[p->count];
    for (int i = 0, table = 0; i < p->model->param_count; i++) {
        const Param *param = &p->model->params[i];
        TouchedRows *touched = param->table ? &subtree->tables[table++] : NULL;
        weights[i].gradient = NULL;
        weights[i].touched = NULL;
        weights[i].written = false;
        if (param->kind == PARAM_FROZEN) continue;
        if (touched) {
            touched->count = 0;
            weights[i].touched = touched;
        } else {
            weights[i].gradient = subtree->dense + param->offset;
        }
    }
}

static void clear_unwritten(const Subtrees *p, const Weight *weights)
{
    for (int i = 0; i < p->model->param_count; i++) {
        const Param *param = &p->model->params[i];
        if (weights[i].gradient && !weights[i].written)
            memset(weights[i].gradient, 0, (size_t)(param->rows * param->cols) * sizeof(float));
    }
}

/// into += more: one addition of the tree.
static void add_subtree(const Subtrees *p, Subtree *into, const Subtree *more)
{
    vec_add(into->dense, more->dense, p->model->dense_elements);
    for (int t = 0; t < p->blocks->table_count; t++)
        touched_merge(&into->tables[t], &more->tables[t]);
    into->size *= 2;
}

void subtrees_leaf_done(Subtrees *p, const Weight *weights)
{
    Subtree *top = &p->items[p->count];
    clear_unwritten(p, weights);
    top->start = p->count ? top[-1].start + top[-1].size : p->first_leaf;
    top->size = 1;
    p->count++;
    while (p->count > 1) {
        top = &p->items[p->count - 1];
        Subtree *below = top - 1;
        if (below->size != top->size || below->start % (2 * below->size)) break;
        add_subtree(p, below, top);
        p->count--;
    }
}
